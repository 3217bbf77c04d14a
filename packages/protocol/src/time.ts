/**
 * Monotonic time as the engine sees it: branded numbers of milliseconds. There is no clock here; every
 * instant comes in as an argument.
 */

/** Milliseconds on this host's monotonic clock. Its zero is arbitrary, so it never leaves the host. */
export type Instant = number & { readonly brand: 'Instant' };

/** A span of time, in milliseconds. */
export type Millis = number & { readonly brand: 'Millis' };

export const millis = (n: number): Millis => n as Millis;
export const seconds = (n: number): Millis => (n * 1000) as Millis;

/** The instant `span` after `at`. */
export const after = (at: Instant, span: Millis): Instant => (at + span) as Instant;

/** Wall clocks that differ by less tell the same time. */
const SAME_TIME_MS = 60_000;

/** By how much one wall clock is ahead of another, in milliseconds: whole seconds, or 0 if they tell the same time. */
export const stepBetween = (ahead: number): number =>
  Math.abs(ahead) < SAME_TIME_MS ? 0 : Math.round(ahead / 1000) * 1000;

/** The wall clock, in milliseconds since 1970-01-01 UTC. All that read it share one object: somebody may set the clock. */
export class WallClock {
  #atZero: number;

  /** @param atZero its time at Instant 0 */
  constructor(atZero: number) {
    this.#atZero = atZero;
  }

  at(now: Instant): number {
    return this.#atZero + now;
  }

  /** When it shows `time`. */
  instantOf(time: number): Instant {
    return (time - this.#atZero) as Instant;
  }

  /** @returns by how much it is ahead of what it was */
  set(atZero: number): number {
    const ahead = atZero - this.#atZero;
    this.#atZero = atZero;
    return ahead;
  }
}

/** The earlier of two optional instants; undefined means never. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const at of instants)
    if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}
