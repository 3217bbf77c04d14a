/**
 * Performs the acts of the table (`ownership.ts`) as frames, kernel calls and datagrams. `judge.ts` says which act; this
 * module judges no event.
 *
 * Each act restates the whole of what must be true (attach, gate, addresses, route), because the helper's verbs are
 * idempotent: so the same act serves a takeover, a helper that was restarted, and a disk that has come back. Whatever
 * changes the snapshot stores it first (a barrier), and only then speaks.
 */
import { millis, type Instant, type WallClock } from '../../time.ts';
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
import { unreachable } from '../../unreachable.ts';

/** Added to the Identifiers of one of two routers, so that neither begins where the other did. */
const OWN_WAY = 43;

export class Acts {
  readonly #standing: Standing;
  readonly #link: Link;
  readonly #waits: Waits;
  readonly #out: Outbox;
  readonly #random: Random;
  readonly #wallClock: WallClock;
  readonly #delegation: Delegation;
  readonly #log: Log;
  /** Link events that occurred during this act. */
  readonly #outcomes: LinkOutcome[] = [];
  /** The last resume: for which snapshot, and after which LCP Identifier. */
  #resumed: { readonly snapshot: Snapshot; readonly lcp: number } | undefined;
  /** After which one the next resume begins, since nothing of the last one was sent. */
  #unsent: number | undefined;

  constructor(
    standing: Standing,
    link: Link,
    delegation: Delegation,
    waits: Waits,
    out: Outbox,
    random: Random,
    wallClock: WallClock,
  ) {
    this.#delegation = delegation;
    this.#standing = standing;
    this.#link = link;
    this.#waits = waits;
    this.#out = out;
    this.#random = random;
    this.#wallClock = wallClock;
    this.#log = logTo(out.emit, 'owner', () => standing.state);
  }

  /** @param from this router's place before the event; @returns the link's events, which `judge.ts` judges next */
  perform(act: OwnerAct, from: Place, now: Instant): readonly LinkOutcome[] {
    this.#act(act, from, now);
    return this.#outcomes.splice(0);
  }

  /** Pass an event to the link: a frame, the deadline, the carrier. */
  link(event: Event, now: Instant): readonly LinkOutcome[] {
    this.#tellLink(now, (link) => link.handle(event, now));
    return this.#outcomes.splice(0);
  }

  /** A dial is going on, and the AC answers. */
  isAdvancing(now: Instant): boolean {
    return this.#link.isAdvancing(now);
  }

  /** A DHCPv6 server's answer, or the time that the client waits for. */
  dhcp6(message: Dhcp6Message | undefined, now: Instant): readonly LinkOutcome[] {
    const delegation = this.#delegation;
    this.#leased(
      message === undefined ? delegation.expire(now) : delegation.receive(message, now),
      now,
    );
    return this.#outcomes.splice(0);
  }

  /** Somebody has set the wall clock. A lease lasts as long as before, so its times move with the clock. */
  clockSet(wallClockAtZero: number, now: Instant): void {
    const { snapshot, config } = this.#standing;
    const ahead = this.#wallClock.set(wallClockAtZero);
    const lease = this.#delegation.clockSet(ahead, snapshot.lease ?? null, now);
    if (lease === null) return;
    // A generation of ours tells a partner that knows no clock of ours.
    const isOurs = snapshot.holder === config.routerId;
    this.#standing.snapshot = isOurs ? changed(snapshot, { lease }) : { ...snapshot, lease };
    this.storeLease(now);
  }

  /** Configure the LANs with the lease in our snapshot, or without one. */
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

  /** The snapshot with the Identifier used last: the one stored when the session came up may be days old. */
  #inUse(snapshot: Snapshot): Snapshot {
    const facts = snapshot.facts && this.#link.used(snapshot.facts);
    return facts === snapshot.facts ? snapshot : { ...snapshot, facts };
  }

  /** Announce on the line too: a partner with fast takeover watches both paths. */
  #beat(): void {
    const { claims, snapshot } = this.#standing;
    // After the kernel has refused the session, announce only when the next attach has succeeded.
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
      default:
        return unreachable(act);
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
   * Gate, announce, proof, partner. The helper has opened gate, interface and route already, in one act at the edge. All
   * three are requested again here, which repairs a step that the kernel refused.
   */
  #carry(now: Instant, { isRefused = false } = {}): void {
    const standing = this.#standing;
    const { facts } = standing.snapshot;
    // Without the helper nothing can be done; `helper-up` decides again.
    if (standing.helper === undefined) return this.tell(now);
    standing.path = 'unproven';
    // While the disk is full this act runs every second: `ensure`, or the watchdog would never end.
    this.#waits.ensure('down', now);
    this.#waits.cancel('release');
    if (facts === null) {
      // The partner may just have opened a session. The AC would refuse our dial beside it, or end that session.
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
   * The Identifier used last in this session, plus a number that differs between the two routers. Otherwise we could take an
   * answer to the partner's request for an answer to ours.
   */
  #unused(facts: SessionFacts): SessionFacts {
    const { identifiers } = this.#link.used(facts);
    const next = (identifiers.lcp + OWN_WAY * (this.#standing.config.routerId & 1)) & 0xff;
    const lcp = this.#unsent ?? next;
    this.#unsent = this.#out.isBarred ? lcp : undefined;
    this.#resumed = { snapshot: this.#standing.snapshot, lcp };
    return { ...facts, identifiers: { ...identifiers, lcp } };
  }

  /**
   * The disk has refused our snapshot, so nothing of the last answer was sent. If that was a resume, the next one begins at the
   * same Identifier: each would step on, and some step leads to what the partner has just used.
   */
  unsaid(): void {
    if (this.#resumed?.snapshot === this.#standing.snapshot) this.#unsent = this.#resumed.lcp;
  }

  /** The AC has given the dial a session. It is stored after the dial's first frames, which do not depend on it. */
  given(place: SessionPlace, now: Instant): void {
    if (!this.#standing.holds) return;
    this.#write({ halfMade: place });
    this.tell(now);
  }

  #dial(now: Instant): void {
    // As in `#carry`: `helper-up` decides again.
    if (this.#standing.helper === undefined) return;
    this.#endHalfMade(now);
    this.#tellLink(now, (link) => link.dial(this.#standing.previous, now));
  }

  /** End a session that an earlier dial, ours or the partner's, left at the AC: the AC would refuse another one beside it. */
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

  /** If the partner could hold the session, demote this router so that CARP moves the role; otherwise check again later. */
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

  /** Repeat the hang-up; otherwise the AC would keep the session, and a reconnect would never dial. */
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

  /** Signals of the DHCPv6 client. A lease is stored before the LANs get it (R5). */
  #leased(signals: readonly Dhcp6Signal[], now: Instant): void {
    for (const signal of signals) {
      if (signal.kind === 'lease') {
        this.#write({ lease: signal.lease });
        this.#leaseStored(now);
      } else this.#endSession(now);
    }
  }

  /** Also again, after the disk refused it. */
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

  /** Whether the partner may hold the session. The outbox then holds back a PADT, which would end it. */
  #isContested(now: Instant): boolean {
    this.#out.isContested = this.#standing.isContested(now);
    return this.#out.isContested;
  }
}

/** The snapshot's session; null if we know that the AC has ended it. */
const factsFrom = (place: Place, { facts }: Snapshot): SessionFacts | null =>
  'isEnded' in place && place.isEnded ? null : facts;
