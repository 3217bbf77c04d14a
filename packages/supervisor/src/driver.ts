/**
 * Runs one engine: events in, actions out, one timer. It performs all actions of an event, in order, before the next
 * event. While the disk is writing, events wait. An exception from the engine is a bug of ours and ends the process. It
 * decides nothing.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { SessionEngine } from '@ppp-thing/protocol/engine/engine';
import type { Instant } from '@ppp-thing/protocol/time';
import type { Failed, Storing } from './perform.ts';

export interface DriverClock {
  now(): Instant;
  /** Call `wake` at `at` or a little later. Returns a function that cancels it. */
  wakeAt(at: Instant, wake: () => void): () => void;
}

export class Driver {
  readonly #engine: Pick<SessionEngine, 'handle' | 'deadline'>;
  readonly #perform: (action: Action) => Failed | Storing | undefined;
  readonly #clock: DriverClock;
  /** Events that arrived while another was being handled: a failed store, or an immediate answer to a request. */
  readonly #waiting: { readonly event: Event; readonly at: Instant }[] = [];
  readonly #settled: (at: Instant) => void;
  #isBusy = false;
  #isStoring = false;
  #isStopped = false;
  #cancel: () => void = () => undefined;

  /** @param settled called when an event and its actions are complete */
  constructor(
    engine: Pick<SessionEngine, 'handle' | 'deadline'>,
    perform: (action: Action) => Failed | Storing | undefined,
    clock: DriverClock,
    settled: (at: Instant) => void = () => undefined,
  ) {
    this.#engine = engine;
    this.#perform = perform;
    this.#clock = clock;
    this.#settled = settled;
  }

  feed(event: Event, at = this.#clock.now()): void {
    if (this.#isStopped) return;
    this.#waiting.push({ event, at });
    if (this.#isBusy) return;
    this.#isBusy = true;
    this.#drain(at);
  }

  #drain(from: Instant): void {
    let last = from;
    while (!this.#isStoring) {
      const next = this.#waiting.shift();
      if (next === undefined) {
        this.#isBusy = false;
        this.#arm();
        return this.#settled(last);
      }
      const at = (last = Math.max(from, next.at) as Instant);
      this.#act(this.#engine.handle(next.event, at), at);
    }
  }

  /** Stop for good: no timer, and what still comes is for nobody. */
  stop(): void {
    this.#cancel();
    this.#isStopped = true;
  }

  #act(actions: readonly Action[], at: Instant): void {
    for (const [i, action] of actions.entries()) {
      const outcome = this.#perform(action);
      if (outcome === undefined) continue;
      // The actions after a failed store depend on it, so the engine must handle the failure first.
      if (outcome.kind === 'failed') return void this.#waiting.unshift({ event: outcome, at });
      this.#isStoring = true;
      const rest = actions.slice(i + 1);
      return outcome.wait((failed) => {
        if (this.#isStopped) return;
        this.#isStoring = false;
        if (failed === undefined) this.#act(rest, at);
        else this.#waiting.unshift({ event: failed, at });
        this.#drain(Math.max(at, this.#clock.now()) as Instant);
      });
    }
  }

  #arm(): void {
    this.#cancel();
    const at = this.#engine.deadline();
    if (at === undefined) {
      this.#cancel = () => undefined;
      return;
    }
    // A timer may fire early; the engine must never get a time before its own deadline.
    this.#cancel = this.#clock.wakeAt(at, () => {
      this.feed({ kind: 'deadline' }, Math.max(at, this.#clock.now()) as Instant);
    });
  }
}
