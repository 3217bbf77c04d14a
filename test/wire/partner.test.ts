import t from 'tap';
import { readFileSync } from 'node:fs';
import * as fc from 'fast-check';
import {
  commonVersion,
  decodePartner,
  encodePartner,
  encodeSummary,
  stillLength,
  SUMMARY,
  MAX_DATAGRAM,
  NO_NONCE,
  VERSIONS,
  type KeyOf,
  type Received,
} from '@ppp-thing/protocol/wire/partner';
import { DUID_OCTETS, MOST } from '@ppp-thing/protocol/wire/lease';
import { MAX_TAGS } from '@ppp-thing/protocol/snapshot-limits';
import { FACTS, HELLO, hmac, HOLDER, KEY, LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { hex, octetsOf } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const document = readFileSync('docs/partner-protocol.md', 'utf8');

/** The annotated hexadecimal that the document shows under `name`. */
function vector(name: string): Uint8Array {
  const text = new RegExp(`^\`\`\`hex ${name}\n([^\`]*)^\`\`\``, 'm').exec(document)?.[1];
  if (text === undefined) throw new Error(`no vector ${name} in the document`);
  return octetsOf(text);
}

const keyOf: KeyOf = (keyId) => (keyId === 7 ? KEY : undefined);
const decode = (octets: Uint8Array): Received => decodePartner(octets, keyOf, hmac);
const holder = encodePartner(HOLDER.header, HOLDER.body, KEY, hmac);
const hello = encodePartner(HELLO.header, HELLO.body, KEY, hmac);

/** `octets` with their last 32 made the HMAC of what is before them: what only a partner can do. */
function signed(octets: Uint8Array): Uint8Array {
  if (octets.length < 32) return octets;
  const body = octets.subarray(0, octets.length - 32);
  return Uint8Array.of(...body, ...hmac(KEY, body));
}

t.test('partner › the document’s vectors are what we write', async (t) => {
  t.same(vector('key'), KEY);
  t.same(holder, vector('holder'));
  t.same(hello, vector('hello'));
  t.match(document, `partner, ${holder.length} octets`);
  t.match(document, `digest, ${hello.length} octets`);
});

t.test('partner › the document’s vectors are read as what they say', async (t) => {
  t.strictSame(decode(vector('holder')), { kind: 'authentic', ...HOLDER });
  t.strictSame(decode(vector('hello')), { kind: 'authentic', ...HELLO });
});

t.test('partner › the document’s annotations name the lengths they stand beside', async (t) => {
  t.match(document, /02 0076 +# snapshot, 118 octets/);
  t.match(document, /02 0011 +# snapshot, 17 octets/);
  t.match(document, `at most ${MAX_DATAGRAM} octets`);
});

t.test('partner › every message mirrors', async () => {
  const u32 = fc.nat(0xffffffff);
  const nonce = fc.uint8Array({ minLength: 8, maxLength: 8 });
  const sent = fc.record({
    keyId: fc.constant(7),
    sender: u32,
    receiver: u32,
    session: fc.stringMatching(/^[!-~]{1,15}$/).filter((name) => name !== SUMMARY),
    nonce,
    counter: fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }),
    echo: nonce,
    role: fc.constantFrom('INIT', 'BACKUP', 'MASTER'),
    flags: fc.array(fc.boolean(), { minLength: 6, maxLength: 6 }),
    configDigest: fc.option(fc.uint8Array({ maxLength: 1024 }), { nil: undefined }),
    announced: fc.option(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), { nil: undefined }),
    clock: fc.option(fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn }), { nil: undefined }),
  });
  fc.assert(
    fc.property(sent, ({ role, flags, configDigest, announced, clock, ...header }) => {
      const [
        healthy = false,
        armed = false,
        open = false,
        proven = false,
        yielding = false,
        hearing = false,
      ] = flags;
      const { snapshot } = HOLDER.body.message;
      const { sender } = header;
      const body = {
        message: { sender, role, healthy, armed, open, proven, yielding, hearing, snapshot },
        ...(configDigest && { configDigest }),
        ...(announced !== undefined && { announced }),
        ...(clock !== undefined && { clock }),
      };
      const whole = { ...header, version: 1, versions: VERSIONS };
      const octets = encodePartner(whole, body, KEY, hmac);
      t.strictSame(decode(octets), { kind: 'authentic', header: whole, body });
    }),
    { numRuns: 50 },
  );
});

