/**
 * Types of the status and control sockets: version 1 of the API (docs/api.md). Times are milliseconds since 1970-01-01
 * UTC, spans milliseconds, addresses text. `pppthingctl` knows nothing else of the supervisor.
 */

export const API_VERSION = 1;

export interface SessionStatusJson {
  readonly name: string;
  readonly interface: string;
  readonly mac: string;
  readonly user: string;
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  /** This router's role in CARP. */
  readonly role: 'INIT' | 'BACKUP' | 'MASTER';
  /** State of ownership (docs/glossary.md). */
  readonly state:
    'Waiting' | 'Standby' | 'Holding' | 'Yielding' | 'Fenced' | 'HangingUp' | 'Redialling' | 'Off';
  /** Which router owns the session. */
  readonly holder: 'this router' | 'partner' | 'nobody';
  readonly epoch: number;
  readonly generation: number;
  readonly phase: string;
  /** The AC has answered within the echo budget. */
  readonly proven: boolean;
  /** The action that the kernel refuses for our session; null while it forwards. */
  readonly refused: {
    readonly action: string;
    readonly code: string;
    readonly message: string;
  } | null;
  /** On standby: the session is attached behind a closed gate, ready for a takeover. */
  readonly armed: boolean;
  readonly carrier: boolean;
  /** Reasons of our CARP demotions; empty if there are none. */
  readonly demoted: readonly string[];
  /** Null when there is no session. */
  readonly session: {
    readonly sessionId: number;
    readonly acMac: string;
    readonly acName: string;
    /** Both null without IPv4. */
    readonly ourAddress: string | null;
    readonly theirAddress: string | null;
    /** Interface identifiers as link-local addresses (RFC 5072 §5); null without IPV6CP. */
    readonly ipv6: { readonly ours: string; readonly theirs: string } | null;
    readonly dns: readonly string[];
    readonly mtu: number;
    readonly auth: string;
    readonly since: number;
  } | null;
  /** Null unless the configuration requests a DHCPv6 lease. */
  readonly dhcp6: {
    /** State of this router's client: `Off` on the standby. */
    readonly state: string;
    readonly lastError: string | null;
    /** Messages since this process started. */
    readonly sent: number;
    readonly received: number;
    readonly ignored: number;
    /** The pair's lease, whichever router obtained it; null for none. */
    readonly lease: {
      readonly prefixes: readonly { readonly prefix: string; readonly validUntil: number | null }[];
      /** Replaced or withdrawn prefixes that are still valid for a while. */
      readonly former: readonly string[];
      readonly addresses: readonly string[];
      readonly dns: readonly string[];
      /** The AFTR of DS-Lite (RFC 6334); null for none. */
      readonly aftr: string | null;
      readonly grantedAt: number;
      /** Null means never. */
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
    /** Null while the partner is silent. */
    readonly role: string | null;
    readonly healthy: boolean;
    readonly armed: boolean;
    /** Its snapshot is the same as ours. */
    readonly inSync: boolean;
    /** The AC has answered the partner within its echo budget. Only a holder sets it. */
    readonly proven: boolean;
    /** The partner receives our datagrams. */
    readonly hearing: boolean;
    /** Keys of the session's configuration that differ from the partner's; null if unknown. */
    readonly differs: readonly string[] | null;
  };
  /** Everything that the session waits for, and the time at which it acts, earliest first (docs/api.md). */
  readonly waits: readonly { readonly name: string; readonly at: number }[];
  readonly lastTakeover: {
    readonly at: number;
    readonly epoch: number;
    readonly provenAfterMs: number | null;
    /**
     * Milliseconds from the edge of the role, as the helper read it, to each step; null for a step not done. Null if
     * the helper did not forward by itself at the edge.
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
    /** The same by the verb of the request; a verb that was never refused is left out. */
    readonly refusalsByVerb: Readonly<Record<string, number>>;
    /** Echo-Requests that the AC did not answer. */
    readonly echoesLost: number;
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
    /** How far the partner's clock is ahead of this router's; null while it is silent, or does not say. */
    readonly clockOffsetMs: number | null;
    /** Datagrams that belong to no known session, by reason. */
    readonly refused: Readonly<Record<string, number>>;
  };
  readonly logLevel: string;
  readonly sessions: readonly SessionStatusJson[];
}

/** One sample of a session. Octets count up, and restart at 0 each time the session is attached to its interface. */
export interface SampleJson {
  readonly time: number;
  /** Round trip of the last answered Echo-Request; null while the AC does not answer this router. */
  readonly echoRttMs: number | null;
  /** Of this router's data path; null while the helper does not report them. */
  readonly octetsIn: number | null;
  readonly octetsOut: number | null;
}

export interface HolderChangeJson {
  readonly time: number;
  readonly holder: SessionStatusJson['holder'];
  readonly epoch: number;
  /** Not a change: the holder when this process started. */
  readonly isStart: boolean;
}

/** Samples, holders and events of a session, kept as long as this process lives. */
export interface HistoryJson {
  readonly session: string;
  /** Interval between two samples. */
  readonly intervalMs: number;
  /** The last 600, oldest first; with `?after=TIME` only those after it. */
  readonly samples: readonly SampleJson[];
  /** The last 100, oldest first. */
  readonly holders: readonly HolderChangeJson[];
  /** The last 100 of ownership without debug events, oldest first. */
  readonly events: readonly EventJson[];
}

/** One event of `/v1/events`: a log line, and its parts. */
export interface EventJson {
  readonly sequence: number;
  readonly time: number;
  readonly session: string;
  readonly level: 'error' | 'warn' | 'info' | 'debug';
  readonly line: string;
  readonly machine: string;
  readonly from: string;
  /** Null for an event that changed no state. */
  readonly to: string | null;
  readonly on: string;
  readonly actions: readonly string[];
  readonly facts: Readonly<Record<string, string | number | boolean>>;
}

/** Whether this router should be MASTER, for track scripts; 503 if not. */
export interface HealthJson {
  readonly healthy: boolean;
  /** The reasons, a sentence each. */
  readonly troubles: readonly string[];
  /** Problems that the other router would have too. */
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
