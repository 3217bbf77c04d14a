/**
 * What the service manager is told of this process: that it serves, and then at every beat that it still does. systemd
 * listens by itself; for daemon(8) a guard ends a process that has fallen silent, and daemon(8) starts the next one. It
 * decides nothing, and a manager that does not listen is no error.
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
    // As sd_watchdog_enabled(3) advises, and once more.
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
