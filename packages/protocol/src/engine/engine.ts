/**
 * The root engine of one session: an event goes to ownership or to the link, and the actions come back in order. It
 * holds no PPP (that is the link) and no I/O; whether this router may speak is decided here, before the link is asked.
 *
 * Theory of operation. `ownership.ts` says what each event does; the acts it names are the methods at the end. Each act
 * restates the whole of what must be true (attach, gate, addresses, route), because the helper's verbs are idempotent:
 * so the same act serves a takeover, a helper that was restarted, and a disk that has come back. Whatever changes the
 * snapshot stores it first (a barrier), and only then speaks.
 */
import { after, earliest, millis, seconds, type Instant, type Millis } from '../time.ts';
import { attach, configure, onlyLastTell, ownerNote, sameKey } from './actions.ts';
import { Demotion, type DemotionReason } from './demotion.ts';
import type {
  Action,
  AdminVerb,
  Engine,
  Event,
  HelperState,
  Note,
  PartnerMessage,
  Role,
} from './events.ts';
import type { Hashes, Random } from './hashes.ts';
import { Link } from './link-machine.ts';
import type { LinkConfig, LinkOutcome, LinkOutput, LinkStatus } from './link.ts';
import { stepOwner, type OwnerAct, type OwnerEvent, type OwnerState } from './ownership.ts';
import { Partnership } from './partnership.ts';
import { isNewer, type RouterId, type SessionFacts, type Snapshot } from './session.ts';
import { Timers } from './timers.ts';

export interface OwnershipConfig {
  /** Who decides: CARP; this router, always; or only the operator. */
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /** This router's number in the pair, 1 … 0xffffffff. */
  readonly routerId: RouterId;
  /** Whether there is another router at all. */
  readonly hasPartner: boolean;
  /** Longest wait for the partner's snapshot at start. */
  readonly holdDown: Millis;
  /** Silence after which the partner counts as gone. */
  readonly partnerTimeout: Millis;
  /** A session that has been down this long while the partner is healthy is the partner's to try. */
  readonly downDemotion: Millis;
}

export interface SessionConfig {
  readonly name: string;
  readonly link: LinkConfig;
  readonly owner: OwnershipConfig;
}

/** Everything an operator may see of a session. Instants are this host's. */
export interface SessionStatus {
  readonly state: OwnerState;
  readonly role: Role;
  /** Whether the helper answers. */
  readonly helper: boolean;
  readonly carrier: boolean;
  /** The AC has answered within the echo budget. */
  readonly proven: boolean;
  readonly snapshot: Snapshot;
  readonly link: LinkStatus;
  readonly demoted: readonly DemotionReason[];
  readonly partner: {
    readonly heardAt: Instant | undefined;
    /** Its last message, while that still counts. */
    readonly message: PartnerMessage | undefined;
  };
  /** The last time this router took the session, and how long until the AC answered. */
  readonly lastTakeover?: Takeover;
}

interface Takeover {
  readonly at: Instant;
  readonly epoch: number;
  readonly provenAfter?: Millis;
}

const TELL_INTERVAL = seconds(1);
/** A planned handoff that CARP has not carried out by then is undone. */
const HANDOFF_LIMIT = seconds(5);
/** Between attempts at what the kernel or the disk refused. */
const RETRY_INTERVAL = seconds(1);
/** Between announce frames while the partner is not heard: they are then the only evidence of who holds the line. */
const ANNOUNCE_INTERVAL = seconds(5);
/** Without an announce frame for this long, a partner that is not heard is not on the line either. */
const SEEN_SPAN = seconds(15);
/** A watchdog demotion is tried back after this long, or sooner when something changes. */
const WATCHDOG_SPAN = seconds(300);
/** Two routers that took in the same epoch wait a random time within these bounds before one goes a step higher. */
const CONTEST = { low: 50, high: 500 };

