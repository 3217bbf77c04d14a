/**
 * The default route of a FIB, by messages on a routing socket, and the kernel's notifications there. It knows no session.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Libc } from '../libc.ts';
import { C, S } from './abi.ts';
import { soon, unless } from './errors.ts';
import { maskOf, sockaddrIn, sockaddrIn6 } from './interface.ts';
import { int, putU16, putU32, u16At, u32At } from './octets.ts';

const FAMILY = S.sockaddr_in.sin_family;
const FLAGS = C.RTF_UP | C.RTF_GATEWAY | C.RTF_STATIC;
const ROOM = 2048;
/** Socket addresses in a message begin at multiples of this. */
const ALIGNMENT = 8;
const IPV4_ANY = new Uint8Array(4);
const IPV6_ANY = new Uint8Array(16);
const LOOPBACK6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? 1 : 0));

const aligned = (length: number): number =>
  Math.max(ALIGNMENT, Math.ceil(length / ALIGNMENT) * ALIGNMENT);

let sequence = 0;

interface RouteMessage {
  readonly type: number;
  readonly destination: Uint8Array;
  readonly gateway?: Uint8Array;
  /** A socket address; a default route's is empty. */
  readonly netmask?: Uint8Array;
  readonly flags?: number;
}

function emptyMask(destination: Uint8Array): Uint8Array {
  const netmask = new Uint8Array(destination.length);
  netmask.set(destination.subarray(0, 2));
  return netmask;
}

/** rt_msghdr and the socket addresses of destination, gateway and netmask, in the order of their RTA bits. */
export function encodeRoute(
  seq: number,
  { type, destination, gateway, netmask = emptyMask(destination), flags = 0 }: RouteMessage,
): Uint8Array {
  const addresses =
    gateway === undefined ? [destination, netmask] : [destination, gateway, netmask];
  const header = S.rt_msghdr;
  const length = addresses.reduce<number>((sum, each) => sum + aligned(each.length), header.size);
  const octets = new Uint8Array(length);
  putU16(octets, header.rtm_msglen, length);
  octets[header.rtm_version] = C.RTM_VERSION;
  octets[header.rtm_type] = type;
  putU32(octets, header.rtm_flags, FLAGS | flags);
  const present = gateway === undefined ? 0 : C.RTA_GATEWAY;
  putU32(octets, header.rtm_addrs, C.RTA_DST | C.RTA_NETMASK | present);
  putU32(octets, header.rtm_seq, seq);
  let at: number = header.size;
  for (const address of addresses) {
    octets.set(address, at);
    at += aligned(address.length);
  }
  return octets;
}

/** The socket address behind one RTA bit, or undefined. */
function addressIn(message: Uint8Array, bit: number): Uint8Array | undefined {
  const addresses = u32At(message, S.rt_msghdr.rtm_addrs);
  if ((addresses & bit) === 0) return undefined;
  let at: number = S.rt_msghdr.size;
  for (let each = 1; each < bit; each <<= 1)
    if ((addresses & each) !== 0) at += aligned(message[at] ?? 0);
  return message.slice(at, at + (message[at] ?? 0));
}

/** Run `use` with a routing socket of one FIB, which is closed afterwards. */
export function withRoutes(libc: Libc, fib: number, use: (routes: Routes) => void): void {
  const routes = new Routes(libc, fib);
  try {
    use(routes);
  } finally {
    routes.close();
  }
}

/** A routing socket of one FIB. Each call throws SystemError with the kernel's answer to it. */
export class Routes {
  readonly #libc: Libc;
  readonly #fd: number;

