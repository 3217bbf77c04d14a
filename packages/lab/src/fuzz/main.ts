/**
 * `make fuzz`: every decoder of the product fed with inputs that V8's coverage says lead somewhere new, for so many seconds
 * each. The corpus is text in the repository; what is found goes there with --keep. It decides nothing about the decoders.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { Chance } from '../campaign/random.ts';
import { Coverage } from './coverage.ts';
import { mutate } from './mutator.ts';
import { TARGETS, type Target } from './targets.ts';

const CORPUS = fileURLToPath(new URL('../../../../test/fixtures/fuzz/', import.meta.url));
/** Inputs between two looks at the coverage, each of which costs as much as hundreds of them: more while nothing is new. */
const BATCH = { least: 128, most: 8192 };
/** Inputs of a target that are kept in the repository, the shortest first. */
const MAX_KEPT = 40;
const MAX_KEPT_OCTETS = 512;

const USAGE = `usage: main.js [--seconds N] [--target NAME] [--seed N] [--keep]
  --seconds  for each target
  --keep     write what leads somewhere new to the corpus`;

interface Outcome {
  readonly executions: number;
  readonly corpus: readonly Uint8Array[];
  readonly failure: { readonly input: Uint8Array; readonly error: unknown } | undefined;
}

/** Feed `target` until the time is over or it fails. @param seconds 0: the corpus alone */
export function fuzz(
  target: Target,
  corpus: readonly Uint8Array[],
  coverage: Coverage,
  chance: Chance,
  seconds: number,
): Outcome {
  const kept: Uint8Array[] = [];
  let executions = 0;
  let size: number = BATCH.least;
  const run = (input: Uint8Array): void => {
    executions++;
    target.run(input);
  };
  /** Keep it if it leads somewhere new. */
  const consider = (input: Uint8Array): void => {
    coverage.reset();
    run(input);
    if (coverage.news(true) > 0 || kept.length === 0) kept.push(input);
  };
  let current: Uint8Array = new Uint8Array(0);
  /** Halve what leads somewhere new until the inputs that do are found. */
  const search = (batch: readonly Uint8Array[]): void => {
    coverage.reset();
    for (current of batch) run(current);
    if (coverage.news(batch.length === 1) === 0) return;
    const [only] = batch;
    if (batch.length === 1 && only !== undefined) kept.push(only);
    else {
      const half = batch.length >> 1;
      search(batch.slice(0, half));
      search(batch.slice(half));
    }
  };
  try {
    for (current of [...target.seeds, ...corpus]) consider(current);
    const end = performance.now() + seconds * 1000;
    while (performance.now() < end) {
      const batch = Array.from({ length: size }, () =>
        mutate(chance.pick(kept), chance.pick(kept), chance),
      );
      const before = kept.length;
      search(batch);
      size = kept.length > before ? BATCH.least : Math.min(2 * size, BATCH.most);
    }
    return { executions, corpus: kept, failure: undefined };
  } catch (error) {
    return { executions, corpus: kept, failure: { input: current, error } };
  }
}

/** The inputs of a target, a line each. */
export function readCorpus(name: string): readonly Uint8Array[] {
  const path = join(CORPUS, `${name}.hex`);
  if (!existsSync(path)) return [];
  const lines = readFileSync(path, 'utf8').split('\n');
  return lines.flatMap((line) => (line === '' ? [] : [fromHex(line) ?? new Uint8Array(0)]));
}

function writeCorpus(name: string, corpus: readonly Uint8Array[]): void {
  mkdirSync(CORPUS, { recursive: true });
  const lines = corpus
    .filter(({ length }) => length > 0 && length <= MAX_KEPT_OCTETS)
    .sort((a, b) => a.length - b.length)
    .slice(0, MAX_KEPT)
    .map((input) => `${toHex(input)}\n`);
  writeFileSync(join(CORPUS, `${name}.hex`), lines.join(''));
}

function main(): number {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '30' },
      seed: { type: 'string', default: '1' },
      target: { type: 'string' },
      keep: { type: 'boolean', default: false },
    },
  });
  const [seconds, seed] = [Number(values.seconds), Number(values.seed)];
  const targets = TARGETS.filter(({ name }) => (values.target ?? name) === name);
  if (!(seconds >= 0) || !Number.isInteger(seed) || targets.length === 0) {
    console.error(USAGE);
    return 2;
  }
  let failures = 0;
  for (const target of targets) {
    const coverage = new Coverage();
    const corpus = readCorpus(target.name);
    const {
      executions,
      corpus: found,
      failure,
    } = fuzz(target, corpus, coverage, new Chance(seed), seconds);
    coverage.close();
    const told = `${executions} executions, ${coverage.size} pieces, ${found.length} inputs`;
    console.log(`${target.name.padEnd(16)} ${told}`);
    if (values.keep) writeCorpus(target.name, found);
    if (failure === undefined) continue;
    failures++;
    console.error(`${target.name}: ${toHex(failure.input)}`, failure.error);
  }
  return failures === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = main();
