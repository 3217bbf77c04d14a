/**
 * The common part of a line's sessions: the hub on its interface's `orphans` hook, and promiscuous mode, without which
 * frames to a session's own MAC do not arrive. It knows no session.
 *
 * The hub stays for as long as a session stands on it, because ng_ether resets itself, a moment later, when its last hook
 * goes. Every session has a hook of its own on the hub, and its own filter behind it, so that sessions come and go without
 * touching each other. The cost is a copy of each frame for each further session on the same line.
 *
 * The hub's name tells the next helper whether to clear promiscuous mode when the hub goes. Both hub and flag end with the
 * boot, so that this needs no file.
 */
import { HUB_KEEP, HUB_RESTORE, isOurHub } from '@ppp-thing/protocol/node-names';
import { BackendError } from '../errors.ts';
import { C } from './abi.ts';
import { anyway, attempt, settle, soon, unless } from './errors.ts';
import { IFNAMSIZ, type Interfaces } from './interface.ts';
import { originalOn, removeOriginal } from './leavings.ts';
import { byId, type Link, type NetgraphSocket, type NodeInfo } from './netgraph.ts';
import { textAt } from './octets.ts';

const ORPHANS = 'orphans';
const UPLINK = 'eth';

const GET_IFNAME = { cookie: C.NGM_ETHER_COOKIE, command: C.NGM_ETHER_GET_IFNAME };

/** The node of an Ethernet interface: its name, where netgraph's own separators become `_`. */
const etherNode = (interfaceName: string): string => interfaceName.replaceAll(/[.:]/g, '_');

const isHub = ({ name, type }: NodeInfo): boolean => type === 'hub' && isOurHub(name);

/** Whether a helper made this hub just before it died: no other program's hub has a single hook. */
const isNewborn = ({ peer, peerHook }: Link): boolean =>
  peer.type === 'hub' && peer.name === '' && peer.hooks === 1 && peerHook === UPLINK;

/**
 * The hub of a line, made if it is not there, and the line promiscuous.
 *
 * @param clearing called before what the original ppp_thing left on the line is removed; undefined: it must stay
 * @returns the hub's name
 */
export function ensureHub(
  netgraph: NetgraphSocket,
  interfaces: Interfaces,
  interfaceName: string,
  clearing?: () => void,
): string {
  if (clearing !== undefined) clearLine(netgraph, interfaces, interfaceName, clearing);
  const flags = attempt('read flags of', interfaceName, () => interfaces.flags(interfaceName), {
    ENXIO: 'there is no such interface',
  });
  const ether = etherNode(interfaceName);
  const found = orphansOf(netgraph, interfaceName, ether);
  const stray = found === undefined ? strayHub(netgraph, ether) : undefined;
  if (stray !== undefined) reconnect(netgraph, interfaceName, stray);
  const made = found === undefined || isNewborn(found);
  const hub =
    stray ??
    (made
      ? makeHub(
          netgraph,
          interfaceName,
          found,
          (flags & C.IFF_PPROMISC) === 0 ? HUB_RESTORE : HUB_KEEP,
        )
      : found.peer.name);
  attempt('set promiscuous', interfaceName, () =>
    interfaces.setFlags(interfaceName, C.IFF_PPROMISC, 0),
  );
  return hub;
}

/** Our hub on the line's `orphans` hook; undefined if the hook is free. Any other node there is an error. */
function orphansOf(
  netgraph: NetgraphSocket,
  interfaceName: string,
  ether: string,
): Link | undefined {
  const link = attempt('find node of', interfaceName, () => orphansLink(netgraph, ether), {
    ENOENT: 'the module ng_ether is not loaded; run kldload ng_ether',
  });
  if (link === undefined || isHub(link.peer) || isNewborn(link)) return link;
  if (originalOn(netgraph, link) !== undefined) throw heldByOriginal(netgraph, interfaceName, link);
  throw taken(interfaceName, `${link.peer.type} node ${link.peer.name || byId(link.peer)}`);
}

const orphansLink = (netgraph: NetgraphSocket, ether: string): Link | undefined =>
  netgraph.links(`${ether}:`).find(({ ourHook }) => ourHook === ORPHANS);

function heldByOriginal(netgraph: NetgraphSocket, interfaceName: string, link: Link): BackendError {
  const what =
    originalOn(netgraph, link) === 'running'
      ? 'the original ppp_thing is running; stop it'
      : 'the original ppp_thing left it, and its session may still pass there; make this router BACKUP, ' +
        'or remove it: service ppp_thing_helper purge';
  return new BackendError('connect hook', `${interfaceName}:${ORPHANS}`, 'EEXIST', what);
}

