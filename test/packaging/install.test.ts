/** `make install` and `make deinstall` into a stage, with every make of this host, against the port's pkg-plist. */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t from 'tap';
import { filesBelow, make, makes, modeOf, noBsdMake, port, PORT, ROOT } from './make.ts';

// Another than the tarballs' tests make, which may run at the same time.
const TARGET = ['OS=freebsd', 'CPU=arm64'];
const SCRIPTS = [
  'bin/pppthingctl',
  'sbin/ppp_thing',
  'sbin/ppp_thing_helper',
  'etc/rc.d/ppp_thing',
  'etc/rc.d/ppp_thing_early',
  'etc/rc.d/ppp_thing_helper',
];

/** The names in pkg-plist, without the keyword that says how pkg(8) treats a file. */
const plist = readFileSync(join(PORT, 'pkg-plist'), 'utf8')
  .replaceAll(/^@dir.*\n/gm, '')
  .trimEnd()
  .split('\n')
  .map((line) => line.replaceAll('%%CPU%%', 'arm64').replace(/^@sample\([^)]*\) /, ''))
  .sort();

for (const command of makes()) {
  t.test(command, async (t) => {
    const stage = mkdtempSync(join(tmpdir(), 'ppp-thing-stage-'));
    t.teardown(() => rmSync(stage, { recursive: true }));
    const words = [`DESTDIR=${stage}`, 'PREFIX=/usr/local', ...TARGET];
    const installed = join(stage, 'usr/local');
    const made = make(command, 'install', ...words);
    if (made.unreachable !== undefined) {
      t.pass('not installed', { skip: `npm's registry: ${made.unreachable}` });
      return;
    }
    t.equal(made.code, 0, made.output);
    t.same(
      filesBelow(stage),
      plist.map((name) => `usr/local/${name}`),
      'it lays down what pkg-plist lists (packaging/freebsd/plist.sh writes it anew)',
    );
    t.equal(modeOf(join(installed, 'etc/ppp_thing.conf.sample')), '640');
    for (const name of SCRIPTS) t.equal(modeOf(join(installed, name)), '755', name);
    t.same(
      filesBelow(installed).filter((name) => /[2367]/.test(modeOf(join(installed, name)).slice(1))),
      [],
      'nobody but the owner may write anything',
    );

    t.equal(make(command, 'deinstall', ...words).code, 0);
    t.same(filesBelow(stage), [], 'make deinstall takes it all away');
  });
}

t.test('install.sh', async (t) => {
  const tree = join(ROOT, 'dist/ppp-thing-0.1.0-freebsd-arm64');
  if (!existsSync(tree)) {
    t.pass('no tree', { skip: 'make install made none' });
    return;
  }
  const stage = mkdtempSync(join(tmpdir(), 'ppp-thing-stage-'));
  t.teardown(() => rmSync(stage, { recursive: true }));
  const install = (...words: string[]) =>
    spawnSync(join(tree, 'install.sh'), words, {
      env: { PATH: process.env['PATH'] ?? '', DESTDIR: stage, PREFIX: '/opt' },
    }).status;
  const config = join(stage, 'opt/etc/ppp_thing.conf');
  const stale = join(stage, 'opt/libexec/ppp-thing/packages/helper/dist/old.js');
  for (const file of [config, stale]) {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, 'mine');
  }
  t.equal(install(), 0);
  t.equal(readFileSync(config, 'utf8'), 'mine', 'a configuration is not overwritten');
  t.notOk(existsSync(stale), 'what an older version left is gone');
  const script = readFileSync(join(stage, 'opt/etc/rc.d/ppp_thing'), 'utf8');
  t.match(script, 'ppp_thing_root=/opt/libexec/ppp-thing');
  t.notMatch(script, '/usr/local', 'rc.d names the PREFIX it was installed in');
  t.equal(install('-u'), 0);
  t.same(filesBelow(stage), ['opt/etc/ppp_thing.conf'], 'nor is it removed; all else is');
  t.equal(install('-x'), 64);
});

t.test("the port's stage holds what pkg-plist lists", { skip: noBsdMake }, async (t) => {
  const tree = join(ROOT, 'dist/ppp-thing-0.1.0-freebsd-arm64');
  if (!existsSync(tree)) {
    t.pass('no tree', { skip: 'make install made none' });
    return;
  }
  const stage = mkdtempSync(join(tmpdir(), 'ppp-thing-port-'));
  t.teardown(() => rmSync(stage, { recursive: true }));
  const words = ['ARCH=aarch64', `WRKSRC=${tree}`, `STAGEDIR=${stage}`, 'PREFIX=/usr/local'];
  const { status, stderr } = port(...words, 'do-install');
  t.equal(status, 0, stderr);
  t.same(filesBelow(join(stage, 'usr/local')), plist);
  const text = readFileSync(join(PORT, 'pkg-plist'), 'utf8');
  const directories = [...text.matchAll(/^@dir\(.*\) (.*)$/gm)].map(([, name = '']) => name);
  t.same(directories, ['/var/db/ppp_thing', '/var/db/ppp_thing_helper']);
  for (const directory of directories) t.ok(existsSync(join(stage, directory)), directory);
});

t.test('the port is of this version', async (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const port = readFileSync(join(PORT, 'Makefile'), 'utf8');
  t.match(port, new RegExp(`^DISTVERSION=\\t${version}$`, 'm'));
});
