/**
 * The helper's log: so many lines a second, one line each, whatever provokes them. It knows no levels and no times: what
 * the helper says is rare and always worth a line.
 */

/** Lines within a second after which the rest of that second is only counted. */
const MAX_PER_SECOND = 100;

/**
 * @param write takes one line without its end
 * @param now monotonic milliseconds
 */
export function limitedLog(
  write: (line: string) => void,
  now: () => number,
): (line: string) => void {
  let second = 0;
  let count = 0;
  return (line) => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      if (count > MAX_PER_SECOND) write(`${count - MAX_PER_SECOND} more lines in one second`);
      second = current;
      count = 0;
    }
    count += 1;
    if (count <= MAX_PER_SECOND) write(line.replaceAll(/\p{Cc}/gu, '?'));
  };
}
