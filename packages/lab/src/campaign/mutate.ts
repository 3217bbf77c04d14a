/**
 * `make sim-mutants`: for every mutant a copy of the compiled product with that one fault in it, and its judge on that
 * copy: a test, or a campaign seed after seed until a rule breaks. A mutant that survives is a rule or a test that is
 * missing. With `--state FILE` it goes on where the last call stopped, and `--seconds N` ends a call early.
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs, promisify } from 'node:util';
import { MUTANTS, type Mutant } from './mutants.ts';
import { TEST_MUTANTS } from './mutants-tests.ts';
import type { Found } from './batch.ts';

const PACKAGES = fileURLToPath(new URL('../../../', import.meta.url));
/** The kept plans show most faults, so they are played before the seeds. */
const TRANSCRIPTS = join(PACKAGES, '../test/transcripts');
const MEMBERS = ['protocol', 'helper', 'supervisor', 'ctl', 'lab'];
const ROOT = join(PACKAGES, '..');
/** What the tests read beside the packages. */
const BESIDE = ['test', 'docs', 'etc', 'man', 'package.json'];
/** A whole system costs a hundred times what a pair of engines does. */
const SYSTEM_COST = 100;
/** A test that a fault keeps waiting: so many times what it takes without, and no less than a minute. */
const PATIENCE = 20;
const TEST_LIMIT_MS = 600_000;
const LEAST_LIMIT_MS = 60_000;

const SURVIVED = ' survived';

/** Names the mutant and what it does: a mutant that was mended is played again. */
const keyOf = (mutant: Mutant): string => {
  const { name, ...does } = mutant;
  return `${name} ${createHash('sha256').update(JSON.stringify(does)).digest('hex').slice(0, 12)}`;
};

/** The mutants that earlier calls have played, a line each; one that survived has that behind its key. */
const readPlayed = (path: string | undefined): ReadonlySet<string> =>
  new Set(path !== undefined && existsSync(path) ? readFileSync(path, 'utf8').split('\n') : []);

/** What became of one mutant. */
interface Verdict {
  readonly mutant: Mutant;
  /** Undefined if it survived. */
  readonly found: Found | undefined;
  readonly runs: number;
  readonly seconds?: number;
  /** The run ended otherwise than by a violation or by surviving. */
  readonly crash?: string;
}

/** A tree in which the simulator finds its own copies of the packages, and of nothing else. */
function makeTree(root: string): void {
  const scope = join(root, 'node_modules', '@ppp-thing');
  mkdirSync(scope, { recursive: true });
  for (const member of MEMBERS) {
    const to = join(root, 'packages', member);
    cpSync(join(PACKAGES, member, 'dist'), join(to, 'dist'), { recursive: true });
    cpSync(join(PACKAGES, member, 'package.json'), join(to, 'package.json'));
    symlinkSync(to, join(scope, member));
  }
  for (const name of readdirSync(join(ROOT, 'node_modules')))
    if (name !== '@ppp-thing')
      symlinkSync(join(ROOT, 'node_modules', name), join(root, 'node_modules', name));
  for (const name of BESIDE) symlinkSync(join(ROOT, name), join(root, name));
  rmSync(join(root, 'test'));
  cpSync(join(ROOT, 'test'), join(root, 'test'), { recursive: true });
}

