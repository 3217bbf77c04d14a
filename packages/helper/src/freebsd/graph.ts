/**
 * The nodes and interfaces of one session: built, adopted from an earlier helper, or taken down. It knows neither what
 * session is on them (`arming.ts`) nor its addresses.
 *
 *   hub ── line:bpf:uN ── wire:etf:downstream ── ethernet:pppoe:SESSION ── link0:ppp:inet, ipv6 ── iface
 *                              local ── our socket                              bypass ── our socket
 *
 * Every name is derived from the session's, so that the next helper finds the nodes. ng_pppoe's own discovery frames, PADT
 * included, go to `local` and end there.
 */
import { SESSION_NODE } from '@ppp-thing/protocol/node-names';
import type { SessionPolicy } from '../policy.ts';
import { C, S } from './abi.ts';
import { anyway, attempt, settle, unless } from './errors.ts';
import { Gate, setFilter } from './gate.ts';
import { IFNAMSIZ, type Interfaces } from './interface.ts';
import { byId, type Link, type NetgraphSocket, type NodeInfo } from './netgraph.ts';
import { putU16, putU32, textAt } from './octets.ts';
import { ensureHub, releaseHub, releaseLine } from './parent.ts';
import { DISCOVERY } from './programs.ts';

export const LOCAL = 'local';
export const BYPASS = 'bypass';
const DOWNSTREAM = 'downstream';
const LINK = 'link0';
const INET = 'inet';
const STUB = 'stub';
/** The session's hook on the pppoe node while there is no session. */
export const IDLE = 'idle';

const GET_IFNAME = { cookie: C.NGM_IFACE_COOKIE, command: C.NGM_IFACE_GET_IFNAME };
const SET_CONFIG = { cookie: C.NGM_PPP_COOKIE, command: C.NGM_PPP_SET_CONFIG };
const GET_CONFIG = { cookie: C.NGM_PPP_COOKIE, command: C.NGM_PPP_GET_CONFIG };
/** Required by the kernel; only multilink uses it. */
const ANY_BANDWIDTH = 1;

/** The name of a session's node for each part. A node's address holds 31 characters, and `.` separates its parts. */
const nodeName = (session: string, part: string): string =>
  `${SESSION_NODE}${hubHook(session)}_${part}`;

/** The session's hook on its line's hub. */
const hubHook = (session: string): string => session.replaceAll('.', '=');

export class Graph {
  readonly gate: Gate;
  readonly etf: string;
  readonly pppoe: string;
  readonly ppp: string;
  readonly #iface: string;
  readonly #stub: string;
  readonly #bpf: string;
  readonly #netgraph: NetgraphSocket;
  readonly #interfaces: Interfaces;
  readonly #policy: SessionPolicy;

