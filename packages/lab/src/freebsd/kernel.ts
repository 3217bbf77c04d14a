/**
 * A FreeBSD kernel in octets, as far as the helper goes: built from what was seen on a real one, its traps included. The
 * processes on it are `process.ts`.
 */
import { fail } from './abi.ts';
import { BpfDescriptor, LARGEST_BUFFER } from './bpf-device.ts';
import { Carp } from './carp.ts';
import { Interfaces, type NetInterface } from './interfaces.ts';
import { Netgraph, Node, type MakeNode } from './netgraph.ts';
import { BpfNode, EtfNode, EtherNode, HubNode, IfaceNode } from './nodes.ts';
import { PppNode } from './ppp.ts';
import { PppoeNode } from './pppoe.ts';
import { Routes } from './routes.ts';

/** Node types that are modules of their own. */
const NODE_MODULES = ['hub', 'bpf', 'etf', 'pppoe', 'ppp', 'iface'] as const;
const MODULES = new Set(['ng_ether', 'ng_socket', ...NODE_MODULES.map((type) => `ng_${type}`)]);

export interface KernelOptions {
  /** Modules that are there before anybody loads one. */
  readonly loaded?: readonly string[];
  /** kldload is refused, as in a jail. */
  readonly isJail?: boolean;
  /** How many control messages the other end of a removed hook outlives it. */
  readonly lag?: number;
  readonly bpfDevices?: number;
  /** Seconds since 1970. */
  readonly bootedAt?: number;
}

export class FakeKernel {
  readonly interfaces = new Interfaces();
  readonly routes = new Routes(this.interfaces);
  readonly carp = new Carp(this.routes);
  readonly netgraph: Netgraph;
  readonly modules: Set<string>;
  readonly isJail: boolean;
  /** kern.boottime: seconds since 1970. */
  readonly bootedAt: number;
  /** A packet that came in by a session's interface: for whoever plays the router's IP. */
  packet: (packet: Uint8Array) => void = () => {};
  bpfDevices: number;
  /** net.bpf.maxbufsize. */
  largestBpfBuffer = LARGEST_BUFFER;
  readonly bpfs = new Set<BpfDescriptor>();

  constructor(options: KernelOptions = {}) {
    const make: Readonly<Record<(typeof NODE_MODULES)[number], MakeNode>> = {
      hub: (graph) => new HubNode(graph),
      bpf: (graph) => new BpfNode(graph),
      etf: (graph) => new EtfNode(graph),
      pppoe: (graph) => new PppoeNode(graph),
      ppp: (graph) => new PppNode(graph),
      iface: (graph) => this.#ifaceNode(graph),
    };
    // MKPEER loads what it needs, but not in a jail.
    const types = Object.fromEntries(
      NODE_MODULES.map((type): [string, MakeNode] => [
        type,
        (graph) => {
          this.kldload(`ng_${type}`, 'again');
          return make[type](graph);
        },
      ]),
    );
    this.netgraph = new Netgraph(types);
    this.netgraph.lag = options.lag ?? 0;
    this.modules = new Set(options.loaded ?? []);
    this.isJail = options.isJail ?? false;
    this.bootedAt = Math.trunc(options.bootedAt ?? 0);
    this.bpfDevices = options.bpfDevices ?? 256;
    this.interfaces.arrived = (line) => this.modules.has('ng_ether') && this.#etherNode(line);
    this.interfaces.departed = (line) => {
      this.carp.forget(line);
      const node = this.netgraph
        .nodes()
        .find((each) => each instanceof EtherNode && each.line === line);
      if (node !== undefined) this.netgraph.end(node);
    };
    this.interfaces.changed = (what, line) => {
      if (what === 'address') this.routes.forget(line);
      else this.routes.tellLink(line);
    };
  }

  kldload(name: string, again: 'again' | 'once' = 'once'): void {
    if (this.modules.has(name)) {
      if (again === 'again') return;
      fail('EEXIST');
    }
    if (this.isJail) fail('EPERM');
    if (!MODULES.has(name)) fail('ENOENT');
    this.modules.add(name);
    if (name === 'ng_ether')
      for (const line of this.interfaces.all()) if (line.kind === 'ether') this.#etherNode(line);
  }

  #ifaceNode(graph: Netgraph): IfaceNode {
    const node = new IfaceNode(graph, this.interfaces);
    node.line.unclaimed = (packet) => this.packet(packet);
    return node;
  }

  #etherNode(line: NetInterface): void {
    const node = new EtherNode(this.netgraph, line);
    line.unclaimed = (frame) => node.receive(frame);
  }

  /** An Ethernet interface on a line: `send` takes its frames, `receive` of the result gives it others'. */
  addEther(name: string, mac: Uint8Array, send: (frame: Uint8Array) => void): NetInterface {
    const line = this.interfaces.makeEther(name, mac, send);
    if (this.modules.has('ng_ether')) this.#etherNode(line);
    return line;
  }

  /** Its driver goes, or somebody destroys it: its node and what was joined to it, its vhids and taps. */
  removeEther(line: NetInterface): void {
    this.interfaces.departed(line);
    this.interfaces.destroy(line);
    for (const bpf of this.bpfs) if (bpf.isDetached) bpf.ready();
  }

  setCarrier(line: NetInterface, up: boolean): void {
    line.isConnected = up;
    this.routes.tellLink(line);
  }

  openBpf(): BpfDescriptor {
    if (this.bpfs.size >= this.bpfDevices) fail('EBUSY');
    const bpf = new BpfDescriptor(this.interfaces, this.largestBpfBuffer);
    this.bpfs.add(bpf);
    return bpf;
  }

  closeBpf(bpf: BpfDescriptor): void {
    bpf.close();
    this.bpfs.delete(bpf);
  }

  /** Names of the nodes that are neither an interface's nor a socket's. */
  madeNodes(): string[] {
    return this.netgraph
      .nodes()
      .filter((node: Node) => node.type !== 'ether' && node.type !== 'socket')
      .map(({ name, type }) => name || type);
  }
}
