/**
 * The Network phase (RFC 1661 §3.2): which of IPCP and IPV6CP a session needs, and whether it is up with those that are
 * Opened. It ends no session: `phases.ts` does, when this module gives it up.
 *
 * Theory of operation. A session is up with IPCP. Where the AC has no IPv4 (it rejects IPCP, or says nothing while IPV6CP
 * opens) it is up with IPV6CP alone, and IPCP may still come later. A session that has had IPv4 is not up without it.
 */
import { after, type Instant } from '../../time.ts';
import { sameOctets } from '../../bytes.ts';
import { formatIpv4 } from '../../wire/ncp.ts';
import { PROTOCOL, type PppPacket } from '../../wire/ppp.ts';
import type { SessionFacts } from '../../session.ts';
import type { Log } from '../out.ts';
import type { LinkConfig } from '../session-config.ts';
import { wordsOf } from './agreement.ts';
import { Flaps } from './flaps.ts';
import type { Lcp } from './lcp.ts';
import { Ncps, type Ncp } from './ncps.ts';
import { isEssential, type LayerSignal } from './negotiation.ts';
import type { PppShared } from './shared.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';

export type NetworkSignal =
  /** The session is up; or it is still up, and what was agreed has changed. */
  | { readonly kind: 'up' | 'changed' }
  /** The layer without which the session is not up has gone down. */
  | { readonly kind: 'down'; readonly layer: 'IPCP' | 'IPV6CP' }
  /** The session cannot come up. `refused`: the AC understood us. */
  | { readonly kind: 'failed'; readonly reason: string; readonly refused: boolean };

/** Octets. */
const LEAST_IPV6 = 1280;
const NAMES = { ipcp: 'IPCP', ipv6cp: 'IPV6CP' } as const;
const DISAGREES = {
  ipcp: 'does not agree to IPCP',
  ipv6cp: 'does not agree to IPV6CP',
} as const;
const NCPS = ['ipcp', 'ipv6cp'] as const;

export class Network {
  readonly ncps: Ncps;
  readonly #config: LinkConfig;
  readonly #lcp: Lcp;
  readonly #timers: PppTimers;
  readonly #log: Log;
  /** IPCP since LCP last opened: we wait for it; it is or was Opened; or the session does without. */
  #ipv4: 'awaited' | 'had' | 'none';
  /** Of IPV6CP beside an IPCP that is up. */
  readonly #ipv6Flaps = new Flaps();
  /** What the AC did with each NCP, for people, since the NCPs began or the session was last up. */
  #words: Partial<Record<Ncp, string>> = {};
  readonly #signals: NetworkSignal[] = [];

  /**
   * @param previous facts of an earlier session: request its addresses again
   * @param log the link's
   */
  constructor(previous: SessionFacts | null, lcp: Lcp, shared: PppShared, log: Log) {
    this.#config = shared.config;
    this.#lcp = lcp;
    this.#timers = shared.timers;
    this.#log = log;
    const peerMru = (): number => lcp.agreement.theirMru;
    this.ncps = new Ncps(previous, peerMru, shared);
    this.#ipv4 = this.#atFirst;
  }

