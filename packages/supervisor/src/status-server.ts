/**
 * The status and control sockets: HTTP over Unix sockets, with a limit for every resource a client can use.
 * `status-routes.ts` has the requests and answers.
 */
import { createServer, type RequestListener } from 'node:http';
import { createServer as createListener, type Server } from 'node:net';
import { now, wakeAt } from './clock.ts';
import { codeOf } from './errors.ts';
import { EventStreams } from './event-streams.ts';
import { EventTally } from './event-tally.ts';
import { History } from './history.ts';
import { OneRequest } from './one-request.ts';
import { Pace } from './pace.ts';
import { publish } from './publish.ts';
import { Readings } from './readings.ts';
import { answerTo } from './status-routes.ts';
import type { Supervisor } from './supervisor.ts';

/** Connections to one socket; further ones are closed at once. */
export const MAX_CONNECTIONS = 512;
/** Octets of unread answers on one socket; while there are more, it answers nothing. */
const MAX_UNREAD = 16 * 1024 * 1024;
const MAX_HEAD_OCTETS = 8192;

interface StatusServers {
  close(): void;
}

/**
 * Listen on `status.sock` (0666, read-only) and `control.sock` (0660) in `directory`. Each has its own pace, so that
 * readers cannot shut out the users of the control socket.
 *
 * @param report takes a line for the log when a request or a connection fails through no fault of the client
 * @throws AnotherRunsError if another supervisor of this user already answers there: EADDRINUSE
 */
export async function startStatusServers(
  supervisor: Supervisor,
  directory: string,
  report: (line: string) => void = () => undefined,
): Promise<StatusServers> {
  const streams = new EventStreams(supervisor);
  const history = new History(supervisor);
  const tally = new EventTally(supervisor);
  const clock = { now, wakeAt };
  const readingPace = new Pace(clock);
  const metrics = new Readings(readingPace, async () => {
    // Imported on demand: without a scraper it costs neither time nor memory.
    const { metricsText } = await import('./metrics.ts');
    return metricsText(supervisor, tally);
  });
  const open: (() => void)[] = [
    () => streams.close(),
    () => history.close(),
    () => tally.close(),
    () => readingPace.stop(),
  ];
  const close = (): void => open.forEach((each) => each());
  const serve = async (name: string, mode: number, mayControl: boolean): Promise<void> => {
    const answer = answerTo({ supervisor, streams, history, metrics, mayControl, report });
    const place = { directory, name, mode, report };
    const server = new PacedServer(answer, (line) => report(`${line} ${directory}/${name}`));
    open.push(() => server.close());
    open.push(await publish(place, () => server.listener()));
  };
  try {
    await serve('status.sock', 0o666, false);
    await serve('control.sock', 0o660, true);
  } catch (error) {
    close();
    throw error;
  }
  return { close };
}

/** Serves one request per connection, one piece of it a turn. */
class PacedServer {
  readonly #pace = new Pace({ now, wakeAt });
  readonly #connections = new Set<OneRequest>();
  readonly #answered = new WeakSet<object>();
  readonly #http;
  readonly #report: (line: string) => void;

  constructor(answer: RequestListener, report: (line: string) => void) {
    this.#report = report;
    this.#http = createServer({ maxHeaderSize: MAX_HEAD_OCTETS }, (request, response) => {
      const { socket } = request;
      // A second request on this connection: such a client does not wait for answers.
      if (this.#answered.has(socket)) return void socket.destroy();
      this.#answered.add(socket);
      response.setHeader('connection', 'close');
      if (this.#unread() <= MAX_UNREAD) return answer(request, response);
      response.writeHead(503).end();
    });
  }

  listener(): Server {
    // Bun on FreeBSD drops every connection that should begin paused.
    const pauseOnConnect = process.platform !== 'freebsd';
    const listener = createListener({ pauseOnConnect }, (socket) => {
      const connection = new OneRequest(socket, this.#pace);
      this.#connections.add(connection);
      connection.on('close', () => this.#connections.delete(connection));
      this.#http.emit('connection', connection);
    });
    listener.maxConnections = MAX_CONNECTIONS;
    listener.on('error', (error) => this.#report(`accept: ${codeOf(error)}:`));
    return listener;
  }

  close(): void {
    this.#pace.stop();
    for (const connection of this.#connections) connection.destroy();
  }

  #unread(): number {
    let octets = 0;
    for (const { writableLength } of this.#connections) octets += writableLength;
    return octets;
  }
}
