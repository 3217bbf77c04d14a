/**
 * The phases of RFC 1661 §3.2 over one PPPoE session, from Establish to Terminate: LCP, authentication, the NCPs and the
 * keepalive, composed. It knows nothing of discovery, of dialling again, or of what becomes of the session at the end.
 *
 * Theory of operation. The automata signal each other up and down: LCP's This-Layer-Up starts
 * authentication, its success starts the NCPs, and LCP's This-Layer-Down takes everything above it down, which is also
 * how an AC that lost its state renegotiates a session that moved. Every phase but an opened Network has a deadline.
 *
 * A session is up with IPCP. Where the AC has no IPv4 (it rejects IPCP, or says nothing while IPV6CP opens) it is up
 * with IPV6CP alone, and IPCP may still come later. A session that has had IPv4 is not up without it.
 */
import { after, type Instant, type Millis } from '../../time.ts';
import { sameOctets } from '../../bytes.ts';
import { printable } from '../../printable.ts';
import { formatIpv4 } from '../../wire/ncp.ts';
import { PROTOCOL, type PppPacket } from '../../wire/ppp.ts';
import { Authentication, type AuthSignal } from './auth.ts';
import { PLAIN_PAYLOAD } from '../../wire/pppoe.ts';
import { agreement, describe, type End, type PhasesSignal } from './agreement.ts';
import type { Hashes, Random } from '../hashes.ts';
import { Lcp, type LcpSignal } from './lcp.ts';
import { Flaps } from './flaps.ts';
import { LineCheck, type LineSignal } from './line-check.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { LinkConfig, Phase } from '../session-config.ts';
import { Ncps, type Ncp } from './ncps.ts';
import { isEssential, type LayerSignal } from './negotiation.ts';
import { Timers, type Wait } from '../timers.ts';
import { Pace } from './pace.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';
import type { SessionFacts } from '../../session.ts';

/** Octets. */
const LEAST_IPV6 = 1280;

/** Identifiers have eight bits: this far from those that a young session has used. */
const HALF_OF_ALL = 128;

export class Phases {
  readonly #config: LinkConfig;
  readonly #out: Out;
  readonly #log: Log;
  readonly #lcp: Lcp;
  readonly #auth: Authentication;
  readonly #ncps: Ncps;
  readonly #line: LineCheck;
  #phase: Phase;
  #maxPayload: number;
  readonly #pace = new Pace();
  readonly #timers: PppTimers = new Timers();
  readonly #flaps = new Flaps();
  /** Of IPV6CP beside an IPCP that is up. */
  readonly #ipv6Flaps = new Flaps();
  /** IPCP since LCP last opened: we wait for it; it is or was Opened; or the session does without. */
  #ipv4: 'awaited' | 'had' | 'none';
  #isFlapping = false;
  #wasOpened = false;
  /** The AC's reason when it ended a link that was not Opened. The automaton goes on, and a PADT may follow. */
  #lastWords: string | undefined;
  /** What it did with each NCP, for people, since the NCPs began or the session was last up. */
  readonly #ncpWords: Partial<Record<Ncp, string>> = {};
  #end: End | undefined;
  #isOver = false;
  #hasCarrier = true;
  /** The AC has sent something in this phase. */
  #isHeard = false;
  #signals: PhasesSignal[] = [];

