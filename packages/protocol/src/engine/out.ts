/**
 * The one way out of the engine's machines. A machine writes its actions and log lines to the `Out` of its constructor. Its
 * methods return only signals to the machine that called it.
 */
import type { Action, Note } from './events.ts';

/** Writes one line of a machine's log; `move` names the new state, if it changed. */
export type Log = (
  level: Note['level'],
  on: string,
  facts?: NonNullable<Note['facts']>,
  move?: Partial<Pick<Note, 'from' | 'to' | 'actions'>>,
) => void;

/** Takes actions, to be performed in the order in which they come. */
export type Out = (...actions: readonly Action[]) => void;

/** @param state the machine's state, for lines without a `move` */
export const logTo =
  (out: Out, machine: Note['machine'], state: () => string): Log =>
  (level, on, facts = {}, { from = state(), to = from, actions = [] } = {}) =>
    out({
      kind: 'note',
      note: { level, machine, from, ...(to === from ? {} : { to }), on, actions, facts },
    });
