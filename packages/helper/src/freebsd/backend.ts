/**
 * The FreeBSD backend: the verbs of `../backend.ts` on netgraph, BPF, ioctls, routing sockets and carp(4). It keeps the
 * sessions, watches role and carrier, and leaves the work of one session to `session.ts`.
 *
 * devd's lines and routing messages only trigger a poll of the kernel's state. The backend also polls once a second.
 */
import { SESSION_NODE } from '@ppp-thing/protocol/node-names';
import { BackendError } from '../errors.ts';
import type { Backend, BackendContext, Edge, SessionVerbs } from '../backend.ts';
import type { Address6, Aggregate } from '../backend.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { route } from './addressing.ts';
import { Devd, vhidName } from './carp.ts';
import { Demotion } from './demotion.ts';
import { anyway, attempt, unless } from './errors.ts';
import { removeSession, sessionsAmong, shutGate } from './graph.ts';
import { Interfaces } from './interface.ts';
import { NetgraphSocket } from './netgraph.ts';
import { tellOfOriginal } from './leavings.ts';
import { clearLine, hubsAmong, isHubOf, releaseHub } from './parent.ts';
import { rehearsal } from './rehearsal.ts';
import { openRouteSocket, readNews, withRoutes } from './route.ts';
import { FreebsdSession, type Shared } from './session.ts';

const LEVEL_INTERVAL = 1000;
const SWEEPER = `${SESSION_NODE}sweeper`;
/** ng_ether makes the interfaces' nodes and does not load by itself; the others would, but not in a jail. */
const MODULES = [
  'ng_ether',
  'ng_socket',
  'ng_hub',
  'ng_bpf',
  'ng_etf',
  'ng_pppoe',
  'ng_ppp',
  'ng_iface',
] as const;

/** Descriptors that the first start opens for all sessions. */
interface Common {
  readonly shared: Shared;
  readonly devd: Devd;
  readonly news: number;
  readonly stopTicking: () => void;
  readonly rehearse: () => void;
}

export class FreebsdBackend implements Backend {
  readonly platform = 'freebsd';
  readonly #context: BackendContext;
  readonly #demotion: Demotion;
  readonly #sessions = new Map<string, FreebsdSession>();
  #common: Common | undefined;
  #toldOfDevd = false;

  constructor(context: BackendContext) {
    this.#context = context;
    this.#demotion = new Demotion(context.libc);
  }