type TimerName =
  | 'hold-down'
  | 'tell'
  | 'partner'
  | 'handoff'
  | 'down'
  | 'watchdog'
  | 'retry'
  | 'announce'
  | 'contest'
  | 'unseen';

export class SessionEngine implements Engine<Event, Action> {
  readonly #config: SessionConfig;
  readonly #random: Random;
  readonly #link: Link;
  readonly #partner: Partnership;
  readonly #demotion = new Demotion();
  readonly #timers = new Timers<TimerName>();
  #state: OwnerState = 'Waiting';
  #role: Role = 'INIT';
  /** What the helper last said; undefined while it is away. */
  #helper: HelperState | undefined;
  #snapshot: Snapshot;
  /** Of the last session that ended: its address is asked for again (RFC 1332 §3.3). */
  #previous: SessionFacts | null;
  #armed = false;
  #proven = false;
  /** The disk refused the snapshot: nothing that depends on it may be said (rule R5). */
  #unsaved = false;
  /** The operator wants a new session once the AC has let go of this one. */
  #reconnects = false;
  #lastTakeover: Takeover | undefined;
  /** The answer to the event in hand. */
  #actions: Action[] = [];

  /**
   * @param stored what the disk had; NO_SNAPSHOT if nothing
   * @param wallClockAtZero milliseconds since 1970-01-01 UTC at Instant 0
   */
  constructor(
    config: SessionConfig,
    stored: Snapshot,
    hashes: Hashes,
    random: Random,
    wallClockAtZero: number,
  ) {
    this.#config = config;
    this.#random = random;
    this.#link = new Link(config.link, hashes, random, wallClockAtZero);
    this.#partner = new Partnership(config.owner.partnerTimeout);
    this.#snapshot = stored;
    this.#previous = stored.facts;
  }

