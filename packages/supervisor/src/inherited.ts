/**
 * Descriptors that whoever started this process left open. They are closed before anything of ours is opened, so that no
 * hook inherits them. It knows no descriptor of our own: the runtime marks those close-on-exec as it opens them.
 */
import { closeSync, readdirSync, readFileSync } from 'node:fs';

/** Linux: the flags of each open descriptor, octal, O_CLOEXEC among them (proc(5)). */
const INFO = '/proc/self/fdinfo';
const CLOSE_ON_EXEC = 0o2_000_000;

/**
 * Close every descriptor above 2 that an exec would pass on. Node.js has marked those up to 15 by itself, and further ones
 * up to the first gap. It has no effect where the system lists no descriptors, as FreeBSD does.
 */
export function closeInherited(): void {
  for (const fd of listed().filter(isPassedOn)) {
    try {
      closeSync(fd);
    } catch {
      // The listing was a descriptor itself, and is gone.
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
