/** Shares a costly answer: one reading serves every request that arrived before it began. It keeps no result. */
import type { Pace } from './pace.ts';

export class Readings {
  readonly #pace: Pace;
  readonly #read: () => Promise<string>;
  /** The reading that has not begun yet. */
  #next: Promise<string> | undefined;
  /** Settles when the last reading that began has ended. */
  #running: Promise<unknown> = Promise.resolve();

  constructor(pace: Pace, read: () => Promise<string>) {
    this.#pace = pace;
    this.#read = read;
  }

  ask(): Promise<string> {
    this.#next ??= this.#take(this.#running);
    return this.#next;
  }

  async #take(before: Promise<unknown>): Promise<string> {
    await before;
    const turn = await this.#pace.turn();
    const reading = this.#read().finally(() => turn.done());
    this.#next = undefined;
    this.#running = reading.catch(() => undefined);
    return reading;
  }
}
