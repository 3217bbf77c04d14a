/**
 * The real system behind a fake process: Unix stream sockets, pipes and files, with FreeBSD's numbers and layouts turned
 * into those of the system this runs on.
 */
import { loadLibc, type Libc, type PollEntry } from '@ppp-thing/helper/libc';
import { POLLIN } from '@ppp-thing/helper/unix';
import type { HostSystem } from './process.ts';

/** FreeBSD's numbers, and Linux's. */
const SEQUENCE = { nonblock: [4, 0x800], noSignal: [0x20000, 0x4000] } as const;
const F_SETFL = 4;
const F_GETFL = 3;

export class RealSystem implements HostSystem {
  readonly libc: Libc;
  readonly #isLinux: boolean;

  static async load(): Promise<RealSystem> {
    return new RealSystem(await loadLibc());
  }

  constructor(libc: Libc) {
    this.libc = libc;
    this.#isLinux = libc.platform === 'linux';
  }

  /** sockaddr_un without its length octet. */
  #address(address: Uint8Array): Uint8Array {
    if (!this.#isLinux) return address;
    const translated = address.slice();
    translated.set([address[1] ?? 0, 0]);
    return translated;
  }

  socket(domain: number, type: number, protocol: number): number {
    return this.libc.socket(domain, type & 0xff, protocol);
  }

  bind(fd: number, address: Uint8Array): void {
    this.libc.bind(fd, this.#address(address));
  }

  connect(fd: number, address: Uint8Array): void {
    this.libc.connect(fd, this.#address(address));
  }

  send(fd: number, data: Uint8Array, flags: number, to?: Uint8Array): number {
    const [theirs, linux] = SEQUENCE.noSignal;
    const isSilent = (flags & theirs) !== 0;
    const own = this.#isLinux && isSilent ? linux : flags;
    return this.libc.sendto(fd, data, own, to && this.#address(to));
  }

  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
    this.libc.setsockopt(fd, level, option, value);
  }

  fcntl(fd: number, command: number, argument: number): number {
    if (!this.#isLinux) return this.libc.fcntl(fd, command, argument);
    const [theirs, linux] = SEQUENCE.nonblock;
    const swap = (flags: number, from: number, to: number): number =>
      (flags & from) === 0 ? flags : (flags & ~from) | to;
    const asked = command === F_SETFL ? swap(argument, theirs, linux) : argument;
    const answer = this.libc.fcntl(fd, command, asked);
    return command === F_GETFL ? swap(answer, linux, theirs) : answer;
  }

  async poll(
    entries: readonly PollEntry[],
    timeoutMs: number,
    onWake: (wake: () => void) => void,
  ): Promise<number> {
    if (timeoutMs === 0) return this.libc.poll(entries, 0);
    const [read, write] = this.libc.pipe();
    const wake = { fd: read, events: POLLIN, revents: 0 };
    let isOver = false;
    onWake(() => void (isOver || this.libc.write(write, new Uint8Array(1))));
    try {
      const found = await this.libc.poll([wake, ...entries], timeoutMs);
      return found - (wake.revents === 0 ? 0 : 1);
    } finally {
      isOver = true;
      this.libc.close(read);
      this.libc.close(write);
    }
  }
}
