/**
 * The one way out of the engine's machines. What a machine sends, and its lines of the log, go straight to the `Out` that it
 * was given; what its methods return are signals to the machine that called it. It holds nothing and decides nothing.
 */
import type { Action, Note } from './events.ts';

/** Writes a line of one machine's log; `move` says what changed, if anything did. */
export type Log = (
  level: Note['level'],
  on: string,
  facts?: NonNullable<Note['facts']>,
  move?: Partial<Pick<Note, 'from' | 'to' | 'actions'>>,
) => void;

/** Takes actions, to be performed in the order in which they come. */
export type Out = (...actions: readonly Action[]) => void;

/** @param state the state that the machine is in, for lines that do not give another */
export const logTo =
  (out: Out, machine: Note['machine'], state: () => string): Log =>
  (level, on, facts = {}, { from = state(), to = from, actions = [] } = {}) =>
    out({
      kind: 'note',
      note: { level, machine, from, ...(to === from ? {} : { to }), on, actions, facts },
    });
