/**
 * The FreeBSD backend: the verbs of `../backend.ts` on netgraph, BPF, ioctls, routing sockets and carp(4). It keeps the
 * sessions, watches role and carrier, and leaves the work of one session to `session.ts`.
 *
 * devd's lines and routing messages only trigger a poll of the kernel's state. The backend also polls once a second.
 */
import { SESSION_NODE } from '@ppp-thing/protocol/node-names';
import { BackendError } from '../errors.ts';
import type { Backend, BackendContext, Edge, Found, Role } from '../backend.ts';
import type { Address6, Aggregate } from '../backend.ts';
import { PerSession } from '../per-session.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { route } from './addressing.ts';
import { claimRole, Devd, demotion, readRole, vhidName, vhidOf, type Vhid } from './carp.ts';
import { anyway, attempt, unless } from './errors.ts';
import { removeSession, sessionsAmong, shutGate } from './graph.ts';
import { Interfaces } from './interface.ts';
import { NetgraphSocket } from './netgraph.ts';
import { tellOfOriginal } from './leavings.ts';
import { clearLine, hubsAmong, isHubOf, releaseHub } from './parent.ts';
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

interface Entry {
  readonly session: FreebsdSession;
  readonly vhid: Vhid | undefined;
  role: Role;
  carrier: boolean;
}

/** What is opened at the first start and serves all sessions. */
interface Common {
  readonly shared: Shared;
  readonly devd: Devd;
  readonly news: number;
  readonly stopTicking: () => void;
}

export class FreebsdBackend extends PerSession<Entry> implements Backend {
  readonly platform = 'freebsd';
  readonly #context: BackendContext;
  /** The demotion in force for each session: the policy's amount, or the amount that an earlier helper added. */
  readonly #demoted = new Map<string, number>();
  #common: Common | undefined;
  #toldOfDevd = false;

  constructor(context: BackendContext) {
    super();
    this.#context = context;
  }

  start(policy: SessionPolicy): void {
    const { name } = policy;
    if (this.entries.has(name)) return;
    const { shared } = this.#open();
    try {
      this.#start(shared, policy);
    } catch (error) {
      // Nothing watches the role of a session that failed to start, and an earlier helper may have left its gate open.
      const isOthers = error instanceof BackendError && error.code === 'EADDRINUSE';
      if (!isOthers) anyway(() => this.#withSweeper((netgraph) => shutGate(netgraph, name)));
      throw error;
    }
  }

  #start(shared: Shared, policy: SessionPolicy): void {
    const { interfaces } = shared;
    const vhid = policy.carp && vhidOf(policy.carp);
    const level = {
      role: readVhid(interfaces, vhid, 'strict'),
      carrier: readCarrier(interfaces, policy),
    };
    const mayBeOpen = policy.policy !== 'follow-carp' || level.role === 'MASTER';
    const session = new FreebsdSession(shared, policy, mayBeOpen);
    this.entries.set(policy.name, { session, vhid, ...level });
  }

  inspect(name: string): Found {
    const { session, vhid } = this.entry('inspect', name);
    const { interfaces } = this.#open().shared;
    return {
      role: readVhid(interfaces, vhid),
      carrier: readCarrier(interfaces, session.policy),
      ...this.joined(name),
      demoted: this.#demoted.has(name),
    };
  }

  claim(name: string): void {
    const { vhid } = this.entry('claim', name);
    if (vhid === undefined) throw new BackendError('claim', name, 'ENXIO', 'it has no vhid');
    const { interfaces } = this.#open().shared;
    attempt('claim vhid', vhidName(vhid), () => claimRole(interfaces, vhid), {
      EPERM: 'may root change a vhid in this jail',
      EINVAL: 'does it speak VRRPv3 (carpver 3); use carpver 2',
    });
  }

  /** Writing the sysctl adds, and reading it gives the sum of all. So this object and the server remember our part. */
  demote(name: string, on: boolean): void {
    const { policy } = this.session('demote', name);
    if (on === this.#demoted.has(name)) return;
    const amount = this.#demoted.get(name) ?? policy.demotion;
    this.#addDemotion(name, on ? amount : -amount);
    if (on) this.#demoted.set(name, amount);
    else this.#demoted.delete(name);
  }

  #addDemotion(subject: string, amount: number): void {
    attempt('demote', subject, () => demotion.add(this.#context.libc, amount), {
      ENOENT: 'the module carp is not loaded; run kldload carp',
    });
  }