  constructor(netgraph: NetgraphSocket, interfaces: Interfaces, policy: SessionPolicy) {
    this.#netgraph = netgraph;
    this.#interfaces = interfaces;
    this.#policy = policy;
    const part = (letter: string): string => nodeName(policy.name, letter);
    this.etf = part('e');
    this.pppoe = part('p');
    this.ppp = part('l');
    this.#iface = part('i');
    this.#stub = part('x');
    this.#bpf = part('b');
    this.gate = new Gate(netgraph, this.etf, this.#bpf, policy.mac);
  }

  /** The name of the socket node of the helper that serves this session. */
  static socketName(session: string): string {
    return nodeName(session, 's');
  }

  /**
   * Adopt what is there if it is whole, else take it down and build.
   *
   * @param clearing see `ensureHub`
   * @returns the state of the gate of an adopted graph; undefined for a new one
   */
  start(clearing?: () => void): 'open' | 'closed' | 'other mac' | undefined {
    const { name } = this.#policy;
    const isWhole = attempt('look for graph of', name, () => this.#isWhole());
    if (isWhole) return attempt('adopt graph of', name, () => this.#adopt());
    attempt('take down graph of', name, () => this.takeDown());
    try {
      attempt('build graph of', name, () => this.#build(clearing), {
        EPERM: 'root only; in a jail the modules must be loaded beforehand',
        ENOENT: 'a node type is missing; run kldload ng_etf ng_pppoe ng_ppp ng_iface ng_bpf',
      });
    } catch (error) {
      anyway(() => this.takeDown());
      anyway(() => releaseLine(this.#netgraph, this.#interfaces, this.#policy.interface));
      throw error;
    }
    return undefined;
  }

  #build(clearing: (() => void) | undefined): void {
    const { etf, pppoe, ppp } = this;
    const netgraph = this.#netgraph;
    const hub = ensureHub(netgraph, this.#interfaces, this.#policy.interface, clearing);
    netgraph.makePeer('.:', 'etf', LOCAL, LOCAL);
    netgraph.name(`.:${LOCAL}`, etf);
    setFilter(netgraph, etf, LOCAL, DISCOVERY);
    netgraph.makePeer(`${etf}:`, 'pppoe', DOWNSTREAM, 'ethernet');
    netgraph.name(`${etf}:${DOWNSTREAM}`, pppoe);
    netgraph.makePeer(`${pppoe}:`, 'ppp', IDLE, LINK);
    netgraph.name(`${pppoe}:${IDLE}`, ppp);
    netgraph.makePeer(`${ppp}:`, 'iface', INET, INET);
    netgraph.name(`${ppp}:${INET}`, this.#iface);
    // The two ends of this hook have different names.
    netgraph.connect(`${ppp}:`, `${this.#iface}:`, 'ipv6', 'inet6');
    this.configureLink(false, this.#policy.mtu);
    netgraph.connect('.:', `${ppp}:`, BYPASS, BYPASS);
    this.#rename(this.#iface, this.#policy.name);
    this.#ensureStub();
    this.gate.build(hub, hubHook(this.#policy.name));
  }

  /** Whether everything but the stub is there, and joined as we join it. */
  #isWhole(): boolean {
    const links = (node: string): Link[] =>
      unless(['ENOENT'], () => this.#netgraph.links(`${node}:`)) ?? [];
    const leads = (from: Link[], hook: string, to: string): boolean =>
      from.some(({ ourHook, peer }) => ourHook === hook && peer.name === to);
    const ppp = links(this.ppp);
    return (
      leads(links(this.etf), DOWNSTREAM, this.pppoe) &&
      leads(ppp, INET, this.#iface) &&
      links(this.pppoe).length > 0 &&
      links(this.#bpf).length > 0
    );
  }

  #adopt(): 'open' | 'closed' | 'other mac' {
    const netgraph = this.#netgraph;
    // The dead helper's ends of these go a moment after it.
    settle(['EEXIST'], () => netgraph.connect('.:', `${this.etf}:`, LOCAL, LOCAL));
    setFilter(netgraph, this.etf, LOCAL, DISCOVERY);
    settle(['EEXIST'], () => netgraph.connect('.:', `${this.ppp}:`, BYPASS, BYPASS));
    this.#rename(this.#iface, this.#policy.name);
    this.#ensureStub();
    const state = this.gate.adopt();
    this.followParent();
    return state;
  }

  /** Join the graph to the hub of its line if that is another one now, or a new one. */
  followParent(): void {
    const netgraph = this.#netgraph;
    const hub = ensureHub(netgraph, this.#interfaces, this.#policy.interface);
    const line = netgraph.links(`${this.#bpf}:`).find(({ ourHook }) => ourHook === 'line');
    if (line?.peer.name === hub) return;
    if (line !== undefined) {
      netgraph.removeHook(`${this.#bpf}:`, 'line');
      releaseHub(netgraph, this.#interfaces, line.peer.name, line.peerHook);
    }
    this.gate.join();
    this.gate.connectLine(hub, hubHook(this.#policy.name));
  }

  #ifname(path: string): string {
    return textAt(this.#netgraph.ask(path, GET_IFNAME), 0, IFNAMSIZ);
  }

  #rename(node: string, wanted: string): void {
    const present = this.#ifname(`${node}:`);
    if (present === wanted) return;
    attempt('name interface', wanted, () => this.#interfaces.rename(present, wanted), {
      EEXIST: `another interface has this name; destroy or rename it, or rename the session`,
    });
  }

  /** The interface for the public address, as the policy has it now. */
  #ensureStub(): void {
    const netgraph = this.#netgraph;
    const { stub } = this.#policy;
    const present = unless(['ENOENT'], () => this.#ifname(`${this.#stub}:`));
    if (stub === undefined) {
      if (present !== undefined) netgraph.shutdown(`${this.#stub}:`);
      return;
    }
    if (present === undefined) {
      // On a node of the session until it has its name: a helper that dies in between is followed by one that finds it.
      netgraph.makePeer(`${this.etf}:`, 'iface', STUB, INET);
      netgraph.name(`${this.etf}:${STUB}`, this.#stub);
      netgraph.removeHook(`${this.etf}:`, STUB);
    }
    this.#rename(this.#stub, stub);
  }

  /**
   * Whether the link carries PPP's network protocols, which is also our mark of a session that was armed to the end; and the
   * largest packet that leaves, in octets after PPP's Protocol field.
   */
  configureLink(enabled: boolean, mru: number): void {
    const { size, links, 'bund.enableIP': ip, 'bund.enableIPv6': ipv6 } = S.ng_ppp_node_conf;
    const link = S.ng_ppp_link_conf;
    const body = new Uint8Array(size);
    body[ip] = 1;
    body[ipv6] = 1;
    body[links + link.enableLink] = enabled ? 1 : 0;
    putU16(body, links + link.mru, mru);
    putU32(body, links + link.bandwidth, ANY_BANDWIDTH);
    this.#netgraph.tell(`${this.ppp}:`, SET_CONFIG, body);
  }

  isLinkEnabled(): boolean {
    const body = this.#netgraph.ask(`${this.ppp}:`, GET_CONFIG);
    return body[S.ng_ppp_node_conf.links + S.ng_ppp_link_conf.enableLink] === 1;
  }

  /** The hook of the pppoe node on the way to ppp; undefined if there is none, or no such node. */
  sessionHook(): string | undefined {
    const links = unless(['ENOENT'], () => this.#netgraph.links(`${this.pppoe}:`));
    return links?.find(({ peerHook }) => peerHook === LINK)?.ourHook;
  }

  /** Give the session's hook another name: a new hook, after the old one is gone. */
  replaceSessionHook(present: string | undefined, wanted: string): void {
    const netgraph = this.#netgraph;
    if (present !== undefined) netgraph.removeHook(`${this.pppoe}:`, present);
    // The end at ppp goes a moment after ours.
    settle(['EEXIST'], () => netgraph.connect(`${this.pppoe}:`, `${this.ppp}:`, wanted, LINK));
  }

  /** Remove the whole graph with its interfaces. A missing part is no error. */
  takeDown(): void {
    removeSession(this.#netgraph, this.#interfaces, this.#policy.name);
  }
}

/** Close the gate of a session that no helper serves. A missing gate is closed. */
export const shutGate = (netgraph: NetgraphSocket, session: string): void =>
  void unless(['ENOENT'], () => netgraph.removeHook(`${nodeName(session, 'e')}:`, 'wire'));

/**
 * Shut down the nodes of a session. First the gate, then pppoe while its PADT still has `local` to go to; then the rest,
 * and an interface whose node a dying helper had not named yet.
 */
function removeNodes(netgraph: NetgraphSocket, session: string): void {
  const node = (part: string): string => `${nodeName(session, part)}:`;
  shutGate(netgraph, session);
  const links = ['e', 'l'].flatMap(
    (part) => unless(['ENOENT'], () => netgraph.links(node(part))) ?? [],
  );
  for (const part of ['p', 'e', 'l', 'i', 'x', 'b'])
    unless(['ENOENT'], () => netgraph.shutdown(node(part)));
  for (const { peer } of links)
    if (peer.type === 'iface') unless(['ENOENT'], () => netgraph.shutdown(byId(peer)));
}

const OF_A_SESSION = new RegExp(`^${SESSION_NODE}(?<session>.+)_[bepilx]$`);

/** The sessions that have nodes and that no helper serves, by the names of the nodes. */
export function sessionsAmong(nodes: readonly NodeInfo[]): Set<string> {
  const served = new Set(nodes.filter(({ type }) => type === 'socket').map(({ name }) => name));
  const sessions = new Set<string>();
  for (const { name } of nodes) {
    const mangled = OF_A_SESSION.exec(name)?.groups?.['session'];
    const session = mangled?.replaceAll('=', '.');
    if (session !== undefined && !served.has(nodeName(session, 's'))) sessions.add(session);
  }
  return sessions;
}

/** Remove a session's nodes, its interfaces and its place on the hub. Nothing is sent on the wire. */
export function removeSession(
  netgraph: NetgraphSocket,
  interfaces: Interfaces,
  session: string,
): void {
  const links = unless(['ENOENT'], () => netgraph.links(`${nodeName(session, 'b')}:`));
  const line = links?.find(({ ourHook }) => ourHook === 'line');
  removeNodes(netgraph, session);
  if (line !== undefined) releaseHub(netgraph, interfaces, line.peer.name, line.peerHook);
}
