/**
 * The link: dialling, at most one session, and its end. It composes discovery, the phases of PPP and the back-off.
 * Ownership decides whether this router may send at all, before it calls any method here.
 *
 * Theory of operation. A dial goes round Wait, Discovery and the phases until a session opens or `suspend` says stop;
 * each attempt that fails is reported once. A session ends in one place, `#close`, which owes the AC a PADT only if the
 * AC cannot know. What may not happen: a frame after `suspend`, or a PADT for a session the AC has ended itself.
 */
import { after, earliest, millis, type Instant, type Millis, type WallClock } from '../../time.ts';
import { sameOctets } from '../../bytes.ts';
import { printable } from '../../printable.ts';
import { formatMac, type MacAddress } from '../../wire/ethernet.ts';
import {
  formatSessionId,
  hasTag,
  isSessionId,
  TAG,
  type DiscoveryPacket,
} from '../../wire/pppoe.ts';
import { Dialler } from './dialler.ts';
import { errorText, type DiscoveredSession, type DiscoverySignal } from './discovery.ts';
import type { Event } from '../events.ts';
import type { Hashes, Random } from '../hashes.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { LinkConfig, Phase } from '../session-config.ts';
import type { Agreement, End, PhasesSignal } from '../ppp/agreement.ts';
import { Phases } from '../ppp/phases.ts';
import { Timers, type Wait } from '../timers.ts';
import { RateLimit } from './rate-limit.ts';
import { SHORT_SESSION } from './redial.ts';
import type { Turn } from './turn.ts';
import { LINK_WAITS, type LinkTimers } from './waits.ts';
import type { SessionFacts, SessionPlace } from '../../session.ts';
import { unreachable } from '../../unreachable.ts';

/** Events from the link to ownership. */
export type LinkOutcome =
  /** The session carries traffic, or its facts changed while it did. */
  | { readonly kind: 'opened'; readonly facts: SessionFacts }
  /** The AC has given the dial a session; `opened` or `closed` follows, unless `suspend` comes first. */
  | { readonly kind: 'given'; readonly place: SessionPlace }
  /** The AC gave a sign of life: a resumed session is alive. `rtt` if that was an Echo-Reply. */
  | { readonly kind: 'proven'; readonly rtt?: Millis }
  /** Echo-Requests go unanswered; probing has begun. */
  | { readonly kind: 'silent' }
  /** There is no session any more. The link is Dead until `dial`. `reason` is for the log and the operator. */
  | { readonly kind: 'closed'; readonly reason: string };

export interface LinkStatus {
  readonly phase: Phase;
  /** Dials since the last success, and in phase Wait the instant of the next one. */
  readonly attempts: number;
  readonly nextDial?: Instant;
  /** Why the last dial or session ended, escaped for people. */
  readonly lastError?: string;
  readonly echoRtt?: Millis;
  readonly unansweredEchoes: number;
  /** Echo-Requests that were lost, in this session and all before it. */
  readonly lostEchoes: number;
  readonly ac?: { readonly name: string; readonly mac: MacAddress };
}

/** The session that exists: where it is, what runs over it, and since when it has been up. */
interface LinkSession extends DiscoveredSession {
  readonly phases: Phases;
  /** Seconds since 1970-01-01 UTC; undefined while it has never been Opened. */
  startedAt: number | undefined;
  /** How often the kernel closed it while the AC kept it, since the AC last answered. */
  reattached: number;
  /** The operator ends it: this is no failure, so the next dial need not wait. */
  isHungUp: boolean;
}

const MAX_REATTACH = 3;
/** Discovery frames of unknown stations a second. Their only use is to explain why no AC is acceptable. */
const STRANGE_PER_SECOND = 10;