t.test('partner › whatever is changed, cut off or added is not believed (S9)', async () => {
  const edit = fc.record({ at: fc.nat(), by: fc.integer({ min: 1, max: 255 }) });
  const edited = fc
    .tuple(
      fc.constantFrom(holder, hello),
      fc.uniqueArray(edit, { maxLength: 8, selector: ({ at }) => at % hello.length }),
      fc.nat(64),
      fc.uint8Array({ maxLength: 64 }),
    )
    .filter(([, edits, cut, tail]) => edits.length + cut + tail.length > 0)
    .map(([octets, edits, cut, tail]) => {
      let copy = octets;
      for (const { at, by } of edits) copy = changed(copy, at % hello.length, by);
      return Uint8Array.of(...copy.subarray(0, copy.length - cut), ...tail);
    })
    .filter(
      (octets) => Buffer.compare(octets, holder) !== 0 && Buffer.compare(octets, hello) !== 0,
    );
  fc.assert(
    fc.property(edited, (octets) => {
      const received = attempt(decode, octets);
      return received === REFUSED || received.kind === 'forged' || received.kind === 'unknown-key';
    }),
    { numRuns: 3000 },
  );
});

t.test('partner › each octet is under the HMAC, the HMAC’s own too', async (t) => {
  for (let at = 0; at < holder.length; at++) {
    const received = attempt(decode, changed(holder, at, 1));
    if (received !== REFUSED && received.kind !== 'unknown-key' && received.kind !== 'forged') {
      t.fail(`octet ${at} does not matter`);
    }
  }
  t.same(
    acceptedTruncations((octets) => authentic(octets), holder),
    [],
  );
});

/** Refuses, as a decoder does, what is not authentic. */
function authentic(octets: Uint8Array): Received {
  const received = decode(octets);
  return received.kind === 'authentic' ? received : decode(new Uint8Array());
}

t.test('partner › a key that is not there and a key that differs are told apart', async (t) => {
  const other = { ...HOLDER.header, keyId: 8 };
  t.same(decode(encodePartner(other, HOLDER.body, KEY, hmac)), { kind: 'unknown-key', keyId: 8 });
  const wrong = encodePartner(HOLDER.header, HOLDER.body, new Uint8Array(32), hmac);
  t.same(decode(wrong), { kind: 'forged', keyId: 7 });
});

t.test('partner › during a rotation both keys are read (receive-only, both, new)', async (t) => {
  const next = new Uint8Array(32).fill(0xee);
  const byNew = encodePartner({ ...HOLDER.header, keyId: 8 }, HOLDER.body, next, hmac);
  const steps: [string, Map<number, Uint8Array>, string, string][] = [
    ['before', new Map([[7, KEY]]), 'authentic', 'unknown-key'],
    [
      'receive-only and both',
      new Map([
        [7, KEY],
        [8, next],
      ]),
      'authentic',
      'authentic',
    ],
    ['new', new Map([[8, next]]), 'unknown-key', 'authentic'],
  ];
  for (const [step, keys, old, young] of steps) {
    t.equal(decodePartner(holder, (id) => keys.get(id), hmac).kind, old, step);
    t.equal(decodePartner(byNew, (id) => keys.get(id), hmac).kind, young, step);
  }
});

t.test('partner › nothing of the body is looked at before the HMAC', async (t) => {
  const broken = changed(holder, 56, 0x7f);
  t.same(decode(broken), { kind: 'forged', keyId: 7 });
  t.equal(attempt(decode, signed(broken)), REFUSED);
});

t.test('partner › a partner with a fault gives a DecodeError and nothing else', async (t) => {
  for (const octets of [holder, hello]) {
    fuzz((other) => decode(signed(other)), [octets]);
    const cuts = acceptedTruncations((cut) => decode(signed(cut)), octets);
    t.same(cuts, octets === hello ? [hello.length - 11] : [], 'only an optional section may go');
  }
});

