/** Speaks HTTP to the supervisor's Unix sockets. It knows no command. */
import { request, type IncomingMessage } from 'node:http';

/** The supervisor said no, or could not be asked; `exit` is the command's exit code. */
export class CtlError extends Error {
  override readonly name = 'CtlError';
  readonly exit: number;

  constructor(message: string, exit: number, options?: ErrorOptions) {
    super(message, options);
    this.exit = exit;
  }
}

/** Exit codes, as `pppthingctl --help` lists them. */
export const EXIT = { ok: 0, refused: 1, usage: 64, unavailable: 69, noPermission: 77 } as const;

const TIMEOUT_MS = 5000;

/** The body of the answer. Throws CtlError for anything but success. */
export async function ask(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body = '',
): Promise<string> {
  const response = await open(socket, method, path, body);
  let text = '';
  for await (const chunk of response) text += String(chunk);
  if ((response.statusCode ?? 500) < 300) return text;
  throw new CtlError(reasonOf(text), EXIT.refused);
}

/** The answer as it comes, for a stream of events. */
export function open(
  socket: string,
  method: 'GET' | 'POST',
  path: string,
  body = '',
): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const asked = request({ socketPath: socket, method, path, timeout: TIMEOUT_MS }, resolve);
    asked.on('timeout', () => asked.destroy(new Error('ETIMEDOUT')));
    asked.on('error', (cause) => reject(explain(socket, cause)));
    asked.end(body);
  });
}

function reasonOf(text: string): string {
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
      return String(parsed.error);
    }
  } catch {
    // Not JSON: shown as it is.
  }
  return text.trim();
}

function explain(socket: string, cause: Error): CtlError {
  const code = 'code' in cause ? String(cause.code) : cause.message;
  const hints: Record<string, [string, number]> = {
    ENOENT: ['is the supervisor running?', EXIT.unavailable],
    ECONNREFUSED: ['the supervisor is not running; its socket is left over', EXIT.unavailable],
    EACCES: ['run it as root or as a member of the group ppp_thing', EXIT.noPermission],
    ETIMEDOUT: ['the supervisor does not answer', EXIT.unavailable],
  };
  const [hint, exit] = hints[code] ?? ['', EXIT.unavailable];
  return new CtlError(`connect ${socket}: ${code}: ${hint}`, exit, { cause });
}