export class Link {
  readonly #config: LinkConfig;
  readonly #hashes: Hashes;
  readonly #random: Random;
  readonly #wallClock: WallClock;
  readonly #out: Out;
  readonly #log: Log;
  readonly #dialler: Dialler;
  readonly #timers: LinkTimers = new Timers();
  #session: LinkSession | undefined;
  #previous: SessionFacts | null = null;
  /** The LCP Identifier used last, and in which session. */
  #used: (SessionPlace & { readonly lcp: number }) | undefined;
  /** `dial` was called while the last session was still being closed. */
  #dialsNext = false;
  /** One limit each: for the session's packets, for answers with our Host-Uniq or from our AC, and for everything else. */
  readonly #rates = {
    session: new RateLimit(),
    known: new RateLimit(),
    strange: new RateLimit(STRANGE_PER_SECOND),
  };
  #carrier = true;
  #lastError: string | undefined;
  /** Echo-Requests lost in earlier sessions. */
  #lostBefore = 0;
  readonly #outcomes: LinkOutcome[] = [];

  /** @param turn to dial; always unless given */
  constructor(
    config: LinkConfig,
    hashes: Hashes,
    random: Random,
    wallClock: WallClock,
    out: Out,
    turn?: Turn,
  ) {
    this.#config = config;
    this.#hashes = hashes;
    this.#random = random;
    this.#wallClock = wallClock;
    this.#out = out;
    this.#log = logTo(out, 'link', () => this.#phase());
    this.#dialler = new Dialler(config, random, this.#timers, out, turn);
  }

  // --- what ownership asks -------------------------------------------------------------------------------------

  /**
   * Begin to dial, no sooner than the back-off after earlier failures allows, and go on until it succeeds or `suspend`.
   * Requests the address of `previous` again (RFC 1332 §3.3).
   */
  dial(previous: SessionFacts | null, now: Instant): LinkOutcome[] {
    this.#previous = previous ?? this.#previous;
    if (this.#session !== undefined) this.#dialsNext = this.#session.phases.isEnding;
    else if (this.#dialler.phase === undefined) this.#dial('Dead', 'dial', now);
    return this.#outcomes.splice(0);
  }

  /**
   * Carry on with a session that is attached and whose gate is open: LCP and the NCPs are Opened as `facts` say, and an
   * Echo-Request goes out at once. Ends in `proven`, or in `closed` after PADT for the dead session.
   */
  resume(facts: SessionFacts, now: Instant): LinkOutcome[] {
    const from = this.#phase();
    this.#forget();
    const { key, acName, serviceName, hostUniq, maxPayload, startedAt } = facts;
    const { sessionId, acMac } = key;
    const found = { sessionId, acMac, acName, serviceName, hostUniq, maxPayload };
    const phases = this.#newPhases(from, maxPayload, facts, now);
    const session = { ...found, phases, startedAt, reattached: 0, isHungUp: false };
    this.#session = session;
    this.#phasesDid(session, phases.resume(facts, now), now);
    return this.#outcomes.splice(0);
  }

  /** Another router holds the session: forget it, and send nothing from now on. */
  suspend(now: Instant): LinkOutcome[] {
    const from = this.#phase();
    const lasted = this.#session === undefined ? undefined : this.#lasted(this.#session, now);
    // A session that lasted resets the back-off, even if the partner now holds it.
    if (lasted !== undefined && lasted >= SHORT_SESSION)
      this.#dialler.ended({ lasted, refused: false }, undefined, now);
    this.#lastError = undefined;
    this.#forget();
    this.#lastError = undefined;
    if (from !== 'Dead') this.#log('info', 'suspend', {}, { from, to: 'Dead' });
    return this.#outcomes.splice(0);
  }

  /**
   * The operator ends the session: Terminate-Request, then PADT and detach (RFC 2516 §5.5). Ends in `closed`.
   *
   * @param reason for the log and the status
   */
  hangUp(reason: string, now: Instant): LinkOutcome[] {
    const session = this.#session;
    this.#dialler.forgive();
    if (session !== undefined) {
      session.isHungUp = true;
      this.#phasesDid(session, session.phases.close(reason, now), now);
    } else {
      const from = this.#phase();
      this.#forget();
      if (from !== 'Dead') this.#log('info', reason, {}, { from, to: 'Dead' });
      this.#lastError = reason;
      this.#outcomes.push({ kind: 'closed', reason });
    }
    return this.#outcomes.splice(0);
  }

  /** Frames, `deadline`, `carrier`, `session-closed` and `failed`. */
  handle(event: Event, now: Instant): LinkOutcome[] {
    switch (event.kind) {
      case 'discovery':
        if (this.#isWanted(event) && this.#admit(this.#worth(event), now))
          this.#receiveDiscovery(event.packet, event.source, now);
        break;
      case 'ppp':
        if (this.#admit('session', now))
          this.#withSession(
            (session) => session.phases.receive(event.packet, now, event.crossed),
            now,
          );
        break;
      case 'deadline':
        break;
      case 'carrier':
        this.#carrierIs(event.up, now);
        break;
      case 'counted':
        this.#withSession((session) => session.phases.counted(event.octetsIn, now), now);
        break;
      case 'session-closed':
        // The kernel may have acted on a PADT that reaches us a moment later; then the session is gone. If none comes,
        // the AC still holds it (Linux drops a session when its device changes MTU or address), and it is worth keeping.
        if (this.#session !== undefined)
          this.#timers.set('reattach', after(now, LINK_WAITS.reattach));
        break;
      case 'failed':
        this.#failed(event, now);
        break;
      case 'role':
      case 'clock-set':
      case 'dhcp6':
      case 'own-mac-heard':
      case 'partner':
      case 'helper-up':
      case 'helper-down':
      case 'admin':
        break; // Ownership's.
      default:
        return unreachable(event);
    }
    this.#expire(now);
    return this.#outcomes.splice(0);
  }

  deadline(): Instant | undefined {
    return earliest(this.#timers.next(), this.#session?.phases.deadline());
  }

  /** Everything that the link waits for. */
  waits(): readonly Wait[] {
    return [...this.#timers.all(), ...(this.#session?.phases.waits() ?? [])];
  }

  /** The facts of a session, with the Identifier that this router used last in it. */
  used(facts: SessionFacts): SessionFacts {
    const { sessionId, acMac } = facts.key;
    this.#remember();
    const used = this.#used;
    if (used === undefined || used.sessionId !== sessionId || !sameOctets(used.acMac, acMac))
      return facts;
    return { ...facts, identifiers: { ...facts.identifiers, lcp: used.lcp } };
  }

  /** Go on from the LCP Identifier of the partner, which held this session last. */
  heardOf({ key: { sessionId, acMac }, identifiers: { lcp } }: SessionFacts): void {
    this.#used = { sessionId, acMac, lcp };
  }

  /** A session exists, or is being made. */
  get hasSession(): boolean {
    return this.#session !== undefined;
  }

  /**
   * The AC answers the dial: its PADS is expected, or the session is negotiated. Either has an end of its own.
   */
  isAdvancing(now: Instant): boolean {
    if (!this.#carrier) return false;
    return this.#session?.phases.isNegotiating ?? this.#dialler.isPromising(now);
  }

  status(): LinkStatus {
    const session = this.#session;
    const { nextDial, attempts, trouble } = this.#dialler;
    const ac =
      session === undefined ? this.#dialler.ac : { name: session.acName, mac: session.acMac };
    const lastError = trouble ?? this.#lastError;
    const rtt = session?.phases.rtt;
    return {
      phase: this.#phase(),
      attempts,
      ...(nextDial === undefined ? {} : { nextDial }),
      ...(lastError === undefined ? {} : { lastError }),
      ...(rtt === undefined ? {} : { echoRtt: rtt }),
      unansweredEchoes: session?.phases.unanswered ?? 0,
      lostEchoes: this.#lostBefore + (session?.phases.lost ?? 0),
      ...(ac === undefined ? {} : { ac: { name: printable(ac.name), mac: ac.mac } }),
    };
  }

  // --- dialling ------------------------------------------------------------------------------------------------

  #dial(from: Phase, on: string, now: Instant): void {
    this.#dialsNext = false;
    this.#dialler.dial(from, on, now);
  }

  #receiveDiscovery(packet: DiscoveryPacket, source: MacAddress, now: Instant): void {
    const session = this.#session;
    if (session === undefined)
      return this.#diallerDid(this.#dialler.receive(packet, source, now), now);
    const isFromAc = sameOctets(source, session.acMac);
    const isSame = packet.sessionId === session.sessionId;
    if (packet.code === 'PADT') return this.#receivePadt(packet, session, isFromAc && isSame, now);
    if (packet.code === 'PADS' && !(isFromAc && isSame))
      this.#returnSession(packet, source, session);
  }

  /** RFC 2516 §5.5: send nothing after a PADT, not even a Terminate-Request. A forged PADT that matches looks the same. */
  #receivePadt(packet: DiscoveryPacket, session: LinkSession, isOurs: boolean, now: Instant): void {
    if (!isOurs) {
      this.#log('debug', 'ignored PADT', { session: formatSessionId(packet.sessionId) });
      return;
    }
    this.#close(session, session.phases.endedByAc(errorText(packet)), now);
  }

  /** An AC may answer two PADRs with two sessions. End the second one: it could lock the line out. */
  #returnSession(packet: DiscoveryPacket, source: MacAddress, session: LinkSession): void {
    if (!hasTag(packet, TAG['Host-Uniq'], session.hostUniq)) return;
    if (!isSessionId(packet.sessionId)) return;
    this.#log('warn', 'second PADS', { session: formatSessionId(packet.sessionId) });
    this.#sendPadt(source, packet.sessionId);
  }

  #diallerDid(signal: DiscoverySignal | undefined, now: Instant): void {
    if (signal?.kind === 'found') this.#found(signal.session, signal.roundTrip, now);
    else if (signal !== undefined) this.#dialFailed(signal.reason, signal.kind === 'refused', now);
  }

  /** The kernel must know the session before the AC's first packet, so attach and gate come before ours. */
  #found(found: DiscoveredSession, roundTrip: Millis, now: Instant): void {
    const phases = this.#newPhases('Discovery', found.maxPayload, this.#previous, now);
    const session: LinkSession = {
      ...found,
      phases,
      startedAt: undefined,
      reattached: 0,
      isHungUp: false,
    };
    this.#session = session;
    this.#attach(session);
    this.#phasesDid(session, phases.establish(roundTrip, now), now);
    const place = { sessionId: found.sessionId, acMac: found.acMac };
    this.#outcomes.push({ kind: 'given', place });
  }

  #dialFailed(reason: string, refused: boolean, now: Instant): void {
    this.#dialler.ended({ lasted: undefined, refused }, undefined, now);
    this.#lastError = reason;
    this.#dial('Discovery', reason, now);
    this.#outcomes.push({ kind: 'closed', reason });
  }

  // --- the session ---------------------------------------------------------------------------------------------

  #newPhases(from: Phase, maxPayload: number, previous: SessionFacts | null, now: Instant): Phases {
    const phases = new Phases(
      this.#config,
      from,
      maxPayload,
      previous,
      this.#hashes,
      this.#random,
      this.#out,
    );
    if (!this.#carrier) phases.carrier(false, now);
    return phases;
  }

  #withSession(act: (session: LinkSession) => readonly PhasesSignal[], now: Instant): void {
    const session = this.#session;
    if (session !== undefined) this.#phasesDid(session, act(session), now);
  }

  #phasesDid(session: LinkSession, signals: readonly PhasesSignal[], now: Instant): void {
    for (const signal of signals) {
      switch (signal.kind) {
        case 'opened': {
          session.startedAt ??= Math.floor(this.#wallClock.at(now) / 1000);
          session.reattached = 0;
          this.#dialler.succeeded(session.acMac);
          const facts = this.#facts(session, session.startedAt, signal.agreed);
          this.#previous = facts;
          this.#outcomes.push({ kind: 'opened', facts });
          break;
        }
        case 'proven':
          session.reattached = 0;
          this.#outcomes.push(signal);
          break;
        case 'silent':
          this.#outcomes.push(signal);
          break;
        case 'ended':
          this.#close(session, signal, now);
          break;
        default:
          return unreachable(signal);
      }
    }
  }

  #facts(session: LinkSession, startedAt: number, agreed: Agreement): SessionFacts {
    const { sessionId, acMac, acName, serviceName, hostUniq } = session;
    const key = { sessionId, acMac, ourMac: this.#config.ourMac };
    return { key, acName, serviceName, hostUniq, startedAt, ...agreed };
  }

  /** The one place where a session ends. */
  #close(session: LinkSession, end: End, now: Instant): void {
    const from = this.#phase();
    const { reason, padt, refused, isFlapping } = end;
    const wasOpened = session.startedAt !== undefined;
    this.#timers.clear('reattach');
    this.#lastError = reason;
    if (padt) this.#sendPadt(session.acMac, session.sessionId);
    this.#out({ kind: 'detach' });
    this.#lostBefore += session.phases.lost;
    this.#session = undefined;
    const lasted = isFlapping === true ? undefined : this.#lasted(session, now);
    if (!session.isHungUp) this.#dialler.ended({ lasted, refused }, session.acMac, now);
    const facts = { session: formatSessionId(session.sessionId), ac: formatMac(session.acMac) };
    this.#log(session.isHungUp ? 'info' : 'warn', reason, facts, { from, to: 'Dead' });
    // A dial goes on until it succeeds. After a session that was up, ownership decides.
    if (this.#dialsNext || !(wasOpened || session.isHungUp)) this.#dial('Dead', reason, now);
    this.#outcomes.push({ kind: 'closed', reason });
  }

  /** By the wall clock: the partner may have dialled the session, and instants never leave a host. */
  #lasted(session: LinkSession, now: Instant): Millis | undefined {
    if (session.startedAt === undefined) return undefined;
    return millis(this.#wallClock.at(now) - session.startedAt * 1000);
  }

  #attach({ sessionId, acMac, maxPayload }: LinkSession): void {
    const key = { sessionId, acMac, ourMac: this.#config.ourMac };
    this.#out({ kind: 'attach', key, maxPayload, autoOpen: true }, { kind: 'gate', open: true });
  }

  #sendPadt(destination: MacAddress, sessionId: number): void {
    const packet = { code: 'PADT', sessionId, tags: [] } as const;
    this.#out({ kind: 'send-discovery', destination, packet });
  }

  /** Whether a packet of this CODE from this station can matter now. Other packets are dropped before any work. */
  #isWanted({ packet, source }: Extract<Event, { kind: 'discovery' }>): boolean {
    const session = this.#session;
    switch (packet.code) {
      case 'PADO':
        return session === undefined && this.#dialler.phase === 'Discovery';
      case 'PADS':
        return true;
      case 'PADT':
        return session !== undefined && sameOctets(source, session.acMac);
      default:
        return false;
    }
  }

  #worth({ packet, source }: Extract<Event, { kind: 'discovery' }>): 'known' | 'strange' {
    const session = this.#session;
    const ours = session?.hostUniq ?? this.#dialler.hostUniq;
    const isKnown =
      (session !== undefined && sameOctets(source, session.acMac)) ||
      (ours.length > 0 && hasTag(packet, TAG['Host-Uniq'], ours));
    return isKnown ? 'known' : 'strange';
  }

  #admit(what: 'session' | 'known' | 'strange', now: Instant): boolean {
    const verdict = this.#rates[what].admit(now);
    if (verdict === 'first-drop') this.#log('warn', 'flood: frames are dropped', { frames: what });
    return verdict === 'pass';
  }

  // --- the world -----------------------------------------------------------------------------------------------

  #carrierIs(up: boolean, now: Instant): void {
    const isBack = up && !this.#carrier;
    this.#carrier = up;
    this.#withSession((session) => session.phases.carrier(up, now), now);
    if (isBack) this.#dialler.carrierIsBack(now);
  }

  /** The kernel does not join the session, or does not open its gate. */
  #failed(event: Extract<Event, { kind: 'failed' }>, now: Instant): void {
    if (this.#session === undefined) return;
    const reason = `${event.action} session: ${event.code}: ${event.message}`;
    this.#close(this.#session, { kind: 'ended', reason, padt: true, refused: false }, now);
  }

  #expire(now: Instant): void {
    if (this.#timers.isDue('reattach', now)) this.#reattach(now);
    this.#diallerDid(this.#dialler.expire(now), now);
    this.#withSession((session) => session.phases.expire(now), now);
  }

  #reattach(now: Instant): void {
    const session = this.#session;
    if (session === undefined) return;
    session.reattached += 1;
    if (session.reattached > MAX_REATTACH) {
      const reason = 'the kernel keeps giving the session up';
      return this.#close(session, { kind: 'ended', reason, padt: true, refused: false }, now);
    }
    this.#log('warn', 'session closed by the kernel');
    this.#attach(session);
    this.#phasesDid(session, session.phases.probe(now), now);
  }

  #phase(): Phase {
    return this.#session?.phases.phase ?? this.#dialler.phase ?? 'Dead';
  }

  #remember(): void {
    if (this.#session === undefined) return;
    const { sessionId, acMac, phases } = this.#session;
    this.#used = { sessionId, acMac, lcp: phases.lcpIdentifier };
  }

  #forget(): void {
    this.#remember();
    this.#lostBefore += this.#session?.phases.lost ?? 0;
    this.#session = undefined;
    this.#dialler.stop();
    this.#timers.clear('reattach');
    this.#dialsNext = false;
  }
}
