/**
 * What the status and control sockets say, as types: version 1 of the API (docs/api.md). Times are milliseconds since
 * 1970-01-01 UTC, spans milliseconds, addresses text. It is all that `pppthingctl` knows of the supervisor.
 */

export const API_VERSION = 1;

export interface SessionStatusJson {
  readonly name: string;
  readonly interface: string;
  readonly mac: string;
  readonly user: string;
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /** CARP's word for this router now. */
  readonly role: 'INIT' | 'BACKUP' | 'MASTER';
  /** Of ownership (docs/glossary.md). */
  readonly state:
    'Waiting' | 'Standby' | 'Holding' | 'Yielding' | 'Fenced' | 'HangingUp' | 'Redialling' | 'Off';
  /** Which router owns the session. */
  readonly holder: 'this router' | 'partner' | 'nobody';
  readonly epoch: number;
  readonly generation: number;
  readonly phase: string;
  /** The AC has answered within the echo budget. */
  readonly proven: boolean;
  /** What the kernel refuses of a session that is ours; null while it forwards. */
  readonly refused: {
    readonly action: string;
    readonly code: string;
    readonly message: string;
  } | null;
  /** On standby: joined behind a closed gate, ready to be taken. */
  readonly armed: boolean;
  readonly carrier: boolean;
  /** Why we are demoted in CARP; empty when we are not. */
  readonly demoted: readonly string[];
  /** Null when there is no session. */
  readonly session: {
    readonly sessionId: number;
    readonly acMac: string;
    readonly acName: string;
    /** Null, both, without IPv4. */
    readonly ourAddress: string | null;
    readonly theirAddress: string | null;
    /** Interface identifiers as link-local addresses (RFC 5072 §5); null without IPV6CP. */
    readonly ipv6: { readonly ours: string; readonly theirs: string } | null;
    readonly dns: readonly string[];
    readonly mtu: number;
    readonly auth: string;
    readonly since: number;
  } | null;
  /** Null unless the configuration asks for a DHCPv6 lease. */
  readonly dhcp6: {
    /** Of this router's client: `Off` on the standby. */
    readonly state: string;
    readonly lastError: string | null;
    /** Messages since this process started. */
    readonly sent: number;
    readonly received: number;
    readonly ignored: number;
    /** What the pair has, whichever router got it; null for nothing. */
    readonly lease: {
      readonly prefixes: readonly { readonly prefix: string; readonly validUntil: number | null }[];
      /** Replaced or withdrawn, and still valid for a while. */
      readonly former: readonly string[];
      readonly addresses: readonly string[];
      readonly dns: readonly string[];
      /** The AFTR of DS-Lite (RFC 6334); null for none. */
      readonly aftr: string | null;
      readonly grantedAt: number;
      /** Null is never. */
      readonly renewAt: number | null;
    } | null;
  } | null;
  readonly link: {
    readonly attempts: number;
    readonly nextDialAt: number | null;
    readonly lastError: string | null;
    readonly echoRttMs: number | null;
    readonly unansweredEchoes: number;
  };
  readonly partner: {
    readonly heardAt: number | null;
    /** Null while the partner is not heard. */
    readonly role: string | null;
    readonly healthy: boolean;
    readonly armed: boolean;
    /** It has the snapshot that we have. */
    readonly inSync: boolean;
    /** The AC has answered it within its echo budget: only a holder can say so. */
    readonly proven: boolean;
    /** It hears us. */
    readonly hearing: boolean;
    /** Keys of the session's configuration that differ from ours; null if that is not known. */
    readonly differs: readonly string[] | null;
  };
  /** What ownership waits for, and when it will act, earliest first (docs/api.md). */
  readonly waits: readonly { readonly name: string; readonly at: number }[];
  readonly lastTakeover: {
    readonly at: number;
    readonly epoch: number;
    readonly provenAfterMs: number | null;
    /**
     * Milliseconds from the role's edge, as the helper read it, to each step; null for one that was not done. Null if the
     * helper did not forward by itself at the edge.
     */
    readonly parts: Readonly<
      Record<
        'gate' | 'up' | 'route' | 'stored' | 'announced' | 'asked' | 'told' | 'answered',
        number | null
      >
    > | null;
  } | null;
  /** Since this process started. */
  readonly counters: {
    readonly framesIn: number;
    readonly framesOut: number;
    readonly framesMalformed: number;
    readonly framesShed: number;
    readonly refusals: number;
    readonly stores: number;
    readonly storeFailures: number;
    readonly datagramsIn: number;
    readonly datagramsOut: number;
    readonly datagramsRefused: number;
  };
}

export interface StatusJson {
  readonly api: typeof API_VERSION;
  readonly version: string;
  readonly startedAt: number;
  readonly now: number;
  readonly routerId: number;
  readonly helper: { readonly connected: boolean; readonly platform: string | null };
  readonly partner: {
    readonly protocol: string;
    /** Null without a partner. */
    readonly routerId: number | null;
    readonly address: string | null;
    readonly trouble: string | null;
    /** Datagrams that could be put down to no session, by reason. */
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly logLevel: string;
  readonly sessions: readonly SessionStatusJson[];
}

/** One reading of a session; octets count up, and begin anew with each time it is joined to its interface. */
export interface SampleJson {
  readonly time: number;
  /** Of the last answered Echo-Request; null while the AC does not answer this router. */
  readonly echoRttMs: number | null;
  /** Of this router's data path; null while the helper does not say. */
  readonly octetsIn: number | null;
  readonly octetsOut: number | null;
}

export interface HolderChangeJson {
  readonly time: number;
  readonly holder: SessionStatusJson['holder'];
  readonly epoch: number;
  /** No change: what this process found when it started. */
  readonly isStart: boolean;
}

/** What is kept of a session for as long as this process lives. */
export interface HistoryJson {
  readonly session: string;
  /** Between two samples. */
  readonly intervalMs: number;
  /** The last 600, oldest first; with `?after=TIME` those after it. */
  readonly samples: readonly SampleJson[];
  /** The last 100, oldest first. */
  readonly holders: readonly HolderChangeJson[];
  /** The last 100 of ownership, debug ones left out, oldest first. */
  readonly events: readonly EventJson[];
}

/** One event of `/v1/events`: a line of the log, and what it is made of. */
export interface EventJson {
  readonly sequence: number;
  readonly time: number;
  readonly session: string;
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly line: string;
  readonly machine: string;
  readonly from: string;
  /** Null when nothing changed but something is worth saying. */
  readonly to: string | null;
  readonly on: string;
  readonly actions: readonly string[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** An event named `missed`: so many came after the one that the reader asked to go on from, and are kept no more. */
export interface MissedJson {
  readonly missed: number;
}

/** Whether this router is fit to be MASTER, for track scripts; 503 if not. */
export interface HealthJson {
  readonly healthy: boolean;
  /** Why not, a sentence each. */
  readonly troubles: readonly string[];
  /** What is wrong and would not get better on the other router. */
  readonly warnings: readonly string[];
}

export interface ErrorJson {
  readonly error: string;
}

export const VERBS = ['handoff', 'connect', 'disconnect', 'reconnect'] as const;
export type ControlVerb = (typeof VERBS)[number];

export interface AcceptedJson {
  readonly accepted: ControlVerb;
  readonly session: string;
}

export interface LogJson {
  readonly level: string;
}
