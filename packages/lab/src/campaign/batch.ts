/**
 * Many runs: consecutive seeds, spread over processes, added up. It shows nothing and keeps nothing between calls.
 */
import { fork, type ChildProcess } from 'node:child_process';
import type { Game } from './game.ts';
import type { Plan } from './plan.ts';
import type { Violation } from './rules.ts';

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

/** Seeds that a process takes at a time. */
const CHUNK = 50;
/** Nearly all objects of a run are garbage at its next step: V8 seldom sweeps a large space for new objects. */
const YOUNG = '--max-semi-space-size=64';
/** What a program is called with to work on shares. */
export const SHARES = '--shares';

export const noRuns = (): Tally => ({ runs: 0, steps: 0, simulatedMs: 0, found: [] });

export function add(total: Tally, part: Tally): void {
  total.runs += part.runs;
  total.steps += part.steps;
  total.simulatedMs += part.simulatedMs;
  total.found.push(...part.found);
}

/** Run the seeds `first` … `end - 1` here, one after the other. @param isEnough ends it after a run */
export async function runSeeds<P extends Plan>(
  game: Game<P>,
  { first, end }: Share,
  isEnough: (tally: Tally) => boolean = () => false,
): Promise<Tally> {
  const tally = noRuns();
  for (let seed = first; seed < end && !isEnough(tally); seed++)
    await runPlan(game, game.makePlan(seed), tally);
  return tally;
}

/** Run one plan, and count it. */
export async function runPlan<P extends Plan>(game: Game<P>, plan: P, tally: Tally): Promise<void> {
  const { violation, steps, simulatedMs } = await game.run(plan);
  tally.runs++;
  tally.steps += steps;
  tally.simulatedMs += simulatedMs;
  if (violation !== undefined) tally.found.push({ seed: plan.seed, ...violation });
}

/** Serve the shares that the process which started this one hands out. */
export function serveShares<P extends Plan>(game: Game<P>): void {
  process.on('message', (share: Share) => {
    void runSeeds(game, share).then((tally) => process.send?.(tally));
  });
}

/** A fixed number of processes, which take seeds from one heap: a slow one holds nobody up. */
export class Workers {
  readonly #workers: readonly ChildProcess[];

  /** @param program serves shares when it is called with SHARES */
  constructor(program: string, jobs: number) {
    this.#workers = Array.from({ length: jobs }, () =>
      fork(program, [SHARES], { execArgv: [...process.execArgv, YOUNG] }),
    );
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

  close(): void {
    for (const worker of this.#workers) worker.kill();
  }
}

/** Give one process its shares until there are no more. */
function work(
  worker: ChildProcess,
  take: () => Share | undefined,
  done: (part: Tally) => void,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const ended = (code: number | null): void =>
      reject(new Error(`run seeds: EIO: a process ended with ${code}`));
    const give = (): void => {
      const share = take();
      if (share !== undefined) return void worker.send(share);
      worker.off('message', took);
      worker.off('exit', ended);
      resolve();
    };
    const took = (part: unknown): void => {
      done(part as Tally);
      give();
    };
    worker.on('message', took);
    worker.on('exit', ended);
    give();
  });
}
