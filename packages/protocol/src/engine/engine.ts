/**
 * The root engine of one session: what each event from the world means. Events become events of the ownership table,
 * or go to the link; what follows from them is `owner.ts`. It holds no PPP and no I/O.
 */
import { after, earliest, millis, seconds, type Instant } from '../time.ts';
import { FRAMES, sameKey } from './owner/actions.ts';
import { expire } from './owner/deadlines.ts';
import type { DemotionReason } from './owner/demotion.ts';
import type { Action, AdminVerb, Engine, Event, HelperState } from './events.ts';
import { type PartnerMessage, type Role, isNewer, type Snapshot } from '../session.ts';
import type { Hashes, Random } from './hashes.ts';
import { Link, type LinkStatus } from './link/link.ts';
import { Owner, RETRY_INTERVAL, SEEN_SPAN, type Takeover, type TimerName } from './owner/owner.ts';
import type { OwnerState } from './owner/ownership.ts';
import { refusal } from './owner/refusal.ts';
import type { SessionConfig } from './session-config.ts';

/** Who holds the session and why, as this router sees it. Instants are this host's. */
export interface OwnerStatus {
  readonly state: OwnerState;
  readonly role: Role;
  /** Whether the helper answers. */
  readonly helper: boolean;
  readonly carrier: boolean;
  /** The AC has answered within the echo budget. */
  readonly proven: boolean;
  /** On standby: the session is joined behind a closed gate, ready to be taken. */
  readonly armed: boolean;
  readonly snapshot: Snapshot;
  readonly demoted: readonly DemotionReason[];
  readonly partner: {
    readonly heardAt: Instant | undefined;
    /** Its last message, while that still counts. */
    readonly message: PartnerMessage | undefined;
  };
  /** The last time this router took the session, and how long until the AC answered. */
  readonly lastTakeover: Takeover | undefined;
}

/** Everything an operator may see of a session. */
export interface SessionStatus extends OwnerStatus {
  readonly link: LinkStatus;
  /** What ownership waits for, earliest first. */
  readonly waits: readonly { readonly name: TimerName; readonly at: Instant }[];
}

/** A partner that is heard and says that it cannot: a demotion in its favour has lost its point after this long. */
const UNHEALTHY_SPAN = seconds(5);
/** Two routers that took in the same epoch wait a random time within these bounds before one goes a step higher. */
const CONTEST = { low: 50, high: 500 };

