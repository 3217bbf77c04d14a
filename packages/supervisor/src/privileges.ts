/**
 * Giving root up for good: groups, group, user, and then proof. What needs root has been done before; it opens nothing.
 */
import { codeOf } from './errors.ts';

declare global {
  namespace NodeJS {
    interface Process {
      /** Documented since Node.js 0.9.4, and missing from its types. */
      initgroups?(user: string | number, extraGroup: string | number): void;
    }
  }
}

/** The operator named a user or a group that this system does not have, or privileges could not be given up. */
export class PrivilegeError extends Error {
  override readonly name = 'PrivilegeError';
}

/**
 * Become `user` and `group`, names or numbers, if this process is root; one that is not stays who it is. The
 * configuration may name root itself: then nothing is given up.
 *
 * @returns what was done, for the log; undefined if nothing was to be done
 * @throws PrivilegeError; the process must not go on
 */
export function giveUpRoot(user: string, group: string): string | undefined {
  const { getuid, setuid, setgid, setgroups } = process;
  if (getuid === undefined || setuid === undefined || getuid() !== 0) return undefined;
  if (setgid === undefined || setgroups === undefined) return undefined;
  attempt(`join the groups of ${user}`, () => joinGroups(user, idOf(group)));
  attempt(`become group ${group}`, () => setgid(idOf(group)));
  attempt(`become user ${user}`, () => setuid(idOf(user)));
  if (getuid() === 0) return `user ${user} is root: the supervisor keeps its privileges`;
  if (isReversible()) throw new PrivilegeError(`give up root: EPERM: the process could regain it`);
  return `user ${user}, group ${group}`;
}

/** A number written out is a number; anything else is a name. */
const idOf = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);

/** A number need not belong to a user that has a name, and so groups. */
function joinGroups(user: string, group: string | number): void {
  if (/^\d+$/.test(user)) process.setgroups?.([group]);
  else process.initgroups?.(user, group);
}

function isReversible(): boolean {
  for (const back of [() => process.seteuid?.(0), () => process.setuid?.(0)]) {
    try {
      back();
      return true;
    } catch {
      // As it must be: EPERM.
    }
  }
  return process.geteuid?.() === 0 || process.getgroups?.().includes(0) === true;
}

function attempt(what: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    const code = codeOf(cause);
    const reason = code === 'ERR_UNKNOWN_CREDENTIAL' ? 'ENOENT: this system has none' : code;
    throw new PrivilegeError(`${what}: ${reason}`, { cause });
  }
}
