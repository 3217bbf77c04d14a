/**
 * How many frames from the line are looked at: a flood must not become work, answers or log lines without end. It queues
 * nothing; what is too much is dropped, as a full line would. Frames of different worth have a limit each, so that what
 * any station can send takes nothing from the session.
 */
import type { Instant } from '../../time.ts';

/** An AC's busiest second, many times over. */
const PER_SECOND = 200;
/** Burst size, in seconds' worth of frames. */
const BURST_SPAN = 2;

export class RateLimit {
  readonly #perSecond: number;
  readonly #burst: number;
  #tokens: number;
  #at: Instant | undefined;
  #isShedding = false;

  constructor(perSecond = PER_SECOND) {
    this.#perSecond = perSecond;
    this.#burst = perSecond * BURST_SPAN;
    this.#tokens = this.#burst;
  }

  /** `first-drop` begins an episode of dropping, which is worth one line; `drop` goes on with it. */
  admit(now: Instant): 'pass' | 'first-drop' | 'drop' {
    const elapsed = this.#at === undefined ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(this.#burst, this.#tokens + (elapsed * this.#perSecond) / 1000);
    if (this.#tokens === this.#burst) this.#isShedding = false;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 'pass';
    }
    const verdict = this.#isShedding ? 'drop' : 'first-drop';
    this.#isShedding = true;
    return verdict;
  }
}
