import assert from 'node:assert/strict';
import t from 'tap';
import * as fc from 'fast-check';
import { NO_SNAPSHOT, type Ipv4Facts, type Snapshot } from '@ppp-thing/protocol/session';
import { decodeSnapshot, encodeSnapshot } from '@ppp-thing/protocol/wire/partner-snapshot';
import { INFORMATION, LATEST, MAX_TAGS } from '@ppp-thing/protocol/snapshot-limits';
import { FACTS, LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { limits } from '../fixtures/limits.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, PLAIN, REFUSED } from './total.ts';

const octets = encodeSnapshot(SNAPSHOT);
const EMPTY = hex`01 01  01 000c 00000000 00000000 00000000`;

t.test('snapshot › encodes', async (t) => {
  t.same(
    octets,
    hex`
      01 01                   # schema 1, needs 1
      01 000c                 # order
        0000002a 00000003 00000001
      02 000e                 # key
        1234 0200000000ac 02005e105301
      03 001a                 # link
        deadbeef 01020304 05dc 05d4 05dc 02 11 03 02 0000000069248100
      04 0010                 # ipv4
        cb007107 c0000201 c0000235 c6336435
      05 0010                 # interface identifiers
        02005efffe105301 0000000000000001
      06 0004 62726173        # AC-Name
      07 0000                 # Service-Name
      08 0004 0badcafe        # Host-Uniq
    `,
  );
  t.same(encodeSnapshot(NO_SNAPSHOT), EMPTY);
});

t.test('snapshot › decodes', async (t) => {
  t.strictSame(decodeSnapshot(octets), SNAPSHOT);
  t.strictSame(decodeSnapshot(EMPTY), NO_SNAPSHOT);
});

t.test('snapshot › everything that is in a snapshot mirrors', async () => {
  const u8 = fc.nat(0xff);
  const information = fc.integer(INFORMATION);
  const u32 = fc.nat(0xffffffff);
  const of = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  const mac = of(6).map((octets) => octets.map((octet, i) => (i === 0 ? octet & 0xfe : octet)));
  const name = fc.uint8Array({ maxLength: MAX_TAGS / 3 });
  const record = <T>(fields: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> =>
    fc.record(fields, PLAIN);
  const required = record<Omit<Ipv4Facts, 'interfaceIds'>>({
    key: record({ sessionId: fc.integer({ min: 1, max: 0xfffe }), acMac: mac, ourMac: mac }),
    acName: name,
    serviceName: name,
    hostUniq: name,
    ourMagic: u32,
    theirMagic: u32,
    ourMru: information,
    theirMru: information,
    maxPayload: information,
    auth: fc.constantFrom('none', 'PAP', 'CHAP-MD5', 'MS-CHAPv2'),
    ourAddress: of(4),
    theirAddress: of(4),
    dns: fc.array(of(4), { maxLength: 2 }),
    identifiers: record({ lcp: u8, ipcp: u8, ipv6cp: u8 }),
    startedAt: fc.nat(LATEST),
  });
  const interfaceIds = fc.option(record({ ours: of(8), theirs: of(8) }), { nil: undefined });
  const facts = fc
    .tuple(required, interfaceIds)
    .map(([required, ids]) => ({ ...required, ...(ids && { interfaceIds: ids }) }));
  const snapshot = record<Snapshot>({
    epoch: u32,
    generation: u32,
    holder: u32,
    facts: fc.option(facts),
  });
  fc.assert(
    fc.property(snapshot, (snapshot) => {
      assert.deepEqual(decodeSnapshot(encodeSnapshot(snapshot)), snapshot);
    }),
  );
});

/** Undefined for what its field cannot hold. */
function said(snapshot: Snapshot): Uint8Array | undefined {
  try {
    return encodeSnapshot(snapshot);
  } catch (error) {
    if (error instanceof RangeError || error instanceof TypeError) return undefined;
    throw error;
  }
}

t.test(
  'snapshot › what it may hold is read, and what it may not is refused at the door',
  async (t) => {
    for (const [name, snapshot, fits] of limits({ ...SNAPSHOT, lease: LEASE })) {
      const octets = said(snapshot);
      t.equal(octets !== undefined && attempt(decodeSnapshot, octets) !== REFUSED, fits, name);
    }
  },
);

t.test('snapshot › refuses every truncation but the one before the facts', async (t) => {
  t.same(acceptedTruncations(decodeSnapshot, octets), [EMPTY.length]);
  t.same(decodeSnapshot(octets.subarray(0, EMPTY.length)), { ...SNAPSHOT, facts: null });
  t.same(acceptedTruncations(decodeSnapshot, EMPTY), []);
});

t.test('snapshot › refuses every section Length off by one', async (t) => {
  let at = 2;
  let sections = 0;
  while (at < octets.length) {
    const length = ((octets[at + 1] ?? 0) << 8) | (octets[at + 2] ?? 0);
    t.equal(attempt(decodeSnapshot, changed(octets, at + 2, -1)), REFUSED, `${octets[at]} short`);
    t.equal(attempt(decodeSnapshot, changed(octets, at + 2, +1)), REFUSED, `${octets[at]} long`);
    at += 3 + length;
    sections += 1;
  }
  t.equal(sections, 8);
});

t.test('snapshot › refuses what no session can have', async (t) => {
  const key = 2 + 15 + 3;
  const cases: [string, number, number][] = [
    ['SESSION_ID 0', key, 0],
    ['a group MAC of the AC', key + 2, 0x03],
    ['a group MAC of ours', key + 8, 0x03],
    ['authentication 4', key + 14 + 3 + 14, 4],
    ['a start after the end of numbers', key + 14 + 3 + 18, 0xff],
  ];
  for (const [what, at, value] of cases) {
    const other = octets.slice();
    other[at] = value;
    if (what === 'SESSION_ID 0') other[at + 1] = 0;
    t.equal(attempt(decodeSnapshot, other), REFUSED, what);
  }
});

t.test('snapshot › a third DNS server is refused', async (t) => {
  const servers = hex`04 0014 cb007107 c0000201 01010101 02020202 03030303`;
  const at = 2 + 15 + 17 + 29;
  const other = Uint8Array.of(...octets.subarray(0, at), ...servers, ...octets.subarray(at + 19));
  t.equal(attempt(decodeSnapshot, other), REFUSED);
  servers[2] = 0x09;
  const loose = Uint8Array.of(
    ...octets.subarray(0, at),
    ...servers.subarray(0, 12),
    ...octets.subarray(at + 19),
  );
  t.equal(attempt(decodeSnapshot, loose), REFUSED, 'nor is a quarter of one accepted');
  servers[2] = 0x08;
  const without = Uint8Array.of(
    ...octets.subarray(0, at),
    ...servers.subarray(0, 11),
    ...octets.subarray(at + 19),
  );
  t.match(decodeSnapshot(without), { facts: { dns: [] } }, 'none is fine');
});

t.test('snapshot › sections twice or out of order are refused', async (t) => {
  const [order, rest] = [EMPTY.subarray(2), octets.subarray(EMPTY.length)];
  const of = (...parts: readonly Uint8Array[]): Uint8Array =>
    Uint8Array.from([hex`01 01`, ...parts].flatMap((part) => [...part]));
  t.not(attempt(decodeSnapshot, of(order, rest)), REFUSED);
  t.equal(attempt(decodeSnapshot, of(order, order, rest)), REFUSED);
  t.equal(attempt(decodeSnapshot, of(rest, order)), REFUSED);
});

t.test('snapshot › a later schema is read as far as this one knows it', async (t) => {
  const later = Uint8Array.of(...changed(octets, 0, 8), ...hex`0f 0002 ffff  f0 0000`);
  t.strictSame(decodeSnapshot(later), SNAPSHOT, 'sections that we do not know');
  const order = hex`09 01  01 0010 0000002a 00000003 00000001 eeeeeeee`;
  t.match(decodeSnapshot(order), { epoch: 42, facts: null }, 'octets that we do not know');
});

t.test('snapshot › a schema that needs a later reader is refused, and says so', async (t) => {
  const later = changed(changed(octets, 0, 8), 1, 2);
  t.throws(() => decodeSnapshot(later), /snapshot schema 9 needs a reader of 3/);
});

t.test('snapshot › what cannot be written is our own mistake', async (t) => {
  const write = (facts: object): Uint8Array =>
    encodeSnapshot({ ...SNAPSHOT, facts: { ...FACTS, ...facts } });
  t.throws(() => write({ ourAddress: hex`01` }), RangeError);
  t.throws(() => write({ dns: [hex`01010101`, hex`02020202`, hex`03030303`] }), RangeError);
  t.throws(() => write({ interfaceIds: { ours: hex`01`, theirs: hex`02` } }), RangeError);
  t.throws(() => write({ startedAt: 1.5 }), RangeError);
  t.throws(() => encodeSnapshot({ ...SNAPSHOT, epoch: -1 }), RangeError);
});

t.test('snapshot › any octets give a snapshot or a DecodeError', async () => {
  fuzz(decodeSnapshot, [octets, EMPTY]);
});
