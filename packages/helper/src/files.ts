/**
 * The files that the helper reads and writes as root: checks whether root may trust them, and replaces them. It knows no
 * file by name.
 *
 * Root follows no name that somebody else can change. A directory counts as safe if nobody but its owner can put a
 * link or a file into it, and the same holds for every directory above it. In a safe directory nobody can change a file
 * between the check and the use.
 */
import { closeSync, constants, fstatSync, openSync, readFileSync, realpathSync } from 'node:fs';
import { mkdirSync, renameSync, statSync, unlinkSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ConfigError } from '@ppp-thing/protocol/config-text';

/** Largest configuration file. */
const MAX_FILE = 1024 * 1024;
const GROUP_OR_OTHERS_WRITE = 0o022;
const STICKY = 0o1000;
/** Without O_NONBLOCK, opening a FIFO would block the helper until somebody writes into it. */
const READ = constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY;

/**
 * The text of a regular file. If root reads it, only root may be able to change it.
 *
 * @param uid  the reader; any other than root may read whatever the system lets it
 * @throws ConfigError, and the errors of node:fs as they are
 */
export function readTrusted(path: string, uid: number): string {
  const refuse = (message: string): ConfigError =>
    new ConfigError(path, [{ line: undefined, message }]);
  const fd = openSync(path, READ);
  try {
    const status = fstatSync(fd);
    if (status.isDirectory()) throw refuse('it is a directory');
    if (!status.isFile()) throw refuse('it is not a regular file');
    if (status.size > MAX_FILE)
      throw refuse(`it has ${status.size} octets; a configuration has at most ${MAX_FILE}`);
    if (uid === 0 && (status.uid !== 0 || (status.mode & GROUP_OR_OTHERS_WRITE) !== 0)) {
      const found = `owner ${status.uid}, mode ${modeOf(status.mode)}`;
      throw refuse(`a user other than root can write it: ${found}; expected owner 0, mode 0640`);
    }
    return readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/**
 * Why `directory` is not safe for root's files, and the remedy; undefined if it is safe. For a directory that does not
 * exist yet, checks the nearest one above it that does.
 */
export function unsafeDirectory(directory: string): string | undefined {
  const real = nearestReal(directory);
  for (let at = real, isLeaf = true; ; at = dirname(at), isLeaf = false) {
    const { uid, mode } = statSync(at);
    const isOpen = (mode & GROUP_OR_OTHERS_WRITE) !== 0;
    // In a sticky directory such as /tmp nobody can rename root's file, but somebody may create the name first.
    const isSticky = (mode & STICKY) !== 0 && !isLeaf;
    if (uid !== 0 || (isOpen && !isSticky)) {
      const found = `${at} has owner ${uid}, mode ${modeOf(mode)}`;
      return `a user other than root can write to its directory: ${found}; expected owner 0, mode 0755`;
    }
    if (at === dirname(at)) return undefined;
  }
}

/** `path` with its links followed, or the nearest directory above it that exists. */
function nearestReal(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    const isMissing = error instanceof Error && 'code' in error && error.code === 'ENOENT';
    if (!isMissing || path === dirname(path)) throw error;
    return nearestReal(dirname(path));
  }
}

/**
 * Replace the file at `path` by `text`, whole or not at all: a reader sees the old text or the new one. Follows no link,
 * neither at `path` nor beside it. After a power cut the file may have the old text or none.
 */
export function replaceFile(path: string, text: string, mode: number): void {
  const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
  const aside = `${path}.new`;
  removeFile(aside);
  const fd = openSync(aside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  try {
    writeFileSync(fd, text);
  } finally {
    closeSync(fd);
  }
  renameSync(aside, path);
}

/** The text of a file of our own, or undefined if there is none. Follows no link at `path`. */
export function readOwn(path: string): string | undefined {
  let fd: number;
  try {
    fd = openSync(path, READ | constants.O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
  try {
    const { size } = fstatSync(fd);
    return size > MAX_FILE ? '' : readFileSync(fd, 'utf8');
  } finally {
    closeSync(fd);
  }
}

/** Remove the file at `path`; no effect if there is none. */
export function removeFile(path: string): void {
  try {
    unlinkSync(path);
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

/** The store of the helper's own files. */
export interface Disk {
  /** The text of the file, or undefined if there is none. */
  read(path: string): string | undefined;
  /** Whole or not at all. */
  replace(path: string, text: string, mode: number): void;
  remove(path: string): void;
  /** With every directory above it. */
  makeDirectory(path: string, mode: number): void;
}

/** This machine's disk. Each call throws the errors of node:fs. */
export const DISK: Disk = {
  read: readOwn,
  replace: replaceFile,
  remove: removeFile,
  makeDirectory: (path, mode) => void mkdirSync(path, { recursive: true, mode }),
};

/** Remove a previous release's file. If the disk refuses, logs a line; the start goes on. */
export function forget(disk: Disk, path: string, log: (line: string) => void): void {
  try {
    disk.remove(path);
  } catch (error) {
    log(`remove ${path}: ${error instanceof Error ? error.message : String(error)}`);
  }
}

const modeOf = (mode: number): string => (mode & 0o7777).toString(8).padStart(4, '0');
