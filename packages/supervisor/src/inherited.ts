/**
 * Closes descriptors that the parent process left open, before we open any of our own, so that no hook inherits them.
 * It knows no descriptor of ours: the runtime opens those close-on-exec.
 */
import { closeSync, fstatSync, readdirSync, readFileSync, statSync } from 'node:fs';

/** Linux: the flags of each open descriptor, octal, O_CLOEXEC among them (proc(5)). */
const INFO = '/proc/self/fdinfo';
const CLOSE_ON_EXEC = 0o2_000_000;

/**
 * Close every descriptor above 2 that an exec would pass on. Node.js itself marks those up to 15, and further ones up
 * to the first gap. Does nothing where the system lists no descriptors, as on FreeBSD.
 */
export function closeInherited(): void {
  for (const fd of listed().filter((each) => isPassedOn(each) && !isOfRuntime(each))) {
    try {
      closeSync(fd);
    } catch {
      // The descriptor of the listing itself, already closed.
    }
  }
}

function listed(): number[] {
  try {
    return readdirSync(INFO)
      .map(Number)
      .filter((fd) => fd > 2);
  } catch {
    return [];
  }
}

function isPassedOn(fd: number): boolean {
  try {
    const [, flags = ''] = /^flags:\s*([0-7]+)$/m.exec(readFileSync(`${INFO}/${fd}`, 'utf8')) ?? [];
    return flags !== '' && (Number.parseInt(flags, 8) & CLOSE_ON_EXEC) === 0;
  } catch {
    return false;
  }
}

/**
 * Node.js reads the file of NODE_EXTRA_CA_CERTS in a thread of its own, through a descriptor that OpenSSL does not mark. Closed
 * here, it becomes the descriptor of another file, which that thread then reads and closes.
 */
function isOfRuntime(fd: number): boolean {
  const path = process.env['NODE_EXTRA_CA_CERTS'] ?? '';
  if (path === '') return false;
  try {
    const [its, ours] = [statSync(path), fstatSync(fd)];
    return its.dev === ours.dev && its.ino === ours.ino;
  } catch {
    return false;
  }
}
