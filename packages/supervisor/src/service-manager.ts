/**
 * What the service manager is told of this process: that its sockets answer, and then at every beat that it still lives.
 * systemd takes datagrams, which Node.js cannot send: systemd-notify(1) sends them. Native code is not let into the process
 * that reads the Access Concentrator's octets for the sake of one a beat. For daemon(8) a guard ends a process that has
 * fallen silent, and daemon(8) starts the next one.
 */
import { spawn } from 'node:child_process';
import { BEAT_MS, guardArguments, guarded } from '@ppp-thing/protocol/guard';
import type { Instant } from '@ppp-thing/protocol/time';
import { now, wakeAt } from './clock.ts';
import { codeOf } from './errors.ts';

/**
 * Call it when the sockets answer; it goes on by itself.
 *
 * @param log  one line
 */
export function serving(log: (line: string) => void): void {
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: limit } = process.env;
  if (path !== undefined) {
    const notify = (text: string): void => {
      const program = spawn('systemd-notify', [text], { stdio: 'ignore' });
      program.once('error', (error) => log(`notify: systemd-notify: ${codeOf(error)}`));
    };
    notify('READY=1');
    // As sd_watchdog_enabled(3) advises, and once more.
    if (limit !== undefined) every(Number(limit) / 3000, () => notify('WATCHDOG=1'));
  } else if (process.platform === 'freebsd') {
    const beat = guarded(startGuard, log);
    beat();
    every(BEAT_MS, beat);
  }
}

function every(interval: number, run: () => void): void {
  wakeAt((now() + interval) as Instant, () => {
    run();
    every(interval, run);
  });
}

const startGuard = (): ReturnType<typeof spawn> =>
  spawn('/bin/sh', guardArguments('ppp_thing'), { env: {}, stdio: ['pipe', 'ignore', 'inherit'] });
