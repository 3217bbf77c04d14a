/** The shell that `pppthingctl` without arguments starts. It reads the same commands, and runs one at a time. */
import { createInterface } from 'node:readline';
import { EXIT } from './client.ts';
import { COMMANDS } from './commands.ts';
import type { Context } from './command.ts';

/** On a terminal it has a prompt and completion, and ^C ends only the command. Returns the last exit code. */
export async function shell(
  context: Context,
  run: (words: readonly string[], context: Context) => Promise<number>,
): Promise<number> {
  const isTerminal = context.isTerminal && process.stdin.isTTY;
  const lines = createInterface({
    input: process.stdin,
    ...(isTerminal ? { output: process.stdout, prompt: 'ppp-thing> ', completer: complete } : {}),
  });
  let running: AbortController | undefined;
  const begin = (words: readonly string[]): Promise<number> => {
    running = new AbortController();
    const signal = AbortSignal.any([context.signal, running.signal]);
    return run(words, { ...context, signal }).finally(() => (running = undefined));
  };
  lines.on('SIGINT', () => {
    if (running === undefined) lines.close();
    else running.abort();
  });
  let exit: number = EXIT.ok;
  if (isTerminal) {
    await begin(['status']);
    lines.prompt();
  }
  for await (const line of lines) {
    const words = line.split(/\s+/).filter((word) => word !== '');
    if (words[0] === 'quit' || words[0] === 'exit') break;
    if (words.length > 0) exit = await begin(words);
    if (isTerminal) lines.prompt();
  }
  lines.close();
  return exit;
}

/** Completes the first word, or an option of the command it names. */
function complete(line: string): [string[], string] {
  const words = line.split(/\s+/);
  const last = words.at(-1) ?? '';
  const flags = Object.keys(COMMANDS[words[0] ?? '']?.flags ?? {}).map((flag) => `--${flag}`);
  const known = words.length > 1 ? flags : [...Object.keys(COMMANDS), 'help', 'quit'];
  return [known.filter((word) => word.startsWith(last)), last];
}
