/**
 * Notifies the service manager that this process serves, and again at every beat. systemd receives the notifications
 * itself, and keeps descriptors for the next process. Under daemon(8) a guard kills a silent process, and daemon(8)
 * starts the next one. It is no error if no manager receives them.
 */
import { spawn } from 'node:child_process';
import { BEAT_MS, guardArguments, guarded } from '@ppp-thing/protocol/guard';
import type { Keeper } from './backend.ts';
import { anyway } from './errors.ts';
import { SystemError, type Libc } from './libc.ts';
import { datagramsTo, setCloseOnExec } from './unix.ts';

export interface ServiceManager {
  /** Milliseconds between two beats. */
  readonly interval: number;
  /** The sessions are under the interlock, and the socket listens if it can be made. */
  ready(): void;
  /** The loop turns. */
  beat(): void;
  readonly keeper?: Keeper;
}

/** @param log  one line, without the program's name */
export function serviceManager(libc: Libc, log: (line: string) => void): ServiceManager {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: limit } = process.env;
  if (path !== undefined) {
    const say = systemd(libc, path, log);
    // sd_watchdog_enabled(3) advises two beats in the timeout; a third allows for a lost one.
    const interval = limit === undefined ? BEAT_MS : Math.min(BEAT_MS, Number(limit) / 3000);
    const keeper = descriptorStore(libc, say);
    return { interval, ready: () => say('READY=1'), beat: () => say('WATCHDOG=1'), keeper };
  }
  // The guard is this host's, whatever kernel the helper works on.
  const beat = process.platform === 'freebsd' ? guarded(startGuard, log) : () => undefined;
  return { interval: BEAT_MS, ready: beat, beat };
}

/** Returns false if systemd has no room for the message now. */
type Say = (text: string, descriptors?: readonly number[]) => boolean;

/** One datagram for each message (sd_notify(3)). */
function systemd(libc: Libc, path: string, log: (line: string) => void): Say {
  const send = datagramsTo(libc, path);
  return (text, descriptors) => {
    try {
      return send(new TextEncoder().encode(text), descriptors);
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      log(`notify ${path}: ${error.code}: ${error.call}`);
      return true;
    }
  };
}

/**
 * The descriptor store of the unit. Descriptors of one session have one name, and come and go in one message. What was found
 * leaves the store at once: if this process dies before it has put a session under the interlock, the session ends, and no
 * gate stays open while one helper after the other fails to start.
 */
function descriptorStore(libc: Libc, say: Say): Keeper {
  const forget = (session: string): void => void say(`FDSTOREREMOVE=1\nFDNAME=${session}`);
  const found = received(libc);
  for (const session of found.keys()) forget(session);
  return {
    found,
    keep: (session, fds) => say(`FDSTORE=1\nFDNAME=${session}\nFDPOLL=0`, fds),
    forget,
  };
}

/** The descriptors that systemd passed to this process (sd_listen_fds(3)), by name. */
function received(libc: Libc): Map<string, readonly number[]> {
  const FIRST = 3;
  const { LISTEN_PID: pid, LISTEN_FDS: count, LISTEN_FDNAMES: names = '' } = process.env;
  const found = new Map<string, readonly number[]>();
  if (Number(pid) !== process.pid) return found;
  const named = names.split(':').slice(0, Number(count));
  for (const [i, name] of named.entries())
    if (anyway(() => setCloseOnExec(libc, FIRST + i)))
      found.set(name, [...(found.get(name) ?? []), FIRST + i]);
  return found;
}

const startGuard = (): ReturnType<typeof spawn> =>
  spawn('/bin/sh', guardArguments('helper'), { env: {}, stdio: ['pipe', 'ignore', 'inherit'] });
