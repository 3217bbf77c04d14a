/**
 * Lines to a reader who may have stopped reading: what waits for it is bounded, what does not fit is dropped and counted.
 * It knows no levels and limits no rate.
 */

/** Characters that wait for the reader, after which no more are kept. */
const MAX_WAITING = 1 << 20;

/** The part of a writable stream that is needed here. */
export interface LineStream {
  /** Whether it takes more at once; if not, `drain` follows when the reader has read. */
  write(text: string): boolean;
  on(event: 'drain' | 'error', listener: () => void): unknown;
}

/**
 * @param lost told, once the reader reads again, how many lines it has missed
 * @returns takes one line without its end. A reader that has gone for good is no error.
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
