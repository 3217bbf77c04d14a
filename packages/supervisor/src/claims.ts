/**
 * Announce frames and their proofs: proves ours to the partner, and checks the partner's. It sends and receives no frame.
 *
 * Theory of operation. A proof contains a counter that grows with each frame, so that a recorded frame is not believed
 * again. The counter is the time, by a clock that nobody sets: it also grows across restarts.
 */
import type { RouterId } from '@ppp-thing/protocol/session';
import {
  checkClaim,
  NO_PROOF,
  proveClaim,
  type ClaimOrder,
} from '@ppp-thing/protocol/wire/announce-proof';
import { hmacSha256 } from './hashes.ts';
import type { Keys } from './keys.ts';

interface Pair {
  readonly routerId: RouterId;
  readonly partnerId: RouterId;
}

export class Claims {
  readonly #pair: Pair;
  readonly #time: () => number;
  /** Counter of our last announce frame. */
  #last = 0n;
  /** The partner's next frame for a session must come after this. */
  readonly #heard = new Map<string, ClaimOrder>();

  /** @param time milliseconds since 1970-01-01 UTC at the start of this process, and since then by the monotonic clock */
  constructor(pair: Pair, time: () => number) {
    this.#pair = pair;
    this.#time = time;
  }

  /** The proof for our frame at `epoch`; zeros without a key. */
  proof(session: string, epoch: number, keys: Keys | undefined): Uint8Array {
    const key = keys?.byId.get(keys.active);
    if (keys === undefined || key === undefined) return NO_PROOF;
    this.#last = this.counter() + 1n;
    const claim = { session, sender: this.#pair.routerId, epoch };
    return proveClaim(claim, keys.active, this.#last, key, hmacSha256);
  }

  /** Whether the partner sent the frame, and it was not accepted before. */
  believes(session: string, epoch: number, proof: Uint8Array, keys: Keys | undefined): boolean {
    const claim = { session, sender: this.#pair.partnerId, epoch };
    const keyOf = (id: number): Uint8Array | undefined => keys?.byId.get(id);
    const order = checkClaim(claim, proof, this.#heard.get(session), keyOf, hmacSha256);
    if (order !== undefined) this.#heard.set(session, order);
    return order !== undefined;
  }

  /** Counter below that of our next frame: the partner can ignore older frames from now on. */
  counter(): bigint {
    const before = BigInt(Math.floor(this.#time())) - 1n;
    return before > this.#last ? before : this.#last;
  }

  /** A datagram of the partner makes its older frames void. */
  outdate(session: string, order: ClaimOrder): void {
    this.#heard.set(session, order);
  }
}
