/**
 * Converts an errno to an error that names the attempt, its subject and the remedy; and helpers that ignore or retry
 * given errnos. It decides nothing else.
 */
import { BackendError } from '../errors.ts';
import { SystemError } from '../libc.ts';

export { anyway } from '../errors.ts';

/** Explanations of errnos, by name. */
type Reasons = Readonly<Record<string, string>>;

/** Explanations that hold for every call. */
const EVERYWHERE: Reasons = {
  EPERM: 'only root may',
  EACCES: 'only root may',
  EAFNOSUPPORT: 'the module ng_socket is not loaded; run kldload ng_socket',
  EMFILE: 'this process has no descriptor left; raise its limit of open files',
  ENFILE: 'the system has no descriptor left; raise kern.maxfiles',
  ENOBUFS: 'the kernel is out of buffers',
};

/** Calls `run`; its errno becomes the error `verb subject: CODE: reason`. */
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

/** Calls `run`; returns undefined for an errno in `codes`. */
export function unless<T>(codes: readonly string[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    const code = codeOf(error);
    if (code !== undefined && codes.includes(code)) return undefined;
    throw error;
  }
}

/** Whether `run` fails with this errno. */
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
 * Poll every 0.1 ms until the kernel has done what it does a moment after the call. Undefined after 0.2 s without an
 * answer.
 */
export function soon<T>(ask: () => T | undefined): T | undefined {
  for (let tries = 0; tries < TRIES; tries++) {
    const answer = ask();
    if (answer !== undefined) return answer;
    Atomics.wait(never, 0, 0, PAUSE_MS);
  }
  return undefined;
}

/** Retries `run` for 0.2 s while the errno is in `codes`, then throws the last one. */
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
