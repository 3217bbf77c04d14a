/** Runs a program of `guest/` in the kernel lab's guest and returns what it printed; says what is missing where it cannot. */
import { rm } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Test } from 'tap';
import { kernelProgram, missingPrograms, runInGuest } from '@ppp-thing/lab/kernel/uml';

const PROGRAMS = [
  kernelProgram(),
  'taskset',
  'ip',
  'modprobe',
  'pppd',
  'pppoe-server',
  'tcpdump',
  'tshark',
];

/** Milliseconds. A program here says nothing until its end, which comes after 40 s on an idle host. */
const SILENCE = 240_000;

/** What to skip with, or false where the guest can run. */
export async function cannotRun(): Promise<string | false> {
  if (process.platform !== 'linux') return 'the guest needs a Linux host';
  const missing = await missingPrograms(PROGRAMS);
  return missing.length > 0 && `not installed: ${missing.join(', ')}`;
}

/** Every line that a program printed in the guest. Rejects with them if the guest did not get to its end. */
export async function printedBy(name: string, args: readonly string[] = []): Promise<string[]> {
  const lines: string[] = [];
  const program = fileURLToPath(new URL(`./guest/${name}.js`, import.meta.url));
  const run = await runInGuest({
    program,
    args,
    silence: SILENCE,
    line: (text) => lines.push(text),
  });
  await rm(run.directory, { recursive: true });
  if (run.exitCode === undefined) throw new Error(`${name}: no end:\n${lines.join('\n')}`);
  return lines;
}

/** What a program printed after `@result`. */
export async function resultOf(
  name: string,
  args: readonly string[] = [],
): Promise<Record<string, unknown>> {
  const lines = await printedBy(name, args);
  const result = lines.filter((text) => text.startsWith('@result ')).at(-1);
  if (result === undefined) throw new Error(`${name}: no result:\n${lines.join('\n')}`);
  return JSON.parse(result.slice('@result '.length)) as Record<string, unknown>;
}

/** What `run` gives, or gives the second time: a host that is busy elsewhere may leave a guest no time, which runs in real time. */
export async function atMostTwice<T>(
  t: Test,
  run: () => Promise<T>,
  failuresOf: (result: T) => readonly unknown[],
): Promise<T> {
  try {
    const first = await run();
    const failures = failuresOf(first);
    if (failures.length === 0) return first;
    t.comment('failed, and is tried once more:', failures);
  } catch (error) {
    t.comment('came to no end, and is tried once more:', error);
  }
  return run();
}
