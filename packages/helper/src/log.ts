/**
 * The helper's log: one line for each message, rate-limited. It adds no timestamps; daemon(8) or journald does.
 */

/** An error, or an event. */
type Urgency = 'warning' | 'info';

export type HelperLog = (line: string, urgency?: Urgency) => void;

/** sd-daemon(3): the priorities of syslog(3). */
const PRIORITY = { warning: '<4>', info: '<6>' } as const satisfies Record<Urgency, string>;

/**
 * Lines a second of each urgency; the log only counts the rest. The supervisor can cause warnings, and must not be able to hide
 * an edge of the role with them.
 */
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
  let counts = { warning: 0, info: 0 };
  const put: HelperLog = (line, urgency = 'warning') =>
    write(`${isJournal ? PRIORITY[urgency] : ''}helper: ${line.replaceAll(/\p{Cc}/gu, '?')}`);
  return (line, urgency = 'warning') => {
    const current = Math.floor(now() / 1000);
    if (current !== second) {
      const over = Object.values(counts).map((count) => Math.max(0, count - MAX_PER_SECOND));
      const more = over.reduce((sum, each) => sum + each, 0);
      if (more > 0) put(`${more} more lines in one second`);
      second = current;
      counts = { warning: 0, info: 0 };
    }
    counts[urgency] += 1;
    if (counts[urgency] <= MAX_PER_SECOND) put(line, urgency);
  };
}
