/** A failing plan made as small as it can be, and its story. It judges nothing: the rules do. */
import type { Game } from './game.ts';
import type { Plan } from './plan.ts';

/** Leave out faults while the run still breaks the same rule. */
export async function shrink<P extends Plan>(game: Game<P>, plan: P): Promise<P> {
  const rule = (await game.run(plan)).violation?.rule;
  let smallest = plan;
  for (let i = 0; i < smallest.faults.length;) {
    const without = { ...smallest, faults: smallest.faults.filter((_, k) => k !== i) };
    const isSame = without.faults.length > 0 && (await game.run(without)).violation?.rule === rule;
    if (isSame) smallest = without;
    else i++;
  }
  return smallest;
}

/** The plan that is left, and the last lines of what happened. */
export async function story<P extends Plan>(game: Game<P>, plan: P, lines = 60): Promise<string> {
  const { violation, transcript } = await game.run(plan, true);
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
