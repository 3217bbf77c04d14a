/**
 * Writes lines to a reader that may have stopped reading. It bounds the waiting text, and drops and counts further
 * lines. It knows no levels and limits no rate.
 */

/** Waiting characters at most. */
const MAX_WAITING = 1 << 20;

/** The parts of a writable stream used here. */
export interface LineStream {
  /** False if the stream is full; `drain` follows when the reader has read. */
  write(text: string): boolean;
  on(event: 'drain' | 'error', listener: () => void): unknown;
}

/**
 * @param lost called when the reader reads again, with the number of dropped lines
 * @returns a function that takes one line without its line end. A reader that has exited is no error.
 */
export function lineOutput(
  stream: LineStream,
  lost: (lines: number) => void,
): (line: string) => void {
  let waiting = 0;
  let missed = 0;
  stream.on('error', () => {});
  stream.on('drain', () => {
    waiting = 0;
    const lines = missed;
    missed = 0;
    if (lines > 0) lost(lines);
  });
  return (line) => {
    if (waiting > MAX_WAITING) missed += 1;
    else waiting = stream.write(`${line}\n`) ? 0 : waiting + line.length;
  };
}
