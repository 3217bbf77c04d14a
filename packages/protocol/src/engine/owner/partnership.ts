/**
 * What we know of the other router, and how old that is. It judges nothing: `judge.ts` does.
 */
import { after, type Instant, type Millis } from '../../time.ts';
import type { PartnerMessage } from '../../session.ts';

export class Partnership {
  readonly #timeout: Millis;
  #message: PartnerMessage | undefined;
  #heardAt: Instant | undefined;
  #seenAt: Instant | undefined;
  /** By the last sign of it: its gate is open, on a session. */
  #carries = false;

  /** @param timeout silence after which the partner's last word counts no more */
  constructor(timeout: Millis) {
    this.#timeout = timeout;
  }

  hear(message: PartnerMessage, now: Instant): void {
    this.#message = message;
    this.#heardAt = now;
    this.#carries = message.open && message.snapshot.facts !== null;
  }

  /** Its announce frame was heard on the line: it lives, whatever became of the link between us. */
  see(now: Instant): void {
    this.#seenAt = now;
    if (this.fresh(now) === undefined) this.#carries = true;
  }

  /** It is known to forward packets: it says so, or was seen on the line within `span`. */
  carries(span: Millis, now: Instant): boolean {
    return this.#carries && (this.fresh(now) !== undefined || this.seenWithin(span, now));
  }

  /** Its last message, however old. */
  get last(): PartnerMessage | undefined {
    return this.#message;
  }

  get heardAt(): Instant | undefined {
    return this.#heardAt;
  }

  /** Its last message, while that still counts. */
  fresh(now: Instant): PartnerMessage | undefined {
    return this.#heardAt !== undefined && now < after(this.#heardAt, this.#timeout)
      ? this.#message
      : undefined;
  }

  /** Silent between us, yet seen on the line within `span`: it may hold the session, and cannot say so. */
  seenWithin(span: Millis, now: Instant): boolean {
    return this.#seenAt !== undefined && now < after(this.#seenAt, span);
  }
}
