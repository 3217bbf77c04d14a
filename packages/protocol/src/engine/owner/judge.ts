/**
 * Turns each event from the world into knowledge of this router and an event of the table (`ownership.ts`). `acts.ts`
 * turns the table's acts into frames and kernel calls.
 */
import { sameOctets } from '../../bytes.ts';
import { after, seconds, type Instant, type Millis } from '../../time.ts';
import {
  isLaterEpoch,
  changed,
  isNewer,
  isUntold,
  wholly,
  type PartnerMessage,
  type Role,
  type Snapshot,
} from '../../session.ts';
import type { Action, AdminVerb, Event, HelperState } from '../events.ts';
import type { LinkOutcome } from '../link/link.ts';
import { logTo, type Log } from '../out.ts';
import { FRAMES, sameKey } from './actions.ts';
import type { Acts } from './acts.ts';
import { Alarm } from './alarm.ts';
import type { Delegation } from './delegation.ts';
import type { Outbox } from './outbox.ts';
import { stepOwner, type OwnerEvent } from './ownership.ts';
import { refusal } from './refusal.ts';
import type { Refusal, Standing } from './standing.ts';
import { SEEN_SPAN, type OwnerWait, type Waits } from './waits.ts';
import { unreachable } from '../../unreachable.ts';

/** A refusal that recurs within this span is the same one: a refused action is retried every second. */
const REPEAT_SPAN = seconds(2);
/** The same for the LANs' configuration, whose retries are rarer. */
const LAN_REPEAT_SPAN = seconds(60);

export class Judge {
  readonly #standing: Standing;
  readonly #acts: Acts;
  readonly #waits: Waits;
  readonly #out: Outbox;
  readonly #delegation: Delegation;
  readonly #log: Log;
  /** The last refusal of each action. */
  readonly #refused = new Map<Action['kind'], { readonly code: string; readonly at: Instant }>();
  /** Undefined unless it is configured. */
  readonly #alarm: Alarm | undefined;

  constructor(standing: Standing, acts: Acts, delegation: Delegation, waits: Waits, out: Outbox) {
    this.#delegation = delegation;
    const { fastTakeover } = standing.config;
    this.#alarm = fastTakeover === undefined ? undefined : new Alarm(fastTakeover);
    this.#standing = standing;
    this.#acts = acts;
    this.#waits = waits;
    this.#out = out;
    this.#log = logTo(out.emit, 'owner', () => standing.state);
  }

  event(event: Event, now: Instant): void {
    switch (event.kind) {
      case 'helper-up':
        return this.#helperUp(event.state, now);
      case 'helper-down':
        this.#standing.helper = undefined;
        return void this.#step('Severed', 'helper-down', now);
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
      case 'clock-set':
        return this.#acts.clockSet(event.wallClockAtZero, now);
      case 'dhcp6':
        return this.#judge(this.#acts.dhcp6(event.message, now), now);
      case 'discovery':
        this.#overhear(event, now);
        return this.#toLink(event, now);
      case 'deadline':
      case 'ppp':
      case 'counted':
      case 'session-closed':
        return this.#toLink(event, now);
      default:
        return unreachable(event);
    }
  }