/** Remove what the original ppp_thing left on a line, if it is not running: its nodes, and the line's promiscuity. */
export function clearLine(
  netgraph: NetgraphSocket,
  interfaces: Interfaces,
  interfaceName: string,
  clearing: () => void,
): void {
  const ether = etherNode(interfaceName);
  const link = unless(['ENOENT'], () => orphansLink(netgraph, ether));
  if (link === undefined || originalOn(netgraph, link) !== 'gone') return;
  clearing();
  removeOriginal(netgraph);
  // It sets the flag that an administrator would, and never clears it.
  unless(['ENXIO'], () => interfaces.setFlags(interfaceName, 0, C.IFF_PPROMISC));
  // The line's own end of the hook goes a moment later.
  soon(() => (orphansLink(netgraph, ether) === undefined ? true : undefined));
}

/** The hub that stayed, with its sessions, when this line's interface went: it has come back with a new node. */
const strayHub = (netgraph: NetgraphSocket, ether: string): string | undefined =>
  [HUB_KEEP, HUB_RESTORE]
    .map((prefix) => `${prefix}${ether}`)
    .find((hub) => {
      const links = unless(['ENOENT'], () => netgraph.links(`${hub}:`));
      return links !== undefined && !links.some(({ ourHook }) => ourHook === UPLINK);
    });

function reconnect(netgraph: NetgraphSocket, interfaceName: string, hub: string): void {
  const node = `${etherNode(interfaceName)}:`;
  attempt('connect hook', `${interfaceName}:${ORPHANS}`, () =>
    settle(['EEXIST', 'ENOENT'], () => netgraph.connect(node, `${hub}:`, ORPHANS, UPLINK)),
  );
}

const taken = (interfaceName: string, holder: string): BackendError => {
  const reason = `${holder} holds it; see ngctl show ${etherNode(interfaceName)}:`;
  return new BackendError('connect hook', `${interfaceName}:${ORPHANS}`, 'EEXIST', reason);
};

function makeHub(
  netgraph: NetgraphSocket,
  interfaceName: string,
  newborn: Link | undefined,
  prefix: string,
): string {
  const ether = etherNode(interfaceName);
  const hub = `${prefix}${ether}`;
  const subject = `${interfaceName}:${ORPHANS}`;
  if (newborn === undefined) {
    // ng_ether may still be resetting itself after a hub that was here a moment ago.
    const make = (): void =>
      settle(['ENOENT'], () => netgraph.makePeer(`${ether}:`, 'hub', ORPHANS, UPLINK));
    attempt('connect hook', subject, make, {
      EEXIST: `another program holds it; see ngctl show ${ether}:`,
      ENOENT: 'there is no node type hub; run kldload ng_hub',
    });
  }
  try {
    attempt('name hub', hub, () => netgraph.name(`${ether}:${ORPHANS}`, hub), {
      EADDRINUSE: 'another node has this name',
    });
  } catch (error) {
    anyway(() => netgraph.shutdown(`${ether}:${ORPHANS}`));
    throw error;
  }
  return hub;
}

/**
 * Remove a hub on which no session stands any more, and make its line what it was before.
 *
 * @param left  the hook of a session that has just left it, whose end here goes a moment later
 */
export function releaseHub(
  netgraph: NetgraphSocket,
  interfaces: Interfaces,
  hub: string,
  left?: string,
): void {
  const links = unless(['ENOENT'], () => linksWithout(netgraph, hub, left));
  if (links === undefined || links.some(({ ourHook }) => ourHook !== UPLINK)) return;
  const line = interfaceOf(netgraph, links);
  unless(['ENOENT'], () => netgraph.shutdown(`${hub}:`));
  if (line !== undefined && hub.startsWith(HUB_RESTORE))
    unless(['ENXIO'], () => interfaces.setFlags(line, 0, C.IFF_PPROMISC));
}

const linksWithout = (
  netgraph: NetgraphSocket,
  hub: string,
  left: string | undefined,
): readonly Link[] | undefined =>
  soon(() => {
    const links = netgraph.links(`${hub}:`);
    return links.some(({ ourHook }) => ourHook === left) ? undefined : links;
  });

/** The hub of a line, if no session stands on it. */
export function releaseLine(
  netgraph: NetgraphSocket,
  interfaces: Interfaces,
  interfaceName: string,
): void {
  for (const prefix of [HUB_KEEP, HUB_RESTORE])
    releaseHub(netgraph, interfaces, `${prefix}${etherNode(interfaceName)}`);
}

/** The interface under a hub; undefined if it has gone. */
function interfaceOf(netgraph: NetgraphSocket, links: readonly Link[]): string | undefined {
  const uplink = links.find(({ ourHook }) => ourHook === UPLINK);
  if (uplink === undefined) return undefined;
  const name = unless(['ENOENT'], () => netgraph.ask(byId(uplink.peer), GET_IFNAME));
  return name && textAt(name, 0, IFNAMSIZ);
}

/** The hubs of any helper, by name. */
export const hubsAmong = (nodes: readonly NodeInfo[]): string[] =>
  nodes.filter(isHub).map(({ name }) => name);

/** Whether a hub is that of this line. */
export const isHubOf = (hub: string, interfaceName: string): boolean =>
  hub.slice(HUB_KEEP.length) === etherNode(interfaceName);
