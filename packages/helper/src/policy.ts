/**
 * What a request may touch: the helper's own reading of the root-owned configuration file. Not the session's secrets,
 * timers or anything else that only the supervisor needs.
 */

/** An interface that gets a /64 of every delegated prefix. */
export interface LanPolicy {
  readonly interface: string;
  /** Which /64, counted from 0: 0 … 65535. */
  readonly subnet: number;
  /** The last eight octets of this router's address in it; not all zero. */
  readonly host: Uint8Array;
}

/** The limits of a DHCPv6 lease. The supervisor, even a compromised one, can set nothing beyond them. */
export interface DelegationPolicy {
  /** Prefixes for the LANs: within this one, or any for the Internet of /48 and longer. Null: none at all. */
  readonly prefixes: { readonly within?: Network } | null;
  /** An address of the session's interface. */
  readonly address: boolean;
}

export interface Network {
  readonly prefix: Uint8Array;
  /** 1 … 128 bits. */
  readonly length: number;
}

export interface SessionPolicy {
  /** The session's name: also its interface's name, at most 15 octets. */
  readonly name: string;
  /** The Ethernet interface of the line, such as igb0, or igb0.35 for a VLAN. */
  readonly interface: string;
  /** The MAC address both routers use for the session; locally administered. */
  readonly mac: Uint8Array;
  /** What decides which router is live (docs/failover.md, rule R11): carp(4), the configuration, or the operator. */
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /**
   * The source of the role: on FreeBSD the vhid on an interface, on Linux the presence of `address` on it. Without
   * `interface`, the interface that holds `address`.
   */
  readonly carp?: {
    readonly interface?: string;
    readonly vhid?: number;
    readonly address?: Uint8Array;
  };
  /** The router's own address, which goes on the session interface when there is a stub. */
  readonly localAddress?: Uint8Array;
  /** Gateway of the default route while the partner is live. */
  readonly partnerAddress?: Uint8Array;
  /** The same for IPv6; with the interface it is on if it is link-local. */
  readonly partnerAddress6?: { readonly address: Uint8Array; readonly interface?: string };
  /** Limits of the DHCPv6 lease; absent: no lease. */
  readonly delegation?: DelegationPolicy;
  /** Interfaces that get addresses out of a delegated prefix. */
  readonly lans?: readonly LanPolicy[];
  /** The interface that holds the public address, for NAT; absent: the session interface holds it. */
  readonly stub?: string;
  /** Largest MTU that may be configured, octets. */
  readonly mtu: number;
  readonly defaultRoute: boolean;
  readonly fib: number;
  /** Linux: of the default routes. Absent: the best for IPv4, better than a router advertisement's for IPv6. */
  readonly metric?: number;
  /** Linux: 802.1p priority of what the helper itself sends on a VLAN, 0 … 7: discovery and PPP control packets. */
  readonly pcp?: number;
  /** Linux: the file a VRRP daemon tracks (keepalived's track_file), written with 1 while demoted and 0 otherwise. */
  readonly demotionFile?: string;
  /** What we add to net.inet.carp.demotion. */
  readonly demotion: number;
  /** The supervisor may claim the role when every sign shows that the partner is dead. */
  readonly mayClaim?: boolean;
}

export interface HelperPolicy {
  /** In the helper's run directory, which also holds the record of our demotion. */
  readonly socketPath: string;
  /** Where a previous release kept that record. */
  readonly stateDirectory: string;
  /** The one user whose process may connect. */
  readonly user: string;
  readonly group: string;
  readonly sessions: readonly SessionPolicy[];
}
