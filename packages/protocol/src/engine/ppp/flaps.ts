/**
 * Counts how often a layer that was up has gone down. Once may be a fault of the peer's; again and again means that there is
 * no link. A layer that stays up for a while each time is better than a new dial: some ACs renegotiate every minute.
 */
import { after, seconds, type Instant } from '../../time.ts';

/** So many at once are allowed, and one more for each span that has passed. */
const BURST = 5;
const SPAN = seconds(10);

export class Flaps {
  /** When everything counted so far is forgotten. */
  #emptyAt: Instant | undefined;

  /** Count one more. @returns whether that is too many */
  count(now: Instant): boolean {
    const from = this.#emptyAt === undefined || this.#emptyAt < now ? now : this.#emptyAt;
    this.#emptyAt = after(from, SPAN);
    return this.#emptyAt - now > BURST * SPAN;
  }
}
