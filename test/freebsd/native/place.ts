/**
 * Where a run of the native pair keeps its files, and that only one runs at a time. Only root may write there.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Short: a Unix socket's path has room for 103 octets. */
export const PLACE = '/var/run/ppp_thing_test';

/** Another run is under way. */
export class BusyError extends Error {
  override readonly name = 'BusyError';
}

const isAlive = (pid: number): boolean => {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
};

/** Make the place ours, with nothing in it. Throws BusyError while another run lives. */
export function occupy(place = PLACE): void {
  const file = join(place, 'pid');
  let text = '';
  try {
    text = readFileSync(file, 'utf8');
  } catch {
    // Nobody was here.
  }
  const pid = Number(text);
  if (pid > 0 && pid !== process.pid && isAlive(pid))
    throw new BusyError(`occupy ${place}: EBUSY: process ${pid} is running the same tests`);
  rmSync(place, { recursive: true, force: true });
  mkdirSync(place, { recursive: true });
  chmodSync(place, 0o755);
  writeFileSync(file, `${process.pid}\n`);
}

/** Leave, and with `keep` let the logs lie for a person to read. */
export function vacate(keep: boolean, place = PLACE): void {
  if (keep) rmSync(join(place, 'pid'), { force: true });
  else rmSync(place, { recursive: true, force: true });
}
