/**
 * The link's contract: the phases of RFC 1661 §3.2 over one PPPoE session. The link speaks to the AC; whether this
 * router may speak at all is ownership's decision, taken before any of these methods is called.
 */
import type { Instant, Millis } from '../time.ts';
import type { MacAddress } from '../wire/ethernet.ts';
import type { AuthMethod } from '../wire/lcp.ts';
import type { Action, Event } from './events.ts';
import type { Secret } from './hashes.ts';
import type { SessionFacts } from './session.ts';

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
  /** The largest packet wanted, octets. Above 1492 PPP-Max-Payload is asked for (RFC 4638). */
  readonly mtu: number;
  /** False with a ppp_thing partner, which cannot carry a Magic-Number on. */
  readonly magicNumber: boolean;
  readonly dns: boolean;
  readonly ipv6: boolean;
  readonly echo: {
    /** Between Echo-Requests on a link that is up. */
    readonly interval: Millis;
    /** Unanswered Echo-Requests after which the probe begins. */
    readonly failures: number;
    /** Between Echo-Requests while a session is unproven: just resumed, or silent. */
    readonly probeInterval: Millis;
    /** Unanswered probes after which the session is given up. */
    readonly probeFailures: number;
  };
}

/** What the link tells ownership. */
export type LinkOutcome =
  /** The session carries traffic, or its facts changed while it did. */
  | { readonly kind: 'opened'; readonly facts: SessionFacts }
  /** The AC answered an Echo-Request: a resumed session is alive. `rtt` is of that answer. */
  | { readonly kind: 'proven'; readonly rtt: Millis }
  /** Echo-Requests go unanswered; probing has begun. */
  | { readonly kind: 'silent' }
  /** There is no session any more. The link is Dead until `dial`. `reason` is for the log and the operator. */
  | { readonly kind: 'closed'; readonly reason: string };

export type LinkOutput = Action | { readonly kind: 'outcome'; readonly outcome: LinkOutcome };

export interface LinkStatus {
  readonly phase: Phase;
  /** Dials since the last success, and the instant of the next in phase Wait. */
  readonly attempts: number;
  readonly nextDial?: Instant;
  /** Why the last dial or session ended, escaped for people. */
  readonly lastError?: string;
  readonly echoRtt?: Millis;
  readonly unansweredEchoes: number;
  readonly ac?: { readonly name: string; readonly mac: MacAddress };
}

/** Each method returns what must be performed, in order; each but `status` and `deadline` may change the link's state. */
export interface LinkMachine {
  /**
   * Begin to dial, no sooner than the back-off after earlier failures allows, and go on until it succeeds or `suspend`.
   * Re-asks for the address of `previous` (RFC 1332 §3.3).
   */
  dial(previous: SessionFacts | null, now: Instant): LinkOutput[];
  /**
   * Carry on with a session that is attached and whose gate is open: LCP and the NCPs are Opened as `facts` say, and an
   * Echo-Request goes out at once. Ends in `proven`, or in `closed` after PADT for the dead session.
   */
  resume(facts: SessionFacts, now: Instant): LinkOutput[];
  /** Be silent from now on: another router is the holder. Sends nothing, ever, and forgets the session. */
  suspend(now: Instant): LinkOutput[];
  /** The operator's disconnect: Terminate-Request, then PADT and detach (RFC 2516 §5.5). Ends in `closed`. */
  hangUp(now: Instant): LinkOutput[];
  /** Frames, `deadline`, `carrier`, `session-closed` and `failed`. */
  handle(event: Event, now: Instant): LinkOutput[];
  deadline(): Instant | undefined;
  status(): LinkStatus;
}
