/**
 * Limits the answers to the partner's hellos. Each costs an HMAC and a datagram, and an attacker can replay recorded
 * hellos without end. It bounds answers and memory; `partner-guard.ts` decides whether a datagram is a hello.
 *
 * Theory of operation. A nonce stands for one run of the partner. Its hellos count upwards, so one that does not is a
 * replay, and they come once a second. New nonces have an allowance of their own, which known ones cannot use up. So a
 * partner that starts gets an answer at once, unless somebody replays more of its starts than are remembered.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import type { Instant } from '@ppp-thing/protocol/time';
import type { PartnerHeader } from '@ppp-thing/protocol/wire/partner';

/** Nonces remembered; the one answered longest ago is forgotten first. */
const MOST_LIVES = 64;
/** Interval between two answers to one nonce. */
const BETWEEN_MS = 500;
/** Answers a second to all known nonces together, and as many to new ones. */
const MOST_A_SECOND = 8;

interface Life {
  readonly counter: bigint;
  readonly answeredAt: Instant;
}

export class HelloPace {
  readonly #lives = new Map<string, Life>();
  readonly #known = new Allowance();
  readonly #new = new Allowance();

  /** Whether to answer this hello now; if so, it counts as answered. */
  mayAnswer({ nonce, counter }: Pick<PartnerHeader, 'nonce' | 'counter'>, now: Instant): boolean {
    const name = toHex(nonce);
    const life = this.#lives.get(name);
    if (life !== undefined && (counter <= life.counter || now - life.answeredAt < BETWEEN_MS))
      return false;
    if (!(life === undefined ? this.#new : this.#known).take(now)) return false;
    this.#lives.delete(name);
    this.#lives.set(name, { counter, answeredAt: now });
    const [oldest] = this.#lives.keys();
    if (this.#lives.size > MOST_LIVES && oldest !== undefined) this.#lives.delete(oldest);
    return true;
  }
}

class Allowance {
  #second = -Infinity;
  #taken = 0;

  take(now: Instant): boolean {
    if (now - this.#second >= 1000) {
      this.#second = now;
      this.#taken = 0;
    }
    this.#taken += 1;
    return this.#taken <= MOST_A_SECOND;
  }
}
