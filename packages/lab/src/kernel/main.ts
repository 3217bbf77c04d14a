/**
 * `make lab-kernel`: the pair on a real Linux kernel against a real Access Concentrator, in user-mode Linux. This part runs
 * on the host: it starts the guest, reads the captures, prints the summary, and decides the exit status.
 *
 * Usage: node main.js [--json] [--all | --guide | --dial | --ipv6 | --handoffs N | --kills N | --throughput N]. Exit status 0 only if the
 * session moved, was never redialled, and TCP survived.
 */
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import { quantile } from '../bench/figures.ts';
import type { Auth } from './ac.ts';
import {
  QUIET_MS,
  fieldsOf,
  isPadi,
  readCapture,
  readEdges,
  readFrames,
  type Edge,
  type Frame,
  type LineReport,
} from './capture.ts';
import type { Dial } from './dial.ts';
import type { Ground } from './ground.ts';
import type { GuestReport } from './guest.ts';
import type { Guest6Report } from './guest6.ts';
import type { GuideReport } from './guide.ts';
import { SESSION_MAC } from './net.ts';
import type { SceneResult } from './scenes.ts';
import type { Rate } from './throughput.ts';
import { kernelProgram, missingPrograms, runInGuest, type GuestRun } from './uml.ts';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));
const PACKAGES: Readonly<Record<string, string>> = {
  [kernelProgram()]: 'user-mode-linux',
  pppd: 'ppp',
  'pppoe-server': 'pppoe',
  keepalived: 'keepalived',
  conntrackd: 'conntrackd',
  conntrack: 'conntrack',
  'iptables-legacy-restore': 'iptables',
  ip: 'iproute2',
  modprobe: 'kmod',
  tshark: 'tshark',
  tcpdump: 'tcpdump',
  taskset: 'util-linux',
};
const FOR_GUIDE: Readonly<Record<string, string>> = {
  systemctl: 'systemd',
  nsenter: 'util-linux',
  ps: 'procps',
};

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    all: { type: 'boolean', default: false },
    /** Dial on slow lines beside stock pppd, instead of the scenes. */
    dial: { type: 'boolean', default: false },
    /** With --dial: so many dials at each round trip, each client and AC, and how long they took. */
    bars: { type: 'string', default: '0' },
    'round-trips': { type: 'string', default: '0,20,100,400,800' },
    /** Do what docs/linux.md says, instead of the scenes. */
    guide: { type: 'boolean', default: false },
    /** IPv6 with a real DHCPv6 server, instead of the scenes. */
    ipv6: { type: 'boolean', default: false },
    /** A series of planned handoffs, a thousand probes a second, instead of the scenes. */
    handoffs: { type: 'string', default: '0' },
    /** The same with kills of the holder's helper. */
    kills: { type: 'string', default: '0' },
    /** So many rounds of TCP through our session and stock pppd's, instead of the scenes. */
    throughput: { type: 'string', default: '0' },
    /** Keep what the guest wrote, and say where. */
    keep: { type: 'boolean', default: false },
  },
});

/** With --json the timeline goes where it does not mix with the summary. */
const say = (text: string): void => {
  if (values.json) process.stderr.write(`${text}\n`);
  else process.stdout.write(`${text}\n`);
};

const FOR_IPV6: Readonly<Record<string, string>> = {
  'kea-dhcp6': 'kea-dhcp6-server',
  dhcpcd: 'dhcpcd-base',
  radvd: 'radvd',
};
const wanted = values.ipv6
  ? { ...PACKAGES, ...FOR_IPV6 }
  : values.guide
    ? { ...PACKAGES, ...FOR_GUIDE }
    : PACKAGES;
const missing = await missingPrograms(Object.keys(wanted));
if (missing.length > 0) {
  const packages = [...new Set(missing.map((program) => wanted[program]))];
  console.error(`lab-kernel: not installed: ${missing.join(', ')}`);
  console.error(`lab-kernel: apt-get install -y ${packages.join(' ')}`);
  process.exit(69);
}

interface Run {
  readonly ground: string;
  readonly guest: GuestReport;
  readonly line: LineReport;
  readonly edges: readonly Edge[];
}

/** What the figures of a guest depend on, in words. */
async function groundOf({ directory, mode }: GuestRun): Promise<string> {
  const text = await readFile(join(directory, 'ground.json'), 'utf8');
  const { kernel, systemCallUs } = JSON.parse(text) as Ground;
  return `user-mode ${kernel} (${mode}), a system call costs ${systemCallUs.toFixed(0)} µs`;
}

/** The guest's programs, each with the report that it leaves behind as `NAME.json`. */
interface Reports {
  readonly guest: GuestReport;
  readonly guest6: Guest6Report;
  readonly guide: GuideReport;
  readonly dial: readonly Dial[];
  readonly throughput: readonly Rate[];
}

