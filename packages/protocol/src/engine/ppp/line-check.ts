/**
 * Whether the AC is there, and whether the line carries what both ends promised: the keepalive and the size probe, over
 * LCP's Echo-Requests. What follows from the answer is the phases' business.
 */
import { earliest, type Instant, type Millis } from '../../time.ts';
import type { PppPacket } from '../../wire/ppp.ts';
import { PLAIN_PAYLOAD } from '../../wire/pppoe.ts';
import { Keepalive, type KeepaliveVerdict } from './keepalive.ts';
import type { Lcp, LcpOutput } from './lcp.ts';
import type { LinkConfig } from '../session-config.ts';
import { SizeProbe } from './size-probe.ts';

export type LineOutput =
  | { readonly kind: 'send'; readonly packet: PppPacket }
  /** Probing has begun; or the probe failed. */
  | { readonly kind: 'silent' | 'dead' }
  /** An answer to a session that was unproven. */
  | { readonly kind: 'proven'; readonly rtt: Millis }
  /** Full-size Echo-Requests of so many octets are answered; or lost, and only the plain payload of RFC 2516 passes. */
  | { readonly kind: 'wide'; readonly octets: number }
  | { readonly kind: 'narrow' };

const ECHO_LENGTH = 8;

export class LineCheck {
  readonly #lcp: Lcp;
  readonly #keepalive: Keepalive;
  readonly #size: SizeProbe;

  constructor(echo: LinkConfig['echo'], lcp: Lcp) {
    this.#lcp = lcp;
    this.#keepalive = new Keepalive(echo);
    this.#size = new SizeProbe(echo.probeInterval);
  }

  get rtt(): Millis | undefined {
    return this.#keepalive.rtt;
  }

  get unanswered(): number {
    return this.#keepalive.unanswered;
  }

  deadline(): Instant | undefined {
    return earliest(this.#keepalive.deadline(), this.#size.deadline());
  }

  /** The session has just opened: the AC is there. */
  watch(now: Instant): void {
    this.#keepalive.watch(now);
  }

  /** Try packets of `octets`, the largest that both ends take (RFC 4638 §6). */
  tryWide(octets: number, now: Instant): LineOutput[] {
    if (octets <= PLAIN_PAYLOAD) return [];
    this.#size.start(octets, now);
    return this.#probeSize(now);
  }

  /** Ask at once whether the AC still knows the session. */
  probe(now: Instant): LineOutput[] {
    return this.#did(this.#keepalive.probe(now), now);
  }

  /** Carrier is gone; and back. */
  pause(): void {
    this.#keepalive.pause();
  }

  unpause(now: Instant): LineOutput[] {
    return this.#did(this.#keepalive.unpause(now), now);
  }

  stop(): void {
    this.#keepalive.stop();
    this.#size.stop();
  }

  expire(now: Instant): LineOutput[] {
    return [...this.#did(this.#keepalive.expire(now), now), ...this.#probeSize(now)];
  }

  answered(answer: Extract<LcpOutput, { kind: 'alive' }>, now: Instant): LineOutput[] {
    const octets = answer.length + ECHO_LENGTH;
    const out: LineOutput[] = [];
    if (this.#size.answered(answer.identifier, octets)) out.push({ kind: 'wide', octets });
    if (this.#keepalive.answered(answer.rtt, now)) out.push({ kind: 'proven', rtt: answer.rtt });
    return out;
  }

  #did(verdicts: readonly KeepaliveVerdict[], now: Instant): LineOutput[] {
    return verdicts.map((verdict) =>
      verdict === 'echo'
        ? { kind: 'send', packet: { protocol: 'LCP', packet: this.#lcp.echo(ECHO_LENGTH, now) } }
        : { kind: verdict },
    );
  }

  #probeSize(now: Instant): LineOutput[] {
    const size = this.#size.expire(now);
    if (size === undefined) return [];
    if (size === 'lost') return [{ kind: 'narrow' }];
    const packet = this.#lcp.echo(size, now);
    this.#size.sent(packet.identifier);
    return [{ kind: 'send', packet: { protocol: 'LCP', packet } }];
  }
}
