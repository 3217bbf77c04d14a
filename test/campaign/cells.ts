/**
 * Which cells of ownership's table the runs of this process have entered. It watches the table itself, so that what it
 * counts is what the engine asked for; it changes no answer.
 */
import { OWNERSHIP } from '@ppp-thing/protocol/engine/owner/ownership';

/** `event/state`, and how often. A verb that the operator was refused for another reason counts as entered too. */
export type Coverage = Map<string, number>;

/** Begin to count, for the life of the process. Every cell is there, at zero. */
export function countCells(): Coverage {
  const counts: Coverage = new Map();
  for (const [event, row] of Object.entries(OWNERSHIP)) {
    for (const [state, cell] of Object.entries(row)) {
      const name = `${event}/${state}`;
      counts.set(name, 0);
      Object.defineProperty(row, state, {
        get: () => {
          counts.set(name, (counts.get(name) ?? 0) + 1);
          return cell;
        },
      });
    }
  }
  return counts;
}
