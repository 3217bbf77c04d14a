/** The far end of the line as a test in r1 sees it: everything heard there, and a way to say anything there. */
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { inside } from '@ppp-thing/lab/kernel/net';

const WIRE = fileURLToPath(new URL('./wire.js', import.meta.url));

export interface Station {
  say(frame: Uint8Array): void;
  close(): void;
}

/** A station where the Access Concentrator is; `heard` is called with every frame that arrives there. */
export async function openStation(heard: (frame: Uint8Array) => void): Promise<Station> {
  const station = execa('ip', inside('ac', process.execPath, WIRE, 'eth0'), {
    stderr: 'inherit',
    reject: false,
    buffer: false,
  });
  const lines = createInterface({ input: station.stdout });
  await once(lines, 'line');
  lines.on('line', (line) => heard(fromHex(line) ?? new Uint8Array()));
  return {
    say: (frame) => void station.stdin.write(`${toHex(frame)}\n`),
    close: () => void station.kill('SIGKILL'),
  };
}
