/**
 * Publishes a Unix socket in one step: creates it under a private name with mode 0, sets owner and mode, and renames it
 * over the file of a dead process. It accepts no connections itself.
 */
import { chmodSync, chownSync, lstatSync, readdirSync, renameSync, unlinkSync } from 'node:fs';
import { connect, type Server } from 'node:net';
import { join } from 'node:path';
import { AnotherRunsError, codeOf } from './errors.ts';

export interface SocketFile {
  readonly directory: string;
  readonly name: string;
  readonly mode: number;
  /** Takes a line for the log. */
  readonly report: (line: string) => void;
}

/** Interval between attempts. The sessions do not wait for them. */
const RETRY_MS = 5000;

/**
 * Publish a listener now, or, if the system refuses, retry every 5 s.
 *
 * @param listener creates a server that does not listen yet
 * @returns a function that removes the socket
 * @throws AnotherRunsError if another process of this user answers there: EADDRINUSE
 */
export async function publish(place: SocketFile, listener: () => Server): Promise<() => void> {
  const path = join(place.directory, place.name);
  let server: Server | undefined;
  let retry: NodeJS.Timeout | undefined;
  let said: string | undefined;
  let isClosed = false;

  const listen = async (): Promise<void> => {
    const made = listener();
    try {
      await put(place, made);
      if (isClosed) return void made.close();
      server = made;
      if (said !== undefined) place.report(`listen ${path}: works`);
    } catch (error) {
      made.close();
      const line = `listen ${path}: ${codeOf(error)}: ${ADVICE[codeOf(error)] ?? 'trying again'}`;
      if (line !== said) place.report(line);
      said = line;
      if (!isClosed) retry = setTimeout(() => void listen(), RETRY_MS);
    }
  };

  if (await isOurs(path))
    throw new AnotherRunsError(`listen ${path}: EADDRINUSE: another supervisor listens there`);
  await listen();
  return () => {
    isClosed = true;
    clearTimeout(retry);
    if (server === undefined) return;
    server.close();
    attemptTo(() => unlinkSync(path));
  };
}

const ADVICE: Readonly<Record<string, string>> = {
  EISDIR: 'a directory is in its place: remove it',
  ENOTEMPTY: 'a directory is in its place: remove it',
  EACCES: 'the directory must be owned by the user the supervisor runs as',
  ENOENT: 'the directory is gone: make it again',
};

async function put({ directory, name, mode }: SocketFile, server: Server): Promise<void> {
  const privately = join(directory, `${name}.${process.pid}`);
  removeLeftOvers(directory, name);
  await listenForNobody(server, privately);
  // A new file may get its directory's group. The unit forbids chown(2), and there the group is right anyway.
  const [uid, gid] = [process.getuid?.(), process.getgid?.()];
  const made = lstatSync(privately);
  if (uid !== undefined && gid !== undefined && (made.uid !== uid || made.gid !== gid))
    chownSync(privately, uid, gid);
  chmodSync(privately, mode);
  renameSync(privately, join(directory, name));
}

/** Remove the sockets of processes killed before the rename. */
function removeLeftOvers(directory: string, name: string): void {
  for (const each of readdirSync(directory)) {
    if (each.startsWith(`${name}.`) && /^\d+$/.test(each.slice(name.length + 1))) {
      attemptTo(() => unlinkSync(join(directory, each)));
    }
  }
}

/** Bind with mode 0: only root can connect before the mode is set. */
export function listenForNobody(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const before = process.umask(0o777);
    server.listen(path, () => {
      server.off('error', reject);
      resolve();
    });
    process.umask(before);
  });
}

/** Whether a process of this user listens there. Another user's socket does not count. */
function isOurs(path: string): Promise<boolean> {
  const stat = attemptTo(() => lstatSync(path));
  if (stat === undefined || !stat.isSocket() || stat.uid !== process.getuid?.()) {
    return Promise.resolve(false);
  }
  return isAnswered(path);
}

/** Whether a process listens there; a socket file outlives its process. */
export function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    // A full backlog belongs to a living process too. Any other error means nobody listens: our own socket's mode never
    // keeps us out.
    socket.once('error', (error) => resolve(codeOf(error) === 'EAGAIN'));
  });
}

function attemptTo<T>(run: () => T): T | undefined {
  try {
    return run();
  } catch {
    return undefined;
  }
}
