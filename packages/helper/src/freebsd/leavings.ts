/**
 * Removes the graph that the original ppp_thing leaves on the line's `orphans` hook, under names that never change, so
 * that the helper can build its own there. It knows no other program's nodes.
 *
 *   ether ── orphans:etfA:pppoe_sess ── etfB:downstream ── ethernet:pppoe:session ── link0:ppp0:inet ── ng0      ng1
 */
import { C } from './abi.ts';
import { anyway, unless } from './errors.ts';
import { IFNAMSIZ } from './interface.ts';
import type { Link, NetgraphSocket } from './netgraph.ts';
import { textAt } from './octets.ts';

/** The node on the line's hook. */
const ORIGINAL = 'etfA';
const FILTER = 'etfB';
const PPPOE = 'pppoe';
const PPP = 'ppp0';
const GET_IFNAME = { cookie: C.NGM_IFACE_COOKIE, command: C.NGM_IFACE_GET_IFNAME };

/** Whether the node on a line's hook is the original's, and if so whether the original is still running. */
export function originalOn(
  netgraph: NetgraphSocket,
  { peer }: Link,
): 'running' | 'gone' | undefined {
  if (peer.type !== 'etf' || peer.name !== ORIGINAL) return undefined;
  const links = [ORIGINAL, FILTER].flatMap(
    (name) => unless(['ENOENT'], () => netgraph.links(`${name}:`)) ?? [],
  );
  return links.some((link) => link.peer.type === 'socket') ? 'running' : 'gone';
}

/** Remove all its nodes: the line's hook is free a moment later. Nothing is sent on the wire. */
export function removeOriginal(netgraph: NetgraphSocket): void {
  const inner = (unless(['ENOENT'], () => netgraph.links(`${PPP}:`)) ?? []).filter(
    ({ peer }) => peer.type === 'iface',
  );
  // The second interface, which held the public address, is joined to nothing. It was made right after the first.
  const numbers = inner.map(({ peer }) => /^ng(\d+)$/.exec(interfaceOf(netgraph, peer.name))?.[1]);
  const [first] = numbers;
  // From the wire inwards: ng_pppoe sends a PADT when its session's hook goes, and has no way to the wire by then.
  for (const name of [ORIGINAL, FILTER, PPPOE, PPP]) shutdown(netgraph, name);
  for (const { peer } of inner) shutdown(netgraph, peer.name);
  if (first === undefined) return;
  const stub = netgraph.nodes().find(({ name }) => name === `ng${Number(first) + 1}`);
  if (stub?.type === 'iface' && stub.hooks === 0) shutdown(netgraph, stub.name);
}

export const tellOfOriginal = (line: string, log: (line: string) => void): void =>
  log(
    `remove what the original ppp_thing left on ${line}: nodes etfA, etfB, pppoe, ppp0 and its interfaces`,
  );

const shutdown = (netgraph: NetgraphSocket, name: string): boolean =>
  anyway(() => unless(['ENOENT'], () => netgraph.shutdown(`${name}:`)));

const interfaceOf = (netgraph: NetgraphSocket, node: string): string =>
  textAt(
    unless(['ENOENT'], () => netgraph.ask(`${node}:`, GET_IFNAME)) ?? new Uint8Array(IFNAMSIZ),
    0,
    IFNAMSIZ,
  );
