/**
 * The session as plain data: everything a router needs to continue where the other stopped. It can be stored, sent and
 * resumed. It holds no instants (those never leave a host), no secrets, and no objects with behaviour.
 */
import type { Lease } from './lease.ts';
import type { MacAddress } from './wire/ethernet.ts';
import type { AuthMethod } from './wire/lcp.ts';
import type { InterfaceId, Ipv4Address } from './wire/ncp.ts';

/** The kernel's key of a session: SESSION_ID and the two MAC addresses (RFC 2516 §4). */
export interface SessionKey {
  /** 1 … 0xfffe. */
  readonly sessionId: number;
  readonly acMac: MacAddress;
  readonly ourMac: MacAddress;
}

/** Where a session is at the AC; our MAC address is the configuration's. */
export type SessionPlace = Pick<SessionKey, 'sessionId' | 'acMac'>;

/** Both ends of the link if IPCP is Opened, otherwise neither. */
export type Ipv4Ends =
  | { readonly ourAddress: Ipv4Address; readonly theirAddress: Ipv4Address }
  | { readonly ourAddress?: undefined; readonly theirAddress?: undefined };

/** Only the two ends; empty without IPv4. */
export const ipv4Of = ({ ourAddress, theirAddress }: Ipv4Ends): Ipv4Ends =>
  ourAddress === undefined ? {} : { ourAddress, theirAddress };

/** The result of negotiation with the AC: IPv4, IPv6, or both. */
export type SessionFacts = CommonFacts & Ipv4Ends;

/** A session with IPv4. */
export type Ipv4Facts = Extract<SessionFacts, { readonly ourAddress: Ipv4Address }>;

interface CommonFacts {
  readonly key: SessionKey;
  readonly acName: Uint8Array;
  readonly serviceName: Uint8Array;
  readonly hostUniq: Uint8Array;
  /** Magic-Numbers; 0 if that end negotiated none. */
  readonly ourMagic: number;
  readonly theirMagic: number;
  /** Octets of PPP Information field each end receives. */
  readonly ourMru: number;
  readonly theirMru: number;
  /** PPP-Max-Payload from the Discovery Stage (RFC 4638), octets; 1492 if not negotiated. */
  readonly maxPayload: number;
  readonly auth: Exclude<AuthMethod, 'unknown'> | 'none';
  /** None, one or two. */
  readonly dns: readonly Ipv4Address[];
  /** Both if IPV6CP is Opened, otherwise absent. */
  readonly interfaceIds?: { readonly ours: InterfaceId; readonly theirs: InterfaceId };
  /**
   * The Identifier last used in each protocol, so that the next holder does not start with one that the AC has just
   * seen.
   */
  readonly identifiers: { readonly lcp: number; readonly ipcp: number; readonly ipv6cp: number };
  /** Seconds since 1970-01-01 UTC at which the session first came up, for people. */
  readonly startedAt: number;
}

/** One of the two routers: the number in its configuration, unique in the pair, 1 … 0xffffffff. 0 means nobody. */
export type RouterId = number;

/** The data stored on disk and sent to the partner. Totally ordered by `isNewer`: the newest one counts. */
export interface Snapshot {
  /** Counts changes of holder. Never falls. */
  readonly epoch: number;
  /** Counts changes of the facts within an epoch. */
  readonly generation: number;
  /** Who owns the session in this epoch. */
  readonly holder: RouterId;
  /**
   * Null when there is no session: none was dialled yet, or the last one is known to be gone. In generation 0 null is
   * weaker: the holder knew of no session when it took over, but the previous holder may just have opened one.
   */
  readonly facts: SessionFacts | null;
  /**
   * A session that the AC has given to a dial and that is not up yet; only while there are no facts. Nobody can resume it.
   * A router that takes over ends it before it dials, because an AC that still holds it would refuse the dial.
   */
  readonly halfMade?: SessionPlace;
  /**
   * The lease from a DHCPv6 server, which outlives the session. Null when there is none. Absent when the writer of the
   * snapshot requests none, or does not know leases; a reader then keeps its own.
   */
  readonly lease?: Lease | null;
}

/** Before any snapshot was stored or received. */
export const NO_SNAPSHOT: Snapshot = { epoch: 0, generation: 0, holder: 0, facts: null };

/**
 * Whether `a` is newer than `b`: by epoch, then holder, then generation. Two routers raise the same epoch only in a
 * split. Then the higher holder wins whatever each has written since, so the order never flips back and forth.
 */
export function isNewer(a: Snapshot, b: Snapshot): boolean {
  if (a.epoch !== b.epoch) return isLaterEpoch(a.epoch, b.epoch);
  if (a.holder !== b.holder) return a.holder > b.holder;
  return isLater(a.generation, b.generation);
}

/**
 * Whether counter `a` comes after `b`. Both have 32 bits and wrap around: 0 follows the highest value. Of two values,
 * the later one is the one reached in fewer steps from the other (RFC 1982). So even a lying partner cannot push our
 * counter to a value without a successor.
 */
export const isLater = (a: number, b: number): boolean => a !== b && (a - b) >>> 0 < 2 ** 31;

/** Epoch 0 is before all others: no snapshot was stored or received yet. */
export const isLaterEpoch = (a: number, b: number): boolean =>
  a !== b && a !== 0 && (b === 0 || isLater(a, b));

/** The snapshot of a router that takes over the session. */
export const taken = (before: Snapshot, holder: RouterId): Snapshot => ({
  ...before,
  epoch: (before.epoch + 1) >>> 0 || 1,
  generation: 0,
  holder,
});

/**
 * Whether `earlier` has a session that the writer of `later` did not know of when it took over: from `earlier`'s epoch, or
 * in the same one, as two routers that start together may.
 */
export const isUntold = (later: Snapshot, earlier: Snapshot): boolean =>
  later.facts === null &&
  later.generation === 0 &&
  earlier.facts !== null &&
  earlier.holder !== later.holder &&
  (earlier.epoch === later.epoch || taken(earlier, later.holder).epoch === later.epoch);

export type SnapshotChange = Partial<Pick<Snapshot, 'holder' | 'facts' | 'halfMade' | 'lease'>>;

/** The snapshot after a change. A session that came up, or ended, is not half-made any more. */
export function changed(before: Snapshot, change: SnapshotChange): Snapshot {
  const rest = change.facts === undefined ? before : wholly(before);
  return { ...rest, ...change, generation: (before.generation + 1) >>> 0 };
}

/** Without a half-made session. */
export function wholly(snapshot: Snapshot): Snapshot {
  const { halfMade: _, ...rest } = snapshot;
  return rest;
}

/** This router's role in CARP (carp(4)); VRRP's states map to it. */
export type Role = 'INIT' | 'BACKUP' | 'MASTER';

/** A message about one session from the partner, after its HMAC was checked. */
export interface PartnerMessage {
  readonly sender: RouterId;
  readonly role: Role;
  /** The sender could hold a session: its helper answers, its line has carrier, its watchdog has not given up. */
  readonly healthy: boolean;
  /** The sender has attached the snapshot's session to its interface, and can open its gate at once. */
  readonly armed: boolean;
  /** The sender's gate is open. */
  readonly open: boolean;
  /** The AC has answered the sender within its echo budget. Only a holder sets it. */
  readonly proven: boolean;
  /** The sender is demoted because its operator requested a handoff. */
  readonly yielding: boolean;
  /** The sender receives our datagrams. */
  readonly hearing: boolean;
  /** The sender's snapshot. */
  readonly snapshot: Snapshot;
}
