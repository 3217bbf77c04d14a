/**
 * Ensures that one supervisor runs per state directory, as long as its process lives. That process listens on a socket
 * in the directory, which the kernel closes however the process ends. The file that remains means nothing.
 *
 * Theory of operation. The holds are numbered, `hold.1`, `hold.2` and so on, and only the highest counts. A process
 * that wants to run connects to that one. If it answers, another supervisor runs. If not, the process listens under a
 * private name and links that to the next number, which only one process can do. Then it lists the numbers again: a
 * still higher one was taken meanwhile, and is tried in turn. A hold removes those below it, and none above. So of two
 * processes that start at once over a dead hold, only one finds itself the highest.
 */
import { chmodSync, linkSync, lstatSync, readdirSync, unlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { AnotherRunsError, codeOf } from './errors.ts';
import { isAnswered, listenForNobody } from './publish.ts';

/** A killed process still answers until the kernel has torn it down, so try this often. */
const ATTEMPTS = 10;
const BETWEEN_MS = 40;

/**
 * Hold `directory` until this process ends, or until the returned function is called.
 *
 * @throws AnotherRunsError; or the system's error if the directory is not writable
 */
export async function hold(directory: string): Promise<() => void> {
  const server = createServer((socket) => socket.destroy());
  const privately = join(directory, `hold.new-${process.pid}`);
  removeFile(privately);
  await listenForNobody(server, privately);
  // Only our own user may connect.
  chmodSync(privately, 0o600);
  // The server must not keep the process alive.
  server.unref();
  try {
    const held = await take(directory, privately);
    return () => {
      server.close();
      removeFile(held);
    };
  } catch (error) {
    server.close();
    throw error;
  } finally {
    removeFile(privately);
  }
}

/** Whether a supervisor runs on `directory`. Follows no link: root may ask, before it has given itself up. */
export async function isHeld(directory: string): Promise<boolean> {
  try {
    const path = join(directory, nameOf(highest(directory)));
    return lstatSync(path).isSocket() && (await isAnswered(path));
  } catch {
    // There is no hold, or the directory cannot be read; the store reports the latter.
    return false;
  }
}

async function take(directory: string, privately: string): Promise<string> {
  for (let attempt = 0; ;) {
    const number = highest(directory);
    if (number > 0 && (await isAnswered(join(directory, nameOf(number))))) {
      if (++attempt === ATTEMPTS) {
        throw new AnotherRunsError(`hold ${directory}: EBUSY: another supervisor runs on it`);
      }
      await new Promise((resolve) => setTimeout(resolve, BETWEEN_MS));
      continue;
    }
    const ours = join(directory, nameOf(number + 1));
    if (!linked(privately, ours)) continue;
    if (highest(directory) > number + 1) {
      removeFile(ours);
      continue;
    }
    await removeDead(directory, number);
    return ours;
  }
}

/** Remove holds up to `number`, and private names of processes killed before they could hold. */
async function removeDead(directory: string, number: number): Promise<void> {
  for (const each of numbers(directory)) {
    if (each <= number) removeFile(join(directory, nameOf(each)));
  }
  for (const name of readdirSync(directory)) {
    const path = join(directory, name);
    if (name.startsWith('hold.new-') && !(await isAnswered(path))) removeFile(path);
  }
}

const nameOf = (number: number): string => `hold.${number}`;

const numbers = (directory: string): number[] =>
  readdirSync(directory).flatMap((name) => {
    const [, digits] = /^hold\.([1-9]\d{0,14})$/.exec(name) ?? [];
    return digits === undefined ? [] : [Number(digits)];
  });

const highest = (directory: string): number => Math.max(0, ...numbers(directory));

/** False if the name is taken. Throws AnotherRunsError if the holder has removed our private name as a dead one. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    if (codeOf(error) === 'ENOENT')
      throw new AnotherRunsError(`hold ${to}: EBUSY: another supervisor has just started`);
    throw error;
  }
}

function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error;
  }
}
