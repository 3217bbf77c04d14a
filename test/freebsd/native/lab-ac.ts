/**
 * The lab's Access Concentrator on a real interface, as a program: stands in where pppoed(8) and ppp(8) cannot run. It
 * forwards nothing; it pings the address that it gave away, through the session, ten times a second.
 *
 *     node lab-ac.js PORT USER PASSWORD     a line on standard input is answered with `AcReport` as one line of JSON
 */
import { randomBytes } from 'node:crypto';
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

/** The Access Concentrator at work. */
export interface Serving {
  report(): AcReport;
  close(): void;
}

/** Serve on an interface. @param say  what would be in its log */
export function serveAc(
  libc: Libc,
  loop: Loop,
  interfaceName: string,
  config: AcConfig,
  say: (line: string) => void,
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
    say(JSON.stringify(output));
    if (output.kind === 'violation') violations.push(output.text);
  };
  const ac = new AccessConcentrator(config);
  const runner = new Runner<AcEvent, AcOutput>(ac, new Queue(), perform);
  const hear = (frame: Uint8Array): void => runner.feed({ kind: 'frame', frame });
  const port = new BpfPort(libc, loop, interfaceName, hear);
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
    },
  };
}

await runProgram(import.meta.url, (libc, loop, say) => {
  const [, , name, user, password] = process.argv;
  if (name === undefined || user === undefined || password === undefined)
    throw new Error('usage: lab-ac.js PORT USER PASSWORD');
  const serving = serveAc(libc, loop, name, configOf(user, password), say);
  return { answer: () => serving.report(), close: () => serving.close() };
});
