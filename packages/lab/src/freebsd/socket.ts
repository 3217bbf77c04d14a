/**
 * Netgraph sockets: the control socket, which is a node, and the data socket, which shares it.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { c, fail } from './abi.ts';
import {
  Node,
  decode,
  encode,
  type EventMessage,
  type Hook,
  type Message,
  type Netgraph,
} from './netgraph.ts';
import { ascii, field } from './octets.ts';

const LARGEST = 20_480;

interface Queued {
  readonly octets: Uint8Array;
  readonly from: Uint8Array;
}

/** sockaddr_ng of a path or a hook. */
function addressOf(path: string): Uint8Array {
  const text = ascii(path);
  return concat(Uint8Array.of(3 + text.length, c('AF_NETGRAPH')), text, Uint8Array.of(0));
}

const address = (node: Node): string =>
  node.name === '' ? `[${node.id.toString(16)}]:` : `${node.name}:`;

class SocketNode extends Node {
  readonly type = 'socket';
  override readonly endsWithHooks = false;
  control: ControlSocket | undefined;
  dataSocket: DataSocket | undefined;

  override data(hook: Hook, octets: Uint8Array): void {
    this.dataSocket?.push({ octets: octets.slice(), from: addressOf(hook.name) });
  }

  override hear(from: Node, message: EventMessage): void {
    this.control?.hear(from, message);
  }

  override message(_message: Message): Uint8Array | undefined {
    return undefined;
  }
}

export class ControlSocket {
  readonly node: SocketNode;
  readonly queue: Queued[] = [];
  readonly #graph: Netgraph;
  readonly #ready: () => void;

  constructor(graph: Netgraph, ready: () => void) {
    this.#graph = graph;
    this.#ready = ready;
    this.node = new SocketNode(graph);
    this.node.control = this;
  }

  bind(name: string): void {
    this.#graph.rename(this.node, name);
  }

  send(path: string, octets: Uint8Array): number {
    if (octets.length > LARGEST) fail('EMSGSIZE');
    const { cookie, command, token, cmdstr, body } = decode(octets);
    const message = { cookie, command, body, from: this.node };
    const { node, reply } = this.#graph.deliver(path, message);
    if (reply !== undefined) {
      const answer = encode({ cookie, command, token, flags: 1, cmdstr, body: reply });
      this.#push({ octets: answer, from: addressOf(address(node)) });
    }
    return octets.length;
  }

  hear(from: Node, { cookie, command, cmdstr, body }: EventMessage): void {
    const name = field(cmdstr, 32);
    const octets = encode({ cookie, command, token: 0, flags: 0, cmdstr: name, body });
    this.#push({ octets, from: addressOf(`[${from.id.toString(16)}]:`) });
  }

  #push(message: Queued): void {
    this.queue.push(message);
    this.#ready();
  }

  /** The node ends with its control socket. */
  close(): void {
    this.node.control = undefined;
    this.#graph.end(this.node);
  }
}

export class DataSocket {
  readonly queue: Queued[] = [];
  readonly #graph: Netgraph;
  readonly #ready: () => void;
  #node: SocketNode | undefined;

  constructor(graph: Netgraph, ready: () => void) {
    this.#graph = graph;
    this.#ready = ready;
  }

  connect(path: string): void {
    if (this.#node !== undefined) fail('EISCONN');
    const node = this.#graph.nodes().find((each) => pathIs(path, each)) ?? fail('ENOENT');
    if (!(node instanceof SocketNode)) fail('EINVAL');
    node.dataSocket = this;
    this.#node = node;
  }

  push(message: Queued): void {
    this.queue.push(message);
    this.#ready();
  }

  send(hook: string | undefined, octets: Uint8Array): number {
    if (octets.length > LARGEST) fail('EMSGSIZE');
    if (hook === undefined) fail('EDESTADDRREQ');
    const found = this.#node?.hook(hook) ?? fail('EHOSTUNREACH');
    found.send(octets.slice());
    return octets.length;
  }

  close(): void {
    if (this.#node !== undefined) this.#node.dataSocket = undefined;
  }
}

const pathIs = (path: string, node: Node): boolean =>
  path === `${node.name}:` || path === `[${node.id.toString(16)}]:`;
