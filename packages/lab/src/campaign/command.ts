/**
 * The command of a campaign: run plans from consecutive seeds on every core, and show the first that breaks a rule as
 * small as it can be made. It decides nothing about the rules themselves.
 */
import { existsSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  add,
  noRuns,
  runPlan,
  runSeeds,
  serveShares,
  SHARES,
  Workers,
  type Tally,
} from './batch.ts';
import type { Game } from './game.ts';
import type { Plan } from './plan.ts';
import { shrink, story } from './shrink.ts';

/** Between two writes of the state: what a kill may lose. */
const BLOCK = 5000;

const USAGE = `usage: main.js [--runs N] [--seed N] [--jobs N] [--json] [--first] [--state FILE] [--kept DIR] [--show SEED]
  --first   stop at the first violation; in one process
  --state   carry on where FILE says the last call stopped, and keep it up to date; --runs is what to add
  --kept    before the seeds, play the plans of the transcripts in DIR
  --show    tell the story of one seed, shrunk if it breaks a rule`;

/** Where a long campaign is: one JSON file. */
interface State {
  next: number;
  seconds: number;
  total: Tally;
}

/**
 * @param program the one that calls this, which is started again for each job
 * @returns its exit code
 */
export async function command<P extends Plan>(game: Game<P>, program: string): Promise<number> {
  if (process.argv.includes(SHARES)) {
    serveShares(game);
    return 0;
  }
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      show: { type: 'string' },
      state: { type: 'string' },
      kept: { type: 'string' },
      first: { type: 'boolean', default: false },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  if (values.show !== undefined) {
    const plan = game.makePlan(Number(values.show));
    console.log(await story(game, await shrink(game, plan)));
    return 0;
  }
  const [seed, runs] = [Number(values.seed), Number(values.runs)];
  const jobs = values.first ? 1 : Number(values.jobs);
  if (![seed, runs, jobs].every((n) => Number.isInteger(n) && n > 0)) {
    console.error(USAGE);
    return 2;
  }
  const state = resume(values.state) ?? { next: seed, seconds: 0, total: noRuns() };
  const end = state.next + runs;
  const isEnough = (tally: Tally): boolean => values.first && tally.found.length > 0;
  const now = { runs: 0, seconds: 0 };
  for (const plan of keptPlans<P>(values.kept))
    if (!isEnough(state.total)) await runPlan(game, plan, state.total);
  const workers = values.first ? undefined : new Workers(program, jobs);
  while (state.next < end && !isEnough(state.total)) {
    const size = Math.min(values.first ? runs : BLOCK, end - state.next);
    const started = performance.now();
    const part =
      workers === undefined
        ? await runSeeds(game, { first: state.next, end }, isEnough)
        : await workers.run(state.next, size);
    const seconds = (performance.now() - started) / 1000;
    add(state.total, part);
    state.next += size;
    state.seconds += seconds;
    now.runs += part.runs;
    now.seconds += seconds;
    if (values.state !== undefined) save(values.state, state);
  }
  workers?.close();
  report(state, now, jobs, values.json);
  const [first] = state.total.found;
  if (!values.json && first !== undefined)
    console.log(`\n${await story(game, await shrink(game, game.makePlan(first.seed)))}`);
  return state.total.found.length === 0 ? 0 : 1;
}

function report(
  { total, next }: State,
  now: { readonly runs: number; readonly seconds: number },
  jobs: number,
  isJson: boolean,
): void {
  const perSecond = Math.round((10 * now.runs) / now.seconds) / 10;
  const minutes = total.simulatedMs / 60_000 / Math.max(total.runs, 1);
  const summary = {
    runs: total.runs,
    violations: total.found.length,
    found: total.found.slice(0, 20),
    runsPerSecond: perSecond,
    runsPerSecondPerCore: Math.round((10 * perSecond) / jobs) / 10,
    simulatedMinutesPerRun: Number(minutes.toFixed(1)),
    stepsPerRun: Math.round(total.steps / Math.max(total.runs, 1)),
    next,
  };
  if (isJson) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${summary.runs} runs, ${summary.violations} violations; ${perSecond} runs/s on ${jobs} cores, ` +
        `${summary.simulatedMinutesPerRun} simulated minutes and ${summary.stepsPerRun} steps each`,
    );
    for (const { seed, rule, what } of summary.found) console.log(`seed ${seed}: ${rule}: ${what}`);
  }
}

/** The plans of the transcripts in a directory. */
function keptPlans<P extends Plan>(directory: string | undefined): readonly P[] {
  if (directory === undefined) return [];
  return readdirSync(directory)
    .filter((file) => file.endsWith('.json'))
    .map((file) => {
      const transcript: { plan: P } = JSON.parse(readFileSync(join(directory, file), 'utf8'));
      return transcript.plan;
    });
}

function resume(path: string | undefined): State | undefined {
  if (path === undefined || !existsSync(path)) return undefined;
  const state: State = JSON.parse(readFileSync(path, 'utf8'));
  return state;
}

function save(path: string, state: State): void {
  writeFileSync(`${path}.new`, `${JSON.stringify(state)}\n`);
  renameSync(`${path}.new`, path);
}
