/**
 * What the helper holds of each session, and the interlock at work on it: the role's edges move the gate here, without
 * asking anybody. Requests reach the same state through `requests.ts`.
 */
import type { Notice, SessionState } from '@ppp-thing/protocol/ipc/messages';
import { BackendError } from './errors.ts';
import type { Backend, BackendEvents, Key, Role } from './backend.ts';
import type { Demotions } from './demotion.ts';
import { effectiveRole, gateAfter, mayOpen } from './interlock.ts';
import { SystemError } from './libc.ts';
import type { HelperLog } from './log.ts';
import type { MainLoop } from './loop.ts';
import type { SessionPolicy } from './policy.ts';

/** A gate that would not close is tried again after this. */
const RETRY_MS = 100;
/** A session that could not be started (its interface is not there yet) is tried again after this. */
const RESTART_MS = 5000;

/** Mutable on purpose: one per session for the life of the process. */
export interface Session {
  readonly policy: SessionPolicy;
  role: Role;
  carrier: boolean;
  attached: Key | null;
  gateOpen: boolean;
  autoOpen: boolean;
  retrying: boolean;
}

export interface SessionsOptions {
  readonly loop: MainLoop;
  readonly policies: readonly SessionPolicy[];
  readonly notify: (notice: Notice) => void;
  readonly log: HelperLog;
}

/** Called as sessions start. */
export interface Starting {
  started(name: string): void;
  /** It could not be started with the others, and has been now. */
  late(name: string): void;
}

export class Sessions {
  readonly #options: SessionsOptions;
  readonly #byName = new Map<string, Session>();
  #backend: Backend | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
  }

  /**
   * Build or adopt every session. One that cannot be is logged, left out and tried again; if none can be, the first
   * error is thrown, for whoever started the helper to see.
   */
  start(backend: Backend, tell: Starting): void {
    this.#backend = backend;
    const errors = this.#options.policies.map((policy) => this.#start(policy, tell));
    const [first] = errors;
    if (first !== undefined && !errors.includes(undefined)) throw first;
    this.#options.policies.forEach((policy, i) => {
      const error = errors[i];
      if (error !== undefined) this.#startLater(policy, tell, error.message);
    });
  }

  #start(policy: SessionPolicy, tell: Starting): BackendError | SystemError | undefined {
    const backend = this.#started();
    try {
      backend.start(policy);
      const session = { policy, autoOpen: false, retrying: false, ...level(backend, policy) };
      this.#byName.set(policy.name, session);
      this.#enforce(session, false);
      tell.started(policy.name);
      return undefined;
    } catch (error) {
      if (error instanceof BackendError || error instanceof SystemError) return error;
      throw error;
    }
  }

  /** Say why it has not come, once for each reason, and try again. */
  #startLater(policy: SessionPolicy, tell: Starting, reason: string): void {
    this.#options.log(reason);
    let said = reason;
    const stop = this.#options.loop.every(RESTART_MS, () => {
      const error = this.#start(policy, tell);
      if (error === undefined) {
        stop();
        tell.late(policy.name);
      } else if (error.message !== said) {
        said = error.message;
        this.#options.log(said);
      }
    });
  }

  find(name: string): Session | undefined {
    return this.#byName.get(name);
  }

  names(): readonly string[] {
    return [...this.#byName.keys()];
  }

  /** As the kernel has it now: the truth for a supervisor that has just come. */
  states(demotions: Demotions): SessionState[] {
    const backend = this.#started();
    return Array.from(this.#byName.values(), (session) => {
      const { policy } = session;
      const from = session.role;
      Object.assign(session, level(backend, policy));
      this.#enforce(session, session.role !== from);
      return {
        session: policy.name,
        role: session.role,
        carrier: session.carrier,
        attached: session.attached,
        gateOpen: session.gateOpen,
        demoted: demotions.has(policy.name),
        ourMac: policy.mac,
      };
    });
  }

  /** What the backend reports, with the role's edges acted upon before anybody is told. */
  events(): BackendEvents {
    const { notify } = this.#options;
    return {
      role: (name, role) => this.#role(name, role),
      discoveryFrame: (session, source, payload) =>
        notify({ notice: 'discovery-frame', session, source, payload }),
      pppFrame: (session, protocol, packet) =>
        notify({ notice: 'ppp-frame', session, protocol, packet }),
      ownMacHeard: (session, epoch) => notify({ notice: 'own-mac-heard', session, epoch }),
      dropped: (session, frames) => notify({ notice: 'dropped', session, frames }),
      carrier: (name, up) => {
        const session = this.#byName.get(name);
        if (session === undefined || session.carrier === up) return;
        session.carrier = up;
        notify({ notice: 'carrier', session: name, up });
      },
      sessionClosed: (name) => {
        const session = this.#byName.get(name);
        if (session === undefined) return;
        Object.assign(session, { attached: null, gateOpen: false, autoOpen: false });
        notify({ notice: 'session-closed', session: name });
      },
    };
  }

  #role(name: string, reported: Role): void {
    const session = this.#byName.get(name);
    if (session === undefined) return;
    const role = effectiveRole(session.policy.policy, reported);
    if (role === session.role) return;
    const from = session.role;
    session.role = role;
    this.#enforce(session, true);
    const { gateOpen } = session;
    this.#options.notify({ notice: 'role', session: name, role, gateOpen });
    const gate = gateOpen ? 'open' : 'closed';
    this.#options.log(`${name} role: ${from} -> ${role} on CARP [gate ${gate}]`, 'info');
  }

  /** Bring the gate to where the interlock wants it. A gate that does not close is tried until it does. */
  #enforce(session: Session, edge: boolean): void {
    const { policy, role, autoOpen } = session;
    const state = { policy: policy.policy, role, autoOpen, open: session.gateOpen };
    const wanted = gateAfter({ ...state, attached: session.attached !== null }, edge);
    if (wanted === session.gateOpen) return;
    try {
      this.#started().gate(policy.name, wanted);
      session.gateOpen = wanted;
    } catch (error) {
      if (!(error instanceof BackendError || error instanceof SystemError)) throw error;
      this.#options.log(error.message);
      if (!wanted) this.#retryClosing(session);
    }
  }

  #retryClosing(session: Session): void {
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

  #started(): Backend {
    if (this.#backend === undefined) throw new Error('no session has been started');
    return this.#backend;
  }
}

function level(
  backend: Backend,
  { name, policy }: SessionPolicy,
): Pick<Session, 'role' | 'carrier' | 'attached' | 'gateOpen'> {
  const { role, carrier, attached, gateOpen } = backend.inspect(name);
  return { role: effectiveRole(policy, role), carrier, attached, gateOpen };
}
