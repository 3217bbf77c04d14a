/**
 * The kernel lab's programme, run in the guest: build the network, let a stock client dial, start the pair, play the
 * scenes. Lines of the timeline go to standard output as they happen; the results go to the result directory as JSON.
 *
 * Usage: node guest.js [--all] [--auth chap|pap] [--short] [--handoffs N | --kills N]
 */
import { writeFile } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { acLogLength, prepareAc, readAcLog, startAc, stockClient, type Auth } from './ac.ts';
import { LAN_FILTER, startCapture } from './capture.ts';
import { noteGround } from './ground.ts';
import { buildNetwork, inside, INTERNET } from './net.ts';
import { Router, programOf } from './router.ts';
import {
  ALL,
  MAIN,
  POWER_CUT,
  handoffs,
  holderOf,
  isArmed,
  kills,
  play,
  type SceneResult,
} from './scenes.ts';
import { say, Station, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

/** What the guest tells the host, in `guest.json`. */
export interface GuestReport {
  readonly auth: Auth;
  readonly sessionIdBefore: number;
  readonly sessionIdAfter: number;
  readonly acSessions: number;
  readonly acLcpNegotiations: number;
  /** Packets of the LAN that a router's default route would have sent to the other router. */
  readonly sentBack: number;
  readonly scenes: readonly SceneResult[];
}

/** From the start of the pair to a session that carries traffic: starting six programs in a slow guest. */
const START_LIMIT = 40_000;

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    /** This many planned handoffs instead of the scenes, probed a thousand times a second. */
    handoffs: { type: 'string', default: '0' },
    /** The same with kills of the holder's helper. */
    kills: { type: 'string', default: '0' },
    auth: { type: 'string', default: 'chap' },
  },
});
const auth: Auth = values.auth === 'pap' ? 'pap' : 'chap';

/**
 * The AC's echo budget in seconds: 4, which a person will wait for, unless this host is so busy that to start two
 * programs takes longer; a session that then is lost says nothing about ours.
 */
async function echoBudget(): Promise<number> {
  const start = performance.now();
  await execa(process.execPath, [programOf('helper'), '--version']);
  return Math.max(4, Math.ceil(((performance.now() - start) * 8) / 1000));
}

await noteGround();
await buildNetwork();
const budget = await echoBudget();
await prepareAc(auth, budget);
const stopCapture = await startCapture('line.pcap');
const stopLan = await startCapture('lan.pcap', LAN_FILTER, 'lan');
const ac = startAc();
say(`network and Access Concentrator are up: ${auth.toUpperCase()}, echo budget ${budget} s`);

/** Dial with stock pppd and hang up: the capture tells how long it took. */
async function stockDial(): Promise<void> {
  const stock = execa('ip', inside('stock', 'pppd', ...stockClient('eth0')), {
    stdin: 'ignore',
    stdout: { file: `${GUEST_RESULT}/stock.log` },
    stderr: 'ignore',
    reject: false,
  });
  const up = await until('stock pppd', 20_000, async () => (await readAcLog()).opened > 0);
  say(`stock pppd has dialled, ${up} ms after its start`);
  stock.kill('SIGTERM');
  await stock;
}
await stockDial();
const logFrom = await acLogLength();

const r1 = new Router('r1');
const r2 = new Router('r2');
const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex');
for (const router of [r1, r2]) await router.prepare(auth, key);
const server = new Station('ac', 'serve');
await server.ready();
for (const router of [r1, r2]) await router.startAll();
say('both routers have started');

await until('a session', START_LIMIT, async () => (await holderOf({ r1, r2 })) !== undefined);
await until('an armed partner', START_LIMIT, () => isArmed({ r1, r2 }));
const sessionIdBefore = (await r1.kernel()).sessionId ?? 0;
say(`session ${sessionIdBefore} is up, carried by ${(await holderOf({ r1, r2 }))?.name}`);
const publicAddress = (await (await holderOf({ r1, r2 }))?.publicAddress()) ?? '';
for (const router of [r1, r2]) await router.translate(publicAddress);
const series = [...handoffs(Number(values.handoffs)), ...kills(Number(values.kills))];
const probe = new Station('lan', 'probe', INTERNET, series.length > 0 ? 1 : undefined);
await probe.ready();

const pair = { r1, r2, probe, say };
const shown = values.all ? ALL : values.short ? [POWER_CUT] : MAIN;
const programme = series.length > 0 ? series : shown;
const scenes: SceneResult[] = [];
for (const scene of programme) scenes.push(await play(scene, pair));

await stopCapture();
await stopLan();
const log = await readAcLog(logFrom);
const report: GuestReport = {
  auth,
  sessionIdBefore,
  sessionIdAfter: scenes.at(-1)?.sessionId ?? 0,
  acSessions: log.sessions,
  acLcpNegotiations: log.lcpNegotiations,
  sentBack: (await r1.sentBack()) + (await r2.sentBack()),
  scenes,
};
await writeFile(`${GUEST_RESULT}/guest.json`, JSON.stringify(report));
// The guest is switched off with everything in it.
ac.kill('SIGKILL');
process.exit(0);
