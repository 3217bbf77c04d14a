/**
 * Commands of the host, run one after the other or kept running, so that what fails says what it was for, how it was
 * called and what it printed. It knows no command.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync } from 'node:fs';

/** One line that a person reads; a comment in TAP. */
export type Say = (line: string) => void;

export interface Done {
  /** As it could be typed. */
  readonly line: string;
  /** The exit status; null if it could not be started or a signal ended it, and then `output` says so. */
  readonly code: number | null;
  /** What it printed, standard error among it. */
  readonly output: string;
}

/** A command that did not do what it was for. */
export class CommandError extends Error {
  override readonly name = 'CommandError';
  readonly done: Done;

  constructor(purpose: string, done: Done) {
    super(`${purpose}: ${done.code === null ? 'not run' : `exit ${done.code}`}${quoted(done)}`);
    this.done = done;
  }
}

const quoted = ({ line, output }: Done): string =>
  [`\n  $ ${line}`, ...output.trimEnd().split('\n')].join('\n  ').trimEnd();

/** A program that runs until it is killed or ends. */
export interface Running {
  readonly name: string;
  readonly log: string;
  /** undefined while it runs; else how it ended. */
  readonly ended: () => string | undefined;
  signal(signal: NodeJS.Signals): void;
  /** Settles when it has ended. */
  readonly end: Promise<void>;
  /** A line to its standard input. */
  tell(line: string): void;
  /** Called for each line of its standard output, which then does not go to the log. */
  listen(hear: (line: string) => void): void;
}

export interface Commands {
  /** Run a command to its end; `purpose` names it in the error. Throws CommandError unless it exits with 0. */
  run(purpose: string, command: string, ...args: readonly string[]): Promise<string>;
  /** The same, where a failure is an answer too. */
  attempt(command: string, ...args: readonly string[]): Promise<Done>;
  /** Start a program whose words go to the file `log`. */
  start(name: string, log: string, command: string, ...args: readonly string[]): Running;
  /** What was started and has not ended. */
  readonly running: ReadonlySet<Running>;
}

/** No command of ours takes longer, but for those that wait for themselves. */
const LIMIT_MS = 120_000;
const word = (text: string): string => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text}'`);
export const typed = (command: string, args: readonly string[]): string =>
  [command, ...args].map(word).join(' ');

/** A terminal's Ctrl-C is for us alone: it goes to the whole process group, so each child has its own. */
const OWN_GROUP = { detached: true } as const;

/**
 * The commands of this machine.
 *
 * @param say   hears every command before it runs
 * @param env   the environment of all of them
 * @param halt  once it is aborted, what runs to its end is killed and waited for, and nothing begins any more: both throw
 *              its reason. What was started goes on
 */
export function hostCommands(
  say: Say,
  env: NodeJS.ProcessEnv = process.env,
  halt: AbortSignal = new AbortController().signal,
): Commands {
  const running = new Set<Running>();

  const attempt = async (command: string, ...args: readonly string[]): Promise<Done> => {
    halt.throwIfAborted();
    const line = typed(command, args);
    say(`$ ${line}`);
    const done = await new Promise<Done>((resolve) => {
      const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'pipe'], ...OWN_GROUP });
      let output = '';
      for (const stream of [child.stdout, child.stderr])
        stream.setEncoding('utf8').on('data', (text: string) => (output += text));
      const late = setTimeout(() => {
        output += `not done within ${LIMIT_MS / 1000} s, killed\n`;
        child.kill('SIGKILL');
      }, LIMIT_MS);
      const kill = (): void => void child.kill('SIGKILL');
      halt.addEventListener('abort', kill);
      const done = (code: number | null, how = ''): void => {
        clearTimeout(late);
        halt.removeEventListener('abort', kill);
        resolve({ line, code, output: `${output}${how}` });
      };
      child.on('error', (error) => done(null, `${error.message}\n`));
      child.on('close', (code, signal) =>
        done(code, code === null ? `ended by ${signal ?? 'nobody knows what'}\n` : ''),
      );
    });
    halt.throwIfAborted();
    return done;
  };

  return {
    running,
    attempt,
    async run(purpose, command, ...args) {
      const done = await attempt(command, ...args);
      if (done.code !== 0) throw new CommandError(purpose, done);
      return done.output;
    },
    start(name, log, command, ...args) {
      halt.throwIfAborted();
      say(`$ ${typed(command, args)} >>${log} &`);
      const started = startProgram(name, log, env, command, args);
      running.add(started);
      void started.end.then(() => running.delete(started));
      return started;
    },
  };
}

function startProgram(
  name: string,
  log: string,
  env: NodeJS.ProcessEnv,
  command: string,
  args: readonly string[],
): Running {
  const fd = openSync(log, 'a');
  const child: ChildProcess = spawn(command, args, {
    env,
    stdio: ['pipe', 'pipe', fd],
    ...OWN_GROUP,
  });
  let how: string | undefined;
  const end = new Promise<void>((resolve) => {
    const ended = (text: string): void => {
      if (how === undefined) closeSync(fd);
      how ??= text;
      resolve();
    };
    child.on('error', (error) => ended(error.message));
    child.on('close', (code, signal) => ended(signal ?? `exit ${code}`));
  });
  // What it says before anybody listens, and all of it if nobody does, goes to the log beside its standard error.
  let hear: ((line: string) => void) | undefined;
  let rest = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    const lines = `${rest}${text}`.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) hear?.(line);
    if (hear === undefined) appendLines(log, lines);
  });
  // A program that has died hears nothing more.
  child.stdin?.on('error', () => {});
  return {
    name,
    log,
    end,
    ended: () => how,
    signal: (signal) => void child.kill(signal),
    tell: (line) => void child.stdin?.write(`${line}\n`),
    listen: (heard) => void (hear = heard),
  };
}

const appendLines = (log: string, lines: readonly string[]): void => {
  if (lines.length > 0) appendFileSync(log, `${lines.join('\n')}\n`);
};

/** End programs, kindly at first, and wait until they have. */
export async function endAll(programs: readonly Running[], patienceMs = 5000): Promise<void> {
  for (const program of programs) program.signal('SIGTERM');
  const ends = Promise.all(programs.map(({ end }) => end));
  const impatience = setTimeout(() => {
    for (const program of programs) if (program.ended() === undefined) program.signal('SIGKILL');
  }, patienceMs);
  await ends;
  clearTimeout(impatience);
}
