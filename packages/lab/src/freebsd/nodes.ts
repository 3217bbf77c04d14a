/**
 * The simple node types: ether, hub, bpf, etf and iface. Each does what it was seen to do, no more.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { Errno, at, c, fail } from './abi.ts';
import { compile } from './bpf-machine.ts';
import type { NetInterface, Interfaces } from './interfaces.ts';
import { Node, type Hook, type Message, type Netgraph } from './netgraph.ts';
import { be16, cstring, field, long, u16, u32 } from './octets.ts';

const NAME = 32;

/** The node of an Ethernet interface. It is there for as long as the interface is. */
export class EtherNode extends Node {
  readonly type = 'ether';
  override readonly endsWithHooks = false;
  readonly line: NetInterface;

  constructor(graph: Netgraph, line: NetInterface) {
    super(graph);
    this.line = line;
    this.name = line.name.replaceAll(/[.:]/g, '_');
  }

  override accept(hook: string): void {
    if (!['orphans', 'lower', 'upper'].includes(hook)) fail('EINVAL');
  }

  override data(_hook: Hook, frame: Uint8Array): void {
    if (frame.length < 14) fail('EINVAL');
    this.line.transmit(frame);
  }

  /** A frame that no other part of the kernel wants. */
  receive(frame: Uint8Array): void {
    this.hook('orphans')?.send(frame);
  }

  /** With its last hook it resets itself, a moment later; until then its name does not resolve. */
  override left(): void {
    if (this.hooks.length > 1) return;
    const { name } = this;
    this.line.setPromisc = false;
    this.name = '';
    this.graph.later(() => (this.name = name));
  }

  override shutdown(): void {
    for (const hook of this.hooks.slice()) this.graph.disconnect(hook);
  }

  override message({ cookie, command, body }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_ETHER_COOKIE')) fail('EINVAL');
    switch (command) {
      case c('NGM_ETHER_GET_IFNAME'):
        return field(this.line.name, 16);
      case c('NGM_ETHER_GET_IFINDEX'):
        return long(this.line.index);
      case c('NGM_ETHER_GET_ENADDR'):
        return this.line.mac;
      case c('NGM_ETHER_GET_PROMISC'):
        return long(this.line.setPromisc ? 1 : 0);
      case c('NGM_ETHER_GET_AUTOSRC'):
        return long(0);
      case c('NGM_ETHER_SET_PROMISC'):
        this.line.setPromisc = u32(body, 0) !== 0;
        return undefined;
      default:
        fail('EINVAL');
    }
  }
}

export class HubNode extends Node {
  readonly type = 'hub';

  override data(from: Hook, octets: Uint8Array): void {
    const others = this.hooks.filter((hook) => hook !== from && hook.peer !== undefined);
    for (const hook of others) {
      // What one branch says to its copy is nobody's errno but the last one's.
      if (hook === others.at(-1)) hook.send(octets.slice());
      else attemptSend(hook, octets);
    }
  }
}

function attemptSend(hook: Hook, octets: Uint8Array): void {
  try {
    hook.send(octets.slice());
  } catch (error) {
    // A copy that goes nowhere.
    if (!(error instanceof Errno)) throw error;
  }
}

interface HookProgram {
  readonly raw: Uint8Array;
  readonly filter: (frame: Uint8Array) => number;
  readonly match: string;
  readonly noMatch: string;
}

export class BpfNode extends Node {
  readonly type = 'bpf';
  readonly #programs = new Map<string, HookProgram>();

  override joined(hook: Hook): void {
    this.#programs.delete(hook.name);
  }

  override left(hook: Hook): void {
    this.#programs.delete(hook.name);
  }

  override data(from: Hook, octets: Uint8Array): void {
    const program = this.#programs.get(from.name);
    if (program === undefined) return;
    const length = program.filter(octets);
    const to = this.hook(length > 0 ? program.match : program.noMatch);
    to?.send(length > 0 ? octets.slice(0, length) : octets);
  }

