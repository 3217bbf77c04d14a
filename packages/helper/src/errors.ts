/** The helper's one error class: a refusal, with the code that the reply to the supervisor carries. */
import { SystemError } from './libc.ts';

/** A refusal by the kernel or by the policy. Callers rely on `code`: an errno name or one of our own. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
  readonly code: string;
  readonly verb: string;
  readonly subject: string;
  readonly reason: string;

  constructor(verb: string, subject: string, code: string, reason: string, options?: ErrorOptions) {
    super(`${verb} ${subject}: ${code}: ${reason}`, options);
    this.verb = verb;
    this.subject = subject;
    this.code = code;
    this.reason = reason;
  }
}

/** Returns whether `run` succeeded. Passes a refusal by kernel or policy to `tell`; throws our own faults. */
export function anyway(run: () => void, tell: (message: string) => void = () => {}): boolean {
  try {
    run();
    return true;
  } catch (error) {
    if (!(error instanceof BackendError || error instanceof SystemError)) throw error;
    tell(error.message);
    return false;
  }
}

/** Converts an error of node:fs, thrown during `verb` on the file at `path`. */
export function diskError(
  verb: string,
  path: string,
  reason: string,
  cause: unknown,
): BackendError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO';
  return new BackendError(verb, path, code, reason, { cause });
}
