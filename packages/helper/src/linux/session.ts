/**
 * One session on Linux: its line, its sockets and what the kernel holds for it. It performs the verbs of
 * `../backend.ts` for that session. `../requests.ts` and `../sessions.ts` decide when a verb may run.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { ETHERTYPE_ANNOUNCE, encodeAnnounce, decodeAnnounce, type Announced } from '../announce.ts';
import { EarlyFrames, ETHERTYPE_SESSION } from '../early-frames.ts';
import { anyway, BackendError, unless } from '../errors.ts';
import type { BackendEvents, Counters, KernelState, Key, SessionSettings } from '../backend.ts';
import type { Keeper, SessionVerbs, Settings, Via } from '../backend.ts';
import type { Libc } from '../libc.ts';
import type { Loop } from '../loop.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN } from '../unix.ts';
import { sameKey, sameSettings } from '../settings.ts';
import {
  everyIpv4,
  othersIpv6,
  oursSince,
  sessionAddresses,
  setAddresses,
  stubAddresses,
} from './addressing.ts';
import type { DefaultRoutes, Towards } from './default-routes.ts';
import type { Demotion } from './demotion.ts';
import { attempt, type Rtnetlink } from './kernel.ts';
import { buildLine, buildStub, lineName, requireLink, unitAlias } from './line.ts';
import { PppSession } from './ppp.ts';
import type { Roles } from './roles.ts';
import {
  FAMILY,
  addAddress,
  changeLink,
  deleteLink,
  withoutLinkLocal,
  type Address,
  type Link,
} from './rtnetlink.ts';
import { ETHERNET_HEADER, ETHERTYPE_DISCOVERY, PacketSocket, ethernetFrame } from './sockets.ts';

const NO_COUNTERS: Counters = { octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 };

/** The common surroundings of a helper's sessions. */
export interface Shared {
  readonly libc: Libc;
  readonly loop: Loop;
  readonly kernel: Rtnetlink;
  readonly events: BackendEvents;
  readonly routes: DefaultRoutes;
  readonly roles: Roles;
  readonly demotion: Demotion;
  readonly keeper: Keeper | undefined;
}

export class LinuxSession implements SessionVerbs {
  readonly policy: SessionPolicy;
  /** The macvlan's name. */
  readonly lineName: string;
  readonly #shared: Shared;
  #stub: Link | undefined;
  #line: { readonly index: number; readonly sockets: readonly PacketSocket[] } | undefined;
  #ppp: { readonly session: PppSession; readonly index: number; isKept: boolean } | undefined;
  #settings: Settings | undefined;
  readonly #early = new EarlyFrames();
  /** Receives the frames of a session being dialled, while the kernel does not know it; read when the gate opens. */
  #earlySocket: PacketSocket | undefined;
  /** IPv6 addresses of an administrator's, to be put back when the interface is up again. */
  #others: Address[] = [];

  constructor(shared: Shared, policy: SessionPolicy) {
    this.#shared = shared;
    this.policy = policy;
    this.lineName = lineName(policy.name);
  }

