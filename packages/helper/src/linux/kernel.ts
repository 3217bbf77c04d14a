/**
 * rtnetlink with the kernel: a request and its answer, a dump, and multicast notifications. It decides nothing; the
 * callers interpret an errno.
 *
 * The kernel answers rtnetlink within the `sendto` of the request (a dump: within each receive), so that a request
 * needs no waiting and a would-block is an error.
 */
import { getSystemErrorName } from 'node:util';
import { attempting, unless } from '../errors.ts';
import { SystemError, type Libc } from '../libc.ts';
import { NLMSG, decodeMessages, errorOf, u32, withSequence, type Message } from './netlink.ts';
import {
  AF_NETLINK,
  addressesOf,
  decodeAddress,
  decodeLink,
  linkByIndex,
  linkByName,
  netlinkAddress,
  type Address,
  type Link,
} from './rtnetlink.ts';

export const SOCK = { STREAM: 1, RAW: 3, NONBLOCK: 0x800, CLOEXEC: 0x8_0000 } as const;
export const MSG_DONTWAIT = 0x40;

const NETLINK_ROUTE = 0;
const SOL_NETLINK = 270;
/** Dumps obey the filters in their request (Linux 4.20). */
const NETLINK_GET_STRICT_CHK = 12;

/** The kernel sends at most 32 KiB of a dump at a time. */
const ROOM = 64 * 1024;

/** Reasons for the operator, for the errnos whose name alone does not help. */
const EVERYWHERE = {
  EPERM: 'needs root, or CAP_NET_ADMIN and CAP_NET_RAW',
  EACCES: 'needs root, or CAP_NET_ADMIN and CAP_NET_RAW',
  ENODEV: 'there is no such interface',
  EAFNOSUPPORT: 'the kernel has no support for it; are the modules pppoe and macvlan installed',
  ENOTSUP: 'the kernel has no support for it; are the modules macvlan and dummy installed',
};

export const attempt = attempting(EVERYWHERE);

export class Rtnetlink {
  readonly #libc: Libc;
  readonly #fd: number;
  readonly #room = new Uint8Array(ROOM);
  #sequence = 0;

  constructor(libc: Libc) {
    this.#libc = libc;
    this.#fd = openSocket(libc, 0);
    unless(['ENOPROTOOPT'], () =>
      libc.setsockopt(this.#fd, SOL_NETLINK, NETLINK_GET_STRICT_CHK, u32(1)),
    );
  }

  /** Send a request; its answers, without acknowledgements. An error in the answer is thrown as `SystemError`. */
  request(octets: Uint8Array): Message[] {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const sequence = this.#sequence;
    this.#libc.sendto(this.#fd, withSequence(octets, sequence), MSG_DONTWAIT);
    const answers: Message[] = [];
    for (;;) {
      const { length } = this.#libc.recvfrom(this.#fd, this.#room, MSG_DONTWAIT);
      if (length <= 0) throw new SystemError('recvfrom rtnetlink', 'EIO', 5);
      const mine = decodeMessages(this.#room.subarray(0, length)).filter(
        (message) => message.sequence === sequence,
      );
      for (const message of mine) {
        if (message.type === NLMSG.ERROR || message.type === NLMSG.DONE) {
          const errno = errorOf(message);
          if (errno !== 0) throw new SystemError('rtnetlink', getSystemErrorName(-errno), errno);
          return answers;
        }
        // Copy the message: the next receive reuses the buffer.
        answers.push({ ...message, body: message.body.slice() });
        if ((message.flags & 2) === 0) return answers;
      }
    }
  }

  /** The interface of this name, or undefined. */
  link(name: string): Link | undefined {
    let found: Link | undefined;
    unless(['ENODEV'], () => {
      found = this.request(linkByName(name)).map(decodeLink)[0];
    });
    return found;
  }

  /** The interface of this number, or undefined. */
  linkAt(index: number): Link | undefined {
    let found: Link | undefined;
    unless(['ENODEV'], () => {
      found = this.request(linkByIndex(index)).map(decodeLink)[0];
    });
    return found;
  }

  /** The addresses of all interfaces. */
  allAddresses(): Address[] {
    return this.request(addressesOf(0))
      .map(decodeAddress)
      .filter((address) => address !== undefined);
  }

  /** The addresses of an interface; none if it has just gone. */
  addresses(link: number): Address[] {
    let found: Address[] = [];
    unless(['ENODEV'], () => {
      found = this.request(addressesOf(link))
        .map(decodeAddress)
        .filter((address) => address !== undefined);
    });
    return found.filter((address) => address.link === link);
  }

  close(): void {
    this.#libc.close(this.#fd);
  }
}

function openSocket(libc: Libc, groups: number): number {
  const fd = libc.socket(AF_NETLINK, SOCK.RAW | SOCK.NONBLOCK | SOCK.CLOEXEC, NETLINK_ROUTE);
  try {
    libc.bind(fd, netlinkAddress(groups));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}

/** Datagrams taken at a time; the rest is there at the next turn. */
const READ_A_TURN = 64;

/** What the kernel multicasts to `groups`. */
export class News {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #room = new Uint8Array(ROOM);

  constructor(libc: Libc, groups: number) {
    this.#libc = libc;
    this.fd = openSocket(libc, groups);
  }

  /** The waiting messages, or 'lost' if there were more than the kernel could keep: then read all state. */
  read(): Message[] | 'lost' {
    const messages: Message[] = [];
    try {
      for (let i = 0; i < READ_A_TURN; i++) {
        const { length } = this.#libc.recvfrom(this.fd, this.#room, MSG_DONTWAIT);
        if (length <= 0) return messages;
        messages.push(...decodeMessages(this.#room.slice(0, length)));
      }
      return messages;
    } catch (error) {
      if (error instanceof SystemError && error.code === 'ENOBUFS') return 'lost';
      throw error;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}
