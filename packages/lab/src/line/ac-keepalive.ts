/** The Access Concentrator's Echo-Requests: when the next is due, and when it gives a client up. It sends nothing. */
import { after, type Instant, type Millis } from '@ppp-thing/protocol/time';

export interface EchoConfig {
  readonly interval: Millis;
  /** Unanswered Echo-Requests after which the session is dropped. */
  readonly failures: number;
  /** Any traffic from the client counts as an answer. */
  readonly dataCheck: boolean;
}

export class Keepalive {
  readonly #config: EchoConfig;
  #at: Instant | undefined;
  #unanswered = 0;
  #identifier: number | undefined;

  constructor(config: EchoConfig) {
    this.#config = config;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  start(now: Instant): void {
    this.#unanswered = 0;
    this.#at = after(now, this.#config.interval);
  }

  stop(): void {
    this.#at = undefined;
  }

  /** What is due: the next Echo-Request, or the end. */
  due(now: Instant): 'ask' | 'give up' | undefined {
    if (this.#at === undefined || now < this.#at) return undefined;
    return this.#unanswered >= this.#config.failures ? 'give up' : 'ask';
  }

  /** An Echo-Request with this Identifier leaves. */
  asked(identifier: number, now: Instant): void {
    this.#identifier = identifier;
    this.#unanswered += 1;
    this.#at = after(now, this.#config.interval);
  }

  /** An Echo-Reply with the right Magic-Number: only one to the last request counts. */
  answered(identifier: number): void {
    if (identifier === this.#identifier) this.#unanswered = 0;
  }

  /** Something came from the client. */
  traffic(): void {
    if (this.#config.dataCheck) this.#unanswered = 0;
  }
}
