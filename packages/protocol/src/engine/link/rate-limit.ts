/**
 * How many frames from the line are looked at: a flood must not become work, answers or log lines without end. It queues
 * nothing; what is too much is dropped, as a full line would.
 */
import type { Instant } from '../../time.ts';

/** An AC's busiest second, many times over. */
const PER_SECOND = 200;
const BURST = 400;

export class RateLimit {
  #tokens = BURST;
  #at: Instant | undefined;
  #isShedding = false;

  /** `first-drop` begins an episode of dropping, which is worth one line; `drop` goes on with it. */
  admit(now: Instant): 'pass' | 'first-drop' | 'drop' {
    const elapsed = this.#at === undefined ? 0 : Math.max(0, now - this.#at);
    this.#at = now;
    this.#tokens = Math.min(BURST, this.#tokens + (elapsed * PER_SECOND) / 1000);
    if (this.#tokens === BURST) this.#isShedding = false;
    if (this.#tokens >= 1) {
      this.#tokens -= 1;
      return 'pass';
    }
    const verdict = this.#isShedding ? 'drop' : 'first-drop';
    this.#isShedding = true;
    return verdict;
  }
}
