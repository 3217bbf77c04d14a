/**
 * Writes lines to a reader that may have stopped reading. It bounds the waiting text, and drops and counts further
 * lines. It knows no levels and limits no rate.
 */

/** Waiting characters at most. */
const MAX_WAITING = 1 << 20;

/** The parts of a writable stream used here. */
interface LineStream {
  /** False if the stream is full; `drain` follows when the reader has read. */
  write(text: string): boolean;
  on(event: 'drain' | 'error', listener: () => void): unknown;
}

/**
 * @param lost called when the reader reads again, with the number of dropped lines
 * @param later runs `flush` soon: lines are kept until then and written together. Each is written at once by default
 * @returns a function that takes one line without its line end. A reader that has exited is no error.
 */
export function lineOutput(
  stream: LineStream,
  lost: (lines: number) => void,
  later: (flush: () => void) => void = (flush) => flush(),
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
  let kept = '';
  const flush = (): void => {
    const text = kept;
    kept = '';
    if (text !== '') waiting = stream.write(text) ? 0 : waiting + text.length;
  };
  return (line) => {
    if (waiting + kept.length > MAX_WAITING) {
      missed += 1;
      return;
    }
    const isFirst = kept === '';
    kept += `${line}\n`;
    if (isFirst) later(flush);
  };
}
