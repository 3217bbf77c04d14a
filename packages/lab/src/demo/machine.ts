/**
 * One router as a machine: its power, its two cables, and a FreeBSD kernel in octets, whose processes are the helpers that
 * connect. Its frames and its CARP are the lab's; of IP it has what answers a ping. It looks at the kernel from outside, by
 * what is in it.
 */
import type { Role } from '@ppp-thing/protocol/session';
import { DecodeError, sameOctets } from '@ppp-thing/protocol/bytes';
import { ETHERTYPE, parseMac } from '@ppp-thing/protocol/wire/ethernet';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { formatIpv4, parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { encodeRoute, gateway4 } from '@ppp-thing/helper/freebsd/route';
import { c, Errno, fail } from '../freebsd/abi.ts';
import type { NetInterface } from '../freebsd/interfaces.ts';
import { FakeKernel } from '../freebsd/kernel.ts';
import { EtfNode } from '../freebsd/nodes.ts';
import { PppoeNode } from '../freebsd/pppoe.ts';
import { FakeProcess } from '../freebsd/process.ts';
import { RealSystem } from '../freebsd/real.ts';
import { RemoteDoor } from '../freebsd/remote-door.ts';
import { RouteSocket } from '../freebsd/routes.ts';
import { decodeEcho, decodeIpv4, encodeEcho } from '../line/icmp.ts';
import { decodeUdp6, encodeUdp6 } from '../line/udp6.ts';
import type { RouterName } from './bus.ts';
import type { Queue } from './clock.ts';
import type { Dhcp6Port } from './dhcp6.ts';
import { ADDRESSES, DHCP6_PORT, INTERFACES } from './setting.ts';

/** Of the card on the line; the session has a MAC of its own. */
const MACS = {
  r1: { line: '00:00:5e:00:53:11', lan: '00:00:5e:00:53:12' },
  r2: { line: '00:00:5e:00:53:21', lan: '00:00:5e:00:53:22' },
} as const;
const LINK_LOCAL = 0xfe;
const NETMASK = Uint8Array.of(255, 255, 255, 0);

/** What a machine that is on does, as it happens. */
export interface MachineNews {
  /** A frame left it for the line. */
  transmit(frame: Uint8Array): void;
  gate(open: boolean): void;
  /** A packet that it forwards to the other router. */
  toPartner(packet: Uint8Array): void;
  attached(sessionId: number): void;
  /** The sum of what demotes it now. */
  demotion(amount: number): void;
}

interface MachineOptions {
  readonly router: RouterName;
  /** The world's: what happens in a machine has its consequences after it, not in its midst. */
  readonly queue: Queue;
  readonly news: MachineNews;
  /** UDP port 546 of the router; undefined: nobody has opened it. */
  readonly dhcp6: Dhcp6Port | undefined;
}

interface MachineState {
  readonly isOpen: boolean;
  readonly attached: number | undefined;
  readonly demotion: number;
}

const OFF: MachineState = { isOpen: false, attached: undefined, demotion: 0 };

export class Machine {
  readonly #options: MachineOptions;
  #kernel: FakeKernel | undefined;
  #door: RemoteDoor | undefined;
  #boot = 0;
  #told = OFF;

  constructor(options: MachineOptions) {
    this.#options = options;
    if (options.dhcp6 !== undefined)
      options.dhcp6.sent = (octets) => {
        const kernel = this.#kernel;
        if (kernel !== undefined) this.#do(kernel, () => sendDhcp6(kernel, octets));
      };
  }

  /** Boot a fresh kernel that lets its helper in at `path` and is demoted by `demotion`. */
  async powerOn(path: string, demotion: number): Promise<void> {
    const real = await RealSystem.load();
    const kernel = this.#makeKernel();
    const door = new RemoteDoor({
      admit: () => {
        const process = new FakeProcess(kernel, { real });
        return { libc: process.libc, kill: () => process.kill() };
      },
      around: (run) => this.#do(kernel, run),
    });
    await door.open(path);
    this.#told = OFF;
    this.#kernel = kernel;
    this.#door = door;
    this.#boot = demotion;
    this.#do(kernel, () => (kernel.carp.demotion += demotion));
  }

  /** The demotion of the boot is taken back. */
  booted(): void {
    const kernel = this.#kernel;
    const demotion = this.#boot;
    this.#boot = 0;
    if (kernel !== undefined) this.#do(kernel, () => (kernel.carp.demotion -= demotion));
  }

  /** At once, everything in it gone; resolves when its socket is. */
  async powerOff(): Promise<void> {
    const door = this.#door;
    this.#kernel = undefined;
    this.#door = undefined;
    await door?.close();
  }

  /** What the line brings. */
  frame(frame: Uint8Array): void {
    const kernel = this.#kernel;
    if (kernel === undefined) return;
    this.#do(kernel, () => kernel.interfaces.get(INTERFACES.line).receive(frame));
  }

  /** An IPv4 packet that reaches it for somebody else: from the LAN, or from the other router. */
  lan(packet: Uint8Array): void {
    const kernel = this.#kernel;
    if (kernel !== undefined) this.#do(kernel, () => this.#forward(kernel, packet));
  }

  /** Out of the session, or to the other router, which is the only one on the LAN that a default route may name. */
  #forward(kernel: FakeKernel, packet: Uint8Array): void {
    const line = kernel.routes.lineTo(decodeIpv4(packet).destination);
    if (line?.kind === 'ether') return this.#options.news.toPartner(packet);
    send(line, packet, 4);
  }

  /** What CARP on the LAN makes of it. */
  role(role: Role): void {
    const kernel = this.#kernel;
    if (kernel !== undefined) this.#do(kernel, () => kernel.carp.set(INTERFACES.vhid, role));
  }

  /** Traffic of the session may pass to the line and back. */
  get isOpen(): boolean {
    return this.#level().isOpen;
  }

  /** SESSION_ID of the attached session. */
  get attached(): number | undefined {
    return this.#level().attached;
  }

  get isOn(): boolean {
    return this.#kernel !== undefined;
  }

  /** The session's interface has its addresses and is up. */
  get isUp(): boolean {
    const line = this.#kernel && sessionOf(this.#kernel);
    return line !== undefined && line.isUp && line.addresses.length > 0;
  }

  /** Its IPv6 address on the LAN, of those that are preferred. */
  get lanAddress6(): string | undefined {
    const [best] = this.#kernel?.interfaces.get(INTERFACES.lan).best6 ?? [];
    return best && formatIpv6(best);
  }

  /** The gateways of its IPv4 default routes, as netstat(1) prints them. */
  get defaultGateways(): readonly string[] {
    return this.#kernel?.routes.defaults().map(formatIpv4) ?? [];
  }

  /** A default route of another program's, as route(8) asks for it. */
  route(verb: 'add' | 'delete', gateway: string): void {
    const kernel = this.#kernel;
    const { any, socketAddress } = gateway4(parseIpv4(gateway) ?? fail('EINVAL'));
    const type = c(verb === 'add' ? 'RTM_ADD' : 'RTM_DELETE');
    const message = encodeRoute(0, { type, destination: any, gateway: socketAddress });
    if (kernel !== undefined)
      this.#do(kernel, () => kernel.routes.request(new RouteSocket(), message));
  }

  #makeKernel(): FakeKernel {
    const { router, news } = this.#options;
    const kernel = new FakeKernel({ bootedAt: Date.now() / 1000 });
    const mac = (text: string): Uint8Array => parseMac(text) ?? new Uint8Array(6);
    kernel.addEther(INTERFACES.line, mac(MACS[router].line), (octets) => {
      const frame = octets.slice();
      this.#do(kernel, () => kernel === this.#kernel && news.transmit(frame));
    });
    const lan = kernel.addEther(INTERFACES.lan, mac(MACS[router].lan), () => {});
    const address = parseIpv4(ADDRESSES.lan[router]) ?? new Uint8Array(4);
    lan.addresses.push({ address, mask: NETMASK });
    kernel.carp.add(lan, INTERFACES.vhid, 'INIT');
    kernel.packet = (packet) => {
      const received = packet.slice();
      this.#do(kernel, () => this.#hear(kernel, received));
    };
    return kernel;
  }

  /** A packet from the session: answers a ping, and passes a DHCPv6 message to the client. */
  #hear(kernel: FakeKernel, packet: Uint8Array): void {
    try {
      const udp = decodeUdp6(packet);
      if (udp === undefined) return answerEcho(kernel, packet);
      if (udp.destinationPort === DHCP6_PORT.client) this.#options.dhcp6?.receive(udp.octets);
    } catch (error) {
      // A packet of another protocol, or no way out: dropped silently, as on any router.
      if (!(error instanceof DecodeError || error instanceof Errno)) throw error;
    }
  }

  /** Something that may change this kernel, after what is under way; what it changed is news. */
  #do(kernel: FakeKernel, act: () => unknown): void {
    this.#options.queue.do(() => {
      // Without power nothing gets out, but the last helper still has its descriptors closed.
      act();
      if (kernel === this.#kernel) this.#compare();
    });
  }

  #level(): MachineState {
    const kernel = this.#kernel;
    if (kernel === undefined) return OFF;
    const nodes = kernel.netgraph.nodes();
    const sessions = nodes.flatMap((node) => (node instanceof PppoeNode ? node.sessions : []));
    return {
      isOpen: nodes.some(
        (node) => node instanceof EtfNode && node.filters.has(ETHERTYPE.PPPOE_SESSION),
      ),
      attached: sessions[0],
      demotion: kernel.carp.demotion,
    };
  }

  #compare(): void {
    const { news } = this.#options;
    const before = this.#told;
    const now = this.#level();
    this.#told = now;
    if (now.isOpen !== before.isOpen) news.gate(now.isOpen);
    if (now.attached !== undefined && now.attached !== before.attached) news.attached(now.attached);
    if (now.demotion !== before.demotion) news.demotion(now.demotion);
  }
}

