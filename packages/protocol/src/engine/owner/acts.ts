/**
 * What each act of the table (`ownership.ts`) amounts to in frames, kernel calls and datagrams. It is told which act by
 * `judge.ts`; it judges no event.
 *
 * Each act restates the whole of what must be true (attach, gate, addresses, route), because the helper's verbs are
 * idempotent: so the same act serves a takeover, a helper that was restarted, and a disk that has come back. Whatever
 * changes the snapshot stores it first (a barrier), and only then speaks.
 */
import { millis, type Instant } from '../../time.ts';
import {
  changed,
  taken,
  type SessionFacts,
  type SessionPlace,
  type Snapshot,
  type SnapshotChange,
} from '../../session.ts';
import { formatSessionId } from '../../wire/pppoe.ts';
import type { Dhcp6Message } from '../../wire/dhcpv6.ts';
import type { Dhcp6Signal } from '../dhcp6/client.ts';
import type { Event } from '../events.ts';
import type { Random } from '../hashes.ts';
import type { Link, LinkOutcome } from '../link/link.ts';
import { logTo, type Log } from '../out.ts';
import { attach, configure, endingIn, padt } from './actions.ts';
import type { Delegation } from './delegation.ts';
import type { Outbox } from './outbox.ts';
import type { OwnerAct } from './ownership.ts';
import type { Place, Standing } from './standing.ts';
import type { Waits } from './waits.ts';

/** Added to the Identifiers of one of two routers, so that neither begins where the other did. */
const OWN_WAY = 43;

export class Acts {
  readonly #standing: Standing;
  readonly #link: Link;
  readonly #waits: Waits;
  readonly #out: Outbox;
  readonly #random: Random;
  readonly #delegation: Delegation;
  readonly #log: Log;
  /** Link events that occurred during this act. */
  #outcomes: LinkOutcome[] = [];

  constructor(
    standing: Standing,
    link: Link,
    delegation: Delegation,
    waits: Waits,
    out: Outbox,
    random: Random,
  ) {
    this.#delegation = delegation;
    this.#standing = standing;
    this.#link = link;
    this.#waits = waits;
    this.#out = out;
    this.#random = random;
    this.#log = logTo(out.emit, 'owner', () => standing.state);
  }

  /** @param from where this router was before; @returns what the link says to it, to be judged next */
  perform(act: OwnerAct, from: Place, now: Instant): readonly LinkOutcome[] {
    this.#act(act, from, now);
    return this.#heard();
  }

  /** The link takes an event of its own: a frame, the time, the carrier. */
  link(event: Event, now: Instant): readonly LinkOutcome[] {
    this.#tellLink(now, (link) => link.handle(event, now));
    return this.#heard();
  }

  /** A dial goes on, and the AC answers it. */
  isAdvancing(now: Instant): boolean {
    return this.#link.isAdvancing(now);
  }

  /** The link has a session, or is making one. */
  get hasSession(): boolean {
    return this.#link.hasSession;
  }

