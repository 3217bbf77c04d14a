/**
 * The owner's part in DHCPv6: on which session the client may send, and which addresses of a lease the LANs get. Without
 * `dhcp6` in the configuration it does nothing. The client itself is `engine/dhcp6`.
 */
import {
  clampLease,
  firstEnd,
  movedLease,
  secondsLeft,
  unexpired,
  type Lease,
} from '../../lease.ts';
import type { SessionFacts, Snapshot } from '../../session.ts';
import { earliest, type Instant, type WallClock } from '../../time.ts';
import type { Dhcp6Message } from '../../wire/dhcpv6.ts';
import { Dhcp6Client, type Dhcp6Signal, type Dhcp6Status } from '../dhcp6/client.ts';
import type { Random } from '../hashes.ts';
import type { Out } from '../out.ts';
import type { Dhcp6Config } from '../session-config.ts';
import type { Wait } from '../timers.ts';

export class Delegation {
  readonly #client: Dhcp6Client | undefined;
  readonly #wallClock: WallClock;
  readonly #out: Out;
  /** The LANs' last configuration, and when its first part ends. */
  #given: Lease | null = null;
  #endsAt: Instant | undefined;

  constructor(config: Dhcp6Config | undefined, random: Random, wallClock: WallClock, out: Out) {
    this.#wallClock = wallClock;
    this.#out = out;
    this.#client = config && new Dhcp6Client(config, random, wallClock, out);
  }

  /** The wall clock was set `ahead`, in milliseconds. @returns the lease by the new time */
  clockSet(ahead: number, lease: Lease | null, now: Instant): Lease | null {
    this.#client?.clockSet(ahead);
    return lease && clampLease(movedLease(lease, ahead), this.#wallClock.at(now));
  }

  /** What the disk had, so that a partner hears of it when there is known to be no lease. */
  stored(snapshot: Snapshot): Snapshot {
    const isUnsaid = this.#client !== undefined && snapshot.lease === undefined;
    return isUnsaid ? { ...snapshot, lease: null } : snapshot;
  }

  /**
   * The partner's snapshot as ours. A partner of an earlier version knows no lease, and takes none away; no clock of a
   * partner's makes a lease longer.
   */
  learnt(theirs: Snapshot, ours: Snapshot, now: Instant): Snapshot {
    const { lease } = theirs;
    if (lease === undefined)
      return ours.lease === undefined ? theirs : { ...theirs, lease: ours.lease };
    return lease === null
      ? theirs
      : { ...theirs, lease: clampLease(lease, this.#wallClock.at(now)) };
  }

  /** The session is up and this router holds it. Without IPV6CP on it there is nothing to ask. */
  up({ facts, lease = null }: Snapshot, now: Instant): Dhcp6Signal[] {
    const client = this.#client;
    if (client === undefined || facts === null) return [];
    if (facts.interfaceIds === undefined) return client.stop(now);
    return client.start(lease, facts.startedAt, now);
  }

  /** Another router holds the session, or it ended. */
  down(now: Instant): Dhcp6Signal[] {
    return this.#client?.stop(now) ?? [];
  }

  /** Give the lease back before the session ends. Undefined if there is nobody to tell. */
  release(facts: SessionFacts | null, now: Instant): Dhcp6Signal[] | undefined {
    return facts?.interfaceIds === undefined ? undefined : this.#client?.release(now);
  }

  receive(message: Dhcp6Message, now: Instant): Dhcp6Signal[] {
    return this.#client?.receive(message, now) ?? [];
  }

  /** The client removes ended parts of a lease while this router holds the session. Otherwise they are removed here. */
  expire(now: Instant): Dhcp6Signal[] {
    const signals = this.#client?.expire(now) ?? [];
    const isOver = this.#endsAt !== undefined && this.#endsAt <= now;
    if (isOver && signals.length === 0) this.delegate(this.#given, now);
    return signals;
  }

  deadline(): Instant | undefined {
    return earliest(this.#client?.deadline(), this.#endsAt);
  }

  waits(): readonly Wait[] {
    const end = this.#endsAt === undefined ? [] : [{ name: 'lease-end', at: this.#endsAt }];
    return [...(this.#client?.waits() ?? []), ...end];
  }

  /** The snapshot without those parts of the lease that have ended. */
  shown(snapshot: Snapshot, now: Instant): Snapshot {
    const { lease } = snapshot;
    if (lease === undefined || lease === null) return snapshot;
    const rest = unexpired(lease, this.#wallClock.at(now));
    return rest === lease ? snapshot : { ...snapshot, lease: rest };
  }

  status(): Dhcp6Status | undefined {
    return this.#client?.status();
  }

  /** The lease as the LANs get it. Both routers use the same, whichever holds the session. */
  delegate(granted: Lease | null, now: Instant): void {
    if (this.#client === undefined) return;
    const time = this.#wallClock.at(now);
    const lease = granted && clampLease(granted, time);
    const rest = lease && unexpired(lease, time);
    const end = rest === null ? undefined : firstEnd(rest);
    this.#given = lease;
    this.#endsAt = end === undefined ? undefined : this.#wallClock.instantOf(end);
    const left = (span: number): number => (lease === null ? 0 : secondsLeft(lease, span, time));
    const lasts = ({ valid }: { readonly valid: number }): boolean => valid > 0;
    const aged = <T extends { readonly preferred: number; readonly valid: number }>(
      each: T,
    ): T => ({ ...each, preferred: left(each.preferred), valid: left(each.valid) });
    const former = (lease?.former ?? []).map((each) => aged({ ...each, preferred: 0 }));
    this.#out({
      kind: 'delegate',
      lease,
      prefixes: [...(lease?.prefixes ?? []).map(aged), ...former].filter(lasts),
      addresses: (lease?.addresses ?? []).map(aged).filter(lasts),
    });
  }
}
