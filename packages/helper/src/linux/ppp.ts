/**
 * A PPPoE session in the kernel: the AF_PPPOX socket, its channel and the unit that is the network interface, joined;
 * the gate; and its control packets. It reads no packet beyond the Protocol field.
 *
 * Theory of operation. Three descriptors hold a session: the socket, a /dev/ppp attached to its channel (LCP and
 * authentication arrive there) and a /dev/ppp that made the unit (the NCPs arrive there). The kernel ends a session on
 * a PADT, and when the interface below goes down or changes its MTU or MAC; the descriptors then stay readable for
 * ever, so they must be closed or a poll() spins. Closing them removes the interface and sends nothing.
 *
 * Socket and unit alone keep the session in the kernel, so these two go to the keeper. While it has them, closing ends
 * nothing: `end` takes the socket off the session, whoever else has it.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Key } from '../backend.ts';
import { anyway, BackendError } from '../errors.ts';
import { SystemError, type Libc } from '../libc.ts';
import { POLLHUP } from '../unix.ts';
import { putU32, u32At, u32 } from './netlink.ts';
import { MSG_DONTWAIT } from './kernel.ts';
import { keyOf, openSession, pppoxAddress, setPriority } from './sockets.ts';

/** Numbers for the architectures whose ioctls are laid out as on x86 and ARM. */
const PPPIOC = {
  GCHAN: 0x8004_7437,
  ATTCHAN: 0x4004_7438,
  CONNECT: 0x4004_743a,
  NEWUNIT: 0xc004_743e,
  SMRU: 0x4004_7452,
  GUNIT: 0x8004_7456,
  SNPMODE: 0x4008_744b,
  GNPMODE: 0xc008_744c,
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

/** An IPv4 or IPv6 packet passes the unit, or is dropped. */
function setMode(libc: Libc, unitFd: number, protocol: number, pass: boolean): void {
  const argument = new Uint8Array(8);
  putU32(argument, 0, protocol);
  putU32(argument, 4, pass ? NPMODE.PASS : NPMODE.DROP);
  libc.ioctl(unitFd, PPPIOC.SNPMODE, argument);
}

function passes(libc: Libc, unitFd: number, protocol: number): boolean {
  const argument = new Uint8Array(8);
  putU32(argument, 0, protocol);
  libc.ioctl(unitFd, PPPIOC.GNPMODE, argument);
  return u32At(argument, 4) === NPMODE.PASS;
}

/** Let no data through, if the descriptor is a unit. */
export function closeUnit(libc: Libc, fd: number): void {
  for (const protocol of Object.values(DATA)) anyway(() => setMode(libc, fd, protocol, false));
}

/** End the session that the descriptors hold, whoever else has them, and close them. */
export function discard(libc: Libc, fds: readonly number[]): void {
  const none = pppoxAddress({ sessionId: 0, acMac: new Uint8Array(6) }, '');
  for (const fd of fds) {
    // A socket joined to SESSION_ID 0 leaves its session, and sends nothing. Of any other descriptor it is refused.
    anyway(() => libc.connect(fd, none));
    libc.close(fd);
  }
}

const isSession = (libc: Libc, fd: number): boolean =>
  anyway(() => ioctlInt(libc, fd, PPPIOC.GCHAN, 0));

/** A unit whose interface has been deleted reports a hang-up. */
function isUnit(libc: Libc, fd: number): boolean {
  const entry = { fd, events: 0, revents: 0 };
  void libc.poll([entry], 0, true);
  return (entry.revents & POLLHUP) === 0 && anyway(() => ioctlInt(libc, fd, PPPIOC.GUNIT, 0));
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

  /** @param pcp  of the control packets */
  private constructor(libc: Libc, key: Key, socket: number, unitFd: number, pcp?: number) {
    this.#libc = libc;
    this.#hasPriority = pcp !== undefined;
    this.key = key;
    this.#socket = socket;
    this.unitFd = unitFd;
    this.unit = ioctlInt(libc, unitFd, PPPIOC.GUNIT, 0);
    if (pcp !== undefined) setPriority(libc, socket, pcp);
    const channel = ioctlInt(libc, socket, PPPIOC.GCHAN, 0);
    this.channelFd = libc.open('/dev/ppp', O_RDWR_NONBLOCK_CLOEXEC);
    try {
      ioctlInt(libc, this.channelFd, PPPIOC.ATTCHAN, channel);
    } catch (error) {
      libc.close(this.channelFd);
      throw error;
    }
  }

  /** Join SESSION_ID and AC MAC on `line` to a new unit, gate closed. On an error nothing is left. */
  static join(
    libc: Libc,
    key: Key,
    line: string,
    maxPayload: number,
    pcp: number | undefined,
  ): PppSession {
    const opened = [openSession(libc, key, line)] as [number, ...number[]];
    try {
      const unitFd = libc.open('/dev/ppp', O_RDWR_NONBLOCK_CLOEXEC);
      opened.push(unitFd);
      ioctlInt(libc, unitFd, PPPIOC.NEWUNIT, -1);
      // A new unit passes data: close it before any can reach it.
      for (const protocol of Object.values(DATA)) setMode(libc, unitFd, protocol, false);
      const session = new PppSession(libc, key, opened[0], unitFd, pcp);
      opened.push(session.channelFd);
      session.maxPayload = maxPayload;
      ioctlInt(libc, session.channelFd, PPPIOC.CONNECT, session.unit);
      return session;
    } catch (error) {
      for (const fd of opened) libc.close(fd);
      throw error;
    }
  }

  /**
   * The session that an earlier helper joined on `line`, from its socket and its unit in any order. Its gate is as it was.
   * Throws BackendError or SystemError, with the session ended.
   */
  static adopt(
    libc: Libc,
    name: string,
    fds: readonly number[],
    line: string,
    pcp: number | undefined,
  ): PppSession {
    const refuse = (reason: string): never => {
      throw new BackendError('adopt', name, 'EINVAL', reason);
    };
    const [sockets, units] = [isSession, isUnit].map((is) => fds.filter((fd) => is(libc, fd)));
    try {
      const [[socket, ...others], [unitFd, ...more]] = [sockets ?? [], units ?? []];
      if (socket === undefined || unitFd === undefined)
        return refuse('the kernel has ended the session that was kept');
      if (others.length + more.length > 0) return refuse('more than one session was kept');
      const address = new Uint8Array(30);
      libc.getsockname?.(socket, address);
      const key = keyOf(address);
      if (!sameOctets(address, pppoxAddress(key, line))) return refuse(`it is not on ${line}`);
      const [ipv4, ipv6] = [DATA.IPV4, DATA.IPV6].map((each) => passes(libc, unitFd, each));
      const session = new PppSession(libc, key, socket, unitFd, pcp);
      session.#open = ipv4 === true;
      session.#ipv6 = ipv4 === true && ipv6 === true;
      // A helper that died as it closed the gate may have left one half open.
      if (!ipv4) closeUnit(libc, unitFd);
      for (const fd of fds) if (fd !== socket && fd !== unitFd) libc.close(fd);
      return session;
    } catch (error) {
      discard(libc, fds);
      throw error;
    }
  }

  /** What holds the session in the kernel, for the keeper. */
  get holding(): readonly number[] {
    return [this.#socket, this.unitFd];
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
    setMode(this.#libc, this.unitFd, DATA.IPV4, open);
    if (this.#ipv6) setMode(this.#libc, this.unitFd, DATA.IPV6, open);
    this.#open = open;
  }

  /** Whether IPv6 passes while the gate is open. */
  set ipv6(on: boolean) {
    if (on === this.#ipv6) return;
    setMode(this.#libc, this.unitFd, DATA.IPV6, on && this.#open);
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

  /** Leave the session without a PADT. Without a keeper the interface goes too. */
  end(): void {
    this.#open = false;
    discard(this.#libc, [this.#socket, this.unitFd, this.channelFd]);
  }

  /** Close our descriptors: the session ends unless a keeper has its own. */
  leave(): void {
    for (const fd of [this.channelFd, this.unitFd, this.#socket]) this.#libc.close(fd);
  }
}
