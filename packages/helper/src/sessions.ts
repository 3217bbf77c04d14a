/**
 * The helper's state of each session, and the interlock applied to it: on a role's edge this module moves the gate, the
 * interface and the route, without asking the supervisor. Requests reach the same state through `requests.ts`.
 *
 * One edge is one act, with the settings that the supervisor armed. To MASTER: open the gate, show the line's switches
 * where the session's MAC is now, bring the interface up, point the default route into the session. To BACKUP: close the
 * gate, then move the default route out of the session.
 * If one poll finds several sessions on an edge, all gates move first. Notices and log lines come last.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import {
  MAX_PACKET,
  MAX_PAYLOAD,
  type Notice,
  type SessionState,
} from '@ppp-thing/protocol/ipc/messages';
import { PRESENCE } from './announce.ts';
import { anyway, BackendError } from './errors.ts';
import type { Backend, BackendEvents, Edge, Key, Role, SessionSettings } from './backend.ts';
import type { SessionVerbs, Via } from './backend.ts';
import type { Demotions } from './demotion.ts';
import {
  closedBecause,
  effectiveRole,
  gateAfter,
  isLive,
  mayOpen,
  routeAfter,
} from './interlock.ts';
import { SystemError } from './libc.ts';
import type { HelperLog } from './log.ts';
import type { MainLoop } from './loop.ts';
import type { SessionPolicy } from './policy.ts';
import { retry } from './retry.ts';

/** Pause before the next attempt to close a gate. */
const RETRY_MS = 100;
/** Pause before the next attempt to start a session, whose interface may not exist yet. */
const RESTART_MS = 5000;

/** Mutable on purpose: one per session for the life of the process. */
export interface HelperSession {
  readonly policy: SessionPolicy;
  readonly verbs: SessionVerbs;
  role: Role;
  carrier: boolean;
  attached: Key | null;
  gateOpen: boolean;
  autoOpen: boolean;
  /** What the interface is given when the gate opens; null while the supervisor has named nothing. */
  settings: SessionSettings | null;
  /** Where the default route leads; undefined until this helper has set it. */
  route: Via | undefined;
  retrying: boolean;
}

/** A session that has just started, or has ended. */
export const NOTHING_ARMED = { autoOpen: false, settings: null } as const;

interface SessionsOptions {
  readonly loop: MainLoop;
  readonly policies: readonly SessionPolicy[];
  readonly notify: (notice: Notice) => void;
  readonly log: HelperLog;
}

/** A session on an edge, and the time of each step, microseconds. */
interface Moved {
  readonly session: HelperSession;
  readonly from: Role;
  readonly gate: number;
  up: number;
  route: number;
}

