/**
 * One program of the operator's, run to its end: bounded in time, its output a line at a time and not without end. Why it
 * is run is not known here.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { printable } from '@ppp-thing/protocol/printable';
import { now } from './clock.ts';
import { codeOf } from './errors.ts';

export interface ProgramOptions {
  /** An absolute path; it gets no arguments and no standard input. */
  readonly path: string;
  /** The whole of its environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds until it is asked to end; after as long again it is killed. */
  readonly limit: number;
  /** One line of its output, printable. */
  line(text: string): void;
  /** Called once, last. @param outcome for the log */
  ended(isWell: boolean, outcome: string): void;
}

/** Its output is waited for after its end, milliseconds: what it left running may hold it open. */
const OUTPUT_WAIT = 1000;
const MAX_LINES = 20;
const MAX_LINE = 200;

/** Start it. Returns what asks it, and all that it started, to end. Throws nothing: one that cannot be run has ended. */
export function runProgram({ path, env, limit, line, ended }: ProgramOptions): () => void {
  const started = now();
  const output = new Lines(line);
  const cannot = (error: unknown): string => `cannot be run: ${codeOf(error)}`;
  const child = spawned(path, env);
  if (child instanceof Error) {
    // Later, as for every other program: whoever starts one has not heard of it yet.
    setImmediate(() => ended(false, cannot(child)));
    return () => undefined;
  }
  let isOverdue = false;
  let isOver = false;
  let took = 0;
  let timer = setTimeout(() => {
    isOverdue = true;
    kill(child, 'SIGTERM');
    timer = setTimeout(() => kill(child, 'SIGKILL'), limit);
  }, limit);
  const over = (isWell: boolean, outcome: string): void => {
    clearTimeout(timer);
    if (isOver) return;
    isOver = true;
    output.end();
    ended(isWell, outcome);
  };
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (octets: Buffer) => output.take(octets));
  child.once('error', (error) => over(false, cannot(error)));
  child.once('exit', () => {
    took = Math.round(now() - started);
    clearTimeout(timer);
    if (isOverdue) kill(child, 'SIGKILL');
    timer = setTimeout(() => {
      child.stdout?.destroy();
      child.stderr?.destroy();
    }, OUTPUT_WAIT);
  });
  child.once('close', (code, signal) => {
    const outcome = signal === null ? `exit status ${code}` : `killed by ${signal}`;
    over(code === 0, `${outcome} after ${took} ms`);
  });
  return () => kill(child, 'SIGTERM');
}

/** Some errors come as an event; others (ENOTDIR, ELOOP, ETXTBSY, ENOMEM) are thrown at once, and are returned here. */
function spawned(path: string, env: ProgramOptions['env']): ChildProcess | Error {
  try {
    // A process group of its own, so that what it starts can be ended with it.
    return spawn(path, [], {
      env,
      cwd: '/',
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** The whole group. It may be gone already (ESRCH), or what is left of it another user's, by sudo or doas (EPERM). */
function kill(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (!['ESRCH', 'EPERM'].includes(codeOf(error))) throw error;
  }
}

class Lines {
  readonly #say: (line: string) => void;
  #rest = '';
  #count = 0;

  constructor(say: (line: string) => void) {
    this.#say = say;
  }

  take(octets: Buffer): void {
    const lines = (this.#rest + octets.toString('latin1')).split('\n');
    this.#rest = (lines.pop() ?? '').slice(0, MAX_LINE);
    for (const line of lines) this.#line(line);
  }

  end(): void {
    if (this.#rest !== '') this.#line(this.#rest);
    if (this.#count > MAX_LINES) this.#say(`${this.#count - MAX_LINES} more lines`);
  }

  #line(line: string): void {
    this.#count += 1;
    if (this.#count <= MAX_LINES) this.#say(printable(Buffer.from(line, 'latin1'), MAX_LINE));
  }
}
