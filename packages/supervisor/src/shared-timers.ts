/**
 * Timers of many sessions that go off together: those within 20 ms share one timer of the system, so that their writes become
 * one message to the kernel. A wake-up never comes early, and at most 20 ms late. It knows no session.
 */
import type { Instant } from '@ppp-thing/protocol/time';
import type { DriverClock } from './driver.ts';

const SLOT_MS = 20;

interface Slot {
  readonly entries: Set<{ readonly wake: () => void }>;
  readonly cancel: () => void;
}

export class SharedTimers implements DriverClock {
  readonly #clock: DriverClock;
  /** By number, counted from Instant 0. */
  readonly #slots = new Map<number, Slot>();

  constructor(clock: DriverClock) {
    this.#clock = clock;
  }

  now(): Instant {
    return this.#clock.now();
  }

  wakeAt(at: Instant, wake: () => void): () => void {
    const number = Math.ceil(at / SLOT_MS);
    const slot = this.#slots.get(number) ?? this.#open(number);
    const entry = { wake };
    slot.entries.add(entry);
    return () => {
      slot.entries.delete(entry);
      if (slot.entries.size > 0 || this.#slots.get(number) !== slot) return;
      this.#slots.delete(number);
      slot.cancel();
    };
  }

  #open(number: number): Slot {
    const entries: Slot['entries'] = new Set();
    const cancel = this.#clock.wakeAt((number * SLOT_MS) as Instant, () => {
      this.#slots.delete(number);
      for (const { wake } of entries) wake();
    });
    const slot = { entries, cancel };
    this.#slots.set(number, slot);
    return slot;
  }
}
