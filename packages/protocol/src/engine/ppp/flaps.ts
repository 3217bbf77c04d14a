/**
 * How often a layer that was up has gone down again: once is a fault of the peer's, again and again is no link. A layer
 * that serves for a while each time is odd, and worth more than a new dial: some ACs negotiate anew every minute.
 */
import { after, seconds, type Instant } from '../../time.ts';

/** That many at once are borne, and one more for each span that has passed. */
const BURST = 5;
const SPAN = seconds(10);

export class Flaps {
  /** When everything counted so far is forgotten. */
  #emptyAt: Instant | undefined;

  /** One more. Whether that is too many. */
  count(now: Instant): boolean {
    const from = this.#emptyAt === undefined || this.#emptyAt < now ? now : this.#emptyAt;
    this.#emptyAt = after(from, SPAN);
    return this.#emptyAt - now > BURST * SPAN;
  }
}
