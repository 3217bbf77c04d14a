/** Debian's maintainer scripts: when postinst starts or restarts the services. It installs nothing: what they call is a stub. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { ROOT } from './make.ts';

const STUBS = [
  'systemd-sysusers',
  'systemd-tmpfiles',
  'deb-systemd-helper',
  'deb-systemd-invoke',
  'systemctl',
];

t.test('Debian › a service is started, restarted or left alone', async (t) => {
  const folder = t.testdir({ bin: {}, systemd: {}, lib: {} });
  const calls = join(folder, 'calls');
  for (const name of STUBS)
    writeFileSync(join(folder, 'bin', name), `#!/bin/sh\necho "${name} $*" >>'${calls}'\n`, {
      mode: 0o755,
    });
  /** What was done to the services. */
  const run = (script: string, ...words: readonly string[]): string => {
    const text = readFileSync(join(ROOT, 'packaging/debian', script), 'utf8')
      .replaceAll('/run/systemd/system', join(folder, 'systemd'))
      .replaceAll(/\/(?:var\/lib|run|etc)\/(?=ppp_thing)/g, `${folder}/lib/`);
    writeFileSync(calls, '');
    const env = { PATH: `${join(folder, 'bin')}:${process.env['PATH'] ?? ''}` };
    const { status, stderr } = spawnSync('sh', ['-c', text, script, ...words], {
      env,
      encoding: 'utf8',
    });
    t.equal(status, 0, stderr);
    return /^deb-systemd-invoke (\S+)/m.exec(readFileSync(calls, 'utf8'))?.[1] ?? 'nothing';
  };
  t.equal(run('postinst', 'configure', ''), 'start', 'a first installation');
  t.equal(run('postinst', 'configure', '0.1.0'), 'try-restart', 'an upgrade');
  t.equal(
    run('postinst', 'abort-upgrade', '0.1.0'),
    'nothing',
    'an upgrade that did not come to pass',
  );
  t.equal(run('postinst', 'abort-remove'), 'start', 'a removal that did not');
  run('postrm', 'remove');
  t.equal(run('postinst', 'configure', '0.1.0'), 'start', 'it comes back after a removal');
  t.equal(run('postinst', 'configure', '0.1.0'), 'try-restart', 'and is upgraded then');
  run('postrm', 'remove');
  run('postrm', 'purge');
  t.notOk(existsSync(join(folder, 'lib', 'ppp_thing_helper')), 'a purge leaves nothing');
});
