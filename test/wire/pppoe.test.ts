import assert from 'node:assert/strict';
import t from 'tap';
import * as fc from 'fast-check';
import {
  CODE,
  decodeDiscovery,
  decodeSession,
  encodeDiscovery,
  encodeSession,
  findTag,
  isSessionId,
  TAG,
  type DiscoveryCode,
} from '@ppp-thing/protocol/wire/pppoe';
import { printable } from '@ppp-thing/protocol/printable';
import * as fixture from '../fixtures/pppoe.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, PLAIN, REFUSED } from './total.ts';

const any = { type: TAG['Service-Name'], value: new Uint8Array() };
const hostUniq = { type: TAG['Host-Uniq'], value: hex`0badcafe` };
const cookie = { type: TAG['AC-Cookie'], value: hex`c0ffee00c0ffee01` };
const maxPayload = { type: TAG['PPP-Max-Payload'], value: hex`05dc` };
const acName = { type: TAG['AC-Name'], value: hex`62726173` };
const relay = { type: TAG['Relay-Session-Id'], value: hex`00010203` };

const PACKETS = [
  ['PADI', fixture.PADI, { code: 'PADI', sessionId: 0, tags: [any, hostUniq] }],
  ['PADO', fixture.PADO, { code: 'PADO', sessionId: 0, tags: [any, acName, hostUniq, cookie] }],
  [
    'PADR',
    fixture.PADR,
    { code: 'PADR', sessionId: 0, tags: [any, hostUniq, cookie, relay, maxPayload] },
  ],
  ['PADS', fixture.PADS, { code: 'PADS', sessionId: 0x1234, tags: [any, hostUniq, maxPayload] }],
  ['PADT', fixture.PADT, { code: 'PADT', sessionId: 0x1234, tags: [] }],
] as const;

for (const [name, octets, packet] of PACKETS) {
  t.test(`pppoe › ${name} decodes (RFC 2516 §5)`, async (t) => {
    t.same(decodeDiscovery(octets), packet);
  });

  t.test(`pppoe › ${name} encodes`, async (t) => {
    t.same(encodeDiscovery(packet), octets);
  });

  t.test(`pppoe › ${name} is refused at every truncation`, async (t) => {
    t.same(acceptedTruncations(decodeDiscovery, octets), []);
  });

  t.test(`pppoe › ${name} with another VER or TYPE is refused (P1)`, async (t) => {
    for (const first of [0x10, 0x01, 0x12, 0x21, 0x00, 0xff]) {
      t.equal(attempt(decodeDiscovery, changed(octets, 0, first - 0x11)), REFUSED);
    }
  });
}

t.test(
  'pppoe › a LENGTH off by one is refused where it cuts a tag or leaves the frame',
  async (t) => {
    for (const [name, octets] of PACKETS) {
      t.equal(
        attempt(decodeDiscovery, changed(octets, 5, +1)),
        REFUSED,
        `${name}: beyond the frame`,
      );
      if (name === 'PADT') continue;
      t.equal(attempt(decodeDiscovery, changed(octets, 5, -1)), REFUSED, `${name}: cuts a tag`);
    }
  },
);

t.test('pppoe › every TAG_LENGTH off by one is refused', async (t) => {
  // One too many takes an octet of the next tag, whose TAG_LENGTH is then out of reach; the last one leaves the frame.
  const lengths = [9, 13, 21, 29];
  for (const at of lengths) {
    t.equal(attempt(decodeDiscovery, changed(fixture.PADO, at, +1)), REFUSED, `octet ${at} + 1`);
  }
  for (const at of lengths.slice(1)) {
    t.equal(attempt(decodeDiscovery, changed(fixture.PADO, at, -1)), REFUSED, `octet ${at} - 1`);
  }
});

t.test('pppoe › octets after LENGTH are padding, whatever they look like (P10)', async (t) => {
  t.same(decodeDiscovery(fixture.PADDED_PADO).tags, [any, acName]);
});

t.test('pppoe › End-Of-List stops, and is not kept (P10)', async (t) => {
  const packet = decodeDiscovery(hex`
    11 07 0000 0014
    0102 0004 62726173
    0000 0000
    0103 0004 00000000        # after the end
  `);
  t.same(packet.tags, [acName]);
  const overlong = hex`11 07 0000 0004  0000 ffff`;
  t.same(decodeDiscovery(overlong).tags, [], 'its TAG_LENGTH does not matter any more');
});

