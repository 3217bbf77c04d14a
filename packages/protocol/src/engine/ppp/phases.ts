/**
 * The phases of RFC 1661 §3.2 over one PPPoE session, from Establish to Terminate: LCP, authentication, the NCPs and the
 * keepalive, composed. It knows nothing of discovery, of dialling again, or of what becomes of the session at the end.
 * Whether the session is up with the NCPs that are Opened, `network.ts` says.
 *
 * Theory of operation. The automata signal each other up and down: LCP's This-Layer-Up starts
 * authentication, its success starts the NCPs, and LCP's This-Layer-Down takes everything above it down, which is also
 * how an AC that lost its state renegotiates a session that moved. Every phase but an opened Network has a deadline.
 */
import { after, type Instant, type Millis } from '../../time.ts';
import { PROTOCOL, type PppPacket } from '../../wire/ppp.ts';
import { Authentication, type AuthSignal } from './auth.ts';
import { PLAIN_PAYLOAD } from '../../wire/pppoe.ts';
import { agreement, describe, wordsOf, type End, type PhasesSignal } from './agreement.ts';
import type { Hashes, Random } from '../hashes.ts';
import { Lcp, type LcpSignal } from './lcp.ts';
import { Flaps } from './flaps.ts';
import { LineCheck, type LineSignal } from './line-check.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { LinkConfig, Phase } from '../session-config.ts';
import { isEssential } from './negotiation.ts';
import { Network, type NetworkSignal } from './network.ts';
import { Timers, type Wait } from '../timers.ts';
import { RestartTimer } from './restart-timer.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';
import type { SessionFacts } from '../../session.ts';
import { unreachable } from '../../unreachable.ts';

/** Identifiers have eight bits: this far from those that a young session has used. */
const HALF_OF_ALL = 128;

