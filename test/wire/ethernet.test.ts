import t from 'tap';
import { formatMac, parseMac } from '@ppp-thing/protocol/wire/ethernet';

t.test('ethernet › a MAC address reads back as it was written', async (t) => {
  const text = '02:00:5e:10:53:01';
  t.equal(formatMac(parseMac(text) ?? new Uint8Array()), text);
  t.equal(parseMac('02:00:5e:10:53'), undefined, 'five octets are not an address');
  t.equal(parseMac('02-00-5e-10-53-01'), undefined);
});
