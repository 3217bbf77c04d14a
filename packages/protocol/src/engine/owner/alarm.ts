/**
 * Whether a partner that holds the session has died: both paths between the two routers (datagrams, and announce frames on
 * the line) are silent. Used with `fast_takeover_ms` only. `judge.ts` acts on the verdict, and CARP has the last word.
 *
 * Both paths must fall silent at the same time: one that fell silent long before the other was only broken. If this process
 * was asleep, the span is over but the messages of that time are still unread: then it waits one more span.
 */
import { after, millis, type Instant, type Millis } from '../../time.ts';

export type Verdict =
  /** Both paths fell silent at the same time, and have been silent since. */
  | 'dead'
  /** This process was late: wait one more span. */
  | 'asleep'
  /** Not both paths: one is alive, or one was silent before, or one was never used. */
  | 'unproven';

/** A wake-up later than this share of the span means that this process was late. */
const LATE = 0.2;

export class Alarm {
  readonly #span: Millis;
  #heardAt: Instant | undefined;
  #seenAt: Instant | undefined;
  /** When the current span began. */
  #from: Instant | undefined;

  constructor(span: Millis) {
    this.#span = span;
  }

  /** A datagram from a partner that says that it holds the session. */
  heard(now: Instant): void {
    this.#heardAt = this.#from = now;
  }

  /** An announce frame of the partner. */
  seen(now: Instant): void {
    this.#seenAt = this.#from = now;
  }

  /** The partner does not hold the session, or a verdict was given: start again when both paths are alive. */
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
