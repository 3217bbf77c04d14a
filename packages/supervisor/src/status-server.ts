/**
 * The status and control sockets: HTTP over Unix sockets, with a limit for everything a client can use up. What is asked
 * and answered there is `status-routes.ts`.
 */
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { createServer, type RequestListener, type Server } from 'node:http';
import { connect } from 'node:net';
import { codeOf } from './errors.ts';
import { EventStreams } from './event-streams.ts';
import { History } from './history.ts';
import { answerTo } from './status-routes.ts';
import type { Supervisor } from './supervisor.ts';

/** Connections at one time; more are closed unheard. */
const MAX_CONNECTIONS = 512;
const LIMITS = {
  maxHeaderSize: 8192,
  /** For the headers, for the whole request, and between two requests of a connection. */
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const;

export interface StatusServers {
  close(): void;
}

/**
 * Listen on `status.sock` (0666, reading only) and `control.sock` (0660) in `directory`. A file that nobody answers on is
 * replaced; one that is answered is left alone: EADDRINUSE.
 *
 * @param report takes a line for the log when a request or a connection goes wrong through no fault of the client
 */
export async function startStatusServers(
  supervisor: Supervisor,
  directory: string,
  report: (line: string) => void = () => undefined,
): Promise<StatusServers> {
  const streams = new EventStreams(supervisor);
  const history = new History(supervisor);
  const servers: Server[] = [];
  const close = (): void => {
    streams.close();
    history.close();
    for (const server of servers) {
      server.close();
      server.closeAllConnections();
    }
  };
  const open = async (name: string, mode: number, mayControl: boolean): Promise<void> => {
    const answer = answerTo({ supervisor, streams, history, mayControl, report });
    const path = `${directory}/${name}`;
    const server = await listen(path, mode, answer);
    server.on('error', (error) => report(`accept ${path}: ${codeOf(error)}`));
    servers.push(server);
  };
  try {
    await open('status.sock', 0o666, false);
    await open('control.sock', 0o660, true);
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

async function listen(path: string, mode: number, answer: RequestListener): Promise<Server> {
  if (existsSync(path)) {
    if (await isAnswered(path)) throw new Error(`listen ${path}: EADDRINUSE: another one runs`);
    unlinkSync(path);
  }
  const server = createServer(LIMITS, answer);
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    const refuse = (error: Error): void => reject(new Error(`listen ${path}: ${codeOf(error)}`));
    server.once('error', refuse);
    // Nobody's until its mode is set.
    const before = process.umask(0o777);
    server.listen(path, () => {
      server.off('error', refuse);
      resolve();
    });
    process.umask(before);
  });
  chmodSync(path, mode);
  return server;
}

/** Whether a process listens there; a socket file outlives the process that made it. */
function isAnswered(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(path);
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', (error) => resolve(!['ECONNREFUSED', 'ENOENT'].includes(codeOf(error))));
  });
}
