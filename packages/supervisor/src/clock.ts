/**
 * Monotonic time and randomness: read here and nowhere else. What is due when is the engine's business.
 */
import { randomBytes } from 'node:crypto';
import type { Random } from '@ppp-thing/protocol/engine/hashes';
import type { Instant } from '@ppp-thing/protocol/time';

export interface Clock {
  /** Never goes back, whatever is done to the wall clock. */
  now(): Instant;
  /** Milliseconds since 1970-01-01 UTC at Instant 0, as the wall clock stood when this clock was made. */
  readonly wallClockAtZero: number;
  /** Milliseconds since 1970-01-01 UTC now: for people to read, never to reckon with. */
  wallClock(): number;
  /** Call `wake` once, not before `at`; returns how to cancel. A `wake` may still come a little early: check. */
  wakeAt(at: Instant, wake: () => void): () => void;
}

/** The longest that a timer can be set for (a signed 32-bit number of milliseconds): later ones wake early, once. */
const LONGEST = 0x7fff_ffff;

/** The clock of this host. Its zero is the start of this process. */
export function systemClock(): Clock {
  const now = (): Instant => performance.now() as Instant;
  return {
    now,
    // Once: a step of the wall clock must not move what has already happened.
    wallClockAtZero: Date.now() - performance.now(),
    wallClock: () => Date.now(),
    wakeAt(at, wake) {
      const timer = setTimeout(wake, Math.min(LONGEST, Math.max(0, Math.ceil(at - now()))));
      return () => clearTimeout(timer);
    },
  };
}

/** Octets nobody can predict. */
export const systemRandom: Random = (length) => new Uint8Array(randomBytes(length));
