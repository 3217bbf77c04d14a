/**
 * What the programs of the native pair have in common: they start, answer each line of their standard input with one line of
 * JSON, and end when it ends or they are told to. What they do is theirs.
 */
import { createInterface } from 'node:readline';
import { pathToFileURL } from 'node:url';
import { BackendError } from '@ppp-thing/helper/errors';
import { loadLibc, SystemError, type Libc } from '@ppp-thing/helper/libc';
import { createLoop, type Loop } from '@ppp-thing/helper/loop';

export interface Program {
  /** The answer to a word of the standard input, and to nothing at the start. */
  answer(word: string): unknown;
  close(): void;
}

/**
 * Run a program to its end, if `url` is that of the file that was started.
 *
 * @param start  throws BackendError or SystemError: a line on standard error, and exit status 1
 */
export async function runProgram(
  url: string,
  start: (libc: Libc, loop: Loop, say: (line: string) => void) => Program,
): Promise<void> {
  const [, file] = process.argv;
  if (file === undefined || url !== pathToFileURL(file).href) return;
  const say = (line: string): void => void process.stderr.write(`${line}\n`);
  const libc = await loadLibc();
  const loop = createLoop(libc, () => performance.now(), say);
  try {
    const program = start(libc, loop, say);
    await serve(loop, program);
  } catch (error) {
    if (!(error instanceof BackendError || error instanceof SystemError)) throw error;
    say(error.message);
    process.exitCode = 1;
  } finally {
    loop.close();
  }
}

async function serve(loop: ReturnType<typeof createLoop>, program: Program): Promise<void> {
  let stopped = false;
  const stop = (): void => loop.wake(() => void (stopped = true));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  const answer = (word: string): void =>
    void process.stdout.write(`${JSON.stringify(program.answer(word))}\n`);
  const input = createInterface({ input: process.stdin });
  input.on('line', answer);
  input.on('close', stop);
  answer('');
  await loop.run(() => stopped);
  program.close();
}
