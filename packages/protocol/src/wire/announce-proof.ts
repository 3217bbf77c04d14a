/**
 * What makes an announce frame the partner's: 17 octets with the shared key, since anybody on the line can send the frame
 * itself. It checks who wrote a frame and in which order; what is in it means is the engine's.
 *
 * Theory of operation. The proof is a key id, a counter and the first 8 octets of an HMAC over session, sender, epoch and
 * both. The counter is the sender's time, so that it rises over restarts too. A frame is believed if its epoch is later than
 * that of the last one believed, or the same with a higher counter: so one that was recorded serves once at most.
 */
import { Reader, Writer } from '../bytes.ts';
import { isLaterEpoch, type RouterId } from '../session.ts';
import { PROOF_LENGTH } from '../snapshot-limits.ts';
import { encodeName, equalInConstantTime, type Hmac, type KeyOf } from './partner.ts';

/** Proves nothing. */
export const NO_PROOF: Uint8Array = new Uint8Array(PROOF_LENGTH);

const MAC_LENGTH = 8;
/** So that no datagram's HMAC can be one of these. */
const LABEL = 0x7070_616e; // "ppan"

export interface Claim {
  readonly session: string;
  readonly sender: RouterId;
  readonly epoch: number;
}

/** The order of what one sender claims. */
export interface ClaimOrder {
  readonly epoch: number;
  readonly counter: bigint;
}

export function proveClaim(
  claim: Claim,
  keyId: number,
  counter: bigint,
  key: Uint8Array,
  hmac: Hmac,
): Uint8Array {
  const writer = new Writer().u8(keyId).u64(counter);
  return writer.octets(tagOf(claim, keyId, counter, key, hmac)).finish();
}

/** The order of a claim that `proof` proves and that is news after `last`; undefined for any other. */
export function checkClaim(
  claim: Claim,
  proof: Uint8Array,
  last: ClaimOrder | undefined,
  keyOf: KeyOf,
  hmac: Hmac,
): ClaimOrder | undefined {
  if (proof.length !== PROOF_LENGTH) return undefined;
  const reader = new Reader(proof);
  const keyId = reader.u8('key identifier');
  const counter = reader.u64('counter');
  const key = keyOf(keyId);
  if (key === undefined) return undefined;
  if (!equalInConstantTime(tagOf(claim, keyId, counter, key, hmac), reader.rest()))
    return undefined;
  const { epoch } = claim;
  const isNews =
    last === undefined ||
    isLaterEpoch(epoch, last.epoch) ||
    (epoch === last.epoch && counter > last.counter);
  return isNews ? { epoch, counter } : undefined;
}

function tagOf(
  { session, sender, epoch }: Claim,
  keyId: number,
  counter: bigint,
  key: Uint8Array,
  hmac: Hmac,
): Uint8Array {
  const signed = new Writer().u32(LABEL).octets(encodeName(session));
  signed.u32(sender).u32(epoch).u8(keyId).u64(counter);
  return hmac(key, signed.finish()).subarray(0, MAC_LENGTH);
}
