/**
 * A DHCPv6 lease as plain data: the server's grant, and its time. Like the session it can be stored, sent and continued
 * by another router. It holds no instants and knows no packets.
 */
import { sameOctets } from './bytes.ts';
import { INFINITY } from './wire/dhcpv6.ts';
import type { Ipv6Address } from './wire/ipv6.ts';

/** A prefix that the ISP routes to us (IA_PD). */
export interface LeasedPrefix {
  /** Bits after `length` are zero. */
  readonly prefix: Ipv6Address;
  /** 32 … 128 bits. */
  readonly length: number;
  /** Seconds after the lease's `grantedAt`; INFINITY means for ever. */
  readonly preferred: number;
  readonly valid: number;
  /** A part that the ISP uses on the link itself (RFC 6603), so not a subnet of ours. */
  readonly exclude?: { readonly prefix: Ipv6Address; readonly length: number };
}

/** An address for the session's interface (IA_NA). */
export interface LeasedAddress {
  readonly address: Ipv6Address;
  readonly preferred: number;
  readonly valid: number;
}

/**
 * A prefix that the server has replaced or withdrawn. Hosts must stop using it, but not at once: open connections would
 * break.
 */
export interface FormerPrefix {
  readonly prefix: Ipv6Address;
  readonly length: number;
  /** Seconds after `grantedAt`, at most two hours (RFC 9096 §3.5). */
  readonly valid: number;
}

export interface Lease {
  /** The identifiers that the lease is bound to: of this client, of the server, and of the IA. */
  readonly duid: Uint8Array;
  readonly serverDuid: Uint8Array;
  readonly iaid: number;
  /** Seconds since 1970-01-01 UTC. All lifetimes of the lease count from here. */
  readonly grantedAt: number;
  /** `startedAt` of the session that the lease was granted on. On another session it must be confirmed. */
  readonly session: number;
  /** Seconds until renewal, and until any server may renew it; INFINITY means never. */
  readonly t1: number;
  readonly t2: number;
  readonly prefixes: readonly LeasedPrefix[];
  readonly addresses: readonly LeasedAddress[];
  readonly former: readonly FormerPrefix[];
  readonly dns: readonly Ipv6Address[];
  /** Search list, and the name of the DS-Lite AFTR ('' for none): printable ASCII, labels between dots. */
  readonly search: readonly string[];
  readonly aftr: string;
}

/** End of a lifetime in milliseconds since 1970-01-01 UTC; undefined if it never ends. */
export const endOf = ({ grantedAt }: Lease, span: number): number | undefined =>
  span === INFINITY ? undefined : (grantedAt + span) * 1000;

/** Whole seconds of `span` left at `time`, milliseconds since 1970; INFINITY stays INFINITY. */
export function secondsLeft(lease: Lease, span: number, time: number): number {
  const end = endOf(lease, span);
  return end === undefined ? INFINITY : Math.max(0, Math.floor((end - time) / 1000));
}

/**
 * The lease as this router may use it. If it was granted in the future, the partner's clock is ahead of ours. It then
 * counts from now, so that a wrong clock cannot make it longer than the server allowed.
 *
 * @param time milliseconds since 1970-01-01 UTC
 */
export function clampLease(lease: Lease, time: number): Lease {
  const now = Math.floor(time / 1000);
  return lease.grantedAt <= now ? lease : { ...lease, grantedAt: now };
}

/**
 * The lease by a clock that is `ahead` milliseconds ahead of the one it was written by. It ends when it would have ended. If it
 * was granted before 1970 by the other clock, its spans are shorter instead.
 */
export function movedLease(lease: Lease, ahead: number): Lease {
  const grantedAt = lease.grantedAt + Math.round(ahead / 1000);
  if (grantedAt >= 0) return { ...lease, grantedAt };
  const rest = (span: number): number => (span === INFINITY ? span : Math.max(0, span + grantedAt));
  const part = <T extends { readonly preferred: number; readonly valid: number }>(each: T): T => ({
    ...each,
    preferred: rest(each.preferred),
    valid: rest(each.valid),
  });
  return {
    ...lease,
    grantedAt: 0,
    t1: rest(lease.t1),
    t2: rest(lease.t2),
    prefixes: lease.prefixes.map(part),
    addresses: lease.addresses.map(part),
    former: lease.former.map((each) => ({ ...each, valid: rest(each.valid) })),
  };
}

/** The lease without its parts that have ended at `time`; null if no prefix and no address is left. */
export function unexpired(lease: Lease, time: number): Lease | null {
  const lasts = ({ valid }: { readonly valid: number }): boolean => {
    const end = endOf(lease, valid);
    return end === undefined || end > time;
  };
  const prefixes = lease.prefixes.filter(lasts);
  const addresses = lease.addresses.filter(lasts);
  const former = lease.former.filter(lasts);
  if (prefixes.length + addresses.length === 0) return null;
  const isWhole =
    prefixes.length === lease.prefixes.length &&
    addresses.length === lease.addresses.length &&
    former.length === lease.former.length;
  return isWhole ? lease : { ...lease, prefixes, addresses, former };
}

/** The earliest end of any part of the lease, milliseconds since 1970; undefined if none ever ends. */
export function firstEnd(lease: Lease): number | undefined {
  const ends = [...lease.prefixes, ...lease.addresses, ...lease.former]
    .map(({ valid }) => endOf(lease, valid))
    .filter((end) => end !== undefined);
  return ends.length === 0 ? undefined : Math.min(...ends);
}

interface Prefix {
  readonly prefix: Ipv6Address;
  readonly length: number;
}

export const samePrefix = (a: Prefix, b: Prefix): boolean =>
  a.length === b.length && sameOctets(a.prefix, b.prefix);