t.test('partner › a later partner’s sections, flags and octets are skipped', async (t) => {
  const body = holder.subarray(56, holder.length - 32);
  const status = hex`01 0004  02 cd 0102`;
  const later = Uint8Array.of(
    ...holder.subarray(0, 56),
    ...status,
    ...body.subarray(5),
    ...hex`c8 0003 010203`,
    ...new Uint8Array(32),
  );
  t.strictSame(decode(signed(later)), { kind: 'authentic', ...HOLDER });
});

t.test('partner › sections twice, out of order or missing are refused', async (t) => {
  const [head, status, snapshot] = [
    holder.subarray(0, 56),
    holder.subarray(56, 61),
    holder.subarray(61, holder.length - 32),
  ];
  const of = (...sections: readonly Uint8Array[]): Uint8Array =>
    signed(Uint8Array.from([head, ...sections, new Uint8Array(32)].flatMap((s) => [...s])));
  t.not(attempt(decode, of(status, snapshot)), REFUSED);
  t.equal(attempt(decode, of(snapshot, status)), REFUSED);
  t.equal(attempt(decode, of(status, status, snapshot)), REFUSED);
  t.equal(attempt(decode, of(status)), REFUSED);
  t.equal(attempt(decode, of(snapshot)), REFUSED);
  t.equal(attempt(decode, of(hex`01 0002 03 00`, snapshot)), REFUSED, 'role 3');
  t.equal(attempt(decode, of(hex`01 0001 02`, snapshot)), REFUSED, 'no flags');
  const digest = new Uint8Array(3 + 1025);
  digest.set(hex`03 0401`);
  t.equal(attempt(decode, of(status, snapshot, digest)), REFUSED, 'a digest of 1025 octets');
});

t.test('partner › another version is heard, with what its sender understands', async (t) => {
  const newer = signed(changed(changed(holder, 4, 1), 6, 2));
  t.strictSame(decode(newer), {
    kind: 'other-version',
    header: { ...HOLDER.header, version: 2, versions: { min: 1, max: 3 } },
  });
  t.equal(decode(changed(newer, 70, 1)).kind, 'forged', 'if it is authentic');
});

t.test('partner › two ranges of versions have the highest in common, or none', async (t) => {
  t.same(VERSIONS, { min: 1, max: 1 }, 'as the document says');
  t.equal(commonVersion({ min: 1, max: 1 }, { min: 1, max: 3 }), 1);
  t.equal(commonVersion({ min: 2, max: 4 }, { min: 1, max: 3 }), 3);
  t.equal(commonVersion({ min: 2, max: 3 }, { min: 1, max: 1 }), undefined);
  t.equal(commonVersion({ min: 1, max: 1 }, { min: 2, max: 3 }), undefined);
});

t.test('partner › session names are 1 … 15 characters of a kind that is safe to log', async (t) => {
  const write = (session: string): Uint8Array =>
    encodePartner({ ...HOLDER.header, session }, HOLDER.body, KEY, hmac);
  for (const name of ['', 'sixteencharacter', 'a b', 'a\n', 'a\0b', 'é']) {
    t.throws(() => write(name), RangeError, JSON.stringify(name));
  }
  t.match(decode(write('fifteencharacte')), { header: { session: 'fifteencharacte' } });
  for (const field of [
    hex`00000000000000000000000000000000`,
    hex`61006200000000000000000000000000`,
    hex`61616161616161616161616161616161`,
    hex`0a000000000000000000000000000000`,
  ]) {
    const octets = holder.slice();
    octets.set(field, 16);
    t.equal(attempt(decode, signed(octets)), REFUSED);
  }
});

t.test('partner › anything without the magic is none of ours, whoever signed it', async (t) => {
  for (let at = 0; at < 4; at++) t.equal(attempt(decode, signed(changed(holder, at, 1))), REFUSED);
});

