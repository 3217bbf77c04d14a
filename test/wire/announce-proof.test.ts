/** An announce frame is believed from the partner alone, and once. */
import t from 'tap';
import {
  checkClaim,
  NO_PROOF,
  proveClaim,
  type ClaimOrder,
} from '@ppp-thing/protocol/wire/announce-proof';
import type { KeyOf } from '@ppp-thing/protocol/wire/partner';
import { PROOF_LENGTH } from '@ppp-thing/protocol/snapshot-limits';
import { hmac, KEY } from '../fixtures/partner.ts';
import { hex } from '../hex.ts';
import { changed } from './total.ts';

const CLAIM = { session: 'pppoe0', sender: 2, epoch: 42 };
const OTHER = new Uint8Array(32).fill(9);
const keyOf: KeyOf = (id) => (id === 7 ? KEY : undefined);
const prove = (claim = CLAIM, counter = 1000n, key = KEY): Uint8Array =>
  proveClaim(claim, 7, counter, key, hmac);
const check = (claim = CLAIM, proof = prove(), last?: ClaimOrder): ClaimOrder | undefined =>
  checkClaim(claim, proof, last, keyOf, hmac);

t.test('proof › 17 octets: key, counter, the beginning of an HMAC', async (t) => {
  const signed = hex`7070616e 7070706f653000000000000000000000 00000002 0000002a 07 00000000000003e8`;
  const tag = hmac(KEY, signed).subarray(0, 8);
  t.strictSame(prove(), Uint8Array.of(...hex`07 00000000000003e8`, ...tag));
  t.equal(prove().length, PROOF_LENGTH);
  t.strictSame(check(), { epoch: 42, counter: 1000n });
});

t.test('proof › of another session, router, epoch or key it proves nothing', async (t) => {
  for (const other of [
    { ...CLAIM, session: 'pppoe1' },
    { ...CLAIM, sender: 1 },
    { ...CLAIM, epoch: 43 },
  ])
    t.equal(check(other), undefined, JSON.stringify(other));
  t.equal(check(CLAIM, prove(CLAIM, 1000n, OTHER)), undefined);
  t.equal(check(CLAIM, NO_PROOF), undefined);
  for (const length of [0, 16, 18]) t.equal(check(CLAIM, new Uint8Array(length)), undefined);
  for (let at = 0; at < PROOF_LENGTH; at++)
    t.equal(check(CLAIM, changed(prove(), at, 1)), undefined, `octet ${at}`);
});

t.test(
  'proof › a frame that was recorded is believed once, and not after a newer one',
  async (t) => {
    const first = check();
    t.ok(first);
    t.equal(check(CLAIM, prove(), first), undefined, 'the same again');
    t.equal(check(CLAIM, prove(CLAIM, 999n), first), undefined, 'an older one');
    t.ok(check(CLAIM, prove(CLAIM, 1001n), first), 'the next one');
    const later = { ...CLAIM, epoch: 43 };
    t.ok(check(later, prove(later, 1n), first), 'a later epoch, whatever the clock');
    const before = { ...CLAIM, epoch: 41 };
    t.equal(check(before, prove(before, 5000n), first), undefined, 'an epoch that is over');
  },
);
