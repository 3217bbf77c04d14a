/**
 * The signals that a program of ours ignores: a terminal that goes away or newsyslog(8) sends SIGHUP, and SIGUSR1 makes Node.js
 * open a debugger that listens for every local user.
 *
 * Bun opens none, and on FreeBSD its collector stops threads with SIGUSR1: with a handler of ours in its place the collector
 * waits for ever, and so does the program.
 *
 * @param versions the runtime's own and its parts', as the runtime tells them
 */
export const ignoredSignals = (
  versions: Readonly<Record<string, string | undefined>>,
): readonly ('SIGHUP' | 'SIGUSR1')[] =>
  versions['bun'] === undefined ? ['SIGHUP', 'SIGUSR1'] : ['SIGHUP'];
