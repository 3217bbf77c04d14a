/** A log whose reader stops reading: a real pipe, and a real process at its other end that is stopped and goes on. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { lineOutput } from '@ppp-thing/protocol/line-output';
import t from 'tap';

const LINE = 'x'.repeat(99);
/** Five times what is kept. */
const LINES = 50_000;

t.test(
  'output › a reader that stands still costs a bounded memory, and is told what it missed',
  async (t) => {
    const reader = spawn('cat', [], { stdio: ['pipe', 'pipe', 'ignore'] });
    t.teardown(() => reader.kill('SIGKILL'));
    const { stdin, stdout } = reader;
    const told = new Promise<number>((resolve) => {
      const write = lineOutput(stdin, resolve);
      reader.kill('SIGSTOP');
      for (let i = 0; i < LINES; i += 1) write(LINE);
    });
    t.ok(stdin.writableLength < 1.1 * (1 << 20), `${stdin.writableLength} octets wait`);

    let read = 0;
    stdout.on('data', (octets: Buffer) => (read += octets.length));
    reader.kill('SIGCONT');
    const lost = await told;
    stdin.end();
    await once(reader, 'close');
    t.equal(read, (LINES - lost) * (LINE.length + 1), 'every line is read, or counted');
  },
);

t.test('output › a reader that is gone is no error', async (t) => {
  const reader = spawn('true', [], { stdio: ['pipe', 'ignore', 'ignore'] });
  const write = lineOutput(reader.stdin, () => t.fail('nobody is there to be told'));
  await once(reader, 'exit');
  for (let i = 0; i < LINES; i += 1) write(LINE);
  await once(reader.stdin, 'close');
});

t.test(
  'output › lines that come together are one write, and a flush writes what there is',
  async (t) => {
    const written: string[] = [];
    const flushes: (() => void)[] = [];
    const stream = { write: (text: string) => written.push(text) > 0, on: () => undefined };
    const write = lineOutput(
      stream,
      () => t.fail('nothing is lost'),
      (flush) => flushes.push(flush),
    );
    write('one');
    write('two');
    t.strictSame(written, []);
    t.equal(flushes.length, 1);
    flushes[0]?.();
    flushes[0]?.();
    write('three');
    flushes[1]?.();
    t.strictSame(written, ['one\ntwo\n', 'three\n']);
  },
);
