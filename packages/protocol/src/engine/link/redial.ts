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

/** A session that ends sooner counts as a failure. */
export const SHORT_SESSION = seconds(60);
/** After the first failure; each further one doubles it. */
export const FIRST_DELAY = seconds(1);
export const LONGEST_DELAY = seconds(300);
/** After a refusal that is not the first failure, doubled likewise: the AC has understood us, and thinks no faster. */
export const REFUSED_DELAY = seconds(15);

/** How a dial or a session ended. */
export interface Ending {
  /** How long the session had been Opened; undefined if it never was. */
  readonly lasted: Millis | undefined;
  /** The AC said no: an error tag, or the credentials. */
  readonly refused: boolean;
}

export class Redial {
  readonly #random: Random;
  #failures = 0;
  #notBefore: Instant | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Failures in a row. */
  get failures(): number {
    return this.#failures;
  }

  /** The earliest instant of the next dial. */
  next(now: Instant): Instant {
    return this.#notBefore === undefined || this.#notBefore < now ? now : this.#notBefore;
  }

  ended(ending: Ending, now: Instant): void {
    if (ending.lasted !== undefined && ending.lasted >= SHORT_SESSION) {
      this.#failures = 0;
      this.#notBefore = undefined;
      return;
    }
    this.#failures += 1;
    this.#notBefore = after(now, this.#delay(ending.refused));
  }

  /** Up to a quarter longer than the doubling says, so that the lines of one AC do not come back in step. */
  #delay(refused: boolean): Millis {
    const failures = Math.min(this.#failures, 16);
    const span = Math.min(
      LONGEST_DELAY,
      refused && failures > 1
        ? REFUSED_DELAY * 2 ** (failures - 2)
        : FIRST_DELAY * 2 ** (failures - 1),
    );
    return millis(
      Math.min(LONGEST_DELAY, randomSpan(this.#random, millis(span), millis(span * 1.25))),
    );
  }
}
