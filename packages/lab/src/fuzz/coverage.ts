/**
 * Which pieces of the product's code an input reaches, from V8's own counters: a piece is a block that ran once, or more
 * than once. It runs no input itself.
 */
import { Session, type Profiler } from 'node:inspector';

/** Only the product's modules count. */
const OURS = /\/packages\/(?:protocol|supervisor|helper)\/dist\//;

export class Coverage {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
  }

  get size(): number {
    return this.#seen.size;
  }

  /** Forget what ran since the last call. */
  reset(): void {
    this.#take();
  }

  /** How many pieces that were never reached before ran since the last call. @param keep they count as reached from now on */
  news(keep: boolean): number {
    let found = 0;
    for (const { url, functions } of this.#take()) {
      if (!OURS.test(url)) continue;
      for (const { ranges } of functions)
        for (const { startOffset, endOffset, count } of ranges) {
          if (count === 0) continue;
          const piece = `${url}:${startOffset}-${endOffset}${count > 1 ? '+' : ''}`;
          if (this.#seen.has(piece)) continue;
          found++;
          if (keep) this.#seen.add(piece);
        }
    }
    return found;
  }

  close(): void {
    this.#session.disconnect();
  }

  /** In-process, so that the answer is there when `post` returns. */
  #take(): readonly Profiler.ScriptCoverage[] {
    let taken: readonly Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (error, answer) => {
      if (error !== null) throw error;
      taken = answer.result;
    });
    return taken;
  }
}
