/**
 * Demotion on Linux: the file that a VRRP daemon tracks (keepalived's track_file), holding 1 while a session wants
 * this router demoted and 0 otherwise. What the number is worth is the daemon's configuration.
 */
import { BackendError } from '../errors.ts';
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { attempt, tolerate } from './kernel.ts';

const O_RDONLY_CLOEXEC = 0x8_0000;
/** Write only, create, truncate, close on exec. */
const O_REWRITE = 0x8_0241;

/** Several sessions may share a file: it says 1 while any of them is demoted. */
export class Demotion {
  readonly #libc: Libc;
  readonly #demoted = new Map<string, Set<string>>();

  constructor(libc: Libc) {
    this.#libc = libc;
  }

  /** Take what the file says as this session's doing: an earlier helper may have written it, and must be able to unsay it. */
  adopt(policy: SessionPolicy): void {
    if (policy.demotionFile === undefined) return;
    const text = new Uint8Array(16);
    let length = 0;
    attempt('read', policy.demotionFile, () =>
      tolerate(['ENOENT'], () => {
        const fd = this.#libc.open(policy.demotionFile ?? '', O_RDONLY_CLOEXEC);
        length = this.#libc.read(fd, text);
        this.#libc.close(fd);
      }),
    );
    const on = Number.parseInt(new TextDecoder().decode(text.subarray(0, Math.max(0, length))), 10);
    if (on > 0) this.#sessions(policy.demotionFile).add(policy.name);
  }

  isDemoted(policy: SessionPolicy): boolean {
    return (
      policy.demotionFile !== undefined && this.#sessions(policy.demotionFile).has(policy.name)
    );
  }

  set(policy: SessionPolicy, on: boolean): void {
    const path = policy.demotionFile;
    if (path === undefined) {
      throw new BackendError('demote', policy.name, 'ENOTSUP', 'no demotion file is configured');
    }
    const sessions = this.#sessions(path);
    const after = new Set(sessions);
    if (on) after.add(policy.name);
    else after.delete(policy.name);
    attempt('write', path, () => this.#write(path, after.size > 0));
    this.#demoted.set(path, after);
  }

  #sessions(path: string): Set<string> {
    let sessions = this.#demoted.get(path);
    if (!sessions) {
      sessions = new Set();
      this.#demoted.set(path, sessions);
    }
    return sessions;
  }

  /** Rewritten even when nothing changes: someone may have removed the file, and the daemon looks at each close. */
  #write(path: string, on: boolean): void {
    const fd = this.#libc.open(path, O_REWRITE, 0o644);
    try {
      this.#libc.write(fd, new TextEncoder().encode(on ? '1\n' : '0\n'));
    } finally {
      this.#libc.close(fd);
    }
  }
}
