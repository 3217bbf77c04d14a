/** What the checks are told: plain data, with everything that could not be learnt said as such. It reads nothing. */
import type { StatusJson } from '@ppp-thing/supervisor/api';

/** A fact, or why it is not known: a sentence that ends in what to do. */
export type Known<T> =
  { readonly known: true; readonly value: T } | { readonly known: false; readonly why: string };

export const known = <T>(value: T): Known<T> => ({ known: true, value });
export const unknown = (why: string): Known<never> => ({ known: false, why });

export interface CarpFacts {
  readonly vhid: number;
  readonly state: string;
  readonly advskew: number;
}

export interface InterfaceFacts {
  readonly name: string;
  /** Lower case with colons; undefined where it has none. */
  readonly mac: string | undefined;
  /** A macvlan or a VLAN: its MAC may be ours by right. */
  readonly isVirtual: boolean;
  readonly mtu: number;
  readonly isUp: boolean;
  /** Undefined where the driver does not say. */
  readonly carrier: boolean | undefined;
  readonly addresses: readonly string[];
  readonly carp: readonly CarpFacts[];
  /** Of pfsync(4), since FreeBSD 14: the version it speaks. */
  readonly pfsyncVersion: number | undefined;
}

/** What the configuration says, as far as a check needs it. Nothing here is a secret. */
export interface SessionFacts {
  readonly name: string;
  readonly interface: string;
  readonly mac: string;
  readonly mtu: number;
  readonly stub: string | undefined;
  readonly policy: string;
  readonly carpInterface: string | undefined;
  readonly carpVhid: number | undefined;
  readonly carpAddress: string | undefined;
  readonly demotionFile: string | undefined;
  /** It asks CARP for the role when its partner is silent on every path. */
  readonly isFast?: boolean;
  /** Where it sets its default route; undefined where it sets none. */
  readonly route: { readonly fib: number; readonly metric: number | undefined } | undefined;
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
  /** Keys that must be alike on both routers, by their path; what is secret is a digest under the partner key. */
  readonly shared: Readonly<Record<string, string>>;
}

export interface FileFacts {
  readonly path: string;
  /** Permission bits; undefined if it is not there. */
  readonly mode: number | undefined;
  readonly owner: string;
  readonly group: string;
}

/** What may be of a file, as the manual pages say it. */
export interface FileRule {
  readonly path: string;
  readonly owner: string;
  readonly group: string | undefined;
  /** Permission bits it may have at most. */
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
  /** `pfctl -s nat`, `nft list ruleset` or the like. */
  readonly nat: string;
  /** Interfaces under `set skip on`. */
  readonly skipped: readonly string[];
}

/** A virtual router of keepalived's, with the interface of each address. */
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

/** What one router tells of itself for the other's doctor: `doctor --json`. */
export interface RouterReport {
  readonly at: number;
  readonly release: string;
  readonly shared: Readonly<Record<string, string>> | null;
  readonly carp: readonly CarpFacts[];
  readonly pfsyncVersion: number | null;
  /** Of Linux; a report of an older doctor has none. */
  readonly vrrp?: readonly VrrpInstance[];
}

export interface Facts {
  readonly platform: 'freebsd' | 'linux';
  /** Of the kernel: `14.1-RELEASE`. */
  readonly release: string;
  readonly node: string;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly now: number;
  readonly modules: Known<readonly string[]>;
  readonly interfaces: Known<readonly InterfaceFacts[]>;
  /** `net.inet.carp.preempt`; of FreeBSD only. */
  readonly preempt: Known<boolean>;
  readonly processes: Known<readonly ProcessFacts[]>;
  /** Of each session's interface, the peer of its `orphans` hook, '' for none; of FreeBSD only. */
  readonly orphans: Known<Readonly<Record<string, string>>>;
  readonly pf: Known<PfFacts>;
  /** Of keepalived; of Linux only. */
  readonly vrrp: Known<VrrpFacts>;
  readonly clockSynchronised: Known<boolean>;
  readonly files: readonly FileRule[];
  readonly config: Known<ConfigFacts>;
  readonly status: Known<StatusJson>;
  /** Undefined if the operator gave none. */
  readonly partnerReport: RouterReport | undefined;
}
