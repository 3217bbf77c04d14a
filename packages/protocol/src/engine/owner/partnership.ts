/**
 * Our knowledge of the other router, and its age. `judge.ts` draws the conclusions.
 */
import { after, type Instant, type Millis } from '../../time.ts';
import type { PartnerMessage } from '../../session.ts';

export class Partnership {
  readonly #timeout: Millis;
  #message: PartnerMessage | undefined;
  #heardAt: Instant | undefined;
  #seenAt: Instant | undefined;
  /** By its last message or announce frame: its gate is open, on a session. */
  #carries = false;

  /** @param timeout silence after which the partner's last message is too old */
  constructor(timeout: Millis) {
    this.#timeout = timeout;
  }

  hear(message: PartnerMessage, now: Instant): void {
    this.#message = message;
    this.#heardAt = now;
    this.#carries = message.open && message.snapshot.facts !== null;
  }

  /** Its announce frame was received on the line: it lives, even if no datagram arrives. */
  see(now: Instant): void {
    this.#seenAt = now;
    if (this.fresh(now) === undefined) this.#carries = true;
  }

  /** It forwards packets: it says so, or was seen on the line within `span`. */
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

  /** Its last message, unless it is too old. */
  fresh(now: Instant): PartnerMessage | undefined {
    return this.#heardAt !== undefined && now < after(this.#heardAt, this.#timeout)
      ? this.#message
      : undefined;
  }

  /** No datagrams arrive, but it was seen on the line within `span`: it may hold the session and be unable to say so. */
  seenWithin(span: Millis, now: Instant): boolean {
    return this.#seenAt !== undefined && now < after(this.#seenAt, span);
  }
}