t.test('pppoe › padding that is counted in LENGTH ends the list', async (t) => {
  for (const zeros of [1, 2, 3, 5]) {
    const head = hex`11 07 0000 0008  0102 0004 62726173`;
    head[5] = 8 + zeros;
    t.same(decodeDiscovery(Uint8Array.of(...head, ...new Uint8Array(zeros))).tags, [acName]);
    const other = Uint8Array.of(...head, ...new Uint8Array(zeros).fill(1));
    t.equal(attempt(decodeDiscovery, other), REFUSED, 'and only if it is zero');
  }
});

t.test('pppoe › tags of unknown types are kept, in order (P10)', async (t) => {
  const { tags } = decodeDiscovery(hex`11 07 0000 000a  beef 0002 0102  0101 0000`);
  t.same(tags, [{ type: 0xbeef, value: hex`0102` }, any]);
});

t.test('pppoe › a CODE of no discovery packet is refused', async (t) => {
  const known = new Set<number>(Object.values(CODE));
  for (let code = 0; code < 256; code++) {
    const octets = hex`11 00 0000 0000`;
    octets[1] = code;
    t.equal(attempt(decodeDiscovery, octets) !== REFUSED, known.has(code), `CODE ${code}`);
  }
});

t.test('pppoe › the text of an error tag is harmless in a log (P6, P15)', async (t) => {
  const packet = decodeDiscovery(fixture.PADS_REFUSED);
  t.equal(packet.sessionId, 0);
  const text = printable(findTag(packet, TAG['Generic-Error'])?.value ?? new Uint8Array());
  t.equal(text, 'too many\\x0a\\x1b[31m red!');
  t.equal(findTag(packet, TAG['AC-Name']), undefined);
});

t.test('pppoe › the tags that say why not have the numbers of appendix A', async (t) => {
  t.match(TAG, {
    'Vendor-Specific': 0x0105,
    'Service-Name-Error': 0x0201,
    'AC-System-Error': 0x0202,
    'Generic-Error': 0x0203,
  });
});

t.test('pppoe › SESSION_ID 0 and 0xffff are none (P5)', async (t) => {
  t.same([0, 1, 0xfffe, 0xffff].map(isSessionId), [false, true, true, false]);
});

t.test('pppoe › what is decoded outlives the memory it came in', async (t) => {
  const frame = Buffer.from(fixture.PADO);
  const { tags } = decodeDiscovery(frame);
  frame.fill(0);
  t.same(tags, [any, acName, hostUniq, cookie]);
});

t.test('pppoe › every packet mirrors', async () => {
  const tag = fc.record(
    { type: fc.integer({ min: 1, max: 0xffff }), value: fc.uint8Array({ maxLength: 40 }) },
    PLAIN,
  );
  const packet = fc.record(
    {
      code: fc.constantFrom<DiscoveryCode[]>('PADI', 'PADO', 'PADR', 'PADS', 'PADT'),
      sessionId: fc.nat(0xffff),
      tags: fc.array(tag, { maxLength: 8 }),
    },
    PLAIN,
  );
  fc.assert(
    fc.property(packet, fc.nat(20), (packet, padding) => {
      const octets = Uint8Array.of(...encodeDiscovery(packet), ...new Uint8Array(padding));
      assert.deepEqual(decodeDiscovery(octets), packet);
    }),
  );
});

t.test('pppoe › any octets give a packet or a DecodeError (S7)', async () => {
  fuzz(decodeDiscovery, [fixture.PADI, fixture.PADO, fixture.PADR, fixture.PADDED_PADO]);
  fuzz(decodeSession, [fixture.LCP_ECHO_IN_SESSION]);
});

t.test('pppoe session › decodes, trimmed to LENGTH (P11)', async (t) => {
  const packet = { sessionId: 0x1234, protocol: 0xc021, packet: hex`09 01 0008 00000001` };
  t.same(decodeSession(fixture.LCP_ECHO_IN_SESSION), packet);
  t.same(encodeSession(packet), fixture.LCP_ECHO_IN_SESSION.subarray(0, 16));
});

t.test('pppoe session › refuses truncations, other CODEs and no room for a Protocol', async (t) => {
  const octets = fixture.LCP_ECHO_IN_SESSION.subarray(0, 16);
  t.same(acceptedTruncations(decodeSession, octets), []);
  t.equal(attempt(decodeSession, changed(octets, 0, 0x10)), REFUSED);
  for (const code of [1, ...Object.values(CODE)]) {
    t.equal(attempt(decodeSession, changed(octets, 1, code)), REFUSED, `CODE ${code}`);
  }
  t.equal(attempt(decodeSession, hex`11 00 1234 0001 c0`), REFUSED);
  t.same(
    decodeSession(changed(octets, 5, -1)).packet.length,
    7,
    'a LENGTH less by one is a shorter packet',
  );
});
