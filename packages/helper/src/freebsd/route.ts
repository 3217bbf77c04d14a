/**
 * The default route of a FIB, by messages on a routing socket, and the news that the kernel tells there. It knows no
 * session.
 */
import type { Libc } from '../libc.ts';
import { C, S } from './abi.ts';
import { soon, unless } from './errors.ts';
import { maskOf, sockaddrIn, sockaddrIn6 } from './interface.ts';
import { int, putU16, putU32, same, u16At, u32At } from './octets.ts';

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

  /** The IPv4 default route goes to `gateway`, in place of any that there is. */
  setDefault(gateway: Uint8Array): void {
    this.#replace(sockaddrIn(IPV4_ANY), sockaddrIn(gateway));
  }

  /** The gateway of the IPv4 default route; undefined if there is no such route, or if it has none. */
  default(): Uint8Array | undefined {
    const answer = this.#get(sockaddrIn(IPV4_ANY));
    const gateway = answer && addressIn(answer, C.RTA_GATEWAY);
    const { sin_family, sin_addr } = S.sockaddr_in;
    if (gateway?.[sin_family] !== C.AF_INET) return undefined;
    return gateway.slice(sin_addr, sin_addr + 4);
  }

  /** Remove the IPv4 default route if its gateway is one of `ours`. */
  deleteDefault(ours: readonly Uint8Array[]): void {
    const gateway = this.default();
    if (gateway === undefined || !ours.some((each) => same(each, gateway))) return;
    this.#send({ type: C.RTM_DELETE, destination: sockaddrIn(IPV4_ANY) });
  }

  /** The IPv6 default route goes to this gateway; `index` is the interface of a link-local one, and else 0. */
  setDefault6(gateway: Uint8Array, index: number): void {
    this.#replace(sockaddrIn6(IPV6_ANY), sockaddrIn6(scoped(gateway, index)));
  }

  /** Remove the IPv6 default route if it goes to this gateway. */
  deleteDefault6To(gateway: Uint8Array, index: number): void {
    const destination = sockaddrIn6(IPV6_ANY);
    const answer = this.#get(destination);
    const present = answer && addressIn(answer, C.RTA_GATEWAY);
    const { sin6_addr } = S.sockaddr_in6;
    const wanted = scoped(gateway, index);
    if (present !== undefined && same(present.slice(sin6_addr, sin6_addr + 16), wanted))
      this.#send({ type: C.RTM_DELETE, destination });
  }

  /** Remove the IPv6 default route if it goes out of the interface with this index. */
  deleteDefault6(index: number): void {
    const destination = sockaddrIn6(IPV6_ANY);
    const answer = this.#get(destination);
    if (answer === undefined || u16At(answer, S.rt_msghdr.rtm_index) !== index) return;
    this.#send({ type: C.RTM_DELETE, destination });
  }

  /** The prefix is unreachable but for its more specific routes; or no more. Idempotent. */
  setReject6(prefix: Uint8Array, length: number, on: boolean): void {
    const destination = sockaddrIn6(prefix);
    const netmask = sockaddrIn6(maskOf(length));
    if (!on) return void this.#send({ type: C.RTM_DELETE, destination, netmask });
    const gateway = sockaddrIn6(LOOPBACK6);
    const route = { type: C.RTM_ADD, destination, gateway, netmask, flags: C.RTF_REJECT };
    unless(['EEXIST'], () => this.#send(route));
  }

  /** What the kernel says of the route with exactly this destination; undefined if there is none. */
  #get(destination: Uint8Array): Uint8Array | undefined {
    const seq = this.#send({ type: C.RTM_GET, destination });
    return seq === undefined ? undefined : soon(() => this.#answer(seq));
  }

  /** CHANGE has no moment without a route, and needs one to change; ADD needs that there is none. */
  #replace(destination: Uint8Array, gateway: Uint8Array): void {
    if (this.#send({ type: C.RTM_CHANGE, destination, gateway }) !== undefined) return;
    const added = unless(['EEXIST'], () => this.#send({ type: C.RTM_ADD, destination, gateway }));
    if (added === undefined) this.#send({ type: C.RTM_CHANGE, destination, gateway });
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

/** A link-local address as the kernel has it inside, its interface in the second group. */
function scoped(linkLocal: Uint8Array, index: number): Uint8Array {
  const address = linkLocal.slice();
  if (index !== 0) address.set([(index >> 8) & 0xff, index & 0xff], 2);
  return address;
}

/** A routing socket, not blocking: news is read from it with `readNews`. */
export const openRouteSocket = (libc: Libc): number =>
  libc.socket(C.AF_ROUTE, C.SOCK_RAW | C.SOCK_CLOEXEC | C.SOCK_NONBLOCK, 0);

const NEWS: readonly number[] = [C.RTM_NEWADDR, C.RTM_DELADDR, C.RTM_IFINFO];

/** Messages read at a time; the rest is there at the next turn. */
const READ_A_TURN = 64;

/** Read what waits; whether it has anything to do with addresses or links. */
export function readNews(libc: Libc, fd: number): boolean {
  const message = new Uint8Array(ROOM);
  let relevant = false;
  for (let i = 0; i < READ_A_TURN; i++) {
    const length = libc.read(fd, message);
    if (length <= 0) break;
    if (length >= u16At(message, 0) && NEWS.includes(message[S.rt_msghdr.rtm_type] ?? 0))
      relevant = true;
  }
  return relevant;
}
