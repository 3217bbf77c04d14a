/** The supervisor's status and control sockets, as any HTTP client sees them: JSON over a Unix socket, with a limit. */
import { request } from 'node:http';

export interface ApiAnswer {
  readonly status: number;
  /** Parsed JSON; undefined if the body is none. */
  readonly body: unknown;
}

const TIMEOUT_MS = 5000;

/** @throws Error if the socket does not answer within five seconds */
export async function ask(
  socketPath: string,
  method: 'GET' | 'POST',
  path: string,
): Promise<ApiAnswer> {
  return new Promise((resolve, reject) => {
    const asking = request({ socketPath, method, path, timeout: TIMEOUT_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (chunk: string) => (text += chunk));
      answer.on('error', reject);
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, body: parsed(text) }));
    });
    asking.on('timeout', () => asking.destroy(new Error(`${method} ${path}: ETIMEDOUT`)));
    asking.on('error', reject);
    asking.end();
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