  /** EINVAL: there are not so many FIBs. */
  constructor(libc: Libc, fib: number) {
    this.#libc = libc;
    this.#fd = openRouteSocket(libc);
    if (fib === 0) return;
    try {
      libc.setsockopt(this.#fd, C.SOL_SOCKET, C.SO_SETFIB, int(fib));
    } catch (error) {
      libc.close(this.#fd);
      throw error;
    }
  }

  close(): void {
    this.#libc.close(this.#fd);
  }

  /**
   * Add a default route to `gateway`. A kernel with multipath routing (FreeBSD 13 and later) puts it beside those of
   * other programs that have a gateway. One to an interface, and that of any other kernel, stands alone: it is replaced.
   *
   * @returns the one that it replaced, by its gateway
   */
  add(gateway: Gateway): Gateway | undefined {
    const route = { destination: gateway.any, gateway: gateway.socketAddress };
    if (unless(['EEXIST'], () => this.#send({ type: C.RTM_ADD, ...route })) !== undefined)
      return undefined;
    const other = this.beside(gateway);
    if (other === undefined) return undefined;
    if (other.socketAddress[FAMILY] === gateway.any[FAMILY]) {
      this.#send({ type: C.RTM_CHANGE, ...route });
      return other;
    }
    // A route that is changed from an interface to a gateway keeps the interface.
    this.#send({ type: C.RTM_DELETE, destination: gateway.any });
    this.#send({ type: C.RTM_ADD, ...route });
    return other;
  }

  /** A default route that is not ours, which may lead to an interface; of several the kernel names one. */
  beside(gateway: Gateway): Gateway | undefined {
    const present = this.#default(gateway.any);
    const isOther = present !== undefined && !sameOctets(addressOf(present), addressOf(gateway));
    return isOther ? present : undefined;
  }

  /** Remove the default route to `gateway`, and no other. Idempotent. */
  remove({ any, socketAddress }: Gateway): void {
    this.#send({ type: C.RTM_DELETE, destination: any, gateway: socketAddress });
  }

  /** Make the prefix unreachable except for its more specific routes, or undo that. Idempotent. */
  setReject6(prefix: Uint8Array, length: number, on: boolean): void {
    const destination = sockaddrIn6(prefix);
    const netmask = sockaddrIn6(maskOf(length));
    if (!on) return void this.#send({ type: C.RTM_DELETE, destination, netmask });
    const gateway = sockaddrIn6(LOOPBACK6);
    const route = { type: C.RTM_ADD, destination, gateway, netmask, flags: C.RTF_REJECT };
    unless(['EEXIST'], () => this.#send(route));
  }

  /** The kernel's message about the route with exactly this destination; undefined if there is none. */
  #get(destination: Uint8Array): Uint8Array | undefined {
    const seq = this.#send({ type: C.RTM_GET, destination });
    return seq === undefined ? undefined : soon(() => this.#answer(seq));
  }

  #default(any: Uint8Array): Gateway | undefined {
    const answer = this.#get(any);
    const socketAddress = answer && addressIn(answer, C.RTA_GATEWAY);
    return socketAddress && { any, socketAddress };
  }

  /** The sequence number; undefined if there is no such route. */
  #send(message: RouteMessage): number | undefined {
    sequence = (sequence + 1) & 0x7fffffff;
    const seq = sequence;
    return unless(['ESRCH'], () => {
      this.#libc.write(this.#fd, encodeRoute(seq, message));
      return seq;
    });
  }

  #answer(seq: number): Uint8Array | undefined {
    for (;;) {
      const message = new Uint8Array(ROOM);
      const length = this.#libc.read(this.#fd, message);
      if (length <= 0) return undefined;
      const { rtm_seq, rtm_type } = S.rt_msghdr;
      if (message[rtm_type] === C.RTM_GET && u32At(message, rtm_seq) === seq) return message;
    }
  }
}

/** Where a default route leads. */
export interface Gateway {
  /** The socket address of the network that the route is for: everything. */
  readonly any: Uint8Array;
  /** Of another family than `any` if the route leads to an interface. */
  readonly socketAddress: Uint8Array;
}

export const gateway4 = (address: Uint8Array): Gateway => ({
  any: sockaddrIn(IPV4_ANY),
  socketAddress: sockaddrIn(address),
});

/** @param index of the interface of a link-local address; of any other 0 */
export const gateway6 = (address: Uint8Array, index: number): Gateway => ({
  any: sockaddrIn6(IPV6_ANY),
  socketAddress: sockaddrIn6(scoped(address, index)),
});

/** The address alone: the kernel may return more about its interface than we sent. An interface's is all of it. */
export function addressOf({ socketAddress }: Gateway): Uint8Array {
  const { sin_addr } = S.sockaddr_in;
  const { sin6_addr } = S.sockaddr_in6;
  const family = socketAddress[FAMILY];
  if (family === C.AF_INET) return socketAddress.slice(sin_addr, sin_addr + 4);
  return family === C.AF_INET6 ? socketAddress.slice(sin6_addr, sin6_addr + 16) : socketAddress;
}

/** The other end of an IPv4 default route as netstat(1) prints it, and the arguments of route(8) that remove it. */
export function inWords(gateway: Uint8Array): { readonly text: string; readonly remedy: string } {
  const isAddress = gateway.length === 4;
  const text = isAddress ? gateway.join('.') : `link#${u16At(gateway, S.sockaddr_dl.sdl_index)}`;
  return { text, remedy: `route delete default ${isAddress ? text : '-interface NAME'}` };
}

/** A link-local address as the kernel has it inside, its interface in the second group. */
function scoped(linkLocal: Uint8Array, index: number): Uint8Array {
  const address = linkLocal.slice();
  if (index !== 0) address.set([(index >> 8) & 0xff, index & 0xff], 2);
  return address;
}

/** A non-blocking routing socket; `readNews` reads its notifications. */
export const openRouteSocket = (libc: Libc): number =>
  libc.socket(C.AF_ROUTE, C.SOCK_RAW | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK, 0);

const NEWS: readonly number[] = [C.RTM_NEWADDR, C.RTM_DELADDR, C.RTM_IFINFO];

/** Messages read at a time; the rest is there at the next turn. */
const READ_A_TURN = 64;

export interface News {
  /** A message was about addresses or links. */
  readonly isRelevant: boolean;
  /** The gateway of each IPv4 default route added, our own included. */
  readonly gateways: readonly Uint8Array[];
}

/** Read the waiting messages. */
export function readNews(libc: Libc, fd: number): News {
  const message = new Uint8Array(ROOM);
  const gateways: Uint8Array[] = [];
  let isRelevant = false;
  for (let i = 0; i < READ_A_TURN; i++) {
    const length = libc.read(fd, message);
    if (length <= 0) break;
    if (length < u16At(message, 0)) continue;
    const type = message[S.rt_msghdr.rtm_type] ?? 0;
    if (NEWS.includes(type)) isRelevant = true;
    // The kernel tells of an attempt that failed as well.
    const isDone = u32At(message, S.rt_msghdr.rtm_errno) === 0;
    const gateway = type === C.RTM_ADD && isDone ? defaultIn(message) : undefined;
    if (gateway !== undefined) gateways.push(gateway);
  }
  return { isRelevant, gateways };
}

/** The gateway of the IPv4 default route that a message is about. */
function defaultIn(message: Uint8Array): Uint8Array | undefined {
  const isZero = (address: Uint8Array | undefined): boolean =>
    address !== undefined && address.subarray(2).every((octet) => octet === 0);
  const destination = addressIn(message, C.RTA_DST);
  const socketAddress = addressIn(message, C.RTA_GATEWAY);
  const isIpv4 = destination?.[FAMILY] === C.AF_INET;
  if (socketAddress === undefined || !isIpv4 || !isZero(destination)) return undefined;
  if (!isZero(addressIn(message, C.RTA_NETMASK))) return undefined;
  return addressOf({ any: socketAddress, socketAddress });
}
