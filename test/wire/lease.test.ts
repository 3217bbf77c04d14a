import assert from 'node:assert/strict';
import t from 'tap';
import * as fc from 'fast-check';
import { Reader } from '@ppp-thing/protocol/bytes';
import type { Lease } from '@ppp-thing/protocol/lease';
import { networkOf } from '@ppp-thing/protocol/wire/ipv6';
import { decodeLease, encodeLease, MOST } from '@ppp-thing/protocol/wire/lease';
import { decodeSnapshot, encodeSnapshot } from '@ppp-thing/protocol/wire/partner-snapshot';
import { LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, fuzz, PLAIN, REFUSED } from './total.ts';

const OCTETS = hex`
  0a 0003 0001 02005e105301                 # our DUID
  0a 0003 0001 0200000000ac                 # the server's
  5e105301                                  # IAID
  0000000069248164                          # granted at
  0000000069248100                          # on the session that came up then
  00000708 00000b40                         # T1, T2
  01                                        # one prefix
    00000e10 00001c20 38                    #   preferred 3600, valid 7200, /56
    20010db8ab0000000000000000000000
    40 20010db8ab0000070000000000000000     #   without this /64
  01                                        # one address
    00000e10 00001c20 20010db8000000000000000000000007
  01                                        # one former prefix
    00000258 38 20010db8cc0000000000000000000000
  01 20010db8000000000000000000000053       # one DNS server
  01 0b 6973702e6578616d706c65              # one search domain
  10 616674722e6973702e6578616d706c65       # the AFTR
`;
const decode = (octets: Uint8Array): Lease | null => decodeLease(Reader.copy(octets));

t.test('lease › encodes and decodes', async (t) => {
  t.same(encodeLease(LEASE), OCTETS);
  t.strictSame(decode(OCTETS), LEASE);
  t.same(encodeLease(null), new Uint8Array());
  t.equal(decode(new Uint8Array()), null);
});

t.test('lease › everything that is in a lease mirrors', async () => {
  const u32 = fc.nat(0xffff_ffff);
  const of = (length: number): fc.Arbitrary<Uint8Array> =>
    fc.uint8Array({ minLength: length, maxLength: length });
  const lifetimes = fc
    .tuple(u32, u32)
    .map(([a, b]) => ({ preferred: Math.min(a, b), valid: Math.max(a, b) }));
  const network = fc
    .tuple(of(16), fc.integer({ min: 32, max: 127 }))
    .map(([octets, length]) => ({ prefix: networkOf(octets, length), length }));
  const duid = fc.uint8Array({ minLength: 3, maxLength: 130 });
  const name = fc.stringMatching(/^[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})?$/);
  const list = <T>(each: fc.Arbitrary<T>, most: number): fc.Arbitrary<T[]> =>
    fc.array(each, { maxLength: most });
  const lease = fc.record<Lease>(
    {
      duid,
      serverDuid: duid,
      iaid: u32,
      grantedAt: fc.maxSafeNat(),
      session: fc.maxSafeNat(),
      t1: u32,
      t2: u32,
      prefixes: list(
        fc.tuple(network, lifetimes, fc.boolean()).map(([each, times, excludes]) => ({
          ...each,
          ...times,
          ...(excludes && { exclude: { prefix: each.prefix, length: each.length + 1 } }),
        })),
        MOST.prefixes,
      ),
      addresses: list(
        fc.tuple(of(16), lifetimes).map(([address, times]) => ({ address, ...times })),
        MOST.addresses,
      ),
      former: list(
        fc.tuple(network, u32).map(([each, valid]) => ({ ...each, valid })),
        MOST.former,
      ),
      dns: list(of(16), MOST.dns),
      search: list(name, MOST.search),
      aftr: fc.oneof(fc.constant(''), name),
    },
    PLAIN,
  );
  fc.assert(fc.property(lease, (each) => assert.deepEqual(decode(encodeLease(each)), each)));
});

t.test('lease › refuses every truncation, and values no lease can have', async (t) => {
  t.same(acceptedTruncations(decode, OCTETS), [0], 'no octets are no lease');
  t.strictSame(decode(Uint8Array.of(...OCTETS, 1, 2, 3)), LEASE, 'a later writer may add');
  const at = 11 + 11 + 4 + 8 + 8 + 8;
  const wrong: [string, number, number][] = [
    ['a DUID of 2 octets', 0, 2],
    ['five prefixes', at, 5],
    ['preferred longer than valid', at + 1, 1],
    ['a prefix of 129 bits', at + 9, 129],
    ['a prefix of 8 bits', at + 9, 8],
    ['an excluded prefix that holds it', at + 26, 48],
    ['a control character in a name', OCTETS.length - 1, 10],
  ];
  for (const [name, offset, value] of wrong) {
    const copy = OCTETS.slice();
    copy[offset] = value;
    t.equal(attempt(decode, copy), REFUSED, name);
  }
  t.throws(
    () => encodeLease({ ...LEASE, dns: Array.from({ length: 5 }, () => OCTETS) }),
    RangeError,
  );
});

t.test('lease › any octets give a lease or a DecodeError', async () => fuzz(decode, [OCTETS]));

t.test('snapshot › a lease is one more section, which an older reader skips', async (t) => {
  const withLease = encodeSnapshot({ ...SNAPSHOT, lease: LEASE });
  const without = encodeSnapshot(SNAPSHOT);
  t.same(withLease.subarray(0, without.length), without);
  t.same(withLease.subarray(without.length, without.length + 3), hex`09 00bb`);
  t.strictSame(decodeSnapshot(withLease), { ...SNAPSHOT, lease: LEASE });
  const none = { ...SNAPSHOT, lease: null };
  t.strictSame(decodeSnapshot(encodeSnapshot(none)), none, 'no lease is said, too');
  const alone = { epoch: 3, generation: 1, holder: 2, facts: null, lease: LEASE };
  t.strictSame(decodeSnapshot(encodeSnapshot(alone)), alone, 'it outlives the session');
});
