/**
 * The lab's Access Concentrator on a real interface, as a program. It pings the address that it gave away, through the session,
 * ten times a second, and forwards IPv4 between the session and a tun(4) interface, whose kernel does the rest.
 *
 *     node lab-ac.js PORT USER PASSWORD [/dev/tunN]
 *
 * A line on standard input is answered with `AcReport` as one line of JSON.
 */
import { randomBytes } from 'node:crypto';
import { C } from '@ppp-thing/helper/freebsd/abi';
import { attempt } from '@ppp-thing/helper/freebsd/errors';
import { SystemError, type Libc } from '@ppp-thing/helper/libc';
import type { Loop } from '@ppp-thing/helper/loop';
import { Queue, Runner } from '@ppp-thing/lab/demo/clock';
import { AccessConcentrator, type AcEvent, type AcOutput } from '@ppp-thing/lab/line/ac';
import { ORDINARY, type AcConfig } from '@ppp-thing/lab/line/ac-config';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import { BpfPort } from './bpf-port.ts';
import { runProgram } from './program.ts';

export interface AcReport {
  /** SESSION_IDs that data flows in. */
  readonly sessions: readonly number[];
  /** LCP negotiations begun: a session that moves has one. */
  readonly negotiations: number;
  readonly pings: number;
  readonly pongs: number;
  /** What the routers did that the RFCs forbid. */
  readonly violations: readonly string[];
}

const PING_MS = 100;
const ETHERNET_MINIMUM = 60;
const POLLIN = 1;
const LARGEST_PACKET = 65_535;

export const configOf = (user: string, password: string): AcConfig => ({
  ...ORDINARY,
  mac: Uint8Array.of(2, 0, 0, 0, 0, 0xac),
  name: 'labac',
  passwords: new Map([[user, password]]),
  address: Uint8Array.of(100, 64, 0, 1),
  pool: [Uint8Array.of(100, 64, 0, 11), Uint8Array.of(100, 64, 0, 12)],
  hashes: systemHashes,
  random: (length) => new Uint8Array(randomBytes(length)),
});

/** A tun(4) as a program has it: IPv4 packets without a header of its own. */
class Tun {
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #fd: number;

  constructor(libc: Libc, loop: Loop, device: string, hear: (packet: Uint8Array) => void) {
    this.#libc = libc;
    this.#loop = loop;
    this.#fd = attempt('open', device, () => libc.open(device, C.O_RDWR | C.O_NONBLOCK));
    const room = new Uint8Array(LARGEST_PACKET);
    loop.watch(this.#fd, POLLIN, () => hear(room.slice(0, libc.read(this.#fd, room))));
  }

  send(packet: Uint8Array): void {
    this.#libc.write(this.#fd, packet);
  }

  close(): void {
    this.#loop.unwatch(this.#fd);
    this.#libc.close(this.#fd);
  }
}

/** The Access Concentrator at work. */
export interface Serving {
  report(): AcReport;
  close(): void;
}

/**
 * Serve on an interface.
 *
 * @param say     what would be in its log
 * @param device  of a tun(4) that is up; without one nothing is forwarded
 */
export function serveAc(
  libc: Libc,
  loop: Loop,
  interfaceName: string,
  config: AcConfig,
  say: (line: string) => void,
  device?: string,
): Serving {
  const violations: string[] = [];
  let pings = 0;
  let pongs = 0;
  const send = (packet: Uint8Array): void => {
    const frame = new Uint8Array(Math.max(ETHERNET_MINIMUM, packet.length));
    frame.set(packet);
    try {
      port.send(frame);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      say(`send: ${error.message}`);
    }
  };
  const perform = (output: AcOutput): void => {
    if (output.kind === 'send') return send(output.frame);
    if (output.kind === 'pong') return void pongs++;
    if (output.kind === 'packet') return tun?.send(output.packet);
    say(JSON.stringify(output));
    if (output.kind === 'violation') violations.push(output.text);
  };
  const ac = new AccessConcentrator(config);
  const runner = new Runner<AcEvent, AcOutput>(ac, new Queue(), perform);
  const hear = (frame: Uint8Array): void => runner.feed({ kind: 'frame', frame });
  const port = new BpfPort(libc, loop, interfaceName, hear);
  const forward = (packet: Uint8Array): void => runner.feed({ kind: 'packet', packet });
  const tun = device === undefined ? undefined : new Tun(libc, loop, device, forward);
  const stopPinging = loop.every(PING_MS, () => {
    if (![...ac.sessions.values()].includes(true)) return;
    pings++;
    runner.feed({ kind: 'ping', sequence: pings & 0xffff });
  });
  return {
    report: () => ({
      sessions: [...ac.sessions].filter(([, isUp]) => isUp).map(([id]) => id),
      negotiations: ac.negotiations,
      pings,
      pongs,
      violations,
    }),
    close() {
      stopPinging();
      runner.stop();
      port.close();
      tun?.close();
    },
  };
}

await runProgram(import.meta.url, (libc, loop, say) => {
  const [, , name, user, password, device] = process.argv;
  if (name === undefined || user === undefined || password === undefined)
    throw new Error('usage: lab-ac.js PORT USER PASSWORD [/dev/tunN]');
  const serving = serveAc(libc, loop, name, configOf(user, password), say, device);
  return { answer: () => serving.report(), close: () => serving.close() };
});
