/**
 * Waits of a supervisor that cannot start. A service that exits is started again at once, fails again, and logs the failure each
 * time: so it waits here, and logs each problem once. A supervisor that was started from a terminal does not wait.
 */
import { setTimeout } from 'node:timers/promises';
import { isatty } from 'node:tty';
import { pauses } from '@ppp-thing/protocol/guard';
import { isHeld } from './hold.ts';
import { waiting } from './service-manager.ts';

/**
 * Run `act` until it succeeds. Throws its error if that cannot pass, or at a terminal.
 *
 * @param report takes a line for the log
 * @param mayPass whether the operator may mend what failed
 */
export async function untilMended<T>(
  act: () => T | Promise<T>,
  report: (line: string) => void,
  mayPass: (error: unknown) => boolean,
): Promise<T> {
  let said: string | undefined;
  const pause = pauses();
  for (;;) {
    try {
      return await act();
    } catch (error) {
      if (!(error instanceof Error) || isatty(0) || !mayPass(error)) throw error;
      waiting(report);
      const { message } = error;
      if (message !== said) for (const line of message.split('\n')) report(`${line}: trying again`);
      said = message;
    }
    await setTimeout(pause.next().value);
  }
}

/** Wait until no other supervisor runs on the state directory. @returns whether it waited */
export async function waitedForAnother(
  directory: string,
  report: (line: string) => void,
): Promise<boolean> {
  if (isatty(0) || !(await isHeld(directory))) return false;
  report(`hold ${directory}: EBUSY: another supervisor runs on it: waiting for its end`);
  waiting(report);
  const pause = pauses();
  do await setTimeout(pause.next().value);
  while (await isHeld(directory));
  return true;
}
