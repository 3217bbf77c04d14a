/** The configuration of one session's engine. It does not change while the engine lives. */
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
  /** Authentication protocols that the AC may use, best first. We refuse anything weaker than the last. */
  readonly auth: readonly Exclude<AuthMethod, 'unknown'>[];
  /** '' asks for any service (RFC 2516 §5.1). */
  readonly serviceName: string;
  /** Pins: a PADO that differs is ignored. */
  readonly acName?: string;
  readonly acMac?: MacAddress;
  /** Host-Uniq of every dial; random octets unless given. */
  readonly hostUniq?: Uint8Array;
  /** Longest wait between two dials, except after refusals. Five minutes unless given. */
  readonly longestRedial?: Millis;
  /** The largest packet wanted, octets. Above 1492 the dial requests PPP-Max-Payload (RFC 4638). */
  readonly mtu: number;
  /** False with a ppp_thing partner, which does not store the Magic-Number. */
  readonly magicNumber: boolean;
  readonly dns: boolean;
  /** IPv4 addresses that this router or its partner uses elsewhere: neither end of the link may have one. */
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

/** The request to a DHCPv6 server. Both routers must send the same one, so that either can use the lease. */
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
  /** Who decides which router holds the session: CARP, this router always, or the operator. */
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
  /** Once the session has been down this long, and the partner is healthy, this router demotes itself for the partner. */
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
