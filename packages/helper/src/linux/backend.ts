/**
 * The Linux backend: the verbs of `../backend.ts` on the kernel's own PPPoE. It keeps the sessions, watches the role
 * and the carrier, and leaves the work of one session to `session.ts`.
 *
 * Notifications from the kernel only trigger a poll of its state. The backend also polls once a second.
 */
import { anyway, BackendError } from '../errors.ts';
import type { Backend, BackendContext, Edge, SessionVerbs } from '../backend.ts';
import type { Address6, Aggregate } from '../backend.ts';
import { effectiveRole, mayOpen } from '../interlock.ts';
import type { HelperPolicy, SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { removeAddress6, setAddress6, setUnreachable6 } from './address6.ts';
import { DefaultRoutes } from './default-routes.ts';
import { Demotion } from './demotion.ts';
import { News, Rtnetlink } from './kernel.ts';
import { ourLinks, removeLink } from './line.ts';
import type { Message } from './netlink.ts';
import { closeUnit, discard } from './ppp.ts';
import { Roles, type RoleAndCarrier } from './roles.ts';
import { GROUP, IFF, decodeAddress, decodeLink } from './rtnetlink.ts';
import { LinuxSession, type Shared } from './session.ts';

const LEVEL_INTERVAL = 1000;

type Context = Omit<BackendContext, 'policy'> & {
  readonly policy: Pick<HelperPolicy, 'sessions'>;
};

interface Entry {
  readonly session: LinuxSession;
  /** As last noticed. */
  level: RoleAndCarrier;
  /** The kernel has sent a notification about the line, or an interface below it, since the last good check. */
  lineDoubtful: boolean;
}

export class LinuxBackend implements Backend {
  readonly platform = 'linux';
  readonly #entries = new Map<string, Entry>();
  readonly #shared: Shared;
  #watching: { readonly news: News; readonly stopTicking: () => void } | undefined;

  readonly #log: (line: string) => void;

  constructor({ libc, loop, events, log, policy, keeper }: Context) {
    const kernel = new Rtnetlink(libc);
    const routes = new DefaultRoutes(kernel, log);
    const roles = new Roles(kernel, log);
    this.#shared = { libc, loop, events, kernel, routes, roles, demotion: new Demotion(), keeper };
    this.#log = log;
    this.#closeFound(policy);
  }

  /** Before anything else: a gate that an earlier helper left open may be one that the role forbids by now (R2). */
  #closeFound({ sessions }: Context['policy']): void {
    const { libc, roles, keeper } = this.#shared;
    const view = roles.view();
    for (const [name, fds] of keeper?.found ?? []) {
      const session = sessions.find((each) => each.name === name);
      if (session === undefined) {
        this.#log(`adopt ${name}: ENXIO: no such session in the configuration`);
        discard(libc, fds);
        keeper?.found.delete(name);
      } else {
        const { policy } = session;
        const role = effectiveRole(policy, roles.level(session, view).role);
        if (!mayOpen({ policy, role })) for (const fd of fds) closeUnit(libc, fd);
      }
    }
  }

  start(policy: SessionPolicy): SessionVerbs {
    const present = this.#entries.get(policy.name);
    if (present !== undefined) return present.session;
    const session = new LinuxSession(this.#shared, policy);
    this.#watch();
    const found = this.#shared.keeper?.found.get(policy.name);
    this.#shared.keeper?.found.delete(policy.name);
    try {
      if (found && found.length !== 2)
        this.#log(`adopt ${policy.name}: EINVAL: ${found.length} descriptors were kept, not 2`);
      if (found) anyway(() => session.adopt(found), this.#log);
      session.build();
      this.#shared.demotion.adopt(policy);
    } catch (error) {
      // Nothing watches the role of a session that has not started.
      session.detach();
      session.leave();
      throw error;
    }
    const level = this.#shared.roles.level(policy);
    this.#entries.set(policy.name, { session, lineDoubtful: false, level });
    return session;
  }

  setAddress6(address: Address6): void {
    setAddress6(this.#shared.kernel, address);
  }

  removeAddress6(name: string, address: Uint8Array, bits: number): void {
    removeAddress6(this.#shared.kernel, name, address, bits);
  }

  setUnreachable6(aggregate: Aggregate, fib: number, on: boolean): void {
    setUnreachable6(this.#shared.kernel, aggregate, fib, on);
  }

  leave(): void {
    const { libc, keeper } = this.#shared;
    for (const { session } of this.#entries.values()) session.leave();
    this.#entries.clear();
    for (const fds of keeper?.found.values() ?? []) discard(libc, fds);
    keeper?.found.clear();
    this.#shared.kernel.close();
    if (!this.#watching) return;
    const { news, stopTicking } = this.#watching;
    this.#watching = undefined;
    stopTicking();
    this.#shared.loop.unwatch(news.fd);
    news.close();
  }

  remove(): void {
    const { kernel } = this.#shared;
    for (const { session } of this.#entries.values()) {
      const { policy } = session;
      session.deconfigure();
      session.route('none');
      session.detach();
      if (policy.demotionFile !== undefined) session.demote(false);
    }
    // Also the interfaces of an earlier configuration, under names that no session has now.
    for (const link of ourLinks(kernel)) removeLink(kernel, link);
    this.leave();
  }

  #watch(): void {
    if (this.#watching) return;
    const { libc, loop } = this.#shared;
    const news = new News(libc, GROUP.LINK | GROUP.IPV4_ADDRESS | GROUP.IPV6_ADDRESS);
    loop.watch(news.fd, POLLIN, () => this.#hear(news.read()));
    const stopTicking = loop.every(LEVEL_INTERVAL, () => this.#tick());
    this.#watching = { news, stopTicking };
  }

  #hear(news: readonly Message[] | 'lost'): void {
    const about = news === 'lost' ? undefined : decodeNews(news);
    const concerned = [...this.#entries.values()].filter(
      ({ session }) => about === undefined || concerns(session, about),
    );
    this.#look(concerned);
    for (const entry of concerned) entry.lineDoubtful = true;
  }

  #tick(): void {
    this.#look([...this.#entries.values()]);
    for (const entry of this.#entries.values()) {
      if (entry.lineDoubtful) this.#mend(entry);
      entry.session.keep();
      const drops = entry.session.drops();
      if (drops > 0) this.#shared.events.dropped(entry.session.policy.name, drops);
    }
  }

  /** Compare the state with the last notice, and notify the changes. All roles first, because they move gates. */
  #look(entries: readonly Entry[]): void {
    const { events, roles } = this.#shared;
    const view = roles.view();
    const edges: Edge[] = [];
    const carriers: Entry[] = [];
    for (const entry of entries) {
      const { policy } = entry.session;
      const level = roles.level(policy, view);
      if (level.role !== entry.level.role) edges.push({ session: policy.name, role: level.role });
      if (level.carrier !== entry.level.carrier) carriers.push(entry);
      entry.level = level;
    }
    if (edges.length > 0) events.roles(edges);
    for (const { session, level } of carriers) events.carrier(session.policy.name, level.carrier);
  }

  /**
   * Restore a line that another program took down or deleted, at most once a second, because our own changes cause
   * notifications too. Without its parent the line must wait until the parent is back.
   */
  #mend(entry: Entry): void {
    const { kernel } = this.#shared;
    const { session } = entry;
    const line = kernel.link(session.lineName);
    if (!line) session.lost();
    else if (session.hasLine && (line.flags & IFF.UP) !== 0) entry.lineDoubtful = false;
    if (!entry.lineDoubtful || !kernel.link(session.policy.interface)) return;
    try {
      session.build();
      entry.lineDoubtful = false;
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      this.#log(error.message);
    }
  }
}

/** The subjects of kernel messages. Each message is decoded once, however many sessions there are. */
interface About {
  /** Names of interfaces. */
  readonly links: ReadonlySet<string>;
  /** Addresses, each as `keyOf` has it. */
  readonly addresses: ReadonlySet<string>;
}

const keyOf = (address: Uint8Array): string => address.join('.');

function decodeNews(news: readonly Message[]): About {
  const links = new Set<string>();
  const addresses = new Set<string>();
  for (const message of news) {
    const link = decodeLink(message);
    if (link) links.add(link.name);
    const address = link ? undefined : decodeAddress(message);
    if (address) addresses.add(keyOf(address.local));
  }
  return { links, addresses };
}

/** Whether kernel messages may concern the session's role, carrier or line. */
function concerns({ policy, lineName }: LinuxSession, { links, addresses }: About): boolean {
  const { carp } = policy;
  const own = [policy.interface, carp?.interface, lineName];
  if (own.some((name) => name !== undefined && links.has(name))) return true;
  return carp?.address !== undefined && addresses.has(keyOf(carp.address));
}
