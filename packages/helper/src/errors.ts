/**
 * The helper's one error class: a refusal, with the code that the reply to the supervisor carries; and the ways to call what
 * may be refused.
 */
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

/** Explanations of errnos, by name. */
type Reasons = Readonly<Record<string, string>>;

type Attempt = <T>(verb: string, subject: string, run: () => T, reasons?: Reasons) => T;

/**
 * A function that calls `run`, whose errno becomes the error `verb subject: CODE: reason`.
 *
 * @param everywhere  explanations that hold for every call of one system
 */
export function attempting(everywhere: Reasons): Attempt {
  return (verb, subject, run, reasons = {}) => {
    try {
      return run();
    } catch (cause) {
      if (!(cause instanceof SystemError)) throw cause;
      const reason = reasons[cause.code] ?? everywhere[cause.code] ?? `refused by ${cause.call}`;
      throw new BackendError(verb, subject, cause.code, reason, { cause });
    }
  };
}

/** The code of a refusal; undefined for our own faults. */
export const codeOf = (error: unknown): string | undefined =>
  error instanceof SystemError || error instanceof BackendError ? error.code : undefined;

/** Calls `run`; returns undefined for an errno in `codes`: what `run` does is done already, or cannot be done. */
export function unless<T>(codes: readonly string[], run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    if (codes.includes(codeOf(error) ?? '')) return undefined;
    throw error;
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
