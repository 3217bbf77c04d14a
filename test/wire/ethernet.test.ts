import t from 'tap';
import * as fc from 'fast-check';
import {
  BROADCAST,
  decodeAnnounce,
  decodeEthernet,
  encodeAnnounce,
  encodeEthernet,
  ETHERTYPE,
  formatMac,
  isMulticast,
  parseMac,
} from '@ppp-thing/protocol/wire/ethernet';
import { ANNOUNCE, DISCOVERY } from '../fixtures/ethernet.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const mac = hex`02005e105301`;

t.test('ethernet › a MAC address reads back as it was written', async (t) => {
  const text = '02:00:5e:10:53:01';
  t.equal(formatMac(parseMac(text) ?? new Uint8Array()), text);
  t.same(parseMac('02:00:5E:10:53:01'), mac);
  t.equal(parseMac('02:00:5e:10:53'), undefined, 'five octets are not an address');
  t.equal(parseMac('02-00-5e-10-53-01'), undefined);
});

t.test('ethernet › broadcast and group addresses are multicast', async (t) => {
  t.ok(isMulticast(BROADCAST));
  t.ok(isMulticast(hex`01005e000012`));
  t.notOk(isMulticast(mac));
});

t.test('ethernet › decodes a frame', async (t) => {
  const frame = decodeEthernet(DISCOVERY);
  t.same(frame.destination, BROADCAST);
  t.same(frame.source, mac);
  t.equal(frame.etherType, ETHERTYPE.PPPOE_DISCOVERY, 'discovery is 0x8863 (P1)');
  t.equal(frame.payload.length, 46);
  t.equal(ETHERTYPE.PPPOE_SESSION, 0x8864, 'a session is 0x8864 (P1)');
});

t.test('ethernet › encodes a frame, padded to 60 octets', async (t) => {
  const short = { destination: BROADCAST, source: mac, etherType: 0x8863 };
  const payload = hex`11 09 0000 0004 0101 0000`;
  t.same(encodeEthernet({ ...short, payload }), DISCOVERY);
  t.equal(encodeEthernet({ ...short, payload: new Uint8Array(1500) }).length, 1514);
  t.throws(() => encodeEthernet({ ...short, source: hex`02`, payload }), RangeError);
});

t.test('ethernet › refuses less than a header', async (t) => {
  t.same(
    acceptedTruncations(decodeEthernet, DISCOVERY.subarray(0, 20)),
    [14, 15, 16, 17, 18, 19],
    'a payload of any length is a payload',
  );
  fuzz(decodeEthernet, [DISCOVERY]);
});

t.test('announce › decodes, encodes and mirrors', async (t) => {
  t.same(decodeAnnounce(ANNOUNCE), { mac, epoch: 42 });
  t.same(encodeAnnounce({ mac, epoch: 42 }), ANNOUNCE);
  t.equal(ANNOUNCE.length, 60);
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 6, maxLength: 6 }), fc.nat(0xffffffff), (mac, epoch) => {
      const { mac: heard, epoch: said } = decodeAnnounce(encodeAnnounce({ mac, epoch }));
      return formatMac(heard) === formatMac(mac) && said === epoch;
    }),
  );
});

t.test('announce › refuses every other frame', async (t) => {
  t.same(
    acceptedTruncations(decodeAnnounce, ANNOUNCE),
    Array.from({ length: 18 }, (_, i) => 42 + i),
    'without its padding it is still one',
  );
  // The destination is the switch's business; source, EtherType, header and both hardware addresses are checked.
  const checked = [...Array(16).keys()]
    .map((i) => i + 6)
    .concat(
      [...Array(6).keys()].map((i) => i + 22),
      [...Array(6).keys()].map((i) => i + 32),
    );
  for (const at of checked)
    t.equal(attempt(decodeAnnounce, changed(ANNOUNCE, at, 1)), REFUSED, `octet ${at}`);
  t.equal(attempt(decodeAnnounce, DISCOVERY), REFUSED);
  t.ok(acceptedTruncations(decodeAnnounce, ANNOUNCE).every((length) => length >= 42));
  fuzz(decodeAnnounce, [ANNOUNCE]);
});
