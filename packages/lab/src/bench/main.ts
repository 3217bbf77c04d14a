/**
 * `make bench`: what a takeover costs, side by side in one run on this machine: the helper's act with many lines, the pair
 * on two fake FreeBSD kernels, and, where its programs are installed, the pair on the real Linux kernel beside stock pppd.
 *
 * Usage: node main.js [--json] [--runs N] [--lines 1,10,100] [--no-labs]. It measures and judges nothing: the test of the
 * ratios is in test/lab/bench.test.ts.
 */
import { availableParallelism, cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { execa } from 'execa';
import type { Summary } from '../demo/summary.ts';
import { short, spread, table } from './figures.ts';
import { measureEdge, type EdgeFigures } from './lines.ts';
import { measurePair, type PairFigures } from './pair.ts';

const LAB = fileURLToPath(new URL('../main.js', import.meta.url));
const KERNEL_LAB = fileURLToPath(new URL('../kernel/main.js', import.meta.url));
/** The kernel lab's exit status where its programs are not installed. */
const UNAVAILABLE = 69;
const EDGES = 20;
const IDLE_MS = 3000;

interface KernelScene {
  readonly scene: string;
  readonly outageMs: number;
  readonly probesLost: number;
}
interface KernelSummary {
  readonly ok: boolean;
  readonly ground: string;
  readonly dialMs: number;
  readonly stockDialMs: number;
  readonly scenes: readonly KernelScene[];
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    runs: { type: 'string', default: '5' },
    lines: { type: 'string', default: '1,10,100,300,1000' },
    'no-labs': { type: 'boolean', default: false },
  },
});
const runs = Math.max(1, Number(values.runs));

/** What a lab prints with --json, so many times; fewer where a run failed, none where it cannot run here. */
async function lab<T>(program: string, args: readonly string[]): Promise<T[]> {
  const found: T[] = [];
  for (let i = 0; i < runs; i++) {
    const done = await execa(process.execPath, [program, '--json', ...args], { reject: false });
    if (done.exitCode === UNAVAILABLE) return [];
    try {
      const summary: T = JSON.parse(done.stdout);
      found.push(summary);
    } catch {
      process.stderr.write(`bench: ${program}: exit status ${done.exitCode}\n${done.stderr}\n`);
    }
  }
  return found;
}

const edges: EdgeFigures[] = [];
for (const lines of values.lines.split(',').map(Number))
  edges.push(await measureEdge(lines, EDGES, IDLE_MS));
// Memory and processor time are read in /proc.
const pairs: PairFigures[] = [];
if (process.platform === 'linux' && !values['no-labs'])
  for (const lines of values.lines.split(',').map(Number))
    pairs.push(await measurePair({ lines, idleMs: 10_000, limitMs: 60_000 }));
const fake = values['no-labs'] ? [] : await lab<Summary>(LAB, []);
const kernel = values['no-labs'] ? [] : await lab<KernelSummary>(KERNEL_LAB, []);

const ground = `${cpus()[0]?.model.trim() ?? 'unknown processor'}, ${availableParallelism()} processors, Node.js ${process.versions.node}`;

function report(): string {
  const byLines = table(
    [
      'lines',
      'armed, ms',
      'last gate open, ms',
      'last route set, ms',
      'calls',
      'idle calls, a second',
    ],
    edges.map(({ lines, armMs, gateMs, routeMs, calls, idleCalls }) => [
      String(lines),
      short(armMs),
      spread(gateMs),
      spread(routeMs),
      `${calls} (${short(calls / lines)} a line)`,
      `${idleCalls} (${short(idleCalls / lines)} a line)`,
    ]),
  );
  const many = table(
    [
      'lines',
      'all dialled, s',
      'takeover: last gate / route / stored, ms',
      'last answer of an AC, s',
      'RSS, MB: helper with kernel / supervisor',
      'idle, % of a processor: helper with kernel / supervisor',
      'partner link, octets/s',
      'status / metrics, ms',
    ],
    pairs.map((each) => [
      String(each.lines),
      each.dialled === each.lines ? short(each.dialMs / 1000) : `${each.dialled} of them in 60`,
      [each.gateMs, each.routeMs, each.storedMs].map(short).join(' / '),
      short(each.answeredMs / 1000),
      `${short(each.rssHelper)} / ${short(each.rssSupervisor)}`,
      `${short(each.cpu.r1.helper)} / ${short(each.cpu.r1.supervisor)}`,
      String(Math.round(each.octetsASecond)),
      `${short(each.statusMs)} / ${short(each.metricsMs)}`,
    ]),
  );
  const scene = (name: string) => (one: Summary) => one.scenes.find((each) => each.name === name);
  const ofFake = (name: string, what: 'probesLost' | 'afterRoleMs'): string =>
    spread(fake.flatMap((one) => scene(name)(one)?.[what] ?? []));
  const names = ['power-cut', 'return', 'handoff', 'kill-supervisor', 'kill-helper'];
  const onFake = table(
    ['scene', 'from the edge to the first answer, ms', 'probes lost at 100 Hz'],
    names.map((name) => [name, ofFake(name, 'afterRoleMs'), ofFake(name, 'probesLost')]),
  );
  const kernelNames = [...new Set(kernel.flatMap(({ scenes }) => scenes.map((one) => one.scene)))];
  const ofKernel = (name: string, what: 'probesLost' | 'outageMs'): string =>
    spread(kernel.flatMap(({ scenes }) => scenes.find((one) => one.scene === name)?.[what] ?? []));
  const onKernel = table(
    ['scene', 'longest gap, ms', 'probes lost at 100 Hz'],
    [
      ...kernelNames.map((name) => [
        name,
        ofKernel(name, 'outageMs'),
        ofKernel(name, 'probesLost'),
      ]),
      ['dial, ours', spread(kernel.map(({ dialMs }) => dialMs)), '-'],
      ['dial, stock pppd', spread(kernel.map(({ stockDialMs }) => stockDialMs)), '-'],
    ],
  );
  return [
    `Ground: ${ground}. A cell is the median, in brackets the 99th percentile and the number of runs.`,
    '## The act at the edge, with many lines (fake FreeBSD kernel)',
    byLines,
    ...(pairs.length === 0 ? [] : ['## A pair with many lines', many]),
    ...(fake.length === 0 ? [] : ['## The pair on two fake FreeBSD kernels', onFake]),
    ...(kernel.length === 0
      ? []
      : ['## The pair on the Linux kernel', `Ground: ${kernel[0]?.ground}.`, onKernel]),
    '',
  ].join('\n\n');
}

process.stdout.write(
  values.json ? `${JSON.stringify({ ground, edges, pairs, fake, kernel })}\n` : report(),
);
