/**
 * Dialling on a slow line, run in the guest: stock pppd and ours against the same Access Concentrator, one after the
 * other at each round trip that netem makes. It writes what each cost to `dial.json`; the capture is the host's to read.
 *
 * Usage: node dial.js [--bars RUNS] ROUND_TRIP_MS... With --bars each is dialled so often, by stock pppd with `lcp-restart 1`
 * too, and against an AC that begins PPP at once as well.
 */
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { parseArgs } from 'node:util';
import {
  acLogLength,
  prepareAc,
  readAcLog,
  startAc,
  startPromptAc,
  stockClient,
  type AcLog,
} from './ac.ts';
import { startCapture } from './capture.ts';
import { noteGround } from './ground.ts';
import { buildNetwork, inside, port, SESSION_MAC } from './net.ts';
import { Router } from './router.ts';
import { pause, say, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

/** One dial, as the Access Concentrator saw it, and when it took place, seconds since 1970. */
export interface Dial {
  readonly client: 'stock' | 'stock, lcp-restart 1' | 'ours';
  readonly acKind: 'late' | 'prompt';
  /** From where it dialled. */
  readonly mac: string;
  readonly roundTripMs: number;
  readonly from: number;
  readonly to: number;
  readonly ac: AcLog;
}

/** A dial takes about ten round trips; a link that begins anew goes on doing so, which is what is looked for. */
/** When it is the time of a dial alone that counts, it is watched no longer than to see whether it stays. */
const WATCHED_BARS = 1000;
const patience = (roundTripMs: number): number => 20_000 + 12 * roundTripMs;
const watched = (roundTripMs: number): number => 4000 + 4 * roundTripMs;

const now = (): number => Date.now() / 1000;

/** Half of it on the way to the AC, half on the way back. */
async function delay(roundTripMs: number): Promise<void> {
  const half = `${roundTripMs / 2}ms`;
  const words = ['tc', 'qdisc', 'replace', 'dev'];
  await execa('ip', inside('ac', ...(words as ['tc']), 'eth0', 'root', 'netem', 'delay', half));
  const toAc = port('ac', 'eth0');
  await execa('ip', inside('sw', ...(words as ['tc']), toAc, 'root', 'netem', 'delay', half));
}

await execa('modprobe', ['sch_netem'], { reject: false });
await noteGround();
await buildNetwork();
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { bars: { type: 'string', default: '0' } },
});
const bars = Number(values.bars);
await prepareAc('chap', 60);
const stopCapture = await startCapture('line.pcap');
let acKind: Dial['acKind'] = 'late';
let ac = startAc();
const dials: Dial[] = [];
const shown = await execa('ip', ['-n', 'stock', '-json', 'link', 'show', 'eth0']);
const [{ address: stockMac }] = JSON.parse(shown.stdout) as [{ address: string }];

/** @param begin  dials; @returns what ends the session */
async function measure(
  client: Dial['client'],
  roundTripMs: number,
  begin: () => Promise<() => Promise<void>>,
): Promise<void> {
  const log = await acLogLength();
  const from = now();
  const end = await begin();
  const up = async (): Promise<boolean> => (await readAcLog(log)).opened > 0;
  const took = await until(`${client} at ${roundTripMs} ms`, patience(roundTripMs), up).catch(
    () => undefined,
  );
  await pause(bars > 0 ? WATCHED_BARS : watched(roundTripMs));
  const seen = await readAcLog(log);
  const mac = client === 'ours' ? SESSION_MAC : stockMac;
  const dial: Dial = { client, acKind, mac, roundTripMs, from, to: now(), ac: seen };
  dials.push(dial);
  say(`${client}, ${roundTripMs} ms: up after ${took ?? '–'} ms, opened ${seen.opened} times`);
  await end();
  // The AC's pppd must be gone before the next one dials.
  await pause((bars > 0 ? 1000 : 2000) + 2 * roundTripMs);
}

async function stock(roundTripMs: number, client: Exclude<Dial['client'], 'ours'>): Promise<void> {
  const isQuick = (word: string): boolean => word === 'lcp-restart' || word === '1';
  const words = stockClient('eth0').filter((word) => client !== 'stock' || !isQuick(word));
  await measure(client, roundTripMs, async () => {
    const pppd = execa('ip', inside('stock', 'pppd', ...words), {
      stdin: 'ignore',
      stdout: { file: `${GUEST_RESULT}/stock-${roundTripMs}.log` },
      stderr: 'ignore',
      reject: false,
    });
    return async () => {
      pppd.kill('SIGTERM');
      await pppd;
    };
  });
}

const r1 = new Router('r1');
await r1.prepare('chap', 'ab'.repeat(32));
await r1.startAll();
await until('our first session', 60_000, async () => (await r1.kernel()).sessionId !== undefined);
say('our router has dialled without a delay');
const hangUp = (): Promise<void> => r1.operate('disconnect');
await hangUp();

async function ours(roundTripMs: number): Promise<void> {
  await measure('ours', roundTripMs, async () => {
    // What was short-lived is a failure to the back-off, which an operator's connect does not wait for.
    await r1.operate('connect');
    return hangUp;
  });
}

async function dialAll(): Promise<void> {
  for (const roundTripMs of positionals.map(Number)) {
    await delay(roundTripMs);
    for (let i = 0; i < Math.max(1, bars); i++) {
      await stock(roundTripMs, 'stock');
      if (bars > 0) await stock(roundTripMs, 'stock, lcp-restart 1');
      await ours(roundTripMs);
    }
  }
}

await dialAll();
if (bars > 0) {
  ac.kill('SIGKILL');
  await ac;
  acKind = 'prompt';
  ac = startPromptAc();
  await pause(2000);
  await dialAll();
}
await stopCapture();
await writeFile(`${GUEST_RESULT}/dial.json`, JSON.stringify(dials));
ac.kill('SIGKILL');
process.exit(0);