  handle(event: Event, now: Instant): readonly Action[] {
    this.#actions = [];
    this.#dispatch(event, now);
    for (const name of this.#timers.expired(now)) this.#expire(name, now);
    return onlyLastTell(this.#actions);
  }

  deadline(): Instant | undefined {
    return earliest(this.#timers.next(), this.#link.deadline());
  }

  status(now: Instant): SessionStatus {
    return {
      state: this.#state,
      role: this.#role,
      helper: this.#helper !== undefined,
      carrier: this.#helper?.carrier ?? false,
      proven: this.#proven,
      snapshot: this.#snapshot,
      link: this.#link.status(),
      demoted: this.#demotion.reasons(),
      partner: { heardAt: this.#partner.heardAt, message: this.#partner.fresh(now) },
      ...(this.#lastTakeover === undefined ? {} : { lastTakeover: this.#lastTakeover }),
    };
  }

  /** Why the operator's verb would be refused now, as a sentence; undefined if it would not. Changes nothing. */
  refusal(verb: AdminVerb, now: Instant): string | undefined {
    const events = {
      handoff: 'Handoff',
      connect: 'Connect',
      disconnect: 'Disconnect',
      reconnect: 'Disconnect',
    } as const;
    if (stepOwner(this.#state, events[verb]) === undefined) {
      return `${verb} is not possible in state ${this.#state}`;
    }
    if (this.#helper === undefined) return 'the helper is away';
    return verb === 'handoff' ? this.#handoffRefusal(now) : undefined;
  }

  #handoffRefusal(now: Instant): string | undefined {
    const { policy, hasPartner } = this.#config.owner;
    const partner = this.#partner.fresh(now);
    if (policy === 'pinned') return 'the policy is pinned: this router always holds the session';
    if (!hasPartner) return 'no partner is configured';
    if (partner === undefined) return 'the partner is not heard';
    if (!partner.healthy) return 'the partner is not healthy: no helper, no carrier, or given up';
    if (!partner.armed) return 'the partner is not armed';
    if (isNewer(this.#snapshot, partner.snapshot)) return 'the partner is not in sync';
    if (!this.#proven) return 'the session is not proven: the AC has not answered yet';
    return undefined;
  }

  // Events, one method each.

  #dispatch(event: Event, now: Instant): void {
    switch (event.kind) {
      case 'helper-up':
        return this.#helperUp(event.state, now);
      case 'helper-down':
        return this.#helperDown(now);
      case 'role':
        return this.#roleIs(event.role, now);
      case 'partner':
        return this.#hear(event.message, now);
      case 'own-mac-heard':
        return this.#ownMacHeard(event.epoch, now);
      case 'admin':
        return this.#admin(event.verb, now);
      case 'carrier':
        return this.#carrierIs(event.up, event, now);
      case 'failed':
        return this.#failed(event, now);
      case 'deadline':
      case 'discovery':
      case 'ppp':
      case 'session-closed':
        return this.#toLink(event, now);
      default: {
        const unreachable: never = event;
        return unreachable;
      }
    }
  }

  #helperUp(state: HelperState, now: Instant): void {
    this.#helper = state;
    this.#role = this.#roleAtStart(state.role);
    // Silence on a line without carrier proves nothing: the link must know from the first.
    this.#absorb(this.#link.handle({ kind: 'carrier', up: state.carrier }, now), now);
    this.#emit(...this.#demotion.restate());
    if (this.#state !== 'Waiting') {
      if (!this.#speaks() || this.#role === 'MASTER') this.#restate(now);
      this.#step(this.#role === 'MASTER' ? 'Master' : 'Backup', 'helper-up', now);
    } else if (this.#isAdoptable(state)) {
      this.#step('Adopt', 'helper-up', now);
    } else if (!this.#config.owner.hasPartner || this.#partner.fresh(now) !== undefined) {
      this.#ready('helper-up', now);
    } else {
      this.#timers.set('hold-down', after(now, this.#config.owner.holdDown));
      this.#emit(...this.#demotion.add('hold-down'));
      this.#tell(now);
    }
  }

  #roleAtStart(carp: Role): Role {
    const { policy, routerId } = this.#config.owner;
    if (policy === 'follow-carp') return carp;
    if (policy === 'pinned') return 'MASTER';
    return this.#snapshot.holder === routerId ? 'MASTER' : 'BACKUP';
  }

  /** The supervisor alone was restarted: the kernel still carries the session that we last held. */
  #isAdoptable(state: HelperState): boolean {
    const { facts, holder } = this.#snapshot;
    return (
      facts !== null &&
      holder === this.#config.owner.routerId &&
      state.gateOpen &&
      this.#role === 'MASTER' &&
      state.attached !== null &&
      sameKey(state.attached, facts.key)
    );
  }

  /** Leave Waiting, and act on the role that was found. */
  #ready(cause: string, now: Instant): void {
    this.#timers.clear('hold-down');
    this.#emit(...this.#demotion.drop('hold-down'));
    this.#step('Ready', cause, now);
    if (this.#role !== 'MASTER') return;
    const partner = this.#partner.fresh(now);
    const isRival = partner !== undefined && partner.open && partner.role === 'MASTER';
    this.#step(isRival ? 'Rival' : 'Master', 'role MASTER at start', now);
  }

  /** Nothing can be sent and no reply can come: the link would draw false conclusions from the silence. */
  #helperDown(now: Instant): void {
    this.#helper = undefined;
    this.#armed = false;
    this.#proven = false;
    this.#absorb(this.#link.suspend(now), now);
    this.#tell(now);
  }

  #roleIs(role: Role, now: Instant): void {
    if (this.#config.owner.policy !== 'follow-carp') return;
    this.#role = role;
    this.#step(role === 'MASTER' ? 'Master' : 'Backup', `role ${role}`, now);
  }

  #hear(message: PartnerMessage, now: Instant): void {
    const wasFresh = this.#partner.fresh(now) !== undefined;
    const ours = this.#snapshot;
    this.#partner.hear(message, now);
    this.#timers.set('partner', after(now, this.#config.owner.partnerTimeout));
    if (isNewer(message.snapshot, ours)) this.#learn(message.snapshot, now);
    // What it has is older than what we have, or it may not know us yet: it need not wait for our next second.
    if (!wasFresh || isNewer(ours, message.snapshot)) this.#tell(now);
    if (this.#state === 'Waiting' && this.#helper !== undefined) this.#ready('partner heard', now);
    // It wants to give the session back, so ours is the demotion that must go.
    if (message.yielding) this.#emit(...this.#demotion.drop('handoff'));
    // It fares no better than we did.
    if (!message.healthy && !message.proven) this.#emit(...this.#demotion.drop('watchdog'));
    if (!message.open && message.role !== 'MASTER') this.#step('Freed', 'partner released', now);
  }

  #learn(snapshot: Snapshot, now: Instant): void {
    const { epoch } = this.#snapshot;
    this.#snapshot = snapshot;
    this.#previous = snapshot.facts ?? this.#previous;
    // A split ends with the closing of a gate, which depends on nothing that must be on the disk first.
    if (this.#speaks()) this.#emit({ kind: 'gate', open: false });
    this.#emit({ kind: 'store', snapshot });
    this.#step('Newer', `partner epoch=${epoch}->${snapshot.epoch}`, now);
  }

  #ownMacHeard(epoch: number, now: Instant): void {
    this.#partner.see(now);
    this.#timers.set('unseen', after(now, SEEN_SPAN));
    if (epoch > this.#snapshot.epoch) return this.#step('Newer', `announce epoch=${epoch}`, now);
    if (!this.#speaks()) return;
    if (epoch < this.#snapshot.epoch) return this.#announce(now);
    const [high = 0, low = 0] = this.#random(2);
    const share = (high * 256 + low) / 0xffff;
    this.#timers.set(
      'contest',
      after(now, millis(CONTEST.low + share * (CONTEST.high - CONTEST.low))),
    );
  }

  #admin(verb: AdminVerb, now: Instant): void {
    const refused = this.refusal(verb, now);
    if (refused !== undefined) return this.#note('warn', `operator ${verb}`, [], { refused });
    const isManual = this.#config.owner.policy === 'manual';
    switch (verb) {
      case 'handoff':
        if (!isManual) return this.#step('Handoff', 'operator handoff', now);
        // Without CARP the operator's word is the role; the other router is told by hand.
        this.#role = 'BACKUP';
        return this.#step('Backup', 'operator handoff', now);
      case 'connect':
        if (isManual) this.#role = 'MASTER';
        this.#step('Connect', 'operator connect', now);
        return this.#role === 'MASTER' ? this.#step('Master', 'operator connect', now) : undefined;
      case 'disconnect':
        return this.#step('Disconnect', 'operator disconnect', now);
      case 'reconnect':
        this.#reconnects = true;
        return this.#step('Disconnect', 'operator reconnect', now);
      default: {
        const unreachable: never = verb;
        return unreachable;
      }
    }
  }

  #carrierIs(up: boolean, event: Event, now: Instant): void {
    if (this.#helper !== undefined) this.#helper = { ...this.#helper, carrier: up };
    if (up) this.#emit(...this.#demotion.drop('watchdog'));
    this.#absorb(this.#link.handle(event, now), now);
    if (!up) {
      this.#proven = false;
      this.#giveUp('carrier lost', now);
    }
    this.#tell(now);
  }

  #failed(event: Extract<Event, { kind: 'failed' }>, now: Instant): void {
    const { action, code, message } = event;
    this.#note(action === 'store' ? 'error' : 'warn', `${action} failed`, [], { code, message });
    if (action === 'store') {
      // It is all said again once the disk takes it.
      this.#unsaved = true;
      return this.#timers.set('retry', after(now, RETRY_INTERVAL));
    }
    if (this.#speaks()) return this.#toLink(event, now);
    if (action !== 'attach') return;
    this.#armed = false;
    this.#timers.set('retry', after(now, RETRY_INTERVAL));
    this.#tell(now);
  }

  // Deadlines, by name.

  #expire(name: TimerName, now: Instant): void {
    switch (name) {
      case 'hold-down':
        return this.#helper === undefined ? undefined : this.#ready('hold-down over', now);
      case 'tell':
        return this.#tell(now);
      case 'partner':
        return this.#partnerSilent(now);
      case 'handoff':
        return this.#step('Undo', 'handoff not carried out in time', now);
      case 'down':
        return this.#giveUp('session down', now);
      case 'watchdog':
        return this.#watchdogOver(now);
      case 'retry':
        this.#unsaved = false;
        return this.#restate(now);
      case 'announce':
        return this.#speaks() ? this.#announce(now) : undefined;
      case 'contest':
        return this.#speaks() ? this.#take(now) : undefined;
      case 'unseen':
        if (this.#partner.fresh(now) === undefined) this.#step('Freed', 'partner not seen', now);
        return undefined;
      default: {
        const unreachable: never = name;
        return unreachable;
      }
    }
  }

  #partnerSilent(now: Instant): void {
    this.#note('warn', 'partner silent', [], {});
    this.#emit(...this.#demotion.drop('handoff'), ...this.#demotion.drop('watchdog'));
    if (!this.#partner.seenWithin(SEEN_SPAN, now)) this.#step('Freed', 'partner silent', now);
    if (this.#speaks()) this.#announce(now);
  }

  /** Time to try again on this line, unless there is plainly none. */
  #watchdogOver(now: Instant): void {
    if (this.#helper?.carrier === true) this.#emit(...this.#demotion.drop('watchdog'));
    else if (this.#demotion.has('watchdog')) {
      this.#timers.set('watchdog', after(now, WATCHDOG_SPAN));
    }
  }

  // The link: what reaches it, and what it says.

  /** Frames and time reach the link only while this router may speak, or is hanging up. */
  #toLink(event: Event, now: Instant): void {
    if (this.#helper === undefined || !(this.#speaks() || this.#state === 'Off')) return;
    this.#absorb(this.#link.handle(event, now), now);
  }

  #absorb(outputs: readonly LinkOutput[], now: Instant): void {
    for (const output of outputs) {
      if (output.kind === 'outcome') this.#outcome(output.outcome, now);
      else if (!isPadt(output) || !this.#isContested(now)) this.#emit(output);
    }
  }

  #outcome(outcome: LinkOutcome, now: Instant): void {
    switch (outcome.kind) {
      case 'opened':
        return this.#opened(outcome.facts, now);
      case 'proven':
        return this.#provenNow(now);
      case 'silent':
        this.#proven = false;
        this.#giveUp('echo unanswered', now);
        return this.#tell(now);
      case 'closed':
        return this.#closed(outcome.reason, now);
      default: {
        const unreachable: never = outcome;
        return unreachable;
      }
    }
  }

  #opened(facts: SessionFacts, now: Instant): void {
    this.#previous = facts;
    this.#write(facts);
    this.#emit(configure(facts, true), { kind: 'route', via: 'session' });
    this.#provenNow(now);
  }

  #provenNow(now: Instant): void {
    this.#proven = true;
    this.#timers.clear('down');
    const takeover = this.#lastTakeover;
    if (takeover !== undefined && takeover.provenAfter === undefined) {
      this.#lastTakeover = { ...takeover, provenAfter: millis(now - takeover.at) };
    }
    this.#tell(now);
  }

  #closed(reason: string, now: Instant): void {
    this.#proven = false;
    // Silence on a line where the partner was seen says nothing about the session: it may well be carrying it.
    if (this.#speaks() && this.#isContested(now)) {
      return this.#step('Newer', `${reason}, partner seen on the line`, now);
    }
    if (this.#snapshot.facts !== null) {
      this.#write(null);
      this.#emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
      this.#tell(now);
    }
    if (this.#reconnects && this.#state === 'Off') {
      this.#reconnects = false;
      return this.#step('Connect', 'operator reconnect', now);
    }
    if (!this.#speaks()) return;
    if (!this.#timers.isSet('down')) {
      this.#timers.set('down', after(now, this.#config.owner.downDemotion));
    }
    this.#absorb(this.#link.dial(this.#previous, now), now);
  }

  /** Not heard, yet on the line: whoever is silent to us may be holding the session. */
  #isContested(now: Instant): boolean {
    return (
      this.#config.owner.hasPartner &&
      this.#partner.fresh(now) === undefined &&
      this.#partner.seenWithin(SEEN_SPAN, now)
    );
  }

  // Ownership: the table and its acts.

  /** Holding the session, and so allowed to speak for it. */
  #speaks(): boolean {
    return this.#state === 'Holding' || this.#state === 'Yielding';
  }

  #step(event: OwnerEvent, cause: string, now: Instant): void {
    const step = stepOwner(this.#state, event);
    if (step === undefined) return;
    const from = this.#state;
    const before = this.#snapshot.epoch;
    this.#state = step.next;
    const at = this.#actions.length;
    for (const act of step.acts) this.#act(act, now);
    if (from === step.next && step.acts.length === 0) return;
    const epoch = this.#snapshot.epoch;
    const facts = { epoch: before === epoch ? epoch : `${before}->${epoch}` };
    const level = from === step.next ? 'debug' : 'info';
    const note = ownerNote(level, from, step.next, cause, step.acts, facts);
    // Told before what it caused.
    this.#actions.splice(at, 0, note);
  }

  #act(act: OwnerAct, now: Instant): void {
    switch (act) {
      case 'arm':
        return this.#arm(true, now);
      case 'take':
        return this.#take(now);
      case 'carry':
        return this.#carry(now);
      case 'release':
        return this.#fallSilent(now);
      case 'fence':
        this.#fallSilent(now);
        return this.#arm(false, now);
      case 'demote':
        this.#timers.set('handoff', after(now, HANDOFF_LIMIT));
        this.#emit(...this.#demotion.add('handoff'));
        return this.#tell(now);
      case 'promote':
        this.#timers.clear('handoff');
        this.#emit(...this.#demotion.drop('handoff'), ...this.#demotion.drop('watchdog'));
        return this.#tell(now);
      case 'hangUp':
        return this.#absorb(this.#link.hangUp(now), now);
      default: {
        const unreachable: never = act;
        return unreachable;
      }
    }
  }

