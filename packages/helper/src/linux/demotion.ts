/**
 * Demotion on Linux: the file that a VRRP daemon tracks (keepalived's track_file), holding 1 while a session wants
 * this router demoted and 0 otherwise. The daemon's configuration gives the number its weight.
 */
import { BackendError, diskError } from '../errors.ts';
import { readOwn, replaceFile } from '../files.ts';
import type { SessionPolicy } from '../policy.ts';

/** Several sessions may share a file: it says 1 while any of them is demoted. */
export class Demotion {
  readonly #demoted = new Map<string, Set<string>>();

  /** Count a 1 in the file as this session's demotion: an earlier helper may have written it, and we must be able to remove it. */
  adopt(policy: SessionPolicy): void {
    if (policy.demotionFile === undefined) return;
    if (Number.parseInt(read(policy.demotionFile), 10) > 0)
      this.#sessions(policy.demotionFile).add(policy.name);
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
    write(path, after.size > 0);
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
}

function read(path: string): string {
  try {
    return readOwn(path) ?? '';
  } catch (cause) {
    throw diskError('read', path, 'cannot tell whether this router is demoted', cause);
  }
}

/** Rewritten even when nothing changes: someone may have removed the file. The daemon reads it at each rename. */
function write(path: string, on: boolean): void {
  try {
    replaceFile(path, on ? '1\n' : '0\n', 0o644);
  } catch (cause) {
    throw diskError('write', path, 'the VRRP daemon does not see the demotion', cause);
  }
}
