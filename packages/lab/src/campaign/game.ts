/** What a campaign plays: plans from seeds, and what becomes of one. The fast campaign is one, the whole system another. */
import type { Plan } from './plan.ts';
import type { Violation } from './rules.ts';

/** How often the processes of both routers were woken. */
export interface Turns {
  readonly helper: [number, number];
  readonly supervisor: [number, number];
}

export interface RunResult {
  readonly violation: Violation | undefined;
  readonly steps: number;
  readonly simulatedMs: number;
  /** What happened, a line each, if it was asked for. */
  readonly transcript: readonly string[];
  /** Where processes are simulated. */
  readonly turns?: Turns;
}

export interface Game<P extends Plan> {
  /** The run that `seed` stands for. */
  makePlan(seed: number): P;
  /** Run `plan` to its end or to the first violation. The same plan gives the same run. */
  run(plan: P, withTranscript?: boolean): RunResult | Promise<RunResult>;
}
