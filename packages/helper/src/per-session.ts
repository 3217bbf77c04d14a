/**
 * The common part of the backends: keeps one entry for each started session, and passes a verb to its session. It starts
 * no session and watches nothing.
 */
import { BackendError } from './errors.ts';
import type { Backend, Found } from './backend.ts';

/** The verbs of `Backend` that concern one session, without its name. */
export interface SessionVerbs {
  sendDiscovery: Of<'sendDiscovery'>;
  attach: Of<'attach'>;
  gate: Of<'gate'>;
  sendPpp: Of<'sendPpp'>;
  configure: Of<'configure'>;
  raise: Of<'raise'>;
  deconfigure: Of<'deconfigure'>;
  route: Of<'route'>;
  announce: Of<'announce'>;
  detach: Of<'detach'>;
  counters: Of<'counters'>;
}

/** A verb without its first argument. */
type Of<V extends keyof Backend> = Backend[V] extends (
  session: string,
  ...rest: infer Rest
) => infer Result
  ? (...rest: Rest) => Result
  : never;

type Verb<V extends keyof SessionVerbs> = Parameters<SessionVerbs[V]>;

/** What a session itself knows of its place in the kernel. */
type Joined = Pick<Found, 'attached' | 'gateOpen'>;

export abstract class PerSession<Entry extends { readonly session: SessionVerbs & Joined }> {
  protected readonly entries = new Map<string, Entry>();

  /** ENXIO: no such session was started. */
  protected entry(verb: string, name: string): Entry {
    const entry = this.entries.get(name);
    if (entry === undefined) throw new BackendError(verb, name, 'ENXIO', 'it is not started');
    return entry;
  }

  protected session(verb: string, name: string): Entry['session'] {
    return this.entry(verb, name).session;
  }

  joined(name: string): Joined {
    const { attached, gateOpen } = this.session('inspect', name);
    return { attached, gateOpen };
  }

  sendDiscovery(name: string, ...rest: Verb<'sendDiscovery'>): void {
    this.session('discovery-send', name).sendDiscovery(...rest);
  }

  attach(name: string, ...rest: Verb<'attach'>): void {
    this.session('attach', name).attach(...rest);
  }

  gate(name: string, open: boolean): void {
    this.session('gate', name).gate(open);
  }

  sendPpp(name: string, ...rest: Verb<'sendPpp'>): void {
    this.session('ppp-send', name).sendPpp(...rest);
  }

  configure(name: string, ...rest: Verb<'configure'>): void {
    this.session('configure', name).configure(...rest);
  }

  raise(name: string, ...rest: Verb<'raise'>): void {
    this.session('configure', name).raise(...rest);
  }

  deconfigure(name: string): void {
    this.session('deconfigure', name).deconfigure();
  }

  route(name: string, ...rest: Verb<'route'>): void {
    this.session('route', name).route(...rest);
  }

  announce(name: string, ...rest: Verb<'announce'>): void {
    this.session('announce', name).announce(...rest);
  }

  detach(name: string): void {
    this.session('detach', name).detach();
  }

  counters(name: string): ReturnType<SessionVerbs['counters']> {
    return this.session('counters', name).counters();
  }
}
