/**
 * The one place that waits: a single `poll()` over every descriptor of the helper. Callbacks run to completion, one at
 * a time; none may block.
 */

export interface Loop {
  /** Monotonic milliseconds. */
  now(): number;
  /** Call `ready` with the POLL bits found, until `unwatch`. Watching a descriptor again replaces its entry. */
  watch(fd: number, events: number, ready: (revents: number) => void): void;
  unwatch(fd: number): void;
  /** Call `run` every `intervalMs`. Returns what stops it. */
  every(intervalMs: number, run: () => void): () => void;
}
