/**
 * `make sim-mutants`: for every mutant a copy of the compiled product with that one fault in it, and the simulator on
 * that copy, seed after seed, until a rule breaks. A mutant that survives is a rule that is missing.
 */
import { execFile } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
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
import type { Found } from './batch.ts';

const PACKAGES = fileURLToPath(new URL('../../../', import.meta.url));
/** What once went wrong is not left to luck: its plans are played after the seeds. */
const TRANSCRIPTS = join(PACKAGES, '../test/transcripts');
const MEMBERS = ['protocol', 'helper', 'lab'];

/** What became of one mutant. */
interface Verdict {
  readonly mutant: Mutant;
  /** Undefined if it survived. */
  readonly found: Found | undefined;
  readonly runs: number;
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
}

/** @throws if the piece is not in the file exactly once */
export function mutate(source: string, { name, file, find, replace }: Mutant): string {
  const parts = source.split(find);
  if (parts.length !== 2)
    throw new Error(`apply ${name}: EINVAL: found ${parts.length - 1} times in ${file}`);
  return parts.join(replace);
}

async function test(root: string, mutant: Mutant, runs: number): Promise<Verdict> {
  const path = join(root, 'packages', mutant.file);
  const original = readFileSync(path, 'utf8');
  writeFileSync(path, mutate(original, mutant));
  try {
    const main = join(root, 'packages/lab/dist/campaign/main.js');
    const args = [main, '--first', '--json', '--runs', String(runs), '--kept', TRANSCRIPTS];
    const { stdout } = await promisify(execFile)(process.execPath, args).catch(
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
  } finally {
    writeFileSync(path, original);
  }
}

function show({ mutant, found, runs, crash }: Verdict): void {
  const outcome = crash === undefined ? `SURVIVED ${runs} runs` : `CRASHED ${crash.trim()}`;
  const text =
    found === undefined
      ? outcome
      : `${found.rule.padEnd(9)} after ${String(runs).padStart(5)} runs`;
  console.log(`${mutant.name.padEnd(48)} ${text}${found === undefined ? '' : `: ${found.what}`}`);
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '10000' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      only: { type: 'string' },
    },
  });
  const { only } = values;
  const mutants = MUTANTS.filter(({ name }) => only === undefined || name.includes(only));
  // A list that no longer fits the product is found out before anything runs.
  for (const mutant of mutants) mutate(readFileSync(join(PACKAGES, mutant.file), 'utf8'), mutant);
  const waiting = [...mutants];
  const verdicts: Verdict[] = [];
  const base = mkdtempSync(join(tmpdir(), 'sim-mutants-'));
  const job = async (_: unknown, index: number): Promise<void> => {
    const root = join(base, String(index));
    makeTree(root);
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const verdict = await test(root, mutant, Number(values.runs));
      verdicts.push(verdict);
      show(verdict);
    }
  };
  try {
    await Promise.all(Array.from({ length: Number(values.jobs) }, job));
  } finally {
    rmSync(base, { recursive: true, force: true });
  }
  const survivors = verdicts.filter(({ found }) => found === undefined);
  const caught = verdicts.length - survivors.length;
  console.log(`\n${caught} of ${verdicts.length} caught`);
  for (const { mutant } of survivors) console.log(`not caught: ${mutant.name}`);
  return survivors.length === 0 ? 0 : 1;
}

process.exitCode = await main();
