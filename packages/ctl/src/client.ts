/**
 * Speaks HTTP to the supervisor's Unix sockets, and makes the answers safe to print on a terminal. It knows no command.
 */
import { request, type ClientRequest, type IncomingMessage } from 'node:http';
import { oneLine } from '@ppp-thing/protocol/printable';
import { API_VERSION, type StatusJson } from '@ppp-thing/supervisor/api';

/** Codes of sysexits(3), except the first two. Documented in pppthingctl(8). */
export const EXIT = {
  ok: 0,
  refused: 1,
  usage: 64,
  unavailable: 69,
  output: 74,
  protocol: 76,
  noPermission: 77,
  config: 78,
} as const;

/** The supervisor refused the request, or could not be reached; `exit` is the command's exit code. */
export class CtlError extends Error {
  override readonly name = 'CtlError';
  readonly exit: number;

  constructor(message: string, exit: number, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

/** Longest silence of a healthy supervisor. */
const TIMEOUT_MS = 5000;

/** The directory of the sockets, and a signal that aborts a wait. */
export interface Sockets {
  readonly directory: string;
  readonly signal: AbortSignal;
}

export async function statusOf(sockets: Sockets): Promise<StatusJson> {
  const value = await ask(sockets, 'GET', '/v1/status');
  if (!isStatus(value)) throw anotherVersion();
  return value;
}

const anotherVersion = (cause?: unknown): CtlError =>
  new CtlError('the supervisor speaks another version of the API', EXIT.protocol, { cause });

const isStatus = (value: unknown): value is StatusJson =>
  typeof value === 'object' && value !== null && 'api' in value && value.api === API_VERSION;

/**
 * Send a request to status.sock (GET) or control.sock (POST).
 *
 * @returns the parsed body of the answer; its strings hold no terminal control characters
 * @throws CtlError for anything but success
 */
export async function ask(
  sockets: Sockets,
  method: 'GET' | 'POST',
  path: string,
  body = '',
): Promise<unknown> {
  return parse(await textAt(sockets, path, method, body));
}

/** The body of the answer, unparsed. Throws CtlError as `ask` does. */
export async function textAt(
  sockets: Sockets,
  path: string,
  method: 'GET' | 'POST' = 'GET',
  body = '',
): Promise<string> {
  const response = await open(sockets, method, path, {}, body);
  const text = await textOf(response).catch((cause: Error) => {
    throw explain(sockets, method, cause);
  });
  const { statusCode: code = 500 } = response;
  if (code < 300) return text;
  throw new CtlError(reasonOf(text), code === 400 ? EXIT.usage : EXIT.refused);
}

async function textOf(response: IncomingMessage): Promise<string> {
  let text = '';
  response.setEncoding('utf8');
  for await (const chunk of response) text += String(chunk);
  return text;
}

const pathOf = ({ directory }: Sockets, method: 'GET' | 'POST'): string =>
  `${directory}/${method === 'GET' ? 'status' : 'control'}.sock`;

/** The response as a stream, for `stream` and for `ask`; destroyed after TIMEOUT_MS without an octet. */
export function open(
  sockets: Sockets,
  method: 'GET' | 'POST',
  path: string,
  headers: Readonly<Record<string, string>> = {},
  body = '',
): Promise<IncomingMessage> {
  const socketPath = pathOf(sockets, method);
  const { signal } = sockets;
  return new Promise((resolve, reject) => {
    const options = { socketPath, method, path, headers, signal, agent: false };
    let silent: ClientRequest | IncomingMessage;
    const asked = request(options, (response) => resolve((silent = response)));
    silent = asked;
    asked.setTimeout(TIMEOUT_MS, () => silent.destroy(new Error('ETIMEDOUT')));
    asked.on('error', (cause) => reject(explain(sockets, method, cause)));
    asked.end(body);
  });
}

/**
 * Parses JSON from the socket. An AC chose some of its strings, so control characters are escaped. Throws CtlError for
 * anything but JSON.
 */
export function parse(text: string): unknown {
  try {
    return JSON.parse(text, (_key, value: unknown) =>
      typeof value === 'string' ? oneLine(value) : value,
    );
  } catch (cause) {
    throw anotherVersion(cause);
  }
}

function reasonOf(text: string): string {
  try {
    const parsed = parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
      return String(parsed.error);
    }
  } catch (error) {
    if (!(error instanceof CtlError)) throw error;
  }
  return oneLine(text.trim());
}

const HINTS: Readonly<Record<string, readonly [hint: string, exit: number]>> = {
  ENOENT: ['is the supervisor running?', EXIT.unavailable],
  ECONNREFUSED: ['the supervisor is not running; its socket is left over', EXIT.unavailable],
  EACCES: ['only root and the group ppp_thing may connect', EXIT.noPermission],
  ETIMEDOUT: ['the supervisor does not answer', EXIT.unavailable],
};

/** Turns a connection error into one line. An AbortError stays as it is. */
export function explain(sockets: Sockets, method: 'GET' | 'POST', cause: Error): Error {
  if (cause.name === 'AbortError') return cause;
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const [hint, exit] = HINTS[code] ?? ['the supervisor closed the connection', EXIT.unavailable];
  return new CtlError(`connect ${pathOf(sockets, method)}: ${code}: ${hint}`, exit, { cause });
}
