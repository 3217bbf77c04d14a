/** What the operating system said, as words for a log line. It decides nothing about it. */
import { readFileSync } from 'node:fs';

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

  constructor(path: string, cause: unknown) {
    const code = codeOf(cause);
    super(`read ${path}: ${code}: ${REASONS[code] ?? 'look at the disk'}`, { cause });
    this.code = code;
  }
}

const REASONS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file',
  ENOTDIR: 'there is no such file',
  EISDIR: 'it is a directory',
  EACCES: 'this user may not read it; its group must be that of the supervisor, its mode 0640',
  EPERM: 'this user may not read it; its group must be that of the supervisor, its mode 0640',
};

/** The text of a file of the operator's. Throws UnreadableError. */
export function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    throw new UnreadableError(path, cause);
  }
}
