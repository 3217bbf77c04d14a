/**
 * rtnetlink(7): links, addresses and routes as values, and the requests that read and change them, as octets. It sends
 * nothing: that is `kernel.ts`.
 */
import {
  NLM_F,
  attribute,
  decodeAttributes,
  message,
  putU16,
  putU32,
  textAttribute,
  textOf,
  u32,
  u32At,
  u64At,
  type Message,
} from './netlink.ts';

const RTM = {
  NEWLINK: 16,
  DELLINK: 17,
  GETLINK: 18,
  NEWADDR: 20,
  DELADDR: 21,
  GETADDR: 22,
  NEWROUTE: 24,
  DELROUTE: 25,
  GETROUTE: 26,
} as const;

/** Multicast groups as the bits of `sockaddr_nl.nl_groups`. */
export const GROUP = { LINK: 0x1, IPV4_ADDRESS: 0x10, IPV6_ADDRESS: 0x100 } as const;

export const FAMILY = { ANY: 0, IPV4: 2, IPV6: 10 } as const;

export const IFF = { UP: 0x1, RUNNING: 0x40, NOARP: 0x80, LOWER_UP: 0x1_0000 } as const;

/**
 * Who made a route, as `rtm_protocol` says it: a number of our own, in the range left to user space (above 4, unused
 * in /etc/iproute2/rt_protos). A route that carries another number is another program's and is never changed.
 */
export const RTPROT_OURS = 0x2e;

export const TABLE_MAIN = 254;

const IFLA = {
  ADDRESS: 1,
  IFNAME: 3,
  MTU: 4,
  LINK: 5,
  LINKINFO: 18,
  IFALIAS: 20,
  STATS64: 23,
  AF_SPEC: 26,
  INFO_KIND: 1,
  INFO_DATA: 2,
  MACVLAN_MODE: 1,
  VLAN_EGRESS_QOS: 3,
  VLAN_QOS_MAPPING: 1,
  INET6_ADDR_GEN_MODE: 8,
} as const;
/** Private: the kernel delivers nothing between this macvlan and others on the same interface. */
const MACVLAN_MODE_PRIVATE = 1;
/** The kernel makes no IPv6 link-local address by itself. */
const ADDR_GEN_MODE_NONE = 1;

const IFA = { ADDRESS: 1, LOCAL: 2, CACHEINFO: 6, NODAD: 0x02, PERMANENT: 0x80 } as const;
const RTA = { DST: 1, OIF: 4, GATEWAY: 5, PRIORITY: 6, PREFSRC: 7, TABLE: 15 } as const;
const RTN_UNICAST = 1;
const RTN_UNREACHABLE = 7;
/** The worst metric there is: whatever leads somewhere comes first. */
const LAST_METRIC = 0x7fff_ffff;
const SCOPE = { UNIVERSE: 0, LINK: 253 } as const;

export interface Link {
  readonly index: number;
  readonly name: string;
  /** IFF bits. */
  readonly flags: number;
  readonly mtu: number;
  readonly mac: Uint8Array;
  /** Index of the interface below; 0 if there is none. */
  readonly parent: number;
  /** 'macvlan', 'dummy', 'ppp' …; '' for a device of its own kind. */
  readonly kind: string;
  readonly alias: string;
  readonly counters: {
    readonly packetsIn: number;
    readonly packetsOut: number;
    readonly octetsIn: number;
    readonly octetsOut: number;
  };
}

export interface Address {
  readonly link: number;
  readonly local: Uint8Array;
  /** The other end of a point-to-point interface; equal to `local` where there is none. */
  readonly peer: Uint8Array;
  readonly prefix: number;
  /** It stays until somebody deletes it: no router advertisement made it. Not asked for, but read. */
  readonly permanent?: boolean;
}

const isLinkLocal = ([first = 0, second = 0]: Uint8Array): boolean =>
  first === 0xfe && (second & 0xc0) === 0x80;

/** A default route. */
export interface Route {
  readonly family: number;
  readonly table: number;
  readonly protocol: number;
  /** 0 if the kernel is to choose it from the gateway. */
  readonly link: number;
  readonly gateway?: Uint8Array;
  readonly source?: Uint8Array;
  readonly metric: number;
}

