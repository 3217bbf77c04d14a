/** A costly answer that many may ask for at once: one reading serves everybody who asked before it began. */
import type { Pace } from './pace.ts';

export class Readings {
  readonly #pace: Pace;
  readonly #read: () => Promise<string>;
  /** That which has not begun. */
  #next: Promise<string> | undefined;
  /** Settles when the last one that began has ended. */
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