  start(policy: SessionPolicy): SessionVerbs {
    const { name } = policy;
    const present = this.#sessions.get(name);
    if (present !== undefined) return present;
    const { shared } = this.#open();
    try {
      const session = new FreebsdSession(shared, policy);
      this.#sessions.set(name, session);
      return session;
    } catch (error) {
      // Nothing watches the role of a session that failed to start, and an earlier helper may have left its gate open.
      const isOthers = error instanceof BackendError && error.code === 'EADDRINUSE';
      if (!isOthers) anyway(() => this.#withSweeper((netgraph) => shutGate(netgraph, name)));
      throw error;
    }
  }

  returnDemotion(amount: number): void {
    this.#demotion.remove(amount);
  }

  setAddress6(wanted: Address6): void {
    const { interfaces } = this.#open().shared;
    attempt('set IPv6 address of', wanted.interface, () => interfaces.setAddress6(wanted), {
      ENXIO: 'there is no such interface',
    });
  }

  removeAddress6(name: string, address: Uint8Array): void {
    const { interfaces } = this.#open().shared;
    attempt('delete IPv6 address of', name, () =>
      unless(['EADDRNOTAVAIL', 'ENXIO'], () => interfaces.deleteAddress6(name, address)),
    );
  }

  setUnreachable6({ prefix, length }: Aggregate, fib: number, on: boolean): void {
    attempt('set', 'unreachable route of a delegated prefix', () => {
      withRoutes(this.#context.libc, fib, (routes) => routes.setReject6(prefix, length, on));
    });
  }

  leave(): void {
    for (const session of this.#sessions.values()) session.leave();
    this.#sessions.clear();
    this.#close();
  }

  remove(): void {
    const { libc, log, policy } = this.#context;
    const unstarted = policy.sessions.filter(({ name }) => !this.#sessions.has(name));
    for (const session of this.#sessions.values()) {
      anyway(() => session.remove(), log);
      anyway(() => session.demote(false), log);
      session.leave();
    }
    this.#sessions.clear();
    // Also the objects of an earlier configuration, and of the sessions that failed to start.
    try {
      const { interfaces } = this.#open().shared;
      for (const each of unstarted)
        anyway(() => route(libc, interfaces, each, { ...NOWHERE, log }), log);
      this.#sweep(interfaces, []);
      this.#withSweeper((netgraph) => {
        for (const { interface: line } of policy.sessions)
          clearLine(netgraph, interfaces, line, () => tellOfOriginal(line, log));
      });
    } finally {
      this.#close();
    }
  }

  #open(): Common {
    if (this.#common !== undefined) return this.#common;
    const { libc, loop, events, log, policy } = this.#context;
    this.#loadModules();
    const interfaces = attempt('open socket', 'inet', () => new Interfaces(libc));
    const sessions = (): Iterable<FreebsdSession> => this.#sessions.values();
    const demotion = this.#demotion;
    const shared: Shared = { libc, loop, events, log, interfaces, demotion, sessions };
    let news: number | undefined;
    try {
      this.#sweep(interfaces, policy.sessions);
      news = attempt('open socket', 'route', () => openRouteSocket(libc));
    } catch (error) {
      interfaces.close();
      throw error;
    }
    const fd = news;
    loop.watch(fd, POLLIN, () => {
      const { isRelevant, gateways } = readNews(libc, fd);
      if (isRelevant) this.#look(() => true);
      for (const gateway of gateways)
        for (const session of this.#sessions.values()) session.routeAdded(gateway);
    });
    const devd = new Devd(libc, loop, (name) => this.#look(({ vhid }) => vhid?.interface === name));
    const stopTicking = loop.every(LEVEL_INTERVAL, () => this.#tick());
    const [first] = policy.sessions;
    const rehearse = first === undefined ? () => undefined : rehearsal(first);
    this.#common = { shared, devd, news: fd, stopTicking, rehearse };
    this.#listenToDevd(devd);
    return this.#common;
  }

  #close(): void {
    if (this.#common === undefined) return;
    const { shared, devd, news, stopTicking } = this.#common;
    this.#common = undefined;
    stopTicking();
    devd.close();
    shared.loop.unwatch(news);
    shared.libc.close(news);
    shared.interfaces.close();
  }

  /** Ignores a module that is loaded already. A jail may not load any: a missing one fails at its first use. */
  #loadModules(): void {
    for (const module of MODULES) {
      attempt(
        'load module',
        module,
        () => unless(['EEXIST', 'EPERM'], () => this.#context.libc.kldload(module)),
        { ENOENT: 'this system has no such module' },
      );
    }
  }

  /** Remove the objects of sessions that are not in `wanted`. */
  #sweep(interfaces: Interfaces, wanted: readonly SessionPolicy[]): void {
    this.#withSweeper((netgraph) => {
      const nodes = netgraph.nodes();
      for (const session of sessionsAmong(nodes))
        if (!wanted.some(({ name }) => name === session))
          removeSession(netgraph, interfaces, session);
      for (const hub of hubsAmong(nodes))
        if (!wanted.some(({ interface: line }) => isHubOf(hub, line)))
          releaseHub(netgraph, interfaces, hub);
    });
  }

  /** Run `act` with a netgraph socket for nodes of sessions that no helper serves. */
  #withSweeper(act: (netgraph: NetgraphSocket) => void): void {
    const { libc } = this.#context;
    const netgraph = attempt('open netgraph', SWEEPER, () => new NetgraphSocket(libc, SWEEPER), {
      EPERM: 'only root may use netgraph',
      EADDRINUSE: 'another helper is starting',
    });
    try {
      attempt('sweep', 'netgraph', () => act(netgraph));
    } finally {
      netgraph.close();
    }
  }

  #listenToDevd(devd: Devd): void {
    let heard = false;
    anyway(() => (heard = devd.listen()), this.#context.log);
    if (!heard && !this.#toldOfDevd)
      this.#context.log('listen to devd: ECONNREFUSED: roles are read once a second until it runs');
    this.#toldOfDevd = !heard;
  }

  #tick(): void {
    const { devd, rehearse } = this.#open();
    this.#listenToDevd(devd);
    this.#look(() => true);
    for (const session of this.#sessions.values()) anyway(() => session.tick(), this.#context.log);
    // A MASTER has no edge ahead that packets wait for.
    if ([...this.#sessions.values()].some(({ role }) => role !== 'MASTER')) rehearse();
  }

  /** Compare the state with the last notice, and notify the changes. All roles first, because they move gates. */
  #look(concerns: (session: FreebsdSession) => boolean): void {
    const { events } = this.#context;
    const sessions = [...this.#sessions.values()].filter(concerns);
    // Read each vhid and each line once, even if a thousand sessions share it.
    const roleOf = once(
      ({ vhid }: FreebsdSession) => (vhid === undefined ? '' : vhidName(vhid)),
      (session) => session.readRole(),
    );
    const carrierOf = once(
      ({ policy }: FreebsdSession) => policy.interface,
      (session) => session.readCarrier(),
    );
    const edges: Edge[] = [];
    for (const session of sessions) {
      const role = roleOf(session);
      if (role === session.role) continue;
      session.role = role;
      edges.push({ session: session.policy.name, role });
    }
    if (edges.length > 0) events.roles(edges);
    for (const session of sessions) {
      const carrier = carrierOf(session);
      if (carrier === session.carrier) continue;
      session.carrier = carrier;
      events.carrier(session.policy.name, carrier);
    }
  }
}

/** `read`, called once for each key. */
function once<T, R>(keyOf: (of: T) => string, read: (of: T) => R): (of: T) => R {
  const known = new Map<string, R>();
  return (of) => {
    const key = keyOf(of);
    const found = known.get(key);
    if (found !== undefined) return found;
    const fresh = read(of);
    known.set(key, fresh);
    return fresh;
  };
}

/** No route, for a session that was never started: then this helper serves no other either. */
const NOWHERE = {
  via: 'none',
  theirs: undefined,
  isShared: () => false,
  beside: () => undefined,
} as const;
