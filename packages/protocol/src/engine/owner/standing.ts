/**
 * Where this router stands: its place in the table with the data of that place, and what it knows of CARP, the helper,
 * the partner and the session. It answers questions and decides nothing.
 */
import type { Instant, Millis } from '../../time.ts';
import type { PartnerMessage, Role, SessionFacts, Snapshot } from '../../session.ts';
import type { Action, HelperState, RouteTarget } from '../events.ts';
import type { Out } from '../out.ts';
import type { OwnershipConfig } from '../session-config.ts';
import { Demotion } from './demotion.ts';
import type { OwnerState } from './ownership.ts';
import { Partnership } from './partnership.ts';
import { SEEN_SPAN } from './waits.ts';
import { unreachable } from '../../unreachable.ts';

/**
 * The path of a session that is ours. `severed`: our kernel does not carry it (the helper is away, or refused).
 * `unproven`: the AC has not answered yet, or not in time, or we are dialling. `proven`: the AC has answered within the
 * echo budget.
 */
export type Path = 'severed' | 'unproven' | 'proven';

/** A refusal by the kernel, with its reason. */
export interface Refusal {
  readonly action: Action['kind'];
  readonly code: string;
  readonly message: string;
}

/** A state, and the data that have a meaning in it. */
export type Place =
  | { readonly state: 'Waiting' | 'Off' }
  /** `armed`: the session is joined to its interface behind a closed gate, ready to be taken. */
  | {
      readonly state: 'Standby';
      readonly armed: boolean;
      /** Where the default route was last sent; undefined if nowhere yet. */
      readonly via: RouteTarget | undefined;
      /** The AC ended the session of our snapshot: there is nothing to take over. */
      readonly isEnded: boolean;
    }
  | { readonly state: 'Fenced'; readonly armed: boolean }
  | {
      readonly state: 'Holding' | 'Yielding';
      readonly path: Path;
      /** The kernel's last refusal of addresses or route; undefined while it forwards. */
      readonly refused: Refusal | undefined;
      /** Our snapshot before this router took over. The partner may have known more. */
      readonly before: Snapshot | undefined;
    }
  /** `severed`: we have told the AC to end the session, and the kernel no longer passes its answer. */
  | { readonly state: 'HangingUp' | 'Redialling'; readonly path: Path };

/** A takeover by this router, and how long until the AC answered. */
export interface Takeover {
  readonly at: Instant;
  readonly epoch: number;
  readonly provenAfter?: Millis;
}

export class Standing {
  readonly config: OwnershipConfig;
  readonly partner: Partnership;
  readonly demotion: Demotion;
  role: Role = 'INIT';
  /** The helper's last report; undefined while it is away. */
  helper: HelperState | undefined;
  snapshot: Snapshot;
  /** The facts of the last session that ended: a dial requests its address again (RFC 1332 §3.3). */
  previous: SessionFacts | null;
  lastTakeover: Takeover | undefined;
  #place: Place = { state: 'Waiting' };

  constructor(config: OwnershipConfig, stored: Snapshot, out: Out) {
    this.demotion = new Demotion(out);
    this.config = config;
    this.partner = new Partnership(config.partnerTimeout);
    this.snapshot = stored;
    this.previous = stored.facts;
  }

  get state(): OwnerState {
    return this.#place.state;
  }

  get place(): Place {
    return this.#place;
  }

  /** Go to `state`, and keep the data that both states have. */
  enter(state: OwnerState): void {
    this.#place = placeIn(state, this.#place);
  }

