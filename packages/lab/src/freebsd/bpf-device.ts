/**
 * /dev/bpf: a descriptor with its buffer, filters, direction and lock, as ioctl(2), read(2) and write(2) see it.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { at, c, fail } from './abi.ts';
import { compile } from './bpf-machine.ts';
import type { Interfaces, NetInterface, Tap } from './interfaces.ts';
import { cstring, set16, set32, u32 } from './octets.ts';

type Filter = (frame: Uint8Array) => number;

const everything: Filter = () => 0xffffffff;
const HEADER = 26;
const ALIGNMENT = 8;
const SMALLEST_FRAME = 14;
const DEFAULT_BUFFER = 4096;
/** What net.bpf.maxbufsize is where nobody changed it. */
export const LARGEST_BUFFER = 512 * 1024;
const IN = 0;
const INOUT = 1;

/** What a locked descriptor still allows. */
const LOCK_ALLOWS = new Set(
  ['BIOCIMMEDIATE', 'BIOCFLUSH', 'BIOCGSTATS', 'BIOCGBLEN', 'BIOCLOCK'].map(c),
);

export class BpfDescriptor implements Tap {
  readonly #interfaces: Interfaces;
  readonly #largestBuffer: number;
  #line: NetInterface | undefined;
  #queue: Uint8Array[] = [];
  #room = DEFAULT_BUFFER;
  #read: Filter = everything;
  #write: Filter | undefined;
  #direction = INOUT;
  #isLocked = false;
  #isComplete = false;
  #isImmediate = false;
  #received = 0;
  #dropped = 0;
  isPromiscuous = false;
  /** A frame is there to be read. */
  ready: () => void = () => {};

  constructor(interfaces: Interfaces, largestBuffer = LARGEST_BUFFER) {
    this.#interfaces = interfaces;
    this.#largestBuffer = largestBuffer;
  }

  /** Its interface has gone, and no other will take its place. */
  get isDetached(): boolean {
    return this.#line !== undefined && !this.#interfaces.all().includes(this.#line);
  }

  get isReadable(): boolean {
    return this.isDetached || (this.#isImmediate && this.#queue.length > 0);
  }

  frame(frame: Uint8Array, direction: 'in' | 'out'): void {
    if (direction === 'out' && this.#direction === IN) return;
    this.#received++;
    const length = Math.min(this.#read(frame), frame.length);
    if (length === 0) return;
    const used = this.#queue.reduce((sum, each) => sum + padded(HEADER + each.length), 0);
    if (used + padded(HEADER + length) > this.#room) {
      this.#dropped++;
      return;
    }
    this.#queue.push(frame.slice(0, length));
    this.ready();
  }

  read(into: Uint8Array): number {
    if (into.length !== this.#room) fail('EINVAL');
    if (this.isDetached && this.#queue.length === 0) fail('ENXIO');
    if (!this.isReadable) return -1;
    const records = this.#queue.map((frame, i) => {
      const isLast = i === this.#queue.length - 1;
      const length = HEADER + frame.length;
      const record = new Uint8Array(isLast ? length : padded(length));
      set32(record, at('bpf_hdr', 'bh_caplen'), frame.length);
      set32(record, at('bpf_hdr', 'bh_caplen') + 4, frame.length);
      set16(record, at('bpf_hdr', 'bh_hdrlen'), HEADER);
      record.set(frame, HEADER);
      return record;
    });
    this.#queue = [];
    const octets = concat(...records);
    into.set(octets);
    return octets.length;
  }

  write(frame: Uint8Array): number {
    const line = this.#line ?? fail('ENXIO');
    if (this.isDetached) fail('ENXIO');
    if (frame.length < SMALLEST_FRAME || frame.length > line.mtu + SMALLEST_FRAME) fail('EMSGSIZE');
    if (this.#write !== undefined && this.#write(frame) === 0) fail('EPERM');
    const sent = frame.slice();
    if (!this.#isComplete) sent.set(line.mac, 6);
    if (!line.isUp) fail('ENETDOWN');
    line.transmit(sent);
    return frame.length;
  }

  ioctl(request: number, argument: Uint8Array, pointed: Uint8Array | undefined): void {
    if (this.#isLocked && !LOCK_ALLOWS.has(request)) fail('EPERM');
    const value = (): number => u32(argument, 0);
    const program = (): Filter =>
      compile(pointed ?? fail('EFAULT'), u32(argument, at('bpf_program', 'bf_len')));
    switch (request) {
      case c('BIOCGBLEN'):
        return set32(argument, 0, this.#room);
      case c('BIOCSBLEN'):
        if (this.#line !== undefined) fail('EINVAL');
        this.#room = Math.min(value(), this.#largestBuffer);
        return set32(argument, 0, this.#room);
      case c('BIOCSETIF'):
        return this.#setInterface(cstring(argument, 0, 16));
      case c('BIOCSHDRCMPLT'):
        this.#isComplete = value() !== 0;
        return;
      case c('BIOCIMMEDIATE'):
        this.#isImmediate = value() !== 0;
        return;
      case c('BIOCSDIRECTION'):
        this.#direction = value();
        return;
      case c('BIOCSETFNR'):
        this.#read = program();
        return;
      case c('BIOCSETWF'):
        this.#write = program();
        return;
      case c('BIOCPROMISC'):
        this.isPromiscuous = true;
        return;
      case c('BIOCFLUSH'):
        this.#queue = [];
        this.#received = 0;
        this.#dropped = 0;
        return;
      case c('BIOCLOCK'):
        this.#isLocked = true;
        return;
      case c('BIOCGSTATS'):
        set32(argument, at('bpf_stat', 'bs_recv'), this.#received);
        return set32(argument, at('bpf_stat', 'bs_drop'), this.#dropped);
      default:
        fail('EINVAL');
    }
  }

  #setInterface(name: string): void {
    this.close();
    this.#line = this.#interfaces.get(name);
    this.#line.taps.add(this);
  }

  close(): void {
    this.#line?.taps.delete(this);
  }
}

const padded = (length: number): number => Math.ceil(length / ALIGNMENT) * ALIGNMENT;
