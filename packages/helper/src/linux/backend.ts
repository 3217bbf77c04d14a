/**
 * The Linux backend: the verbs of `../backend.ts` on the kernel's own PPPoE. It keeps the sessions, watches the role
 * and the carrier, and leaves the work of one session to `session.ts`.
 *
 * The role is the presence of the virtual address on its interface, so that any VRRP daemon will do. Notifications from
 * the kernel only trigger a poll of its state. The backend also polls once a second.
 */
import { BackendError } from '../errors.ts';
import type { Backend, BackendContext, Edge, Found, Role } from '../backend.ts';
import type { Address6, Aggregate } from '../backend.ts';
import { PerSession } from '../per-session.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { removeAddress6, setAddress6, setUnreachable6 } from './address6.ts';
import { DefaultRoutes } from './default-routes.ts';
import { Demotion } from './demotion.ts';
import { News, Rtnetlink } from './kernel.ts';
import { ourLinks, removeLink } from './line.ts';
import { sameOctets, type Message } from './netlink.ts';
import { GROUP, IFF, decodeAddress, decodeLink, type Address, type Link } from './rtnetlink.ts';
import { LinuxSession, type Shared } from './session.ts';

const LEVEL_INTERVAL = 1000;

interface Level {
  role: Role;
  carrier: boolean;
}

interface Entry extends Level {
  readonly session: LinuxSession;
  /** The kernel has sent a notification about the line, or an interface below it, since the last good check. */
  lineDoubtful: boolean;
}

export class LinuxBackend extends PerSession<Entry> implements Backend {
  readonly platform = 'linux';
  readonly #shared: Shared;
  readonly #demotion: Demotion;
  #watching: { readonly news: News; readonly stopTicking: () => void } | undefined;

  readonly #log: (line: string) => void;
  /** Sessions whose virtual address is on an interface where it does not count. */
  readonly #elsewhere = new Set<string>();

  constructor({ libc, loop, events, log }: Omit<BackendContext, 'policy'>) {
    super();
    const kernel = new Rtnetlink(libc);
    this.#shared = { libc, loop, events, kernel, routes: new DefaultRoutes(kernel, log) };
    this.#demotion = new Demotion();
    this.#log = log;
  }

  start(policy: SessionPolicy): void {
    if (this.entries.has(policy.name)) return;
    const session = new LinuxSession(this.#shared, policy);
    this.#watch();
    try {
      session.build();
      this.#demotion.adopt(policy);
    } catch (error) {
      session.leave();
      throw error;
    }
    this.entries.set(policy.name, { session, lineDoubtful: false, ...this.#level(policy) });
  }

  inspect(name: string): Found {
    const { policy } = this.session('inspect', name);
    return {
      ...this.#level(policy),
      ...this.joined(name),
      demoted: this.#demotion.isDemoted(policy),
    };
  }

  demote(name: string, on: boolean): void {
    this.#demotion.set(this.session('demote', name).policy, on);
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
    for (const { session } of this.entries.values()) session.leave();
    this.entries.clear();
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
    for (const { session } of this.entries.values()) {
      const { policy } = session;
      session.deconfigure();
      session.route('none');
      session.detach();
      if (policy.demotionFile !== undefined) this.#demotion.set(policy, false);
    }
    // Also the interfaces of an earlier configuration, under names that no session has now.
    for (const link of ourLinks(kernel)) removeLink(kernel, link);
    this.leave();
  }

  /** Role and carrier as they are now. */
  #level(policy: SessionPolicy, view = new View(this.#shared.kernel)): Level {
    const parent = view.link(policy.interface);
    const carrier = ((parent?.flags ?? 0) & IFF.LOWER_UP) !== 0;
    const { carp } = policy;
    // Without a role to watch this router is the only one.
    return { role: carp === undefined ? 'MASTER' : this.#role(policy.name, carp, view), carrier };
  }

  /**
   * MASTER while the virtual address is on its interface, or on one that a VRRP daemon made on top of it (keepalived's
   * use_vmac). A role that cannot be read is INIT, never MASTER.
   */
  #role(session: string, carp: NonNullable<SessionPolicy['carp']>, view: View): Role {
    const { address, interface: name } = carp;
    if (address === undefined) return 'INIT';
    const named = name === undefined ? undefined : view.link(name);
    if (name !== undefined && (!named || (named.flags & IFF.UP) === 0)) return 'INIT';
    const holders = view.holders(address);
    const isRight = (holder: number): boolean =>
      named === undefined || holder === named.index || view.parent(holder) === named.index;
    if (holders.some(isRight)) return 'MASTER';
    this.#tellElsewhere(session, address.join('.'), name ?? '', holders.length > 0);
    return 'BACKUP';
  }

  /** Logs each occurrence once: otherwise a router would stay BACKUP without a visible reason. */
  #tellElsewhere(session: string, address: string, name: string, isElsewhere: boolean): void {
    if (isElsewhere && !this.#elsewhere.has(session))
      this.#log(
        `read role of ${session}: EADDRNOTAVAIL: ${address} is on another interface than carp_interface, ${name}; ` +
          'this router stays BACKUP',
      );
    if (isElsewhere) this.#elsewhere.add(session);
    else this.#elsewhere.delete(session);
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
    const concerned = [...this.entries.values()].filter(
      ({ session }) => about === undefined || concerns(session, about),
    );
    this.#look(concerned);
    for (const entry of concerned) entry.lineDoubtful = true;
  }

  #tick(): void {
    this.#look([...this.entries.values()]);
    for (const entry of this.entries.values()) {
      if (entry.lineDoubtful) this.#mend(entry);
      const drops = entry.session.drops();
      if (drops > 0) this.#shared.events.dropped(entry.session.policy.name, drops);
    }
  }

