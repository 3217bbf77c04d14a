/**
 * A guest: a user-mode Linux kernel run as an ordinary process on the host's own files, read-only. It boots, runs one
 * Node.js program as root, and powers off. It knows nothing of what the program does.
 *
 * The guest writes to one directory of the host, made for the run. What the program prints arrives line by line.
 */
import { tmpdir } from 'node:os';
import { chmod, copyFile, mkdtemp, readFile, writeFile } from 'node:fs/promises';
import { access, constants } from 'node:fs/promises';
import { delimiter, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';

/** Where the result directory is seen in the guest. */
export const GUEST_RESULT = '/run/result';

/** Nothing that the guests do takes this long on the slowest machine they were seen on. */
const SILENCE = 600_000;

/** What the kernel prints before it boots, and how much of that is kept, characters. */
const SECCOMP = /seccomp filters can be installed\.\.\.OK/;
const MOST_TOLD = 10_000;

const CHECKOUT = fileURLToPath(new URL('../../../..', import.meta.url)).replace(/\/$/, '');
const INIT = fileURLToPath(new URL('../../kernel-guest/init.sh', import.meta.url));

interface GuestOptions {
  /** Absolute path of a compiled module, and its arguments. */
  readonly program: string;
  readonly args?: readonly string[];
  /** The program that runs it; the one that runs us unless given. */
  readonly runtime?: string;
  /** Milliseconds without a line from the guest after which it is killed: one that is only slow goes on. */
  readonly silence?: number;
  readonly memory?: string;
  /** Each line the guest prints, as it comes. */
  readonly line?: (text: string) => void;
}

export interface GuestRun {
  /** The program's exit status; undefined if the guest ended before the program did. */
  readonly exitCode: number | undefined;
  /** What the guest wrote. The caller removes it. */
  readonly directory: string;
  readonly timedOut: boolean;
  /** How the kernel catches its processes' system calls; `seccomp`, since Linux 6.16, is several times as fast. */
  readonly mode: 'seccomp' | 'ptrace';
}

/** The kernel that a guest boots: the distribution's, unless `PPP_THING_UML` names another. */
export const kernelProgram = (): string => process.env['PPP_THING_UML'] ?? 'linux.uml';

/** The programs a guest needs that are not on this host's PATH, so that a caller can say what to install. */
export async function missingPrograms(programs: readonly string[]): Promise<string[]> {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/sbin'];
  const isThere = async (program: string): Promise<boolean> => {
    const tries = folders.map((folder) => access(resolve(folder, program), constants.X_OK));
    return (await Promise.allSettled(tries)).some(({ status }) => status === 'fulfilled');
  };
  const found = await Promise.all(programs.map(isThere));
  return programs.filter((_, i) => !found[i]);
}

/**
 * The processor that a guest stays on: it has only one, and moving about makes its process switches four times slower.
 * Guests that run side by side spread over those that we may use, which the kernel lists as `0-2,5`.
 */
export function processorOf(allowed: string, number: number): number {
  const processors = allowed.split(',').flatMap((range) => {
    const [first = 0, last = first] = range.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
  return processors[number % processors.length] ?? 0;
}

async function ownProcessor(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8');
  const allowed = /^Cpus_allowed_list:\s*(\S+)$/m.exec(status)?.[1] ?? '0';
  return processorOf(allowed, process.pid);
}

export async function runInGuest(options: GuestOptions): Promise<GuestRun> {
  const directory = await mkdtemp(join(tmpdir(), 'ppp-thing-lab-'));
  // The kernel's command line cannot hold a space in a path; files in our own directory can.
  await copyFile(INIT, join(directory, 'init.sh'));
  await chmod(join(directory, 'init.sh'), 0o755);
  await writeFile(join(directory, 'checkout'), CHECKOUT);
  const command = [options.runtime ?? process.execPath, options.program, ...(options.args ?? [])];
  await writeFile(join(directory, 'command'), command.map((word) => `${word}\0`).join(''));
  const kernel = [
    `mem=${options.memory ?? '768M'}`,
    'root=/dev/root',
    'rootfstype=hostfs',
    'rootflags=/',
    'ro',
    `init=${directory}/init.sh`,
    `LAB_RESULT=${directory}`,
    `uml_dir=${directory}/`,
    'con=null',
    'con0=fd:0,fd:1',
    // A kernel before 6.16 passes it on to the first process.
    'seccomp=auto',
    // As `quiet`, which would also hide the line that tells the mode.
    'loglevel=4',
    'panic=1',
  ];
  const guest = execa('taskset', ['-c', String(await ownProcessor()), kernelProgram(), ...kernel], {
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
    buffer: false,
    reject: false,
    // A group of its own, because a guest is several processes of the host.
    detached: true,
  });
  const stop = (): void => {
    if (guest.pid === undefined) return;
    try {
      process.kill(-guest.pid, 'SIGKILL');
    } catch {
      // It has ended already.
    }
  };
  let told = '';
  guest.stderr.on('data', (data) => (told = `${told}${data}`.slice(0, MOST_TOLD)));
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stop();
  }, options.silence ?? SILENCE);
  process.once('exit', stop);
  // The guest does not share our terminal's process group, so that an interrupt must be passed on.
  const interrupted = (): never => {
    stop();
    process.exit(130);
  };
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, interrupted);
  try {
    for await (const text of guest.iterable()) {
      timer.refresh();
      options.line?.(text.replaceAll('\r', ''));
    }
    await guest;
  } finally {
    clearTimeout(timer);
    process.off('exit', stop);
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, interrupted);
    stop();
  }
  const exit = await readFile(join(directory, 'exit'), 'utf8').catch(() => '');
  const mode = SECCOMP.test(told) ? 'seccomp' : 'ptrace';
  return { exitCode: exit === '' ? undefined : Number(exit), directory, timedOut, mode };
}
