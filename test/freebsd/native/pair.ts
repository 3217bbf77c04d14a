/**
 * The native pair as a whole: the network, the line, an Access Concentrator, two routers and their traffic, put together
 * and taken apart. What is done to it is `scenes.ts`.
 */
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Traffic } from '@ppp-thing/lab/kernel/traffic';
import { clearPppoed, routeToLan, startAc, type Ac } from './ac.ts';
import { endAll, type Commands, type Running, type Say } from './commands.ts';
import type { AcReport } from './lab-ac.ts';
import type { LineReport } from './line.ts';
import {
  AC_AT,
  AC_PORT,
  buildNetwork,
  inside,
  INTERNET,
  removeNetwork,
  ROUTERS,
  SWITCH_PORTS,
  type AcKind,
  type RouterName,
  type Where,
} from './network.ts';
import { occupy, vacate } from './place.ts';
import { difference, Router, type AskStatus, type RouterOptions } from './router.ts';
import { Station } from './station.ts';

export interface PairOptions {
  /** Whose Access Concentrator. */
  readonly ac: AcKind;
  /** Of the steps. */
  readonly commands: Commands;
  /** Those that take everything apart, where an interrupt has stopped the others. */
  readonly clearing?: Commands;
  /** Aborted: no wait of a step goes on. */
  readonly halt?: AbortSignal;
  readonly say: Say;
  readonly ask: AskStatus;
  readonly runtime: string;
  readonly place: string;
  readonly pause: (milliseconds: number) => Promise<void>;
  /** Each limit is multiplied by it: an emulated machine beside others needs minutes for what takes seconds. */
  readonly patience?: number;
  /** Monotonic milliseconds. */
  readonly now: () => number;
  readonly chown?: RouterOptions['chown'];
}

/** How often to look while waiting. */
const LOOK_MS = 100;
const REMOVE_PAUSE_MS = 250;
const LOG_LINES = 25;
/** Of ten pings, or fifty octets on a TCP connection. */
const ANSWERS_A_SECOND = 5;
const PPP_LOG = '/var/log/ppp.log';
/** What is taken down may be on its way out for a moment. */
const GONE_MS = 5000;

export class Pair {
  readonly options: PairOptions;
  readonly r1: Router;
  readonly r2: Router;
  readonly #key = randomBytes(32).toString('hex');
  #line: Station<LineReport> | undefined;
  #ac: Ac | undefined;
  #probe: Station<Traffic> | undefined;
  #acStation: Station<AcReport> | undefined;
  #witness: Running | undefined;

  constructor(options: PairOptions) {
    this.options = options;
    const { chown } = options;
    const router = (name: RouterName): Router =>
      new Router(name, { ...options, ...(chown !== undefined && { chown }) });
    this.r1 = router('r1');
    this.r2 = router('r2');
  }

  get routers(): readonly Router[] {
    return [this.r1, this.r2];
  }

