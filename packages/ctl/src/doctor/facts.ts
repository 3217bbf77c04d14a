/** The input of the checks: plain data, in which each unknown fact has a reason. It reads nothing. */
import type { StatusJson } from '@ppp-thing/supervisor/api';

/** A fact, or the reason why it is unknown: a sentence that ends with the remedy. */
export type Known<T> =
  { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string };

export const known = <T>(value: T): Known<T> => ({ known: true, value });
export const unknown = (why: string): Known<never> => ({ known: false, why });

export interface CarpFacts {
  readonly vhid: number;
  readonly state: string;
  /** Undefined if it speaks VRRPv3. */
  readonly advskew?: number | undefined;
  /** Undefined if it speaks CARP. */
  readonly priority?: number | undefined;
}

export interface InterfaceFacts {
  readonly name: string;
  /** Lower case with colons; undefined if the interface has none. */
  readonly mac: string | undefined;
  /** A macvlan or a VLAN, which may rightly have the session's MAC. */
  readonly isVirtual: boolean;
  /** FreeBSD: the 802.1p priority of a VLAN's frames; undefined if it is none. */
  readonly pcp?: number | undefined;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Undefined if the driver does not report it. */
  readonly carrier: boolean | undefined;
  readonly addresses: readonly string[];
  readonly carp: readonly CarpFacts[];
  /** Protocol version of pfsync(4), which it reports since FreeBSD 14. */
  readonly pfsyncVersion: number | undefined;
}

/** The part of the configuration that a check needs. Nothing here is a secret. */
export interface SessionFacts {
  readonly name: string;
  readonly interface: string;
  readonly mac: string;
  readonly mtu: number;
  /** The 802.1p priority that the configuration wants. */
  readonly pcp?: number | undefined;
  readonly stub: string | undefined;
  readonly policy: string;
  readonly carpInterface: string | undefined;
  readonly carpVhid: number | undefined;
  readonly carpAddress: string | undefined;
  readonly demotionFile: string | undefined;
  /** It requests the role from CARP when its partner is silent on every path. */
  readonly isFast?: boolean;
  /** Where the session sets its default route; undefined if it sets none. */
  readonly route: { readonly fib: number; readonly metric: number | undefined } | undefined;
  /** Undefined without `ipv6`. */
  readonly ipv6?:
    | {
        readonly delegation: boolean;
        readonly wan: 'none' | 'slaac' | 'dhcp';
        /** Numbers of the /64s that the LANs get. */
        readonly subnets: readonly number[];
      }
    | undefined;
}

export interface ConfigFacts {
  readonly file: string;
  readonly sessions: readonly SessionFacts[];
  readonly partner: {
    readonly protocol: string;
    readonly address: string;
    readonly localAddress?: string;
    readonly keyFile: string | undefined;
  } | null;
  /** Keys that must be the same on both routers, by path; each secret is replaced by a digest under the partner key. */
  readonly shared: Readonly<Record<string, string>>;
}

interface FileFacts {
  readonly path: string;
  /** Permission bits; undefined if the file does not exist. */
  readonly mode: number | undefined;
  readonly owner: string;
  readonly group: string;
}

/** Owner and mode of a file, as the manual pages require. */
export interface FileRule {
  readonly path: string;
  readonly owner: string;
  readonly group: string | undefined;
  /** Permission bits allowed. */
  readonly mode: number;
  readonly found: Known<FileFacts>;
}

export interface ProcessFacts {
  readonly pid: number;
  readonly name: string;
  readonly arguments: string;
}

export interface PfFacts {
  readonly enabled: boolean;
  /** Output of `pfctl -s nat`, `nft list ruleset` or the like. */
  readonly nat: string;
  /** Interfaces under `set skip on`. */
  readonly skipped: readonly string[];
}

/** A VRRP instance of keepalived, with the interface of each address. */
export interface VrrpInstance {
  readonly name: string;
  readonly usesVmac: boolean;
  readonly virtualRouterId: number;
  readonly addresses: readonly { readonly address: string; readonly interface: string }[];
}

export interface VrrpFacts {
  readonly instances: readonly VrrpInstance[];
  /** Paths of every track_file. */
  readonly tracked: readonly string[];
}

/** The facts that one router exports for the other's doctor: `doctor --json`. */
export interface RouterReport {
  readonly at: number;
  readonly release: string;
  readonly shared: Readonly<Record<string, string>> | null;
  readonly carp: readonly CarpFacts[];
  readonly pfsyncVersion: number | null;
  /** On Linux only; absent from an older doctor's report. */
  readonly vrrp?: readonly VrrpInstance[];
}

export interface Facts {
  readonly platform: 'freebsd' | 'linux';
  /** Kernel release: `14.1-RELEASE`. */
  readonly release: string;
  readonly node: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: number;
  readonly modules: Known<readonly string[]>;
  readonly interfaces: Known<readonly InterfaceFacts[]>;
  /** `net.inet.carp.preempt`; on FreeBSD only. */
  readonly preempt: Known<boolean>;
  /** Whether the kernel forwards IPv6. */
  readonly forwards6: Known<boolean>;
  /** Interfaces whose router advertisements the kernel obeys. */
  readonly acceptsRa: Known<readonly string[]>;
  readonly processes: Known<readonly ProcessFacts[]>;
  /** For each session's interface, the peer of its `orphans` hook, or '' if free; on FreeBSD only. */
  readonly orphans: Known<Readonly<Record<string, string>>>;
  readonly pf: Known<PfFacts>;
  /** keepalived's configuration; on Linux only. */
  readonly vrrp: Known<VrrpFacts>;
  /** Whether conntrack drops a TCP packet for its window; on Linux only. */
  readonly checksWindows: Known<boolean>;
  readonly clockSynchronised: Known<boolean>;
  readonly files: readonly FileRule[];
  readonly config: Known<ConfigFacts>;
  readonly status: Known<StatusJson>;
  /** Undefined if the operator gave none. */
  readonly partnerReport: RouterReport | undefined;
}
