/**
 * Notifies the service manager that our sockets answer, and then at every beat that this process lives. systemd expects
 * datagrams, which Node.js cannot send, so systemd-notify(1) sends them: one datagram a beat does not justify native
 * code in the process that parses the AC's octets. Under daemon(8) a guard kills this process when it hangs, and
 * daemon(8) restarts it. It watches no session.
 */
import { spawn } from 'node:child_process';
import { BEAT_MS, guardArguments, guarded } from '@ppp-thing/protocol/guard';
import type { Instant } from '@ppp-thing/protocol/time';
import { now, wakeAt } from './clock.ts';
import { codeOf } from './errors.ts';
import { spawned } from './program.ts';

let isTold = false;

/**
 * Call it while this process waits for the operator: systemd would end one that is silent as it starts. A guard comes later,
 * once this process is no longer root.
 *
 * @param log takes one line
 */
export function waiting(log: (line: string) => void): void {
  if (process.env['NOTIFY_SOCKET'] !== undefined) serving(log);
}

/**
 * Call it once the sockets answer. It repeats by itself; a second call does nothing.
 *
 * @param log takes one line
 */
export function serving(log: (line: string) => void): void {
  if (isTold) return;
  isTold = true;
  const { NOTIFY_SOCKET: path, WATCHDOG_USEC: limit } = process.env;
  if (path !== undefined) {
    const notify = (text: string): void => {
      const failed = (error: unknown): void => log(`notify: systemd-notify: ${codeOf(error)}`);
      const program = spawned('systemd-notify', [text], { stdio: 'ignore' });
      if (program instanceof Error) failed(program);
      else program.once('error', failed);
    };
    notify('READY=1');
    // sd_watchdog_enabled(3) advises half the limit; a third tolerates a lost beat.
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
