/**
 * Proves that the partner sent an announce frame: 17 octets made with the shared key, because anybody on the line can
 * send the frame itself. It checks the sender and the order of frames; the engine decides what they mean.
 *
 * Theory of operation. The proof is a key id, a counter and the first 8 octets of an HMAC over session, sender, epoch,
 * key id and counter. The counter is the sender's time, so it rises across restarts. A frame is accepted if its epoch
 * is later than that of the last accepted frame, or the same with a higher counter. So a recorded frame can be replayed
 * once at most.
 */
import { Reader, Writer } from '../bytes.ts';
import { isLaterEpoch, type RouterId } from '../session.ts';
import { PROOF_LENGTH } from '../snapshot-limits.ts';
import { encodeName, equalInConstantTime, type Hmac, type KeyOf } from './partner.ts';

/** A proof that never verifies. */
export const NO_PROOF: Uint8Array = new Uint8Array(PROOF_LENGTH);

const MAC_LENGTH = 8;
/** Keeps these HMACs apart from those of datagrams. */
const LABEL = 0x7070_616e; // "ppan"

export interface Claim {
  readonly session: string;
  readonly sender: RouterId;
  readonly epoch: number;
}

/** The position of a claim in its sender's sequence. */
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

/** The order of `claim` if `proof` verifies and the claim is newer than `last`; otherwise undefined. */
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
