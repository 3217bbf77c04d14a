/** Asks a supervisor's status socket. Sockets are files: no jail is between them and us. */
import { request } from 'node:http';
import type { StatusJson } from '@ppp-thing/supervisor/api';

const PATIENCE_MS = 300_000;

/** Undefined if nobody answers, or not yet. */
export const askStatus = (socketPath: string): Promise<StatusJson | undefined> =>
  new Promise((resolve) => {
    const asked = request({ socketPath, path: '/v1/status', timeout: PATIENCE_MS }, (answer) => {
      let text = '';
      answer.setEncoding('utf8').on('data', (more: string) => (text += more));
      answer.on('end', () => {
        try {
          resolve(JSON.parse(text) as StatusJson);
        } catch {
          resolve(undefined);
        }
      });
      answer.on('error', () => resolve(undefined));
    });
    asked.on('timeout', () => asked.destroy());
    asked.on('error', () => resolve(undefined));
    asked.end();
  });
