/**
 * AF_PACKET sockets on the line, and the AF_PPPOX socket that is a session to the kernel: their addresses, and how
 * they are opened, read and written. It knows Ethernet headers and no PPPoE.
 */
import { unless } from '../errors.ts';
import type { Key } from '../backend.ts';
import type { Libc } from '../libc.ts';
import { MSG_DONTWAIT, SOCK } from './kernel.ts';
import { putU16, putU32, u32, u32At } from './netlink.ts';

const AF_PACKET = 17;
const AF_PPPOX = 24;
const PX_PROTO_OE = 0;
const SOL_PACKET = 263;
const PACKET_STATISTICS = 6;
const SOL_SOCKET = 1;
const SO_PRIORITY = 12;

export const ETHERTYPE_DISCOVERY = 0x8863;
export const ETHERNET_HEADER = 14;
/** Least octets of an Ethernet frame without its checksum. We pad, because not every driver does. */
const MINIMUM_FRAME = 60;
const MAXIMUM_FRAME = ETHERNET_HEADER + 1500;
/**
 * `struct sockaddr_ll`: for whom the kernel takes the frame. The kernel removes an 802.1Q tag before this socket sees the
 * frame, and says PACKET_OTHERHOST of one that belongs to a VLAN; a tag with a priority only is none.
 */
const SOCKADDR_LL = { size: 20, pkttype: 10 };
const PACKET_OTHERHOST = 3;
/** Frames taken in one go, so that a flood on the line cannot keep the loop from its other descriptors. */
const BATCH = 64;

/**
 * The kernel's priority of what leaves with 802.1p priority `pcp`, which the VLAN maps. Not the same number: forwarded
 * packets have the kernel's 0 … 15 by their type of service, and would get it too.
 */
export const priorityOf = (pcp: number): number => 16 + pcp;

export const setPriority = (libc: Libc, fd: number, pcp: number): void =>
  libc.setsockopt(fd, SOL_SOCKET, SO_PRIORITY, u32(priorityOf(pcp)));

/** `struct sockaddr_ll`: every frame of one EtherType on one interface. */
export function packetAddress(link: number, etherType: number): Uint8Array {
  const octets = new Uint8Array(20);
  putU16(octets, 0, AF_PACKET);
  octets.set([etherType >> 8, etherType & 0xff], 2);
  putU32(octets, 4, link);
  return octets;
}

/** `struct sockaddr_pppox`, which is packed: family, protocol, then SESSION_ID, AC MAC and interface name. */
export function pppoxAddress(key: Key, interfaceName: string): Uint8Array {
  const octets = new Uint8Array(30);
  putU16(octets, 0, AF_PPPOX);
  putU32(octets, 2, PX_PROTO_OE);
  octets.set([key.sessionId >> 8, key.sessionId & 0xff], 6);
  octets.set(key.acMac, 8);
  octets.set(new TextEncoder().encode(interfaceName).subarray(0, 15), 14);
  return octets;
}

/** The session that a `struct sockaddr_pppox` names. */
export const keyOf = (address: Uint8Array): Key => ({
  sessionId: ((address[6] ?? 0) << 8) | (address[7] ?? 0),
  acMac: address.slice(8, 14),
});

/** An Ethernet II frame. */
export function ethernetFrame(
  destination: Uint8Array,
  source: Uint8Array,
  etherType: number,
  payload: Uint8Array,
): Uint8Array {
  const octets = new Uint8Array(ETHERNET_HEADER + payload.length);
  octets.set(destination, 0);
  octets.set(source, 6);
  octets.set([etherType >> 8, etherType & 0xff], 12);
  octets.set(payload, ETHERNET_HEADER);
  return octets;
}

/** Frames of one EtherType on one interface, in and out. */
export class PacketSocket {
  readonly fd: number;
  readonly #libc: Libc;
  readonly #room = new Uint8Array(2048);
  readonly #from = new Uint8Array(SOCKADDR_LL.size);

  /** @param pcp  of the frames it sends */
  constructor(libc: Libc, link: number, etherType: number, pcp?: number) {
    this.#libc = libc;
    // Protocol 0 receives nothing, so that no other interface's frames arrive before bind().
    this.fd = libc.socket(AF_PACKET, SOCK.RAW | SOCK.NONBLOCK | SOCK.CLOEXEC, 0);
    try {
      libc.bind(this.fd, packetAddress(link, etherType));
      if (pcp !== undefined) setPriority(libc, this.fd, pcp);
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
  }

  /** Whole frames that came in, up to a batch. */
  read(take: (frame: Uint8Array) => void): void {
    for (let i = 0; i < BATCH; i++) {
      const length = this.#receive();
      if (length < 0) return;
      if (length < ETHERNET_HEADER || this.#from[SOCKADDR_LL.pkttype] === PACKET_OTHERHOST)
        continue;
      take(this.#room.slice(0, Math.min(length, MAXIMUM_FRAME)));
    }
  }

  /** Octets received; -1 if nothing waits, or if the error reports that the interface has gone down. */
  #receive(): number {
    let length = -1;
    unless(['ENETDOWN'], () => {
      length = this.#libc.recvfrom(this.fd, this.#room, MSG_DONTWAIT, this.#from).length;
    });
    return length;
  }

  /** False if the interface's queue is full and the frame is lost, as any frame may be. */
  send(frame: Uint8Array): boolean {
    const padded = new Uint8Array(Math.max(MINIMUM_FRAME, frame.length));
    padded.set(frame);
    return this.#libc.sendto(this.fd, padded, MSG_DONTWAIT) >= 0;
  }

  /** Frames the kernel had to drop because we read too slowly, since the last call. */
  drops(): number {
    const statistics = new Uint8Array(8);
    this.#libc.getsockopt(this.fd, SOL_PACKET, PACKET_STATISTICS, statistics);
    return u32At(statistics, 4);
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}

/** Give the kernel a session that exists at the AC. Sends nothing. The descriptor holds the session. */
export function openSession(libc: Libc, key: Key, interfaceName: string): number {
  const fd = libc.socket(AF_PPPOX, SOCK.STREAM | SOCK.CLOEXEC, PX_PROTO_OE);
  try {
    libc.connect(fd, pppoxAddress(key, interfaceName));
  } catch (error) {
    libc.close(fd);
    throw error;
  }
  return fd;
}
