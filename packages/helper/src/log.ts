/**
 * The helper's log: one line for each message, rate-limited. It adds no timestamps; daemon(8) or journald does.
 */

/** An error, or an event. */
type Urgency = 'warning' | 'info';

export type HelperLog = (line: string, urgency?: Urgency) => void;

/** sd-daemon(3): the priorities of syslog(3). */
const PRIORITY = { warning: '<4>', info: '<6>' } as const satisfies Record<Urgency, string>;

/** Lines a second; the log only counts the rest. */
const MAX_PER_SECOND = 100;

/**
 * @param write takes one line without its end
 * @param now monotonic milliseconds
 * @param isJournal whether journald reads it, and wants the priority before each line
 */
export function limitedLog(
  write: (line: string) => void,
  now: () => number,
  isJournal = false,
): HelperLog {
  let second = 0;
  let count = 0;
  const put: HelperLog = (line, urgency = 'warning') =>
    write(`${isJournal ? PRIORITY[urgency] : ''}helper: ${line.replaceAll(/\p{Cc}/gu, '?')}`);
  return (line, urgency) => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      if (count > MAX_PER_SECOND) put(`${count - MAX_PER_SECOND} more lines in one second`);
      second = current;
      count = 0;
    }
    count += 1;
    if (count <= MAX_PER_SECOND) put(line, urgency);
  };
}