/** @throws if the piece is not in the file exactly once */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`apply ${name}: EINVAL: found ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}

/** The run time of each test on the unchanged product, milliseconds; undefined if it fails, and then it judges nothing. */
const passes = new Map<string, Promise<number | undefined>>();

/** @returns what it took, milliseconds; undefined if it failed, or had not ended within `timeout` */
async function runTest(
  root: string,
  name: string,
  timeout = TEST_LIMIT_MS,
): Promise<number | undefined> {
  const path = join(root, 'test/dist', `${name}.test.js`);
  // A test that runs in circles never gets to handle a gentler signal.
  const options = {
    cwd: root,
    timeout,
    killSignal: 'SIGKILL',
    maxBuffer: 64 * 1024 * 1024,
  } as const;
  const from = performance.now();
  return promisify(execFile)(process.execPath, [path], options).then(
    () => performance.now() - from,
    () => undefined,
  );
}

async function judge(root: string, mutant: Mutant, runs: number): Promise<Verdict> {
  const { judge: name } = mutant;
  if (name === undefined) return play(root, mutant, 'campaign', runs);
  if (name === 'system') return play(root, mutant, 'system', Math.ceil(runs / SYSTEM_COST));
  const sound = passes.get(name) ?? runTest(root, name);
  passes.set(name, sound);
  const takes = await sound;
  if (takes === undefined)
    return { mutant, found: undefined, runs: 0, crash: `${name} fails anyway` };
  const limit = Math.ceil(Math.max(LEAST_LIMIT_MS, takes * PATIENCE));
  const missed = await withFault(root, mutant, () => runTest(root, name, limit));
  return {
    mutant,
    found: missed === undefined ? { rule: name, what: '', seed: 0, atMs: 0 } : undefined,
    runs: 1,
  };
}

async function withFault<T>(root: string, mutant: Mutant, run: () => Promise<T>): Promise<T> {
  const path = join(root, 'packages', mutant.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, mutate(original, mutant));
  try {
    return await run();
  } finally {
    writeFileSync(path, original);
  }
}

async function play(
  root: string,
  mutant: Mutant,
  campaign: 'campaign' | 'system',
  runs: number,
): Promise<Verdict> {
  try {
    const main = join(root, `packages/lab/dist/${campaign}/main.js`);
    const kept = campaign === 'campaign' ? ['--kept', TRANSCRIPTS] : [];
    const args = [main, '--first', '--json', '--runs', String(runs), ...kept];
    const play = () => promisify(execFile)(process.execPath, args);
    const { stdout } = await withFault(root, mutant, play).catch(
      (error: { code: unknown; stdout: string; stderr: string }) => {
        if (error.code !== 1 || error.stdout === '') throw error;
        return error;
      },
    );
    const summary: { runs: number; found: Found[] } = JSON.parse(stdout);
    return { mutant, found: summary.found[0], runs: summary.runs };
  } catch (error) {
    const crash = String(error instanceof Error && 'stderr' in error ? error.stderr : error);
    return { mutant, found: undefined, runs: 0, crash };
  }
}

function show({ mutant, found, runs, crash, seconds = 0 }: Verdict): void {
  const outcome = crash === undefined ? `SURVIVED ${runs} runs` : `CRASHED ${crash.trim()}`;
  const text =
    found === undefined
      ? outcome
      : `${found.rule.padEnd(9)}${found.what === '' ? '' : ` seed ${String(found.seed).padStart(5)}, ${runs} runs`}`;
  console.log(
    `${seconds.toFixed(1).padStart(6)} s ${mutant.name.padEnd(48)} ${text}${found === undefined || found.what === '' ? '' : `: ${found.what}`}`,
  );
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      only: { type: 'string' },
      by: { type: 'string' },
      share: { type: 'string', default: '1' },
      state: { type: 'string' },
      seconds: { type: 'string', default: 'Infinity' },
    },
  });
  const { only, state } = values;
  const endsAt = performance.now() + 1000 * Number(values.seconds);
  const isOver = (): boolean => performance.now() >= endsAt;
  const all = [...MUTANTS, ...TEST_MUTANTS];
  const share = Number(values.share);
  const mutants = all
    .filter(({ name }) => only === undefined || name.includes(only))
    .filter(({ judge: by }) => values.by === undefined || (by ?? 'fast').startsWith(values.by))
    .filter((_, i) => i % share === 0);
  // A list that no longer fits the product is found out before anything runs.
  for (const mutant of mutants) mutate(readFileSync(join(PACKAGES, mutant.file), 'utf8'), mutant);
  const before = readPlayed(state);
  const left = mutants.filter((mutant) => !before.has(keyOf(mutant)));
  const known = mutants.length - left.length;
  // A test may have been mended since: last of all.
  const hasSurvived = (mutant: Mutant): boolean => before.has(keyOf(mutant) + SURVIVED);
  const waiting = [
    ...left.filter((mutant) => !hasSurvived(mutant)),
    ...left.filter((mutant) => hasSurvived(mutant)),
  ];
  const verdicts: Verdict[] = [];
  const base = mkdtempSync(join(tmpdir(), 'sim-mutants-'));
  const job = async (_: unknown, index: number): Promise<void> => {
    const root = join(base, String(index));
    makeTree(root);
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      if (isOver()) return void waiting.unshift(mutant);
      const started = performance.now();
      const verdict = await judge(root, mutant, Number(values.runs));
      verdicts.push(verdict);
      show({ ...verdict, seconds: (performance.now() - started) / 1000 });
      const suffix = verdict.found === undefined ? SURVIVED : '';
      if (state !== undefined) appendFileSync(state, `${keyOf(mutant)}${suffix}\n`);
    }
  };
  try {
    await Promise.all(Array.from({ length: Number(values.jobs) }, job));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  const survivors = verdicts.filter(({ found }) => found === undefined);
  const caught = verdicts.length - survivors.length;
  const more = waiting.length === 0 ? '' : `, ${waiting.length} still to play`;
  const earlier = known === 0 ? '' : `, ${known} earlier`;
  console.log(`\n${caught} of ${verdicts.length} caught${earlier}${more}`);
  for (const { mutant } of survivors) console.log(`not caught: ${mutant.name}`);
  return survivors.length === 0 ? 0 : 1;
}

process.exitCode = await main();
