/**
 * The lab's Access Concentrator on a real interface, as a program: stands in where pppoed(8) and ppp(8) cannot run. It
 * forwards nothing; it pings the address that it gave away, through the session, ten times a second.
 *
 *     node lab-ac.js PORT USER PASSWORD     a line on standard input is answered with `AcReport` as one line of JSON
 */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { loadLibc, SystemError } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { Queue, Runner } from '@ppp-thing/lab/embedded/clock';
import { AccessConcentrator, type AcEvent, type AcOutput } from '@ppp-thing/lab/sim/ac';
import { PATIENT, RESTART, type AcConfig } from '@ppp-thing/lab/sim/ac-config';
import { millis } from '@ppp-thing/protocol/time';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import { BpfPort } from './bpf-port.ts';

export interface AcReport {
  /** SESSION_IDs that data flows in. */
  readonly sessions: readonly number[];
  /** LCP negotiations begun: a session that moves has one. */
  readonly negotiations: number;
  readonly pings: number;
  readonly pongs: number;
  /** How long pings have been answered without a break, milliseconds; 0 in a break. */
  readonly steadyMs: number;
  /** What the routers did that the RFCs forbid. */
  readonly violations: readonly string[];
}

const PING_MS = 100;
/** A silence as long as this is a break. */
const BREAK_MS = 500;
const ETHERNET_MINIMUM = 60;

const configOf = (user: string, password: string): AcConfig => ({
  mac: Uint8Array.of(2, 0, 0, 0, 0, 0xac),
  name: 'labac',
  services: [''],
  auth: 'CHAP-MD5',
  passwords: new Map([[user, password]]),
  address: Uint8Array.of(100, 64, 0, 1),
  pool: [Uint8Array.of(100, 64, 0, 11), Uint8Array.of(100, 64, 0, 12)],
  dns: [],
  ipv6: false,
  maxPayload: 1492,
  // As patient as many: gone after a minute.
  echo: { interval: millis(10_000), failures: 6, dataCheck: false },
  pppDelay: millis(100),
  restart: RESTART,
  hashes: systemHashes,
  random: (length) => new Uint8Array(randomBytes(length)),
  temper: PATIENT,
});

async function main([name, user, password]: readonly string[]): Promise<void> {
  if (name === undefined || user === undefined || password === undefined)
    throw new Error('usage: lab-ac.js PORT USER PASSWORD');
  const libc = await loadLibc();
  const say = (line: string): void => void process.stderr.write(`ac: ${line}\n`);
  const loop = createLoop(libc, () => performance.now(), say);
  const violations: string[] = [];
  let pings = 0;
  let pongs = 0;
  let lastPong = 0;
  let steadySince = 0;
  const perform = (output: AcOutput): void => {
    if (output.kind === 'send') {
      const frame = new Uint8Array(Math.max(ETHERNET_MINIMUM, output.frame.length));
      frame.set(output.frame);
      try {
        port.send(frame);
      } catch (error) {
        if (!(error instanceof SystemError)) throw error;
        say(`send: ${error.message}`);
      }
      return;
    }
    if (output.kind === 'pong') {
      pongs++;
      const now = performance.now();
      if (now - lastPong > BREAK_MS) steadySince = now;
      lastPong = now;
      return;
    }
    say(JSON.stringify(output));
    if (output.kind === 'violation') violations.push(output.text);
  };
  const ac = new AccessConcentrator(configOf(user, password));
  const runner = new Runner<AcEvent, AcOutput>(ac, new Queue(), perform);
  const port = new BpfPort(libc, loop, name, (frame) => runner.feed({ kind: 'frame', frame }));
  const pinging = setInterval(() => {
    if (![...ac.sessions.values()].includes(true)) return;
    pings++;
    runner.feed({ kind: 'ping', sequence: pings & 0xffff });
  }, PING_MS);

  const report = (): AcReport => {
    const now = performance.now();
    return {
      sessions: [...ac.sessions].filter(([, isUp]) => isUp).map(([id]) => id),
      negotiations: ac.negotiations,
      pings,
      pongs,
      steadyMs: now - lastPong > BREAK_MS ? 0 : Math.round(now - steadySince),
      violations,
    };
  };
  let stopped = false;
  const stop = (): void => loop.wake(() => void (stopped = true));
  for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, stop);
  const input = createInterface({ input: process.stdin });
  input.on('line', () => process.stdout.write(`${JSON.stringify(report())}\n`));
  input.on('close', stop);
  process.stdout.write(`${JSON.stringify(report())}\n`);
  await loop.run(() => stopped);
  clearInterval(pinging);
  runner.stop();
  port.close();
  loop.close();
}

await main(process.argv.slice(2));
