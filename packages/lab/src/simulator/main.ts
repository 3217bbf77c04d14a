/**
 * `make sim`: run plans from consecutive seeds on every core, and show the first that breaks a rule as small as it can
 * be made. It decides nothing about the rules themselves.
 */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { makePlan, type Plan } from './plan.ts';
import { run } from './world.ts';

interface Report {
  readonly runs: number;
  readonly steps: number;
  readonly simulatedMs: number;
  /** Seeds that broke a rule. */
  readonly failed: readonly number[];
}

/** Run the seeds `first`, `first + stride` … below `end`, and report every so often. */
function work(first: number, end: number, stride: number, report: (part: Report) => void): void {
  let part = { runs: 0, steps: 0, simulatedMs: 0, failed: [] as number[] };
  for (let seed = first; seed < end; seed += stride) {
    const result = run(makePlan(seed));
    part.runs++;
    part.steps += result.steps;
    part.simulatedMs += result.simulatedMs;
    if (result.violation !== undefined) part.failed.push(seed);
    if (part.runs % 100 === 0 || part.failed.length > 0) {
      report(part);
      part = { runs: 0, steps: 0, simulatedMs: 0, failed: [] };
    }
  }
  report(part);
}

/** Leave out faults while the run still breaks the same rule. */
export function shrink(plan: Plan): Plan {
  const rule = run(plan).violation?.rule;
  let smallest = plan;
  for (let i = 0; i < smallest.faults.length;) {
    const without = { ...smallest, faults: smallest.faults.filter((_, k) => k !== i) };
    if (without.faults.length > 0 && run(without).violation?.rule === rule) smallest = without;
    else i++;
  }
  return smallest;
}

function show(seed: number): void {
  const plan = shrink(makePlan(seed));
  const { violation, transcript } = run(plan, true);
  console.log(`\nseed ${seed} breaks ${violation?.rule}: ${violation?.what}`);
  console.log(`plan ${JSON.stringify(plan)}`);
  // The quiet life of a session is not the story.
  const eventful = transcript.filter((line) => !/Echo-Re(?:quest|ply)\]?(?: =>|$)/.test(line));
  console.log(eventful.slice(-60).join('\n'));
}

async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '20000' },
      seed: { type: 'string', default: '1' },
      jobs: { type: 'string', default: String(availableParallelism()) },
      show: { type: 'string' },
      json: { type: 'boolean', default: false },
    },
  });
  if (values.show !== undefined) {
    show(Number(values.show));
    return 0;
  }
  const [first, runs, jobs] = [Number(values.seed), Number(values.runs), Number(values.jobs)];
  const total = { runs: 0, steps: 0, simulatedMs: 0, failed: [] as number[] };
  const started = performance.now();
  await Promise.all(
    Array.from({ length: jobs }, (_, job) => startWorker(first + job, first + runs, jobs, total)),
  );
  const elapsed = (performance.now() - started) / 1000;
  const perSecond = Math.round(total.runs / elapsed);
  const minutes = total.simulatedMs / 60_000 / Math.max(total.runs, 1);
  const summary = {
    runs: total.runs,
    violations: total.failed.length,
    seeds: total.failed.slice(0, 20),
    runsPerSecond: perSecond,
    runsPerSecondPerCore: Math.round(perSecond / jobs),
    simulatedMinutesPerRun: Number(minutes.toFixed(1)),
    stepsPerRun: Math.round(total.steps / Math.max(total.runs, 1)),
  };
  if (values.json) console.log(JSON.stringify(summary));
  else {
    console.log(
      `${summary.runs} runs, ${summary.violations} violations; ${perSecond} runs/s on ${jobs} cores, ` +
        `${summary.simulatedMinutesPerRun} simulated minutes and ${summary.stepsPerRun} steps each`,
    );
    const [worst] = [...total.failed].sort((a, b) => a - b);
    if (worst !== undefined) show(worst);
  }
  return total.failed.length === 0 ? 0 : 1;
}

function startWorker(
  first: number,
  end: number,
  stride: number,
  total: { runs: number; steps: number; simulatedMs: number; failed: number[] },
): Promise<void> {
  const worker = new Worker(new URL(import.meta.url), { workerData: { first, end, stride } });
  return new Promise((resolve, reject) => {
    worker.on('message', (part: Report) => {
      total.runs += part.runs;
      total.steps += part.steps;
      total.simulatedMs += part.simulatedMs;
      total.failed.push(...part.failed);
    });
    worker.on('error', reject);
    worker.on('exit', () => resolve());
  });
}

if (isMainThread) process.exitCode = await main();
else {
  const { first, end, stride } = workerData as { first: number; end: number; stride: number };
  work(first, end, stride, (part) => parentPort?.postMessage(part));
}
