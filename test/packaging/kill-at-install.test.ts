/**
 * An upgrade that is killed before each of its commands that change a file: what a service starts is the old file or the new
 * one, never half of one and never none, and the next installation leaves what a first one does.
 */
import { spawn } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync } from 'node:fs';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { filesBelow, ROOT } from './make.ts';

/** What install.sh takes from a tree, by its own lists. */
const FILES = [
  'LICENSE',
  'bin/ppp_thing',
  'bin/ppp_thing_helper',
  'bin/pppthingctl',
  'completions/_pppthingctl',
  'completions/pppthingctl.bash',
  'completions/pppthingctl.fish',
  'etc/ppp_thing.conf.sample',
  'etc/freebsd/devd.conf',
  'etc/prometheus/alerts.yml',
  'man/ppp_thing.8',
  'man/ppp_thing.conf.5',
  'man/ppp_thing_helper.8',
  'man/pppthingctl.8',
  'node_modules/smol-toml/package.json',
  'packages/helper/dist/main.js',
  'packages/supervisor/dist/main.js',
  'rc.d/ppp_thing',
  'rc.d/ppp_thing_early',
  'rc.d/ppp_thing_helper',
];
const VERSIONS = ['one', 'two'] as const;
/** Those that change a file. */
const COUNTED = ['cat', 'cp', 'gzip', 'mv', 'rm', 'sed'];
const HOME = 'usr/local/libexec/ppp-thing';

// Each command is an installation of its own.
t.setTimeout(1_700_000);

t.test('install › an upgrade that is killed at any command loses nothing', async (t) => {
  t.setTimeout(1_700_000);
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-kill-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  for (const version of VERSIONS) {
    for (const name of FILES) {
      const file = join(folder, version, name);
      mkdirSync(dirname(file), { recursive: true });
      writeFileSync(file, `${version}\n`);
    }
    const about = { version, os: ['freebsd'] };
    writeFileSync(join(folder, version, 'package.json'), JSON.stringify(about, null, 2));
    copyFileSync(join(ROOT, 'packaging/install.sh'), join(folder, version, 'install.sh'));
  }
  const shims = join(folder, 'shims');
  mkdirSync(shims);
  for (const name of COUNTED) {
    const shim = `#!/bin/sh
PATH=\${PATH#*:}
echo >>"$COUNT"
[ "$(wc -l <"$COUNT")" -ne "$KILL_AT" ] || kill -9 0
exec ${name} "$@"
`;
    writeFileSync(join(shims, name), shim);
    chmodSync(join(shims, name), 0o755);
  }
  const stage = join(folder, 'stage');
  const count = join(folder, 'count');
  /** Whether it came to its end. */
  const install = async (version: string, at: number): Promise<boolean> => {
    writeFileSync(count, '');
    const child = spawn('sh', [join(folder, version, 'install.sh')], {
      env: {
        PATH: `${shims}:${process.env['PATH'] ?? ''}`,
        DESTDIR: stage,
        KILL_AT: String(at),
        COUNT: count,
      },
      // A group of its own, which is killed as a whole.
      detached: true,
      stdio: 'ignore',
    });
    const [code, signal] = await new Promise<[number | null, string | null]>((resolve) =>
      child.once('close', (...how) => resolve(how)),
    );
    if (signal === null) t.equal(code, 0, `${version}, killed at ${at}`);
    return signal === null;
  };

  t.ok(await install('one', -1));
  const whole = filesBelow(stage);
  const programs = whole.filter((name) => /(?:bin|rc\.d)\//.test(name) && !name.includes(HOME));
  t.equal(programs.length, 6);
  let at = 1;
  for (; !(await install(VERSIONS[at % 2] ?? 'one', at)); at++) {
    for (const name of programs) {
      const file = join(stage, name);
      const text = existsSync(file) ? readFileSync(file, 'utf8') : 'none';
      t.ok(['one\n', 'two\n'].includes(text), `${name} after command ${at}: ${text}`);
    }
    const code = [HOME, `${HOME}.old`]
      .map((place) => join(stage, place, 'packages/helper/dist/main.js'))
      .filter(existsSync);
    t.ok(code.length > 0, `the program after command ${at}`);
  }
  t.comment(`${at - 1} commands`);
  t.ok(at > 30, `${at - 1} commands`);
  t.strictSame(filesBelow(stage), whole);
  const last = VERSIONS[at % 2] ?? '';
  for (const name of ['sbin/ppp_thing', 'libexec/ppp-thing/packages/helper/dist/main.js'])
    t.equal(readFileSync(join(stage, 'usr/local', name), 'utf8').trim(), last, name);
});
