/**
 * Unix sockets: the constants and address layouts of both systems, and how to open one to listen or to notify. It does
 * not read streams or write to them.
 */
import { lchownSync, lstatSync } from 'node:fs';
import { endianness } from 'node:os';
import { BackendError } from './errors.ts';
import { SystemError, type Libc } from './libc.ts';

export const POLLIN = 0x01;
export const POLLOUT = 0x04;
export const POLLERR = 0x08;
export const POLLHUP = 0x10;
export const POLLNVAL = 0x20;

export const AF_UNIX = 1;
export const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const F_SETFD = 2;
const FD_CLOEXEC = 1;
const F_GETFL = 3;
const F_SETFL = 4;

/** Where the two systems differ; `path` is the length of sun_path. */
const NUMBERS = {
  linux: { nonblock: 0x800, noSignal: 0x4000, path: 108 },
  freebsd: { nonblock: 4, noSignal: 0x20000, path: 104 },
} as const;

/** MSG_NOSIGNAL: a closed reader gives an errno, not a signal. */
export const noSignal = (libc: Libc): number => NUMBERS[libc.platform].noSignal;

export function setNonblocking(libc: Libc, fd: number): void {
  const flags = libc.fcntl(fd, F_GETFL, 0);
  libc.fcntl(fd, F_SETFL, flags | NUMBERS[libc.platform].nonblock);
}

export const setCloseOnExec = (libc: Libc, fd: number): void => {
  libc.fcntl(fd, F_SETFD, FD_CLOEXEC);
};

/** EADDRINUSE if another helper listens at `path`: a socket that answers and belongs to our own user. */
export function refuseSecond(libc: Libc, path: string): void {
  const address = unixAddress(libc, path);
  const owner = ownerOf(path);
  if (owner !== undefined && owner === process.geteuid?.() && answers(libc, address))
    throw new BackendError('listen', path, 'EADDRINUSE', 'another helper is running');
}

function ownerOf(path: string): number | undefined {
  try {
    return lstatSync(path).uid;
  } catch {
    return undefined;
  }
}

/**
 * A listening stream socket at `path`, in place of any other file there; not blocking, mode 0660.
 *
 * @param gid  its group; undefined: the process's own
 */
export function listenAt(libc: Libc, path: string, gid?: number): number {
  const address = unixAddress(libc, path);
  return opening(libc, 'listen', path, (fd) => {
    try {
      libc.unlink(path);
    } catch (error) {
      if (!(error instanceof SystemError && error.code === 'ENOENT')) throw error;
    }
    asMember(gid, () => libc.bind(fd, address));
    giveTo(gid, path);
    libc.listen(fd, 8);
    setNonblocking(libc, fd);
  });
}

/**
 * Sends datagrams to the socket at `path`, and with one the descriptors named. Returns false if the receiver has no room:
 * the datagram is lost. Each call throws SystemError.
 *
 * @param path  begins with `@` in the abstract namespace of Linux
 */
export function datagramsTo(
  libc: Libc,
  path: string,
): (octets: Uint8Array, descriptors?: readonly number[]) => boolean {
  const isAbstract = path.startsWith('@');
  const whole = unixAddress(libc, isAbstract ? `\0${path.slice(1)}` : path);
  // An abstract name has a zero in front, and none behind.
  const address = isAbstract ? whole.subarray(0, -1) : whole;
  const fd = opening(libc, 'notify', path, (fd) => setNonblocking(libc, fd), SOCK_DGRAM);
  return (octets, descriptors) =>
    libc.sendto(fd, octets, noSignal(libc), address, descriptors) >= 0;
}

function opening(
  libc: Libc,
  verb: string,
  path: string,
  prepare: (fd: number) => void,
  type = SOCK_STREAM,
): number {
  const fd = libc.socket(AF_UNIX, type, 0);
  try {
    setCloseOnExec(libc, fd);
    prepare(fd);
    return fd;
  } catch (cause) {
    libc.close(fd);
    if (!(cause instanceof SystemError)) throw cause;
    throw new BackendError(verb, path, cause.code, cause.call, { cause });
  }
}

/** Run `create` so that what it creates has mode 0660 and, on Linux, this group. */
function asMember(gid: number | undefined, create: () => void): void {
  const own = process.getegid?.();
  const mask = process.umask(0o117);
  try {
    if (gid !== undefined && gid !== own) process.setegid?.(gid);
    create();
  } finally {
    if (gid !== undefined && own !== undefined && gid !== own) process.setegid?.(own);
    process.umask(mask);
  }
}

/** On FreeBSD a new file has the group of its directory. Only root can write there, so that the path is still the socket. */
function giveTo(gid: number | undefined, path: string): void {
  if (gid !== undefined && lstatSync(path).gid !== gid) lchownSync(path, -1, gid);
}

function answers(libc: Libc, address: Uint8Array): boolean {
  const fd = libc.socket(AF_UNIX, SOCK_STREAM, 0);
  try {
    setNonblocking(libc, fd);
    libc.connect(fd, address);
    return true;
  } catch (error) {
    // A live helper with a full backlog gives EAGAIN.
    if (error instanceof SystemError) return error.code === 'EAGAIN';
    throw error;
  } finally {
    libc.close(fd);
  }
}

/** struct sockaddr_un: Linux begins with a u16 family, FreeBSD with a u8 length and a u8 family. */
export function unixAddress(libc: Libc, path: string): Uint8Array {
  const name = new TextEncoder().encode(path);
  const room = NUMBERS[libc.platform].path;
  if (name.length === 0 || name.length >= room)
    throw new BackendError('open', path, 'ENAMETOOLONG', `at most ${room - 1} octets`);
  const address = new Uint8Array(2 + name.length + 1);
  if (libc.platform === 'freebsd') address.set([address.length, AF_UNIX]);
  else address.set(endianness() === 'LE' ? [AF_UNIX, 0] : [0, AF_UNIX]);
  address.set(name, 2);
  return address;
}
