/**
 * `web`: serves the status page on a TCP port of this router. It answers only GET, and sends only GET to status.sock,
 * so it cannot change anything.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { HistoryJson } from '@ppp-thing/supervisor/api';
import { ask, CtlError, EXIT, statusOf, textAt, type Sockets } from './client.ts';
import type { Context, Given } from './command.ts';
import { Changes } from './changes.ts';
import {
  DEFAULT_ADDRESS,
  isForeign,
  isLoopback,
  isOurs,
  addressOf,
  urlOf,
  type ListenAddress,
} from './listen.ts';
import type { PageData } from './page/data.ts';
import { loadFiles, type PageFile } from './page-files.ts';

/** Open connections at most; more are closed at once. Each open page uses two. */
const MAX_CONNECTIONS = 64;
const LIMITS = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  keepAliveTimeout: 5000,
  connectionsCheckingInterval: 1000,
} as const;

/** The browser may run and display only our own files, in no frame, and must not cache them. */
const HEADERS = {
  'content-security-policy': [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self'",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; '),
  'cross-origin-opener-policy': 'same-origin',
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
  'x-frame-options': 'DENY',
  'cache-control': 'no-store',
} as const;

interface Inputs {
  readonly sockets: Sockets;
  readonly files: ReadonlyMap<string, PageFile>;
  readonly changes: Changes;
}

/** Serve until the signal. Throws CtlError if the port cannot be opened. */
export async function web({ values }: Given, context: Context): Promise<number> {
  const address = addressOf(values['listen'] ?? DEFAULT_ADDRESS);
  const changes = new Changes(context);
  const inputs = { sockets: context, files: loadFiles(), changes };
  const server = createServer(LIMITS, (request, response) => {
    answer(inputs, request, response).catch((error: unknown) => {
      // If the browser went away there is nobody to answer. Any other error is a bug of ours, so print it.
      if (!response.destroyed)
        context.complain(error instanceof Error ? error.message : String(error));
      response.destroy();
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  const bound = await listen(server, address);
  if (!isLoopback(address.host)) {
    const who = 'anyone who can reach this address can read the status; there is no password';
    context.complain(`web: warning: ${address.host} is not a loopback address: ${who}`);
  }
  context.print(`${urlOf(bound)}  (read-only; ^C ends it)`);
  await new Promise<void>((resolve) => {
    if (context.signal.aborted) resolve();
    context.signal.addEventListener('abort', () => resolve(), { once: true });
  });
  changes.close();
  server.close();
  server.closeAllConnections();
  return EXIT.ok;
}

function listen(server: Server, address: ListenAddress): Promise<ListenAddress> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      const { code = cause.message } = cause;
      const [hint, exit] = REASONS[code] ?? [cause.message, EXIT.unavailable];
      const { host, port } = address;
      reject(new CtlError(`listen ${host} port ${port}: ${code}: ${hint}`, exit, { cause }));
    });
    server.listen(address.port, address.host, () => {
      const bound = server.address();
      resolve(
        typeof bound === 'object' && bound !== null ? { ...address, port: bound.port } : address,
      );
    });
  });
}

const REASONS: Readonly<Record<string, readonly [hint: string, exit: number]>> = {
  EADDRINUSE: ['another program listens there; --listen takes another port', EXIT.unavailable],
  EADDRNOTAVAIL: ['this router has no such address', EXIT.usage],
  EACCES: ['ports below 1024 are for root', EXIT.noPermission],
};

async function answer(
  inputs: Inputs,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  for (const [name, value] of Object.entries(HEADERS)) response.setHeader(name, value);
  if (!isOurs(request.headers.host)) {
    return refuse(response, 421, 'reach this page by an address or as localhost, not by a name');
  }
  if (isForeign(request.headers)) {
    return refuse(response, 403, 'another page asks for this one; open it by its address');
  }
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('allow', 'GET, HEAD');
    return refuse(response, 405, 'this page is read-only; the commands of pppthingctl(8) act');
  }
  const [path = '', search = ''] = (request.url ?? '').split('?', 2);
  const file = inputs.files.get(path);
  if (file !== undefined) {
    response.setHeader('content-type', file.type);
    response.end(request.method === 'HEAD' ? undefined : file.body);
  } else if (path === '/data') {
    const query = new URLSearchParams(search);
    const data = await dataOf(inputs.sockets, query.get('session'), query.get('after') ?? '0');
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(data));
  } else if (path === '/metrics') {
    const metrics = await textAt(inputs.sockets, '/v1/metrics').catch((error: unknown) => {
      if (error instanceof CtlError) return undefined;
      throw error;
    });
    if (metrics === undefined) return refuse(response, 503, 'the supervisor does not answer');
    response.setHeader('content-type', 'text/plain; version=0.0.4; charset=utf-8');
    response.end(metrics);
  } else if (path === '/changes') {
    if (!inputs.changes.open(response)) refuse(response, 503, 'too many pages are open already');
  } else refuse(response, 404, 'no such page');
}

/**
 * All data of the page in one answer. An unreachable supervisor is part of the data, so that the page can show it and
 * the browser logs no error.
 */
async function dataOf(sockets: Sockets, wanted: string | null, after: string): Promise<PageData> {
  try {
    const status = await statusOf(sockets);
    const name = (status.sessions.find((each) => each.name === wanted) ?? status.sessions[0])?.name;
    if (name === undefined) return { status, history: null, error: 'no session is configured' };
    const since = /^\d{1,15}$/.test(after) ? after : '0';
    const path = `/v1/sessions/${encodeURIComponent(name)}/history?after=${since}`;
    const history = await ask(sockets, 'GET', path);
    if (isHistory(history)) return { status, history, error: null };
    return { status, history: null, error: 'the supervisor keeps no history; it is an older one' };
  } catch (error) {
    if (!(error instanceof CtlError)) throw error;
    return { status: null, history: null, error: error.message };
  }
}

const isHistory = (value: unknown): value is HistoryJson =>
  typeof value === 'object' && value !== null && 'samples' in value && 'holders' in value;

function refuse(response: ServerResponse, code: number, error: string): void {
  response.writeHead(code, { 'content-type': 'text/plain; charset=utf-8', connection: 'close' });
  response.end(`${error}\n`);
}