  #take(now: Instant): void {
    const epoch = this.#snapshot.epoch + 1;
    const holder = this.#config.owner.routerId;
    this.#snapshot = { epoch, generation: 0, holder, facts: this.#snapshot.facts };
    this.#lastTakeover = { at: now, epoch };
    this.#emit({ kind: 'store', snapshot: this.#snapshot });
    this.#carry(now);
  }

  /** Gate, announce, proof, route, partner: in this order, so that traffic flows before anyone is asked. */
  #carry(now: Instant): void {
    const { facts } = this.#snapshot;
    this.#proven = false;
    // Without the helper nothing can be done; it is all said when it comes back.
    if (this.#helper === undefined) return this.#tell(now);
    this.#timers.set('down', after(now, this.#config.owner.downDemotion));
    if (facts === null) {
      this.#absorb(this.#link.dial(this.#previous, now), now);
      return this.#tell(now);
    }
    this.#emit(attach(facts, true), { kind: 'gate', open: true });
    this.#announce(now);
    this.#absorb(this.#link.resume(facts, now), now);
    this.#emit(configure(facts, true), { kind: 'route', via: 'session' });
    this.#tell(now);
  }

  #fallSilent(now: Instant): void {
    this.#proven = false;
    this.#reconnects = false;
    this.#timers.clear('down', 'announce', 'contest', 'handoff');
    this.#emit({ kind: 'gate', open: false });
    this.#absorb(this.#link.suspend(now), now);
    this.#tell(now);
  }

  /** Ready to take over: everything but the gate and the interface's up flag. */
  #arm(autoOpen: boolean, now: Instant): void {
    const { facts } = this.#snapshot;
    if (this.#helper === undefined) return;
    this.#armed = facts !== null;
    if (facts === null) this.#emit({ kind: 'detach' });
    else {
      this.#emit(attach(facts, autoOpen), { kind: 'gate', open: false }, configure(facts, false));
    }
    this.#emit({ kind: 'route', via: 'partner' });
    this.#tell(now);
  }

  /** Say again everything that must be true in this state: the helper or the disk has just come back. */
  #restate(now: Instant): void {
    this.#emit({ kind: 'store', snapshot: this.#snapshot }, ...this.#demotion.restate());
    if (this.#helper === undefined) return;
    if (this.#speaks()) this.#carry(now);
    else if (this.#state === 'Standby') this.#arm(true, now);
    else if (this.#state === 'Fenced') this.#arm(false, now);
  }

  /** The session is down here and the partner could carry it: let CARP move the role. */
  #giveUp(cause: string, now: Instant): void {
    const partner = this.#partner.fresh(now);
    if (!this.#speaks() || this.#proven || this.#config.owner.policy !== 'follow-carp') return;
    if (partner === undefined || !partner.healthy || this.#demotion.has('watchdog')) return;
    this.#timers.set('watchdog', after(now, WATCHDOG_SPAN));
    this.#note('warn', cause, ['demote'], {});
    this.#emit(...this.#demotion.add('watchdog'));
  }

  #write(facts: SessionFacts | null): void {
    const { epoch, generation } = this.#snapshot;
    const holder = this.#config.owner.routerId;
    this.#snapshot = { epoch, generation: generation + 1, holder, facts };
    this.#emit({ kind: 'store', snapshot: this.#snapshot });
  }

  #announce(now: Instant): void {
    if (this.#config.owner.hasPartner && this.#partner.fresh(now) === undefined) {
      this.#timers.set('announce', after(now, ANNOUNCE_INTERVAL));
    }
    this.#emit({ kind: 'announce', epoch: this.#snapshot.epoch });
  }

  #tell(now: Instant): void {
    if (!this.#config.owner.hasPartner) return;
    this.#timers.set('tell', after(now, TELL_INTERVAL));
    const message: PartnerMessage = {
      sender: this.#config.owner.routerId,
      role: this.#role,
      healthy: this.#helper?.carrier === true && !this.#demotion.has('watchdog'),
      armed: this.#armed && this.#state === 'Standby',
      open: this.#speaks(),
      proven: this.#proven,
      yielding: this.#demotion.has('handoff'),
      snapshot: this.#snapshot,
    };
    this.#emit({ kind: 'tell-partner', message });
  }

  #note(
    level: Note['level'],
    on: string,
    actions: readonly string[],
    facts: NonNullable<Note['facts']>,
  ): void {
    this.#emit(ownerNote(level, this.#state, this.#state, on, actions, facts));
  }

  #emit(...actions: readonly Action[]): void {
    this.#actions.push(...(this.#unsaved ? actions.filter(isSayableUnsaved) : actions));
  }
}

/** What is safe whatever the disk holds. */
const isSayableUnsaved = (action: Action): boolean =>
  action.kind === 'note' ||
  action.kind === 'demote' ||
  action.kind === 'store' ||
  (action.kind === 'gate' && !action.open);

const isPadt = (action: Action): boolean =>
  action.kind === 'send-discovery' && action.packet.code === 'PADT';
