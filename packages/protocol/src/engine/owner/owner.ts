/**
 * What each act of the table (`ownership.ts`) amounts to, and what the link's outcomes mean for the owner. It is told
 * which act by `engine.ts`; it judges no event from outside.
 *
 * Each act restates the whole of what must be true (attach, gate, addresses, route), because the helper's verbs are
 * idempotent: so the same act serves a takeover, a helper that was restarted, and a disk that has come back. Whatever
 * changes the snapshot stores it first (a barrier), and only then speaks.
 */
import { after, millis, seconds, type Instant, type Millis } from '../../time.ts';
import { attach, configure, onlyLastTell, ownerNote } from './actions.ts';
import { Demotion } from './demotion.ts';
import type { Action, Event, HelperState, Note } from '../events.ts';
import type { PartnerMessage, Role, SessionFacts, Snapshot } from '../../session.ts';
import type { Link, LinkOutcome, LinkOutput } from '../link/link.ts';
import { stepOwner, type OwnerAct, type OwnerEvent, type OwnerState } from './ownership.ts';
import { Partnership } from './partnership.ts';
import type { SessionConfig } from '../session-config.ts';
import { Timers } from '../timers.ts';

/** One taking of the session by this router, and how long until the AC answered. */
export interface Takeover {
  readonly at: Instant;
  readonly epoch: number;
  readonly provenAfter?: Millis;
}

const TELL_INTERVAL = seconds(1);
/** A planned handoff that CARP has not carried out by then is undone. */
const HANDOFF_LIMIT = seconds(5);
/** Between attempts at what the kernel or the disk refused. */
export const RETRY_INTERVAL = seconds(1);
/** Between announce frames while the partner is not heard: they are then the only evidence of who holds the line. */
export const ANNOUNCE_INTERVAL = seconds(5);
/** Without an announce frame for this long, a partner that is not heard is not on the line either. */
export const SEEN_SPAN = seconds(15);
/** A watchdog demotion is tried back after this long, or sooner when something changes. */
export const WATCHDOG_SPAN = seconds(300);

export type TimerName =
  | 'hold-down'
  | 'tell'
  | 'partner'
  | 'unheard'
  | 'handoff'
  | 'down'
  | 'watchdog'
  | 'retry'
  | 'announce'
  | 'contest'
  | 'unseen';

export class Owner {
  readonly config: SessionConfig;
  readonly link: Link;
  readonly partner: Partnership;
  readonly demotion = new Demotion();
  readonly timers = new Timers<TimerName>();
  role: Role = 'INIT';
  /** What the helper last said; undefined while it is away. */
  helper: HelperState | undefined;
  snapshot: Snapshot;
  /** Of the last session that ended: its address is asked for again (RFC 1332 §3.3). */
  previous: SessionFacts | null;
  armed = false;
  proven = false;
  /** The disk refused the snapshot: nothing that depends on it may be said (rule R5). */
  unsaved = false;
  /** The operator wants a new session once the AC has let go of this one. */
  reconnects = false;
  lastTakeover: Takeover | undefined;
  state: OwnerState = 'Waiting';
  /** The answer to the event in hand. */
  #actions: Action[] = [];

  constructor(config: SessionConfig, stored: Snapshot, link: Link) {
    this.config = config;
    this.link = link;
    this.partner = new Partnership(config.owner.partnerTimeout);
    this.snapshot = stored;
    this.previous = stored.facts;
  }

  /** The answer to the event that was in hand; the next one begins. */
  answer(): readonly Action[] {
    const actions = onlyLastTell(this.#actions);
    this.#actions = [];
    return actions;
  }

  /** Frames and time reach the link only while this router may speak, or is hanging up. */
  toLink(event: Event, now: Instant): void {
    if (this.helper === undefined || !(this.speaks() || this.state === 'Off')) return;
    this.absorb(this.link.handle(event, now), now);
  }

  absorb(outputs: readonly LinkOutput[], now: Instant): void {
    for (const output of outputs) {
      if (output.kind === 'outcome') this.#outcome(output.outcome, now);
      else if (!isPadt(output) || !this.isContested(now)) this.emit(output);
    }
  }

  #outcome(outcome: LinkOutcome, now: Instant): void {
    switch (outcome.kind) {
      case 'opened':
        return this.#opened(outcome.facts, now);
      case 'proven':
        return this.#provenNow(now);
      case 'silent':
        this.proven = false;
        this.giveUp('echo unanswered', now);
        return this.tell(now);
      case 'closed':
        return this.#closed(outcome.reason, now);
      default: {
        const unreachable: never = outcome;
        return unreachable;
      }
    }
  }

