/**
 * The root engine of one session: events in, actions out, and the next deadline. `owner/judge.ts` says what an event
 * means, `owner/ownership.ts` what follows from it, and `owner/acts.ts` turns that into frames and kernel calls. It
 * contains no PPP and no I/O.
 */
import { earliest, WallClock, type Instant } from '../time.ts';
import type { PartnerMessage, Role, Snapshot } from '../session.ts';
import type { Dhcp6Status } from './dhcp6/client.ts';
import type { Action, AdminVerb, Engine, Event } from './events.ts';
import type { Hashes, Random } from './hashes.ts';
import { Link, type LinkStatus } from './link/link.ts';
import type { Turn } from './link/turn.ts';
import { Acts } from './owner/acts.ts';
import { Delegation } from './owner/delegation.ts';
import type { DemotionReason } from './owner/demotion.ts';
import { Judge } from './owner/judge.ts';
import { Outbox } from './owner/outbox.ts';
import type { OwnerState } from './owner/ownership.ts';
import { refusal } from './owner/refusal.ts';
import { Standing, type Refusal, type Takeover } from './owner/standing.ts';
import { Waits } from './owner/waits.ts';
import type { SessionConfig } from './session-config.ts';
import type { Wait } from './timers.ts';

/** Who holds the session and why, as this router sees it. Instants are this host's. */
export interface OwnerStatus {
  readonly state: OwnerState;
  readonly role: Role;
  /** Whether the helper answers. */
  readonly helper: boolean;
  readonly carrier: boolean;
  /** The AC has answered within the echo budget. */
  readonly proven: boolean;
  /** The kernel refuses the addresses or the route of a session that is ours: nothing is forwarded. */
  readonly refused: Refusal | undefined;
  /** On standby: the session is joined behind a closed gate, ready to be taken. */
  readonly armed: boolean;
  readonly snapshot: Snapshot;
  readonly demoted: readonly DemotionReason[];
  readonly partner: {
    readonly heardAt: Instant | undefined;
    /** The partner's last message, unless it is too old. */
    readonly message: PartnerMessage | undefined;
  };
  /** The last time this router took the session, and how long until the AC answered. */
  readonly lastTakeover: Takeover | undefined;
}

/** Everything an operator may see of a session. */
export interface SessionStatus extends OwnerStatus {
  readonly link: LinkStatus;
  /** Absent without DHCPv6 in the configuration. */
  readonly dhcp6?: Dhcp6Status;
  /** Everything that this session waits for, earliest first. */
  readonly waits: readonly Wait[];
}

export class SessionEngine implements Engine<Event, Action> {
  readonly #standing: Standing;
  readonly #link: Link;
  readonly #waits: Waits;
  readonly #out: Outbox;
  readonly #judge: Judge;
  readonly #delegation: Delegation;

  /**
   * @param stored the snapshot from the disk; NO_SNAPSHOT if there is none
   * @param wallClockAtZero milliseconds since 1970-01-01 UTC at Instant 0
   * @param turn to dial; always unless given
   */
  constructor(
    config: SessionConfig,
    stored: Snapshot,
    hashes: Hashes,
    random: Random,
    wallClockAtZero: number,
    turn?: Turn,
  ) {
    this.#out = new Outbox(stored);
    const { emit } = this.#out;
    const wallClock = new WallClock(wallClockAtZero);
    this.#delegation = new Delegation(config.dhcp6, random, wallClock, emit);
    this.#standing = new Standing(config.owner, this.#delegation.stored(stored), emit);
    this.#link = new Link(config.link, hashes, random, wallClock, emit, turn);
    this.#waits = new Waits(config.owner);
    const acts = new Acts(
      this.#standing,
      this.#link,
      this.#delegation,
      this.#waits,
      this.#out,
      random,
      wallClock,
    );
    this.#judge = new Judge(this.#standing, acts, this.#delegation, this.#waits, this.#out);
  }

  handle(event: Event, now: Instant): readonly Action[] {
    this.#judge.event(event, now);
    for (const name of this.#waits.over(now)) this.#judge.over(name, now);
    this.#judge.afterwards(now);
    return this.#out.flush();
  }

  deadline(): Instant | undefined {
    // A deadline that the link is not told of would never pass.
    const link = this.#standing.listens ? this.#link.deadline() : undefined;
    return earliest(this.#waits.next(), link, this.#delegation.deadline());
  }

  status(now: Instant): SessionStatus {
    const dhcp6 = this.#delegation.status();
    const waits = [...this.#waits.all(), ...this.#link.waits(), ...this.#delegation.waits()];
    waits.sort((a, b) => a.at - b.at);
    return {
      ...this.ownerStatus(now),
      link: this.#link.status(),
      waits,
      ...(dhcp6 && { dhcp6 }),
    };
  }

  ownerStatus(now: Instant): OwnerStatus {
    const { state, role, helper, snapshot, demotion, partner, lastTakeover } = this.#standing;
    return {
      state,
      role,
      helper: helper !== undefined,
      carrier: helper?.carrier ?? false,
      proven: this.#standing.isProven,
      refused: this.#standing.refused,
      armed: this.#standing.isArmed,
      snapshot: this.#delegation.shown(snapshot, now),
      demoted: demotion.reasons(),
      partner: { heardAt: partner.heardAt, message: partner.fresh(now) },
      lastTakeover,
    };
  }

  /** Why the operator's verb would be refused now, as a sentence; undefined if it would not. Changes nothing. */
  refusal(verb: AdminVerb, now: Instant): string | undefined {
    return refusal(this.#standing, verb, now);
  }
}
