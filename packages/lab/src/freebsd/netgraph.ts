/**
 * Netgraph's base: nodes, hooks, paths, and the messages that every node understands. What a type of node does is in
 * `nodes.ts`, `pppoe.ts` and `ppp.ts`.
 *
 * The other end of a removed hook goes a moment later: `lag` counts the control messages until then. With 0, at once.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { at, c, fail } from './abi.ts';
import { cstring, field, long, set32, u32 } from './octets.ts';

const NAME = 32;
const PATH = 512;

export class Hook {
  readonly name: string;
  readonly node: Node;
  peer: Hook | undefined;

  constructor(name: string, node: Node) {
    this.name = name;
    this.node = node;
  }

  /** Data out of this hook: into the node at its other end. */
  send(octets: Uint8Array): void {
    if (this.peer === undefined) fail('ENETDOWN');
    this.peer.node.data(this.peer, octets);
  }
}

export interface Message {
  readonly cookie: number;
  readonly command: number;
  readonly body: Uint8Array;
  /** Where a reply or an event goes. */
  readonly from: Node;
}

export abstract class Node {
  abstract readonly type: string;
  readonly graph: Netgraph;
  readonly id: number;
  #name = '';
  /** Newest first, as the kernel lists them. */
  hooks: Hook[] = [];
  isGone = false;
  /** Whether the node ends with its last hook. */
  readonly endsWithHooks: boolean = true;

  constructor(graph: Netgraph) {
    this.graph = graph;
    this.id = graph.adopt(this);
  }

  /** Unique, or empty. */
  get name(): string {
    return this.#name;
  }

  set name(name: string) {
    this.graph.renamed(this, this.#name, name);
    this.#name = name;
  }

  hook(name: string): Hook | undefined {
    return this.hooks.find((hook) => hook.name === name && hook.peer !== undefined);
  }

  /** Throws for a hook that this type does not have. */
  accept(_hook: string): void {}
  joined(_hook: Hook): void {}
  abstract data(hook: Hook, octets: Uint8Array): void;
  /** A reply's body, or undefined for none. */
  message(_message: Message): Uint8Array | undefined {
    fail('EINVAL');
  }
  /** A message that it did not ask for. */
  hear(_from: Node, _message: EventMessage): void {}
  /** A hook has gone. */
  left(_hook: Hook): void {}
  /** The node is going; its hooks are still there. */
  ending(): void {}
  /** SHUTDOWN. */
  shutdown(): void {
    this.graph.end(this);
  }
}

export type MakeNode = (graph: Netgraph) => Node;

export class Netgraph {
  readonly types: Readonly<Record<string, MakeNode>>;
  readonly #nodes = new Map<number, Node>();
  readonly #named = new Map<string, Node>();
  readonly #deferred: { left: number; run: () => void }[] = [];
  nextId = 1;
  lag = 0;

  constructor(types: Readonly<Record<string, MakeNode>>) {
    this.types = types;
  }

  adopt(node: Node): number {
    const id = this.nextId++;
    this.#nodes.set(id, node);
    return id;
  }

