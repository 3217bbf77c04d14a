/**
 * The helper's only wait: a single `poll()` over every descriptor. Callbacks run to completion, one at a time; none may
 * block. The loop does not know what the descriptors are for.
 */
import { BackendError } from './errors.ts';
import { SystemError, type Libc, type PollEntry } from './libc.ts';
import { POLLERR, POLLHUP, POLLIN, POLLNVAL, setCloseOnExec, setNonblocking } from './unix.ts';

export interface Loop {
  /** Monotonic milliseconds. */
  now(): number;
  /** Call `ready` with the POLL bits found, until `unwatch`. Watching a descriptor again replaces its entry. */
  watch(fd: number, events: number, ready: (revents: number) => void): void;
  unwatch(fd: number): void;
  /** Call `run` every `intervalMs`. Returns what stops it. */
  every(intervalMs: number, run: () => void): () => void;
}

export interface MainLoop extends Loop {
  /** When the last wait ended. Everything handled in this turn arrived before. */
  turnedAt(): number;
  /** Call `run` once after `delayMs`. Returns what stops it. */
  after(delayMs: number, run: () => void): () => void;
  /** For signal handlers: end the current wait, and run `soon` in the loop's next turn. */
  wake(soon: () => void): void;
  /** Run until `until` returns true. Rejects with the error of `poll`, or with a fault of our own. */
  run(until: () => boolean): Promise<void>;
  /** Close the wake pipe. The owners close their descriptors. */
  close(): void;
}

/** Longest wait, so that a lost wake-up costs no more than this. */
const LONGEST_WAIT_MS = 1000;
/**
 * The loop waits in a second thread, so that a signal can end the wait, and each hand-over costs time. In a conversation
 * (two turns within CONVERSATION_MS) it waits in its own thread instead, for CONVERSATION_MS at most, and for MOST_HERE
 * turns in a row at most.
 */
const CONVERSATION_MS = 20;
const MOST_HERE = 8;
/** The loop drops a descriptor after this many polls in a row that find it broken and its owner idle. */
const STRIKES = 16;

interface Watched extends PollEntry {
  readonly ready: (revents: number) => void;
  strikes: number;
}

interface Timer {
  at: number;
  readonly intervalMs: number | undefined;
  readonly run: () => void;
}

/**
 * @param now  monotonic milliseconds
 * @param log  one line, without the program's name
 */
export function createLoop(libc: Libc, now: () => number, log: (line: string) => void): MainLoop {
  const watched = new Map<number, Watched>();
  const timers = new Set<Timer>();
  const [wakeRead, wakeWrite] = libc.pipe();
  for (const fd of [wakeRead, wakeWrite]) {
    setNonblocking(libc, fd);
    setCloseOnExec(libc, fd);
  }
  /** The watched descriptors; the loop rebuilds the array only after a change. */
  let polled: readonly Watched[] | undefined;
  const changed = (): void => void (polled = undefined);
  const drain = new Uint8Array(64);
  let waiting = false;
  let turnedAt = 0;
  let servedAt = -Infinity;
  let isConversation = false;
  let here = 0;
  let soon: (() => void)[] = [];

  const watch = (fd: number, events: number, ready: (revents: number) => void): void => {
    watched.set(fd, { fd, events, revents: 0, ready, strikes: 0 });
    changed();
  };
  watch(wakeRead, POLLIN, () => libc.read(wakeRead, drain));

  const endWait = (): void => {
    if (waiting) libc.write(wakeWrite, new Uint8Array(1));
  };
  const add = (timer: Timer): (() => void) => {
    timers.add(timer);
    endWait();
    return () => void timers.delete(timer);
  };

  /** Logs a kernel error that a descriptor's owner throws. A fault of our own ends the loop. */
  const call = (subject: string, run: () => void): boolean => {
    try {
      run();
      return true;
    } catch (error) {
      if (!(error instanceof SystemError || error instanceof BackendError)) throw error;
      log(error instanceof BackendError ? error.message : `${subject}: ${error.message}`);
      return false;
    }
  };

  const serve = (entry: Watched, revents: number): void => {
    if (watched.get(entry.fd) !== entry) return;
    if ((revents & POLLNVAL) !== 0) {
      watched.delete(entry.fd);
      changed();
      log(`poll descriptor ${entry.fd}: EBADF: closed while it was watched`);
      return;
    }
    const done = call(`serve descriptor ${entry.fd}`, () => entry.ready(revents));
    const idle = (revents & entry.events) === 0 && (revents & (POLLERR | POLLHUP)) !== 0;
    entry.strikes = done && !idle ? 0 : entry.strikes + 1;
    if (entry.strikes >= STRIKES && watched.get(entry.fd) === entry) {
      watched.delete(entry.fd);
      changed();
      log(`poll descriptor ${entry.fd}: EIO: no handler for revents 0x${revents.toString(16)}`);
    }
  };

  const runTimers = (): void => {
    for (const timer of [...timers].sort((a, b) => a.at - b.at)) {
      if (!timers.has(timer) || timer.at > now()) continue;
      if (timer.intervalMs === undefined) timers.delete(timer);
      else timer.at = Math.max(timer.at + timer.intervalMs, now());
      call('run timer', timer.run);
    }
  };

  const runSoon = (): void => {
    const due = soon;
    soon = [];
    for (const run of due) call('wake', run);
  };

  const timeout = (): number => {
    if (soon.length > 0) return 0;
    const next = Math.min(...Array.from(timers, ({ at }) => at));
    return Math.max(0, Math.ceil(next - now()));
  };

  const turn = async (): Promise<void> => {
    const entries = (polled ??= [...watched.values()]);
    const waitsHere = isConversation && here < MOST_HERE;
    here = waitsHere ? here + 1 : 0;
    const longest = waitsHere ? CONVERSATION_MS : LONGEST_WAIT_MS;
    waiting = true;
    let found = 0;
    try {
      found = await libc.poll(entries, Math.min(longest, timeout()), waitsHere);
    } finally {
      waiting = false;
    }
    turnedAt = now();
    isConversation = found > 0 && turnedAt - servedAt < CONVERSATION_MS;
    if (found > 0) {
      servedAt = turnedAt;
      for (const entry of entries) if (entry.revents !== 0) serve(entry, entry.revents);
    }
    runTimers();
    runSoon();
  };

  return {
    now,
    turnedAt: () => turnedAt,
    watch: (fd, events, ready) => {
      watch(fd, events, ready);
      endWait();
    },
    unwatch(fd) {
      if (watched.delete(fd)) changed();
    },
    every: (intervalMs, run) => add({ at: now() + intervalMs, intervalMs, run }),
    after: (delayMs, run) => add({ at: now() + delayMs, intervalMs: undefined, run }),
    wake(run) {
      soon.push(run);
      endWait();
    },
    async run(until) {
      while (!until()) await turn();
    },
    close() {
      libc.close(wakeRead);
      libc.close(wakeWrite);
    },
  };
}
