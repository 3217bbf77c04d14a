/**
 * One end of an Ethernet cable in a program's hands: a BPF descriptor that reads every frame that arrives on an interface,
 * whatever its destination, and writes frames as they are. It reads nothing of them.
 */
import { C, S, SEEN } from '@ppp-thing/helper/freebsd/abi';
import { attempt } from '@ppp-thing/helper/freebsd/errors';
import { ifreq } from '@ppp-thing/helper/freebsd/interface';
import { int, u16At, u32At } from '@ppp-thing/helper/freebsd/octets';
import type { Libc } from '@ppp-thing/helper/libc';
import type { Loop } from '@ppp-thing/helper/loop';

/** _IO('B', 105); the helper has no use for it. */
const BIOCPROMISC = 0x20004269;
const POLLIN = 1;
const BUFFER = 32 * 1024;
/** The next record begins at a multiple of this after header and frame. */
const ALIGNMENT = 8;

export class BpfPort {
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #fd: number;
  readonly #room = new Uint8Array(BUFFER);

  /** @param hear  each frame that came from the other end; it may be kept. Throws BackendError. */
  constructor(libc: Libc, loop: Loop, interfaceName: string, hear: (frame: Uint8Array) => void) {
    this.#libc = libc;
    this.#loop = loop;
    const fd = attempt('open', '/dev/bpf', () => libc.open('/dev/bpf', C.O_RDWR | C.O_NONBLOCK), {
      ENOENT: "a jail's devfs rules must unhide bpf",
    });
    this.#fd = fd;
    attempt('open bpf on', interfaceName, () => {
      libc.ioctl(fd, C.BIOCSBLEN, int(BUFFER));
      libc.ioctl(fd, C.BIOCSETIF, ifreq(interfaceName));
      libc.ioctl(fd, C.BIOCSHDRCMPLT, int(1));
      libc.ioctl(fd, C.BIOCIMMEDIATE, int(1));
      libc.ioctl(fd, C.BIOCSDIRECTION, int(SEEN.BPF_D_IN));
      libc.ioctl(fd, BIOCPROMISC, 0);
    });
    loop.watch(fd, POLLIN, () => this.#read(hear));
  }

  #read(hear: (frame: Uint8Array) => void): void {
    const length = this.#libc.read(this.#fd, this.#room);
    const { size, bh_caplen, bh_hdrlen } = S.bpf_hdr;
    for (let at = 0; at + size <= length;) {
      const captured = u32At(this.#room, at + bh_caplen);
      const header = u16At(this.#room, at + bh_hdrlen);
      hear(this.#room.slice(at + header, at + header + captured));
      at += Math.ceil((header + captured) / ALIGNMENT) * ALIGNMENT;
    }
  }

  /** Throws SystemError: ENETDOWN where the interface is down. */
  send(frame: Uint8Array): void {
    this.#libc.write(this.#fd, frame);
  }

  close(): void {
    this.#loop.unwatch(this.#fd);
    this.#libc.close(this.#fd);
  }
}
