/**
 * The line of the native pair, as a program: a learning switch between the interfaces that it is given, over BPF, and a
 * witness of what was said on it. It changes no frame.
 *
 *     node line.js CAPTURE PORT...     a line on standard input is answered with `LineReport` as one line of JSON;
 *                                      the line `begin` starts the counts anew
 *
 * CAPTURE gets what is worth reading afterwards, discovery and PPP's control packets, in the format of pcap.
 */
import { closeSync, openSync, writeSync } from 'node:fs';
import { SystemError, type Libc } from '@ppp-thing/helper/libc';
import type { Loop } from '@ppp-thing/helper/loop';
import { LearningSwitch, type SwitchOutput } from '@ppp-thing/lab/line/switch';
import type { Instant } from '@ppp-thing/protocol/time';
import { BpfPort } from './bpf-port.ts';
import { runProgram } from './program.ts';

export interface LineReport {
  readonly frames: number;
  readonly padi: number;
  /** Sent by anybody, to anybody. */
  readonly padt: number;
  /** SESSION_IDs granted by a PADS, oldest first. */
  readonly granted: readonly number[];
  /** Terminate-Requests of LCP. */
  readonly terminates: number;
  /** Times a MAC address was heard behind another port than before. */
  readonly moved: number;
  /** Frames that could not be written: the other end was down. */
  readonly lost: number;
}

const ETHERNET_HEADER = 14;
const DISCOVERY = 0x8863;
const SESSION = 0x8864;
const CODE = { padi: 0x09, pads: 0x65, padt: 0xa7 } as const;
const LCP = 0xc021;
const TERMINATE_REQUEST = 5;
const LOWEST_CONTROL_PROTOCOL = 0x8000;

const u16 = (frame: Uint8Array, at: number): number =>
  ((frame[at] ?? 0) << 8) | (frame[at + 1] ?? 0);

/** What is seen of the frames of the line. */
export class Observed {
  #frames = 0;
  #padi = 0;
  #padt = 0;
  #terminates = 0;
  readonly #granted: number[] = [];
  moved = 0;
  lost = 0;

  /** Whether the frame is worth keeping: discovery and control, no data. */
  see(frame: Uint8Array): boolean {
    this.#frames++;
    const type = u16(frame, 12);
    if (type === DISCOVERY) {
      const code = frame[ETHERNET_HEADER + 1];
      const id = u16(frame, ETHERNET_HEADER + 2);
      if (code === CODE.padi) this.#padi++;
      if (code === CODE.padt) this.#padt++;
      if (code === CODE.pads && id !== 0) this.#granted.push(id);
      return true;
    }
    if (type !== SESSION) return false;
    const protocol = u16(frame, ETHERNET_HEADER + 6);
    if (protocol === LCP && frame[ETHERNET_HEADER + 8] === TERMINATE_REQUEST) this.#terminates++;
    return protocol >= LOWEST_CONTROL_PROTOCOL;
  }

  report(): LineReport {
    return {
      frames: this.#frames,
      padi: this.#padi,
      padt: this.#padt,
      granted: [...this.#granted],
      terminates: this.#terminates,
      moved: this.moved,
      lost: this.lost,
    };
  }
}

/** A file of pcap: LINKTYPE_ETHERNET, microseconds, this machine's order of octets. */
export class Capture {
  readonly #fd: number;

  constructor(path: string) {
    this.#fd = openSync(path, 'w');
    const header = Uint32Array.of(0xa1b2c3d4, 0x0004_0002, 0, 0, 65_535, 1);
    writeSync(this.#fd, new Uint8Array(header.buffer));
  }

  write(frame: Uint8Array): void {
    const now = performance.timeOrigin + performance.now();
    const seconds = Math.floor(now / 1000);
    const micros = Math.floor((now - seconds * 1000) * 1000);
    const record = Uint32Array.of(seconds, micros, frame.length, frame.length);
    writeSync(this.#fd, new Uint8Array(record.buffer));
    writeSync(this.#fd, frame);
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** The switch at work. */
export interface Line {
  report(): LineReport;
  /** Count from now on. */
  begin(): void;
  close(): void;
}

/**
 * Join interfaces, each by its other end.
 *
 * @param keep  each frame of discovery and control, as it came
 */
export function joinPorts(
  libc: Libc,
  loop: Loop,
  names: readonly string[],
  keep: (frame: Uint8Array) => void,
): Line {
  const now = (): Instant => loop.now() as Instant;
  const fabric = new LearningSwitch(names);
  const ports = new Map<string, BpfPort>();
  let observed = new Observed();
  const perform = (output: SwitchOutput): void => {
    if (output.kind === 'moved') {
      observed.moved++;
      return;
    }
    try {
      ports.get(output.port)?.send(output.frame);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      observed.lost++;
    }
  };
  for (const port of names) {
    const hear = (frame: Uint8Array): void => {
      if (observed.see(frame)) keep(frame);
      for (const output of fabric.handle({ kind: 'frame', port, frame }, now())) perform(output);
    };
    ports.set(port, new BpfPort(libc, loop, port, hear));
  }
  return {
    report: () => observed.report(),
    begin: () => void (observed = new Observed()),
    close() {
      for (const port of ports.values()) port.close();
    },
  };
}

await runProgram(import.meta.url, (libc, loop) => {
  const [, , file, ...names] = process.argv;
  if (file === undefined || names.length === 0) throw new Error('usage: line.js CAPTURE PORT...');
  const capture = new Capture(file);
  const line = joinPorts(libc, loop, names, (frame) => capture.write(frame));
  return {
    answer(word) {
      if (word === 'begin') line.begin();
      return line.report();
    },
    close() {
      line.close();
      capture.close();
    },
  };
});
