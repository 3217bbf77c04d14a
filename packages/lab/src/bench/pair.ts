/**
 * A pair of routers with many lines, end to end: two helpers, each with a FreeBSD kernel in octets, two supervisors as
 * installed, an AC behind every line. Each line is a VLAN of its own, all follow one vhid. All dial, the pair idles, the
 * MASTER loses power, its partner becomes MASTER three seconds later. It measures and judges nothing.
 */
import { randomBytes } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import { openSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { request } from 'node:http';
import { createServer, type Socket } from 'node:net';
import { spawn, type ChildProcess } from 'node:child_process';
import { tmpdir, userInfo } from 'node:os';
import { text } from 'node:stream/consumers';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { systemHashes } from '@ppp-thing/supervisor/hashes';
import type { StatusJson } from '@ppp-thing/supervisor/api';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import type { RouterName } from '../demo/bus.ts';
import { now, Queue, Runner } from '../demo/clock.ts';
import { LOOPBACK, Relay, type Ends } from '../demo/relay.ts';
import { toml, type Table } from '../demo/router.ts';
import { AccessConcentrator, type AcEvent, type AcOutput } from '../line/ac.ts';
import { ORDINARY } from '../line/ac-config.ts';
import {
  CARP,
  LAN,
  lineName,
  Pieces,
  piece,
  ROLES,
  sessionMac,
  sessionName,
  VHID,
} from './wire.ts';

const HELPER = fileURLToPath(new URL('router.js', import.meta.url));
const SUPERVISOR = fileURLToPath(import.meta.resolve('@ppp-thing/supervisor/main'));
const NAMES = ['r1', 'r2'] as const;
const IDS = { r1: 1, r2: 2 } as const;
/** CARP at advbase 1 notices a dead MASTER after so long. */
const CARP_MS = 3000;
const TICKS_A_SECOND = 100;

export interface PairFigures {
  readonly lines: number;
  readonly dialMs: number;
  /** Lines that were dialled when the time was up. */
  readonly dialled: number;
  /** From the last line dialled until the standby was armed with all. */
  readonly armedMs: number;
  /** Megabytes of both processes of the MASTER, while it idles. */
  readonly rssHelper: number;
  readonly rssSupervisor: number;
  /** Hundredths of one processor, of both processes of both routers, while they idle. */
  readonly cpu: Readonly<
    Record<RouterName, { readonly helper: number; readonly supervisor: number }>
  >;
  /** Both directions together, while nothing changes. */
  readonly octetsASecond: number;
  readonly statusMs: number;
  readonly metricsMs: number;
  /** From the edge to the last gate, the last default route, the last stored, and the last answer of an AC. */
  readonly gateMs: number;
  readonly routeMs: number;
  readonly storedMs: number;
  readonly answeredMs: number;
  /** Lines that answered within the time, on the session they had before. */
  readonly taken: number;
  /** Sessions that the ACs saw dialled in all: as many as lines, unless one was lost. */
  readonly dials: number;
}

export interface PairOptions {
  readonly lines: number;
  readonly idleMs: number;
  /** For dialling, and for the takeover. */
  readonly limitMs: number;
  /** Of processes' lines; nothing is kept unless given. */
  readonly logs?: string;
}

class Bench {
  readonly #options: PairOptions;
  readonly #directory: string;
  readonly #queue = new Queue();
  readonly #acs: Runner<AcEvent, AcOutput>[] = [];
  readonly #sockets: Partial<Record<RouterName, Socket>> = {};
  readonly #children: Record<RouterName, { helper?: ChildProcess; supervisor?: ChildProcess }> = {
    r1: {},
    r2: {},
  };
  /** Which router each line's MAC address last spoke from. */
  readonly #ports: RouterName[] = [];
  readonly dialled = new Set<number>();
  readonly answered = new Map<number, number>();
  dials = 0;
  octets = 0;
  lastUpAt = 0;
  edgeAt = Number.POSITIVE_INFINITY;
  readonly #changes = new EventEmitter();

  constructor(options: PairOptions, directory: string) {
    this.#options = options;
    this.#directory = directory;
    for (let i = 0; i < options.lines; i++) {
      const ac = new AccessConcentrator({
        ...ORDINARY,
        mac: Uint8Array.of(2, 0, 0, 0xac, i >> 8, i & 0xff),
        name: 'bras1',
        passwords: new Map([['line@example.net', 'not a secret']]),
        address: Uint8Array.of(100, 80, i >> 8, i & 0xff),
        pool: [Uint8Array.of(100, 64, i >> 8, i & 0xff), Uint8Array.of(100, 65, i >> 8, i & 0xff)],
        hashes: systemHashes,
        random: (length) => new Uint8Array(randomBytes(length)),
      });
      this.#acs.push(new Runner(ac, this.#queue, (output) => this.#fromAc(i, output)));
    }
  }

  #fromAc(i: number, output: AcOutput): void {
    if (output.kind === 'send') {
      const port = this.#ports[i];
      if (port !== undefined) this.#sockets[port]?.write(piece(i, output.frame));
      if (now() >= this.edgeAt && isEchoReply(output.frame) && !this.answered.has(i)) {
        this.answered.set(i, now() - this.edgeAt);
        this.#changes.emit('change');
      }
    } else if (output.kind === 'dial') this.dials += 1;
    else if (output.kind === 'up') {
      this.dialled.add(i);
      this.lastUpAt = now();
      this.#changes.emit('change');
    }
  }

  #fromRouter(name: RouterName, i: number, frame: Uint8Array): void {
    this.#ports[i] = name;
    const isBroadcast = frame[0] === 0xff;
    if (isBroadcast) this.#sockets[name === 'r1' ? 'r2' : 'r1']?.write(piece(i, frame));
    this.#acs[i]?.feed({ kind: 'frame', frame });
  }

  async listen(path: string): Promise<void> {
    let joined = 0;
    const server = createServer((socket) => {
      const name = NAMES[joined++];
      if (name === undefined) return void socket.destroy();
      this.#sockets[name] = socket;
      const pieces = new Pieces();
      socket.on('data', (chunk) => {
        for (const { to, octets } of pieces.push(chunk)) this.#fromRouter(name, to, octets);
      });
      socket.on('error', () => {});
      this.#changes.emit('change');
    });
    server.unref();
    server.listen(path);
    await once(server, 'listening');
  }

  async start(name: RouterName, world: string, config: string): Promise<void> {
    const helper = ['--config', config, '--world', world, '--lines', String(this.#options.lines)];
    this.#children[name].helper = this.#spawn(`${name}-helper`, [HELPER, ...helper]);
    await this.until(10_000, () => this.#sockets[name] !== undefined);
    this.#children[name].supervisor = this.#spawn(`${name}-supervisor`, [
      SUPERVISOR,
      '--config',
      config,
      '--timestamps',
    ]);
  }

  #spawn(name: string, args: readonly string[]): ChildProcess {
    const { logs } = this.#options;
    const out = logs === undefined ? 'ignore' : openSync(join(logs, `${name}.log`), 'w');
    return spawn(process.execPath, args, {
      stdio: ['ignore', out, out === 'ignore' ? 'inherit' : out],
    });
  }

  role(name: RouterName, role: (typeof ROLES)[number]): void {
    this.#sockets[name]?.write(piece(CARP, Uint8Array.of(ROLES.indexOf(role))));
  }

  powerCut(name: RouterName, signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): void {
    for (const child of Object.values(this.#children[name])) child.kill(signal);
    this.#sockets[name]?.destroy();
    delete this.#sockets[name];
  }

  pids(name: RouterName): { helper: number; supervisor: number } {
    const { helper, supervisor } = this.#children[name];
    return { helper: helper?.pid ?? 0, supervisor: supervisor?.pid ?? 0 };
  }

  /** @returns whether it came to be in time */
  async until(withinMs: number, isSo: () => boolean): Promise<boolean> {
    const end = AbortSignal.timeout(withinMs);
    while (!isSo() && !end.aborted)
      await once(this.#changes, 'change', { signal: end }).catch(() => undefined);
    return isSo();
  }

  /** The answer of a status socket, and how long it took; undefined if there is none. */
  async get(name: RouterName, path: string): Promise<{ text: string; ms: number } | undefined> {
    const began = now();
    const socketPath = join(this.#directory, name, 'run', 'status.sock');
    try {
      const [answer] = await once(request({ socketPath, path }).end(), 'response');
      return { text: await text(answer), ms: now() - began };
    } catch {
      return undefined;
    }
  }

  async status(name: RouterName): Promise<StatusJson | undefined> {
    const answer = await this.get(name, '/v1/status');
    if (answer === undefined) return undefined;
    try {
      const status: StatusJson = JSON.parse(answer.text);
      return status;
    } catch {
      return undefined;
    }
  }

  /** Asked twice a second. @returns whether it came to be in time */
  async statusUntil(
    name: RouterName,
    withinMs: number,
    isSo: (status: StatusJson) => boolean,
  ): Promise<boolean> {
    const end = now() + withinMs;
    while (now() < end) {
      const status = await this.status(name);
      if (status !== undefined && isSo(status)) return true;
      await pause(500);
    }
    return false;
  }

  stop(): void {
    for (const name of NAMES) this.powerCut(name, 'SIGTERM');
    for (const ac of this.#acs) ac.stop();
  }
}

/** LCP Echo-Reply in a frame of a PPPoE session. */
const isEchoReply = (frame: Uint8Array): boolean =>
  frame[12] === 0x88 &&
  frame[13] === 0x64 &&
  frame[20] === 0xc0 &&
  frame[21] === 0x21 &&
  frame[22] === 10;

function configOf(
  directory: string,
  name: RouterName,
  ends: Ends,
  keyFile: string,
  lines: number,
): string {
  const user = userInfo().username;
  const at = (...parts: string[]): string => join(directory, ...parts);
  const session = (i: number): [string, Table] => [
    `session.${sessionName(i)}`,
    {
      interface: lineName(i),
      mac: formatMac(sessionMac(i)),
      user: 'line@example.net',
      password: 'not a secret',
      carp_interface: LAN,
      carp_vhid: VHID,
      carp_address: '192.168.7.1',
      local_address: `192.168.7.${1 + IDS[name]}`,
      partner_address: `192.168.7.${4 - IDS[name]}`,
      default_route: i === 0,
      ipv6: false,
    },
  ];
  return toml({
    helper: {
      socket: at('helper', 'helper.sock'),
      state_directory: at('helper'),
      user,
      group: 'root',
    },
    supervisor: { state_directory: at('state'), run_directory: at('run'), user, group: 'root' },
    partner: {
      local_address: LOOPBACK,
      address: LOOPBACK,
      port: ends.port,
      partner_port: ends.partnerPort,
      key_file: keyFile,
      router_id: IDS[name],
      partner_id: 3 - IDS[name],
    },
    ...Object.fromEntries(Array.from({ length: lines }, (_, i) => session(i))),
  });
}

/** Seconds of processor time that a process has used. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_A_SECOND;
}

const residentMb = (pid: number): number =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024;

/** Linux only: processor time and memory are read in /proc. */
export async function measurePair(options: PairOptions): Promise<PairFigures> {
  const { lines, idleMs, limitMs } = options;
  const directory = await mkdtemp(join(tmpdir(), 'ppp-many-'));
  const bench = new Bench(options, directory);
  const relay = await Relay.open((_, octets) => (bench.octets += octets));
  try {
    const keyFile = join(directory, 'partner.key');
    await writeFile(keyFile, `1 ${randomBytes(32).toString('hex')}\n`, { mode: 0o600 });
    const world = join(directory, 'world.sock');
    await bench.listen(world);
    for (const name of NAMES) {
      for (const each of ['run', 'state', 'helper'])
        await mkdir(join(directory, name, each), { recursive: true, mode: 0o700 });
      const config = join(directory, name, 'ppp_thing.conf');
      await writeFile(
        config,
        configOf(join(directory, name), name, relay.ends[name], keyFile, lines),
        {
          mode: 0o600,
        },
      );
      await bench.start(name, world, config);
    }
    for (const name of NAMES)
      await bench.statusUntil(name, 30_000, ({ sessions }) =>
        sessions.every(({ state }) => state === 'Standby'),
      );

    const began = now();
    bench.role('r1', 'MASTER');
    await bench.until(limitMs, () => bench.dialled.size === lines);
    const dialMs = bench.lastUpAt - began;
    const { size: dialled } = bench.dialled;
    const armedFrom = now();
    await bench.statusUntil('r2', limitMs, ({ sessions }) => sessions.every(({ armed }) => armed));
    const armedMs = now() - armedFrom;

    await pause(3000);
    const ids = { r1: bench.pids('r1'), r2: bench.pids('r2') };
    const used = () =>
      NAMES.flatMap((name) => [
        processorTime(ids[name].helper),
        processorTime(ids[name].supervisor),
      ]);
    const before = { used: used(), octets: bench.octets, at: now() };
    await pause(idleMs);
    const spent = (now() - before.at) / 1000;
    const [h1 = 0, s1 = 0, h2 = 0, s2 = 0] = used().map(
      (each, i) => ((each - (before.used[i] ?? 0)) * 100) / spent,
    );
    const octetsASecond = (bench.octets - before.octets) / spent;
    const rssHelper = residentMb(ids.r1.helper);
    const rssSupervisor = residentMb(ids.r1.supervisor);
    const asked = async (path: string): Promise<number> => {
      const times: number[] = [];
      for (let i = 0; i < 3; i++) {
        const ms = (await bench.get('r1', path))?.ms ?? Number.NaN;
        times.push(ms);
        // Metrics may take a fifth of the supervisor's time: who asks again at once waits for the other four fifths.
        await pause(1100 + 5 * (Number.isNaN(ms) ? 0 : ms));
      }
      return times.sort((a, b) => a - b)[1] ?? Number.NaN;
    };
    const statusMs = await asked('/v1/status');
    const metricsMs = await asked('/v1/metrics');

    bench.powerCut('r1');
    await pause(CARP_MS);
    bench.edgeAt = now();
    bench.role('r2', 'MASTER');
    await bench.until(limitMs, () => bench.answered.size === lines);
    const status = await bench.status('r2');
    const parts = (status?.sessions ?? []).flatMap(({ lastTakeover }) => lastTakeover?.parts ?? []);
    const last = (part: 'gate' | 'route' | 'stored'): number =>
      Math.max(...parts.map((each) => each[part] ?? Number.NaN));
    return {
      lines,
      dialMs,
      dialled,
      armedMs,
      rssHelper,
      rssSupervisor,
      cpu: { r1: { helper: h1, supervisor: s1 }, r2: { helper: h2, supervisor: s2 } },
      octetsASecond,
      statusMs,
      metricsMs,
      gateMs: last('gate'),
      routeMs: last('route'),
      storedMs: last('stored'),
      answeredMs: Math.max(...bench.answered.values()),
      taken: bench.answered.size,
      dials: bench.dials,
    };
  } finally {
    bench.stop();
    relay.close();
    await rm(directory, { recursive: true, force: true });
  }
}
