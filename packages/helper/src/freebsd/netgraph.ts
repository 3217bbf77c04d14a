/**
 * Netgraph's messages and a netgraph socket: octets of a request and its reply, hooks' data, and the generic messages
 * that make, name, join and remove nodes. It knows no node type and no graph.
 */
import { BackendError } from '../errors.ts';
import type { Libc } from '../libc.ts';
import { C, S, SEEN } from './abi.ts';
import { soon } from './errors.ts';
import { int, putText, putU32, textAt, textOctets, u32At } from './octets.ts';

const NAME = SEEN.NG_NAME;
/** A control message with its body; LISTNODES of a big graph is the largest. */
const CONTROL_ROOM = 128 * 1024;
const controlRoom = new Uint8Array(CONTROL_ROOM);
const DATA_ROOM = 2048;
const NOTHING: Uint8Array = new Uint8Array(0);
/** Messages taken in one go, so that a flood cannot keep the loop from its other descriptors. */
const BATCH = 64;

/** A message: the cookie of a node type, or the generic one, and a command. */
export interface Command {
  readonly cookie: number;
  readonly command: number;
}

const generic = (command: number): Command => ({ cookie: C.NGM_GENERIC_COOKIE, command });

export interface Message extends Command {
  readonly flags: number;
  readonly token: number;
  readonly body: Uint8Array;
}

export function encodeMessage({
  cookie,
  command,
  token,
  body,
}: Omit<Message, 'flags'>): Uint8Array {
  const header = S.ng_msghdr;
  const octets = new Uint8Array(header.size + body.length);
  octets[header.version] = C.NG_VERSION;
  putU32(octets, header.arglen, body.length);
  putU32(octets, header.cmd, command);
  putU32(octets, header.token, token);
  putU32(octets, header.typecookie, cookie);
  octets.set(body, header.size);
  return octets;
}

/** Undefined if it is too short to be one. */
function decodeMessage(octets: Uint8Array): Message | undefined {
  const header = S.ng_msghdr;
  if (octets.length < header.size) return undefined;
  return {
    cookie: u32At(octets, header.typecookie),
    command: u32At(octets, header.cmd),
    flags: u32At(octets, header.flags),
    token: u32At(octets, header.token),
    body: octets.slice(header.size, header.size + u32At(octets, header.arglen)),
  };
}

/** sockaddr_ng: length, family and the path or hook with its NUL. */
function netgraphAddress(path: string): Uint8Array {
  const name = textOctets(path);
  const address = new Uint8Array(S.sockaddr_ng.sg_data + name.length + 1);
  address[S.sockaddr_ng.sg_len] = address.length;
  address[S.sockaddr_ng.sg_family] = C.AF_NETGRAPH;
  address.set(name, S.sockaddr_ng.sg_data);
  return address;
}

/** A field of names, each at its offset and NUL-padded. */
export function names(size: number, ...fields: readonly (readonly [number, string])[]): Uint8Array {
  const octets = new Uint8Array(size);
  for (const [at, text] of fields) putText(octets, at, text);
  return octets;
}

export interface NodeInfo {
  /** Empty for a node without a name. */
  readonly name: string;
  readonly type: string;
  readonly id: number;
  readonly hooks: number;
}

export interface Link {
  readonly ourHook: string;
  readonly peerHook: string;
  readonly peer: NodeInfo;
}

function nodeInfoAt(octets: Uint8Array, at: number): NodeInfo {
  const info = S.nodeinfo;
  return {
    name: textAt(octets, at + info.name, NAME),
    type: textAt(octets, at + info.type, NAME),
    id: u32At(octets, at + info.id),
    hooks: u32At(octets, at + info.hooks),
  };
}

function decodeLinks(body: Uint8Array): Link[] {
  const { size, ourhook, peerhook, nodeinfo } = S.linkinfo;
  const links: Link[] = [];
  for (let at: number = S.hooklist.link; at + size <= body.length; at += size) {
    links.push({
      ourHook: textAt(body, at + ourhook, NAME),
      peerHook: textAt(body, at + peerhook, NAME),
      peer: nodeInfoAt(body, at + nodeinfo),
    });
  }
  return links;
}

/** The address of a node by its number, for one that has no name. */
export const byId = ({ id }: NodeInfo): string => `[${id.toString(16)}]:`;

/** A socket node: a control and a data socket, neither blocking. It dies with its descriptors, and its hooks with it. */
export class NetgraphSocket {
  readonly control: number;
  readonly data: number;
  readonly #libc: Libc;
  readonly #room = new Uint8Array(DATA_ROOM);
  readonly #from = new Uint8Array(S.sockaddr_ng.sg_data + NAME);
  /** Events that arrived before an awaited reply. */
  readonly #events: Message[] = [];
  #token = 0;

