/** The one error of the helper: a refusal, with the code that the supervisor is told. */

/** A refusal by the kernel or by the policy. `code` is an errno name or a word of our own, and is the contract. */
export class BackendError extends Error {
  override readonly name = 'BackendError';
  readonly code: string;
  readonly verb: string;
  readonly subject: string;

  constructor(verb: string, subject: string, code: string, reason: string, options?: ErrorOptions) {
    super(`${verb} ${subject}: ${code}: ${reason}`, options);
    this.verb = verb;
    this.subject = subject;
    this.code = code;
  }
}
