/** UDP over IPv6 as the lab's kernels send it: octets, and what is refused. */
import { DecodeError, fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { decodeUdp6, encodeUdp6 } from '@ppp-thing/lab/line/udp6';
import t from 'tap';

const ipv6 = (text: string): Uint8Array => parseIpv6(text) ?? new Uint8Array();
const DATAGRAM = {
  source: ipv6('fe80::1'),
  destination: ipv6('ff02::1:2'),
  sourcePort: 546,
  destinationPort: 547,
  octets: Uint8Array.of(1, 2, 3),
};
const OCTETS = [
  '60000000000b1101',
  'fe800000000000000000000000000001',
  'ff020000000000000000000000010002',
  // fe80 + 1 + ff02 + 1 + 2 | length b, protocol 11 | 222 + 223 + b | 102 + 300 = 205f4, so 5f6, and its complement.
  '02220223000bfa09010203',
].join('');

t.test('a datagram is these octets, and comes back from them', async (t) => {
  t.equal(toHex(encodeUdp6(DATAGRAM)), OCTETS);
  t.same(decodeUdp6(fromHex(OCTETS) ?? new Uint8Array()), DATAGRAM);
});

t.test('what is cut short or altered is refused, another packet is none', async (t) => {
  const octets = encodeUdp6(DATAGRAM);
  for (let length = 0; length < octets.length; length++)
    t.throws(() => decodeUdp6(octets.subarray(0, length)), DecodeError, `${length} octets`);
  const altered = (at: number, octet: number): Uint8Array =>
    octets.map((each, i) => (i === at ? octet : each));
  t.throws(() => decodeUdp6(altered(8, 0xfd)), DecodeError, 'another source');
  t.equal(decodeUdp6(altered(6, 58)), undefined, 'ICMPv6');
  t.equal(decodeUdp6(altered(0, 0x45)), undefined, 'IPv4');
});
