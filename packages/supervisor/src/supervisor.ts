/**
 * The facts and verbs behind the status and control sockets. It serves no socket and decides nothing; everything is
 * plain data, read at the moment of the request.
 */
import type { AdminVerb, Note } from '@ppp-thing/protocol/engine/events';
import type { SessionStatus } from '@ppp-thing/protocol/engine/engine';
import type { RouterId } from '@ppp-thing/protocol/session';
import type { Verb } from '@ppp-thing/protocol/ipc/messages';
import type { Instant } from '@ppp-thing/protocol/time';
import type { LogLevel } from './log.ts';
import type { TakeoverParts } from './takeover-parts.ts';

/** One event, in the order of occurrence. */
export interface Happening {
  /** 1, 2, 3 … for the life of this process, over all sessions. */
  readonly sequence: number;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly time: number;
  readonly session: string;
  readonly note: Note;
  /** The note as the log shows it, without a time. */
  readonly line: string;
}

/** Since this process started. */
interface SessionCounters {
  /** From the helper: discovery and control packets that were read and understood. */
  readonly framesIn: number;
  /** Discovery and control packets given to the helper. */
  readonly framesOut: number;
  /** Received frames that violated their format: dropped. */
  readonly framesMalformed: number;
  /** Frames that the helper dropped because this process read too slowly. */
  readonly framesShed: number;
  /** Requests that the helper or the kernel refused. */
  readonly refusals: number;
  /** The same by the verb of the request. */
  readonly refusalsByVerb: Readonly<Partial<Record<Verb, number>>>;
  /** Echo-Requests that the AC did not answer. */
  readonly echoesLost: number;
  readonly stores: number;
  readonly storeFailures: number;
  readonly datagramsIn: number;
  readonly datagramsOut: number;
  /** Refused datagrams of the partner, by reason: forged, replayed, stale, malformed … */
  readonly datagramsRefused: Readonly<Record<string, number>>;
}

/** Octets and packets of the data path, from the kernel. */
export interface Traffic {
  readonly octetsIn: number;
  readonly octetsOut: number;
  readonly packetsIn: number;
  readonly packetsOut: number;
}

/** Settings of a session that may be shown: no secrets. */
interface SessionSettingsView {
  readonly interface: string;
  /** `02:00:5e:10:53:01` */
  readonly mac: string;
  readonly user: string;
  readonly policy: 'follow-carp' | 'pinned' | 'manual';
  readonly mtu: number;
  readonly stub?: string;
}

export interface SessionView {
  readonly name: string;
  readonly settings: SessionSettingsView;
  readonly status: SessionStatus;
  readonly counters: SessionCounters;
  /** Of the last takeover; undefined if the helper did not forward by itself at its edge. */
  readonly takeoverParts: TakeoverParts | undefined;
  /** Keys of the configuration that differ from the partner's; undefined if unknown. */
  readonly partnerDiffers: readonly string[] | undefined;
  /** The last notes of level info and above, oldest first; at most RECENT. */
  readonly recent: readonly Happening[];
}

export interface HelperView {
  readonly connected: boolean;
  /** While connected. */
  readonly platform?: string;
  readonly pid?: number;
  /** Connections that ended since this process started. */
  readonly reconnects: number;
}

export interface PartnerView {
  readonly protocol: 'ppp-thing' | 'ppp_thing' | 'none';
  readonly routerId?: RouterId;
  /** `10.99.0.3:8863` */
  readonly address?: string;
  /** Datagrams that belong to no known session, by reason: forged, malformed, stranger … */
  readonly refused?: Readonly<Record<string, number>>;
  /** Milliseconds that its clock is ahead of ours; absent while it is silent, or does not say. */
  readonly clockOffset?: number;
  /** Why the partner channel does not work; absent while it does. */
  readonly trouble?: string;
}

/** Whether a control verb was accepted; if not, why: a sentence for the operator. */
export type Outcome =
  { readonly accepted: true } | { readonly accepted: false; readonly reason: string };

export interface Supervisor {
  readonly version: string;
  readonly routerId: RouterId;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly startedAt: number;
  /** The monotonic clock of every Instant in a status. */
  now(): Instant;
  /** Milliseconds since 1970-01-01 UTC at `at`. */
  timeOf(at: Instant): number;
  helper(): HelperView;
  partner(): PartnerView;
  /** Every session, in the order of the configuration. */
  sessions(): readonly SessionView[];
  session(name: string): SessionView | undefined;
  /** Run the operator's verb. Accepted means that the engine has it; events report the result. */
  admin(name: string, verb: AdminVerb): Outcome;
  /** Undefined if the helper does not answer or the session is unknown. Never rejects. */
  traffic(name: string): Promise<Traffic | undefined>;
  logLevel(): LogLevel;
  setLogLevel(level: LogLevel): void;
  /** Receive every event from now on, in order; a listener must not throw. Returns a function that unsubscribes. */
  subscribe(listener: (happening: Happening) => void): () => void;
}

/** Events kept for each session. */
export const RECENT = 100;
