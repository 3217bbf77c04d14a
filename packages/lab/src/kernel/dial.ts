/**
 * Dialling on a slow line, run in the guest: stock pppd and ours against the same Access Concentrator, one after the
 * other at each round trip that netem makes. It writes what each cost to `dial.json`; the capture is the host's to read.
 *
 * Usage: node dial.js ROUND_TRIP_MS...
 */
import { writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { acLogLength, prepareAc, readAcLog, startAc, stockClient, type AcLog } from './ac.ts';
import { startCapture } from './capture.ts';
import { buildNetwork, inside, port, SESSION_MAC } from './net.ts';
import { Router } from './router.ts';
import { pause, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

/** One dial, as the Access Concentrator saw it, and when it took place, seconds since 1970. */
export interface Dial {
  readonly client: 'stock' | 'ours';
  /** From where it dialled. */
  readonly mac: string;
  readonly roundTripMs: number;
  readonly from: number;
  readonly to: number;
  readonly ac: AcLog;
}

/** A dial takes about ten round trips; a link that begins anew goes on doing so, which is what is looked for. */
const patience = (roundTripMs: number): number => 20_000 + 12 * roundTripMs;
const watched = (roundTripMs: number): number => 4000 + 4 * roundTripMs;

const started = performance.now();
const say = (text: string): void => {
  const seconds = ((performance.now() - started) / 1000).toFixed(2).padStart(7);
  console.log(`[${seconds}] ${text}`);
};
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
await buildNetwork();
await prepareAc('chap', 60);
const stopCapture = await startCapture('line.pcap');
const ac = startAc();
const dials: Dial[] = [];
const shown = await execa('ip', ['-n', 'stock', '-json', 'link', 'show', 'eth0']);
const [{ address: stockMac }] = JSON.parse(shown.stdout) as [{ address: string }];

async function measure(client: Dial['client'], roundTripMs: number, end: () => Promise<void>) {
  const log = await acLogLength();
  const from = now();
  const up = async (): Promise<boolean> => (await readAcLog(log)).opened > 0;
  const took = await until(`${client} at ${roundTripMs} ms`, patience(roundTripMs), up).catch(
    () => undefined,
  );
  await pause(watched(roundTripMs));
  const seen = await readAcLog(log);
  const mac = client === 'ours' ? SESSION_MAC : stockMac;
  const dial: Dial = { client, mac, roundTripMs, from, to: now(), ac: seen };
  dials.push(dial);
  say(`${client}, ${roundTripMs} ms: up after ${took ?? '–'} ms, opened ${seen.opened} times`);
  await end();
  // The AC's pppd must be gone before the next one dials.
  await pause(2000 + 2 * roundTripMs);
}

async function stock(roundTripMs: number): Promise<void> {
  const words = stockClient('eth0').filter((word) => word !== 'lcp-restart' && word !== '1');
  const pppd = execa('ip', inside('stock', 'pppd', ...words), {
    stdin: 'ignore',
    stdout: { file: `${GUEST_RESULT}/stock-${roundTripMs}.log` },
    stderr: 'ignore',
    reject: false,
  });
  await measure('stock', roundTripMs, async () => {
    pppd.kill('SIGTERM');
    await pppd;
  });
}

const r1 = new Router('r1');
await r1.prepare('chap', 'ab'.repeat(32));
await r1.startAll();
await until('our first session', 60_000, async () => (await r1.kernel()).sessionId !== undefined);
say('our router has dialled without a delay');
const hangUp = async (): Promise<void> => void (await r1.ctl('disconnect'));
await hangUp();

for (const roundTripMs of process.argv.slice(2).map(Number)) {
  await delay(roundTripMs);
  await stock(roundTripMs);
  // What was short-lived is a failure to the back-off, which an operator's connect does not wait for.
  const { text } = await r1.ctl('connect');
  if (text.trim() !== '') say(text.trim());
  await measure('ours', roundTripMs, hangUp);
}

await stopCapture();
await writeFile(`${GUEST_RESULT}/dial.json`, JSON.stringify(dials));
ac.kill('SIGKILL');
process.exit(0);
