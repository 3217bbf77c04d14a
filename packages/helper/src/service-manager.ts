/**
 * Notifies the service manager that this process serves, and again at every beat. systemd receives the notifications
 * itself. Under daemon(8) a guard kills a silent process, and daemon(8) starts the next one. It is no error if no manager
 * receives them.
 */
import { spawn } from 'node:child_process';
import { BEAT_MS, guardArguments, guarded } from '@ppp-thing/protocol/guard';
import { SystemError, type Libc } from './libc.ts';
import { datagramsTo } from './unix.ts';

export interface ServiceManager {
  /** Milliseconds between two beats. */
  readonly interval: number;
  /** The sessions are under the interlock, and the socket listens if it can be made. */
  ready(): void;
  /** The loop turns. */
  beat(): void;
}

/** @param log  one line, without the program's name */
export function serviceManager(libc: Libc, log: (line: string) => void): ServiceManager {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: limit } = process.env;
  if (path !== undefined) {
    const say = systemd(libc, path, log);
    // sd_watchdog_enabled(3) advises two beats in the timeout; a third allows for a lost one.
    const interval = limit === undefined ? BEAT_MS : Math.min(BEAT_MS, Number(limit) / 3000);
    return { interval, ready: () => say('READY=1'), beat: () => say('WATCHDOG=1') };
  }
  // The guard is this host's, whatever kernel the helper works on.
  const beat = process.platform === 'freebsd' ? guarded(startGuard, log) : () => undefined;
  return { interval: BEAT_MS, ready: beat, beat };
}

/** One datagram for each message (sd_notify(3)). */
function systemd(libc: Libc, path: string, log: (line: string) => void): (text: string) => void {
  const send = datagramsTo(libc, path);
  return (text) => {
    try {
      send(new TextEncoder().encode(text));
    } catch (error) {
      if (!(error instanceof SystemError)) throw error;
      log(`notify ${path}: ${error.code}: ${error.call}`);
    }
  };
}

const startGuard = (): ReturnType<typeof spawn> =>
  spawn('/bin/sh', guardArguments('helper'), { env: {}, stdio: ['pipe', 'ignore', 'inherit'] });
