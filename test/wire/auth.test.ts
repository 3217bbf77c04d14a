import t from 'tap';
import { decodePpp, encodePpp, PROTOCOL, type PppPacket } from '@ppp-thing/protocol/wire/ppp';
import * as fixture from '../fixtures/ppp.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const pap = (octets: Uint8Array): PppPacket => decodePpp(PROTOCOL.PAP, octets);
const chap = (octets: Uint8Array): PppPacket => decodePpp(PROTOCOL.CHAP, octets);

const PAP_PACKETS: readonly (readonly [octets: Uint8Array, packet: PppPacket])[] = [
  [
    fixture.PAP_REQUEST,
    {
      protocol: 'PAP',
      packet: {
        code: 'Authenticate-Request',
        identifier: 1,
        peerId: hex`616c696365`,
        password: hex`77306e646572303f`,
      },
    },
  ],
  [
    fixture.PAP_ACK,
    { protocol: 'PAP', packet: { code: 'Authenticate-Ack', identifier: 1, message: hex`6f6b` } },
  ],
  [
    fixture.PAP_NAK,
    { protocol: 'PAP', packet: { code: 'Authenticate-Nak', identifier: 1, message: hex`6e6f` } },
  ],
];

const CHAP_PACKETS: readonly (readonly [octets: Uint8Array, packet: PppPacket])[] = [
  [
    fixture.CHAP_CHALLENGE,
    {
      protocol: 'CHAP',
      packet: {
        code: 'Challenge',
        identifier: 42,
        value: hex`000102030405060708090a0b0c0d0e0f`,
        name: hex`62726173`,
      },
    },
  ],
  [
    fixture.CHAP_RESPONSE,
    {
      protocol: 'CHAP',
      packet: {
        code: 'Response',
        identifier: 42,
        value: hex`f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff`,
        name: hex`616c696365`,
      },
    },
  ],
  [
    fixture.CHAP_SUCCESS,
    { protocol: 'CHAP', packet: { code: 'Success', identifier: 42, message: hex`533d463020` } },
  ],
  [
    fixture.CHAP_FAILURE,
    {
      protocol: 'CHAP',
      packet: { code: 'Failure', identifier: 42, message: hex`453d36393120523d31` },
    },
  ],
];

for (const [decode, packets] of [
  [pap, PAP_PACKETS],
  [chap, CHAP_PACKETS],
] as const) {
  for (const [octets, ppp] of packets) {
    const name = `${ppp.protocol} ${'code' in ppp && ppp.code}`.toLowerCase();
    t.test(`auth › ${ppp.protocol} Code ${octets[0]} decodes, encodes and mirrors`, async (t) => {
      t.strictSame(decode(octets), ppp, name);
      t.same(encodePpp(ppp).packet, octets);
      t.same(encodePpp(decode(Uint8Array.of(...octets, 0, 0, 0))).packet, octets, 'padding goes');
    });

    t.test(
      `auth › ${ppp.protocol} Code ${octets[0]} refuses truncations and bad Lengths`,
      async (t) => {
        t.same(acceptedTruncations(decode, octets), []);
        t.equal(attempt(decode, changed(octets, 3, +1)), REFUSED, 'beyond the packet');
        for (const length of [0, 1, 2, 3]) {
          t.equal(attempt(decode, changed(octets, 3, length - octets.length)), REFUSED);
        }
      },
    );
  }
}

t.test('pap › fields beyond Length are refused (L14)', async (t) => {
  t.equal(attempt(pap, changed(fixture.PAP_REQUEST, 3, -1)), REFUSED, 'Length cuts the Password');
  t.equal(attempt(pap, changed(fixture.PAP_REQUEST, 4, 200)), REFUSED, 'Peer-ID Length');
  t.equal(attempt(pap, changed(fixture.PAP_REQUEST, 10, +1)), REFUSED, 'Passwd-Length');
  t.equal(attempt(pap, changed(fixture.PAP_ACK, 4, +1)), REFUSED, 'Msg-Length');
  t.equal(attempt(pap, changed(fixture.PAP_ACK, 3, -1)), REFUSED, 'Length cuts the Message');
});

t.test(
  'pap › an Ack or Nak without Msg-Length is accepted, for some servers send it',
  async (t) => {
    const packet = { code: 'Authenticate-Ack', identifier: 1, message: hex`` };
    t.strictSame(pap(fixture.PAP_BARE_ACK), { protocol: 'PAP', packet });
  },
);

t.test('pap › octets that no field claims are ignored', async (t) => {
  t.match(pap(changed(fixture.PAP_ACK, 4, -1)), { packet: { message: hex`6f` } });
  const longer = pap(changed(fixture.PAP_REQUEST, 10, -1));
  t.match(longer, { packet: { password: hex`77306e64657230` } });
});

t.test('chap › a Value is one octet at least, and within Length (RFC 1994 §4.1)', async (t) => {
  t.equal(attempt(chap, changed(fixture.CHAP_CHALLENGE, 4, -16)), REFUSED, 'Value-Size 0');
  t.equal(attempt(chap, changed(fixture.CHAP_CHALLENGE, 4, +5)), REFUSED, 'Value-Size 21 of 20');
  t.match(chap(changed(fixture.CHAP_CHALLENGE, 4, +4)), { packet: { name: hex`` } });
  t.equal(attempt(chap, hex`01 01 0004`), REFUSED, 'no Value-Size');
  t.match(chap(hex`03 01 0004`), { packet: { code: 'Success', message: hex`` } });
});

t.test('auth › other Codes are refused: they are discarded silently', async (t) => {
  for (const code of [0, 4, 5, 255]) {
    t.equal(attempt(pap, changed(fixture.PAP_ACK, 0, code - 2)), REFUSED, `PAP ${code}`);
  }
  for (const code of [0, 5, 6, 255]) {
    t.equal(attempt(chap, changed(fixture.CHAP_SUCCESS, 0, code - 3)), REFUSED, `CHAP ${code}`);
  }
});

t.test('auth › what a field of one octet cannot count is our own mistake', async (t) => {
  const long = new Uint8Array(256);
  t.throws(
    () =>
      encodePpp({
        protocol: 'PAP',
        packet: { code: 'Authenticate-Request', identifier: 1, peerId: long, password: hex`00` },
      }),
    RangeError,
  );
  t.throws(
    () =>
      encodePpp({
        protocol: 'CHAP',
        packet: { code: 'Response', identifier: 1, value: long, name: hex`` },
      }),
    RangeError,
  );
});

t.test('auth › any octets give a packet or a DecodeError (S7)', async () => {
  fuzz(pap, [...PAP_PACKETS.map(([octets]) => octets), fixture.PAP_BARE_ACK]);
  fuzz(
    chap,
    CHAP_PACKETS.map(([octets]) => octets),
  );
});
