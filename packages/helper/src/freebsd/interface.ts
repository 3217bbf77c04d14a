/**
 * Network interfaces by ioctl: flags, names, MTU, addresses and carrier. It knows no netgraph and no routes, and does not
 * know whose an interface is.
 */
import { linkLocalOf } from '@ppp-thing/protocol/wire/ipv6';
import type { Libc } from '../libc.ts';
import { C, S, SEEN } from './abi.ts';
import type { Address6 } from '../backend.ts';
import { unless } from './errors.ts';
import { putText, putU32, putU16, u16At, u32At } from './octets.ts';

/** Octets of an interface's name with its NUL. */
export const IFNAMSIZ = 16;
/** An AC that is addressed directly: the whole address is the prefix. */
const HOST_MASK = Uint8Array.of(255, 255, 255, 255);
const LINK_LOCAL_PREFIX_OCTETS = 8;

/** sockaddr_in of an IPv4 address. */
export function sockaddrIn(address: Uint8Array): Uint8Array {
  const { size, sin_len, sin_family, sin_addr } = S.sockaddr_in;
  const octets = new Uint8Array(size);
  octets[sin_len] = size;
  octets[sin_family] = C.AF_INET;
  octets.set(address, sin_addr);
  return octets;
}

/** sockaddr_in6 of an IPv6 address. */
export function sockaddrIn6(address: Uint8Array): Uint8Array {
  const { size, sin6_len, sin6_family, sin6_addr } = S.sockaddr_in6;
  const octets = new Uint8Array(size);
  octets[sin6_len] = size;
  octets[sin6_family] = C.AF_INET6;
  octets.set(address, sin6_addr);
  return octets;
}

/** The mask of a prefix of `bits`. */
export const maskOf = (bits: number): Uint8Array =>
  Uint8Array.from(
    { length: 16 },
    (_, i) => (0xff00 >> Math.min(8, Math.max(0, bits - 8 * i))) & 0xff,
  );

/** The calls throw SystemError: ENXIO for an interface that is not there. */
export class Interfaces {
  readonly #libc: Libc;
  readonly #inet: number;
  readonly #inet6: number | undefined;

  constructor(libc: Libc) {
    this.#libc = libc;
    const type = C.SOCK_DGRAM | C.SOCK_CLOEXEC;
    this.#inet = libc.socket(C.AF_INET, type, 0);
    // A kernel may have been built without IPv6.
    try {
      this.#inet6 = unless(['EAFNOSUPPORT', 'EPROTONOSUPPORT'], () =>
        libc.socket(C.AF_INET6, type, 0),
      );
    } catch (error) {
      libc.close(this.#inet);
      throw error;
    }
  }

