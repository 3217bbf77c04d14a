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

/** The earlier of two optional instants; undefined means never. */
export function earliest(...instants: readonly (Instant | undefined)[]): Instant | undefined {
  let first: Instant | undefined;
  for (const at of instants)
    if (at !== undefined && (first === undefined || at < first)) first = at;
  return first;
}
