/**
 * From an errno to an error that says what was tried, on what, and what to do about it; and the two ways to take an errno
 * in one's stride. It decides nothing else.
 */
import { BackendError } from '../errors.ts';
import { SystemError } from '../libc.ts';

export { anyway } from '../errors.ts';

/** What an errno means here, by its name. */
export type Reasons = Readonly<Record<string, string>>;

/** What these mean wherever they come from. */
const EVERYWHERE: Reasons = {
  EPERM: 'only root may',
  EACCES: 'only root may',
  EAFNOSUPPORT: 'the module ng_socket is not loaded; run kldload ng_socket',
  EMFILE: 'this process has no descriptor left; raise its limit of open files',
  ENFILE: 'the system has no descriptor left; raise kern.maxfiles',
  ENOBUFS: 'the kernel is out of buffers',
};

/** `run`, its errno told as `verb subject: CODE: reason`. */
export function attempt<T>(verb: string, subject: string, run: () => T, reasons: Reasons = {}): T {
  try {
    return run();
  } catch (cause) {
    if (!(cause instanceof SystemError)) throw cause;
    const reason = reasons[cause.code] ?? EVERYWHERE[cause.code] ?? `refused by ${cause.call}`;
    throw new BackendError(verb, subject, cause.code, reason, { cause });
  }
}

const codeOf = (error: unknown): string | undefined =>
  error instanceof SystemError || error instanceof BackendError ? error.code : undefined;

/** `run`; an errno in `codes` is undefined instead. */
export function unless<T>(codes: readonly string[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    const code = codeOf(error);
    if (code !== undefined && codes.includes(code)) return undefined;
    throw error;
  }
}

/** Whether `run` is refused with this errno. */
export function refuses(code: string, run: () => void): boolean {
  try {
    run();
    return false;
  } catch (error) {
    if (codeOf(error) === code) return true;
    throw error;
  }
}

const PAUSE_MS = 0.1;
const TRIES = 2000;
const never = new Int32Array(new SharedArrayBuffer(4));

/**
 * Ask until there is an answer, with pauses of 0.1 ms, for what the kernel does a moment after the call that asked for it.
 * Undefined after 0.2 s: none came.
 */
export function soon<T>(ask: () => T | undefined): T | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = ask();
    if (answer !== undefined) return answer;
    Atomics.wait(never, 0, 0, PAUSE_MS);
  }
  return undefined;
}

/** `run` again while the errno is in `codes`, with the same patience; then the last errno. */
export function settle<T>(codes: readonly string[], run: () => T): T {
  let last: unknown;
  const done = soon(() => {
    try {
      return { result: run() };
    } catch (error) {
      const code = codeOf(error);
      if (code === undefined || !codes.includes(code)) throw error;
      last = error;
      return undefined;
    }
  });
  if (done === undefined) throw last;
  return done.result;
}
