/**
 * One Configure exchange as the Access Concentrator sees it: the four states of RFC 1661 §4.2 in which options are
 * negotiated, with their timer and counter. On purpose it shares nothing with our engine's automaton: it is the other
 * opinion, and it forgives nothing. It knows no option, and sends nothing itself.
 */
import { after, type Instant, type Millis } from '@ppp-thing/protocol/time';
import type { ConfigurePacket } from '@ppp-thing/protocol/wire/ppp';

export interface Terms<Option> {
  /** What we ask for now. */
  request(): readonly Option[];
  /** Our answer to what they ask for, and the options it carries. */
  judge(options: readonly Option[]): Omit<ConfigurePacket<Option>, 'identifier'>;
  /** They refused ours: a Nak or a Reject of these. */
  refused(code: 'Configure-Nak' | 'Configure-Reject', options: readonly Option[]): void;
}

/** Closed: not begun, or given up. */
type ExchangeState = 'Closed' | 'Req-Sent' | 'Ack-Rcvd' | 'Ack-Sent' | 'Opened';

/** Transmissions of one request before we give up (RFC 1661 §4.6). */
const MAX_CONFIGURE = 10;

export class Exchange<Option> {
  readonly #terms: Terms<Option>;
  readonly #restart: Millis;
  #state: ExchangeState = 'Closed';
  #identifier = 0;
  /** The last request has had its answer: a second one counts for nothing, as in pppd. */
  #isAnswered = false;
  /** Identifier of the client's request that we acknowledged. */
  #acknowledged: number | undefined;
  #left = 0;
  #isDead = false;
  #openings = 0;
  #at: Instant | undefined;

  /** @param restart between transmissions of a request that stays unanswered */
  constructor(terms: Terms<Option>, restart: Millis) {
    this.#terms = terms;
    this.#restart = restart;
  }

  get state(): ExchangeState {
    return this.#state;
  }

  /** Both ends have acknowledged. */
  get isOpen(): boolean {
    return this.#state === 'Opened';
  }

  /** How often both ends have acknowledged: once is right. */
  get openings(): number {
    return this.#openings;
  }

  /** Given up: MAX_CONFIGURE requests were not answered. */
  get isDead(): boolean {
    return this.#isDead;
  }

  /** Whether this is the request that we acknowledged, sent again by a client that has not had our answer (§4.3, RCR). */
  isRepeated(packet: ConfigurePacket<Option>): boolean {
    return packet.code === 'Configure-Request' && packet.identifier === this.#acknowledged;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  /** Begin, or begin anew, and ask. */
  begin(now: Instant): ConfigurePacket<Option>[] {
    this.#isDead = false;
    this.#left = MAX_CONFIGURE;
    return this.#ask('Req-Sent', now);
  }

  /** Be Opened, as an exchange of long ago left it. */
  resume(): void {
    this.#state = 'Opened';
    this.#isAnswered = true;
    this.#at = undefined;
  }

  /** Say no more, and time out no more. */
  end(): void {
    this.#state = 'Closed';
    this.#at = undefined;
  }

  expire(now: Instant): ConfigurePacket<Option>[] {
    if (this.#at === undefined || now < this.#at) return [];
    if (this.#left > 0) {
      // TO+: what was acknowledged of ours counts no more; what we acknowledged does.
      const state = this.#state === 'Ack-Sent' ? 'Ack-Sent' : 'Req-Sent';
      return this.#isAnswered ? this.#ask(state, now) : this.#send(state, now);
    }
    this.end();
    this.#isDead = true;
    return [];
  }

  receive(packet: ConfigurePacket<Option>, now: Instant): ConfigurePacket<Option>[] {
    if (this.#state === 'Closed') return [];
    return packet.code === 'Configure-Request'
      ? this.#asked(packet, now)
      : this.#answered(packet, now);
  }

  #asked(packet: ConfigurePacket<Option>, now: Instant): ConfigurePacket<Option>[] {
    const answer = { ...this.#terms.judge(packet.options), identifier: packet.identifier };
    const isGood = answer.code === 'Configure-Ack';
    if (isGood) this.#acknowledged = packet.identifier;
    switch (this.#state) {
      case 'Opened':
        // RCR in Opened: the layer goes down, and everything begins again (§4.3).
        this.#left = MAX_CONFIGURE;
        return [...this.#ask(isGood ? 'Ack-Sent' : 'Req-Sent', now), answer];
      case 'Ack-Rcvd':
        if (isGood) this.#open();
        return [answer];
      default:
        this.#state = isGood ? 'Ack-Sent' : 'Req-Sent';
        return [answer];
    }
  }

  #answered(packet: ConfigurePacket<Option>, now: Instant): ConfigurePacket<Option>[] {
    if (packet.identifier !== this.#identifier || this.#isAnswered) return [];
    this.#isAnswered = true;
    this.#left = MAX_CONFIGURE;
    if (packet.code !== 'Configure-Ack') {
      this.#terms.refused(packet.code as 'Configure-Nak' | 'Configure-Reject', packet.options);
      return this.#ask(this.#state, now);
    }
    if (this.#state === 'Ack-Sent') this.#open();
    else this.#state = 'Ack-Rcvd';
    return [];
  }

  #open(): void {
    this.#state = 'Opened';
    this.#openings += 1;
    this.#at = undefined;
  }

  #ask(state: ExchangeState, now: Instant): ConfigurePacket<Option>[] {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return this.#send(state, now);
  }

  #send(state: ExchangeState, now: Instant): ConfigurePacket<Option>[] {
    this.#state = state;
    this.#isAnswered = false;
    this.#left -= 1;
    this.#at = after(now, this.#restart);
    const options = this.#terms.request();
    return [{ code: 'Configure-Request', identifier: this.#identifier, options }];
  }
}