  /**
   * @param from the phase before, for the log
   * @param maxPayload what the line carries, octets
   * @param previous facts of an earlier session: request its addresses again
   */
  constructor(
    config: LinkConfig,
    from: Phase,
    maxPayload: number,
    previous: SessionFacts | null,
    hashes: Hashes,
    random: Random,
    out: Out,
  ) {
    const { magicNumber, auth, mtu } = config;
    const peerMru = (): number => this.#lcp.agreement.theirMru;
    const asked = { mru: Math.min(maxPayload, mtu), magicNumber, auth };
    this.#config = config;
    // Send nothing after the end, whatever the layers do.
    this.#out = (...actions) => void (this.#isOver || out(...actions));
    this.#log = logTo(this.#out, 'link', () => this.#phase);
    this.#phase = from;
    this.#maxPayload = maxPayload;
    this.#lcp = new Lcp(asked, random, this.#pace, this.#timers, this.#out);
    this.#auth = new Authentication(config, hashes, random, this.#timers, this.#out);
    this.#ncps = new Ncps(
      config,
      previous,
      peerMru,
      random,
      this.#pace,
      this.#timers,
      this.#out,
    );
    this.#line = new LineCheck(config.echo, this.#lcp, this.#timers, this.#out);
    this.#ipv4 = this.#isWanted('ipcp') ? 'awaited' : 'none';
  }

  get phase(): Phase {
    return this.#phase;
  }

  get rtt(): Millis | undefined {
    return this.#line.rtt;
  }

  get unanswered(): number {
    return this.#line.unanswered;
  }

  get lost(): number {
    return this.#line.lost;
  }

  /** Whether the end has been decided: only the Terminate exchange is left. */
  get isEnding(): boolean {
    return this.#end !== undefined;
  }

  /** The Identifier that LCP used last. */
  get lcpIdentifier(): number {
    return this.#lcp.identifier;
  }

  /** The phases advance towards an address. */
  get isNegotiating(): boolean {
    return !this.#isOpened() && !this.isEnding;
  }

  /** The end if the AC closes now without a reason: with a reason that it gave before, if there is one. */
  endedByAc(reason: string): End {
    const given = { reason: this.#lastWords ?? reason, refused: this.#isJudged };
    return { ...(this.#end ?? { kind: 'ended', ...given }), padt: false };
  }

  /** The AC knows our name and has not accepted us yet: if it ends the link now, it has refused us. */
  get #isJudged(): boolean {
    return this.#phase === 'Authenticate' || (this.#phase === 'Network' && !this.#wasOpened);
  }

  /** Without carrier silence proves nothing, so no timer runs, except in Terminate. */
  get #isPaused(): boolean {
    return this.#isOver || (!this.#hasCarrier && this.#phase !== 'Terminate');
  }

  deadline(): Instant | undefined {
    return this.#isPaused ? undefined : this.#timers.next();
  }

  waits(): readonly Wait[] {
    return this.#isPaused ? [] : this.#timers.all();
  }

  // --- what the link asks --------------------------------------------------------------------------------------

  /**
   * A new session: our first Configure-Request goes out at once.
   *
   * @param roundTrip of the Discovery Stage
   */
  establish(roundTrip: Millis, now: Instant): PhasesSignal[] {
    this.#pace.measured(roundTrip);
    this.#limit('opening', now);
    this.#enter('Establish', 'PADS', now);
    this.#lcpDid(this.#lcp.fire('Open', now), now);
    this.#lcpDid(this.#lcp.fire('Up', now), now);
    return this.#flush();
  }

  /** A session that the previous holder negotiated: Opened as it was left, to be proven by an Echo-Reply. */
  resume(facts: SessionFacts, now: Instant): PhasesSignal[] {
    this.#enter('Network', 'resume', now);
    this.#wasOpened = true;
    this.#timers.clear('phase');
    // The snapshot was written when the session came up: the partner has used the Identifiers that came next.
    this.#lcp.resume(facts, facts.identifiers.lcp + HALF_OF_ALL);
    this.#auth.resume(facts.auth);
    this.#ipv4 = facts.ourAddress === undefined ? 'none' : 'had';
    this.#ncps.resume(facts);
    this.#lineDid(this.#line.probe(now), now);
    return this.#flush();
  }

  /** Send an Echo-Request at once: does the AC still know the session? */
  probe(now: Instant): PhasesSignal[] {
    if (this.#isOpened() && !this.isEnding) this.#lineDid(this.#line.probe(now), now);
    return this.#flush();
  }

  /** End the session; `ended` follows. */
  close(reason: string, now: Instant): PhasesSignal[] {
    this.#fail(reason, false, now);
    return this.#flush();
  }

  /** The kernel's count of octets received in this session. */
  counted(octetsIn: number, now: Instant): PhasesSignal[] {
    if (this.#isOpened() && !this.isEnding) this.#lineDid(this.#line.counted(octetsIn, now), now);
    return this.#flush();
  }

  carrier(up: boolean, now: Instant): PhasesSignal[] {
    this.#hasCarrier = up;
    if (!up) this.#line.pause();
    else {
      for (const name of LIMITS) if (this.#timers.isSet(name)) this.#limit(name, now);
      this.#lineDid(this.#line.unpause(now), now);
    }
    return this.#flush();
  }

  expire(now: Instant): PhasesSignal[] {
    const due = this.deadline();
    if (due === undefined || now < due) return [];
    this.#lcpDid(this.#lcp.expire(now), now);
    this.#authDid(this.#auth.expire(now), now);
    const { ipcp, ipv6cp } = this.#ncps.expire(now);
    this.#ipcpDid(ipcp, now);
    this.#ipv6cpDid(ipv6cp, now);
    this.#lineDid(this.#line.expire(now), now);
    if (this.#timers.isDue('ipcp', now))
      this.#doWithoutIpv4(this.#noNcp('ipcp', 'no IPCP 5 s after IPV6CP'), false, now);
    if (this.#timers.isDue('phase', now))
      this.#fail(
        `no agreement with the AC in phase ${this.#phase} after 30 s${
          this.#phase === 'Network' ? `: ${this.#noNcps()}` : this.#insisting()
        }`,
        false,
        now,
      );
    if (this.#timers.isDue('opening', now))
      this.#fail(
        'the AC restarts the negotiation again and again: no session after 90 s',
        false,
        now,
      );
    return this.#flush();
  }

  /** @param crossed the packet arrived before our last one had left */
  receive(packet: PppPacket, now: Instant, crossed = false): PhasesSignal[] {
    if (this.#isOver) return [];
    this.#isHeard = true;
    this.#pace.crossed = crossed;
    if (packet.protocol === 'LCP') this.#receiveLcp(packet, now);
    else if (this.#lcp.state === 'Opened' && !this.isEnding) this.#receiveUpper(packet, now);
    if (this.#isFlapping)
      this.#fail(
        'the AC restarts the negotiation again and again: the session never lasts',
        false,
        now,
      );
    return this.#flush();
  }

  // --- LCP -----------------------------------------------------------------------------------------------------

  #receiveLcp({ packet }: Extract<PppPacket, { protocol: 'LCP' }>, now: Instant): void {
    if (packet.code === 'Terminate-Request') {
      const words = wordsOf(packet.data);
      this.#lastWords = `the AC terminated the link${words}`;
      if (this.#lcp.state === 'Opened')
        this.#endWith({ reason: this.#lastWords, padt: false, refused: this.#isJudged });
    }
    if (packet.code === 'Code-Reject' && isEssential(packet.rejected))
      this.#lastWords = `the AC rejects code ${packet.rejected[0]} of LCP`;
    this.#lcpDid(this.#lcp.receive(packet, now), now);
  }

  #lcpDid(signals: readonly LcpSignal[], now: Instant): void {
    for (const signal of signals) {
      switch (signal.kind) {
        case 'layer':
          if (signal.signal === 'tlu') this.#lcpUp(now);
          if (signal.signal === 'tld') this.#lcpDown(now);
          if (signal.signal === 'tlf') this.#finish();
          break;
        case 'alive':
          this.#lineDid(this.#line.answered(signal, now), now);
          break;
        case 'heard':
          this.#lineDid(this.#line.heard(now), now);
          break;
        case 'strange-reply':
          this.#lineDid(this.#line.heardStrange(signal.octets, now), now);
          break;
        case 'no-echo':
          this.#lineDid(this.#line.refused(now), now);
          break;
        case 'protocol-rejected':
          this.#protocolRejected(signal.protocol, now);
          break;
        case 'hopeless':
          this.#fail(signal.reason, true, now);
          break;
        default: {
          const unreachable: never = signal;
          return unreachable;
        }
      }
    }
  }

  #lcpUp(now: Instant): void {
    const { auth } = this.#lcp.agreement;
    if (auth === 'none') return this.#network('LCP Opened', now);
    this.#enter('Authenticate', 'LCP Opened', now);
    this.#auth.start(auth, now);
  }

  /** Everything above goes down with it. */
  #lcpDown(now: Instant): void {
    this.#line.stop();
    this.#lcp.forgetEchoes();
    this.#auth.stop();
    this.#fire('ipv6cp', 'Down', now);
    this.#fire('ipcp', 'Down', now);
    this.#ipv4 = this.#isWanted('ipcp') ? 'awaited' : 'none';
    const isOver = this.#lcp.state === 'Closing' || this.#lcp.state === 'Stopping';
    this.#enter(isOver ? 'Terminate' : 'Establish', 'LCP down', now);
    if (!isOver) this.#begunAnew('LCP', now);
  }

  /** A layer that was up is negotiated again: limit the time for it, and how often that happens. */
  #begunAnew(layer: 'LCP' | 'IPCP' | 'IPV6CP', now: Instant): void {
    if (!this.#timers.isSet('opening')) this.#limit('opening', now);
    this.#isFlapping = this.#flaps.count(now);
    this.#log('warn', `${layer} renegotiated`);
  }

  /** RFC 1661 §5.7: send no more packets of a protocol that the AC does not have. Without LCP or any NCP there is no link. */
  #protocolRejected(protocol: number, now: Instant): void {
    switch (protocol) {
      case PROTOCOL.IPV6CP:
      case PROTOCOL.IPCP: {
        const ncp = protocol === PROTOCOL.IPCP ? 'ipcp' : 'ipv6cp';
        this.#ncpWords[ncp] = `rejects ${NAMES[ncp]}`;
        return this.#fire(ncp, 'RXJ-', now);
      }
      case PROTOCOL.LCP:
        this.#lastWords = 'the AC rejects LCP';
        return this.#lcpDid(this.#lcp.fire('RXJ-', now), now);
      case PROTOCOL.PAP:
      case PROTOCOL.CHAP:
        if (this.#phase === 'Authenticate')
          this.#fail('the AC asked for an authentication that it then rejected', true, now);
    }
  }

  // --- above LCP -----------------------------------------------------------------------------------------------

  #receiveUpper(packet: Exclude<PppPacket, { protocol: 'LCP' }>, now: Instant): void {
    this.#lineDid(this.#line.heard(now), now);
    switch (packet.protocol) {
      case 'PAP':
        return this.#authDid(this.#auth.receivePap(packet.packet), now);
      case 'CHAP':
        return this.#authDid(this.#auth.receiveChap(packet.packet, now), now);
      case 'IPV6CP':
      case 'IPCP':
        return this.#receiveNcp(packet, now);
      case 'unknown':
        return this.#lcp.rejectProtocol(packet.number, packet.information);
      default: {
        const unreachable: never = packet;
        return unreachable;
      }
    }
  }

  #receiveNcp(ppp: Extract<PppPacket, { protocol: 'IPCP' | 'IPV6CP' }>, now: Instant): void {
    const { protocol, packet, information } = ppp;
    const ncp = protocol === 'IPCP' ? 'ipcp' : 'ipv6cp';
    if (!this.#isWanted(ncp)) return this.#lcp.rejectProtocol(PROTOCOL[protocol], information);
    if (packet.code === 'Terminate-Request')
      this.#ncpWords[ncp] = `ended ${protocol}${wordsOf(packet.data)}`;
    this.#ncpWords[ncp] ??= `does not agree to ${protocol}`;
    // Before the Network phase the automata are not Up, and drop it (RFC 1661 §3.5).
    const signal = this.#ncps.receive(ppp, now);
    if (ncp === 'ipcp') this.#ipcpDid(signal, now);
    else this.#ipv6cpDid(signal, now);
  }

  /** Why there is none, as a sentence. @param otherwise if the AC has said nothing of it */
  #noNcp(ncp: Ncp, otherwise = `the AC says nothing of ${NAMES[ncp]}`): string {
    const words = this.#ncpWords[ncp];
    return words === undefined ? otherwise : `the AC ${words}`;
  }

  /** Why no NCP is Opened. */
  #noNcps(): string {
    const wanted = NCPS.filter((ncp) => this.#isWanted(ncp));
    return wanted.map((ncp) => this.#noNcp(ncp)).join(', ');
  }

  #authDid(signal: AuthSignal | undefined, now: Instant): void {
    if (signal?.kind === 'passed') this.#network(signal.on, now);
    if (signal?.kind === 'failed') this.#fail(signal.reason, true, now);
  }

  #network(on: string, now: Instant): void {
    this.#enter('Network', on, now);
    this.#forgetNcpWords();
    if (this.#config.ipv6 && this.#lacksRoom !== undefined) {
      if (this.#config.ipv4 === false) return this.#fail(`no IPv6: ${this.#lacksRoom}`, true, now);
      this.#log('warn', 'no IPv6', { reason: this.#lacksRoom });
    }
    this.#open('ipcp', now);
    this.#open('ipv6cp', now);
  }

  #forgetNcpWords(): void {
    for (const ncp of NCPS) delete this.#ncpWords[ncp];
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

  #open(ncp: Ncp, now: Instant): void {
    if (!this.#isWanted(ncp)) return;
    this.#fire(ncp, 'Open', now);
    this.#fire(ncp, 'Up', now);
  }

  #fire(ncp: Ncp, event: Parameters<Ncps['fire']>[1], now: Instant): void {
    const signal = this.#ncps.fire(ncp, event, now);
    if (ncp === 'ipcp') this.#ipcpDid(signal, now);
    else this.#ipv6cpDid(signal, now);
  }

  #ipcpDid(signal: LayerSignal | undefined, now: Instant): void {
    const isDoneWithout = this.#ipv4 === 'none';
    if (signal === 'tld' && !isDoneWithout) this.#wentDown('IPCP', now);
    if (signal === 'tlf' && !isDoneWithout) this.#doWithoutIpv4(this.#noNcp('ipcp'), false, now);
    if (signal !== 'tlu') return;
    const wasUp = isDoneWithout && this.#isOpened();
    const { flaw } = this.#ncps;
    if (flaw !== undefined) return this.#flawed(flaw, wasUp, now);
    this.#checkPeer();
    this.#ipv4 = 'had';
    if (wasUp) this.#opened();
    else this.#up(now);
  }

  #ipv6cpDid(signal: LayerSignal | undefined, now: Instant): void {
    if (signal === undefined || signal === 'tls') return;
    if (this.#ipv4 === 'none') return this.#onlyIpv6Did(signal, now);
    // The loss was reported when the layer went down. An AC that rejects it again and again adds nothing.
    if (signal === 'tlf' && this.#isOpened()) return;
    if (signal === 'tld' && this.#isOpened() && this.#ipv6Flaps.count(now)) this.#withoutIpv6(now);
    // The facts changed. But while IPCP is not Opened, ownership has not received any.
    if (this.#isOpened()) return this.#opened();
    if (this.#ipv4 !== 'awaited') return;
    if (signal === 'tlu') this.#limit('ipcp', now);
    else this.#timers.clear('ipcp');
  }

  /** The session is worth more than its IPv6: each change would be stored, and told to the partner. */
  #withoutIpv6(now: Instant): void {
    this.#log('warn', 'no IPv6', { reason: 'the AC restarts IPV6CP again and again' });
    this.#fire('ipv6cp', 'Close', now);
  }

  #onlyIpv6Did(signal: LayerSignal, now: Instant): void {
    if (signal === 'tld') return this.#wentDown('IPV6CP', now);
    if (signal === 'tlu' && this.#ncps.ipv6 !== undefined) return this.#up(now);
    this.#fail(this.#noNcps(), signal === 'tlu', now);
  }

  /** The layer without which the session is not up. */
  #wentDown(layer: 'IPCP' | 'IPV6CP', now: Instant): void {
    this.#limit('phase', now);
    if (this.#lcp.state === 'Opened') this.#begunAnew(layer, now);
  }

  /** Up with IPV6CP alone, now or when that opens; a session that cannot have it ends. */
  #doWithoutIpv4(reason: string, refused: boolean, now: Instant): void {
    const hasIpv6 = this.#ncps.ipv6 !== undefined;
    if (this.#ipv4 === 'had' || !(hasIpv6 || this.#ncps.mayOpenIpv6))
      return this.#fail(reason, refused, now);
    this.#ipv4 = 'none';
    this.#timers.clear('ipcp');
    this.#log('warn', 'no IPv4', { reason });
    if (hasIpv6) this.#up(now);
  }

  /** IPCP's result cannot be used. An AC without an IPv4 address for us may still have IPv6. */
  #flawed(flaw: string, isUp: boolean, now: Instant): void {
    const isLoss = this.#ipv4 === 'had' || !this.#ncps.isWithoutAddress;
    if (!isUp && isLoss) return this.#fail(flaw, true, now);
    // Before IPCP goes down, so that this does not end the session.
    this.#ipv4 = 'none';
    this.#fire('ipcp', 'Close', now);
    if (isUp) this.#log('warn', 'no IPv4', { reason: flaw });
    else this.#doWithoutIpv4(flaw, true, now);
  }

  #up(now: Instant): void {
    this.#timers.clear(...LIMITS);
    this.#wasOpened = true;
    this.#lastWords = undefined;
    this.#forgetNcpWords();
    this.#line.watch(now);
    this.#opened();
    const { ourMru, theirMru } = this.#lcp.agreement;
    this.#line.tryWide(Math.min(ourMru, theirMru, this.#maxPayload), now);
  }

  /** Log an address of the AC's end that nobody configured: people wonder at it. */
  #checkPeer(): void {
    const said = this.#ncps.peerSaid;
    const theirAddress = this.#ncps.ipv4?.theirAddress;
    if (theirAddress === undefined || sameOctets(said, theirAddress)) return;
    const facts = { said: formatIpv4(said), used: formatIpv4(theirAddress) };
    this.#log('info', 'the AC’s address is replaced', facts);
  }

  #isOpened(): boolean {
    if (this.#lcp.state !== 'Opened') return false;
    return (this.#ipv4 === 'none' ? this.#ncps.ipv6 : this.#ncps.ipv4) !== undefined;
  }

  #opened(): void {
    const agreed = agreement(this.#lcp, this.#ncps, this.#maxPayload);
    this.#log('info', 'opened', describe(agreed));
    this.#signals.push({ kind: 'opened', agreed });
  }

  // --- is the AC there, and does the line carry what it promised -------------------------------------------------

  #lineDid(signals: readonly LineSignal[], now: Instant): void {
    for (const signal of signals) {
      switch (signal.kind) {
        case 'proven':
          this.#proven(signal.rtt, now);
          break;
        case 'dead':
          this.#endWith({ reason: 'the AC answers no Echo-Request', padt: true, refused: false });
          this.#finish();
          break;
        case 'silent':
          this.#log('warn', 'Echo-Requests unanswered', { failures: this.#config.echo.failures });
          this.#signals.push({ kind: 'silent' });
          break;
        case 'wide':
          this.#log('debug', 'full-size Echo-Request answered');
          break;
        case 'narrow':
          this.#maxPayload = PLAIN_PAYLOAD;
          this.#log('warn', 'full-size Echo-Requests lost', { maxPayload: PLAIN_PAYLOAD });
          this.#opened();
          break;
        default: {
          const unreachable: never = signal;
          return unreachable;
        }
      }
    }
  }

  #proven(rtt: Millis | undefined, now: Instant): void {
    const on = rtt === undefined ? 'sign of life' : 'Echo-Reply';
    this.#log('info', on, { proven: true, ...(rtt === undefined ? {} : { rttMs: rtt }) });
    this.#signals.push({ kind: 'proven', ...(rtt === undefined ? {} : { rtt }) });
    // The former holder may have gone before the other NCP was Opened; an AC without it says so again.
    if (this.#ncps.isNew('ipcp')) this.#open('ipcp', now);
    if (this.#ncps.isNew('ipv6cp')) this.#open('ipv6cp', now);
  }

  // --- the end -------------------------------------------------------------------------------------------------

  /** Close LCP in good order (RFC 1661 §3.7): the AC may still be listening. */
  #fail(reason: string, refused: boolean, now: Instant): void {
    if (this.isEnding || this.#isOver) return;
    this.#endWith({ reason, padt: true, refused, isFlapping: this.#isFlapping });
    this.#timers.clear('opening');
    this.#enter('Terminate', reason, now);
    this.#lcpDid(this.#lcp.fire('Close', now), now);
    if (this.#lcp.state !== 'Closing') this.#finish();
  }

  #insisting(): string {
    const { insists } = this.#lcp;
    if (insists !== undefined) return `: it insists on ${insists}`;
    return this.#isHeard ? '' : ': it says nothing';
  }

  #endWith(end: Omit<End, 'kind'>): void {
    this.#end ??= { kind: 'ended', ...end };
  }

  #finish(): void {
    if (this.#isOver) return;
    const reason = this.#lastWords ?? `no LCP agreement with the AC${this.#insisting()}`;
    this.#endWith({ reason, padt: true, refused: false });
    this.#isOver = true;
    this.#line.stop();
    if (this.#end !== undefined) this.#signals.push(this.#end);
  }

  #enter(phase: Phase, on: string, now: Instant): void {
    if (this.#phase !== phase) this.#log('info', on, {}, { to: phase });
    this.#phase = phase;
    this.#isHeard = false;
    // In Terminate the automaton's own counter ends the wait.
    if (phase === 'Terminate') this.#timers.clear('phase');
    else this.#limit('phase', now);
  }

  #limit(name: (typeof LIMITS)[number], now: Instant): void {
    this.#timers.set(name, after(now, PPP_WAITS[name]));
  }

  #flush(): PhasesSignal[] {
    const signals = this.#signals;
    if (signals.length === 0) return [];
    this.#signals = [];
    // Signal nothing after the end.
    const end = signals.findIndex(({ kind }) => kind === 'ended');
    return end === -1 ? signals : signals.slice(0, end + 1);
  }
}

const LIMITS = ['phase', 'opening', 'ipcp'] as const;
const NAMES = { ipcp: 'IPCP', ipv6cp: 'IPV6CP' } as const;
const NCPS = ['ipcp', 'ipv6cp'] as const;

/** The text of a Terminate-Request, for people. */
const wordsOf = (data: Uint8Array): string => (data.length === 0 ? '' : `: ${printable(data)}`);
