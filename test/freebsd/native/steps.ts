/**
 * The steps of a run, and the one owner of its end. An interrupt stops the step that is under way, and only then is
 * everything taken apart; no step begins after that, and nothing is taken apart twice at a time.
 */
import type { Pair } from './pair.ts';

/** The run was ended from outside. */
export class InterruptedError extends Error {
  override readonly name = 'InterruptedError';
}

export class Steps {
  readonly #pair: Pair;
  readonly #halt: AbortController;
  /** The step that is under way, or the last one; it never rejects. */
  #step: Promise<unknown> = Promise.resolve();
  #end: Promise<string[]> | undefined;

  /** @param halt  its signal is that of the commands that the pair runs its steps with */
  constructor(pair: Pair, halt: AbortController) {
    this.#pair = pair;
    this.#halt = halt;
  }

  get isInterrupted(): boolean {
    return this.#halt.signal.aborted;
  }

  /** Throws what the step throws, or InterruptedError if the run is over. */
  async run(step: () => Promise<void>): Promise<void> {
    this.#halt.signal.throwIfAborted();
    const running = step();
    this.#step = running.catch(() => {});
    await running;
    this.#halt.signal.throwIfAborted();
  }

  /** End the run, whatever is under way. */
  interrupt(why: string, keep: boolean): Promise<string[]> {
    this.#halt.abort(new InterruptedError(why));
    return this.end(keep);
  }

  /** Take everything apart, once. What remained, a line each. */
  end(keep: boolean): Promise<string[]> {
    this.#end ??= this.#pair.takeDown(keep, this.#step);
    return this.#end;
  }
}
