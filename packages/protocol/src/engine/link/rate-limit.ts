/**
 * Limits the frames that are processed, so that a flood does not become work, answers or log lines without end. It queues
 * nothing: frames above the limit are dropped, as on a full line. Each kind of frame has its own limit, so that a flood
 * from an unknown station costs the session nothing.
 */
import type { Instant } from '../../time.ts';

/** Frames a second: many times those of an AC's busiest second. */
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

  /** `first-drop` begins an episode of drops, and is logged; `drop` continues it. */
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
