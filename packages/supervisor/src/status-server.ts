/**
 * The status and control sockets: HTTP and JSON over Unix sockets (docs/api.md). The first only reads; the second also
 * takes the operator's verbs. It knows the API and nothing of sessions beyond it.
 */
import { chmodSync, existsSync, unlinkSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { connect } from 'node:net';
import { VERBS, type ErrorJson } from './api.ts';
import { EventStreams } from './event-streams.ts';
import { LOG_LEVELS } from './log.ts';
import { metricsText } from './metrics.ts';
import type { Supervisor } from './supervisor.ts';
import { sessionJson, statusJson } from './view.ts';

/** Slow or idle clients are cut off; a supervisor with a thousand of them must still answer. */
const MAX_CONNECTIONS = 1024;
const HEADERS_TIMEOUT_MS = 5000;
const MAX_HEADER_OCTETS = 8192;
const MAX_BODY_OCTETS = 4096;

export interface StatusServers {
  close(): void;
}

interface Answer {
  readonly code: number;
  readonly body: unknown;
  readonly allow?: string;
}

/**
 * Listen on `status.sock` (0666, reading only) and `control.sock` (0660) in `directory`. A socket that another process
 * answers on is left alone: EADDRINUSE.
 */
export async function startStatusServers(
  supervisor: Supervisor,
  directory: string,
): Promise<StatusServers> {
  const streams = new EventStreams(supervisor);
  const open = (name: string, mode: number, mayControl: boolean): Promise<Server> =>
    listen(`${directory}/${name}`, mode, (request, response) => {
      void route(supervisor, streams, mayControl, request, response);
    });
  const servers = [
    await open('status.sock', 0o666, false),
    await open('control.sock', 0o660, true),
  ];
  return {
    close() {
      streams.close();
      for (const server of servers) {
        server.close();
        server.closeAllConnections();
      }
    },
  };
}

async function listen(
  path: string,
  mode: number,
  handle: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<Server> {
  if (existsSync(path)) {
    if (await isAnswered(path)) throw new Error(`listen ${path}: EADDRINUSE: another one runs`);
    unlinkSync(path);
  }
  const server = createServer(
    { maxHeaderSize: MAX_HEADER_OCTETS, headersTimeout: HEADERS_TIMEOUT_MS },
    handle,
  );
  server.maxConnections = MAX_CONNECTIONS;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
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
    socket.once('error', () => resolve(false));
  });
}

async function route(
  supervisor: Supervisor,
  streams: EventStreams,
  mayControl: boolean,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://localhost');
  if (request.method === 'GET' && pathname === '/v1/events') {
    const last = request.headers['last-event-id'] ?? searchParams.get('after');
    streams.open(response, Number(last ?? Number.NaN), searchParams.get('follow') !== 'no');
    return;
  }
  if (request.method === 'GET' && pathname === '/v1/metrics') {
    const text = await metricsText(supervisor);
    response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text);
    return;
  }
  const answer =
    request.method === 'GET'
      ? read(supervisor, pathname)
      : await control(supervisor, mayControl, request, pathname);
  const headers = {
    'content-type': 'application/json',
    ...(answer.allow === undefined ? {} : { allow: answer.allow }),
  };
  response.writeHead(answer.code, headers).end(`${JSON.stringify(answer.body)}\n`);
}

function read(supervisor: Supervisor, path: string): Answer {
  if (path === '/v1/status') return { code: 200, body: statusJson(supervisor) };
  if (path === '/v1/health') return health(supervisor);
  const name = /^\/v1\/sessions\/([^/]+)$/.exec(path)?.[1];
  if (name !== undefined) {
    const session = supervisor.session(decodeURIComponent(name));
    if (session === undefined) return failure(404, `no session ${name}`);
    return { code: 200, body: sessionJson(supervisor, session) };
  }
  return /^\/v1\/(log|sessions\/[^/]+\/\w+)$/.test(path)
    ? { ...failure(405, `${path} takes POST`), allow: 'POST' }
    : failure(404, `no such path: ${path}`);
}

/** For track scripts: whether this router does what its role asks of it. */
function health(supervisor: Supervisor): Answer {
  const troubles = supervisor.sessions().flatMap(({ name, status }) => {
    if (!status.helper) return [`${name}: the helper is away`];
    if (!status.carrier) return [`${name}: the line has no carrier`];
    return status.role === 'MASTER' && !status.proven ? [`${name}: the AC does not answer`] : [];
  });
  return { code: troubles.length === 0 ? 200 : 503, body: { troubles } };
}

async function control(
  supervisor: Supervisor,
  mayControl: boolean,
  request: IncomingMessage,
  path: string,
): Promise<Answer> {
  if (request.method !== 'POST') {
    return { ...failure(405, `${request.method ?? ''} is not taken here`), allow: 'GET, POST' };
  }
  if (!mayControl) return failure(403, 'this socket only reads; use control.sock');
  const body = await text(request);
  if (body === undefined) return failure(413, `a body is at most ${MAX_BODY_OCTETS} octets`);
  if (path === '/v1/log') return logLevel(supervisor, body);
  const [, name = '', word = ''] = /^\/v1\/sessions\/([^/]+)\/(\w+)$/.exec(path) ?? [];
  const verb = VERBS.find((each) => each === word);
  if (verb === undefined) return failure(404, `no such path: ${path}`);
  const session = decodeURIComponent(name);
  if (supervisor.session(session) === undefined) return failure(404, `no session ${session}`);
  const outcome = supervisor.admin(session, verb);
  if (!outcome.accepted) return failure(409, `${verb} ${session}: refused: ${outcome.reason}`);
  return { code: 202, body: { accepted: verb, session } };
}

function logLevel(supervisor: Supervisor, body: string): Answer {
  const word = body.trim().replaceAll('"', '');
  const level = LOG_LEVELS.find((each) => each === word);
  if (level === undefined) return failure(400, `expected one of ${LOG_LEVELS.join(', ')}`);
  supervisor.setLogLevel(level);
  return { code: 200, body: { level } };
}

const failure = (code: number, error: string): Answer => {
  const body: ErrorJson = { error };
  return { code, body };
};

/** The body of a request, or undefined if it is too long. */
async function text(request: IncomingMessage): Promise<string | undefined> {
  let body = '';
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY_OCTETS) return undefined;
  }
  return body;
}
