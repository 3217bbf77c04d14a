/**
 * Which hellos of the partner's are answered: each costs an HMAC and a datagram, and whoever has recorded some can send them
 * again without end. It bounds answers and memory; whether a datagram is a hello is `partner-guard.ts`.
 *
 * Theory of operation. A life of the partner is its nonce. Its hellos count upwards, so one that does not is a replay; and
 * they come once a second. A life that is new here has an allowance of its own, which the known ones cannot use up: so a
 * partner that starts is answered at once, unless somebody replays more of its starts than are remembered.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import type { Instant } from '@ppp-thing/protocol/time';
import type { PartnerHeader } from '@ppp-thing/protocol/wire/partner';

/** Lives that are remembered; the one that was answered longest ago goes first. */
const MOST_LIVES = 64;
/** Between two answers to one life. */
const BETWEEN_MS = 500;
/** Answers a second to all lives that are known, and as many to new ones. */
const MOST_A_SECOND = 8;

interface Life {
  readonly counter: bigint;
  readonly answeredAt: Instant;
}

export class HelloPace {
  readonly #lives = new Map<string, Life>();
  readonly #known = new Allowance();
  readonly #new = new Allowance();

  /** Whether this hello is answered now; it counts as answered if so. */
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