  /** Clear away what an earlier run left, then make network and line. */
  async build(): Promise<void> {
    const { commands, place, runtime } = this.options;
    occupy(place);
    await this.#clear('left by an earlier run');
    await buildNetwork(commands, this.options.ac);
    const ports = Object.values(SWITCH_PORTS);
    const file = fileURLToPath(new URL('line.js', import.meta.url));
    const words = inside('ppt_sw', runtime, file, join(place, 'line.pcap'), ...ports);
    const line = commands.start('line', join(place, 'line.log'), ...words);
    this.#line = this.#station(line);
    await this.#line.ready();
    // A second witness, whose dissectors are not ours.
    const tcpdump = ['tcpdump', '-l', '-n', '-e', '-i', AC_PORT, 'ether', 'proto', '0x8863'];
    const log = join(place, 'ac-tcpdump.log');
    this.#witness = commands.start('tcpdump', log, ...inside(AC_AT[this.options.ac], ...tcpdump));
    for (const router of this.routers) router.prepare(this.#key);
  }

  async startAc(): Promise<void> {
    this.#ac = await startAc(this.options, this.options.ac, this.options.say);
    if (this.#ac.kind === 'pppoed') return;
    this.#acStation = this.#station(this.#ac.program);
    await this.#acStation.ready();
  }

  startRouters(): void {
    for (const router of this.routers)
      for (const program of ['helper', 'supervisor'] as const) router.start(program);
  }

  /** Traffic from the LAN across the session; the lab's Access Concentrator takes none that is not translated. */
  async startTraffic(): Promise<void> {
    if (this.options.ac !== 'pppoed') return;
    await this.options.commands.run('route from ac to the LAN', ...routeToLan('add'));
    await this.#startProbe();
  }

  /** Begin the LAN's traffic anew, with a new TCP connection, once nothing but NAT brings an answer back. */
  async translateTraffic(): Promise<void> {
    const { ac, commands } = this.options;
    await this.endTraffic();
    if (ac === 'pppoed')
      await commands.run('take the way back to the LAN', ...routeToLan('delete'));
    await this.#startProbe();
  }

  async endTraffic(): Promise<void> {
    const { running } = this.options.commands;
    await endAll([...running].filter(({ name }) => name === 'probe'));
  }

  #station<T>(program: Running): Station<T> {
    return new Station(program, this.options.patience);
  }

  async #startProbe(): Promise<void> {
    const { running } = this.options.commands;
    if (![...running].some(({ name }) => name === 'serve'))
      await this.#station(this.#startTraffic('serve', AC_AT[this.options.ac])).ready();
    this.#probe = this.#station(this.#startTraffic('probe', 'ppt_lan'));
    await this.#probe.ready();
  }

