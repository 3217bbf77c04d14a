/**
 * A BPF descriptor on the session's line: opened, limited by filters to what a session may read and write, and locked so.
 * It knows Ethernet headers and no PPPoE.
 */
import type { Libc } from '../libc.ts';
import { C, S, SEEN } from './abi.ts';
import { attempt } from './errors.ts';
import { ifreq } from './interface.ts';
import { int, u16At, u32At } from './octets.ts';
import { programHeader, readProgram, TAG_LENGTH, TAGGED, writeProgram } from './programs.ts';

/** Octets of the buffer: several full frames. The kernel's default of 4096 holds two. */
const BUFFER = 32 * 1024;
const room = new Uint8Array(BUFFER);
const ETHERNET_HEADER = 14;
const MINIMUM_FRAME = 60;

const NO_DEVICE = 'not enough BPF devices: in a jail the devfs rules must unhide bpf';
const REASONS = {
  EBUSY: 'not enough BPF devices: all are in use',
  ENOENT: NO_DEVICE,
  ENXIO: NO_DEVICE,
  EACCES: 'only root may',
};

/** The next record begins at a multiple of this after header and frame. */
const ALIGNMENT = 8;

export class Bpf {
  readonly fd: number;
  readonly #libc: Libc;
  #drops = 0;
  #room = room;

  /** Throws BackendError with nothing left open. */
  constructor(libc: Libc, interfaceName: string, mac: Uint8Array) {
    this.#libc = libc;
    this.fd = attempt(
      'open',
      '/dev/bpf',
      () => libc.open('/dev/bpf', C.O_RDWR | C.O_NONBLOCK | C.O_CLOEXEC),
      REASONS,
    );
    try {
      attempt('open bpf on', interfaceName, () => this.#prepare(interfaceName, mac), {
        ENXIO: 'there is no such interface',
        ENETDOWN: 'the interface is down',
      });
    } catch (error) {
      libc.close(this.fd);
      throw error;
    }
  }

  #prepare(interfaceName: string, mac: Uint8Array): void {
    const { fd } = this;
    const libc = this.#libc;
    // A read must ask for all of the buffer, and net.bpf.maxbufsize may allow less than we want.
    const size = int(BUFFER);
    libc.ioctl(fd, C.BIOCSBLEN, size);
    this.#room = room.subarray(0, u32At(size, 0));
    libc.ioctl(fd, C.BIOCSETIF, ifreq(interfaceName));
    // Our own source address goes out as we wrote it; frames come when they come; none that this machine sent.
    libc.ioctl(fd, C.BIOCSHDRCMPLT, int(1));
    libc.ioctl(fd, C.BIOCIMMEDIATE, int(1));
    libc.ioctl(fd, C.BIOCSDIRECTION, int(SEEN.BPF_D_IN));
    this.#setFilter(C.BIOCSETFNR, readProgram(mac));
    this.#setFilter(C.BIOCSETWF, writeProgram(mac));
    libc.ioctl(fd, C.BIOCLOCK, 0);
  }

  #setFilter(request: number, instructions: Uint8Array): void {
    const pointers = [{ at: S.bpf_program.bf_insns, to: instructions }];
    this.#libc.ioctl(this.fd, request, programHeader(instructions), pointers);
  }

  /** The frames that wait, whole, each valid only until the next read. Throws SystemError: ENXIO, the interface has gone. */
  read(take: (frame: Uint8Array) => void): void {
    const length = this.#libc.read(this.fd, this.#room);
    const { size, bh_caplen, bh_hdrlen } = S.bpf_hdr;
    for (let at = 0; at + bh_hdrlen + 2 <= length;) {
      const captured = u32At(room, at + bh_caplen);
      const header = u16At(room, at + bh_hdrlen);
      if (header < size - ALIGNMENT || at + header + captured > length) return;
      if (captured >= ETHERNET_HEADER + TAG_LENGTH)
        take(untagged(room.slice(at + header, at + header + captured)));
      at += Math.ceil((header + captured) / ALIGNMENT) * ALIGNMENT;
    }
  }

  /** Send a whole frame, padded to Ethernet's minimum. */
  write(frame: Uint8Array): void {
    if (frame.length >= MINIMUM_FRAME) {
      this.#libc.write(this.fd, frame);
      return;
    }
    const padded = new Uint8Array(MINIMUM_FRAME);
    padded.set(frame);
    this.#libc.write(this.fd, padded);
  }

  /** Frames the kernel dropped because we read too slowly, since the last call. */
  drops(): number {
    const statistics = new Uint8Array(S.bpf_stat.size);
    this.#libc.ioctl(this.fd, C.BIOCGSTATS, statistics);
    const total = u32At(statistics, S.bpf_stat.bs_drop);
    const since = (total - this.#drops) >>> 0;
    this.#drops = total;
    return since;
  }

  close(): void {
    this.#libc.close(this.fd);
  }
}

/** A frame that passed the filter has no other tag than one with a priority. */
function untagged(frame: Uint8Array): Uint8Array {
  if (((frame[12] ?? 0) << 8) + (frame[13] ?? 0) !== TAGGED) return frame;
  frame.copyWithin(TAG_LENGTH, 0, ETHERNET_HEADER - 2);
  return frame.subarray(TAG_LENGTH);
}