  override message({ cookie, command, body }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_BPF_COOKIE')) fail('EINVAL');
    if (command === c('NGM_BPF_SET_PROGRAM')) return void this.#setProgram(body);
    if (command !== c('NGM_BPF_GET_PROGRAM')) fail('EINVAL');
    if (body.length === 0) fail('EINVAL');
    const name = cstring(body, 0, NAME);
    if (this.hook(name) === undefined) fail('ENOENT');
    return this.#programs.get(name)?.raw ?? fail('ENOENT');
  }

  #setProgram(body: Uint8Array): void {
    if (body.length < 100) fail('EINVAL');
    const count = u32(body, 96);
    if (body.length !== 100 + count * at('bpf_insn', 'size')) fail('EINVAL');
    const name = cstring(body, 0, NAME);
    if (this.hook(name) === undefined) fail('ENOENT');
    this.#programs.set(name, {
      raw: body.slice(),
      filter: compile(body.subarray(100), count),
      match: cstring(body, 32, NAME),
      noMatch: cstring(body, 64, NAME),
    });
  }
}

export class EtfNode extends Node {
  readonly type = 'etf';
  /** EtherType to the hook that has it. */
  readonly filters = new Map<number, string>();
  #in = 0;
  #out = 0;

  override left({ name }: Hook): void {
    for (const [etherType, hook] of this.filters) if (hook === name) this.filters.delete(etherType);
  }

  override data(from: Hook, frame: Uint8Array): void {
    const wanted = this.filters.get(be16(frame, 12));
    if (from.name === 'downstream') {
      this.#in++;
      const to = wanted === undefined ? undefined : this.hook(wanted);
      if (to === undefined) fail('ENETDOWN');
      to.send(frame);
      return;
    }
    if (wanted !== from.name) fail('EPROTOTYPE');
    const downstream = this.hook('downstream') ?? fail('ENETDOWN');
    this.#out++;
    downstream.send(frame);
  }

  override message({ cookie, command, body }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_ETF_COOKIE')) fail('EINVAL');
    if (command === c('NGM_ETF_GET_STATUS')) return concat(long(this.#in), long(this.#out));
    if (command !== c('NGM_ETF_SET_FILTER')) fail('EINVAL');
    if (body.length !== at('ng_etffilter', 'size')) fail('EINVAL');
    const name = cstring(body, at('ng_etffilter', 'matchhook'), NAME);
    const etherType = u16(body, at('ng_etffilter', 'ethertype'));
    if (this.hook(name) === undefined) fail('ENOENT');
    if (name === 'downstream') fail('EINVAL');
    if (this.filters.has(etherType)) fail('EEXIST');
    this.filters.set(etherType, name);
    return undefined;
  }
}

/** A network interface of its own. It stays when its hooks go, and ends with a SHUTDOWN. */
export class IfaceNode extends Node {
  readonly type = 'iface';
  override readonly endsWithHooks = false;
  readonly #interfaces: Interfaces;
  readonly line: NetInterface;

  constructor(graph: Netgraph, interfaces: Interfaces) {
    super(graph);
    this.#interfaces = interfaces;
    this.line = interfaces.makeNg((packet, family) => {
      const hook = this.hook(family === 4 ? 'inet' : 'inet6') ?? fail('ENETDOWN');
      hook.send(packet);
    });
    this.name = this.line.name;
  }

  override accept(hook: string): void {
    if (hook !== 'inet' && hook !== 'inet6') fail('EPFNOSUPPORT');
  }

  override data(_hook: Hook, packet: Uint8Array): void {
    if (!this.line.isUp) fail('ENETDOWN');
    this.line.input(packet);
  }

  override ending(): void {
    this.#interfaces.destroy(this.line);
  }

  override message({ cookie, command }: Message): Uint8Array | undefined {
    if (cookie !== c('NGM_IFACE_COOKIE')) fail('EINVAL');
    if (command === c('NGM_IFACE_GET_IFNAME')) return field(this.line.name, 16);
    if (command === c('NGM_IFACE_GET_IFINDEX')) return long(this.line.index);
    fail('EINVAL');
  }
}
