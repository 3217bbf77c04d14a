/**
 * Limits how many lines of this process dial at once: first come, first served. A turn ends with the dial, or after a
 * while. A line whose AC does not answer then continues to dial without a turn, and delays no other. It sends nothing.
 */
import type { Turn } from '@ppp-thing/protocol/engine/link/turn';
import { after, seconds } from '@ppp-thing/protocol/time';
import type { System } from './system.ts';

/** Lines that may dial at once. */
export const AT_ONCE = 32;
const LONGEST = seconds(10);

type DiallingLine = () => void;

export class Turns {
  readonly #clock: Pick<System, 'now' | 'wakeAt' | 'soon'>;
  /** Lines that dial, each with a function that cancels the timer of its turn. */
  readonly #dialling = new Map<DiallingLine, () => void>();
  /** Lines that still dial after their turn has ended. */
  readonly #late = new Set<DiallingLine>();
  readonly #queue = new Set<DiallingLine>();
  /** The place of each line in the queue, counted once for all that ask; undefined once a line has left the queue. */
  #places: Map<DiallingLine, number> | undefined;

  constructor(clock: Pick<System, 'now' | 'wakeAt' | 'soon'>) {
    this.#clock = clock;
  }

  /** The turns of one line. `wake` is called when it may ask again. */
  of(wake: DiallingLine): Turn {
    return {
      take: () => this.#take(wake),
      leave: () => this.#leave(wake),
      ahead: () => this.#dialling.size + (this.#place(wake) ?? -1),
    };
  }

  stop(): void {
    for (const cancel of this.#dialling.values()) cancel();
  }

  #take(line: DiallingLine): boolean {
    if (this.#dialling.has(line) || this.#late.has(line)) return true;
    if (!this.#queue.has(line)) this.#places?.set(line, this.#queue.size);
    this.#queue.add(line);
    if (this.#dialling.size >= AT_ONCE || !this.#isNext(line)) return false;
    this.#queue.delete(line);
    this.#places = undefined;
    const { now, wakeAt } = this.#clock;
    const end = wakeAt(after(now(), LONGEST), () => {
      this.#dialling.delete(line);
      this.#late.add(line);
      this.#callNext();
    });
    this.#dialling.set(line, end);
    return true;
  }

  /** Whether there is a free turn for this line and for all queued before it. */
  #isNext(line: DiallingLine): boolean {
    let free = AT_ONCE - this.#dialling.size;
    for (const each of this.#queue) {
      if (each === line) return true;
      free -= 1;
      if (free <= 0) return false;
    }
    return false;
  }

  #leave(line: DiallingLine): void {
    this.#late.delete(line);
    if (this.#queue.delete(line)) this.#places = undefined;
    const end = this.#dialling.get(line);
    if (end === undefined) return;
    end();
    this.#dialling.delete(line);
    this.#callNext();
  }

  #place(line: DiallingLine): number | undefined {
    this.#places ??= new Map(Array.from(this.#queue, (each, i) => [each, i]));
    return this.#places.get(line);
  }

  /** Call the next lines later: the line that has just left is still handling its event. */
  #callNext(): void {
    this.#clock.soon(() => {
      let free = AT_ONCE - this.#dialling.size;
      for (const line of this.#queue) {
        if (free-- <= 0) return;
        line();
      }
    });
  }
}