  /** Compare the state with the last notice, and notify the changes. All roles first, because they move gates. */
  #look(entries: readonly Entry[]): void {
    const { events, kernel } = this.#shared;
    const view = new View(kernel);
    const edges: Edge[] = [];
    const carriers: Entry[] = [];
    for (const entry of entries) {
      const { role, carrier } = this.#level(entry.session.policy, view);
      if (role !== entry.role) edges.push({ session: entry.session.policy.name, role });
      if (carrier !== entry.carrier) carriers.push(entry);
      Object.assign(entry, { role, carrier });
    }
    if (edges.length > 0) events.roles(edges);
    for (const { session, carrier } of carriers) events.carrier(session.policy.name, carrier);
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

/** One poll of the kernel; it reads an interface once, even if a thousand sessions share it. */
class View {
  readonly #kernel: Rtnetlink;
  readonly #links = new Map<string, Link | undefined>();
  readonly #parents = new Map<number, number>();
  #addresses: readonly Address[] | undefined;

  constructor(kernel: Rtnetlink) {
    this.#kernel = kernel;
  }

  link(name: string): Link | undefined {
    if (!this.#links.has(name)) this.#links.set(name, this.#kernel.link(name));
    return this.#links.get(name);
  }

  /** The interfaces that have `address`, by index. */
  holders(address: Uint8Array): readonly number[] {
    this.#addresses ??= this.#kernel.allAddresses();
    return this.#addresses
      .filter(({ local }) => sameOctets(local, address))
      .map(({ link }) => link);
  }

  /** The interface below this one, by index; 0: none. */
  parent(link: number): number {
    let found = this.#parents.get(link);
    if (found === undefined) {
      found = this.#kernel.linkAt(link)?.parent ?? 0;
      this.#parents.set(link, found);
    }
    return found;
  }
}

/** What messages of the kernel are about; each is decoded once, however many sessions there are. */
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

/** Whether what the kernel told may be about the session's role, carrier or line. */
function concerns({ policy, lineName }: LinuxSession, { links, addresses }: About): boolean {
  const { carp } = policy;
  const own = [policy.interface, carp?.interface, lineName];
  if (own.some((name) => name !== undefined && links.has(name))) return true;
  return carp?.address !== undefined && addresses.has(keyOf(carp.address));
}
