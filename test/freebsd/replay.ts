/**
 * Plays the recorded conversations to a fake kernel: makes each call as it was made and returns the answer, to be laid
 * beside the recorded one. What the recording took for granted (what had been there before, frames on the line) is put in
 * place first.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { toHex } from '@ppp-thing/protocol/bytes';
import { SystemError } from '@ppp-thing/helper/libc';
import { at, c } from '@ppp-thing/lab/freebsd/abi';
import { FakeKernel } from '@ppp-thing/lab/freebsd/kernel';
import { be16, cstring, u16, u32 } from '@ppp-thing/lab/freebsd/octets';
import { FakeProcess } from '@ppp-thing/lab/freebsd/process';

export interface Line {
  readonly part: string;
  readonly who: string;
  readonly op: string;
  readonly fd: string;
  readonly addr?: string;
  readonly from?: string;
  readonly cmd?: string;
  readonly ioctl?: number;
  readonly out?: string;
  readonly in?: string;
  readonly insns?: string;
  readonly pointed?: string;
  readonly errno?: number;
}

/** What a call was answered with: octets in hexadecimal, where they came from, and the number of an errno or 0. */
export interface Answer {
  readonly octets: string;
  readonly from: string;
  readonly errno: number;
}

/** Octets from hexadecimal in which `~N~` stands for N zero octets. */
export function unhex(text: string): Uint8Array {
  const full = text.replace(/~(\d+)~/g, (_, count: string) => '00'.repeat(Number(count)));
  return Uint8Array.from(full.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

const ROOM = 64 * 1024;
const BPF_ROOM = 32 * 1024;
const NAME = 32;
/** A ping and its answer, as 12 of them went unrecorded. */
const PING = unhex('45000024~32~');

/** The interfaces of the recorded routers with their indexes; the session's line comes first. */
const MACHINES = {
  vtnet1: [
    ['vtnet1', 3, '525400006101'],
    ['vtnet4', 4, '525400006104'],
  ],
  vtnet2: [
    ['vtnet2', 4, '525400006102'],
    ['vtnet5', 5, '525400006105'],
  ],
} as const;
const NEXT_INDEX = 6;

interface Message {
  readonly octets: Uint8Array;
  readonly from: string;
}

/** One router in one part of the recording. */
export class Replay {
  readonly kernel = new FakeKernel({ loaded: ['ng_socket', 'ng_ether'] });
  readonly #lines: readonly Line[];
  readonly #line: string;
  readonly #processes = new Map<string, FakeProcess>();
  readonly #fds = new Map<string, number>();
  readonly #events = new Map<number, Message[]>();
  readonly #frames = new Map<number, Uint8Array[]>();
  /** The discovery packet that made the session: to our MAC, from the AC's, with the SESSION_ID. */
  #confirmation: Uint8Array | undefined;
  #mac: Uint8Array | undefined;

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
    const says = (name: string): boolean =>
      lines.some((line) => [line.addr, line.out].some((hex) => hex?.includes(toHex(utf8(name)))));
    this.#line = says('vtnet2') ? 'vtnet2' : 'vtnet1';
    for (const [name, index, mac] of MACHINES[this.#line === 'vtnet2' ? 'vtnet2' : 'vtnet1']) {
      this.kernel.interfaces.nextIndex = index;
      this.kernel.addEther(name, unhex(mac), () => {});
    }
    this.kernel.interfaces.nextIndex = NEXT_INDEX;
    const part = lines[0]?.part;
    if (part !== 'bpf') this.kernel.interfaces.get(this.#line).pPromisc = true;
    if (part === 'ifaddr-route') this.#prepareAddresses();
  }

  /** Make the call at `index`. */
  call(index: number): Answer {
    const line = this.#lines[index];
    if (line === undefined) throw new RangeError(`no line ${index}`);
    this.#prepare(line, index);
    try {
      const { octets, from } = this.#call(line, index);
      return { octets: toHex(octets), from, errno: 0 };
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      return { octets: '', from: '', errno: error.errno };
    }
  }

  /** What happened between the recorded calls. */
  #prepare(line: Line, index: number): void {
    const before = this.#lines[index - 1];
    if (line.part === 'adoption' && line.op === 'socket' && this.#processes.has(line.who)) {
      if (line.fd !== 'control') return;
      this.#kill(line.who);
      for (let i = 0; i < 12; i++) this.#ping();
      this.#fromAc(unhex('c021090700080000beef'));
    }
    if (line.part !== 'bpf') return;
    if (line.op === 'write' && line.errno === c('ENETDOWN'))
      this.kernel.interfaces.get(this.#line).isUp = false;
    // Two frames more than the recording read had passed by the descriptor.
    if (line.cmd === 'BIOCGSTATS') for (let i = 0; i < 2; i++) this.#put(STRANGER);
    // An offer that came while nobody had read it yet.
    if (before?.cmd === 'BIOCFLUSH') this.#pendingOffer = true;
    if (line.who === 'dirin' && this.#pendingOffer) {
      this.#pendingOffer = false;
      const read = this.#lines.slice(index).find(({ op, who }) => op === 'read' && who === 'r1bpf');
      this.#put(unhex(read?.in ?? ''));
    }
  }

  #pendingOffer = false;

  #put(frame: Uint8Array): void {
    this.kernel.interfaces.get(this.#line).receive(frame);
  }

  /** A packet of the session, with its Protocol field, as the AC sends it. */
  #fromAc(packet: Uint8Array): void {
    const confirmation = this.#confirmation;
    if (confirmation === undefined || this.#mac === undefined) return;
    const header = Uint8Array.of(0x88, 0x64, 0x11, 0, ...confirmation.subarray(16, 18));
    const length = Uint8Array.of(packet.length >> 8, packet.length & 0xff);
    this.#put(concat(this.#mac, confirmation.subarray(6, 12), header, length, packet));
  }

  #ping(): void {
    const ng0 = this.kernel.interfaces.get('ng0');
    ng0.isUp = true;
    this.#fromAc(concat(Uint8Array.of(0, 0x21), PING));
    ng0.output(PING, 4);
  }

  /** The part about addresses begins on a router that has its session, its stub and their addresses. */
  #prepareAddresses(): void {
    const { kernel } = this;
    for (const name of ['ng0', 'ng1']) {
      const make = kernel.netgraph.types['iface'];
      const node = make?.(kernel.netgraph);
      if (name === 'ng0' && node !== undefined) kernel.netgraph.rename(node, 'pth_1_if');
    }
    const host = Uint8Array.of(255, 255, 255, 255);
    const lan = kernel.interfaces.get('vtnet4');
    const [own, ac] = [Uint8Array.of(192, 0, 2, 8), Uint8Array.of(100, 64, 0, 1)];
    lan.addresses.push({ address: own, mask: Uint8Array.of(255, 255, 255, 0) });
    const [session, stub] = ['ng0', 'ng1'].map((name) => kernel.interfaces.get(name));
    const ours = Uint8Array.of(100, 64, 0, 11);
    session?.addresses.push({ address: own, destination: ac, mask: host });
    stub?.addresses.push({ address: ours, destination: ours, mask: host });
    for (const line of [session, stub]) if (line !== undefined) line.isUp = true;
  }

  #process(who: string): FakeProcess {
    const present = this.#processes.get(who) ?? new FakeProcess(this.kernel);
    this.#processes.set(who, present);
    return present;
  }

  #kill(who: string): void {
    this.#processes.get(who)?.kill();
    this.#processes.delete(who);
    for (const key of this.#fds.keys()) if (key.startsWith(`${who} `)) this.#fds.delete(key);
  }

  #fd({ who, fd, cmd }: Line): number {
    const key = `${who} ${fd}`;
    const present = this.#fds.get(key);
    // Each recorded descriptor begins by asking for the size of its buffer.
    if (present !== undefined && cmd !== 'BIOCGBLEN') return present;
    const { libc } = this.#process(who);
    if (present !== undefined) libc.close(present);
    const family = fd === 'route' ? c('AF_ROUTE') : c('AF_INET');
    const made = fd === 'bpf' ? libc.open('/dev/bpf', 2) : libc.socket(family, 2, 0);
    this.#fds.set(key, made);
    return made;
  }

  #call(line: Line, index: number): Message {
    const { libc } = this.#process(line.who);
    const out = unhex(line.out ?? '');
    switch (line.op) {
      case 'socket':
        return this.#socket(line, index);
      case 'close':
        libc.close(this.#fd(line));
        this.#fds.delete(`${line.who} ${line.fd}`);
        return NOTHING;
      case 'bind':
        libc.bind(this.#fd(line), out);
        return NOTHING;
      case 'connect':
        libc.connect(this.#fd(line), out);
        return NOTHING;
      case 'sendto':
        this.#note(line, out);
        libc.sendto(this.#fd(line), out, 0, unhex(line.addr ?? ''));
        return line.in === undefined ? NOTHING : this.#reply(line);
      case 'recvfrom':
        return line.fd === 'control' ? this.#event(line) : this.#data(line);
      case 'ioctl':
        return this.#ioctl(line, out);
      case 'read':
        return { octets: this.#frame(line), from: '' };
      case 'write':
        libc.write(this.#fd(line), out);
        return NOTHING;
      default:
        throw new Error(`no such call: ${line.op}`);
    }
  }

  /** The node's number is what the recording finds it to be. */
  #socket(line: Line, index: number): Message {
    const isControl = line.fd === 'control';
    if (isControl && this.#fds.has(`${line.who} control`)) this.#kill(line.who);
    const info = this.#lines
      .slice(index)
      .find(({ who, in: reply }) => who === line.who && (reply ?? '').startsWith('0800000048'));
    const header = at('ng_msghdr', 'size');
    if (isControl && info?.in !== undefined)
      this.kernel.netgraph.nextId = u32(unhex(info.in), header + at('nodeinfo', 'id'));
    const protocol = c(isControl ? 'NG_CONTROL' : 'NG_DATA');
    const { libc } = this.#process(line.who);
    const fd = libc.socket(c('AF_NETGRAPH'), c('SOCK_DGRAM'), protocol);
    this.#fds.set(`${line.who} ${line.fd}`, fd);
    return NOTHING;
  }

  #note({ fd }: Line, out: Uint8Array): void {
    const PADS = 0x65;
    if (fd !== 'data' || be16(out, 12) !== 0x8863 || out[15] !== PADS) return;
    this.#confirmation = out;
    this.#mac ??= out.subarray(0, 6);
  }

  #receive(line: Line): Message | undefined {
    const into = new Uint8Array(ROOM);
    const from = new Uint8Array(2 + NAME);
    const { length } = this.#process(line.who).libc.recvfrom(this.#fd(line), into, 0, from);
    if (length === -1) return undefined;
    return { octets: into.slice(0, length), from: cstring(from, 2, NAME) };
  }

  /** The next message that is an answer; events before it wait. */
  #reply(line: Line): Message {
    const events = this.#events.get(this.#fd(line)) ?? [];
    this.#events.set(this.#fd(line), events);
    for (let message = this.#receive(line); message; message = this.#receive(line)) {
      if (u32(message.octets, at('ng_msghdr', 'flags')) === 1) return { ...message, from: '' };
      events.push(message);
    }
    return NOTHING;
  }

  #event(line: Line): Message {
    return this.#events.get(this.#fd(line))?.shift() ?? this.#receive(line) ?? NOTHING;
  }

  /** Data on a hook; what the kernel does not send by itself came from the AC. */
  #data(line: Line): Message {
    const waiting = this.#receive(line);
    if (waiting !== undefined) return waiting;
    this.#fromAc(unhex(line.in ?? '').subarray(line.from === 'bypass' ? 2 : 0));
    return this.#receive(line) ?? NOTHING;
  }

  #ioctl(line: Line, out: Uint8Array): Message {
    const argument = out.slice();
    const pointed = line.insns ?? line.pointed;
    const pointers = pointed === undefined ? [] : [{ at: 0, to: unhex(pointed) }];
    const request = line.ioctl ?? c(line.cmd ?? '');
    this.#process(line.who).libc.ioctl(this.#fd(line), request, argument, pointers);
    return { octets: line.in === undefined ? NOTHING.octets : argument, from: '' };
  }

  /** One frame; what nobody on this router sent came from the line. */
  #frame(line: Line): Uint8Array {
    const frames = this.#readFrames(line);
    if (frames.length === 0) {
      this.#put(unhex(line.in ?? ''));
      this.#readFrames(line);
    }
    return frames.shift() ?? NOTHING.octets;
  }

  #readFrames(line: Line): Uint8Array[] {
    const fd = this.#fd(line);
    const frames = this.#frames.get(fd) ?? [];
    this.#frames.set(fd, frames);
    const into = new Uint8Array(BPF_ROOM);
    const length = this.#process(line.who).libc.read(fd, into);
    for (let i = 0; i < length;) {
      const captured = u32(into, i + at('bpf_hdr', 'bh_caplen'));
      const header = u16(into, i + at('bpf_hdr', 'bh_hdrlen'));
      frames.push(into.slice(i + header, i + header + captured));
      i += Math.ceil((header + captured) / 8) * 8;
    }
    return frames;
  }
}

const NOTHING: Message = { octets: new Uint8Array(0), from: '' };
const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text);
const STRANGER = unhex('ffffffffffff0200000000010800~46~');
