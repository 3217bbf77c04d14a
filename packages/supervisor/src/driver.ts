/**
 * Runs one engine: events in, actions out, one timer. Every event is handled to completion, its actions performed in
 * order, before the next one; an exception of the engine is our own mistake and ends the process.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { SessionEngine } from '@ppp-thing/protocol/engine/engine';
import type { Instant } from '@ppp-thing/protocol/time';
import type { Failed } from './perform.ts';

export interface DriverClock {
  now(): Instant;
  /** Call `wake` at `at` or a little later. Returns what cancels it. */
  wakeAt(at: Instant, wake: () => void): () => void;
}

export class Driver {
  readonly #engine: Pick<SessionEngine, 'handle' | 'deadline'>;
  readonly #perform: (action: Action) => Failed | undefined;
  readonly #clock: DriverClock;
  /** Events that came while one was in hand: a refused store, or what a request was answered with at once. */
  readonly #waiting: Event[] = [];
  readonly #settled: () => void;
  #isBusy = false;
  #cancel: () => void = () => undefined;

  /** @param settled called when an event has been handled to completion */
  constructor(
    engine: Pick<SessionEngine, 'handle' | 'deadline'>,
    perform: (action: Action) => Failed | undefined,
    clock: DriverClock,
    settled: () => void = () => undefined,
  ) {
    this.#engine = engine;
    this.#perform = perform;
    this.#clock = clock;
    this.#settled = settled;
  }

  feed(event: Event, at = this.#clock.now()): void {
    this.#waiting.push(event);
    if (this.#isBusy) return;
    this.#isBusy = true;
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) {
      this.#handle(next, at);
    }
    this.#isBusy = false;
    this.#arm();
    this.#settled();
  }

  /** Fire no timer any more. */
  stop(): void {
    this.#cancel();
  }

  #handle(event: Event, at: Instant): void {
    for (const action of this.#engine.handle(event, at)) {
      const failed = this.#perform(action);
      if (failed === undefined) continue;
      // What was to come after a refused store depends on it; the engine must hear of it before anything else.
      this.#waiting.unshift(failed);
      return;
    }
  }

  #arm(): void {
    this.#cancel();
    const at = this.#engine.deadline();
    if (at === undefined) {
      this.#cancel = () => undefined;
      return;
    }
    // A timer may fire early; the engine must never see a time before its own deadline.
    this.#cancel = this.#clock.wakeAt(at, () => {
      this.feed({ kind: 'deadline' }, Math.max(at, this.#clock.now()) as Instant);
    });
  }
}
