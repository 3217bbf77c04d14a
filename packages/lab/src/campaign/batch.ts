/**
 * Many runs: consecutive seeds, spread over worker threads, added up. It shows nothing and keeps nothing between calls.
 */
import { isMainThread, parentPort, Worker } from 'node:worker_threads';
import { makePlan, type Plan } from './plan.ts';
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
}

/** Seeds that a thread takes at a time: about a second's work. */
const CHUNK = 200;

export const noRuns = (): Tally => ({ runs: 0, steps: 0, simulatedMs: 0, found: [] });

export function add(total: Tally, part: Tally): void {
  total.runs += part.runs;
  total.steps += part.steps;
  total.simulatedMs += part.simulatedMs;
  total.found.push(...part.found);
}

/** Run the seeds `first` … `end - 1` here, one after the other. @param isEnough ends it after a run */
export function runSeeds(
  { first, end }: Share,
  isEnough: (tally: Tally) => boolean = () => false,
): Tally {
  const tally = noRuns();
  for (let seed = first; seed < end && !isEnough(tally); seed++) runPlan(makePlan(seed), tally);
  return tally;
}

/** Run one plan, and count it. */
export function runPlan(plan: Plan, tally: Tally): void {
  const { violation, steps, simulatedMs } = run(plan);
  tally.runs++;
  tally.steps += steps;
  tally.simulatedMs += simulatedMs;
  if (violation !== undefined) tally.found.push({ seed: plan.seed, ...violation });
}

/** A fixed number of threads, which take seeds from one heap: a slow one holds nobody up. */
export class Threads {
  readonly #workers: readonly Worker[];

  constructor(jobs: number) {
    const url = new URL(import.meta.url);
    this.#workers = Array.from({ length: jobs }, () => new Worker(url));
  }

  /** Run the seeds `first` … `first + runs - 1`. One call at a time. */
  async run(first: number, runs: number): Promise<Tally> {
    const total = noRuns();
    let next = first;
    const end = first + runs;
    const take = (): Share | undefined => {
      const share = { first: next, end: Math.min(next + CHUNK, end) };
      next = share.end;
      return share.first < share.end ? share : undefined;
    };
    await Promise.all(
      this.#workers.map((worker) => work(worker, take, (part) => add(total, part))),
    );
    total.found.sort((a, b) => a.seed - b.seed);
    return total;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}

/** Give one thread its shares until there are no more. */
function work(
  worker: Worker,
  take: () => Share | undefined,
  done: (part: Tally) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const give = (): void => {
      const share = take();
      if (share !== undefined) return worker.postMessage(share);
      worker.off('message', took);
      worker.off('error', reject);
      resolve();
    };
    const took = (part: Tally): void => {
      done(part);
      give();
    };
    worker.on('message', took);
    worker.on('error', reject);
    give();
  });
}

if (!isMainThread)
  parentPort?.on('message', (share: Share) => parentPort?.postMessage(runSeeds(share)));
