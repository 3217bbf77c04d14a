/** Explains the errnos of FreeBSD to the operator, and waits for a kernel that is still busy. */
import { attempting, codeOf } from '../errors.ts';

export { anyway, unless } from '../errors.ts';

const EVERYWHERE = {
  EPERM: 'only root may',
  EACCES: 'only root may',
  EAFNOSUPPORT: 'the module ng_socket is not loaded; run kldload ng_socket',
  EMFILE: 'this process has no descriptor left; raise its limit of open files',
  ENFILE: 'the system has no descriptor left; raise kern.maxfiles',
  ENOBUFS: 'the kernel is out of buffers',
};

export const attempt = attempting(EVERYWHERE);

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
 * Call `ask` every 0.1 ms until it answers: the kernel completes some calls a moment later. Undefined after 0.2 s without
 * an answer.
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
