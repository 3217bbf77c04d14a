/**
 * Checks whether the AC is there, and whether the line carries the agreed packet size: the keepalive and the size probe, over
 * LCP's Echo-Requests. `phases.ts` acts on the answer.
 */
import type { Instant, Millis } from '../../time.ts';
import { PLAIN_PAYLOAD } from '../../wire/pppoe.ts';
import type { Out } from '../out.ts';
import { Keepalive, type KeepaliveVerdict } from './keepalive.ts';
import type { Lcp, LcpSignal } from './lcp.ts';
import { SizeProbe } from './size-probe.ts';
import type { PppShared } from './shared.ts';

export type LineSignal =
  /** Probing has begun; or the probe failed. */
  | { readonly kind: 'silent' | 'dead' }
  /** A sign of life of a session that was unproven; `rtt` if it was an Echo-Reply. */
  | { readonly kind: 'proven'; readonly rtt?: Millis }
  /** Full-size Echo-Requests are answered; or lost, and only the plain payload of RFC 2516 passes. */
  | { readonly kind: 'wide' | 'narrow' };

const ECHO_LENGTH = 8;

export class LineCheck {
  readonly #out: Out;
  readonly #lcp: Lcp;
  readonly #keepalive: Keepalive;
  readonly #size: SizeProbe;

  constructor(lcp: Lcp, { config: { echo }, timers, out }: PppShared) {
    this.#out = out;
    this.#lcp = lcp;
    this.#keepalive = new Keepalive(echo, timers);
    this.#size = new SizeProbe(echo, timers);
  }

  get rtt(): Millis | undefined {
    return this.#keepalive.rtt;
  }

  get unanswered(): number {
    return this.#keepalive.unanswered;
  }

  get lost(): number {
    return this.#keepalive.lost;
  }

  /** The session has just opened: the AC is there. */
  watch(now: Instant): void {
    this.#keepalive.watch(now);
  }

  /** Try packets of `octets`, the largest that both ends take (RFC 4638 §6). */
  tryWide(octets: number, now: Instant): void {
    if (octets <= PLAIN_PAYLOAD || this.#keepalive.hasNoEcho) return;
    this.#size.start(octets, now);
    this.#probeSize(now);
  }

  /** Send an Echo-Request at once: does the AC still know the session? */
  probe(now: Instant): LineSignal[] {
    return this.#did(this.#keepalive.probe(now), now);
  }

  /** Carrier is gone; and back. */
  pause(): void {
    this.#keepalive.pause();
  }

  unpause(now: Instant): LineSignal[] {
    return this.#did(this.#keepalive.unpause(now), now);
  }

  stop(): void {
    this.#keepalive.stop();
    this.#size.stop();
  }

  expire(now: Instant): LineSignal[] {
    return [...this.#did(this.#keepalive.expire(now), now), ...this.#probeSize(now)];
  }

  answered(answer: Extract<LcpSignal, { kind: 'alive' }>, now: Instant): LineSignal[] {
    const out: LineSignal[] = [];
    if (this.#size.answered(answer.identifier)) out.push({ kind: 'wide' });
    if (this.#keepalive.answered(answer.rtt, now)) out.push({ kind: 'proven', rtt: answer.rtt });
    return out;
  }

  /** The AC has sent a packet that is no answer. */
  heard(now: Instant): LineSignal[] {
    return this.#keepalive.heard(now) ? [{ kind: 'proven' }] : [];
  }

  /** An answer that does not say to what. A full-size one is to a full-size Echo-Request. */
  heardStrange(octets: number, now: Instant): LineSignal[] {
    const wide: LineSignal[] = this.#size.reached(octets) ? [{ kind: 'wide' }] : [];
    return [...wide, ...this.heard(now)];
  }

  /** The AC rejects Echo-Requests. So the last one has arrived, and we send no more. */
  refused(now: Instant): LineSignal[] {
    this.#size.stop();
    return this.#keepalive.refused(now) ? [{ kind: 'proven' }] : [];
  }

  counted(octetsIn: number, now: Instant): LineSignal[] {
    return this.#keepalive.counted(octetsIn, now) ? [{ kind: 'proven' }] : [];
  }

  #did(verdicts: readonly KeepaliveVerdict[], now: Instant): LineSignal[] {
    return verdicts.flatMap((verdict) => {
      if (verdict === 'echo') this.#lcp.echo(ECHO_LENGTH, now);
      if (verdict === 'count') this.#out({ kind: 'count' });
      if (verdict === 'dead') this.#size.stop();
      if (verdict === 'echo' || verdict === 'count') return [];
      return { kind: verdict === 'assumed' ? 'proven' : verdict };
    });
  }

  #probeSize(now: Instant): LineSignal[] {
    const size = this.#size.expire(now);
    if (size === undefined) return [];
    if (size === 'lost') return [{ kind: 'narrow' }];
    this.#size.sent(this.#lcp.echo(size, now));
    return [];
  }
}
