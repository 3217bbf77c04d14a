/** Decides when to send a DHCPv6 message again, and when to stop (RFC 9915 §15, §7.6). It sends nothing. */
import { after, millis, seconds, type Instant, type Millis } from '../../time.ts';
import type { Random } from '../hashes.ts';
import { randomSpan } from '../random.ts';

export interface RetransmissionParameters {
  readonly initial: Millis;
  /** Longest span between two transmissions. */
  readonly most?: Millis;
  /** Transmissions in all. */
  readonly count?: number;
  /** Counted from the first transmission. */
  readonly duration?: Millis;
  /** The first span is never shorter than `initial`: a Solicit waits for offers that long. */
  readonly patient?: boolean;
}

export const PARAMETERS = {
  solicit: { initial: seconds(1), most: seconds(3600), patient: true },
  request: { initial: seconds(1), most: seconds(30), count: 10 },
  renew: { initial: seconds(10), most: seconds(600) },
  rebind: { initial: seconds(10), most: seconds(600) },
  confirm: { initial: seconds(1), most: seconds(4), duration: seconds(10) },
  // §18.2.7 goes on for 15 s; we end sooner, because a person waits for the session to be closed.
  release: { initial: seconds(1), count: 2, duration: seconds(3) },
} as const satisfies Record<string, RetransmissionParameters>;

/** RAND: a tenth, either way. */
const SHARE = 0.1;

export class Retransmission {
  readonly #random: Random;
  #parameters: RetransmissionParameters = PARAMETERS.request;
  #begunAt: Instant | undefined;
  #sent = 0;
  #span = millis(0);
  #at: Instant | undefined;

  constructor(random: Random) {
    this.#random = random;
  }

  /** @param wait until the first transmission; without it the first is now */
  begin(parameters: RetransmissionParameters, now: Instant, wait?: Millis): void {
    this.#parameters = parameters;
    if (wait !== undefined) {
      this.stop();
      this.#at = after(now, this.#about(wait));
      return;
    }
    this.#begunAt = now;
    this.#sent = 1;
    this.#span = this.#about(parameters.initial, parameters.patient === true);
    this.#set(now);
  }

  stop(): void {
    this.#at = undefined;
    this.#begunAt = undefined;
    this.#sent = 0;
  }

  /** Change the longest span. */
  limit(most: Millis, now: Instant): void {
    this.#parameters = { ...this.#parameters, most };
    if (this.#span <= most) return;
    this.#span = this.#about(most);
    this.#set(now);
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  /** Transmissions so far. */
  get sent(): number {
    return this.#sent;
  }

  /** Hundredths of a second since the first transmission, as the Elapsed Time option says it (RFC 9915 §21.9). */
  elapsed(now: Instant): number {
    return this.#begunAt === undefined
      ? 0
      : Math.min(0xffff, Math.floor((now - this.#begunAt) / 10));
  }

  /** The deadline has come. @returns whether to send the message again, or that it was the last one */
  expire(now: Instant): 'again' | 'exhausted' {
    if (this.#sent === 0) {
      this.begin(this.#parameters, now);
      return 'again';
    }
    const { count, duration, most } = this.#parameters;
    const isLate =
      duration !== undefined &&
      this.#begunAt !== undefined &&
      now >= after(this.#begunAt, duration);
    if (isLate || (count !== undefined && this.#sent >= count)) {
      this.#at = undefined;
      return 'exhausted';
    }
    this.#sent += 1;
    const doubled = millis(this.#span + this.#about(this.#span));
    this.#span = most !== undefined && doubled > most ? this.#about(most) : doubled;
    this.#set(now);
    return 'again';
  }

  #set(now: Instant): void {
    const { duration } = this.#parameters;
    const next = after(now, this.#span);
    const last =
      duration === undefined || this.#begunAt === undefined ? next : after(this.#begunAt, duration);
    this.#at = last < next ? last : next;
  }

  #about(span: Millis, isPatient = false): Millis {
    const low = isPatient ? span + 1 : span * (1 - SHARE);
    return randomSpan(this.#random, millis(Math.ceil(low)), millis(Math.floor(span * (1 + SHARE))));
  }
}
