/** A program that answers a line on its standard input with one line of JSON, and waiting for what it says. */
import type { Running } from './commands.ts';

/** A runtime that starts on an emulated machine needs a quarter of it. */
const PATIENCE_MS = 300_000;

/** `T` is what the program answers; the program is ours, and is taken at its word. */
export class Station<T> {
  readonly #program: Running;
  readonly #patience: number;
  readonly #waiting: ((line: string) => void)[] = [];
  readonly #early: string[] = [];

  /** @param patience  multiplies how long an answer may take */
  constructor(program: Running, patience = 1) {
    this.#program = program;
    this.#patience = patience;
    program.listen((line) => {
      const waits = this.#waiting.shift();
      if (waits === undefined) this.#early.push(line);
      else waits(line);
    });
  }

  /** Its first line: it has begun. */
  async ready(): Promise<void> {
    await this.#next();
  }

  async ask(word: 'report' | 'begin' = 'report'): Promise<T> {
    this.#program.tell(word);
    return JSON.parse(await this.#next()) as T;
  }

  #next(): Promise<string> {
    const early = this.#early.shift();
    if (early !== undefined) return Promise.resolve(early);
    const { name, log, end, ended } = this.#program;
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => fail('ETIMEDOUT: no answer'), PATIENCE_MS * this.#patience);
      const fail = (why: string): void => {
        clearTimeout(late);
        reject(new Error(`ask ${name}: ${why}; see ${log}`));
      };
      void end.then(() => fail(`EPIPE: it has ended: ${ended() ?? ''}`));
      this.#waiting.push((line) => {
        clearTimeout(late);
        resolve(line);
      });
    });
  }
}
