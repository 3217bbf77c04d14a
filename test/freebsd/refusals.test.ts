/**
 * What `make test-freebsd` says on a host that cannot run it: one line with what to do, before anything is built or made.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';

const SCRIPT = join(process.cwd(), 'packaging/freebsd/test.sh');

interface Host {
  readonly system: string;
  readonly uid: number;
  /** A command that has a version, or the name of none. */
  readonly runtime: string;
}

/** The script's words on a host of this kind, in `check` alone: a fake FreeBSD runs no test. */
function check(t: Test, { system, uid, runtime }: Host): string {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-refusal-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const words: Readonly<Record<string, string>> = { uname: system, id: `${uid}`, node: 'v22.0.0' };
  for (const [command, word] of Object.entries(words)) {
    writeFileSync(join(folder, command), `#!/bin/sh\necho ${word}\n`);
    chmodSync(join(folder, command), 0o755);
  }
  const { status, stdout, stderr } = spawnSync('sh', [SCRIPT, 'check'], {
    env: { PATH: `${folder}:/usr/bin:/bin`, NODE: runtime },
    encoding: 'utf8',
  });
  t.equal(stdout, '');
  t.equal(status, stderr === '' ? 0 : 1);
  return stderr;
}

const GOOD: Host = { system: 'FreeBSD', uid: 0, runtime: 'node' };

t.test('make test-freebsd › goes on where it can run', async (t) => {
  t.equal(check(t, GOOD), '');
});

t.test('make test-freebsd › says in one line why it cannot', async (t) => {
  t.match(check(t, { ...GOOD, system: 'Linux' }), /^make test-freebsd: this is Linux: .*\n$/);
  t.match(check(t, { ...GOOD, uid: 1001 }), /^make test-freebsd: not root: .*\n$/);
  t.match(
    check(t, { ...GOOD, runtime: 'no-such-bun' }),
    /^make test-freebsd: no runtime no-such-bun: pkg install node24, or .*\n$/,
  );
});