  close(): void {
    this.#libc.close(this.#inet);
    if (this.#inet6 !== undefined) this.#libc.close(this.#inet6);
  }

  /** IFF bits; the upper 16 stand in a field of their own. */
  flags(name: string): number {
    const request = this.#request(C.SIOCGIFFLAGS, name);
    const at = S.ifreq.ifr_ifru;
    return (u16At(request, at) | (u16At(request, at + 2) << 16)) >>> 0;
  }

  setFlags(name: string, set: number, clear: number): void {
    const flags = this.flags(name);
    const wanted = ((flags | set) & ~clear) >>> 0;
    if (wanted === flags) return;
    this.#request(C.SIOCSIFFLAGS, name, (request) => {
      putU16(request, S.ifreq.ifr_ifru, wanted & 0xffff);
      putU16(request, S.ifreq.ifr_ifru + 2, wanted >>> 16);
    });
  }

  index(name: string): number {
    return u16At(this.#request(C.SIOCGIFINDEX, name), S.ifreq.ifr_ifru);
  }

  /** EEXIST: another interface has the name. */
  rename(from: string, to: string): void {
    const name = new Uint8Array(IFNAMSIZ);
    putText(name, 0, to);
    const request = ifreq(from);
    const pointers = [{ at: S.ifreq['ifr_ifru.ifru_data'], to: name }];
    this.#libc.ioctl(this.#inet, C.SIOCSIFNAME, request, pointers);
  }

  setMtu(name: string, mtu: number): void {
    this.#request(C.SIOCSIFMTU, name, (request) => putU32(request, S.ifreq.ifr_ifru, mtu));
  }

  /** The first IPv4 address; undefined if there is none. */
  address(name: string): Uint8Array | undefined {
    return this.#address(C.SIOCGIFADDR, name);
  }

  /** The other end of the first IPv4 address; undefined if there is none. */
  destination(name: string): Uint8Array | undefined {
    return this.#address(C.SIOCGIFDSTADDR, name);
  }

  #address(request: number, name: string): Uint8Array | undefined {
    const answer = unless(['EADDRNOTAVAIL'], () => this.#request(request, name));
    const at = S.ifreq.ifr_ifru + S.sockaddr_in.sin_addr;
    return answer?.slice(at, at + 4);
  }

  /** An address and its other end, in place of that address with another end. */
  addAddress(name: string, address: Uint8Array, destination: Uint8Array): void {
    const { size, ifra_name, ifra_addr, ifra_broadaddr, ifra_mask } = S.in_aliasreq;
    const request = new Uint8Array(size);
    putText(request, ifra_name, name);
    request.set(sockaddrIn(address), ifra_addr);
    request.set(sockaddrIn(destination), ifra_broadaddr);
    request.set(sockaddrIn(HOST_MASK), ifra_mask);
    this.#libc.ioctl(this.#inet, C.SIOCAIFADDR, request);
  }

  /** EADDRNOTAVAIL: it is not there. */
  deleteAddress(name: string, address: Uint8Array): void {
    this.#request(C.SIOCDIFADDR, name, (request) =>
      request.set(sockaddrIn(address), S.ifreq.ifr_ifru),
    );
  }

  /** A link-local address, which the kernel takes as the interface's own. Without IPv6 in the kernel: no effect. */
  addLinkLocal(name: string, interfaceId: Uint8Array): void {
    const forEver = C.ND6_INFINITE_LIFETIME;
    const mask = maskOf(8 * LINK_LOCAL_PREFIX_OCTETS);
    this.#alias6(name, linkLocalOf(interfaceId), mask, forEver, forEver);
  }

  /** An address on a network of `bits`, or that address with other lifetimes, seconds. Without IPv6 in the kernel: no effect. */
  setAddress6({ interface: name, address, bits, preferred, valid }: Address6): void {
    this.#alias6(name, address, maskOf(bits), preferred, valid);
  }

  /** EADDRNOTAVAIL: it is not there. */
  deleteAddress6(name: string, address: Uint8Array): void {
    if (this.#inet6 === undefined) return;
    const layout = S.in6_ifreq;
    const request = new Uint8Array(layout.size);
    putText(request, layout.ifr_name, name);
    request.set(sockaddrIn6(address), layout['ifr_ifru.ifru_addr']);
    this.#libc.ioctl(this.#inet6, C.SIOCDIFADDR_IN6, request);
  }

  #alias6(
    name: string,
    address: Uint8Array,
    mask: Uint8Array,
    preferred: number,
    valid: number,
  ): void {
    if (this.#inet6 === undefined) return;
    const layout = S.in6_aliasreq;
    const request = new Uint8Array(layout.size);
    putText(request, layout.ifra_name, name);
    request.set(sockaddrIn6(address), layout.ifra_addr);
    request.set(sockaddrIn6(mask), layout.ifra_prefixmask);
    putU32(request, layout['ifra_lifetime.ia6t_vltime'], valid);
    putU32(request, layout['ifra_lifetime.ia6t_pltime'], preferred);
    this.#libc.ioctl(this.#inet6, C.SIOCAIFADDR_IN6, request);
  }

  deleteLinkLocal(name: string, interfaceId: Uint8Array): void {
    unless(['EADDRNOTAVAIL'], () => this.deleteAddress6(name, linkLocalOf(interfaceId)));
  }

  /** Whether frames can leave. For a driver without media, whether it says that it runs. */
  carrier(name: string): boolean {
    const running = C.IFF_UP | C.IFF_RUNNING;
    const flags = unless(['ENXIO'], () => this.flags(name)) ?? 0;
    if ((flags & running) !== running) return false;
    const request = new Uint8Array(S.ifmediareq.size);
    putText(request, S.ifmediareq.ifm_name, name);
    const known = unless(['EINVAL', 'ENXIO', 'ENOTTY', 'EOPNOTSUPP'], () =>
      this.#libc.ioctl(this.#inet, C.SIOCGIFMEDIA, request),
    );
    const status = u32At(request, S.ifmediareq.ifm_status);
    if (known === undefined || (status & SEEN.IFM_AVALID) === 0) return true;
    return (status & SEEN.IFM_ACTIVE) !== 0;
  }

  /** An ioctl with a pointer to a structure at ifr_data. */
  withData(request: number, name: string, data: Uint8Array): void {
    const pointers = [{ at: S.ifreq['ifr_ifru.ifru_data'], to: data }];
    this.#libc.ioctl(this.#inet, request, ifreq(name), pointers);
  }

  #request(request: number, name: string, fill?: (request: Uint8Array) => void): Uint8Array {
    const argument = ifreq(name);
    fill?.(argument);
    this.#libc.ioctl(this.#inet, request, argument);
    return argument;
  }
}

/** struct ifreq with the interface's name. */
export function ifreq(name: string): Uint8Array {
  const request = new Uint8Array(S.ifreq.size);
  putText(request, S.ifreq.ifr_name, name);
  return request;
}