  /** In the order of LISTNODES: sixteen chains by number, the newest first in each. */
  nodes(): Node[] {
    return [...this.#nodes.values()].sort((a, b) => (a.id % 16) - (b.id % 16) || b.id - a.id);
  }

  named(name: string): Node | undefined {
    return this.#named.get(name);
  }

  /** Called by the node itself. */
  renamed(node: Node, from: string, to: string): void {
    if (this.#named.get(from) === node) this.#named.delete(from);
    if (to !== '') this.#named.set(to, node);
  }

  later(run: () => void): void {
    if (this.lag === 0) run();
    else this.#deferred.push({ left: this.lag, run });
  }

  /** One control message further. */
  tick(): void {
    for (const entry of this.#deferred.slice()) {
      if (--entry.left > 0) continue;
      this.#deferred.splice(this.#deferred.indexOf(entry), 1);
      entry.run();
    }
  }

  /** All that lags, done. */
  settle(): void {
    while (this.#deferred.length > 0) this.tick();
  }

  end(node: Node): void {
    if (node.isGone) return;
    node.isGone = true;
    node.ending();
    for (const hook of node.hooks.slice()) this.disconnect(hook);
    this.#nodes.delete(node.id);
    this.renamed(node, node.name, '');
  }

  join(a: Node, aName: string, b: Node, bName: string): void {
    for (const [node, name] of [[a, aName] as const, [b, bName] as const])
      if (node.hooks.some((hook) => hook.name === name)) fail('EEXIST');
    a.accept(aName);
    b.accept(bName);
    const ours = new Hook(aName, a);
    const theirs = new Hook(bName, b);
    ours.peer = theirs;
    theirs.peer = ours;
    a.hooks.unshift(ours);
    b.hooks.unshift(theirs);
    a.joined(ours);
    b.joined(theirs);
  }

  /** Remove a hook: this end at once, the other a moment later. */
  disconnect(hook: Hook): void {
    const { peer } = hook;
    this.#remove(hook);
    if (peer === undefined) return;
    peer.peer = undefined;
    this.later(() => this.#remove(peer));
  }

  #remove(hook: Hook): void {
    const { node } = hook;
    if (!node.hooks.includes(hook)) return;
    node.left(hook);
    hook.peer = undefined;
    node.hooks = node.hooks.filter((each) => each !== hook);
    if (node.hooks.length === 0 && node.endsWithHooks && !node.isGone) this.end(node);
  }

  /** The node at a path, seen from the node that sends. Throws ENOENT. */
  find(from: Node, path: string): Node {
    const [head = '', rest = ''] = path.includes(':') ? split(path, ':') : ['', path];
    let node = head === '' || head === '.' ? from : this.#byName(head);
    if (path === '.' || path === '.:') return from;
    for (const name of rest.split('.').filter((each) => each !== '')) {
      const next = node.hook(name)?.peer?.node;
      if (next === undefined) fail('ENOENT');
      node = next;
    }
    return node;
  }

  #byName(name: string): Node {
    const [, id] = /^\[([0-9a-f]+)\]$/.exec(name) ?? [];
    const node = id === undefined ? this.named(name) : this.#nodes.get(Number.parseInt(id, 16));
    return node ?? fail('ENOENT');
  }

  /** A control message to the node at `path`. Returns the reply's body, or undefined. */
  deliver(path: string, message: Message): { node: Node; reply: Uint8Array | undefined } {
    this.tick();
    const node = this.find(message.from, path);
    const isGeneric = message.cookie === c('NGM_GENERIC_COOKIE');
    return { node, reply: isGeneric ? this.#generic(node, message) : node.message(message) };
  }

  #generic(node: Node, { command, body, from }: Message): Uint8Array | undefined {
    const name = (offset: number): string => cstring(body, offset, NAME);
    const needs = (struct: string): void => {
      if (body.length !== at(struct, 'size')) fail('EINVAL');
    };
    switch (command) {
      case c('NGM_SHUTDOWN'):
        return void node.shutdown();
      case c('NGM_MKPEER'): {
        needs('ngm_mkpeer');
        const ourHook = name(at('ngm_mkpeer', 'ourhook'));
        return void this.#makePeer(node, name(0), ourHook, name(at('ngm_mkpeer', 'peerhook')));
      }
      case c('NGM_CONNECT'): {
        needs('ngm_connect');
        const peer = this.find(node === from ? from : node, cstring(body, 0, PATH));
        const ourHook = name(at('ngm_connect', 'ourhook'));
        return void this.join(node, ourHook, peer, name(at('ngm_connect', 'peerhook')));
      }
      case c('NGM_NAME'):
        needs('ngm_name');
        return void this.rename(node, name(0));
      case c('NGM_RMHOOK'): {
        needs('ngm_rmhook');
        const hook = node.hook(name(0));
        return hook && void this.disconnect(hook);
      }
      case c('NGM_NODEINFO'):
        return info(node);
      case c('NGM_LISTHOOKS'):
        return concat(info(node), ...node.hooks.map(link));
      case c('NGM_LISTNODES'): {
        const nodes = this.nodes();
        return concat(long(nodes.length), ...nodes.map(info));
      }
      default:
        fail('EINVAL');
    }
  }

  #makePeer(node: Node, type: string, ourHook: string, peerHook: string): void {
    const make = this.types[type] ?? fail('ENOENT');
    if (node.hooks.some((hook) => hook.name === ourHook)) fail('EEXIST');
    const peer = make(this);
    try {
      this.join(node, ourHook, peer, peerHook);
    } catch (error) {
      this.end(peer);
      throw error;
    }
  }

  rename(node: Node, name: string): void {
    if (name === '' || /[.:]/.test(name)) fail('EINVAL');
    const holder = this.named(name);
    if (holder !== undefined && holder !== node) fail('EADDRINUSE');
    node.name = name;
  }
}

export interface EventMessage {
  readonly cookie: number;
  readonly command: number;
  readonly cmdstr: string;
  readonly body: Uint8Array;
}

function split(path: string, mark: string): [string, string] {
  const where = path.indexOf(mark);
  return [path.slice(0, where), path.slice(where + 1)];
}

function info(node: Node): Uint8Array {
  const octets = new Uint8Array(at('nodeinfo', 'size'));
  octets.set(field(node.name, NAME), at('nodeinfo', 'name'));
  octets.set(field(node.type, NAME), at('nodeinfo', 'type'));
  set32(octets, at('nodeinfo', 'id'), node.id);
  set32(octets, at('nodeinfo', 'hooks'), node.hooks.length);
  return octets;
}

function link(hook: Hook): Uint8Array {
  const octets = new Uint8Array(at('linkinfo', 'size'));
  octets.set(field(hook.name, NAME), at('linkinfo', 'ourhook'));
  octets.set(field(hook.peer?.name ?? '', NAME), at('linkinfo', 'peerhook'));
  if (hook.peer !== undefined) octets.set(info(hook.peer.node), at('linkinfo', 'nodeinfo'));
  return octets;
}

/** ng_msghdr and body. */
export function encode(header: {
  readonly cookie: number;
  readonly command: number;
  readonly token: number;
  readonly flags: number;
  readonly cmdstr: Uint8Array;
  readonly body: Uint8Array;
}): Uint8Array {
  const octets = new Uint8Array(at('ng_msghdr', 'size') + header.body.length);
  octets[at('ng_msghdr', 'version')] = c('NG_VERSION');
  set32(octets, at('ng_msghdr', 'arglen'), header.body.length);
  set32(octets, at('ng_msghdr', 'cmd'), header.command);
  set32(octets, at('ng_msghdr', 'flags'), header.flags);
  set32(octets, at('ng_msghdr', 'token'), header.token);
  set32(octets, at('ng_msghdr', 'typecookie'), header.cookie);
  octets.set(header.cmdstr, at('ng_msghdr', 'cmdstr'));
  octets.set(header.body, at('ng_msghdr', 'size'));
  return octets;
}

/** The fields of ng_msghdr; EINVAL for what is none of this version, or whose length is wrong. */
export function decode(octets: Uint8Array): {
  readonly cookie: number;
  readonly command: number;
  readonly token: number;
  readonly cmdstr: Uint8Array;
  readonly body: Uint8Array;
} {
  const size = at('ng_msghdr', 'size');
  if (octets.length < size || octets[at('ng_msghdr', 'version')] !== c('NG_VERSION'))
    fail('EINVAL');
  const body = octets.slice(size);
  if (u32(octets, at('ng_msghdr', 'arglen')) !== body.length) fail('EINVAL');
  const cmdstr = at('ng_msghdr', 'cmdstr');
  return {
    cookie: u32(octets, at('ng_msghdr', 'typecookie')),
    command: u32(octets, at('ng_msghdr', 'cmd')),
    token: u32(octets, at('ng_msghdr', 'token')),
    cmdstr: octets.slice(cmdstr, cmdstr + NAME),
    body,
  };
}