/** A ping to one of the router's addresses is answered, by the way that leads back. */
function answerEcho(kernel: FakeKernel, packet: Uint8Array): void {
  const echo = decodeEcho(packet);
  if (echo?.kind !== 'request') return;
  const { source, destination } = echo;
  const isOwn = kernel.interfaces
    .all()
    .some(
      (line) => line.isUp && line.addresses.some(({ address }) => sameOctets(address, destination)),
    );
  if (!isOwn) return;
  const reply = encodeEcho({ ...echo, kind: 'reply', source: destination, destination: source });
  kernel.routes.lineTo(source)?.output(reply, 4);
}

const sessionOf = (kernel: FakeKernel): NetInterface | undefined =>
  kernel.interfaces.all().find(({ name }) => name === ADDRESSES.session);

/** Out of the session's interface, with its link-local address; without one the kernel has no source. */
function sendDhcp6(kernel: FakeKernel, octets: Uint8Array): void {
  const line = sessionOf(kernel);
  const source = line?.addresses6.find(([first]) => first === LINK_LOCAL);
  if (source === undefined) return;
  const { client: sourcePort, server: destinationPort } = DHCP6_PORT;
  const destination = ADDRESSES.servers6;
  send(line, encodeUdp6({ source, destination, sourcePort, destinationPort, octets }), 6);
}

/** Sends the packet, or drops it silently if the interface is down or its gate is closed, as any router does. */
function send(line: NetInterface | undefined, packet: Uint8Array, family: 4 | 6): void {
  try {
    line?.output(packet, family);
  } catch (error) {
    if (!(error instanceof Errno)) throw error;
  }
}