  get #atFirst(): 'awaited' | 'none' {
    return this.#isWanted('ipcp') ? 'awaited' : 'none';
  }

  get isUp(): boolean {
    if (this.#lcp.state !== 'Opened') return false;
    return (this.#ipv4 === 'none' ? this.ncps.ipv6 : this.ncps.ipv4) !== undefined;
  }

  /** Why no NCP is Opened. */
  get missing(): string {
    const wanted = NCPS.filter((ncp) => this.#isWanted(ncp));
    return wanted.map((ncp) => this.#lacks(ncp)).join(', ');
  }

  /** The phase begins. */
  begin(now: Instant): NetworkSignal[] {
    this.#words = {};
    const { ipv4, ipv6 } = this.#config;
    if (ipv6 && this.#lacksRoom !== undefined) {
      if (ipv4 === false) this.#fail(`no IPv6: ${this.#lacksRoom}`, true);
      else this.#log('warn', 'no IPv6', { reason: this.#lacksRoom });
    }
    for (const ncp of NCPS) this.#open(ncp, now);
    return this.#signals.splice(0);
  }

  resume(facts: SessionFacts): void {
    this.#ipv4 = facts.ourAddress === undefined ? 'none' : 'had';
    this.ncps.resume(facts);
  }

  /** The former holder may have gone before the other NCP was Opened; an AC without it says so again. */
  openNew(now: Instant): NetworkSignal[] {
    for (const ncp of NCPS) if (this.ncps.isNew(ncp)) this.#open(ncp, now);
    return this.#signals.splice(0);
  }

  /** LCP went down. */
  down(now: Instant): NetworkSignal[] {
    this.#fire('ipv6cp', 'Down', now);
    this.#fire('ipcp', 'Down', now);
    this.#ipv4 = this.#atFirst;
    return this.#signals.splice(0);
  }

  /** RFC 1661 §5.7: the AC does not have this protocol. */
  rejected(ncp: Ncp, now: Instant): NetworkSignal[] {
    this.#words[ncp] = `rejects ${NAMES[ncp]}`;
    this.#fire(ncp, 'RXJ-', now);
    return this.#signals.splice(0);
  }

  receive(ppp: Extract<PppPacket, { protocol: 'IPCP' | 'IPV6CP' }>, now: Instant): NetworkSignal[] {
    const { protocol, packet, information } = ppp;
    const ncp = protocol === 'IPCP' ? 'ipcp' : 'ipv6cp';
    if (!this.#isWanted(ncp)) this.#lcp.rejectProtocol(PROTOCOL[protocol], information);
    else {
      if (packet.code === 'Terminate-Request')
        this.#words[ncp] = `ended ${protocol}${wordsOf(packet.data)}`;
      if (packet.code === 'Code-Reject' && isEssential(packet.rejected))
        this.#words[ncp] = `rejects code ${packet.rejected[0]} of ${protocol}`;
      this.#words[ncp] ??= DISAGREES[ncp];
      // Before the Network phase the automata are not Up, and drop it (RFC 1661 §3.5).
      this.#did(ncp, this.ncps.receive(ppp, now), now);
    }
    return this.#signals.splice(0);
  }

  expire(now: Instant): NetworkSignal[] {
    const signals = this.ncps.expire(now);
    for (const ncp of NCPS) this.#did(ncp, signals[ncp], now);
    if (this.#timers.isDue('ipcp', now))
      this.#doWithoutIpv4(this.#lacks('ipcp', 'no IPCP 5 s after IPV6CP'), false);
    return this.#signals.splice(0);
  }

  #isWanted(ncp: Ncp): boolean {
    return ncp === 'ipcp'
      ? this.#config.ipv4 !== false
      : this.#config.ipv6 && this.#lacksRoom === undefined;
  }

  /** Why there can be no IPv6: no kernel takes an IPv6 address on a smaller MTU (RFC 8200 §5). */
  get #lacksRoom(): string | undefined {
    const { theirMru } = this.#lcp.agreement;
    if (theirMru >= LEAST_IPV6) return undefined;
    return `packets have at most ${theirMru} octets, and IPv6 needs ${LEAST_IPV6}`;
  }

  /** Why this NCP is not Opened, as a sentence. @param otherwise if the AC has said nothing of it */
  #lacks(ncp: Ncp, otherwise = `the AC says nothing of ${NAMES[ncp]}`): string {
    const words = this.#words[ncp];
    if (words === undefined) return otherwise;
    const insists = this.ncps.insists(ncp);
    return words === DISAGREES[ncp] && insists !== ''
      ? `the AC insists on ${insists} of ${NAMES[ncp]}`
      : `the AC ${words}`;
  }

  #open(ncp: Ncp, now: Instant): void {
    if (!this.#isWanted(ncp)) return;
    this.#fire(ncp, 'Open', now);
    this.#fire(ncp, 'Up', now);
  }

  #fire(ncp: Ncp, event: Parameters<Ncps['fire']>[1], now: Instant): void {
    this.#did(ncp, this.ncps.fire(ncp, event, now), now);
  }

  #did(ncp: Ncp, signal: LayerSignal | undefined, now: Instant): void {
    if (ncp === 'ipcp') this.#ipcpDid(signal, now);
    else this.#ipv6cpDid(signal, now);
  }

  #ipcpDid(signal: LayerSignal | undefined, now: Instant): void {
    const isDoneWithout = this.#ipv4 === 'none';
    if (signal === 'tld' && !isDoneWithout) this.#signals.push({ kind: 'down', layer: 'IPCP' });
    if (signal === 'tlf' && !isDoneWithout) this.#doWithoutIpv4(this.#lacks('ipcp'), false);
    if (signal !== 'tlu') return;
    const wasUp = isDoneWithout && this.isUp;
    const { flaw } = this.ncps;
    if (flaw !== undefined) return this.#flawed(flaw, wasUp, now);
    this.#checkPeer();
    this.#ipv4 = 'had';
    if (wasUp) this.#signals.push({ kind: 'changed' });
    else this.#up();
  }

  #ipv6cpDid(signal: LayerSignal | undefined, now: Instant): void {
    if (signal === undefined || signal === 'tls') return;
    if (this.#ipv4 === 'none') return this.#onlyIpv6Did(signal);
    // The loss was reported when the layer went down. An AC that rejects it again and again adds nothing.
    if (signal === 'tlf' && this.isUp) return;
    if (signal === 'tld' && this.isUp && this.#ipv6Flaps.count(now)) this.#withoutIpv6(now);
    // The facts changed. But while IPCP is not Opened, ownership has not received any.
    if (this.isUp) return void this.#signals.push({ kind: 'changed' });
    if (this.#ipv4 !== 'awaited') return;
    if (signal === 'tlu') this.#timers.set('ipcp', after(now, PPP_WAITS.ipcp));
    else this.#timers.clear('ipcp');
  }

  /** The session is worth more than its IPv6: each change would be stored, and told to the partner. */
  #withoutIpv6(now: Instant): void {
    this.#log('warn', 'no IPv6', { reason: 'the AC restarts IPV6CP again and again' });
    this.#fire('ipv6cp', 'Close', now);
  }

  #onlyIpv6Did(signal: LayerSignal): void {
    if (signal === 'tld') return void this.#signals.push({ kind: 'down', layer: 'IPV6CP' });
    if (signal === 'tlu' && this.ncps.ipv6 !== undefined) return this.#up();
    this.#fail(this.missing, signal === 'tlu');
  }

  /** Up with IPV6CP alone, now or when that opens; a session that cannot have it ends. */
  #doWithoutIpv4(reason: string, refused: boolean): void {
    const hasIpv6 = this.ncps.ipv6 !== undefined;
    if (this.#ipv4 === 'had' || !(hasIpv6 || this.ncps.mayOpenIpv6))
      return this.#fail(reason, refused);
    this.#ipv4 = 'none';
    this.#timers.clear('ipcp');
    this.#log('warn', 'no IPv4', { reason });
    if (hasIpv6) this.#up();
  }

  /** IPCP's result cannot be used. An AC without an IPv4 address for us may still have IPv6. */
  #flawed(flaw: string, isUp: boolean, now: Instant): void {
    const isLoss = this.#ipv4 === 'had' || !this.ncps.isWithoutAddress;
    if (!isUp && isLoss) return this.#fail(flaw, true);
    // Before IPCP goes down, so that this does not end the session.
    this.#ipv4 = 'none';
    this.#fire('ipcp', 'Close', now);
    if (isUp) this.#log('warn', 'no IPv4', { reason: flaw });
    else this.#doWithoutIpv4(flaw, true);
  }

  #up(): void {
    this.#timers.clear('ipcp');
    this.#words = {};
    this.#signals.push({ kind: 'up' });
  }

  #fail(reason: string, refused: boolean): void {
    this.#signals.push({ kind: 'failed', reason, refused });
  }

  /** Log an address of the AC's end that nobody configured: people wonder at it. */
  #checkPeer(): void {
    const said = this.ncps.peerSaid;
    const theirAddress = this.ncps.ipv4?.theirAddress;
    if (theirAddress === undefined || sameOctets(said, theirAddress)) return;
    const facts = { said: formatIpv4(said), used: formatIpv4(theirAddress) };
    this.#log('info', 'the AC’s address is replaced', facts);
  }
}
