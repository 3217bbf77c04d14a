/**
 * When the next dial may begin: at once after a session that served, then later and later. It counts failures; it does
 * not dial.
 *
 * An AC that still holds the old session, or that locks a line out for short-lived ones, punishes haste: it counts
 * sessions torn down within a minute, so we count them too.
 */
import { after, millis, seconds, type Instant, type Millis } from '../../time.ts';
import type { Random } from '../hashes.ts';
import { randomSpan } from '../random.ts';
import { LINK_WAITS } from './waits.ts';

/** A session that ends sooner counts as a failure. */
export const SHORT_SESSION = seconds(60);
export const { first: FIRST_DELAY, longest: LONGEST_DELAY } = LINK_WAITS['back-off'];
/**
 * Refusals may stretch the wait to so many times the longest: some ACs refuse a line for ten minutes or fifteen, and
 * begin anew at each try.
 */
export const REFUSED_STRETCH = 4;
/** After a refusal that is not the first failure, doubled likewise: the AC has decided, and will not soon decide otherwise. */
export const REFUSED_DELAY = seconds(15);

/** How a dial or a session ended. */
export interface Ending {
  /** How long the session had been Opened; undefined if it never was. */
  readonly lasted: Millis | undefined;
  /** The AC refused: an error tag, or the credentials. */
  readonly refused: boolean;
}

export class Redial {
  readonly #random: Random;
  readonly #longest: Millis;
  #failures = 0;
  #notBefore: Instant | undefined;

  /** @param longest between two dials, but for refusals */
  constructor(random: Random, longest: Millis = LONGEST_DELAY) {
    this.#random = random;
    this.#longest = longest;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** The earliest instant of the next dial. */
  next(now: Instant): Instant {
    return this.#notBefore === undefined || this.#notBefore < now ? now : this.#notBefore;
  }

  /** The next dial need not wait. The failures still count, so that the one after it does. */
  forgive(): void {
    this.#notBefore = undefined;
  }

  /** @returns whether it counts as a failure */
  ended(ending: Ending, now: Instant): boolean {
    if (ending.lasted !== undefined && ending.lasted >= SHORT_SESSION) {
      this.#failures = 0;
      this.#notBefore = undefined;
      return false;
    }
    this.#failures += 1;
    this.#notBefore = after(now, this.#delay(ending.refused));
    return true;
  }

  /** Up to a quarter longer than the doubling says, so that the lines of one AC do not come back in step. */
  #delay(refused: boolean): Millis {
    const failures = Math.min(this.#failures, 16);
    const isInsistent = refused && failures > 1;
    const longest = isInsistent ? this.#longest * REFUSED_STRETCH : this.#longest;
    const span = Math.min(
      longest,
      isInsistent ? REFUSED_DELAY * 2 ** (failures - 2) : FIRST_DELAY * 2 ** (failures - 1),
    );
    return millis(Math.min(longest, randomSpan(this.#random, millis(span), millis(span * 1.25))));
  }
}
