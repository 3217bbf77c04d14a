/**
 * The interfaces this program makes on Linux: a silent macvlan that carries the session's MAC on the line, and a dummy
 * as the stub that holds the public address. It builds, adopts and removes them; it attaches no session.
 *
 * Ours are told from others by their alias. Never change the MTU or the MAC of a macvlan that carries a session: the
 * kernel ends every session on it at once.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { createHash } from 'node:crypto';
import { BackendError, unless } from '../errors.ts';
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { attempt, type Rtnetlink } from './kernel.ts';
import {
  IFF,
  allLinks,
  changeLink,
  createDummy,
  createMacvlan,
  decodeLink,
  deleteLink,
  mapPriority,
  withoutLinkLocal,
  type Link,
} from './rtnetlink.ts';
import { priorityOf } from './sockets.ts';

/** Interface names hold 15 octets. */
const NAME_ROOM = 15;
const ALIAS = 'ppp_thing ';
/** Octets of the PPPoE header and PPP's Protocol field: what a payload needs of the interface's MTU (RFC 2516 §7). */
const OVERHEAD = 8;
const ETHERNET_MTU = 1500;

/** `pl-<session>`, shortened by a digest where the name would be too long. */
export function lineName(session: string): string {
  const name = `pl-${session}`;
  if (name.length <= NAME_ROOM) return name;
  return name.slice(0, 9) + createHash('sha256').update(session).digest('hex').slice(0, 6);
}

/** Make the session's macvlan, or adopt the one an earlier helper left. It is up when this returns. */
export function buildLine(libc: Libc, kernel: Rtnetlink, policy: SessionPolicy): Link {
  const verb = 'create line';
  const parent = requireLink(kernel, verb, policy.interface);
  const mtu = Math.max(ETHERNET_MTU, policy.mtu + OVERHEAD);
  if (parent.mtu < mtu) {
    const reason = `its MTU is ${parent.mtu}, and an MTU of ${policy.mtu} on the session needs ${mtu}`;
    throw new BackendError(verb, policy.interface, 'EMSGSIZE', reason);
  }
  if (policy.pcp !== undefined) mapPcp(kernel, parent, policy.pcp);
  const name = lineName(policy.name);
  const kept = adopt(kernel, name, (found) => isLine(found, parent, policy, mtu));
  if (!kept) {
    attempt(
      verb,
      `${name} on ${policy.interface}`,
      () => kernel.request(createMacvlan(name, parent.index, policy.mac, mtu)),
      {
        EADDRINUSE:
          'another interface on it already has the MAC of this session; remove it, or change mac',
        EBUSY: 'another program holds it; is it part of a bridge or a bond',
      },
    );
  }
  return undoing(kernel, kept ? undefined : name, () => {
    const line = requireLink(kernel, verb, name);
    attempt(verb, name, () =>
      unless(['EAFNOSUPPORT'], () => kernel.request(withoutLinkLocal(line.index))),
    );
    muteIpv6(libc, name);
    attempt(verb, policy.interface, () => {
      if ((parent.flags & IFF.UP) === 0) kernel.request(changeLink(parent.index, { up: true }));
    });
    attempt(verb, name, () =>
      kernel.request(changeLink(line.index, { up: true, alias: `${ALIAS}line ${policy.name}` })),
    );
    return line;
  });
}

/** What the helper sends gets its 802.1p priority from the VLAN below. */
function mapPcp(kernel: Rtnetlink, vlan: Link, pcp: number): void {
  const verb = 'set pcp of';
  if (vlan.kind !== 'vlan') {
    const reason = 'it is no VLAN, whose tag has the priority; leave pcp out';
    throw new BackendError(verb, vlan.name, 'EOPNOTSUPP', reason);
  }
  attempt(verb, vlan.name, () => kernel.request(mapPriority(vlan.index, priorityOf(pcp), pcp)));
}

/** Make the stub, or adopt it: any dummy of that name, so that an administrator may make it at boot for his rules. */
export function buildStub(kernel: Rtnetlink, session: string, name: string): Link {
  const verb = 'create stub';
  const kept = adopt(kernel, name, (found) => found.kind === 'dummy');
  if (!kept) attempt(verb, name, () => kernel.request(createDummy(name)));
  return undoing(kernel, kept ? undefined : name, () => {
    const stub = requireLink(kernel, verb, name);
    const alias = kept ? {} : { alias: `${ALIAS}stub ${session}` };
    attempt(verb, name, () => kernel.request(changeLink(stub.index, { up: true, ...alias })));
    return stub;
  });
}

/** The alias of the session's interface: the kernel does not tell which unit of ppp_generic an interface is. */
export const unitAlias = (session: string, unit: number): string =>
  `${ALIAS}session ${session} unit ${unit}`;

export const isOurs = (link: Link): boolean => link.alias.startsWith(ALIAS);

/** Every present interface that a helper made. */
export const ourLinks = (kernel: Rtnetlink): Link[] =>
  kernel
    .request(allLinks())
    .map(decodeLink)
    .filter((link) => link !== undefined)
    .filter(isOurs);

/** Delete an interface; one that has gone meanwhile is no error. */
export const removeLink = (kernel: Rtnetlink, link: Link): void =>
  void unless(['ENODEV'], () => kernel.request(deleteLink(link.index)));

export function requireLink(kernel: Rtnetlink, verb: string, name: string): Link {
  const link = attempt(verb, name, () => kernel.link(name));
  if (!link) throw new BackendError(verb, name, 'ENODEV', 'there is no such interface');
  return link;
}

const isLine = (found: Link, parent: Link, policy: SessionPolicy, mtu: number): boolean =>
  found.kind === 'macvlan' &&
  found.parent === parent.index &&
  found.mtu === mtu &&
  (found.flags & IFF.NOARP) !== 0 &&
  sameOctets(found.mac, policy.mac);

/**
 * Whether an interface of this name exists and is as wanted. If it is ours but not as wanted, because the configuration has
 * changed, removes it. Another program's interface is an error.
 */
function adopt(kernel: Rtnetlink, name: string, wanted: (found: Link) => boolean): boolean {
  const found = attempt('adopt', name, () => kernel.link(name));
  if (!found) return false;
  if (wanted(found)) return true;
  if (!isOurs(found)) {
    throw new BackendError(
      'adopt',
      name,
      'EEXIST',
      'another program made an interface of this name; remove or rename it',
    );
  }
  attempt('remove', name, () => removeLink(kernel, found));
  return false;
}

/** Run `finish`; if it throws, delete the interface `made`, so that nothing half-built is left. */
function undoing(kernel: Rtnetlink, made: string | undefined, finish: () => Link): Link {
  try {
    return finish();
  } catch (error) {
    const link = made === undefined ? undefined : kernel.link(made);
    if (link) removeLink(kernel, link);
    throw error;
  }
}

/**
 * Switch IPv6 off on an interface. Without a link-local address it is already all but silent; this stops multicast
 * reports too. Where the file is missing there is no IPv6; where it is read-only (a service manager's protection of
 * /proc/sys) the missing address has to do.
 */
function muteIpv6(libc: Libc, name: string): void {
  const O_WRONLY_CLOEXEC = 0x8_0001;
  attempt('disable IPv6 on', name, () =>
    unless(['ENOENT', 'EROFS', 'EACCES'], () => {
      const fd = libc.open(`/proc/sys/net/ipv6/conf/${name}/disable_ipv6`, O_WRONLY_CLOEXEC);
      try {
        libc.write(fd, new TextEncoder().encode('1\n'));
      } finally {
        libc.close(fd);
      }
    }),
  );
}