export class Phases {
  readonly #config: LinkConfig;
  readonly #out: Out;
  readonly #log: Log;
  readonly #lcp: Lcp;
  readonly #auth: Authentication;
  readonly #network: Network;
  readonly #line: LineCheck;
  #phase: Phase;
  #maxPayload: number;
  readonly #restartTimer = new RestartTimer();
  readonly #timers: PppTimers = new Timers();
  readonly #flaps = new Flaps();
  #isFlapping = false;
  #wasOpened = false;
  /** The AC's reason when it ended a link that was not Opened. The automaton goes on, and a PADT may follow. */
  #lastWords: string | undefined;
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
    const asked = { mru: Math.min(maxPayload, mtu), magicNumber, auth };
    this.#config = config;
    // Send nothing after the end, whatever the layers do.
    this.#out = (...actions) => void (this.#isOver || out(...actions));
    this.#log = logTo(this.#out, 'link', () => this.#phase);
    this.#phase = from;
    this.#maxPayload = maxPayload;
    const [restartTimer, timers] = [this.#restartTimer, this.#timers];
    const shared = { config, hashes, random, restartTimer, timers, out: this.#out };
    this.#lcp = new Lcp(asked, shared);
    this.#auth = new Authentication(shared);
    this.#network = new Network(previous, this.#lcp, shared, this.#log);
    this.#line = new LineCheck(this.#lcp, shared);
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
    return !this.#network.isUp && !this.isEnding;
  }

  /** The end if the AC sends a PADT now: with the reason that it gives or gave before, else with what it may have missed. */
  endedByAc(words: string | undefined): End {
    const said = this.#withUnmet(words === undefined ? '' : `: ${words}`);
    const reason = this.#lastWords ?? `the AC sent PADT${said}`;
    return { ...(this.#end ?? { kind: 'ended', reason, refused: this.#isJudged }), padt: false };
  }

  /** The AC's words, and what we have refused to it, if it ends the link before that is open. */
  #withUnmet(words: string): string {
    const unmet = this.#unmet;
    if (unmet === undefined) return words;
    return words === '' ? ` ${unmet}` : `${words}, ${unmet}`;
  }

  get #unmet(): string | undefined {
    const { objection, protocolsRejected, agreement } = this.#lcp;
    const isNew = this.#phase === 'Network' && !this.#wasOpened;
    const isUnsettled = this.#phase === 'Establish' || (isNew && agreement.auth === 'none');
    if (isUnsettled && objection !== undefined) return `after we refused ${objection}`;
    return isNew && protocolsRejected !== '' ? `after we rejected ${protocolsRejected}` : undefined;
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
    this.#restartTimer.measured(roundTrip);
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
    this.#network.resume(facts);
    this.#lineDid(this.#line.probe(now), now);
    return this.#flush();
  }

  /** Send an Echo-Request at once: does the AC still know the session? */
  probe(now: Instant): PhasesSignal[] {
    if (this.#network.isUp && !this.isEnding) this.#lineDid(this.#line.probe(now), now);
    return this.#flush();
  }

  /** End the session; `ended` follows. */
  close(reason: string, now: Instant): PhasesSignal[] {
    this.#fail(reason, false, now);
    return this.#flush();
  }

  /** The kernel's count of octets received in this session. */
  counted(octetsIn: number, now: Instant): PhasesSignal[] {
    if (this.#network.isUp && !this.isEnding) this.#lineDid(this.#line.counted(octetsIn, now), now);
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
    this.#networkDid(this.#network.expire(now), now);
    this.#lineDid(this.#line.expire(now), now);
    if (this.#timers.isDue('phase', now))
      this.#fail(
        `no agreement with the AC in phase ${this.#phase} after 30 s${
          this.#phase === 'Network' ? `: ${this.#network.missing}` : this.#insisting()
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
    this.#restartTimer.crossed = crossed;
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
      this.#lastWords = `the AC terminated the link${this.#withUnmet(wordsOf(packet.data))}`;
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
        default:
          return unreachable(signal);
      }
    }
  }

  #lcpUp(now: Instant): void {
    const { auth } = this.#lcp.agreement;
    if (auth === 'none') return this.#begin('LCP Opened', now);
    this.#enter('Authenticate', 'LCP Opened', now);
    this.#auth.start(auth, now);
  }

  /** Everything above goes down with it. */
  #lcpDown(now: Instant): void {
    this.#line.stop();
    this.#lcp.forgetEchoes();
    this.#auth.stop();
    this.#networkDid(this.#network.down(now), now);
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
      case PROTOCOL.IPCP:
        return this.#networkDid(this.#network.rejected('ipcp', now), now);
      case PROTOCOL.IPV6CP:
        return this.#networkDid(this.#network.rejected('ipv6cp', now), now);
      case PROTOCOL.LCP:
        this.#lastWords = 'the AC rejects LCP';
        return this.#lcpDid(this.#lcp.fire('RXJ-', now), now);
      case PROTOCOL.PAP:
      case PROTOCOL.CHAP:
        if (this.#phase === 'Authenticate' && protocol === this.#authProtocol)
          this.#fail('the AC asked for an authentication that it then rejected', true, now);
    }
  }

  get #authProtocol(): number {
    return this.#lcp.agreement.auth === 'PAP' ? PROTOCOL.PAP : PROTOCOL.CHAP;
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
        return this.#networkDid(this.#network.receive(packet, now), now);
      case 'unknown':
        return this.#lcp.rejectProtocol(packet.number, packet.information);
      default:
        return unreachable(packet);
    }
  }

  #authDid(signal: AuthSignal | undefined, now: Instant): void {
    if (signal?.kind === 'passed') this.#begin(signal.on, now);
    if (signal?.kind === 'failed') this.#fail(signal.reason, true, now);
  }

  #begin(on: string, now: Instant): void {
    this.#enter('Network', on, now);
    this.#networkDid(this.#network.begin(now), now);
  }

  #networkDid(signals: readonly NetworkSignal[], now: Instant): void {
    for (const signal of signals) {
      switch (signal.kind) {
        case 'up':
          this.#up(now);
          break;
        case 'changed':
          this.#opened();
          break;
        case 'down':
          this.#limit('phase', now);
          if (this.#lcp.state === 'Opened') this.#begunAnew(signal.layer, now);
          break;
        case 'failed':
          this.#fail(signal.reason, signal.refused, now);
          break;
        default:
          return unreachable(signal);
      }
    }
  }

  #up(now: Instant): void {
    this.#timers.clear('phase', 'opening');
    this.#wasOpened = true;
    this.#lastWords = undefined;
    this.#line.watch(now);
    this.#opened();
    const { ourMru, theirMru } = this.#lcp.agreement;
    this.#line.tryWide(Math.min(ourMru, theirMru, this.#maxPayload), now);
  }

  #opened(): void {
    const agreed = agreement(this.#lcp, this.#network.ncps, this.#maxPayload);
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
        default:
          return unreachable(signal);
      }
    }
  }

  #proven(rtt: Millis | undefined, now: Instant): void {
    const on = rtt === undefined ? 'sign of life' : 'Echo-Reply';
    this.#log('info', on, { proven: true, ...(rtt === undefined ? {} : { rttMs: rtt }) });
    this.#signals.push({ kind: 'proven', ...(rtt === undefined ? {} : { rtt }) });
    this.#networkDid(this.#network.openNew(now), now);
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
    if (insists !== '') return `: it insists on ${insists}`;
    if (this.#auth.trouble !== undefined) return `: ${this.#auth.trouble}`;
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
