/**
 * Watches a process that may hang, for service managers such as daemon(8) that only restart a process that has exited.
 * The guard is a child `sh` that reads a line from the process at each beat, and kills the process when no line has
 * come for too long. The caller starts the child. A process that cannot start yet tries again after `pauses`.
 */

/** Milliseconds between two beats. */
export const BEAT_MS = 5000;
/** Seconds without a beat after which a process hangs. An Access Concentrator waits 30 s and more for its echoes. */
const HANG_SECONDS = 20;
/** The same from the first beat to the second: a machine that is just booting is slow to start a program. */
const START_SECONDS = 120;

/**
 * `$1`: seconds without a line; `$2`: the process's name; `$3`: seconds from the first line, which starts this script, to
 * the second. The second, shorter wait is for a machine that was suspended, on which only the line is late. `read` fails
 * with 1 at the end of its input, that is, when the process exits.
 */
const SCRIPT = `trap '' HUP INT TERM
limit=$3
read -r beat || exit 0
while :; do
  read -r -t "$limit" beat && { limit=$1; continue; }
  [ $? -gt 128 ] || exit 0
  read -r -t 2 beat && { limit=$1; continue; }
  [ $? -gt 128 ] || exit 0
  echo "$2: pid $PPID has been silent for $limit s: killed" >&2
  kill -KILL "$PPID"
  exit 0
done
`;

/** The arguments for `sh`. */
export const guardArguments = (
  name: string,
  seconds = HANG_SECONDS,
  atStart = START_SECONDS,
): readonly string[] => ['-c', SCRIPT, 'guard', String(seconds), name, String(atStart)];

/** The parts of a child process used here. */
interface Guard {
  readonly stdin: {
    write(text: string): unknown;
    on(event: 'error', listener: () => void): unknown;
  } | null;
  once(event: 'error' | 'exit', listener: () => void): unknown;
}

/**
 * @param start starts `sh` with a pipe to its standard input
 * @param log takes one line, without the program's name
 * @returns a function to call every BEAT_MS. It restarts a guard that has exited.
 */
export function guarded(start: () => Guard, log: (line: string) => void): () => void {
  let current: Guard | undefined;
  return () => {
    if (current === undefined) {
      const guard = started(start, log);
      if (guard === undefined) return;
      const gone = (): void => {
        if (current === guard) log('guard: ECHILD: it has ended; another one is started');
        current = undefined;
      };
      guard.once('error', gone);
      guard.once('exit', gone);
      guard.stdin?.on('error', () => undefined);
      current = guard;
    }
    current.stdin?.write('\n');
  };
}

/** Undefined if the system refuses at once: memory may be short, and the next beat tries again. */
function started<T>(start: () => T, log: (line: string) => void): T | undefined {
  try {
    return start();
  } catch (error) {
    log(`guard: ${error instanceof Error ? error.message : String(error)}`);
    return undefined;
  }
}

/** Milliseconds between the attempts of a process that cannot start yet. The longest is well below `HANG_SECONDS`. */
export function* pauses(): Generator<number, never> {
  for (let pause = 250; ; pause = Math.min(2 * pause, 8000)) yield pause;
}