/** How a program of the guest is run, beside its arguments. */
interface Manner {
  readonly memory?: string;
  /** Milliseconds. */
  readonly silence?: number;
}

/**
 * Run a program in the guest and show its timeline. `read` gets what it reports, and may read what else it wrote; after that the
 * directory is removed. Throws if there is no report.
 */
async function play<Name extends keyof Reports, Result>(
  name: Name,
  args: readonly string[],
  read: (report: Reports[Name], guest: GuestRun) => Promise<Result>,
  manner: Manner = {},
): Promise<Result> {
  // The kernel's own words at boot are of no interest unless the guest fails.
  const other: string[] = [];
  const guest = await runInGuest({
    program: fileURLToPath(new URL(`./${name}.js`, import.meta.url)),
    args,
    ...manner,
    line: (text) => (/^\[ *\d/.test(text) ? say(text) : other.push(text)),
  });
  const { directory, timedOut, exitCode } = guest;
  const text = await readFile(join(directory, `${name}.json`), 'utf8').catch(() => undefined);
  if (text === undefined) {
    const why = timedOut ? 'it said nothing for too long' : `exit status ${exitCode}`;
    throw new Error(`${name}: ${why}\n${other.slice(-200).join('\n')}\nlogs: ${directory}`);
  }
  const result = await read(JSON.parse(text) as Reports[Name], guest);
  if (values.keep) say(`logs: ${directory}`);
  else await rm(directory, { recursive: true });
  return result;
}

const run = (auth: Auth, extra: readonly string[]): Promise<Run> =>
  play('guest', ['--auth', auth, ...extra], async (guest, ran) => {
    const [lan, wan] = [join(ran.directory, 'lan.pcap'), join(ran.directory, 'line.pcap')];
    return {
      ground: await groundOf(ran),
      guest,
      line: await readCapture(wan, SESSION_MAC),
      edges: await readEdges(lan, wan, SESSION_MAC),
    };
  });

const survived = (scenes: readonly SceneResult[]): boolean =>
  scenes.length > 0 && scenes.every(({ tcpSurvived, problem }) => tcpSurvived && !problem);

const sum = (runs: readonly Run[], count: (one: Run) => number): number =>
  runs.reduce((total, one) => total + count(one), 0);

function summarise(main: Run, pap: Run): Record<string, unknown> & { readonly ok: boolean } {
  const { guest, line } = main;
  const runs = [main, pap];
  const cut = guest.scenes[0];
  const stockDialMs = ({ line: { dialMs } }: Run): number | undefined =>
    Object.entries(dialMs).find(([mac]) => mac !== SESSION_MAC)?.[1];
  const redials = sum(runs, (one) => one.guest.acSessions - 1);
  const facts = {
    ground: main.ground,
    sessionIdBefore: guest.sessionIdBefore,
    sessionIdAfter: guest.sessionIdAfter,
    redials,
    takeoverMs: cut?.outageMs,
    probesLost: cut?.probesLost,
    tcpSurvived: runs.every((one) => survived(one.guest.scenes)),
    dialMs: line.dialMs[SESSION_MAC],
    stockDialMs: stockDialMs(main),
    acSessions: guest.acSessions,
    acLcpNegotiations: guest.acLcpNegotiations,
    sentBack: sum(runs, (one) => one.guest.sentBack),
    padtOnWire: sum(runs, (one) => one.line.padt),
    malformed: sum(runs, (one) => one.line.malformed),
    framesRead: sum(runs, (one) => one.line.frames),
    scenes: guest.scenes,
    pap: {
      dialMs: pap.line.dialMs[SESSION_MAC],
      stockDialMs: stockDialMs(pap),
      scenes: pap.guest.scenes,
    },
  };
  const moved = facts.sessionIdBefore === facts.sessionIdAfter && cut !== undefined;
  const quiet = facts.padtOnWire === 0 && facts.malformed === 0 && facts.acLcpNegotiations === 1;
  return { ...facts, ok: moved && quiet && redials === 0 && facts.tcpSurvived };
}

function print(summary: Record<string, unknown>, scenes: readonly SceneResult[]): void {
  say('');
  for (const { scene, from, to, probesLost, outageMs, tcpGapMs, problem } of scenes) {
    const cells = [`${from} → ${to}`, `${probesLost} lost`, `${outageMs} ms`, `TCP ${tcpGapMs} ms`];
    say(`${scene.padEnd(26)} ${cells.map((cell) => cell.padEnd(14)).join('')}${problem ?? ''}`);
  }
  say('');
  for (const [name, value] of Object.entries(summary))
    if (typeof value !== 'object') say(`${name.padEnd(18)} ${value}`);
}

/** A pair out of docs/linux.md and the package that it speaks of. */
async function followGuide(): Promise<boolean> {
  // The package that brings its runtime: what the host has may be older than what the programs take.
  const { stdout } = await execa(
    process.execPath,
    ['packaging/pack.mjs', 'deb', process.arch, 'bundled'],
    {
      cwd: ROOT,
      // It is unpacked twice and thrown away.
      env: { XZ_OPT: '-0' },
    },
  );
  const guide = await play(
    'guide',
    [join(ROOT, 'docs/linux.md'), join(ROOT, stdout)],
    async (report) => report,
    { memory: '2G' },
  );
  console.log(JSON.stringify(guide));
  const { handoffs, powerCut } = guide;
  return (
    guide.sessionIdBefore === guide.sessionIdAfter &&
    guide.acSessions === 1 &&
    guide.acLcpNegotiations === 1 &&
    handoffs.tcpSurvived &&
    powerCut.tcpSurvived
  );
}

/** Round trips of the lines that are dialled on, milliseconds. */
const ROUND_TRIPS = [0, 100, 300, 400, 800, 1500];
/** Of Configure-Requests, beside stock pppd's. */
const TOLERANCE = 2;

/** Each round trip: our link opens once, with about as many Configure-Requests as stock pppd's. */
async function dialSlowly(): Promise<boolean> {
  const bars = Number(values.bars) > 0;
  const words = bars ? ['--bars', values.bars, ...values['round-trips'].split(',')] : ROUND_TRIPS;
  return play('dial', words.map(String), async (dials, ran) => {
    say(await groundOf(ran));
    const capture = join(ran.directory, 'line.pcap');
    const frames = await readFrames(capture);
    if (bars) return tellBars(dials, frames);
    return report(
      dials.map((dial) => ({
        ...dial,
        configureRequests: frames.filter(
          ({ isConfigureRequest, time, source }) =>
            isConfigureRequest && time >= dial.from && time <= dial.to && source === dial.mac,
        ).length,
      })),
    );
  });
}

/** From PADI to the second IPCP Configure-Ack, and the frames until then, of each AC, round trip and client. */
function tellBars(dials: readonly Dial[], frames: readonly Frame[]): boolean {
  const rows = new Map<string, { readonly ms: number[]; readonly frames: number[] }>();
  for (const { acKind, roundTripMs, client, mac, from, to } of dials) {
    const key = `${acKind} AC, ${roundTripMs} ms, ${client}`;
    const row = rows.get(key) ?? { ms: [], frames: [] };
    rows.set(key, row);
    const during = frames.filter(
      ({ time, source, destination }) =>
        time >= from && time <= to && (source === mac || destination === mac),
    );
    const begin = during.findIndex(isPadi);
    const acks = during.flatMap(({ isIpcpAck }, i) => (isIpcpAck && i > begin ? [i] : []));
    const end = acks[1];
    if (begin < 0 || end === undefined) continue;
    row.ms.push(Math.round(((during[end]?.time ?? NaN) - (during[begin]?.time ?? NaN)) * 1000));
    row.frames.push(during.slice(begin, end + 1).filter(({ source }) => source === mac).length);
  }
  const table = Array.from(rows, ([what, { ms, frames: sent }]) => ({
    what,
    runs: ms.length,
    medianMs: quantile(ms, 0.5),
    ms,
    medianFrames: quantile(sent, 0.5),
  }));
  console.log(table.map((row) => JSON.stringify(row)).join('\n'));
  return true;
}

function report(dials: readonly (Dial & { readonly configureRequests: number })[]): boolean {
  const rows = ROUND_TRIPS.map((roundTripMs) => {
    const of = (client: Dial['client']) =>
      dials.find((dial) => dial.client === client && dial.roundTripMs === roundTripMs);
    const [stock, ours] = [of('stock'), of('ours')];
    const difference = (ours?.configureRequests ?? NaN) - (stock?.configureRequests ?? NaN);
    const ok = ours?.ac.opened === 1 && Math.abs(difference) <= TOLERANCE;
    return { roundTripMs, opened: ours?.ac.opened, difference, stock, ours, ok };
  });
  if (values.json) console.log(JSON.stringify(rows));
  for (const { roundTripMs, opened, difference, ok } of values.json ? [] : rows)
    say(`${roundTripMs} ms: opened ${opened}, ${difference} Configure-Requests more, ${ok}`);
  return rows.every(({ ok }) => ok);
}

/** What each failover cost the LAN, ours and one by redial. */
function tellFailovers({ moves, prefixes, tcpAlive, stock }: Guest6Report): void {
  const without = (what: string, ms: number, prefix: string): void =>
    say(`${what.padEnd(24)} ${(ms / 1000).toFixed(2).padStart(6)} s without IPv6, ${prefix}`);
  for (const { what, gapMs } of moves)
    without(what, gapMs, `${prefixes['r1']} kept, TCP ${tcpAlive ? 'lives' : 'hangs'}`);
  if (typeof stock === 'string') return say(`stock pppd, dhcpcd: ${stock}`);
  const { before, after, gapMs, serverMs, tcp } = stock;
  const server = `the AC's server listened ${(serverMs / 1000).toFixed(2)} s after IPV6CP`;
  without(
    'stock pppd, dhcpcd',
    gapMs,
    `${before} became ${after}, TCP ${tcp ? 'lives' : 'hangs'}; ${server}`,
  );
}

/** IPv6 with kea behind the AC: the prefix, the TCP connection, and what was said to the server when the session moved. */
const playIpv6 = (): Promise<boolean> =>
  play(
    'guest6',
    [],
    async (report, { directory }) => {
      const capture = join(directory, 'line6.pcap');
      const said = await fieldsOf(capture, ['frame.time_epoch'], 'dhcpv6');
      const times = said.map(([at]) => Number(at));
      const atMoves = report.moves.map(
        ({ from }) =>
          times.filter((time) => time >= from / 1000 && time < (from + QUIET_MS) / 1000).length,
      );
      console.log(
        JSON.stringify({ ...report, dhcp6Messages: times.length, dhcp6AtMoves: atMoves }),
      );
      tellFailovers(report);
      const isQuiet = atMoves.every((count) => count === 0);
      const isWhole = report.kept && report.tcpAlive && report.afterDisconnect === '';
      return isWhole && isQuiet && report.withoutIpv4.tcp;
    },
    // T1 is waited for in silence.
    { silence: 120_000 },
  );

/** Of our median rate to stock pppd's, less than this is a fault: a guest on a busy host gives no better figure. */
const LEAST_RATIO = 0.9;

/** TCP through both sessions, each way. */
const playThroughput = (): Promise<boolean> =>
  play('throughput', [values.throughput], async (rates, ran) => {
    const rows = (['up', 'down'] as const).map((way) => {
      const [stock = [], ours = []] = (['stock', 'ours'] as const).map((client) =>
        rates
          .filter((rate) => rate.client === client && rate.way === way)
          .map(({ mbits }) => mbits),
      );
      return { way, stock, ours, ratio: quantile(ours, 0.5) / quantile(stock, 0.5) };
    });
    say(await groundOf(ran));
    console.log(JSON.stringify(rows));
    return rows.every(({ ratio }) => ratio >= LEAST_RATIO);
  });

/** Handoffs or kills in a row: the packets each one cost, either way, and the parts of each takeover. */
async function playSeries(): Promise<boolean> {
  const words = ['--handoffs', values.handoffs, '--kills', values.kills];
  const { ground, guest, line, edges } = await run('chap', words);
  const spread = (of: (scene: SceneResult) => number) => {
    const all = guest.scenes.map(of).sort((a, b) => a - b);
    return { median: quantile(all, 0.5), p99: quantile(all, 0.99), all };
  };
  const facts = {
    ground,
    scenes: guest.scenes.length,
    sessionIds: [...new Set(guest.scenes.map(({ sessionId }) => sessionId))],
    up: spread(({ probesLostUp }) => probesLostUp),
    down: spread(({ probesLost, probesLostUp }) => probesLost - probesLostUp),
    gapMs: spread(({ outageMs }) => outageMs),
    redials: guest.acSessions - 1,
    padtOnWire: line.padt,
  };
  console.log(JSON.stringify({ ...facts, edges, parts: guest.scenes.map(({ parts }) => parts) }));
  return survived(guest.scenes) && facts.redials === 0 && facts.padtOnWire === 0;
}

/** The scenes, with either way of authentication. */
async function playScenes(): Promise<boolean> {
  const main = await run('chap', values.all ? ['--all'] : []);
  const pap = await run('pap', ['--short']);
  const summary = summarise(main, pap);
  if (values.json) console.log(JSON.stringify(summary));
  else print(summary, main.guest.scenes);
  return summary.ok;
}

try {
  const shows: readonly (readonly [boolean, () => Promise<boolean>])[] = [
    [values.guide, followGuide],
    [values.ipv6, playIpv6],
    [values.dial, dialSlowly],
    [Number(values.handoffs) + Number(values.kills) > 0, playSeries],
    [Number(values.throughput) > 0, playThroughput],
  ];
  const show = shows.find(([isWanted]) => isWanted)?.[1] ?? playScenes;
  process.exitCode = (await show()) ? 0 : 1;
} catch (error) {
  console.error(`lab-kernel: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