function linkHeader(index: number, flags = 0, change = 0): Uint8Array {
  const octets = new Uint8Array(16);
  putU32(octets, 4, index);
  putU32(octets, 8, flags);
  putU32(octets, 12, change);
  return octets;
}

const kindOf = (kind: string, data: readonly Uint8Array[] = []): Uint8Array =>
  attribute(IFLA.LINKINFO, [
    textAttribute(IFLA.INFO_KIND, kind),
    ...(data.length === 0 ? [] : [attribute(IFLA.INFO_DATA, data)]),
  ]);

const CREATE = NLM_F.ACK | NLM_F.CREATE | NLM_F.EXCL;

/** A macvlan that is down and will do no ARP. */
export const createMacvlan = (
  name: string,
  parent: number,
  mac: Uint8Array,
  mtu: number,
): Uint8Array =>
  message(RTM.NEWLINK, CREATE, linkHeader(0, IFF.NOARP, IFF.NOARP), [
    textAttribute(IFLA.IFNAME, name),
    attribute(IFLA.LINK, u32(parent)),
    attribute(IFLA.ADDRESS, mac),
    attribute(IFLA.MTU, u32(mtu)),
    kindOf('macvlan', [attribute(IFLA.MACVLAN_MODE, u32(MACVLAN_MODE_PRIVATE))]),
  ]);

export const createDummy = (name: string): Uint8Array =>
  message(RTM.NEWLINK, CREATE, linkHeader(0, IFF.NOARP, IFF.NOARP), [
    textAttribute(IFLA.IFNAME, name),
    kindOf('dummy'),
  ]);

/** Change only what is named. */
export function changeLink(
  index: number,
  change: {
    readonly up?: boolean;
    readonly name?: string;
    readonly mtu?: number;
    readonly alias?: string;
  },
): Uint8Array {
  const attributes: Uint8Array[] = [];
  if (change.name !== undefined) attributes.push(textAttribute(IFLA.IFNAME, change.name));
  if (change.mtu !== undefined) attributes.push(attribute(IFLA.MTU, u32(change.mtu)));
  if (change.alias !== undefined) attributes.push(textAttribute(IFLA.IFALIAS, change.alias));
  const header = linkHeader(index, change.up ? IFF.UP : 0, change.up === undefined ? 0 : IFF.UP);
  return message(RTM.NEWLINK, NLM_F.ACK, header, attributes);
}

/** Keep the kernel from giving an interface an IPv6 link-local address when it comes up. EAFNOSUPPORT without IPv6. */
export const withoutLinkLocal = (index: number): Uint8Array =>
  message(RTM.NEWLINK, NLM_F.ACK, linkHeader(index), [
    attribute(IFLA.AF_SPEC, [
      attribute(FAMILY.IPV6, [
        attribute(IFLA.INET6_ADDR_GEN_MODE, Uint8Array.of(ADDR_GEN_MODE_NONE)),
      ]),
    ]),
  ]);

/** A VLAN sends what has the kernel's `priority` with the 802.1p priority `pcp`; its other mappings stay. */
export const mapPriority = (vlan: number, priority: number, pcp: number): Uint8Array => {
  const mapping = new Uint8Array(8);
  putU32(mapping, 0, priority);
  putU32(mapping, 4, pcp);
  return message(RTM.NEWLINK, NLM_F.ACK, linkHeader(vlan), [
    kindOf('vlan', [attribute(IFLA.VLAN_EGRESS_QOS, [attribute(IFLA.VLAN_QOS_MAPPING, mapping)])]),
  ]);
};

export const deleteLink = (index: number): Uint8Array =>
  message(RTM.DELLINK, NLM_F.ACK, linkHeader(index));

export const linkByName = (name: string): Uint8Array =>
  message(RTM.GETLINK, 0, linkHeader(0), [textAttribute(IFLA.IFNAME, name)]);

export const linkByIndex = (index: number): Uint8Array =>
  message(RTM.GETLINK, 0, linkHeader(index));

export const allLinks = (): Uint8Array => message(RTM.GETLINK, NLM_F.DUMP, linkHeader(0));

