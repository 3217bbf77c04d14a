/**
 * Whether a partner that holds the session has died, from the silence on every path there is between the two: datagrams,
 * and announce frames on the line. It is asked only with `fast_takeover_ms`; what follows is `judge.ts`'s, and the role is
 * CARP's in the end.
 *
 * A path counts while it is alive: of two that fell silent one long after the other, the first was broken and proves
 * nothing. A process that was itself asleep finds its time over and what arrived meanwhile unread: it waits once more.
 */
import { after, millis, type Instant, type Millis } from '../../time.ts';

export type Verdict =
  /** Both paths fell silent at one time, and have been silent since. */
  | 'dead'
  /** This process was late: wait one more span. */
  | 'asleep'
  /** One path only, or none, or never told of both. */
  | 'unproven';

/** A wake-up later than this share of the span means that this process was late. */
const LATE = 0.2;

export class Alarm {
  readonly #span: Millis;
  #heardAt: Instant | undefined;
  #seenAt: Instant | undefined;
  /** When the span began that is over next. */
  #from: Instant | undefined;

  constructor(span: Millis) {
    this.#span = span;
  }

  /** A datagram of the partner, which says that it holds the session. */
  heard(now: Instant): void {
    this.#heardAt = this.#from = now;
  }

  /** An announce frame of the partner. */
  seen(now: Instant): void {
    this.#seenAt = this.#from = now;
  }

  /** The partner does not hold, or has been judged: until both paths show it again there is nothing to say. */
  clear(): void {
    this.#heardAt = this.#seenAt = this.#from = undefined;
  }

  /** The span since the last sign is over. */
  over(now: Instant): Verdict {
    const [heard, seen, from] = [this.#heardAt, this.#seenAt, this.#from];
    if (heard === undefined || seen === undefined || from === undefined) return 'unproven';
    if (Math.abs(heard - seen) > this.#span) return 'unproven';
    if (now > after(from, millis(this.#span * (1 + LATE)))) {
      this.#from = now;
      return 'asleep';
    }
    this.clear();
    return 'dead';
  }
}
