/**
 * The conversations of test/stories: each is played on the whole system, and what both routers log must be the text, line
 * by line. `UPDATE=1 node test/dist/system/stories.test.js` writes the lines again; the commands stay. The rules of the
 * campaign are checked as well.
 */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import type { Fault, RouterIndex } from '@ppp-thing/lab/campaign/faults';
import type { SystemPlan } from '@ppp-thing/lab/system/plan';
import { formatSessionId } from '@ppp-thing/protocol/wire/pppoe';
import { runSystem } from '@ppp-thing/lab/system/world';
import t from 'tap';
import { PLAIN } from './plain.ts';

// The compiled test runs from test/dist/system.
const DIRECTORY = new URL('../../stories/', import.meta.url);

/** The pair has dialled by then. */
const START_MS = 15_000;
/** After the last command the rules want a healthy pair. */
const CALM_MS = 60_000;

type Verb = (router: RouterIndex, forMs: number) => Fault;

/** `> VERB [rN] [for N s], wait N s`; `> start, wait N s` shows the first dial as well. */
const VERBS: Readonly<Record<string, Verb>> = {
  'power-cut': (router, forMs) => ({ kind: 'power', router, forMs }),
  'power-cut-and-empty-disk': (router, forMs) => ({ kind: 'power', router, forMs, diskLost: true }),
  'kill-helper': (router, forMs) => ({ kind: 'kill-helper', router, forMs }),
  'kill-supervisor': (router, forMs) => ({ kind: 'kill-supervisor', router, forMs }),
  'restart-both': (router, forMs) => ({ kind: 'restart', router, forMs }),
  'pull-line': (router, forMs) => ({ kind: 'line-cut', router, forMs, silent: false }),
  'pull-lan': (router, forMs) => ({ kind: 'lan-cut', router, forMs }),
  'deafen-carp': (router, forMs) => ({ kind: 'carp-deaf', router, forMs }),
  'cut-partner-link': (_, forMs) => ({ kind: 'partner-loss', from: 'both', share: 1, forMs }),
  'rotate-keys': (_, forMs) => ({ kind: 'rotate-keys', forMs }),
  'ac-forgets': () => ({ kind: 'ac-forgets' }),
  'ac-renegotiates': () => ({ kind: 'ac-renegotiates' }),
  'ac-terminates': () => ({ kind: 'ac-terminates' }),
  handoff: () => ({ kind: 'handoff' }),
  reconnect: () => ({ kind: 'reconnect' }),
  disconnect: (_, forMs) => ({ kind: 'disconnect', forMs }),
};

/** What a story's `with` line changes of the pair and its AC. */
const WITH: Readonly<Record<string, (plan: SystemPlan) => SystemPlan>> = {
  'with ipv6': (plan) => ({ ...plan, ipv6: true }),
  'with an AC that names no address of its own': (plan) => ({
    ...plan,
    temper: { ...plan.temper, unnumbered: true },
  }),
  'with an AC that locks out for 60 s': (plan) => ({
    ...plan,
    temper: { ...plan.temper, lockoutMs: 60_000 },
  }),
};

interface Step {
  readonly command: string;
  readonly atMs: number;
  readonly endMs: number;
}

interface Story {
  /** The title, what it tells, and the `with` lines. */
  readonly head: readonly string[];
  readonly steps: readonly Step[];
  readonly plan: SystemPlan;
}

function parse(text: string): Story {
  const all = text.split('\n');
  const head = all.slice(0, all.indexOf(''));
  const steps: Step[] = [];
  const faults: { atMs: number; fault: Fault }[] = [];
  let atMs = START_MS;
  for (const command of all.filter((line) => line.startsWith('> '))) {
    const [, name = '', router, span = '0', wait] =
      /^> ([\w-]+)(?: r([12]))?(?: for ([\d.]+) s)?, wait ([\d.]+) s$/.exec(command) ?? [];
    const verb = VERBS[name];
    if (name === 'start') atMs = 0;
    else if (verb === undefined) throw new Error(`no such command: ${command}`);
    else faults.push({ atMs, fault: verb(router === '2' ? 1 : 0, 1000 * Number(span)) });
    const endMs = atMs + 1000 * Number(wait);
    steps.push({ command, atMs, endMs });
    atMs = endMs;
  }
  const plan = head
    .filter((line) => line.startsWith('with '))
    .reduce((before, line) => {
      const change = WITH[line];
      if (change === undefined) throw new Error(`no such setting: ${line}`);
      return change(before);
    }, PLAIN);
  return { head, steps, plan: { ...plan, faults, lengthMs: atMs + CALM_MS } };
}

const nameOf = (kind: string | undefined): string | undefined =>
  Object.keys(VERBS).find((name) => VERBS[name]?.(0, 0).kind === kind);

/** How a line of the campaign's transcript reads in a story; undefined for what the log does not print by default. */
function told(line: string): string | undefined {
  const log = /^router ([01]) (supervisor|helper): (.*)$/.exec(line);
  if (log !== null) {
    const [, index, process, text = ''] = log;
    if (text.startsWith('debug: ')) return undefined;
    return `r${Number(index) + 1} ${process}: ${text.replace(/, pid \d+/, '')}`;
  }
  const healed = /^HEALED ([\w-]+)$/.exec(line);
  if (healed !== null) return `end of ${nameOf(healed[1])}`;
  if (!line.startsWith('AC {')) return undefined;
  const { kind, sessionId }: { kind: string; sessionId?: number } = JSON.parse(line.slice(3));
  return sessionId === undefined ? `ac: ${kind}` : `ac: ${kind} ${formatSessionId(sessionId)}`;
}

async function play({ head, steps, plan }: Story): Promise<string> {
  const { violation, transcript } = await runSystem(plan, true);
  if (violation !== undefined) throw new Error(`${violation.rule}: ${violation.what}`);
  const lines = transcript.map((line) => ({
    atMs: 1000 * Number.parseFloat(line),
    text: told(line.trimStart().replace(/^\S+ /, '')),
  }));
  const parts = steps.map(({ command, atMs, endMs }) => {
    const shown = lines.flatMap((line) => {
      if (line.text === undefined || line.atMs < atMs || line.atMs >= endMs) return [];
      return [`${((line.atMs - atMs) / 1000).toFixed(3).padStart(7)}  ${line.text}`];
    });
    return `\n${[command, ...shown].join('\n')}\n`;
  });
  return `${head.join('\n')}\n${parts.join('')}`;
}

for (const name of readdirSync(DIRECTORY).sort()) {
  void t.test(`stories › ${name}`, async (t) => {
    const path = new URL(name, DIRECTORY);
    const text = readFileSync(path, 'utf8');
    const played = await play(parse(text));
    if (process.env['UPDATE'] === '1') writeFileSync(path, played);
    else t.equal(text, played);
    // As pppthingctl, tcpdump and Wireshark write it.
    t.notMatch(played, /session=(?!0x[0-9a-f]{4}\b)/, 'SESSION_IDs have one form');
  });
}