  /** `name` must be free: EADDRINUSE says that another helper lives. Throws SystemError with nothing left open. */
  constructor(libc: Libc, name: string) {
    const type = C.SOCK_DGRAM | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK;
    this.#libc = libc;
    this.control = libc.socket(C.AF_NETGRAPH, type, C.NG_CONTROL);
    let data: number | undefined;
    try {
      libc.bind(this.control, netgraphAddress(name));
      libc.setsockopt(this.control, C.SOL_SOCKET, C.SO_RCVBUF, int(CONTROL_ROOM));
      data = libc.socket(C.AF_NETGRAPH, type, C.NG_DATA);
      libc.connect(data, netgraphAddress(`${name}:`));
    } catch (error) {
      libc.close(this.control);
      if (data !== undefined) libc.close(data);
      throw error;
    }
    this.data = data;
  }

  close(): void {
    this.#libc.close(this.data);
    this.#libc.close(this.control);
  }

  /** Send a message whose only answer is its errno. Returns its token. */
  tell(path: string, { cookie, command }: Command, body: Uint8Array = NOTHING): number {
    const token = (this.#token = (this.#token + 1) & 0x7fffffff);
    const message = encodeMessage({ cookie, command, token, body });
    const sent = this.#libc.sendto(this.control, message, 0, netgraphAddress(path));
    if (sent === -1)
      throw new BackendError('send to', path, 'EAGAIN', 'the control socket is full');
    return token;
  }

  /** Send a message and take the body of its reply. */
  ask(path: string, command: Command, body?: Uint8Array): Uint8Array {
    const token = this.tell(path, command, body);
    const reply = soon(() => {
      for (let message = this.#receive(); message !== undefined; message = this.#receive()) {
        if ((message.flags & C.NGF_RESP) === 0) this.#events.push(message);
        else if (message.token === token) return message;
      }
      return undefined;
    });
    if (reply === undefined)
      throw new BackendError('ask', path, 'ETIMEDOUT', `no reply to command ${command.command}`);
    return reply.body;
  }

  /** An event: a message that is no reply. */
  event(): Message | undefined {
    const waiting = this.#events.shift();
    if (waiting !== undefined) return waiting;
    let message = this.#receive();
    while (message !== undefined && (message.flags & C.NGF_RESP) !== 0) message = this.#receive();
    return message;
  }

  /** Every event that waits, up to a batch. */
  drain(take: (event: Message) => void): void {
    for (let i = 0; i < BATCH; i++) {
      const event = this.event();
      if (event === undefined) return;
      take(event);
    }
  }

  #receive(): Message | undefined {
    const { length } = this.#libc.recvfrom(this.control, controlRoom, 0);
    return length === -1 ? undefined : decodeMessage(controlRoom.subarray(0, length));
  }

  sendData(hook: string, octets: Uint8Array): void {
    const sent = this.#libc.sendto(this.data, octets, 0, netgraphAddress(hook));
    if (sent === -1) throw new BackendError('send to', hook, 'EAGAIN', 'the data socket is full');
  }

  /** Data that arrived on a hook; undefined if none waits. */
  readData(): { readonly hook: string; readonly octets: Uint8Array } | undefined {
    const { length } = this.#libc.recvfrom(this.data, this.#room, 0, this.#from);
    if (length === -1) return undefined;
    const { sg_data: at } = S.sockaddr_ng;
    return { hook: textAt(this.#from, at, NAME), octets: this.#room.slice(0, length) };
  }

  /** Make a node of `type` and join its `peerHook` to `ourHook` of the node at `path`. */
  makePeer(path: string, type: string, ourHook: string, peerHook: string): void {
    const { size, type: at, ourhook, peerhook } = S.ngm_mkpeer;
    const body = names(size, [at, type], [ourhook, ourHook], [peerhook, peerHook]);
    this.tell(path, generic(C.NGM_MKPEER), body);
  }

  name(path: string, name: string): void {
    this.tell(path, generic(C.NGM_NAME), names(S.ngm_name.size, [S.ngm_name.name, name]));
  }

  /** Join `ourHook` of the node at `path` to `peerHook` of the node at `to`. */
  connect(path: string, to: string, ourHook: string, peerHook: string): void {
    const { size, path: at, ourhook, peerhook } = S.ngm_connect;
    const body = names(size, [at, to], [ourhook, ourHook], [peerhook, peerHook]);
    this.tell(path, generic(C.NGM_CONNECT), body);
  }

  /** A hook that is not there is no error. */
  removeHook(path: string, hook: string): void {
    const { size, ourhook } = S.ngm_rmhook;
    this.tell(path, generic(C.NGM_RMHOOK), names(size, [ourhook, hook]));
  }

  shutdown(path: string): void {
    this.tell(path, generic(C.NGM_SHUTDOWN));
  }

  links(path: string): Link[] {
    return decodeLinks(this.ask(path, generic(C.NGM_LISTHOOKS)));
  }

  nodes(): NodeInfo[] {
    const body = this.ask('.', generic(C.NGM_LISTNODES));
    const count = u32At(body, 0);
    const at = (i: number): number => S.namelist.nodeinfo + i * S.nodeinfo.size;
    return Array.from({ length: count }, (_, i) => nodeInfoAt(body, at(i)));
  }
}