t.test(
  'partner › whatever a snapshot may hold fits a datagram, and a larger one is not read',
  async (t) => {
    const facts = { ...FACTS, acName: new Uint8Array(MAX_TAGS - FACTS.hostUniq.length) };
    const item = <T>(value: T | undefined, count: number): T[] =>
      Array.from({ length: count }, () => value as T);
    const name = `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(63)}`;
    const lease = {
      ...LEASE,
      duid: new Uint8Array(DUID_OCTETS.high),
      serverDuid: new Uint8Array(DUID_OCTETS.high),
      prefixes: item(LEASE.prefixes[0], MOST.prefixes),
      addresses: item(LEASE.addresses[0], MOST.addresses),
      former: item(LEASE.former[0], MOST.former),
      dns: item(LEASE.dns[0], MOST.dns),
      search: item(name, MOST.search),
      aftr: name,
    };
    const message = { ...HOLDER.body.message, snapshot: { ...SNAPSHOT, facts, lease } };
    const body = { message, configDigest: new Uint8Array(1024) };
    const octets = encodePartner(HOLDER.header, body, KEY, hmac);
    t.match(decode(octets), { kind: 'authentic', body });
    t.comment(`${octets.length} octets`);
    t.ok(octets.length <= MAX_DATAGRAM);
    t.equal(attempt(decode, new Uint8Array(MAX_DATAGRAM + 1)), REFUSED);
  },
);

t.test('partner › what cannot be written is our own mistake', async (t) => {
  const write = (header: object, body: object = {}): Uint8Array =>
    encodePartner({ ...HOLDER.header, ...header }, { ...HOLDER.body, ...body }, KEY, hmac);
  t.throws(() => write({ version: 2 }), RangeError);
  t.throws(() => write({ sender: 3 }), RangeError, 'not the message’s sender');
  t.throws(() => write({ nonce: hex`01` }), RangeError);
  t.throws(() => write({ echo: hex`` }), RangeError);
  t.throws(() => write({ counter: -1n }), RangeError);
  t.throws(() => write({}, { configDigest: new Uint8Array(1025) }), RangeError);
  t.throws(() => encodePartner(HOLDER.header, HOLDER.body, KEY, () => hex`00`), RangeError);
  t.equal(write({ echo: NO_NONCE }).length, holder.length);
});

t.test('partner › larger datagrams are not looked at', async (t) => {
  let looked = 0;
  const counting = (key: Uint8Array, data: Uint8Array): Uint8Array => {
    looked += 1;
    return hmac(key, data);
  };
  const large = Uint8Array.of(...holder, ...new Uint8Array(MAX_DATAGRAM));
  t.equal(
    attempt(
      (octets) => decodePartner(octets, keyOf, counting),
      large.subarray(0, MAX_DATAGRAM + 1),
    ),
    REFUSED,
  );
  t.equal(looked, 0);
});

const summaryHeader = { ...HOLDER.header, session: SUMMARY };
const summary = {
  stills: [
    { session: 'pppoe0', nonce: HOLDER.header.nonce, counter: 7n },
    { session: 'a-name-of-15-le', nonce: HELLO.header.nonce, counter: 2n ** 64n - 1n },
  ],
  wants: ['wan1', 'wan2'],
  announced: 9n,
};

t.test('summary › it mirrors, and a still adds what it says', async (t) => {
  const octets = encodeSummary(summaryHeader, summary, KEY, hmac);
  t.strictSame(decode(octets), { kind: 'summary', header: summaryHeader, summary });
  const empty = encodeSummary(summaryHeader, { stills: [], wants: [] }, KEY, hmac);
  t.strictSame(decode(empty), {
    kind: 'summary',
    header: summaryHeader,
    summary: { stills: [], wants: [] },
  });
  const stills = summary.stills.slice(0, 1);
  const one = encodeSummary(summaryHeader, { stills, wants: [] }, KEY, hmac);
  t.equal(one.length - empty.length, stillLength({ session: 'pppoe0' }));
});

t.test('summary › octets of any kind give a value or a DecodeError', async (t) => {
  const octets = encodeSummary(summaryHeader, summary, KEY, hmac);
  fuzz((broken) => decode(signed(broken)), [octets]);
  for (let at = 0; at < octets.length - 32; at++)
    attempt((broken) => decode(signed(broken)), changed(octets, at, 0xff));
  t.throws(
    () => encodeSummary(summaryHeader, { stills: [], wants: ['a name of spaces'] }, KEY, hmac),
    RangeError,
  );
});