  get #name(): string {
    return this.policy.name;
  }

  /** Whether the line existed at the last check. */
  get hasLine(): boolean {
    return this.#line !== undefined;
  }

  get attached(): Key | null {
    return this.#ppp?.session.key ?? null;
  }

  get gateOpen(): boolean {
    return this.#ppp?.session.gateOpen ?? false;
  }

  inspect(): KernelState {
    const { attached, gateOpen, policy } = this;
    const { roles, demotion } = this.#shared;
    return { ...roles.level(policy), attached, gateOpen, demoted: demotion.isDemoted(policy) };
  }

  demote(on: boolean): void {
    this.#shared.demotion.set(this.policy, on);
  }

  /** Build the line and the stub, or adopt them; again, after the line's interface has come back. */
  build(): void {
    const { libc, kernel } = this.#shared;
    const line = buildLine(libc, kernel, this.policy);
    if (this.policy.stub !== undefined)
      this.#stub = buildStub(kernel, this.#name, this.policy.stub);
    if (this.#line?.index === line.index) return;
    this.#closeLine();
    this.#listen(line);
  }

  #listen(line: Link): void {
    const { libc, loop, events } = this.#shared;
    const sockets: PacketSocket[] = [];
    attempt('open packet socket on', line.name, () => {
      try {
        sockets.push(new PacketSocket(libc, line.index, ETHERTYPE_DISCOVERY, this.policy.pcp));
        // The partner's announce comes with our own MAC as its source. The kernel hands such a broadcast to the macvlan
        // with that MAC, and to no other interface; what we send ourselves it does not bring back.
        sockets.push(new PacketSocket(libc, line.index, ETHERTYPE_ANNOUNCE));
      } catch (error) {
        for (const socket of sockets) socket.close();
        throw error;
      }
    });
    const [discovery, announces] = sockets as [PacketSocket, PacketSocket];
    const { mac } = this.policy;
    loop.watch(discovery.fd, POLLIN, () => {
      // Deliver session packets before discovery frames: the AC sends a Terminate-Request, then a PADT.
      this.#readSession();
      discovery.read((frame) => {
        const source = frame.subarray(6, 12);
        // A frame with our own MAC as source is the partner's, received because the line is shared.
        if (!sameOctets(source, mac))
          events.discoveryFrame(this.#name, source, frame.subarray(ETHERNET_HEADER));
      });
    });
    loop.watch(announces.fd, POLLIN, () =>
      announces.read((frame) => {
        const announced = decodeAnnounce(frame, mac);
        if (announced !== undefined) events.ownMacHeard(this.#name, announced);
      }),
    );
    this.#line = { index: line.index, sockets };
  }

  /** The line's interface has gone, and the session with it. */
  #closeLine(): void {
    this.#forgetEarly();
    for (const socket of this.#line?.sockets ?? []) {
      this.#shared.loop.unwatch(socket.fd);
      socket.close();
    }
    this.#line = undefined;
  }

  #sockets(verb: string): readonly [PacketSocket, PacketSocket] {
    if (this.#line) return this.#line.sockets as [PacketSocket, PacketSocket];
    throw new BackendError(verb, this.#name, 'ENODEV', `${this.policy.interface} has gone`);
  }

  sendDiscovery(destination: Uint8Array, payload: Uint8Array): void {
    const [discovery] = this.#sockets('discovery-send');
    const { mac } = this.policy;
    if (!isGroup(destination)) this.#keepEarly(destination);
    attempt('discovery-send', this.#name, () =>
      discovery.send(ethernetFrame(destination, mac, ETHERTYPE_DISCOVERY, payload)),
    );
  }

  /** A PADR goes to one AC. From then on, keep its session frames, in a new socket without earlier ones. */
  #keepEarly(acMac: Uint8Array): void {
    const line = this.#line;
    if (this.#ppp || !line) return;
    const { libc } = this.#shared;
    this.#forgetEarly();
    attempt('open packet socket on', this.lineName, () => {
      this.#earlySocket = new PacketSocket(libc, line.index, ETHERTYPE_SESSION);
    });
    this.#early.keep(acMac);
  }

  #forgetEarly(): void {
    this.#earlySocket?.close();
    this.#earlySocket = undefined;
    this.#early.forget();
  }

  /** The gate of a dialled session has opened: deliver the packets that the AC sent meanwhile first. */
  #handOver(key: Key): void {
    this.#earlySocket?.read((frame) => this.#early.add(frame));
    const packets = this.#early.take(key);
    this.#forgetEarly();
    for (const { protocol, packet } of packets)
      this.#shared.events.pppFrame(this.#name, protocol, packet);
  }

  announce(announced: Announced): void {
    const [, announces] = this.#sockets('announce');
    attempt('announce', this.#name, () =>
      announces.send(encodeAnnounce(this.policy.mac, announced)),
    );
  }

  attach(key: Key, maxPayload: number): void {
    const present = this.#ppp;
    if (present && sameKey(present.session.key, key)) {
      attempt('attach', this.#name, () => {
        present.session.maxPayload = maxPayload;
      });
      return;
    }
    this.#sockets('attach');
    this.detach();
    const { libc, kernel } = this.#shared;
    const session = attempt(
      'attach',
      this.#name,
      () => PppSession.join(libc, key, this.lineName, maxPayload, this.policy.pcp),
      {
        EALREADY: 'another program has this session on this interface; stop it',
        ENOENT: 'there is no /dev/ppp; is the module ppp_generic loaded',
        ENXIO: 'there is no /dev/ppp; is the module ppp_generic loaded',
      },
    );
    try {
      const born = requireLink(kernel, 'attach', `ppp${session.unit}`);
      attempt(
        'attach',
        this.#name,
        () => {
          const alias = unitAlias(this.#name, session.unit);
          kernel.request(changeLink(born.index, { name: this.#name, mtu: maxPayload, alias }));
        },
        { EEXIST: 'another interface has this name; rename it, or rename the session' },
      );
      // IPV6CP has agreed on the link-local address. A kernel without IPv6 makes none of its own.
      attempt('attach', this.#name, () =>
        unless(['EAFNOSUPPORT', 'ENOTSUP', 'EINVAL'], () =>
          kernel.request(withoutLinkLocal(born.index)),
        ),
      );
      this.#ppp = { session, index: born.index, isKept: false };
    } catch (error) {
      session.end();
      throw error;
    }
    this.#watch(session);
    this.keep();
  }

  /**
   * Take over the session that an earlier helper attached, with its gate as it was. Throws BackendError or SystemError,
   * with the session ended.
   */
  adopt(found: readonly number[]): void {
    const { libc, kernel, routes } = this.#shared;
    const { policy } = this;
    const session = PppSession.adopt(libc, this.#name, found, this.lineName, policy.pcp);
    const link = kernel.link(this.#name);
    if (link?.kind !== 'ppp' || link.alias !== unitAlias(this.#name, session.unit)) {
      session.end();
      throw new BackendError('adopt', this.#name, 'EINVAL', 'its interface is another one');
    }
    this.#ppp = { session, index: link.index, isKept: false };
    this.#watch(session);
    this.keep();
    // A helper that died between gate and route has left the route to the partner (R13).
    if (session.gateOpen)
      for (const family of [FAMILY.IPV4, FAMILY.IPV6])
        routes.set(policy, family, undefined, undefined);
  }

  /** Keep the session for the next helper; called again and again, until the keeper has room. */
  keep(): void {
    const { keeper } = this.#shared;
    if (this.#ppp && keeper && !this.#ppp.isKept)
      this.#ppp.isKept = keeper.keep(this.#name, this.#ppp.session.holding);
  }

  #watch(session: PppSession): void {
    for (const fd of [session.channelFd, session.unitFd])
      this.#shared.loop.watch(fd, POLLIN, () => this.#readSession());
  }

  #unwatch(session: PppSession): void {
    for (const fd of [session.channelFd, session.unitFd]) this.#shared.loop.unwatch(fd);
  }

  /** Deliver the AC's packets on the session, and notify if the kernel has closed it. */
  #readSession(): void {
    const session = this.#ppp?.session;
    if (!session) return;
    const { events } = this.#shared;
    const alive = session.read((protocol, packet) => {
      // Behind a closed gate read the AC's packets and drop them; the holder answers. A standby on a hub, or on a switch
      // that floods, receives every Echo-Request that the holder does.
      if (session.gateOpen) events.pppFrame(this.#name, protocol, packet);
    });
    if (alive) return;
    this.detach();
    events.sessionClosed(this.#name);
  }

  detach(): void {
    const present = this.#ppp;
    if (!present) return;
    this.#forgetEarly();
    this.#keepOthers(present.index, this.#settings);
    this.#ppp = undefined;
    this.#settings = undefined;
    this.#unwatch(present.session);
    present.session.end();
    // While the keeper has a descriptor, the interface would stay, and its name would be taken.
    anyway(() => this.#shared.kernel.request(deleteLink(present.index)));
    this.#shared.keeper?.forget(this.#name);
  }

  gate(open: boolean): void {
    const present = this.#ppp;
    if (!present) {
      if (!open) return;
      throw new BackendError('gate', this.#name, 'ENOTCONN', 'no session is attached');
    }
    try {
      // Of a dialled session, the early socket has the same packets as the kernel.
      if (open && this.#earlySocket) this.#readSession();
      attempt('gate', this.#name, () => present.session.gate(open));
      if (open) this.#handOver(present.session.key);
    } catch (error) {
      // A gate that will not close must not stay open: without the session nothing passes.
      if (!open) this.detach();
      throw error;
    }
  }

  sendPpp(protocol: number, packet: Uint8Array): void {
    const present = this.#ppp;
    if (!present?.session.gateOpen)
      throw new BackendError('ppp-send', this.#name, 'ENETDOWN', 'the gate is closed');
    attempt('ppp-send', this.#name, () => present.session.send(protocol, packet));
  }

  configure(settings: Settings): void {
    const { kernel } = this.#shared;
    const name = this.#name;
    const present = this.#ppp;
    if (!present) throw new BackendError('configure', name, 'ENOTCONN', 'no session is attached');
    // The settings of an adopted session are most likely the same.
    const known = this.#settings ?? settings;
    this.#settings = settings;
    attempt('configure', name, () => {
      const { mtu, up } = settings;
      if (!up) this.#keepOthers(present.index, known);
      kernel.request(changeLink(present.index, { mtu, up }));
      present.session.ipv6 = settings.interfaceIds !== null;
    });
    const addresses = sessionAddresses(this.policy, settings, present.index);
    setAddresses(kernel, name, present.index, addresses, oursSince(known));
    if (settings.up) this.#returnOthers(present.index);
    if (this.#stub) {
      const { index } = this.#stub;
      setAddresses(kernel, this.#stub.name, index, stubAddresses(settings, index), everyIpv4);
    }
  }

  raise(settings: SessionSettings): void {
    const { kernel } = this.#shared;
    const present = this.#ppp;
    const wanted = { ...settings, up: true };
    if (!present || !this.#settings || !sameSettings(this.#settings, settings))
      return this.configure(wanted);
    const { index } = present;
    attempt('raise', this.#name, () => kernel.request(changeLink(index, { up: true })));
    this.#settings = wanted;
    // The kernel dropped the IPv6 addresses when the interface went down.
    const addresses = sessionAddresses(this.policy, wanted, index);
    if (settings.interfaceIds)
      setAddresses(kernel, this.#name, index, addresses, oursSince(wanted));
    this.#returnOthers(index);
  }

  /**
   * Remember the IPv6 addresses that the kernel is about to drop because the interface goes down.
   *
   * @param settings  tell which are ours; undefined: nobody has configured the interface since this process started
   */
  #keepOthers(link: number, settings: Settings | undefined): void {
    if (!settings) return;
    const others = othersIpv6(this.#shared.kernel, link, oursSince(settings));
    if (others.length > 0) this.#others = others;
  }

  /** Put back what `#keepOthers` remembered, on the interface that is up now. */
  #returnOthers(link: number): void {
    const { kernel } = this.#shared;
    for (const address of this.#others.splice(0))
      attempt('return address of', this.#name, () =>
        unless(['EEXIST'], () => kernel.request(addAddress({ ...address, link }))),
      );
  }

  deconfigure(): void {
    const { kernel } = this.#shared;
    const known = this.#settings;
    this.#settings = undefined;
    if (this.#stub) setAddresses(kernel, this.#stub.name, this.#stub.index, [], everyIpv4);
    const present = this.#ppp;
    if (!present) return;
    setAddresses(kernel, this.#name, present.index, [], oursSince(known));
    attempt('deconfigure', this.#name, () => {
      this.#keepOthers(present.index, known);
      kernel.request(changeLink(present.index, { up: false }));
      present.session.ipv6 = false;
    });
  }

  route(via: Via): void {
    const { routes } = this.#shared;
    const { policy } = this;
    const index = this.#ppp?.index;
    if (via === 'session' && index === undefined)
      throw new BackendError('route', this.#name, 'ENOTCONN', 'no session is attached');
    const session = via === 'session' ? index : undefined;
    const gateway = via === 'partner' ? policy.partnerAddress : undefined;
    // With a stub, the router's own connections need a route that names the public address as their source.
    const source = this.#stub ? this.#settings?.ourAddress : undefined;
    const hasIpv4 = this.#settings?.ourAddress !== null;
    const ipv4 =
      session === undefined
        ? gateway && { gateway }
        : hasIpv4 && { link: session, ...(source && { source }) };
    const ipv6 =
      session === undefined
        ? via === 'partner' && this.#towardsPartner6()
        : this.#settings?.interfaceIds && { link: session };
    routes.set(policy, FAMILY.IPV4, index, ipv4 || undefined);
    routes.set(policy, FAMILY.IPV6, index, ipv6 || undefined);
  }

  /** A link-local gateway needs its interface named; to any other the kernel finds it. */
  #towardsPartner6(): Towards | undefined {
    if (this.policy.partnerAddress6 === undefined) return undefined;
    const { address: gateway, interface: name } = this.policy.partnerAddress6;
    const { kernel } = this.#shared;
    return { gateway, link: name === undefined ? 0 : requireLink(kernel, 'route', name).index };
  }

  counters(): Counters {
    const present = this.#ppp;
    if (!present) return NO_COUNTERS;
    const { kernel } = this.#shared;
    const link = attempt('counters', this.#name, () => kernel.link(this.#name));
    const data = link?.counters ?? NO_COUNTERS;
    const { control } = present.session;
    return {
      octetsIn: data.octetsIn + control.octetsIn,
      octetsOut: data.octetsOut + control.octetsOut,
      packetsIn: data.packetsIn + control.packetsIn,
      packetsOut: data.packetsOut + control.packetsOut,
    };
  }

  /** Discovery frames the kernel dropped because we read too slowly, since the last call. */
  drops(): number {
    return (this.#line?.sockets ?? []).reduce((sum, socket) => sum + socket.drops(), 0);
  }

  /** The line's interface was deleted under us. The session, if one was attached, is gone with it. */
  lost(): void {
    this.#closeLine();
  }

  /** Close every descriptor. The macvlan and the stub stay, and so does a session that a keeper has. */
  leave(): void {
    const session = this.#ppp?.session;
    this.#ppp = undefined;
    if (session) this.#unwatch(session);
    session?.leave();
    this.#closeLine();
  }
}

/** Broadcast, and every other group address (IEEE 802). */
const isGroup = (mac: Uint8Array): boolean => ((mac[0] ?? 0) & 1) === 1;
