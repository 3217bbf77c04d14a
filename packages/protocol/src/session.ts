/**
 * The session as plain data: everything a router needs to carry on where another stopped. It can be stored, sent and
 * resumed; it holds no instants (those never leave a host), no secrets, and no objects with behaviour.
 */
import type { Lease } from './lease.ts';
import type { MacAddress } from './wire/ethernet.ts';
import type { AuthMethod } from './wire/lcp.ts';
import type { InterfaceId, Ipv4Address } from './wire/ncp.ts';

/** What the kernel needs to know a session: RFC 2516 §4, SESSION_ID with the two MAC addresses. */
export interface SessionKey {
  /** 1 … 0xfffe. */
  readonly sessionId: number;
  readonly acMac: MacAddress;
  readonly ourMac: MacAddress;
}

/** Both ends of the link, or neither: IPCP is Opened or it is not. */
export type Ipv4Ends =
  | { readonly ourAddress: Ipv4Address; readonly theirAddress: Ipv4Address }
  | { readonly ourAddress?: undefined; readonly theirAddress?: undefined };

/** Only the two ends; nothing without IPv4. */
export const ipv4Of = ({ ourAddress, theirAddress }: Ipv4Ends): Ipv4Ends =>
  ourAddress === undefined ? {} : { ourAddress, theirAddress };

/** What was agreed with the AC: IPv4, IPv6, or both. */
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
  /** PPP-Max-Payload agreed in the Discovery Stage (RFC 4638), octets; 1492 if none was. */
  readonly maxPayload: number;
  readonly auth: Exclude<AuthMethod, 'unknown'> | 'none';
  /** None, one or two. */
  readonly dns: readonly Ipv4Address[];
  /** Both, or neither: IPV6CP is Opened or it is not. */
  readonly interfaceIds?: { readonly ours: InterfaceId; readonly theirs: InterfaceId };
  /** The Identifier last used in each protocol, so that a successor does not start with one the AC has just seen. */
  readonly identifiers: { readonly lcp: number; readonly ipcp: number; readonly ipv6cp: number };
  /** Seconds since 1970-01-01 UTC at which the session first came up, for people. */
  readonly startedAt: number;
}

/** One of the two routers: the number configured for it, unique in the pair, 1 … 0xffffffff. 0 is nobody. */
export type RouterId = number;

/** What is stored and what the partner is told. Totally ordered by `isNewer`: the newest is the truth. */
export interface Snapshot {
  /** Counts changes of holder. Never falls. */
  readonly epoch: number;
  /** Counts changes of the facts within an epoch. */
  readonly generation: number;
  /** Who owns the session in this epoch. */
  readonly holder: RouterId;
  /**
   * Null when there is no session: none was dialled yet, or the last one is known to be gone. Null in generation 0 says
   * less: its holder knew of none when it took, and the holder before it may just have opened one.
   */
  readonly facts: SessionFacts | null;
  /**
   * What a DHCPv6 server gave: it outlives the session. Null when there is none. Absent when whoever wrote the snapshot
   * asks for none, or knows nothing of leases: then a reader keeps what it has.
   */
  readonly lease?: Lease | null;
}

/** Before anything was stored or heard. */
export const NO_SNAPSHOT: Snapshot = { epoch: 0, generation: 0, holder: 0, facts: null };

/**
 * Whether `a` is newer than `b`: by epoch, then holder, then generation. Two routers can raise the same epoch only in
 * a split; then the higher holder wins whatever each has written since, so the order never flips back and forth.
 */
export function isNewer(a: Snapshot, b: Snapshot): boolean {
  if (a.epoch !== b.epoch) return isLaterEpoch(a.epoch, b.epoch);
  if (a.holder !== b.holder) return a.holder > b.holder;
  return isLater(a.generation, b.generation);
}

/**
 * Whether counter `a` comes after `b`. Both have 32 bits and no end: after the highest comes 0, and of two values the
 * later one is that which is reached sooner from the other (RFC 1982). So nobody, not even a partner that lies, can count
 * us to a place from which there is no next.
 */
export const isLater = (a: number, b: number): boolean => a !== b && (a - b) >>> 0 < 2 ** 31;

/** Epoch 0 is before all others: nothing was stored or heard yet. */
export const isLaterEpoch = (a: number, b: number): boolean =>
  a !== b && a !== 0 && (b === 0 || isLater(a, b));

/** The snapshot of a router that takes the session. */
export const taken = (before: Snapshot, holder: RouterId): Snapshot => ({
  ...before,
  epoch: (before.epoch + 1) >>> 0 || 1,
  generation: 0,
  holder,
});

/** Whether `earlier` has a session that the next holder, who wrote `later`, had not heard of when it took. */
export const isUntold = (later: Snapshot, earlier: Snapshot): boolean =>
  later.facts === null &&
  later.generation === 0 &&
  earlier.facts !== null &&
  earlier.holder !== later.holder &&
  taken(earlier, later.holder).epoch === later.epoch;

/** The snapshot after what is known of the session has changed. */
export const changed = (
  before: Snapshot,
  change: Partial<Pick<Snapshot, 'holder' | 'facts' | 'lease'>>,
): Snapshot => ({ ...before, ...change, generation: (before.generation + 1) >>> 0 });

/** CARP's word for this router now (carp(4)); VRRP's states map to it. */
export type Role = 'INIT' | 'BACKUP' | 'MASTER';

/** What one router says of a session to the other, once its authenticity has been checked. */
export interface PartnerMessage {
  readonly sender: RouterId;
  readonly role: Role;
  /** The sender could carry a session: its helper answers, its line has carrier, its watchdog has not given up. */
  readonly healthy: boolean;
  /** The sender has the snapshot's session joined to its interface, ready to open its gate. */
  readonly armed: boolean;
  /** The sender's gate is open. */
  readonly open: boolean;
  /** The AC has answered the sender within its echo budget: only a holder can say so. */
  readonly proven: boolean;
  /** The sender is demoted because its operator asked for a handoff. */
  readonly yielding: boolean;
  /** It hears us. */
  readonly hearing: boolean;
  /** What the sender believes. */
  readonly snapshot: Snapshot;
}
