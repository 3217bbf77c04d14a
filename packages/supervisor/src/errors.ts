/** What the operating system said, as words for a log line. It decides nothing about it. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';

/** The errno's name, or EIO for an error that has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';

/** Another supervisor of this user's is at work where this one would be. */
export class AnotherRunsError extends Error {
  override readonly name = 'AnotherRunsError';
}

/** A file of the operator's that cannot be read. `message` is `read FILE: CODE: why`. */
export class UnreadableError extends Error {
  override readonly name = 'UnreadableError';
  readonly code: string;

  /** @param missing  what to do where there is no such file */
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

/** A configuration or a file of keys is never larger; octets. */
const MAX_FILE = 1024 * 1024;

/**
 * The text of a file of the operator's, each of which may hold a secret: a regular file that not everybody can write,
 * and under root nobody but its owner. What is not UTF-8 is an error, since a password that was changed silently is a
 * wrong one. Throws UnreadableError, which says what to do where there is none if `missing` does.
 */
export function readText(path: string, missing?: string): string {
  try {
    // Without O_NONBLOCK a FIFO would hold this process until somebody writes into it.
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
