/**
 * A whole helper on a given system, policy and backend. `command.ts` runs it, and a test runs it on its own system. It
 * reads no file but its own records, and no arguments.
 */
import { uptime } from 'node:os';
import { dirname } from 'node:path';
import { anyway, BackendError } from './errors.ts';
import type { Keeper, MakeBackend } from './backend.ts';
import { openDemotions, type Demotions } from './demotion.ts';
import type { Disk } from './files.ts';
import { openLans, type Lans } from './lan.ts';
import type { Libc } from './libc.ts';
import type { HelperLog } from './log.ts';
import { createLoop } from './loop.ts';
import type { HelperPolicy } from './policy.ts';
import { createRequests } from './requests.ts';
import { createServer, type Server } from './server.ts';
import { Sessions } from './sessions.ts';
import { retry } from './retry.ts';
import { listenAt, refuseSecond } from './unix.ts';

export interface ServeOptions {
  readonly libc: Libc;
  readonly policy: HelperPolicy;
  readonly makeBackend: MakeBackend;
  /** The uid of the one user who may connect, and the group of the socket; a group of undefined leaves it as it is. */
  readonly uid: number;
  readonly gid?: number | undefined;
  /** One line, without the program's name. */
  readonly log: HelperLog;
  /** Monotonic milliseconds; this process's clock unless given. */
  readonly now?: () => number;
  /** Seconds since the machine booted; this machine's unless given. */
  readonly uptime?: () => number;
  /** Where demotions and the addresses of LANs are recorded; this machine's unless given. */
  readonly disk?: Disk;
  /** The loop calls it every `interval` milliseconds, so that a watchdog notices when the loop hangs. */
  readonly alive?: { readonly interval: number; beat(): void };
  readonly keeper?: Keeper | undefined;
  /** Used before `stop('remove')`: no socket is made. */
  readonly removing?: boolean;
}

export interface Serving {
  /** Settles when the helper has stopped: after `stop`, or by a fault of our own. */
  readonly stopped: Promise<void>;
  /** Stop, and leave every session for the next helper to adopt. With `remove`, take them down without a PADT. */
  stop(how?: 'leave' | 'remove'): void;
}

/** Pause before a demotion that has been removed leaves the record: the edge of the role follows within it. */
const RECORD_AFTER_MS = 100;
/** Pause before the next attempt to make the socket. */
const LISTEN_RETRY_MS = 1000;

/**
 * Start; on return every session is under the interlock. If the socket cannot be made, the loop retries until it can.
 * Throws BackendError or SystemError with nothing left open.
 */
export function serve(options: ServeOptions): Serving {
  const { libc, policy, makeBackend, log, uid, gid, alive, keeper } = options;
  const loop = createLoop(libc, options.now ?? (() => performance.now()), log);
  let server: Server | undefined;
  let demotions: Demotions;
  let lans: Lans;
  const sessions = new Sessions({
    loop,
    policies: policy.sessions,
    notify: (notice) => server?.notify(notice),
    log,
  });
  const backend = makeBackend({ libc, loop, policy, events: sessions.events(), log, keeper });
  try {
    const amounts = new Map(policy.sessions.map(({ name, demotion }) => [name, demotion]));
    const places = { run: dirname(policy.socketPath), state: policy.stateDirectory };
    demotions = openDemotions(
      places,
      backend,
      options.uptime ?? uptime,
      amounts,
      log,
      options.disk,
      (run) => void loop.after(RECORD_AFTER_MS, run),
    );
    lans = openLans(places, backend, log, options.disk);
    // Refuse a second helper before it touches the first one's sessions.
    refuseSecond(libc, policy.socketPath);
    // Start the sessions first: the interlock must work before a request can arrive, and even without a socket.
    sessions.start(backend, {
      started: (session) => demotions.adopt(session),
      late: (name) => server?.greetAgain(`session ${name} has started`),
    });
    // Remove the demotions of sessions that are no longer in the configuration.
    anyway(() => demotions.settle((name) => amounts.has(name)), log);
    const requests = createRequests(backend.platform, sessions, demotions, lans, () => loop.now());
    server = createServer({ libc, loop, uid, requests, log });
  } catch (error) {
    backend.leave();
    loop.close();
    throw error;
  }

  const listen = (): string | undefined => {
    try {
      server?.listen(listenAt(libc, policy.socketPath, gid));
      return undefined;
    } catch (error) {
      if (error instanceof BackendError) return error.message;
      throw error;
    }
  };
  const reason = options.removing === true ? undefined : listen();
  if (reason !== undefined) retry(loop, LISTEN_RETRY_MS, reason, listen, log);

  /** Removes every recorded demotion and address. A failure stays on record, and does not stop the rest. */
  const giveBack = (): void => {
    for (const session of sessions.all()) anyway(() => demotions.set(session, false), log);
    anyway(() => demotions.settle(() => false), log);
    anyway(() => lans.remove(), log);
  };
  let stopping: 'leave' | 'remove' | undefined;
  if (alive !== undefined) loop.every(alive.interval, () => alive.beat());
  const run = async (): Promise<void> => {
    try {
      await loop.run(() => stopping !== undefined);
    } finally {
      server?.close();
      try {
        if (stopping === 'remove') giveBack();
        demotions.flush();
        if (stopping === 'remove') backend.remove();
        else backend.leave();
      } finally {
        loop.close();
      }
    }
  };
  return {
    stopped: run(),
    stop: (how = 'leave') => loop.wake(() => void (stopping ??= how)),
  };
}
