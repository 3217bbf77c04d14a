/** Turns errors of the operating system into text for a log line. It decides nothing about them. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** The errno's name, or EIO for an error that has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';

/** Another supervisor of the same user is already running here. */
export class AnotherRunsError extends Error {
  override readonly name = 'AnotherRunsError';
}

/** An operator's file that cannot be read. `message` is `read FILE: CODE: why`. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly code: string;

  /** @param missing the remedy if the file does not exist */
  constructor(path: string, cause: unknown, missing?: string) {
    const code = codeOf(cause);
    const hint = code === 'ENOENT' && missing !== undefined ? `; ${missing}` : '';
    super(`read ${path}: ${code}: ${REASONS[code] ?? 'check the disk'}${hint}`, { cause });
    this.code = code;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  ENOTREG: 'it is not a regular file',
  EFBIG: 'it has more than a mebioctet',
  EWRITABLE: 'a user other than its owner can write it; chmod 0640',
  EILSEQ: 'it is not UTF-8',
  EACCES: 'this user may not read it; its group must be that of the supervisor, its mode 0640',
  EPERM: 'this user may not read it; its group must be that of the supervisor, its mode 0640',
};

/** Largest configuration or key file, in octets. */
const MAX_FILE = 1024 * 1024;

/**
 * The text of an operator's file, which may hold a secret. It must be a regular file that not everybody can write, and
 * under root only its owner. Text that is not UTF-8 is an error, because a silently changed password is a wrong one.
 * Throws UnreadableError, with the remedy `missing` if there is no such file.
 */
export function readText(path: string, missing?: string): string {
  try {
    // Without O_NONBLOCK, opening a FIFO would block this process until somebody writes to it.
    const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
    try {
      const status = fstatSync(fd);
      const isOpen = (status.mode & (process.geteuid?.() === 0 ? 0o022 : 0o002)) !== 0;
      if (status.isDirectory()) throw refusal('EISDIR');
      if (!status.isFile()) throw refusal('ENOTREG');
      if (status.size > MAX_FILE) throw refusal('EFBIG');
      if (isOpen) throw refusal('EWRITABLE');
      return decodeText(readFileSync(fd));
    } finally {
      closeSync(fd);
    }
  } catch (cause) {
    throw new UnreadableError(path, cause, missing);
  }
}

const refusal = (code: string): Error => Object.assign(new Error(code), { code });

/** Throws an error with code EILSEQ. */
export function decodeText(octets: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(octets);
  } catch (cause) {
    throw Object.assign(new Error('not UTF-8', { cause }), { code: 'EILSEQ' });
  }
}