export function decodeLink(from: Message): Link | undefined {
  if (from.type !== RTM.NEWLINK && from.type !== RTM.DELLINK) return undefined;
  const found = decodeAttributes(from.body.subarray(16));
  const kind = decodeAttributes(found.get(IFLA.LINKINFO) ?? new Uint8Array());
  const stats = found.get(IFLA.STATS64) ?? new Uint8Array();
  return {
    index: u32At(from.body, 4),
    flags: u32At(from.body, 8),
    name: textOf(found.get(IFLA.IFNAME)),
    mtu: u32At(found.get(IFLA.MTU) ?? new Uint8Array(), 0),
    mac: (found.get(IFLA.ADDRESS) ?? new Uint8Array()).slice(),
    parent: u32At(found.get(IFLA.LINK) ?? new Uint8Array(), 0),
    kind: textOf(kind.get(IFLA.INFO_KIND)),
    alias: textOf(found.get(IFLA.IFALIAS)),
    counters: {
      packetsIn: u64At(stats, 0),
      packetsOut: u64At(stats, 8),
      octetsIn: u64At(stats, 16),
      octetsOut: u64At(stats, 24),
    },
  };
}

const familyOf = (address: Uint8Array): number =>
  address.length === 4 ? FAMILY.IPV4 : FAMILY.IPV6;

function addressMessage(type: number, flags: number, address: Address): Uint8Array {
  const family = familyOf(address.local);
  const scope = family === FAMILY.IPV6 && isLinkLocal(address.local) ? SCOPE.LINK : SCOPE.UNIVERSE;
  const fixed = new Uint8Array(8);
  fixed.set([family, address.prefix, family === FAMILY.IPV6 ? IFA.NODAD : 0, scope]);
  putU32(fixed, 4, address.link);
  return message(type, flags, fixed, [
    attribute(IFA.LOCAL, address.local),
    attribute(IFA.ADDRESS, address.peer),
  ]);
}

/** IPv6 addresses come without duplicate detection: a PPP link has none, and IPV6CP has made the identifiers differ. */
export const addAddress = (address: Address): Uint8Array =>
  addressMessage(RTM.NEWADDR, CREATE, address);

export const deleteAddress = (address: Address): Uint8Array =>
  addressMessage(RTM.DELADDR, NLM_F.ACK, address);

/**
 * An address with lifetimes in seconds, 0xffffffff for ever; one that is there gets these lifetimes. It is checked for
 * duplicates, because a LAN has other hosts.
 */
export function replaceAddress(address: Address, preferred: number, valid: number): Uint8Array {
  const fixed = new Uint8Array(8);
  fixed.set([familyOf(address.local), address.prefix, 0, SCOPE.UNIVERSE]);
  putU32(fixed, 4, address.link);
  // struct ifa_cacheinfo: preferred, valid, and two times that the kernel writes.
  const lifetimes = new Uint8Array(16);
  putU32(lifetimes, 0, preferred);
  putU32(lifetimes, 4, valid);
  return message(RTM.NEWADDR, NLM_F.ACK | NLM_F.CREATE | NLM_F.REPLACE, fixed, [
    attribute(IFA.LOCAL, address.local),
    attribute(IFA.ADDRESS, address.local),
    attribute(IFA.CACHEINFO, lifetimes),
  ]);
}

/** The addresses of one interface; a kernel without strict checking answers with those of all. */
export function addressesOf(link: number): Uint8Array {
  const fixed = new Uint8Array(8);
  putU32(fixed, 4, link);
  return message(RTM.GETADDR, NLM_F.DUMP, fixed);
}

export function decodeAddress(from: Message): Address | undefined {
  if (from.type !== RTM.NEWADDR && from.type !== RTM.DELADDR) return undefined;
  const found = decodeAttributes(from.body.subarray(8));
  // IPv6 leaves IFA_LOCAL out unless the interface is point-to-point.
  const peer = found.get(IFA.ADDRESS);
  const local = found.get(IFA.LOCAL) ?? peer;
  if (local === undefined) return undefined;
  return {
    link: u32At(from.body, 4),
    prefix: from.body[1] ?? 0,
    permanent: ((from.body[2] ?? 0) & IFA.PERMANENT) !== 0,
    local: local.slice(),
    peer: (peer ?? local).slice(),
  };
}