/** Called as sessions start. */
export interface Starting {
  started(session: HelperSession): void;
  /** The session started later than the others, after a failed attempt. */
  late(name: string): void;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #byName = new Map<string, HelperSession>();

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /**
   * Build or adopt every session. Logs and retries one that fails, even if all fail: a process that ended would only be
   * restarted every second, and fail and log the same again.
   */
  start(backend: Backend, tell: Starting): void {
    const errors = this.#options.policies.map((policy) => this.#start(backend, policy, tell));
    this.#options.policies.forEach((policy, i) => {
      const error = errors[i];
      if (error !== undefined) this.#startLater(backend, policy, tell, error.message);
    });
  }

  #start(
    backend: Backend,
    policy: SessionPolicy,
    tell: Starting,
  ): BackendError | SystemError | undefined {
    try {
      const verbs = backend.start(policy);
      const found = level(verbs, policy);
      const idle = { ...NOTHING_ARMED, route: undefined, retrying: false };
      const session: HelperSession = { policy, verbs, ...idle, ...found };
      this.#byName.set(policy.name, session);
      this.#enforce(session, false);
      // On a router that is not live, keep the earlier helper's settings until the supervisor sends the current ones.
      if (isLive({ policy: policy.policy, role: session.role, open: session.gateOpen }))
        this.follow(session);
      tell.started(session);
      return undefined;
    } catch (error) {
      if (error instanceof BackendError || error instanceof SystemError) return error;
      throw error;
    }
  }

  /** Log why the session has not started, once for each reason, and retry. */
  #startLater(backend: Backend, policy: SessionPolicy, tell: Starting, reason: string): void {
    const { loop, log } = this.#options;
    const again = (): string | undefined => {
      const error = this.#start(backend, policy, tell);
      if (error === undefined) tell.late(policy.name);
      return error?.message;
    };
    retry(loop, RESTART_MS, reason, again, log);
  }

  find(name: string): HelperSession | undefined {
    return this.#byName.get(name);
  }

  all(): Iterable<HelperSession> {
    return this.#byName.values();
  }

  /** The kernel's current state, for a supervisor that has just connected. An edge found here is one like any other. */
  states(demotions: Demotions): SessionState[] {
    const edges: Edge[] = [];
    for (const session of this.all()) {
      const { role, ...rest } = level(session.verbs, session.policy);
      Object.assign(session, rest);
      if (role === session.role) this.#enforce(session, false);
      else edges.push({ session: session.policy.name, role });
    }
    this.#roles(edges);
    return Array.from(this.all(), ({ policy, role, carrier, attached, gateOpen }) => ({
      session: policy.name,
      role,
      carrier,
      attached,
      gateOpen,
      demoted: demotions.has(policy.name),
      ourMac: policy.mac,
    }));
  }

  /** Handles the backend's notices. Acts on a role's edge before it notifies the supervisor. */
  events(): BackendEvents {
    const { notify } = this.#options;
    const dropped = (session: string, frames: number): void =>
      notify({ notice: 'dropped', session, frames });
    return {
      roles: (edges) => this.#roles(edges),
      discoveryFrame: (session, source, payload) => {
        const attached = this.#byName.get(session)?.attached;
        if (!isUseful(payload, source, attached?.acMac)) return;
        if (payload.length > MAX_PAYLOAD) return dropped(session, 1);
        notify({ notice: 'discovery-frame', session, source, payload });
      },
      pppFrame: (session, protocol, packet) => {
        if (packet.length > MAX_PACKET) return dropped(session, 1);
        notify({ notice: 'ppp-frame', session, protocol, packet });
      },
      ownMacHeard: (session, announced) =>
        notify({ notice: 'own-mac-heard', session, ...announced }),
      dropped,
      carrier: (name, up) => {
        const session = this.#byName.get(name);
        if (session === undefined || session.carrier === up) return;
        session.carrier = up;
        notify({ notice: 'carrier', session: name, up });
      },
      sessionClosed: (name) => {
        const session = this.#byName.get(name);
        if (session === undefined) return;
        Object.assign(session, { attached: null, gateOpen: false, ...NOTHING_ARMED });
        notify({ notice: 'session-closed', session: name });
      },
    };
  }

  #roles(edges: readonly Edge[]): void {
    const { loop, notify, log } = this.#options;
    const began = loop.turnedAt();
    const since = (): number => Math.max(0, Math.round((loop.now() - began) * 1000));
    const moved: Moved[] = [];
    for (const edge of edges) {
      const session = this.#byName.get(edge.session);
      if (session === undefined) continue;
      const role = effectiveRole(session.policy.policy, edge.role);
      if (role === session.role) continue;
      const from = session.role;
      session.role = role;
      this.#enforce(session, true);
      moved.push({ session, from, gate: since(), up: 0, route: 0 });
    }
    for (const each of moved) {
      if (each.session.gateOpen) this.#show(each.session);
      this.#raise(each.session);
      each.up = since();
      this.#route(each.session);
      each.route = since();
    }
    for (const { session, from, gate, up, route } of moved) {
      const { policy, role, gateOpen, settings, autoOpen } = session;
      const name = policy.name;
      if (role === 'MASTER' && gateOpen && settings !== null)
        notify({ notice: 'forwarded', session: name, gate, up, route, told: since() });
      notify({ notice: 'role', session: name, role, gateOpen });
      const why = { policy: policy.policy, attached: session.attached !== null, autoOpen };
      const closed = role === 'MASTER' ? `closed: ${closedBecause(why)}` : 'closed';
      const state = gateOpen ? 'open' : closed;
      log(`${name} role: ${from} -> ${role} on CARP [gate ${state}]`, 'info');
    }
  }

  /**
   * Bring interface and default route in line with gate and role: both set behind an open gate, no default route into a
   * closed one, none via the partner on a live router. Logs what the kernel refuses; the supervisor will request it again.
   */
  follow(session: HelperSession): void {
    this.#raise(session);
    this.#route(session);
  }

  /** The supervisor announces too, with its proof, but only after it has stored the takeover. */
  #show({ verbs }: HelperSession): void {
    anyway(() => verbs.announce(PRESENCE), this.#options.log);
  }

  #raise({ verbs, gateOpen, settings }: HelperSession): void {
    if (!gateOpen || settings === null) return;
    anyway(() => verbs.raise(settings), this.#options.log);
  }

  #route(session: HelperSession): void {
    const { policy, role, gateOpen: open, settings, route } = session;
    const known = settings !== null;
    const via = routeAfter({ policy: policy.policy, role, open, settings: known, route });
    if (via !== undefined && via !== route)
      anyway(() => this.setRoute(session, via), this.#options.log);
  }

  /** Sets the default route, unless the configuration leaves it to the administrator. Throws the backend's error. */
  setRoute(session: HelperSession, via: Via): void {
    session.route = undefined;
    if (session.policy.defaultRoute) session.verbs.route(via);
    session.route = via;
  }

  /** Move the gate as the interlock decides. Retries a gate that does not close. */
  #enforce(session: HelperSession, edge: boolean): void {
    const { policy, verbs, role, autoOpen } = session;
    const state = { policy: policy.policy, role, autoOpen, open: session.gateOpen };
    const wanted = gateAfter({ ...state, attached: session.attached !== null }, edge);
    if (wanted === session.gateOpen) return;
    if (anyway(() => verbs.gate(wanted), this.#options.log)) session.gateOpen = wanted;
    else if (!wanted) this.#retryClosing(session);
  }

  #retryClosing(session: HelperSession): void {
    if (session.retrying) return;
    session.retrying = true;
    this.#options.loop.after(RETRY_MS, () => {
      session.retrying = false;
      if (mayOpen({ policy: session.policy.policy, role: session.role })) return;
      this.#enforce(session, false);
      if (!session.gateOpen) {
        const { role, policy } = session;
        this.#options.notify({ notice: 'role', session: policy.name, role, gateOpen: false });
      }
    });
  }
}

/** CODE of PADO, PADS and PADT (RFC 2516 §5): what an AC sends. */
const FROM_AC: readonly number[] = [0x07, 0x65, 0xa7];

/**
 * Whether the supervisor can use a discovery frame: only an AC's, and while a session is attached only its own AC's. A
 * flood of other frames must not fill the queue that the session's own frames share.
 */
function isUseful(payload: Uint8Array, source: Uint8Array, acMac: Uint8Array | undefined): boolean {
  if (!FROM_AC.includes(payload[1] ?? 0)) return false;
  return acMac === undefined || sameOctets(source, acMac);
}

function level(
  verbs: SessionVerbs,
  { policy }: SessionPolicy,
): Pick<HelperSession, 'role' | 'carrier' | 'attached' | 'gateOpen'> {
  const { role, carrier, attached, gateOpen } = verbs.inspect();
  return { role: effectiveRole(policy, role), carrier, attached, gateOpen };
}
