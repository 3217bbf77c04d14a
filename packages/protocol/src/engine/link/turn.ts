/**
 * A line's turn to dial: of many lines in one process only some dial at a time, so that neither the helper's queue nor the
 * AC's grows until requests time out. Who has the turns is the caller's.
 */
export interface Turn {
  /** Have the turn, or go on having it. False: the line is in the queue, and gets the event `deadline` when it may ask again. */
  take(): boolean;
  /** The dial ended or is cancelled. No effect without a turn or a place in the queue. */
  leave(): void;
  /** Lines that dial or wait before this one. */
  ahead(): number;
}

/** Of a line that has the process for itself. */
export const ALWAYS: Turn = { take: () => true, leave: () => undefined, ahead: () => 0 };
