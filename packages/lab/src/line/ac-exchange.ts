/**
 * One Configure exchange as the Access Concentrator sees it: ask, be asked, and know when both have agreed. It is far
 * smaller than RFC 1661's automaton, and on purpose shares nothing with our engine's: it is the other opinion.
 */
import { after, type Instant, type Millis } from '@ppp-thing/protocol/time';
import type { ConfigurePacket } from '@ppp-thing/protocol/wire/ppp';
import type { OptionOctets } from '@ppp-thing/protocol/wire/control';

export interface Terms<Option> {
  /** What we ask for now. */
  request(): readonly Option[];
  /** Our answer to what they ask for, and the options it carries. */
  judge(options: readonly Option[]): Omit<ConfigurePacket<Option>, 'identifier'>;
  /** They refused ours: a Nak or a Reject of these. */
  refused(code: 'Configure-Nak' | 'Configure-Reject', options: readonly Option[]): void;
}

/** Transmissions of one request before we give up (RFC 1661 §4.6). */
const MAX_CONFIGURE = 10;

export class Exchange<Option extends OptionOctets> {
  readonly #terms: Terms<Option>;
  readonly #restart: Millis;
  #acked = { byUs: false, byThem: false };
  #identifier = 0;
  #left = 0;
  #at: Instant | undefined;

  /** @param restart between transmissions of a request that stays unanswered */
  constructor(terms: Terms<Option>, restart: Millis) {
    this.#terms = terms;
    this.#restart = restart;
  }

  /** Both ends have acknowledged. */
  get isOpen(): boolean {
    return this.#acked.byUs && this.#acked.byThem;
  }

  /** Given up: MAX_CONFIGURE requests were not answered. */
  get isDead(): boolean {
    return this.#left < 0;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  /** Begin, or begin anew, and ask. */
  begin(now: Instant): ConfigurePacket<Option>[] {
    this.#acked = { byUs: false, byThem: false };
    this.#left = MAX_CONFIGURE - 1;
    return this.#ask(now);
  }

  /** Say no more, and time out no more. */
  end(): void {
    this.#at = undefined;
  }

  expire(now: Instant): ConfigurePacket<Option>[] {
    if (this.#at === undefined || now < this.#at) return [];
    this.#left -= 1;
    if (this.#left >= 0) return this.#send(now);
    this.#at = undefined;
    return [];
  }

  receive(packet: ConfigurePacket<Option>, now: Instant): ConfigurePacket<Option>[] {
    if (packet.code === 'Configure-Request') {
      const answer = { ...this.#terms.judge(packet.options), identifier: packet.identifier };
      this.#acked.byUs = answer.code === 'Configure-Ack';
      return [answer];
    }
    if (packet.identifier !== this.#identifier || this.#acked.byThem) return [];
    if (packet.code === 'Configure-Ack') {
      this.#acked.byThem = true;
      this.#at = undefined;
      return [];
    }
    this.#terms.refused(packet.code, packet.options);
    return this.#ask(now);
  }

  #ask(now: Instant): ConfigurePacket<Option>[] {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return this.#send(now);
  }

  #send(now: Instant): ConfigurePacket<Option>[] {
    this.#at = after(now, this.#restart);
    const options = this.#terms.request();
    return [{ code: 'Configure-Request', identifier: this.#identifier, options }];
  }
}
