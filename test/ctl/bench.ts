/** Runs `pppthingctl` as an operator would: a process of its own, its words, its exit code. */
import { spawn, type ChildProcess } from 'node:child_process';
import { fileURLToPath } from 'node:url';

export const SHIM = fileURLToPath(
  new URL('../../../packages/ctl/bin/pppthingctl', import.meta.url),
);

export class Ctl {
  readonly child: ChildProcess;
  /** The exit code; null if a signal ended it. */
  readonly exit: Promise<number | null>;
  out = '';
  err = '';
  #look: () => void = () => undefined;

  /** @param directory where the sockets are */
  constructor(directory: string, words: readonly string[], input?: string) {
    // tap gives every child its own loader, under which a command without an extension does not load.
    this.child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, SHIM, ...words], {
      env: { ...process.env, PPP_THING_RUN: directory, TZ: 'UTC' },
      stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    this.child.stdin?.end(input);
    this.child.stdout?.on('data', (chunk) => this.#read('out', chunk));
    this.child.stderr?.on('data', (chunk) => this.#read('err', chunk));
    this.exit = new Promise((resolve) => this.child.on('close', (code) => resolve(code)));
  }

  #read(stream: 'out' | 'err', chunk: unknown): void {
    this[stream] += String(chunk);
    this.#look();
  }

  /** Until it has printed what the pattern says; at once if it ends before. */
  async printed(stream: 'out' | 'err', pattern: RegExp): Promise<void> {
    void this.exit.then(() => this.#look());
    while (this.child.exitCode === null && !pattern.test(this[stream])) {
      await new Promise<void>((resolve) => (this.#look = resolve));
    }
  }
}

export interface Outcome {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

export async function ctl(directory: string, ...words: readonly string[]): Promise<Outcome> {
  const command = new Ctl(directory, words);
  const code = await command.exit;
  return { code, out: command.out, err: command.err };
}
