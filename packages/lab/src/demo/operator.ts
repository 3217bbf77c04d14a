/** The operator of one router: `pppthingctl`, run as a person would run it. */
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { Bus, RouterName } from './bus.ts';

interface OperatorOptions {
  readonly router: RouterName;
  /** Where the supervisor's sockets are. */
  readonly runDirectory: string;
  /** The program that runs pppthingctl. */
  readonly runtime: string;
  readonly bus: Bus;
}

/** pppthingctl's exit codes. */
const DONE = 0;
const REFUSED = 1;
const LIMIT_MS = 120_000;

const MAIN = fileURLToPath(import.meta.resolve('@ppp-thing/ctl/main'));

export class Operator {
  readonly #options: OperatorOptions;

  constructor(options: OperatorOptions) {
    this.#options = options;
  }

  /** What a person would type for it in another terminal. */
  command(word: string): string {
    const { runtime, runDirectory } = this.#options;
    return [runtime, MAIN, '--run', runDirectory, word].join(' ');
  }

  /** Type one command. False: it was refused. Throws Error for any other outcome, one that does not come included. */
  async type(...words: readonly string[]): Promise<boolean> {
    const { router, runDirectory, runtime, bus } = this.#options;
    bus.tell({ kind: 'lab', text: `${router}# pppthingctl ${words.join(' ')}` });
    const args = [MAIN, '--run', runDirectory, ...words];
    const { exitCode, all } = await execa(runtime, args, {
      reject: false,
      all: true,
      stdin: 'ignore',
      timeout: LIMIT_MS,
      env: { NO_COLOR: '1' },
    });
    for (const text of all.split('\n').filter((line) => line !== ''))
      bus.tell({ kind: 'lab', text });
    if (exitCode === DONE || exitCode === REFUSED) return exitCode === DONE;
    throw new Error(`run pppthingctl ${words.join(' ')}: ${exitCode ?? 'killed'}: ${all}`);
  }
}
