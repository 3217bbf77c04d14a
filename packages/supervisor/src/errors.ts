/** What the operating system said, as words for a log line. It decides nothing about it. */

/** The errno's name, or EIO for an error that has none. */
export const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'EIO';
