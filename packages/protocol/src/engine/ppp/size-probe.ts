/**
 * Checks whether the line carries the size that both ends promised by PPP-Max-Payload (RFC 4638): at least one of a few
 * full-size Echo-Requests must arrive. Any answer proves that, because an AC may leave out the data, or cut it. It sends
 * nothing itself.
 */
import { after, type Instant } from '../../time.ts';
import type { LinkConfig } from '../session-config.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';

/** After so many lost Echo-Requests the larger payload is given up. */
const PROBES = 3;

export class SizeProbe {
  readonly #echo: LinkConfig['echo'];
  readonly #timers: PppTimers;
  /** Of the whole LCP packet; undefined while nothing is being probed. */
  #octets: number | undefined;
  readonly #identifiers = new Set<number>();

  constructor(echo: LinkConfig['echo'], timers: PppTimers) {
    this.#echo = echo;
    this.#timers = timers;
  }

  /** @param octets of the largest packet both ends take; the first Echo-Request is due at once */
  start(octets: number, now: Instant): void {
    this.stop();
    this.#octets = octets;
    this.#timers.set('size', now);
  }

  stop(): void {
    this.#octets = undefined;
    this.#identifiers.clear();
    this.#timers.clear('size');
  }

  /** `lost` ends the probe; a number is the size of the Echo-Request to send, octets. */
  expire(now: Instant): number | 'lost' | undefined {
    if (this.#octets === undefined || !this.#timers.isDue('size', now)) return undefined;
    if (this.#identifiers.size >= PROBES) {
      this.stop();
      return 'lost';
    }
    this.#timers.set('size', after(now, PPP_WAITS.size(this.#echo)));
    return this.#octets;
  }

  /** The Echo-Request was sent with `identifier`. */
  sent(identifier: number): void {
    this.#identifiers.add(identifier);
  }

  answered(identifier: number): boolean {
    const isProof = this.#identifiers.has(identifier);
    if (isProof) this.stop();
    return isProof;
  }

  /** As `answered`, of an answer without our Identifier. @param octets of the whole LCP packet */
  reached(octets: number): boolean {
    const isProof = octets === this.#octets;
    if (isProof) this.stop();
    return isProof;
  }
}
