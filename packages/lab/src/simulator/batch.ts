/**
 * Many runs: consecutive seeds, spread over worker threads, added up. It shows nothing and keeps nothing between calls.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { makePlan } from './plan.ts';
import type { Violation } from './rules.ts';
import { run } from './world.ts';

export interface Found extends Violation {
  readonly seed: number;
}

export interface Tally {
  runs: number;
  steps: number;
  simulatedMs: number;
  /** In the order of their seeds once all is done. */
  found: Found[];
}

interface Share {
  readonly first: number;
  readonly end: number;
  readonly stride: number;
}

export const noRuns = (): Tally => ({ runs: 0, steps: 0, simulatedMs: 0, found: [] });

export function add(total: Tally, part: Tally): void {
  total.runs += part.runs;
  total.steps += part.steps;
  total.simulatedMs += part.simulatedMs;
  total.found.push(...part.found);
}

/** Run the seeds `first` … `end - 1` here, one after the other. @param isEnough ends it after a run */
export function runSeeds(
  { first, end, stride }: Share,
  isEnough: (tally: Tally) => boolean = () => false,
): Tally {
  const tally = noRuns();
  for (let seed = first; seed < end && !isEnough(tally); seed += stride) {
    const { violation, steps, simulatedMs } = run(makePlan(seed));
    tally.runs++;
    tally.steps += steps;
    tally.simulatedMs += simulatedMs;
    if (violation !== undefined) tally.found.push({ seed, ...violation });
  }
  return tally;
}

/** Run the seeds `first` … `first + runs - 1` on `jobs` threads. */
export async function runOnThreads(first: number, runs: number, jobs: number): Promise<Tally> {
  const total = noRuns();
  const parts = Array.from({ length: jobs }, (_, job) =>
    onThread({ first: first + job, end: first + runs, stride: jobs }),
  );
  for (const part of await Promise.all(parts)) add(total, part);
  total.found.sort((a, b) => a.seed - b.seed);
  return total;
}

function onThread(share: Share): Promise<Tally> {
  const worker = new Worker(new URL(import.meta.url), { workerData: share });
  return new Promise((resolve, reject) => {
    worker.on('message', (part: Tally) => resolve(part));
    worker.on('error', reject);
  });
}

if (!isMainThread) parentPort?.postMessage(runSeeds(workerData as Share));