function routeMessage(type: number, flags: number, route: Route): Uint8Array {
  const scope = route.gateway === undefined ? SCOPE.LINK : SCOPE.UNIVERSE;
  const fixed = new Uint8Array(12);
  // The table's number needs an attribute above 255; 0 here then says "see there".
  const small = route.table < 256 ? route.table : 0;
  fixed.set([route.family, 0, 0, 0, small, route.protocol, scope, RTN_UNICAST]);
  const attributes = [attribute(RTA.TABLE, u32(route.table))];
  if (route.link !== 0) attributes.push(attribute(RTA.OIF, u32(route.link)));
  if (route.gateway !== undefined) attributes.push(attribute(RTA.GATEWAY, route.gateway));
  if (route.source !== undefined) attributes.push(attribute(RTA.PREFSRC, route.source));
  if (route.metric !== 0) attributes.push(attribute(RTA.PRIORITY, u32(route.metric)));
  return message(type, flags, fixed, attributes);
}

/** EEXIST if there is a default route of this metric in this table. */
export const addRoute = (route: Route): Uint8Array => routeMessage(RTM.NEWROUTE, CREATE, route);

/** Adds `route` behind those of the same metric and table. EEXIST if it leads where one of them does. */
export const appendRoute = (route: Route): Uint8Array =>
  routeMessage(RTM.NEWROUTE, NLM_F.ACK | NLM_F.CREATE | NLM_F.APPEND, route);

export const deleteRoute = (route: Route): Uint8Array =>
  routeMessage(RTM.DELROUTE, NLM_F.ACK, route);

function unreachableMessage(
  type: number,
  flags: number,
  prefix: Uint8Array,
  length: number,
  table: number,
): Uint8Array {
  const fixed = new Uint8Array(12);
  const small = table < 256 ? table : 0;
  fixed.set([FAMILY.IPV6, length, 0, 0, small, RTPROT_OURS, SCOPE.UNIVERSE, RTN_UNREACHABLE]);
  return message(type, flags, fixed, [
    attribute(RTA.TABLE, u32(table)),
    attribute(RTA.DST, prefix),
    attribute(RTA.PRIORITY, u32(LAST_METRIC)),
  ]);
}

/** EEXIST if it is there. */
export const addUnreachable = (prefix: Uint8Array, length: number, table: number): Uint8Array =>
  unreachableMessage(RTM.NEWROUTE, CREATE, prefix, length, table);

/** ESRCH if it is not there. */
export const deleteUnreachable = (prefix: Uint8Array, length: number, table: number): Uint8Array =>
  unreachableMessage(RTM.DELROUTE, NLM_F.ACK, prefix, length, table);

/** Our routes in one table; a kernel without strict checking answers with all routes of the family. */
export function ourRoutes(family: number, table: number): Uint8Array {
  const fixed = new Uint8Array(12);
  fixed.set([family, 0, 0, 0, table < 256 ? table : 0, RTPROT_OURS]);
  return message(RTM.GETROUTE, NLM_F.DUMP, fixed, [attribute(RTA.TABLE, u32(table))]);
}

/** Default routes only; undefined for every other message. */
export function decodeRoute(from: Message): Route | undefined {
  if (from.type !== RTM.NEWROUTE && from.type !== RTM.DELROUTE) return undefined;
  const [family = 0, length = 0, , , table = 0, protocol = 0] = from.body;
  const found = decodeAttributes(from.body.subarray(12));
  if (length !== 0 || found.has(RTA.DST)) return undefined;
  const number = (type: number, other: number): number => {
    const octets = found.get(type);
    return octets === undefined ? other : u32At(octets, 0);
  };
  const gateway = found.get(RTA.GATEWAY)?.slice();
  const source = found.get(RTA.PREFSRC)?.slice();
  return {
    family,
    protocol,
    table: number(RTA.TABLE, table),
    link: number(RTA.OIF, 0),
    metric: number(RTA.PRIORITY, 0),
    ...(gateway && { gateway }),
    ...(source && { source }),
  };
}

/** `struct sockaddr_nl` for this process's own socket, in the given multicast groups. */
export function netlinkAddress(groups: number): Uint8Array {
  const octets = new Uint8Array(12);
  putU16(octets, 0, AF_NETLINK);
  putU32(octets, 8, groups);
  return octets;
}

export const AF_NETLINK = 16;
