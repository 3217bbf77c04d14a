/**
 * The fake kernel answers every recorded call octet for octet as the real one did. What the backend does with such a kernel
 * is tested elsewhere.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { Replay, unhex, type Line } from './replay.ts';

const path = join(process.cwd(), 'test/fixtures/netgraph-transcript.jsonl');
const recorded = readFileSync(path, 'utf8')
  .split('\n')
  .filter((line) => line !== '')
  .map((line) => JSON.parse(line) as Line);

/** Two routers at most speak in one part; the BPF descriptors are of the first. */
const router = ({ part, who }: Line): string => `${part} ${who.startsWith('r2') ? 'r2' : 'r1'}`;

const conversations = new Map<string, Line[]>();
for (const line of recorded)
  conversations.set(router(line), [...(conversations.get(router(line)) ?? []), line]);

for (const [name, lines] of conversations) {
  t.test(`fake kernel › ${name} is answered as it was recorded`, async (t) => {
    const replay = new Replay(lines);
    lines.forEach((line, i) => {
      const found = replay.call(i);
      const octets = line.errno === undefined || line.op === 'ioctl' ? (line.in ?? '') : '';
      const expected = {
        octets: line.errno === undefined ? toHex(unhex(octets)) : '',
        from: line.from ?? '',
        errno: line.errno ?? 0,
      };
      t.strictSame(found, expected, `${i}: ${line.who} ${line.op} ${line.fd} ${line.cmd ?? ''}`);
    });
  });
}

t.test('fake kernel › the whole recording is played', async (t) => {
  t.equal([...conversations.values()].flat().length, 764);
});