  #startTraffic(mode: 'serve' | 'probe', where: Where): Running {
    const { commands, place, runtime } = this.options;
    const file = fileURLToPath(import.meta.resolve('@ppp-thing/lab/kernel/traffic'));
    const words = inside(where, runtime, file, mode, INTERNET);
    return commands.start(mode, join(place, `${mode}.log`), ...words);
  }

  /** Count losses from now on. */
  async beginTraffic(): Promise<void> {
    await this.#probe?.ask('begin');
  }

  async traffic(): Promise<{
    /** Answers since the count began. */
    readonly answers: number;
    readonly alive: boolean;
    readonly text: string;
  }> {
    if (this.#probe !== undefined) {
      const { tcpAlive, tcpEchoes, probesLost, probesSent, gapMs, tcpGapMs } =
        await this.#probe.ask();
      const lost = `${probesLost} of ${probesSent} probes lost`;
      const tcp = tcpAlive ? `alive, longest gap ${tcpGapMs} ms` : 'dead';
      const text = `${lost}, longest gap ${gapMs} ms; TCP ${tcp}`;
      return { answers: tcpEchoes, alive: tcpAlive, text };
    }
    const report = await this.#acStation?.ask();
    if (report === undefined) return { answers: 0, alive: false, text: 'no traffic was started' };
    const { pings, pongs } = report;
    const text = `the AC's pings: ${pongs} of ${pings} answered`;
    return { answers: pongs, alive: true, text };
  }

  /** Until answers come for a second; how regularly is told, and not judged: the machine may be an emulated one. */
  async trafficRuns(limitMs: number): Promise<string> {
    let before = (await this.traffic()).answers;
    await this.until('traffic that runs', limitMs, async () => {
      await this.options.pause(1000);
      const { answers, alive, text } = await this.traffic();
      if (!alive) throw new Error(`wait for traffic that runs: EPIPE: ${text}`);
      const more = answers - before;
      before = answers;
      return more >= ANSWERS_A_SECOND;
    });
    return (await this.traffic()).text;
  }

  line(): Promise<LineReport> {
    if (this.#line === undefined) throw new Error('ask line: ENOTCONN: it was not started');
    return this.#line.ask();
  }

  /** What the Access Concentrator holds against the routers; pppoed(8) says nothing of the kind. */
  async heldAgainstUs(): Promise<readonly string[]> {
    return (await this.#acStation?.ask())?.violations ?? [];
  }

  /** PADTs that tcpdump(1) saw arrive at, or leave, the Access Concentrator; undefined if it did not run. */
  padtSeenByTcpdump(): number | undefined {
    if (this.#witness === undefined || this.#witness.ended() !== undefined) return undefined;
    const text = readFileSync(this.#witness.log, 'utf8');
    return text.match(/\bPADT\b/g)?.length ?? 0;
  }

  async until(what: string, limitMs: number, there: () => Promise<boolean>): Promise<number> {
    const { halt, now, patience = 1, pause } = this.options;
    const start = now();
    while (!(await there())) {
      halt?.throwIfAborted();
      const trouble = this.routers.map((router) => router.trouble()).find(Boolean);
      if (trouble !== undefined) throw new Error(`wait for ${what}: ECHILD: ${trouble}`);
      if (now() - start > limitMs * patience)
        throw new Error(`wait for ${what}: ETIMEDOUT: not within ${(limitMs * patience) / 1000} s`);
      await pause(LOOK_MS);
    }
    return Math.round(now() - start);
  }

  /**
   * What is in the kernels of the routers that was not there before, a line each, once it does not get less.
   *
   * @param before  of each router, its inventory
   */
  async leftovers(before: readonly (readonly string[])[]): Promise<string[]> {
    const { now, pause } = this.options;
    const start = now();
    for (;;) {
      const left: string[] = [];
      for (const [i, router] of this.routers.entries()) {
        const lines = difference(before[i] ?? [], await router.inventory());
        left.push(...lines.map((line) => `${router.name}: ${line}`));
      }
      if (left.length === 0 || now() - start > GONE_MS) return left;
      await pause(LOOK_MS);
    }
  }

  async holder(): Promise<Router | undefined> {
    for (const router of this.routers) if (await router.holds()) return router;
    return undefined;
  }

  other(router: Router): Router {
    return router === this.r1 ? this.r2 : this.r1;
  }

  /** The end of each log, and what the kernels of the routers have: for whoever reads a failure. */
  async explain(): Promise<void> {
    const { say, place } = this.options;
    const logs = ROUTERS.flatMap((name) => [`${name}-helper`, `${name}-supervisor`]);
    const programs = [...logs, 'line', 'ac-pppoed', 'ac-lab', 'ac-tcpdump', 'serve', 'probe'];
    // ppp(8) speaks to the host's syslogd alone.
    for (const file of [...programs.map((name) => join(place, `${name}.log`)), PPP_LOG]) {
      let text: string;
      try {
        text = readFileSync(file, 'utf8');
      } catch {
        continue;
      }
      say(`--- the end of ${file}`);
      for (const line of text.trimEnd().split('\n').slice(-LOG_LINES)) say(`  ${line}`);
    }
    for (const router of this.routers)
      for (const words of [
        ['ifconfig', '-a'],
        ['ngctl', 'list'],
        ['netstat', '-rnW'],
      ]) {
        const output = await router.attempt(...words);
        say(`--- ${router.name}: ${words.join(' ')}`);
        for (const line of output.trimEnd().split('\n')) say(`  ${line}`);
      }
  }

  /**
   * Take everything apart, whatever state it is in; may be called again.
   *
   * @param keep  leave the logs, with the output of every command among them
   * @param step  a step whose commands have been stopped: it ends when its programs do, and before anything is removed
   * @returns what remained, a line each
   */
  async takeDown(keep: boolean, step: Promise<unknown> = Promise.resolve()): Promise<string[]> {
    const { commands, place } = this.options;
    await endAll([...commands.running]);
    await step;
    const remained = await this.#clear('of this run');
    vacate(keep, place);
    return remained;
  }

  async #clear(whose: string): Promise<string[]> {
    const { commands, clearing = commands, place, pause, say } = this.options;
    say(`remove what is ${whose}`);
    await clearPppoed(clearing, place);
    return removeNetwork(clearing, say, () => pause(REMOVE_PAUSE_MS));
  }
}

/** Put down what the run said, beside the logs. */
export const writeStory = (place: string, lines: readonly string[]): void =>
  writeFileSync(join(place, 'story.log'), `${lines.join('\n')}\n`);
