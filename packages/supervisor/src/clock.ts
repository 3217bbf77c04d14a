/** The supervisor's clock and source of randomness. No other file reads them. */
import { randomBytes } from 'node:crypto';
import type { Instant } from '@ppp-thing/protocol/time';

export const now = (): Instant => performance.now() as Instant;

/** Milliseconds since 1970-01-01 UTC. For people; no decision depends on it. */
export const wallClock = (): number => Date.now();

export const random = (length: number): Uint8Array => randomBytes(length);

/** The longest a timer can run; a longer wait is done in pieces. */
const MAX_WAIT_MS = 2 ** 31 - 1;

/** Call `wake` at `at` or a little later. Returns a function that cancels it. */
export function wakeAt(at: Instant, wake: () => void): () => void {
  const timer = setTimeout(wake, Math.min(Math.max(at - now(), 0), MAX_WAIT_MS));
  return () => clearTimeout(timer);
}
