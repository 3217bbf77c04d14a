/**
 * The requests and answers of the status and control sockets (docs/api.md): each path, its method, and who may use it.
 * Every client gets an answer, whatever it sends, and disturbs no other. It opens no socket.
 */
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { VERBS, type AcceptedJson, type ErrorJson, type HealthJson, type LogJson } from './api.ts';
import type { EventStreams } from './event-streams.ts';
import type { History } from './history.ts';
import { LOG_LEVELS } from './log.ts';
import { OneRequest } from './one-request.ts';
import type { Readings } from './readings.ts';
import { healthJson, sessionJson, statusJson } from './view.ts';
import type { SessionView, Supervisor } from './supervisor.ts';

const MAX_BODY_OCTETS = 4096;

/** Input of the routes of one socket. */
export interface Inputs {
  readonly supervisor: Supervisor;
  readonly streams: EventStreams;
  readonly history: History;
  readonly metrics: Readings;
  /** Whether this is the control socket. */
  readonly mayControl: boolean;
  readonly report: (line: string) => void;
}

interface Asked extends Inputs {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly query: URLSearchParams;
  /** The variable parts of the path, decoded. */
  readonly words: readonly string[];
}

interface Route {
  readonly path: RegExp;
  readonly method: 'GET' | 'POST';
  answer(asked: Asked): void | Promise<void>;
}

const ROUTES: readonly Route[] = [
  { path: /^\/v1\/status$/, method: 'GET', answer: status },
  { path: /^\/v1\/sessions\/([^/]+)$/, method: 'GET', answer: session },
  { path: /^\/v1\/sessions\/([^/]+)\/history$/, method: 'GET', answer: history },
  { path: /^\/v1\/health$/, method: 'GET', answer: health },
  { path: /^\/v1\/metrics$/, method: 'GET', answer: metrics },
  { path: /^\/v1\/events$/, method: 'GET', answer: events },
  { path: /^\/v1\/log$/, method: 'POST', answer: log },
  {
    path: new RegExp(`^/v1/sessions/([^/]+)/(${VERBS.join('|')})$`),
    method: 'POST',
    answer: control,
  },
];

/** The request listener of one socket. It never throws. */
export function answerTo(inputs: Inputs): RequestListener {
  return (request, response) => {
    Promise.resolve(dispatch(inputs, request, response)).catch((error: unknown) => {
      // The client has gone in the middle of its request, so there is nobody to answer.
      if (request.destroyed && !request.complete) return;
      const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
      inputs.report(`answer ${request.method ?? ''} ${request.url ?? ''}: ${what}`);
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'this is a fault of ppp_thing; its log says more');
    });
  };
}

function dispatch(
  inputs: Inputs,
  request: IncomingMessage,
  response: ServerResponse,
): void | Promise<void> {
  const [path = '', query = ''] = (request.url ?? '').split('?', 2);
  const route = ROUTES.find((each) => each.path.test(path));
  if (route === undefined) return refuse(response, 404, `no such path: ${path}`);
  if (request.method !== route.method) {
    response.setHeader('allow', route.method);
    return refuse(response, 405, `${path} takes ${route.method} only`);
  }
  if (route.method === 'POST' && !inputs.mayControl) {
    return refuse(response, 403, 'this socket only reads; use control.sock');
  }
  const words = route.path.exec(path)?.slice(1).map(decoded);
  if (words === undefined || !words.every((word) => word !== undefined)) {
    return refuse(response, 400, `not a path: ${path}`);
  }
  const asked = { ...inputs, request, response, words, query: new URLSearchParams(query) };
  return route.answer(asked);
}

/** Undefined unless the text is percent-encoded UTF-8 (RFC 3986 §2.1). */
function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

function status({ supervisor, response }: Asked): void {
  reply(response, 200, statusJson(supervisor));
}

function session(asked: Asked): void {
  const view = known(asked);
  if (view !== undefined) reply(asked.response, 200, sessionJson(asked.supervisor, view));
}

function history(asked: Asked): void {
  const view = known(asked);
  if (view === undefined) return;
  const after = asked.query.get('after') ?? '0';
  if (!/^\d{1,15}$/.test(after)) {
    return refuse(asked.response, 400, 'after: expected milliseconds since 1970-01-01 UTC');
  }
  reply(asked.response, 200, asked.history.of(view.name, Number(after)));
}

function health({ supervisor, response }: Asked): void {
  const body: HealthJson = healthJson(supervisor);
  reply(response, body.healthy ? 200 : 503, body);
}

async function metrics({ metrics, response }: Asked): Promise<void> {
  const text = await metrics.ask();
  response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  response.end(text);
}

function events({ streams, request, response, query }: Asked): void {
  if (streams.isFull) return refuse(response, 503, 'too many clients follow the events already');
  const [header] = [request.headers['last-event-id']].flat();
  const lastId = header ?? query.get('after') ?? undefined;
  const { socket } = request;
  if (!(socket instanceof OneRequest)) throw new TypeError('a connection that is not paced');
  streams.open(response, socket, lastId, query.get('follow') !== 'no');
}

function control(asked: Asked): void {
  const { supervisor, response, words } = asked;
  const name = known(asked)?.name;
  const verb = VERBS.find((each) => each === words[1]);
  if (name === undefined || verb === undefined) return;
  const outcome = supervisor.admin(name, verb);
  if (!outcome.accepted) {
    return refuse(response, 409, `${verb} ${name}: refused: ${outcome.reason}`);
  }
  const body: AcceptedJson = { accepted: verb, session: name };
  reply(response, 202, body);
}

async function log({ supervisor, request, response }: Asked): Promise<void> {
  const text = await bodyOf(request);
  if (text === undefined) {
    response.setHeader('connection', 'close');
    return refuse(response, 413, `a body is at most ${MAX_BODY_OCTETS} octets`);
  }
  const level = LOG_LEVELS.find((each) => each === text.trim());
  if (level === undefined) {
    return refuse(response, 400, `expected one of ${LOG_LEVELS.join(', ')}`);
  }
  supervisor.setLogLevel(level);
  const body: LogJson = { level };
  reply(response, 200, body);
}

/** The session in the path; if it does not exist, answers 404 and returns undefined. */
function known({ supervisor, response, words }: Asked): SessionView | undefined {
  const [name = ''] = words;
  const view = supervisor.session(name);
  if (view === undefined) refuse(response, 404, `no session ${name}`);
  return view;
}

function reply(response: ServerResponse, code: number, body: object): void {
  response.writeHead(code, { 'content-type': 'application/json' });
  response.end(`${JSON.stringify(body)}\n`);
}

function refuse(response: ServerResponse, code: number, error: string): void {
  const body: ErrorJson = { error };
  reply(response, code, body);
}

/** The body of a request, or undefined if it is too long. */
async function bodyOf(request: IncomingMessage): Promise<string | undefined> {
  request.setEncoding('utf8');
  let text = '';
  for await (const chunk of request) {
    text += String(chunk);
    if (text.length > MAX_BODY_OCTETS) return undefined;
  }
  return text;
}