  /** Note whether the session is joined behind the closed gate. Only Standby and Fenced have that. */
  arm(armed: boolean): void {
    if ('armed' in this.#place) this.#place = { ...this.#place, armed };
  }

  /** Where a standby's default route belongs, and whether that has changed. */
  via(now: Instant): { readonly via: RouteTarget; readonly isNews: boolean } {
    const isLive = TRAITS[this.state].standsBy && this.role !== 'MASTER';
    const mayUse = isLive && this.config.routesViaPartner !== false;
    const via = mayUse && this.partner.carries(SEEN_SPAN, now) ? 'partner' : 'none';
    return { via, isNews: 'via' in this.#place && this.#place.via !== via };
  }

  routed(via: RouteTarget): void {
    if ('via' in this.#place) this.#place = { ...this.#place, via };
  }

  /** The AC ended the session of our snapshot. */
  end(isEnded: boolean): void {
    if ('isEnded' in this.#place) this.#place = { ...this.#place, isEnded };
  }

  refuse(refused: Refusal | undefined): void {
    if ('refused' in this.#place) this.#place = { ...this.#place, refused };
  }

  tookFrom(before: Snapshot): void {
    if ('before' in this.#place) this.#place = { ...this.#place, before };
  }

  get before(): Snapshot | undefined {
    return isHolder(this.#place) ? this.#place.before : undefined;
  }

  get refused(): Refusal | undefined {
    return isHolder(this.#place) ? this.#place.refused : undefined;
  }

  set path(path: Path) {
    if ('path' in this.#place) this.#place = { ...this.#place, path };
  }

  get path(): Path | undefined {
    return 'path' in this.#place ? this.#place.path : undefined;
  }

  /** Holding the session, and so allowed to speak for it. */
  get holds(): boolean {
    return TRAITS[this.state].holds;
  }

  /** Whether the link gets the AC's frames and the deadlines. */
  get listens(): boolean {
    return this.helper !== undefined && TRAITS[this.state].listens;
  }

  get isProven(): boolean {
    return this.holds && this.path === 'proven';
  }

  get isArmed(): boolean {
    return TRAITS[this.state].standsBy && 'armed' in this.#place && this.#place.armed;
  }

  /** Do not announce a session that the kernel refused to carry. */
  get claims(): boolean {
    return this.holds && (this.snapshot.facts === null || this.path !== 'severed');
  }

  /** No datagrams arrive, but the partner is on the line: it may hold the session and be unable to say so. */
  isContested(now: Instant): boolean {
    return (
      this.config.hasPartner &&
      this.partner.fresh(now) === undefined &&
      this.partner.seenWithin(SEEN_SPAN, now)
    );
  }

  /** The partner may receive nothing from us but announce frames on the line. */
  isUnheard(now: Instant): boolean {
    return this.config.hasPartner && this.partner.fresh(now)?.hearing !== true;
  }

  /** By its last message the partner was dialling. It may have opened a session since. */
  partnerDials(now: Instant): boolean {
    const message = this.partner.fresh(now);
    return message?.open === true && message.snapshot.facts === null;
  }

  /** The message to the partner. @param snapshot ours, with the Identifier used last */
  message(snapshot: Snapshot, now: Instant): PartnerMessage {
    return {
      sender: this.config.routerId,
      role: this.role,
      healthy: this.helper?.carrier === true && !this.demotion.has('watchdog'),
      armed: this.isArmed,
      open: this.holds,
      proven: this.isProven,
      yielding: this.demotion.has('handoff'),
      hearing: this.partner.fresh(now) !== undefined,
      snapshot,
    };
  }
}

const isHolder = (place: Place): place is Extract<Place, { readonly refused: unknown }> =>
  place.state === 'Holding' || place.state === 'Yielding';

/** Properties of each state. */
const TRAITS: Record<
  OwnerState,
  { readonly holds: boolean; readonly listens: boolean; readonly standsBy: boolean }
> = {
  Waiting: { holds: false, listens: false, standsBy: false },
  Standby: { holds: false, listens: false, standsBy: true },
  Holding: { holds: true, listens: true, standsBy: false },
  Yielding: { holds: true, listens: true, standsBy: false },
  Fenced: { holds: false, listens: false, standsBy: false },
  HangingUp: { holds: false, listens: true, standsBy: false },
  Redialling: { holds: false, listens: true, standsBy: false },
  Off: { holds: false, listens: true, standsBy: false },
};

function placeIn(state: OwnerState, from: Place): Place {
  switch (state) {
    case 'Waiting':
    case 'Off':
      return { state };
    case 'Standby':
      return {
        state,
        armed: 'armed' in from && from.armed,
        via: 'via' in from ? from.via : undefined,
        isEnded: 'isEnded' in from && from.isEnded,
      };
    case 'Fenced':
      return { state, armed: 'armed' in from && from.armed };
    case 'Holding':
    case 'Yielding':
      return {
        state,
        path: 'path' in from ? from.path : 'severed',
        refused: 'refused' in from ? from.refused : undefined,
        before: 'before' in from ? from.before : undefined,
      };
    case 'HangingUp':
    case 'Redialling':
      return { state, path: 'path' in from ? from.path : 'severed' };
    default:
      return unreachable(state);
  }
}
