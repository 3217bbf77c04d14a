/**
 * A PPPoE session in the kernel: the AF_PPPOX socket, its channel and the unit that is the network interface, joined;
 * the gate; and its control packets. It reads no packet beyond the Protocol field.
 *
 * Theory of operation. Three descriptors hold a session: the socket, a /dev/ppp attached to its channel (LCP and
 * authentication arrive there) and a /dev/ppp that made the unit (the NCPs arrive there). The kernel ends a session on
 * a PADT, and when the interface below goes down or changes its MTU or MAC; the descriptors then stay readable for
 * ever, so they must be closed or a poll() spins. Closing them removes the interface and sends nothing.
 */
import type { Key } from '../backend.ts';
import { SystemError, type Libc } from '../libc.ts';
import { putU32, u32At, u32 } from './netlink.ts';
import { MSG_DONTWAIT } from './kernel.ts';
import { openSession, setPriority } from './sockets.ts';

/** Numbers for the architectures whose ioctls are laid out as on x86 and ARM. */
const PPPIOC = {
  GCHAN: 0x8004_7437,
  ATTCHAN: 0x4004_7438,
  CONNECT: 0x4004_743a,
  NEWUNIT: 0xc004_743e,
  SMRU: 0x4004_7452,
  SNPMODE: 0x4008_744b,
} as const;

const O_RDWR_NONBLOCK_CLOEXEC = 0x8_0802;
const NPMODE = { PASS: 0, DROP: 1 } as const;
const DATA = { IPV4: 0x0021, IPV6: 0x0057 } as const;
/** Packets taken from a descriptor in one go; the loop comes back for more. */
const BATCH = 64;

/** An `int` argument of an ioctl: passed by address, and what the kernel left there. */
function ioctlInt(libc: Libc, fd: number, request: number, value: number): number {
  const argument = u32(value);
  libc.ioctl(fd, request, argument);
  return u32At(argument, 0) | 0;
}

export class PppSession {
  readonly key: Key;
  /** The unit's number: the interface is born as ppp<unit>. */
  readonly unit: number;
  readonly channelFd: number;
  readonly unitFd: number;
  /** Counts packets of the channel: the interface's own counters have only the data and the NCPs. */
  readonly control = { octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 };
  readonly #libc: Libc;
  readonly #socket: number;
  readonly #hasPriority: boolean;
  readonly #room = new Uint8Array(9216);
  #open = false;
  #ipv6 = false;

  /**
   * Join SESSION_ID and AC MAC on `line` to a new unit, gate closed. On an error nothing is left.
   *
   * @param pcp  of the control packets
   */
  constructor(libc: Libc, key: Key, line: string, maxPayload: number, pcp?: number) {
    this.#libc = libc;
    this.#hasPriority = pcp !== undefined;
    this.key = key;
    const opened: number[] = [];
    const keep = (fd: number): number => {
      opened.push(fd);
      return fd;
    };
    try {
      this.#socket = keep(openSession(libc, key, line));
      if (pcp !== undefined) setPriority(libc, this.#socket, pcp);
      const channel = ioctlInt(libc, this.#socket, PPPIOC.GCHAN, 0);
      this.channelFd = keep(libc.open('/dev/ppp', O_RDWR_NONBLOCK_CLOEXEC));
      ioctlInt(libc, this.channelFd, PPPIOC.ATTCHAN, channel);
      this.unitFd = keep(libc.open('/dev/ppp', O_RDWR_NONBLOCK_CLOEXEC));
      this.unit = ioctlInt(libc, this.unitFd, PPPIOC.NEWUNIT, -1);
      this.maxPayload = maxPayload;
      // A new unit passes data: close it before any can reach it.
      this.#mode(DATA.IPV4, false);
      this.#mode(DATA.IPV6, false);
      ioctlInt(libc, this.channelFd, PPPIOC.CONNECT, this.unit);
    } catch (error) {
      for (const fd of opened) libc.close(fd);
      throw error;
    }
  }

  /** The largest packet the AC may send us, octets. */
  set maxPayload(octets: number) {
    ioctlInt(this.#libc, this.unitFd, PPPIOC.SMRU, octets);
  }

  get gateOpen(): boolean {
    return this.#open;
  }

  /**
   * Open or close the wire for data. The caller withholds control packets: the kernel sends any that it gets. IPv6 stays
   * closed unless it was negotiated, so that the kernel sends nothing by itself.
   */
  gate(open: boolean): void {
    // Mark the gate closed first: if the kernel refuses to close it, control packets are still refused.
    this.#open = false;
    this.#mode(DATA.IPV4, open);
    if (this.#ipv6) this.#mode(DATA.IPV6, open);
    this.#open = open;
  }

  /** Whether IPv6 passes while the gate is open. */
  set ipv6(on: boolean) {
    if (on === this.#ipv6) return;
    this.#mode(DATA.IPV6, on && this.#open);
    this.#ipv6 = on;
  }

  /** False if the kernel's queue is full and the packet is lost, as any packet may be. */
  send(protocol: number, packet: Uint8Array): boolean {
    const frame = new Uint8Array(2 + packet.length);
    frame.set([protocol >> 8, protocol & 0xff], 0);
    frame.set(packet, 2);
    // The channel takes any protocol, and takes it even while the interface is down; so does the socket, which alone
    // gives what it sends a priority.
    const sent = this.#hasPriority
      ? this.#libc.sendto(this.#socket, frame, MSG_DONTWAIT)
      : this.#libc.write(this.channelFd, frame);
    if (sent < 0) return false;
    this.control.packetsOut++;
    this.control.octetsOut += packet.length;
    return true;
  }

  /** Control packets that have come, up to a batch of each kind. False once the kernel has given the session up. */
  read(take: (protocol: number, packet: Uint8Array) => void): boolean {
    const fromChannel = this.#read(this.channelFd, (protocol, packet) => {
      this.control.packetsIn++;
      this.control.octetsIn += packet.length;
      take(protocol, packet);
    });
    return fromChannel && this.#read(this.unitFd, take);
  }

  #read(fd: number, take: (protocol: number, packet: Uint8Array) => void): boolean {
    for (let i = 0; i < BATCH; i++) {
      let length: number;
      try {
        length = this.#libc.read(fd, this.#room);
      } catch (error) {
        // A channel that has lost its session answers with an errno, a unit with an end of file.
        if (error instanceof SystemError) return false;
        throw error;
      }
      if (length === 0) return false;
      if (length < 0) return true;
      if (length < 2) continue;
      const protocol = ((this.#room[0] as number) << 8) | (this.#room[1] as number);
      if (protocol === DATA.IPV4 || protocol === DATA.IPV6) continue;
      take(protocol, this.#room.slice(2, length));
    }
    return true;
  }

  /** Leave the session without a PADT; the interface goes too. */
  close(): void {
    for (const fd of [this.channelFd, this.unitFd, this.#socket]) this.#libc.close(fd);
    this.#open = false;
  }

  #mode(protocol: number, pass: boolean): void {
    const argument = new Uint8Array(8);
    putU32(argument, 0, protocol);
    putU32(argument, 4, pass ? NPMODE.PASS : NPMODE.DROP);
    this.#libc.ioctl(this.unitFd, PPPIOC.SNPMODE, argument);
  }
}
