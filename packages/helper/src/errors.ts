/** The one error of the helper: a refusal, with the code that the supervisor is told. */
import { SystemError } from './libc.ts';

/** A refusal by the kernel or by the policy. `code` is an errno name or a word of our own, and is the contract. */
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

/** `run`, and whether it succeeded; what the kernel or the policy refuses is passed to `tell`. A fault of our own is thrown. */
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

/** What node:fs threw while the helper did `verb` with a file at `path`. */
export function diskError(
  verb: string,
  path: string,
  reason: string,
  cause: unknown,
): BackendError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO';
  return new BackendError(verb, path, code, reason, { cause });
}