  #opened(facts: SessionFacts, now: Instant): void {
    this.previous = facts;
    this.#write(facts);
    this.emit(configure(facts, true), { kind: 'route', via: 'session' });
    // A partner that was never heard may be on the line, and must not dial over this session.
    if (this.isUnheard(now)) this.announce(now);
    this.#provenNow(now);
  }

  #provenNow(now: Instant): void {
    this.proven = true;
    this.timers.clear('down');
    const takeover = this.lastTakeover;
    if (takeover !== undefined && takeover.provenAfter === undefined) {
      this.lastTakeover = { ...takeover, provenAfter: millis(now - takeover.at) };
    }
    this.tell(now);
  }

  #closed(reason: string, now: Instant): void {
    this.proven = false;
    // Silence on a line where the partner was seen says nothing about the session: it may well be carrying it.
    if (this.speaks() && this.isContested(now)) {
      return this.step('Newer', `${reason}, partner seen on the line`, now);
    }
    if (this.snapshot.facts !== null) {
      this.#write(null);
      this.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
      this.tell(now);
    }
    if (this.reconnects && this.state === 'Off') return this.#dialAgain(now);
    if (!this.speaks()) return;
    if (!this.timers.isSet('down')) {
      this.timers.set('down', after(now, this.config.owner.downDemotion));
    }
    this.absorb(this.link.dial(this.previous, now), now);
  }

  /** The second half of a reconnect. */
  #dialAgain(now: Instant): void {
    this.reconnects = false;
    this.step('Connect', 'operator reconnect', now);
  }

  /** Not heard, yet on the line: whoever is silent to us may be holding the session. */
  isContested(now: Instant): boolean {
    return (
      this.config.owner.hasPartner &&
      this.partner.fresh(now) === undefined &&
      this.partner.seenWithin(SEEN_SPAN, now)
    );
  }

  /** Holding the session, and so allowed to speak for it. */
  speaks(): boolean {
    return this.state === 'Holding' || this.state === 'Yielding';
  }

  step(event: OwnerEvent, cause: string, now: Instant): void {
    const step = stepOwner(this.state, event);
    if (step === undefined) return;
    const from = this.state;
    const before = this.snapshot.epoch;
    this.state = step.next;
    const at = this.#actions.length;
    for (const act of step.acts) this.#act(act, now);
    if (from === step.next && step.acts.length === 0) return;
    const epoch = this.snapshot.epoch;
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
        return this.take(now);
      case 'carry':
        return this.#carry(now);
      case 'release':
        return this.#fallSilent(now);
      case 'fence':
        this.#fallSilent(now);
        return this.#arm(false, now);
      case 'demote':
        this.timers.set('handoff', after(now, HANDOFF_LIMIT));
        this.emit(...this.demotion.add('handoff'));
        return this.tell(now);
      case 'promote':
        this.timers.clear('handoff');
        this.emit(...this.demotion.drop('handoff'), ...this.demotion.drop('watchdog'));
        return this.tell(now);
      case 'hangUp':
        return this.absorb(this.link.hangUp(now), now);
      default: {
        const unreachable: never = act;
        return unreachable;
      }
    }
  }

  take(now: Instant): void {
    const epoch = this.snapshot.epoch + 1;
    const holder = this.config.owner.routerId;
    const { facts } = this.snapshot;
    this.snapshot = { epoch, generation: 0, holder, facts };
    this.lastTakeover = { at: now, epoch };
    // The interlock has opened the gate already. The interface says nothing of its own, so it need not wait for the disk.
    const isUp = facts !== null && this.armed && !this.unsaved;
    if (isUp) this.emit(configure(facts, true));
    this.emit({ kind: 'store', snapshot: this.snapshot });
    this.#carry(now, { isUp });
  }

  /** Gate, announce, proof, route, partner: in this order, so that traffic flows before anyone is asked. */
  #carry(now: Instant, { isUp = false, isRefused = false } = {}): void {
    const { facts } = this.snapshot;
    this.proven = false;
    // Without the helper nothing can be done; it is all said when it comes back.
    if (this.helper === undefined) return this.tell(now);
    // Said again every second while the disk is full, it must not put the watchdog off for ever.
    if (!this.timers.isSet('down')) {
      this.timers.set('down', after(now, this.config.owner.downDemotion));
    }
    if (facts === null) {
      this.absorb(this.link.dial(this.previous, now), now);
      return this.tell(now);
    }
    this.emit(attach(facts, true), { kind: 'gate', open: true });
    // Claimed once the kernel has not refused it again.
    if (isRefused) this.timers.set('announce', after(now, RETRY_INTERVAL));
    else this.announce(now);
    this.absorb(this.link.resume(facts, now), now);
    if (!isUp) this.emit(configure(facts, true));
    this.emit({ kind: 'route', via: 'session' });
    this.tell(now);
  }

  #fallSilent(now: Instant): void {
    this.proven = false;
    this.reconnects = false;
    this.timers.clear('down', 'announce', 'contest', 'handoff');
    this.emit({ kind: 'gate', open: false });
    this.absorb(this.link.suspend(now), now);
    this.tell(now);
  }

  /** Ready to take over: everything but the gate and the interface's up flag. */
  #arm(autoOpen: boolean, now: Instant): void {
    const { facts } = this.snapshot;
    if (this.helper === undefined) return;
    this.armed = facts !== null;
    if (facts === null) this.emit({ kind: 'detach' });
    else {
      this.emit(attach(facts, autoOpen), { kind: 'gate', open: false }, configure(facts, false));
    }
    this.emit({ kind: 'route', via: 'partner' });
    this.tell(now);
  }

  /** Say again everything that must be true in this state: the helper or the disk has just come back. */
  restate(now: Instant): void {
    this.emit({ kind: 'store', snapshot: this.snapshot }, ...this.demotion.restate());
    if (this.helper === undefined) return;
    if (this.speaks()) this.#carry(now);
    else if (this.state === 'Standby') this.#arm(true, now);
    else if (this.state === 'Fenced') this.#arm(false, now);
    else if (this.state === 'Off') this.#hangUpAgain(now);
  }

  /**
   * The kernel does not carry the session for us. Nothing can be sent and no reply can come: the link would draw false
   * conclusions from the silence.
   */
  disjoin(now: Instant): void {
    this.armed = false;
    this.proven = false;
    this.absorb(this.link.suspend(now), now);
    this.tell(now);
  }

  /** Say again how the kernel must be, since it refused some of it. The AC and the partner need not hear of it. */
  insist(now: Instant): void {
    const { facts } = this.snapshot;
    if (this.helper === undefined) return;
    this.emit(...this.demotion.restate());
    if (this.state === 'Waiting') return;
    if (this.state === 'Standby' || this.state === 'Fenced')
      return this.#arm(this.state === 'Standby', now);
    if (facts === null) this.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
    if (this.state === 'Off') return this.#hangUpAgain(now);
    if (this.link.status().phase === 'Dead') return this.#carry(now, { isRefused: true });
    if (facts === null) return;
    this.emit(attach(facts, true), { kind: 'gate', open: true }, configure(facts, true));
    this.emit({ kind: 'route', via: 'session' });
  }

  /** The helper died before the AC had let go: tell it again, or a reconnect would stay Off for ever. */
  #hangUpAgain(now: Instant): void {
    const { facts } = this.snapshot;
    if (this.role !== 'MASTER' || this.link.status().phase !== 'Dead') return;
    if (facts === null) return this.reconnects ? this.#dialAgain(now) : undefined;
    this.emit(attach(facts, true), { kind: 'gate', open: true });
    this.absorb(this.link.resume(facts, now), now);
    this.absorb(this.link.hangUp(now), now);
  }

  /** The session is down here: if the partner could carry it, let CARP move the role; if not yet, look again. */
  giveUp(cause: string, now: Instant): void {
    const partner = this.partner.fresh(now);
    if (!this.speaks() || this.proven || this.config.owner.policy !== 'follow-carp') return;
    if (!this.timers.isSet('down')) {
      this.timers.set('down', after(now, this.config.owner.downDemotion));
    }
    if (partner === undefined || !partner.healthy || this.demotion.has('watchdog')) return;
    this.timers.set('watchdog', after(now, WATCHDOG_SPAN));
    this.note('warn', cause, ['demote'], {});
    this.emit(...this.demotion.add('watchdog'));
  }

  #write(facts: SessionFacts | null): void {
    const { epoch, generation } = this.snapshot;
    const holder = this.config.owner.routerId;
    this.snapshot = { epoch, generation: generation + 1, holder, facts };
    this.emit({ kind: 'store', snapshot: this.snapshot });
  }

  /** The partner may know nothing of us but what it hears on the line. */
  isUnheard(now: Instant): boolean {
    return this.config.owner.hasPartner && this.partner.fresh(now)?.hearing !== true;
  }

  /** Of a session that the kernel has refused to carry nothing is claimed on the line. */
  claims(): boolean {
    const { facts } = this.snapshot;
    return this.speaks() && (facts === null || this.link.status().phase !== 'Dead');
  }

  announce(now: Instant): void {
    if (this.isUnheard(now)) this.timers.set('announce', after(now, ANNOUNCE_INTERVAL));
    this.emit({ kind: 'announce', epoch: this.snapshot.epoch });
  }

  tell(now: Instant): void {
    if (!this.config.owner.hasPartner) return;
    this.timers.set('tell', after(now, TELL_INTERVAL));
    const message: PartnerMessage = {
      sender: this.config.owner.routerId,
      role: this.role,
      healthy: this.helper?.carrier === true && !this.demotion.has('watchdog'),
      armed: this.armed && this.state === 'Standby',
      open: this.speaks(),
      proven: this.proven,
      yielding: this.demotion.has('handoff'),
      hearing: this.partner.fresh(now) !== undefined,
      snapshot: this.snapshot,
    };
    this.emit({ kind: 'tell-partner', message });
  }

  note(
    level: Note['level'],
    on: string,
    actions: readonly string[],
    facts: NonNullable<Note['facts']>,
  ): void {
    this.emit(ownerNote(level, this.state, this.state, on, actions, facts));
  }

  emit(...actions: readonly Action[]): void {
    this.#actions.push(...(this.unsaved ? actions.filter(isSayableUnsaved) : actions));
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
