import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { tomlLines } from '@ppp-thing/protocol/config-text';
import { readText } from '@ppp-thing/supervisor/errors';

t.test(
  'files of the operator › what is no regular file of his own is refused in words',
  async (t) => {
    const folder = t.testdir({ directory: {}, file: 'text', large: '#'.repeat(1024 * 1024 + 1) });
    const fifo = join(folder, 'fifo');
    execFileSync('mkfifo', [fifo]);
    const refused = (name: string, message: RegExp): void => {
      t.throws(() => readText(join(folder, name)), { name: 'UnreadableError', message }, name);
    };
    refused('missing', /ENOENT: there is no such file/);
    refused('directory', /EISDIR: it is a directory/);
    refused('fifo', /ENOTREG: it is not a regular file/);
    refused('large', /EFBIG: /);
    const file = join(folder, 'file');
    chmodSync(file, 0o642);
    refused('file', /EWRITABLE: a user other than its owner can write it; chmod 0640/);
    chmodSync(file, 0o640);
    t.equal(readText(file), 'text');
    writeFileSync(file, '');
    t.equal(readText(file), '');
  },
);

t.test('files of the operator › a line of blanks costs no more than its length', async (t) => {
  // What backtracks over each pair or triple of these would not come back.
  const blanks = ' '.repeat(200_000);
  for (const line of [`[${blanks}`, `[${blanks}x`, `${blanks}[`, `${blanks}key${blanks}x`])
    t.equal(tomlLines(line)('key'), undefined);
  t.equal(tomlLines(`a = 1\n[ session . "x" ]${blanks}\nkey${blanks}=`)('session.x.key'), 3);
});
