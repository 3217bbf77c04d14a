/** A failing plan made as small as it can be, and its story. It judges nothing: the rules do. */
import type { Plan } from './plan.ts';
import { run } from './world.ts';

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

/** The plan that is left, and the last lines of what happened. */
export function story(plan: Plan, lines = 60): string {
  const { violation, transcript } = run(plan, true);
  // The quiet life of a session is not the story.
  const eventful = transcript.filter((line) => !/Echo-Re(?:quest|ply)\]?(?: =>|$)/.test(line));
  const verdict =
    violation === undefined
      ? 'breaks no rule'
      : `breaks ${violation.rule}: ${violation.what}, at ${Math.round(violation.atMs)} ms`;
  return [
    `seed ${plan.seed} ${verdict}`,
    `plan ${JSON.stringify(plan)}`,
    ...eventful.slice(-lines),
  ].join('\n');
}
