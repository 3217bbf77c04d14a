/**
 * Default routes by FIB and family, and the routing sockets: requests, their echo, and what the kernel tells of addresses
 * and links.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { toHex, sameOctets } from '@ppp-thing/protocol/bytes';
import { at, c, Errno, fail } from './abi.ts';
import type { Interfaces, NetInterface } from './interfaces.ts';
import { set16, set32, u32 } from './octets.ts';

export class RouteSocket {
  fib = 0;
  readonly queue: Uint8Array[] = [];
  ready: () => void = () => {};

  push(message: Uint8Array): void {
    this.queue.push(message);
    this.ready();
  }
}

interface Default {
  readonly gateway: Uint8Array;
  readonly line: NetInterface;
}

const family = (destination: Uint8Array): number => destination[1] ?? 0;

export class Routes {
  readonly #interfaces: Interfaces;
  /** By FIB and family; the first is the one that RTM_GET names and that packets take here. */
  readonly #defaults = new Map<string, Default[]>();
  /** FIB, network and mask in hexadecimal, of each IPv6 route that rejects. */
  readonly rejected = new Set<string>();
  readonly sockets = new Set<RouteSocket>();
  fibs = 1;
  /** net.route.multipath, which GENERIC has since 13.0: a second default route stands beside the first. */
  multipath = true;

  constructor(interfaces: Interfaces) {
    this.#interfaces = interfaces;
  }

  /** The gateway of a FIB's default route, as octets of its address. */
  default(fib = 0, which: 'AF_INET' | 'AF_INET6' = 'AF_INET'): Uint8Array | undefined {
    return this.defaults(fib, which)[0];
  }

  /** The gateways of all of them, in the order in which they were added. */
  defaults(fib = 0, which: 'AF_INET' | 'AF_INET6' = 'AF_INET'): Uint8Array[] {
    const [from, to] = which === 'AF_INET' ? [4, 8] : [8, 24];
    const found = this.#defaults.get(`${fib} ${c(which)}`) ?? [];
    return found.map(({ gateway }) => gateway.slice(from, to));
  }

  /** The interface that leads to an IPv4 address, straight or by the default route. */
  lineTo(address: Uint8Array, fib = 0): NetInterface | undefined {
    const straight = this.#interfaces.leadsTo(address);
    return straight ?? this.#defaults.get(`${fib} ${c('AF_INET')}`)?.[0]?.line;
  }

  /** What `route add default -interface` of another program does. */
  addByInterface(line: NetInterface, fib = 0): void {
    const gateway = new Uint8Array(at('sockaddr_in', 'size') / 2);
    gateway.set([gateway.length, c('AF_LINK')]);
    set16(gateway, at('sockaddr_dl', 'sdl_index'), line.index);
    const key = `${fib} ${c('AF_INET')}`;
    const present = this.#defaults.get(key) ?? [];
    if (present.length > 0) fail('EEXIST');
    this.#defaults.set(key, [{ gateway, line }]);
  }

  count(): number {
    return [...this.#defaults.values()].flat().length;
  }

  /** An interface that lost its address takes the default route through it along, without a word. */
  forget(line: NetInterface): void {
    if (line.addresses.length > 0) return;
    for (const [key, routes] of this.#defaults)
      this.#defaults.set(
        key,
        routes.filter((route) => route.line !== line),
      );
  }

  request(socket: RouteSocket, message: Uint8Array): number {
    const field = (name: string): number => at('rt_msghdr', name);
    const header = at('rt_msghdr', 'size');
    if (message.length < header) fail('EINVAL');
    if (message[field('rtm_version')] !== c('RTM_VERSION')) fail('EPROTONOSUPPORT');
    if (new DataView(message.buffer, message.byteOffset).getUint16(0, true) !== message.length)
      fail('EINVAL');
    const addresses = split(message.subarray(header), u32(message, field('rtm_addrs')));
    const destination = addresses.get(c('RTA_DST')) ?? fail('EINVAL');
    const netmask = addresses.get(c('RTA_NETMASK')) ?? fail('EINVAL');
    if (destination.subarray(2).some((octet) => octet !== 0))
      return this.#requestOther(socket, message, destination, netmask);
    const key = `${socket.fib} ${family(destination)}`;
    const type = message[field('rtm_type')];
    if (type === c('RTM_GET')) this.#get(socket, message, destination, key);
    else this.#tell(message, () => this.#change(type, key, addresses.get(c('RTA_GATEWAY'))));
    return message.length;
  }

  /** What was asked for comes to all sockets, with the errno of what was refused. */
  #tell(message: Uint8Array, change: () => void): void {
    const told = message.slice();
    try {
      change();
    } catch (error) {
      if (error instanceof Errno) set32(told, at('rt_msghdr', 'rtm_errno'), error.number);
      throw error;
    } finally {
      for (const each of this.sockets) each.push(told.slice());
    }
  }

  /** Routes to a network: only those of IPv6 that are rejected, which need no way out. */
  #requestOther(
    socket: RouteSocket,
    message: Uint8Array,
    destination: Uint8Array,
    netmask: Uint8Array,
  ): number {
    const flags = u32(message, at('rt_msghdr', 'rtm_flags'));
    if (family(destination) !== c('AF_INET6') || netmask.length !== destination.length)
      fail('EINVAL');
    const key = `${socket.fib} ${toHex(destination.subarray(8, 24))} ${toHex(netmask.subarray(8, 24))}`;
    const type = message[at('rt_msghdr', 'rtm_type')];
    if (type === c('RTM_ADD')) {
      if ((flags & c('RTF_REJECT')) === 0) fail('EINVAL');
      if (this.rejected.has(key)) fail('EEXIST');
      this.rejected.add(key);
    } else if (type === c('RTM_DELETE')) {
      if (!this.rejected.delete(key)) fail('ESRCH');
    } else fail('EINVAL');
    return message.length;
  }

  #change(type: number | undefined, key: string, gateway: Uint8Array | undefined): void {
    const present = this.#defaults.get(key) ?? [];
    const named = present.find(
      (route) => gateway !== undefined && sameOctets(route.gateway, gateway),
    );
    switch (type) {
      case c('RTM_ADD'):
        if (gateway === undefined) fail('EINVAL');
        if (named !== undefined || this.#standsAlone(present)) fail('EEXIST');
        return void this.#defaults.set(key, [...present, this.#route(gateway)]);
      case c('RTM_CHANGE'):
        if (gateway === undefined) fail('EINVAL');
        // A single route is replaced; of several only one that is there can be changed.
        if (present.length === 0 || (present.length > 1 && named === undefined)) fail('ESRCH');
        if (present.length === 1) this.#defaults.set(key, [this.#changed(present[0], gateway)]);
        return;
      case c('RTM_DELETE'):
        if (gateway === undefined ? present.length !== 1 : named === undefined) fail('ESRCH');
        return void this.#defaults.set(
          key,
          gateway === undefined ? [] : present.filter((route) => route !== named),
        );
      default:
        fail('EOPNOTSUPP');
    }
  }

  /** No second default route may stand beside these. */
  #standsAlone(present: readonly Default[]): boolean {
    return present.length > 0 && (!this.multipath || present.some(isByInterface));
  }

  /** A route to an interface keeps it. */
  #changed(from: Default | undefined, gateway: Uint8Array): Default {
    const to = this.#route(gateway);
    return from !== undefined && isByInterface(from) ? { ...to, line: from.line } : to;
  }

  #route(gateway: Uint8Array): Default {
    const line =
      family(gateway) === c('AF_INET')
        ? this.#interfaces.leadsTo(gateway.subarray(4, 8))
        : this.#scope(gateway);
    return { gateway: gateway.slice(), line: line ?? fail('ENETUNREACH') };
  }

  /** The interface in the second group of a link-local address. */
  #scope(gateway: Uint8Array): NetInterface | undefined {
    const index = ((gateway[10] ?? 0) << 8) | (gateway[11] ?? 0);
    return this.#interfaces.all().find((line) => line.index === index && line.isUp);
  }

  #get(socket: RouteSocket, message: Uint8Array, destination: Uint8Array, key: string): void {
    const found = this.#defaults.get(key)?.[0] ?? fail('ESRCH');
    const header = message.slice(0, at('rt_msghdr', 'size'));
    const netmask = new Uint8Array(destination.length);
    const answer = concat(header, destination, padded(found.gateway), netmask);
    const present = c('RTA_DST') | c('RTA_GATEWAY') | c('RTA_NETMASK');
    set16(answer, at('rt_msghdr', 'rtm_msglen'), answer.length);
    set16(answer, at('rt_msghdr', 'rtm_index'), found.line.index);
    set32(answer, at('rt_msghdr', 'rtm_addrs'), present);
    socket.push(answer);
  }

  /** RTM_NEWADDR or RTM_DELADDR of a vhid's address: netmask, interface, address, broadcast. */
  tellAddress(which: 'RTM_NEWADDR' | 'RTM_DELADDR', line: NetInterface): void {
    const message = new Uint8Array(at('ifa_msghdr', 'size') + 16 + 56 + 16 + 16);
    set16(message, 0, message.length);
    message[2] = c('RTM_VERSION');
    message[3] = c(which);
    set32(
      message,
      at('ifa_msghdr', 'ifam_addrs'),
      c('RTA_NETMASK') | c('RTA_IFP') | c('RTA_IFA') | c('RTA_BRD'),
    );
    set16(message, at('ifa_msghdr', 'ifam_index'), line.index);
    for (const socket of this.sockets) socket.push(message.slice());
  }

  tellLink(line: NetInterface): void {
    const message = new Uint8Array(at('if_msghdr', 'size'));
    set16(message, 0, message.length);
    message[2] = c('RTM_VERSION');
    message[3] = c('RTM_IFINFO');
    set32(message, at('if_msghdr', 'ifm_flags'), line.flags);
    set16(message, at('if_msghdr', 'ifm_index'), line.index);
    for (const socket of this.sockets) socket.push(message.slice());
  }

  isVia(fib: number, address: Uint8Array): boolean {
    const present = this.default(fib);
    return present !== undefined && sameOctets(present, address);
  }
}

const isByInterface = ({ gateway }: Default): boolean => family(gateway) === c('AF_LINK');

const padded = (address: Uint8Array): Uint8Array => {
  const octets = new Uint8Array(Math.ceil(address.length / 8) * 8);
  octets.set(address);
  return octets;
};

/** Socket addresses by their RTA bit; each takes a multiple of eight octets, and at least eight. */
function split(octets: Uint8Array, bits: number): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  let offset = 0;
  for (let bit = 1; bit <= 0x80; bit <<= 1) {
    if ((bits & bit) === 0) continue;
    const length = octets[offset] ?? fail('EINVAL');
    if (offset + length > octets.length) fail('EINVAL');
    found.set(bit, octets.slice(offset, offset + length));
    offset += Math.max(8, Math.ceil(length / 8) * 8);
  }
  return found;
}
