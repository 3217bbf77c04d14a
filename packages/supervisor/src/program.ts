/**
 * Runs one of the operator's programs to its end: with a time limit, and a limit on its output, which is read line by
 * line. It does not know why the program runs.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { printable } from '@ppp-thing/protocol/printable';
import { now } from './clock.ts';
import { codeOf } from './errors.ts';

interface ProgramOptions {
  /** An absolute path. The program gets no arguments and no standard input. */
  readonly path: string;
  /** The program's whole environment. */
  readonly env: Readonly<Record<string, string>>;
  /** Milliseconds until SIGTERM; after as long again SIGKILL. */
  readonly limit: number;
  /** One line of its output, printable. */
  line(text: string): void;
  /** Called once, last. @param outcome text for the log */
  ended(isWell: boolean, outcome: string): void;
}

/** Milliseconds to wait for output after the exit: a child of the program may keep the pipe open. */
const OUTPUT_WAIT = 1000;
const MAX_LINES = 20;
const MAX_LINE = 200;
/** Octets read at full speed. Behind them each piece is followed by a pause: the sessions need the time of this process. */
const AT_ONCE = 64 * 1024;
const PAUSE_MS = 20;

/**
 * Start the program. Returns a function that asks it, and everything it started, to end. Never throws: a program that
 * cannot start counts as ended.
 */
export function runProgram({ path, env, limit, line, ended }: ProgramOptions): () => void {
  const started = now();
  const output = new Lines(line);
  const cannot = (error: unknown): string => `cannot be run: ${codeOf(error)}`;
  // A process group of its own, so that `kill` also reaches its children.
  const child = spawned(path, [], {
    env,
    cwd: '/',
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (child instanceof Error) {
    // Call `ended` later, as for other programs: the caller has no handle yet.
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
  let read = 0;
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (octets: Buffer) => {
      output.take(octets);
      if ((read += octets.length) < AT_ONCE) return;
      stream.pause();
      setTimeout(() => stream.resume(), PAUSE_MS);
    });
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

/** Some errors arrive as an event. Others (ENOTDIR, ELOOP, ETXTBSY, ENOMEM) are thrown at once; return those. */
export function spawned(...options: Parameters<typeof spawn>): ChildProcess | Error {
  try {
    return spawn(...options);
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
}

/** Signals the whole group. It may be gone already (ESRCH), or run as another user by sudo or doas (EPERM). */
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