  /** A wait is over. */
  over(name: OwnerWait, now: Instant): void {
    const { demotion, helper, partner, claims } = this.#standing;
    switch (name) {
      case 'hold-down':
        return void (helper !== undefined && this.#leaveWaiting('hold-down over', now));
      case 'tell':
        return this.#acts.tell(now);
      case 'partner':
        return this.#partnerSilent(now);
      case 'alarm':
        return this.#alarmed(now);
      case 'unhealthy':
      case 'unheard':
        demotion.drop('handoff');
        return demotion.drop('watchdog');
      case 'unseen':
      case 'unannounced':
        if (partner.fresh(now) === undefined) this.#step('Freed', 'partner not seen', now);
        return this.#partnerMoved('partner not seen', now);
      case 'handoff':
        return void this.#step('Undo', 'handoff not carried out in time', now);
      case 'down':
        if (this.#acts.isAdvancing(now)) return this.#waits.ensure('patience', now);
        return void this.#step('Down', 'session down', now);
      case 'patience':
        return void this.#step('Down', 'session down', now);
      case 'release':
        return void this.#step('Released', 'partner silent', now);
      case 'watchdog':
        return this.#watchdogOver(now);
      case 'retry':
        return this.#retry(now);
      case 'settled':
        return void this.#step('Unblocked', 'settled', now);
      case 'answered':
        return undefined;
      case 'announce':
      case 'reclaim':
        return void this.#step('Claim', 'partner not heard', now);
      case 'lease':
        this.#out.unbar();
        return this.#acts.storeLease(now);
      case 'delegate':
        return this.#acts.delegate(now);
      case 'contest':
        return void (claims && this.#step('ContestOver', 'contest', now));
      default:
        return unreachable(name);
    }
  }

  /** After each event: the DHCPv6 client's deadline may have come, and a dial may have failed. */
  afterwards(now: Instant): void {
    this.#judge(this.#acts.dhcp6(undefined, now), now);
    if (!this.#waits.isPending('patience') || this.#acts.isAdvancing(now)) return;
    this.#waits.cancel('patience');
    this.#step('Down', 'session down, the dial failed', now);
  }

  // --- the table -------------------------------------------------------------------------------------------------

  /** @returns whether the event did anything in this state */
  #step(event: OwnerEvent, cause: string, now: Instant): boolean {
    const standing = this.#standing;
    const step = stepOwner(standing.state, event);
    const from = standing.place;
    if (step === undefined || (step.acts.length === 0 && step.next === from.state)) return false;
    const { epoch } = standing.snapshot;
    standing.enter(step.next);
    const at = this.#out.length;
    const outcomes = step.acts.flatMap((act) => this.#acts.perform(act, from, now));
    const { epoch: next } = standing.snapshot;
    const facts = { epoch: epoch === next ? epoch : `${epoch}->${next}` };
    const level = from.state === step.next ? 'debug' : 'info';
    const before = logTo(
      (note) => this.#out.insert(at, note),
      'owner',
      () => from.state,
    );
    before(level, cause, facts, { to: step.next, actions: step.acts });
    this.#judge(outcomes, now);
    return true;
  }

  /** Frames and time reach the link only while this router may speak, or is hanging up. */
  #toLink(event: Event, now: Instant): void {
    if (this.#standing.listens) this.#judge(this.#acts.link(event, now), now);
  }

  /**
   * A PADT for the session of our snapshot. A partner that holds the session receives it too, and handles it. If nobody
   * holds it, the session is gone (RFC 2516 §5.5); a takeover would only find that out 15 s later.
   */
  #overhear({ source, packet }: Extract<Event, { kind: 'discovery' }>, now: Instant): void {
    const key = this.#standing.snapshot.facts?.key;
    if (packet.code !== 'PADT' || packet.sessionId !== key?.sessionId) return;
    if (!sameOctets(source, key.acMac) || this.#standing.partner.carries(SEEN_SPAN, now)) return;
    this.#step('Ended', 'PADT', now);
  }

  #judge(outcomes: readonly LinkOutcome[], now: Instant): void {
    for (const outcome of outcomes) {
      switch (outcome.kind) {
        case 'opened':
          this.#standing.previous = outcome.facts;
          this.#step('Opened', 'session opened', now);
          break;
        case 'given':
          this.#acts.given(outcome.place, now);
          break;
        case 'proven':
          this.#step('Proven', 'Echo-Reply', now);
          break;
        case 'silent':
          this.#step('Silent', 'echo unanswered', now);
          this.#acts.tell(now);
          break;
        case 'closed':
          this.#closed(outcome.reason, now);
          break;
        default:
          return unreachable(outcome);
      }
    }
  }

  /** If the partner was seen on the line, the AC's silence proves nothing: the partner may hold the session. */
  #closed(reason: string, now: Instant): void {
    if (!this.#standing.isContested(now)) this.#step('Closed', reason, now);
    else this.#step('Contested', `${reason}, partner seen on the line`, now);
  }

  // --- helper, kernel, disk --------------------------------------------------------------------------------------

  #helperUp(state: HelperState, now: Instant): void {
    const standing = this.#standing;
    standing.helper = state;
    standing.role = this.#roleAtStart(state.role);
    // The link must know of a missing carrier first, or it would take the silence for the AC's.
    this.#judge(this.#acts.link({ kind: 'carrier', up: state.carrier }, now), now);
    this.#helperFound(state, now);
    // Once, and last: a demotion that was in force before we started must not be interrupted.
    standing.demotion.restate();
  }

  #helperFound(state: HelperState, now: Instant): void {
    const standing = this.#standing;
    this.#roleSource(standing.role, now);
    if (this.#isAdoptable(state) && this.#step('Adopt', 'helper-up', now)) return;
    const mustWait = standing.config.hasPartner && standing.partner.fresh(now) === undefined;
    if (!mustWait && this.#ready('helper-up', now)) return;
    this.#step(standing.role === 'MASTER' ? 'HelperMaster' : 'HelperBackup', 'helper-up', now);
  }

  #roleAtStart(carp: Role): Role {
    const { config, role, snapshot } = this.#standing;
    if (config.policy === 'follow-carp') return carp;
    if (config.policy === 'pinned') return 'MASTER';
    // A new helper is no word of the operator's.
    if (role !== 'INIT') return role;
    return snapshot.holder === config.routerId ? 'MASTER' : 'BACKUP';
  }

  /** The supervisor alone was restarted: the kernel still carries the session that we last held. */
  #isAdoptable(state: HelperState): boolean {
    const { role, config, snapshot } = this.#standing;
    const { facts, holder } = snapshot;
    return (
      facts !== null &&
      holder === config.routerId &&
      state.gateOpen &&
      role === 'MASTER' &&
      state.attached !== null &&
      sameKey(state.attached, facts.key)
    );
  }

  /**
   * As `#leaveWaiting`, unless that would break off the partner's dial: CARP may prefer this router, and moves the role as
   * soon as it is not demoted any more. The hold-down ends that wait, too.
   */
  #ready(cause: string, now: Instant): boolean {
    const { role, partner } = this.#standing;
    const isBreakingOff = role !== 'MASTER' && this.#standing.partnerDials(now);
    if (isBreakingOff && partner.fresh(now)?.healthy === true) return false;
    return this.#leaveWaiting(cause, now);
  }

