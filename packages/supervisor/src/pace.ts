/**
 * Runs work for strangers in slices between the turns of the event loop. It takes at most a fifth of this process's
 * time, so that the sessions' deadlines and the helper's notices come first. It knows no sockets.
 */
import type { Instant } from '@ppp-thing/protocol/time';
import type { DriverClock } from './driver.ts';

/** A slice ends with the task that reaches this time. */
export const SLICE_MS = 2;
/** Each slice is followed by a pause of this many times its length. */
export const REST = 4;

export class Pace {
  readonly #clock: DriverClock;
  /** At most one per connection, so the limit on connections bounds the list. */
  readonly #tasks: (() => void)[] = [];
  #restUntil = 0 as Instant;
  #cancel: (() => void) | undefined;

  constructor(clock: DriverClock) {
    this.#clock = clock;
  }

  /** Run `task` in its turn, never within this call. It must not throw. */
  run(task: () => void): void {
    this.#tasks.push(task);
    this.#arm();
  }

  /** A turn for asynchronous work: the time until the caller calls `done` counts as worked. */
  async turn(): Promise<{ done(): void }> {
    await new Promise<void>((resolve) => this.run(resolve));
    const began = this.#clock.now();
    return { done: () => this.#rest(began) };
  }

  stop(): void {
    this.#tasks.length = 0;
    this.#cancel?.();
  }

  #arm(): void {
    if (this.#cancel !== undefined || this.#tasks.length === 0) return;
    this.#cancel = this.#clock.wakeAt(this.#restUntil, () => {
      this.#cancel = undefined;
      if (this.#clock.now() >= this.#restUntil) this.#slice();
      this.#arm();
    });
  }

  #slice(): void {
    const began = this.#clock.now();
    for (let task = this.#tasks.shift(); task !== undefined; task = this.#tasks.shift()) {
      task();
      if (this.#clock.now() - began >= SLICE_MS) break;
    }
    this.#rest(began);
  }

  #rest(began: Instant): void {
    const now = this.#clock.now();
    this.#restUntil = Math.max(this.#restUntil, now + (now - began) * REST) as Instant;
  }
}
