/** What one session's engine is told once, at its start. */
import type { Millis } from '../time.ts';
import type { MacAddress } from '../wire/ethernet.ts';
import type { AuthMethod } from '../wire/lcp.ts';
import type { Ipv4Address } from '../wire/ncp.ts';
import type { Secret } from './hashes.ts';
import type { RouterId } from '../session.ts';

/** RFC 1661 §3.2, preceded by RFC 2516's Discovery Stage; `Wait` is the back-off between two dials. */
export type Phase =
  'Dead' | 'Wait' | 'Discovery' | 'Establish' | 'Authenticate' | 'Network' | 'Terminate';

export interface LinkConfig {
  readonly ourMac: MacAddress;
  readonly user: string;
  readonly password: Secret;
  /** What the AC may authenticate us with, best first; anything weaker than the last is refused. */
  readonly auth: readonly Exclude<AuthMethod, 'unknown'>[];
  /** '' asks for any service (RFC 2516 §5.1). */
  readonly serviceName: string;
  /** Pins: a PADO that differs is ignored. */
  readonly acName?: string;
  readonly acMac?: MacAddress;
  /** What Host-Uniq says in every dial; random octets unless given. */
  readonly hostUniq?: Uint8Array;
  /** Between two dials at most; refusals may stretch it. Five minutes unless given. */
  readonly longestRedial?: Millis;
  /** The largest packet wanted, octets. Above 1492 PPP-Max-Payload is asked for (RFC 4638). */
  readonly mtu: number;
  /** False with a ppp_thing partner, which cannot carry a Magic-Number on. */
  readonly magicNumber: boolean;
  readonly dns: boolean;
  /** IPv4 addresses that this router has or needs elsewhere: neither end of the link may have one. */
  readonly reserved?: readonly Ipv4Address[];
  /** The AC's end of the link, whatever the AC says. */
  readonly peerAddress?: Ipv4Address;
  /** Whether IPCP is negotiated; it is unless this is false. */
  readonly ipv4?: boolean;
  /** Whether IPV6CP is. */
  readonly ipv6: boolean;
  readonly echo: {
    /** Between Echo-Requests on a link that is up; 0: the AC is never asked. */
    readonly interval: Millis;
    /** Unanswered Echo-Requests after which the probe begins; 0: the AC is never asked. */
    readonly failures: number;
    /** Between Echo-Requests while a session is unproven: just resumed, or silent. */
    readonly probeInterval: Millis;
    /** Unanswered probes after which the session is given up. */
    readonly probeFailures: number;
  };
}

/** What is asked of a DHCPv6 server. Both routers have the same, or the lease would not be the other's too. */
export interface Dhcp6Config {
  /** Of this client, 3 … 130 octets. */
  readonly duid: Uint8Array;
  /** 32 bits. */
  readonly iaid: number;
  /** Whether a prefix is asked for, and which; all zero for any of that length. */
  readonly prefix: boolean;
  readonly hint?: { readonly prefix: Uint8Array; readonly length: number };
  /** Whether an address for the session's interface is asked for. */
  readonly address: boolean;
}

export interface OwnershipConfig {
  /** Who decides: CARP; this router, always; or only the operator. */
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /** This router's number in the pair, 1 … 0xffffffff. */
  readonly routerId: RouterId;
  /** Whether there is another router at all. */
  readonly hasPartner: boolean;
  /** Whether the default route may lead via the other router; it may unless this is false. */
  readonly routesViaPartner?: boolean;
  /** Longest wait for the partner's snapshot at start. */
  readonly holdDown: Millis;
  /** Silence after which the partner counts as gone. */
  readonly partnerTimeout: Millis;
  /** A session that has been down this long while the partner is healthy is the partner's to try. */
  readonly downDemotion: Millis;
  /** Silence of a partner that holds, on every path, after which this router asks for CARP's role; absent: never. */
  readonly fastTakeover?: Millis;
}

export interface SessionConfig {
  readonly name: string;
  readonly link: LinkConfig;
  readonly owner: OwnershipConfig;
  /** Absent: no DHCPv6. */
  readonly dhcp6?: Dhcp6Config;
}