  /** Leave Waiting, and act on the current role. @returns whether it was Waiting */
  #leaveWaiting(cause: string, now: Instant): boolean {
    if (!this.#step('Ready', cause, now)) return false;
    if (this.#standing.role !== 'MASTER') return true;
    const partner = this.#standing.partner.fresh(now);
    const isOpen = partner !== undefined && partner.open && partner.role === 'MASTER';
    const isRival = isOpen || this.#isBlind(now);
    this.#step(isRival ? 'Rival' : 'Master', 'role MASTER at start', now);
    return true;
  }

  /**
   * We have no snapshot and hear no datagrams, but we see the partner's frames. Dialling now would end the session it
   * may hold.
   */
  #isBlind(now: Instant): boolean {
    return this.#standing.snapshot.facts === null && this.#standing.isContested(now);
  }

  #carrierIs(up: boolean, event: Event, now: Instant): void {
    const standing = this.#standing;
    this.#log(up ? 'info' : 'warn', up ? 'carrier' : 'carrier lost');
    if (standing.helper !== undefined) standing.helper = { ...standing.helper, carrier: up };
    if (up) standing.demotion.drop('watchdog');
    this.#judge(this.#acts.link(event, now), now);
    if (!up) this.#step('Silent', 'carrier lost', now);
    this.#acts.tell(now);
  }

  #failed(event: Extract<Event, { kind: 'failed' }>, now: Instant): void {
    const { action, code, message } = event;
    const isNews =
      action === 'delegate'
        ? this.#isNews(action, message, LAN_REPEAT_SPAN, now)
        : this.#isNews(action, code, REPEAT_SPAN, now);
    const level = action === 'store' ? 'error' : isNews ? 'warn' : 'debug';
    this.#log(level, `${action} failed`, { code, message });
    // Frames are not repeated: the next one comes by itself. Every other action is retried.
    if (FRAMES.has(action)) return;
    // The session serves without it; only the LANs wait.
    if (action === 'delegate') return this.#waits.begin('delegate', now);
    const isJoining = action === 'attach' || action === 'gate';
    // A session still in negotiation is dialled again.
    if (isJoining && this.#standing.holds && this.#standing.snapshot.facts === null)
      return this.#toLink(event, now);
    const unstored = action === 'store' ? this.#out.bar() : undefined;
    if (unstored === 'session') this.#acts.unsaid();
    this.#waits.begin(unstored === 'lease' ? 'lease' : 'retry', now);
    if (isJoining) this.#step('Severed', `${action} failed`, now);
    if (action === 'configure' || action === 'route') this.#blocked({ action, code, message }, now);
  }

  /** An action that is retried every second and refused each time is logged once. */
  #isNews(action: Action['kind'], code: string, span: Millis, now: Instant): boolean {
    const before = this.#refused.get(action);
    this.#refused.set(action, { code, at: now });
    return before?.code !== code || now > after(before.at, span);
  }

  /** The session may be proven nevertheless: the AC's answers do not pass the interface. */
  #blocked(refused: Refusal, now: Instant): void {
    if (this.#standing.snapshot.facts === null) return;
    const isFirst = this.#standing.refused === undefined;
    this.#standing.refuse(refused);
    if (this.#step('Blocked', `${refused.action} failed`, now) && isFirst)
      this.#log('warn', 'nothing is forwarded: the kernel refuses', { ...refused });
  }

  #retry(now: Instant): void {
    const wasBarred = this.#out.isBarred;
    if (wasBarred) this.#out.unbar();
    if (this.#standing.helper !== undefined || wasBarred) this.#standing.demotion.restate();
    if (wasBarred) this.#step('Rewrite', 'retry', now);
    else if (this.#standing.helper !== undefined) this.#step('Retry', 'retry', now);
  }

  // --- CARP and the partner --------------------------------------------------------------------------------------

  #roleIs(role: Role, now: Instant): void {
    if (this.#standing.config.policy !== 'follow-carp') return;
    this.#standing.role = role;
    this.#roleSource(role, now);
    if (role !== 'MASTER') return void this.#step('Backup', `role ${role}`, now);
    this.#step(this.#isBlind(now) ? 'Rival' : 'Master', `role ${role}`, now);
  }

  /** A role that cannot be read is no sign that another router is MASTER: CARP may go on behind our back (rule R11). */
  #roleSource(role: Role, now: Instant): void {
    const isLost = role === 'INIT' && this.#standing.config.hasPartner;
    if (isLost === this.#standing.demotion.has('no-role')) return;
    if (isLost) this.#log('warn', 'the role cannot be read: demoted until it can');
    this.#step(isLost ? 'RoleLost' : 'RoleFound', `role ${role}`, now);
  }

  #hear(message: PartnerMessage, now: Instant): void {
    const { partner, demotion, snapshot: ours } = this.#standing;
    const wasFresh = partner.fresh(now) !== undefined;
    partner.hear(message, now);
    this.#waits.begin('partner', now);
    this.#waits.cancel('unheard');
    if (message.open && message.role === 'MASTER') this.#signOfLife('heard', now);
    else this.#alarm?.clear();
    // A demotion for an unhealthy partner has no purpose. Wait before removing it: the partner's helper may only restart.
    if (message.healthy) this.#waits.cancel('unhealthy');
    else this.#waits.ensure('unhealthy', now);
    const theirs = inLostMemory(message.snapshot, ours);
    if (isNewer(theirs, ours)) this.#learn(this.#withOurs(theirs), now);
    else if (this.#isTold(theirs)) this.#toldOf(theirs, now);
    if (!message.open && this.#waits.isPending('release')) {
      this.#waits.cancel('release');
      this.#step('Released', 'partner stopped dialling', now);
    }
    // A partner that stops receiving us says so within a second. Until it receives us again, announce on the line.
    if (!message.hearing && !this.#waits.isPending('announce') && !this.#waits.isPending('reclaim'))
      this.#step('Claim', 'partner does not hear us', now);
    // Its snapshot is older than ours, or it may not know us yet: answer now, not at the next second.
    if (!wasFresh || isNewer(ours, message.snapshot)) this.#acts.tell(now);
    if (this.#standing.helper !== undefined) this.#ready('partner heard', now);
    // While we are handing over, the table ignores this flag: the message is stale.
    // So is that of a partner that cannot read its role: with both demoted, CARP would stay where nobody forwards.
    if ((message.yielding || message.role === 'INIT') && demotion.has('handoff'))
      this.#step('GivenBack', 'partner yields', now);
    // The partner's session is down too, so our watchdog demotion has no purpose.
    if (!message.healthy && !message.proven) demotion.drop('watchdog');
    if (!message.open && message.role !== 'MASTER') this.#step('Freed', 'partner released', now);
    this.#partnerMoved('partner heard', now);
  }

  #learn(theirs: Snapshot, now: Instant): void {
    const { epoch, lease } = this.#standing.snapshot;
    const snapshot = this.#delegation.learnt(theirs, this.#standing.snapshot, now);
    this.#standing.snapshot = snapshot;
    this.#standing.end(false);
    this.#standing.previous = snapshot.facts ?? this.#standing.previous;
    // The LANs get the new lease even if the table does nothing.
    const acted = this.#step('Newer', `partner epoch=${epoch}->${snapshot.epoch}`, now);
    if (!acted && snapshot.lease !== lease) this.#acts.delegate(now);
    if (snapshot.holder !== this.#standing.config.routerId) this.#roleTaken('partner took', now);
  }

  /** Under `manual` the operator has given the role to the partner, and only the operator gives it back. */
  #roleTaken(cause: string, now: Instant): void {
    const { config, role } = this.#standing;
    if (config.policy !== 'manual' || role !== 'MASTER') return;
    this.#standing.role = 'BACKUP';
    this.#step('Backup', cause, now);
  }

  /** The partner took over before it knew of our session, which is still valid: keep it in the snapshot that we send. */
  #withOurs(theirs: Snapshot): Snapshot {
    const { snapshot, config } = this.#standing;
    const isKept = isUntold(theirs, snapshot) && snapshot.holder === config.routerId;
    return isKept ? { ...wholly(theirs), facts: snapshot.facts } : theirs;
  }

  /**
   * We took over without a session and have made none. The previous holder now reports that it had opened one: in its last
   * snapshot, or in an answer to ours.
   */
  #isTold(theirs: Snapshot): boolean {
    const { snapshot: ours, config, before } = this.#standing;
    // A session of our own, even a half-made one, has raised the generation.
    const isBlank = ours.facts === null && ours.generation === 0;
    if (ours.holder !== config.routerId || !isBlank || theirs.facts === null) return false;
    const isAnswer = !isNewer(ours, theirs);
    return isAnswer || (before !== undefined && isUntold(ours, theirs) && isNewer(theirs, before));
  }

  #toldOf(theirs: Snapshot, now: Instant): void {
    const ours = this.#standing.snapshot;
    const { facts, lease } = this.#delegation.learnt(theirs, ours, now);
    this.#standing.snapshot = changed(ours, lease === undefined ? { facts } : { facts, lease });
    this.#standing.previous = facts;
    this.#step('Told', 'the partner had opened a session', now);
  }

  #ownMacHeard(epoch: number, now: Instant): void {
    const { partner, snapshot, claims, config } = this.#standing;
    if (!config.hasPartner || config.policy === 'pinned') return;
    const cause = `announce epoch=${epoch}`;
    const isHeard = partner.fresh(now) !== undefined;
    // The partner is behind, and falls silent once it sees us: it holds no session that counts.
    if (isLaterEpoch(snapshot.epoch, epoch)) {
      if (!isHeard && !this.#waits.isPending('answered') && this.#step('Claim', cause, now))
        this.#waits.begin('answered', now);
      return;
    }
    partner.see(now);
    this.#waits.cancel('unannounced');
    this.#waits.begin('unseen', now);
    this.#signOfLife('seen', now);
    // The partner's datagrams arrive, and say more than an announce frame.
    if (isHeard) return;
    if (isLaterEpoch(epoch, snapshot.epoch)) {
      this.#step('Outbid', cause, now);
      this.#roleTaken(cause, now);
    } else if (claims) this.#step('Tied', cause, now);
    this.#partnerMoved(cause, now);
  }

  #signOfLife(how: 'heard' | 'seen', now: Instant): void {
    if (this.#alarm === undefined) return;
    this.#alarm[how](now);
    this.#waits.begin('alarm', now);
  }

  /** Ask for the role only if this router could take the session over at once. CARP has the last word. */
  #alarmed(now: Instant): void {
    const { isArmed, role, helper, demotion } = this.#standing;
    const verdict = this.#alarm?.over(now);
    if (verdict === 'asleep') this.#waits.begin('alarm', now);
    const isReady = isArmed && role === 'BACKUP' && helper?.carrier === true;
    if (verdict !== 'dead' || !isReady || demotion.reasons().length > 0) return;
    this.#log('warn', 'partner dead on every path', {}, { actions: ['claim'] });
    this.#out.emit({ kind: 'claim' });
  }

  /**
   * Keep a demotion in the partner's favour for a while: its supervisor may only be restarting, and removing the demotion
   * would move the session. If the whole router is dead, CARP notices.
   */
  #partnerSilent(now: Instant): void {
    this.#log('warn', 'partner silent');
    this.#waits.cancel('unhealthy');
    this.#waits.begin('unheard', now);
    if (!this.#standing.partner.seenWithin(SEEN_SPAN, now)) this.#freed('partner silent', now);
    this.#step('Claim', 'partner silent', now);
    this.#partnerMoved('partner silent', now);
  }

  /** Our knowledge of the partner has changed, so the default route may have to (rule R13). */
  #partnerMoved(cause: string, now: Instant): void {
    if (this.#standing.helper !== undefined && this.#standing.via(now).isNews)
      this.#step('Rerouted', cause, now);
  }

  /** With no snapshot we would dial. Wait for an announce first: the partner may have just dialled. */
  #freed(cause: string, now: Instant): void {
    if (this.#standing.snapshot.facts !== null) this.#step('Freed', cause, now);
    else this.#waits.begin('unannounced', now);
  }

  /** Try again on this line, unless it has no carrier. */
  #watchdogOver(now: Instant): void {
    const { helper, demotion } = this.#standing;
    if (helper?.carrier === true) demotion.drop('watchdog');
    else if (demotion.has('watchdog')) this.#waits.begin('watchdog', now);
  }

  // --- the operator ----------------------------------------------------------------------------------------------

  #admin(verb: AdminVerb, now: Instant): void {
    const refused = refusal(this.#standing, verb, now);
    if (refused !== undefined) return this.#log('warn', `operator ${verb}`, { refused });
    const cause = `operator ${verb}`;
    const isManual = this.#standing.config.policy === 'manual';
    switch (verb) {
      case 'handoff':
        if (!isManual) return void this.#step('Handoff', cause, now);
        // Without CARP the operator sets the role, on each router by hand.
        this.#standing.role = 'BACKUP';
        return void this.#step('Backup', cause, now);
      case 'connect':
        if (isManual) this.#standing.role = 'MASTER';
        this.#step('Connect', cause, now);
        return void (this.#standing.role === 'MASTER' && this.#step('Master', cause, now));
      case 'disconnect':
        return void this.#step('Disconnect', cause, now);
      case 'reconnect':
        return void this.#step('Reconnect', cause, now);
      default:
        return unreachable(verb);
    }
  }
}

/**
 * If our disk has lost its snapshot (we have an epoch that nobody holds), use the partner's knowledge of the session. Keep
 * our epoch, which may be later than the partner's.
 */
function inLostMemory(theirs: Snapshot, ours: Snapshot): Snapshot {
  const isLost = ours.epoch !== 0 && ours.holder === 0;
  if (!isLost || theirs.holder === 0 || !isLaterEpoch(ours.epoch, theirs.epoch)) return theirs;
  return { ...theirs, epoch: ours.epoch, generation: 0 };
}