export class SessionEngine implements Engine<Event, Action> {
  readonly #owner: Owner;
  readonly #random: Random;

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
    this.#random = random;
    this.#owner = new Owner(config, stored, new Link(config.link, hashes, random, wallClockAtZero));
  }

  handle(event: Event, now: Instant): readonly Action[] {
    this.#dispatch(event, now);
    const ready = (): void => this.#ready('hold-down over', now);
    for (const name of this.#owner.timers.expired(now)) expire(this.#owner, name, now, ready);
    return this.#owner.answer();
  }

  deadline(): Instant | undefined {
    return earliest(this.#owner.timers.next(), this.#owner.link.deadline());
  }

  status(now: Instant): SessionStatus {
    const { link, timers } = this.#owner;
    return { ...this.ownerStatus(now), link: link.status(), waits: timers.all() };
  }

  ownerStatus(now: Instant): OwnerStatus {
    return {
      state: this.#owner.state,
      role: this.#owner.role,
      helper: this.#owner.helper !== undefined,
      carrier: this.#owner.helper?.carrier ?? false,
      proven: this.#owner.proven,
      armed: this.#owner.armed && this.#owner.state === 'Standby',
      snapshot: this.#owner.snapshot,
      demoted: this.#owner.demotion.reasons(),
      partner: { heardAt: this.#owner.partner.heardAt, message: this.#owner.partner.fresh(now) },
      lastTakeover: this.#owner.lastTakeover,
    };
  }

  /** Why the operator's verb would be refused now, as a sentence; undefined if it would not. Changes nothing. */
  refusal(verb: AdminVerb, now: Instant): string | undefined {
    return refusal(this.#owner, verb, now);
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
      case 'counted':
      case 'session-closed':
        return this.#owner.toLink(event, now);
      default: {
        const unreachable: never = event;
        return unreachable;
      }
    }
  }

  #helperUp(state: HelperState, now: Instant): void {
    this.#owner.helper = state;
    this.#owner.role = this.#roleAtStart(state.role);
    // Silence on a line without carrier proves nothing: the link must know from the first.
    this.#owner.absorb(this.#owner.link.handle({ kind: 'carrier', up: state.carrier }, now), now);
    this.#owner.emit(...this.#owner.demotion.restate());
    if (this.#owner.state !== 'Waiting') {
      if (!this.#owner.speaks() || this.#owner.role === 'MASTER') this.#owner.restate(now);
      this.#owner.step(this.#owner.role === 'MASTER' ? 'Master' : 'Backup', 'helper-up', now);
    } else if (this.#isAdoptable(state)) {
      // It may have been held down when an earlier helper came.
      this.#owner.timers.clear('hold-down');
      this.#owner.emit(...this.#owner.demotion.drop('hold-down'));
      this.#owner.step('Adopt', 'helper-up', now);
    } else if (
      !this.#owner.config.owner.hasPartner ||
      this.#owner.partner.fresh(now) !== undefined
    ) {
      this.#ready('helper-up', now);
    } else {
      this.#owner.timers.set('hold-down', after(now, this.#owner.config.owner.holdDown));
      this.#owner.emit(...this.#owner.demotion.add('hold-down'));
      this.#owner.tell(now);
    }
  }

  #roleAtStart(carp: Role): Role {
    const { policy, routerId } = this.#owner.config.owner;
    if (policy === 'follow-carp') return carp;
    if (policy === 'pinned') return 'MASTER';
    return this.#owner.snapshot.holder === routerId ? 'MASTER' : 'BACKUP';
  }

  /** The supervisor alone was restarted: the kernel still carries the session that we last held. */
  #isAdoptable(state: HelperState): boolean {
    const { facts, holder } = this.#owner.snapshot;
    return (
      facts !== null &&
      holder === this.#owner.config.owner.routerId &&
      state.gateOpen &&
      this.#owner.role === 'MASTER' &&
      state.attached !== null &&
      sameKey(state.attached, facts.key)
    );
  }

  /** Leave Waiting, and act on the role that was found. */
  #ready(cause: string, now: Instant): void {
    this.#owner.timers.clear('hold-down');
    this.#owner.emit(...this.#owner.demotion.drop('hold-down'));
    this.#owner.step('Ready', cause, now);
    if (this.#owner.role !== 'MASTER') return;
    const partner = this.#owner.partner.fresh(now);
    const isOpen = partner !== undefined && partner.open && partner.role === 'MASTER';
    const isRival = isOpen || (this.#owner.snapshot.facts === null && this.#owner.isContested(now));
    this.#owner.step(isRival ? 'Rival' : 'Master', 'role MASTER at start', now);
  }

  #helperDown(now: Instant): void {
    this.#owner.helper = undefined;
    this.#owner.disjoin(now);
  }

  #roleIs(role: Role, now: Instant): void {
    if (this.#owner.config.owner.policy !== 'follow-carp') return;
    this.#owner.role = role;
    if (role !== 'MASTER') return this.#owner.step('Backup', `role ${role}`, now);
    // We know of no session, the partner says nothing, and yet it is on the line: what it carries a dial would end.
    const { state, snapshot } = this.#owner;
    const isBlind = state === 'Standby' && snapshot.facts === null && this.#owner.isContested(now);
    this.#owner.step(isBlind ? 'Rival' : 'Master', `role ${role}`, now);
  }

  #hear(message: PartnerMessage, now: Instant): void {
    const wasFresh = this.#owner.partner.fresh(now) !== undefined;
    const ours = this.#owner.snapshot;
    this.#owner.partner.hear(message, now);
    this.#owner.timers.set('partner', after(now, this.#owner.config.owner.partnerTimeout));
    // What we gave it, it cannot carry; a helper that is being restarted is not worth moving the session.
    if (message.healthy) this.#owner.timers.clear('unheard');
    else if (!wasFresh || !this.#owner.timers.isSet('unheard'))
      this.#owner.timers.set('unheard', after(now, UNHEALTHY_SPAN));
    if (isNewer(message.snapshot, ours)) this.#learn(message.snapshot, now);
    // It says so within a second of falling deaf; until it hears again, the line has to tell it.
    if (!message.hearing && this.#owner.claims() && !this.#owner.timers.isSet('announce'))
      this.#owner.announce(now);
    // What it has is older than what we have, or it may not know us yet: it need not wait for our next second.
    if (!wasFresh || isNewer(ours, message.snapshot)) this.#owner.tell(now);
    if (this.#owner.state === 'Waiting' && this.#owner.helper !== undefined)
      this.#ready('partner heard', now);
    // It wants to give the session back, so ours is the demotion that must go; while we give, its word is an old one.
    if (message.yielding && this.#owner.state !== 'Yielding')
      this.#owner.emit(...this.#owner.demotion.drop('handoff'));
    // It fares no better than we did.
    if (!message.healthy && !message.proven)
      this.#owner.emit(...this.#owner.demotion.drop('watchdog'));
    if (!message.open && message.role !== 'MASTER')
      this.#owner.step('Freed', 'partner released', now);
  }

  #learn(snapshot: Snapshot, now: Instant): void {
    const { epoch } = this.#owner.snapshot;
    this.#owner.snapshot = snapshot;
    this.#owner.previous = snapshot.facts ?? this.#owner.previous;
    // A split ends with the closing of a gate, which depends on nothing that must be on the disk first.
    if (this.#owner.speaks()) this.#owner.emit({ kind: 'gate', open: false });
    this.#owner.emit({ kind: 'store', snapshot });
    this.#owner.step('Newer', `partner epoch=${epoch}->${snapshot.epoch}`, now);
  }

  #ownMacHeard(epoch: number, now: Instant): void {
    this.#owner.partner.see(now);
    this.#owner.timers.set('unseen', after(now, SEEN_SPAN));
    if (epoch > this.#owner.snapshot.epoch)
      return this.#owner.step('Newer', `announce epoch=${epoch}`, now);
    if (!this.#owner.claims()) return;
    if (epoch < this.#owner.snapshot.epoch) return this.#owner.announce(now);
    const [high = 0, low = 0] = this.#random(2);
    const share = (high * 256 + low) / 0xffff;
    this.#owner.timers.set(
      'contest',
      after(now, millis(CONTEST.low + share * (CONTEST.high - CONTEST.low))),
    );
  }

  #admin(verb: AdminVerb, now: Instant): void {
    const refused = this.refusal(verb, now);
    if (refused !== undefined) return this.#owner.note('warn', `operator ${verb}`, [], { refused });
    const isManual = this.#owner.config.owner.policy === 'manual';
    switch (verb) {
      case 'handoff':
        if (!isManual) return this.#owner.step('Handoff', 'operator handoff', now);
        // Without CARP the operator's word is the role; the other router is told by hand.
        this.#owner.role = 'BACKUP';
        return this.#owner.step('Backup', 'operator handoff', now);
      case 'connect':
        if (isManual) this.#owner.role = 'MASTER';
        this.#owner.step('Connect', 'operator connect', now);
        return this.#owner.role === 'MASTER'
          ? this.#owner.step('Master', 'operator connect', now)
          : undefined;
      case 'disconnect':
        return this.#owner.step('Disconnect', 'operator disconnect', now);
      case 'reconnect':
        this.#owner.reconnects = true;
        return this.#owner.step('Disconnect', 'operator reconnect', now);
      default: {
        const unreachable: never = verb;
        return unreachable;
      }
    }
  }

  #carrierIs(up: boolean, event: Event, now: Instant): void {
    this.#owner.note(up ? 'info' : 'warn', up ? 'carrier' : 'carrier lost', [], {});
    if (this.#owner.helper !== undefined)
      this.#owner.helper = { ...this.#owner.helper, carrier: up };
    if (up) this.#owner.emit(...this.#owner.demotion.drop('watchdog'));
    this.#owner.absorb(this.#owner.link.handle(event, now), now);
    if (!up) {
      this.#owner.proven = false;
      this.#owner.giveUp('carrier lost', now);
    }
    this.#owner.tell(now);
  }

  #failed(event: Extract<Event, { kind: 'failed' }>, now: Instant): void {
    const { action, code, message } = event;
    this.#owner.note(action === 'store' ? 'error' : 'warn', `${action} failed`, [], {
      code,
      message,
    });
    // The next frame comes by itself; all else is said again, once the disk or the kernel takes it.
    if (FRAMES.has(action)) return;
    const isJoining = action === 'attach' || action === 'gate';
    // A session that is only being made is made anew.
    if (isJoining && this.#owner.speaks() && this.#owner.snapshot.facts === null)
      return this.#owner.toLink(event, now);
    this.#owner.timers.set('retry', after(now, RETRY_INTERVAL));
    if (action === 'store') this.#owner.unsaved = true;
    if (isJoining) this.#owner.disjoin(now);
  }
}