  /** A crash before the write of the sysctl leaves a false record: then the sum is too small to contain ours. */
  adoptDemotion(name: string, amount = this.session('demote', name).policy.demotion): boolean {
    if (!this.#holds(amount)) return false;
    this.#demoted.set(name, amount);
    return true;
  }

  returnDemotion(amount: number): void {
    if (this.#holds(amount)) this.#addDemotion('an earlier session', -amount);
  }

  /** Whether the sum can contain `amount` beside the known demotions. */
  #holds(amount: number): boolean {
    const sum = unless(['ENOENT'], () => demotion.read(this.#context.libc)) ?? 0;
    let known = 0;
    for (const each of this.#demoted.values()) known += each;
    return sum - known >= amount;
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
    for (const { session } of this.entries.values()) session.leave();
    this.entries.clear();
    this.#close();
  }

  remove(): void {
    const { libc, log, policy } = this.#context;
    const unstarted = policy.sessions.filter(({ name }) => !this.entries.has(name));
    for (const [name, { session }] of this.entries) {
      anyway(() => session.remove(), log);
      anyway(() => this.demote(name, false), log);
      session.leave();
    }
    this.entries.clear();
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
    const sessions = (): Iterable<FreebsdSession> =>
      Array.from(this.entries.values(), ({ session }) => session);
    const shared: Shared = { libc, loop, events, log, interfaces, sessions };
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
        for (const { session } of this.entries.values()) session.routeAdded(gateway);
    });
    const devd = new Devd(libc, loop, (name) => this.#look(({ vhid }) => vhid?.interface === name));
    const stopTicking = loop.every(LEVEL_INTERVAL, () => this.#tick());
    this.#common = { shared, devd, news: fd, stopTicking };
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

  /** A netgraph socket for what belongs to no session that is served. */
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
    const { devd } = this.#open();
    this.#listenToDevd(devd);
    this.#look(() => true);
    for (const { session } of this.entries.values())
      anyway(() => session.tick(), this.#context.log);
  }

  /** Compare the state with the last notice, and notify the changes. All roles first, because they move gates. */
  #look(concerns: (entry: Entry) => boolean): void {
    const { events } = this.#context;
    const { interfaces } = this.#open().shared;
    const entries = [...this.entries].filter(([, entry]) => concerns(entry));
    // Read each vhid and each line once, even if a thousand sessions share it.
    const roleOf = once(
      (entry: Entry) => vhidKey(entry.vhid),
      (entry) => readVhid(interfaces, entry.vhid),
    );
    const carrierOf = once(
      (entry: Entry) => entry.session.policy.interface,
      (entry) => readCarrier(interfaces, entry.session.policy),
    );
    const edges: Edge[] = [];
    for (const [name, entry] of entries) {
      const role = roleOf(entry);
      if (role === entry.role) continue;
      entry.role = role;
      edges.push({ session: name, role });
    }
    if (edges.length > 0) events.roles(edges);
    for (const [name, entry] of entries) {
      const carrier = carrierOf(entry);
      if (carrier === entry.carrier) continue;
      entry.carrier = carrier;
      events.carrier(name, carrier);
    }
  }
}

const vhidKey = (vhid: Vhid | undefined): string => (vhid === undefined ? '' : vhidName(vhid));

/** `read`, asked once for each key. */
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

/**
 * Without a vhid to watch this router is the only one.
 *
 * @param how  'strict': a vhid that is not there is an error, as at the start; else it is INIT, which closes the gate
 */
function readVhid(interfaces: Interfaces, vhid: Vhid | undefined, how?: 'strict'): Role {
  if (vhid === undefined) return 'MASTER';
  const read = (): Role => readRole(interfaces, vhid);
  if (how === undefined) return unless(NO_VHID, read) ?? 'INIT';
  return attempt('read vhid', vhidName(vhid), read, {
    ENOENT: 'there is no such vhid on this interface; see ifconfig',
    ENXIO: 'there is no such interface',
    EPROTONOSUPPORT: 'the module carp is not loaded; run kldload carp',
  });
}

/** For a session that was never started: no other is served then. */
const NOWHERE = {
  via: 'none',
  theirs: undefined,
  isShared: () => false,
  beside: () => undefined,
} as const;

const NO_VHID = ['ENOENT', 'ENXIO', 'EPROTONOSUPPORT', 'EINVAL', 'EOPNOTSUPP'];

const readCarrier = (interfaces: Interfaces, { interface: line }: SessionPolicy): boolean =>
  attempt('read carrier of', line, () => interfaces.carrier(line));