  /** A DHCPv6 server's answer, or the time that the client waits for. */
  dhcp6(message: Dhcp6Message | undefined, now: Instant): readonly LinkOutcome[] {
    const delegation = this.#delegation;
    this.#leased(
      message === undefined ? delegation.expire(now) : delegation.receive(message, now),
      now,
    );
    return this.#heard();
  }

  /** What the LANs have of the lease that this router knows of. */
  delegate(now: Instant): void {
    this.#delegation.delegate(this.#standing.snapshot.lease ?? null, now);
  }

  tell(now: Instant): void {
    if (!this.#standing.config.hasPartner) return;
    this.#waits.begin('tell', now);
    if (this.#standing.config.fastTakeover !== undefined) this.#beat();
    const snapshot = this.#inUse(this.#standing.snapshot);
    this.#out.emit({ kind: 'tell-partner', message: this.#standing.message(snapshot, now) });
  }

  /** A successor goes on from the Identifier that was used last, not from the one of the day the session came up. */
  #inUse(snapshot: Snapshot): Snapshot {
    const facts = snapshot.facts && this.#link.used(snapshot.facts);
    return facts === snapshot.facts ? snapshot : { ...snapshot, facts };
  }

  /** On the line too: a partner that waits for our death must see that we live on each path. */
  #beat(): void {
    const { claims, snapshot } = this.#standing;
    // A kernel that has refused the session may refuse it again: nothing is announced before it has not.
    if (claims && snapshot.facts !== null && !this.#waits.isPending('reclaim'))
      this.#out.emit({ kind: 'announce', epoch: snapshot.epoch });
  }

  #act(act: OwnerAct, from: Place, now: Instant): void {
    const { demotion } = this.#standing;
    switch (act) {
      case 'holdDown':
        this.#waits.begin('hold-down', now);
        demotion.add('hold-down');
        return this.tell(now);
      case 'lift':
        this.#waits.cancel('hold-down');
        return demotion.drop('hold-down');
      case 'arm':
        return this.#arm(true, now);
      case 'shut':
        return this.#arm(false, now);
      case 'take':
        return this.#take(from, now);
      case 'carry':
        return this.#carry(now);
      case 'release':
        return this.#release(now);
      case 'store':
        return this.#out.emit({ kind: 'store', snapshot: this.#standing.snapshot });
      case 'sever':
        return this.#sever(now);
      case 'insist':
        return this.#insist(now);
      case 'block':
        this.#waits.ensure('down', now);
        return this.#waits.begin('settled', now);
      case 'unblock':
        return this.#unblock(now);
      case 'reroute':
        return this.#reroute(now);
      case 'forget':
        return this.#forget(now);
      case 'standBack':
        return demotion.add('no-role');
      case 'standForth':
        return demotion.drop('no-role');
      case 'announce':
        return this.#announce(now);
      case 'defer':
        return this.#defer(now);
      case 'install':
        return this.#install(now);
      case 'prove':
        return this.#prove(now);
      case 'doubt':
        return this.#doubt();
      case 'giveUp':
        return this.#giveUp(now);
      case 'clear':
        return this.#out.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
      case 'end':
        return this.#end(now);
      case 'redial':
        this.#waits.ensure('down', now);
        return this.#dial(now);
      case 'demote':
        this.#waits.begin('handoff', now);
        demotion.add('handoff');
        return this.tell(now);
      case 'promote':
        this.#waits.cancel('handoff');
        demotion.drop('handoff');
        demotion.drop('watchdog');
        return this.tell(now);
      case 'undemote':
        return demotion.drop('handoff');
      case 'leave':
        return this.#leave(now);
      case 'hangUp':
        return this.#hangUp(now);
      case 'hangUpAgain':
        return this.#hangUpAgain(now);
      default: {
        const unreachable: never = act;
        return unreachable;
      }
    }
  }

  // --- holding ---------------------------------------------------------------------------------------------------

  #take(from: Place, now: Instant): void {
    const standing = this.#standing;
    const before = standing.snapshot;
    const facts = factsFrom(from, before);
    const next = taken(before, standing.config.routerId);
    // A generation tells the partner that the session ended, not that we know of none.
    standing.snapshot = facts === before.facts ? next : changed(next, { facts });
    standing.tookFrom(before);
    const theirs = standing.partner.last?.snapshot.facts;
    if (before.holder !== standing.config.routerId && theirs != null) this.#link.heardOf(theirs);
    standing.lastTakeover = { at: now, epoch: standing.snapshot.epoch };
    this.#out.emit({ kind: 'store', snapshot: standing.snapshot });
    this.#carry(now);
  }

  /**
   * Gate, announce, proof, partner. The helper has opened gate, interface and route already, in one act at the edge; all
   * three are said again here, which repairs what the kernel refused.
   */
  #carry(now: Instant, { isRefused = false } = {}): void {
    const standing = this.#standing;
    const { facts } = standing.snapshot;
    // Without the helper nothing can be done; `helper-up` decides again.
    if (standing.helper === undefined) return this.tell(now);
    standing.path = 'unproven';
    // Carried again every second while the disk is full, the session must not put the watchdog off for ever.
    this.#waits.ensure('down', now);
    this.#waits.cancel('release');
    if (facts === null) {
      // A dial beside the session that the partner may just have opened would be refused, or end that one.
      if (standing.partnerDials(now)) this.#waits.begin('release', now);
      else this.#dial(now);
      this.delegate(now);
      return this.tell(now);
    }
    this.#out.emit(attach(facts, true), { kind: 'gate', open: true });
    // Announce only after the next attach succeeds.
    if (isRefused) {
      this.#waits.cancel('announce');
      this.#waits.begin('reclaim', now);
    } else this.#announce(now);
    this.#tellLink(now, (link) => link.resume(this.#unused(facts), now));
    this.#out.emit(configure(facts, true), { kind: 'route', via: 'session' });
    this.delegate(now);
    this.#leased(this.#delegation.up(standing.snapshot, now), now);
    this.tell(now);
  }

  /**
   * The Identifier that was used last in this session, as far as we know, and each router its own way from there: an answer
   * to what the other one asked must not be taken for an answer to us.
   */
  #unused(facts: SessionFacts): SessionFacts {
    const { identifiers } = this.#link.used(facts);
    const lcp = (identifiers.lcp + OWN_WAY * (this.#standing.config.routerId & 1)) & 0xff;
    return { ...facts, identifiers: { ...identifiers, lcp } };
  }

  /** Stored after the first frames of the dial, which do not depend on it. */
  given(place: SessionPlace, now: Instant): void {
    if (!this.#standing.holds) return;
    this.#write({ halfMade: place });
    this.tell(now);
  }

  #dial(now: Instant): void {
    this.#endHalfMade(now);
    this.#tellLink(now, (link) => link.dial(this.#standing.previous, now));
  }

  /** One that an earlier dial left at the AC, of this router or its partner: the AC would refuse another beside it. */
  #endHalfMade(now: Instant): void {
    const { halfMade } = this.#standing.snapshot;
    if (halfMade === undefined || this.#link.hasSession || this.#isContested(now)) return;
    const { sessionId, acMac } = halfMade;
    const session = formatSessionId(sessionId);
    this.#log('info', 'a dial was left unfinished', { session }, { actions: ['send PADT'] });
    this.#out.emit(padt(acMac, sessionId));
    this.#write({ facts: null });
  }

  #install(now: Instant): void {
    const { previous } = this.#standing;
    if (previous === null) return;
    this.#write({ facts: previous });
    this.#out.emit(configure(previous, true), { kind: 'route', via: 'session' });
    this.#leased(this.#delegation.up(this.#standing.snapshot, now), now);
    // A partner that does not hear us may be on the line, and must not dial over this session.
    if (this.#standing.isUnheard(now)) this.#announce(now);
  }

  #prove(now: Instant): void {
    const { lastTakeover } = this.#standing;
    this.#standing.path = 'proven';
    if (this.#standing.refused === undefined) this.#waits.cancel('down', 'patience');
    if (lastTakeover !== undefined && lastTakeover.provenAfter === undefined) {
      const provenAfter = millis(now - lastTakeover.at);
      this.#standing.lastTakeover = { ...lastTakeover, provenAfter };
    }
    this.tell(now);
  }

  #unblock(now: Instant): void {
    this.#standing.refuse(undefined);
    this.#log('info', 'the kernel forwards again');
    this.#standing.demotion.drop('watchdog');
    if (this.#standing.isProven) this.#waits.cancel('down', 'patience');
    this.tell(now);
  }

  #doubt(): void {
    if (this.#standing.isProven) this.#standing.path = 'unproven';
  }

  #end(now: Instant): void {
    this.#doubt();
    this.#leased(this.#delegation.down(now), now);
    const { facts, halfMade } = this.#standing.snapshot;
    if (facts === null && halfMade === undefined) return;
    this.#write({ facts: null });
    if (facts === null) return this.tell(now);
    this.#out.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
    this.tell(now);
  }

  #insist(now: Instant): void {
    const { facts } = this.#standing.snapshot;
    if (this.#standing.helper === undefined) return;
    if (facts === null) this.#out.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
    if (this.#standing.path === 'severed') return this.#carry(now, { isRefused: true });
    if (facts === null) return;
    this.#out.emit(attach(facts, true), { kind: 'gate', open: true }, configure(facts, true));
    this.#out.emit({ kind: 'route', via: 'session' });
    this.delegate(now);
  }

  /** If the partner could hold the session, let CARP move the role; if not yet, look again. */
  #giveUp(now: Instant): void {
    const { config, demotion, partner } = this.#standing;
    if (config.policy !== 'follow-carp') return;
    this.#waits.ensure('down', now);
    if (partner.fresh(now)?.healthy !== true || demotion.has('watchdog')) return;
    this.#waits.begin('watchdog', now);
    this.#log('warn', 'session down, partner healthy', {}, { actions: ['demote'] });
    demotion.add('watchdog');
  }

  #announce(now: Instant): void {
    if (!this.#standing.claims) return;
    if (this.#standing.isUnheard(now)) this.#waits.begin('announce', now);
    this.#out.emit({ kind: 'announce', epoch: this.#standing.snapshot.epoch });
  }

  #defer(now: Instant): void {
    const [high = 0, low = 0] = this.#random(2);
    this.#waits.beginContest((high * 256 + low) / 0xffff, now);
  }

  // --- not holding -----------------------------------------------------------------------------------------------

  #release(now: Instant): void {
    this.#waits.cancel('down', 'patience', 'release');
    this.#waits.cancel('announce', 'reclaim', 'contest', 'handoff', 'settled');
    this.#out.emit({ kind: 'gate', open: false });
    this.#tellLink(now, (link) => link.suspend(now));
    this.#leased(this.#delegation.down(now), now);
  }

  /** Ready to take over: everything but the gate and the interface's up flag. */
  #arm(autoOpen: boolean, now: Instant): void {
    const facts = factsFrom(this.#standing.place, this.#standing.snapshot);
    if (this.#standing.helper === undefined) return this.tell(now);
    this.#standing.arm(facts !== null);
    if (facts === null) this.#out.emit({ kind: 'detach' });
    else {
      this.#out.emit(attach(facts, autoOpen), { kind: 'gate', open: false });
      this.#out.emit(configure(facts, false));
    }
    this.#reroute(now);
    this.delegate(now);
    this.tell(now);
  }

  #reroute(now: Instant): void {
    if (this.#standing.helper === undefined) return;
    const { via } = this.#standing.via(now);
    this.#standing.routed(via);
    this.#out.emit({ kind: 'route', via });
  }

  #forget(now: Instant): void {
    this.#standing.end(true);
    this.#standing.arm(false);
    this.#out.emit({ kind: 'detach' });
    this.tell(now);
  }

  #sever(now: Instant): void {
    this.#standing.arm(false);
    this.#standing.path = 'severed';
    this.#tellLink(now, (link) => link.suspend(now));
    this.#leased(this.#delegation.down(now), now);
    this.tell(now);
  }

  /** Otherwise the AC would keep the session, and a reconnect would never dial. */
  #hangUpAgain(now: Instant): void {
    const { facts } = this.#standing.snapshot;
    if (this.#standing.helper === undefined) return;
    if (facts === null) this.#out.emit({ kind: 'route', via: 'none' }, { kind: 'deconfigure' });
    if (this.#standing.path !== 'severed') return;
    if (facts !== null) {
      this.#out.emit(attach(facts, true), { kind: 'gate', open: true });
      this.#tellLink(now, (link) => link.resume(facts, now));
    }
    this.#standing.path = 'unproven';
    this.#endSession(now);
  }

  #leave(now: Instant): void {
    const releasing = this.#delegation.release(this.#standing.snapshot.facts, now);
    if (releasing === undefined) return this.#hangUp(now);
    return this.#leased(releasing, now);
  }

  #hangUp(now: Instant): void {
    this.#leased(this.#delegation.down(now), now);
    this.#endSession(now);
  }

  #endSession(now: Instant): void {
    this.#tellLink(now, (link) => link.hangUp(endingIn(this.#standing.state), now));
  }

  /** What the DHCPv6 client has to say. A lease is stored before the LANs hear of it (R5). */
  #leased(signals: readonly Dhcp6Signal[], now: Instant): void {
    for (const signal of signals) {
      if (signal.kind === 'lease') {
        this.#write({ lease: signal.lease });
        this.#leaseStored(now);
      } else this.#endSession(now);
    }
  }

  /** Again, after the disk refused it. */
  storeLease(now: Instant): void {
    this.#out.emit({ kind: 'store', snapshot: this.#standing.snapshot });
    this.#leaseStored(now);
  }

  #leaseStored(now: Instant): void {
    this.delegate(now);
    this.tell(now);
  }

  #write(change: SnapshotChange): void {
    const holder = this.#standing.config.routerId;
    this.#standing.snapshot = changed(this.#standing.snapshot, { holder, ...change });
    this.#out.emit({ kind: 'store', snapshot: this.#standing.snapshot });
  }

  #tellLink(now: Instant, tell: (link: Link) => readonly LinkOutcome[]): void {
    this.#isContested(now);
    this.#outcomes.push(...tell(this.#link));
  }

  /** A PADT to a line where the partner was seen would end what may be its session: the outbox holds it back. */
  #isContested(now: Instant): boolean {
    this.#out.isContested = this.#standing.isContested(now);
    return this.#out.isContested;
  }

  #heard(): readonly LinkOutcome[] {
    const outcomes = this.#outcomes;
    this.#outcomes = [];
    return outcomes;
  }
}

/** Null for a session that the AC is known to have ended. */
const factsFrom = (place: Place, { facts }: Snapshot): SessionFacts | null =>
  'isEnded' in place && place.isEnded ? null : facts;
