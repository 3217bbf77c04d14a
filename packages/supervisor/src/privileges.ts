/**
 * Gives up root permanently: groups, group, user, then a check that it worked. The caller has done everything that
 * needs root. It opens nothing.
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

/** The system lacks the user or group in the configuration, or dropping privileges failed. */
export class PrivilegeError extends Error {
  override readonly name = 'PrivilegeError';
}

/**
 * Become `user` and `group`, names or numbers, if this process is root; otherwise do nothing. If the configuration
 * names root itself, the process stays root.
 *
 * @returns a description for the log; undefined if nothing was done
 * @throws PrivilegeError; the process must not continue
 */
export function giveUpRoot(user: string, group: string): string | undefined {
  const { getuid, setuid, setgid, setgroups } = process;
  if (getuid === undefined || setuid === undefined || getuid() !== 0) return undefined;
  if (setgid === undefined || setgroups === undefined) return undefined;
  giveUp(`join the groups of ${user}`, () => joinGroups(user, idOf(group)));
  giveUp(`become group ${group}`, () => setgid(idOf(group)));
  giveUp(`become user ${user}`, () => setuid(idOf(user)));
  if (getuid() === 0) return `user ${user} is root: the supervisor keeps its privileges`;
  if (isReversible()) throw new PrivilegeError(`give up root: EPERM: the process could regain it`);
  return `user ${user}, group ${group}`;
}

/** A number written out is a number; anything else is a name. */
const idOf = (name: string): string | number => (/^\d+$/.test(name) ? Number(name) : name);

/** A numeric user may have no name, and then no groups. */
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
      // Expected: EPERM.
    }
  }
  return process.geteuid?.() === 0 || process.getgroups?.().includes(0) === true;
}

function giveUp(what: string, run: () => void): void {
  try {
    run();
  } catch (cause) {
    const code = codeOf(cause);
    const reason = code === 'ERR_UNKNOWN_CREDENTIAL' ? 'ENOENT: this system has none' : code;
    throw new PrivilegeError(`${what}: ${reason}`, { cause });
  }
}
