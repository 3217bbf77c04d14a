/**
 * A line's turn to dial. If one process has many lines, only some of them dial at a time; otherwise the queues of the helper
 * and of the AC would grow until requests time out. The caller hands out the turns.
 */
export interface Turn {
  /** Take the turn, or keep it. False: the line is in the queue, and gets the event `deadline` when it may try again. */
  take(): boolean;
  /** The dial ended or is cancelled. No effect without a turn or a place in the queue. */
  leave(): void;
  /** Lines that dial or wait before this one. */
  ahead(): number;
}

/** For a process with one line. */
export const ALWAYS: Turn = { take: () => true, leave: () => undefined, ahead: () => 0 };
