/**
 * The Makefiles under BSD make, and the port skeleton as the ports framework would read it, on a stub of bsd.port.mk. It
 * makes no package. Where BSD make is not installed the reason is said.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { BSD_MAKE, make, noBsdMake, port, PORT, ROOT } from './make.ts';

const skip = noBsdMake;

const TARGETS = (/^\.PHONY: (.*)$/m.exec(readFileSync(join(ROOT, 'Makefile'), 'utf8'))?.[1] ?? '')
  .split(' ')
  .filter((target) => target !== '');

const plain = (text: string): string => text.replaceAll(/\\\n/g, ' ').replaceAll(/[ \t]+/g, ' ');

t.test('the Makefile has a target for everything README and docs name', async (t) => {
  for (const target of [
    'lab',
    'test',
    'sim',
    'check',
    'install',
    'deinstall',
    'dist',
    'test-freebsd',
  ])
    t.ok(TARGETS.includes(target), target);
});

for (const target of TARGETS)
  t.test(`make ${target} does the same under GNU make and BSD make`, { skip }, async (t) => {
    const words = ['-n', target, 'OS=freebsd', 'CPU=x64', 'JOBS=2', 'ARGS=--json', 'DESTDIR=/x'];
    const [gnu, bsd] = ['make', BSD_MAKE].map((command) => make(command, ...words));
    t.equal(bsd?.code, 0, bsd?.output ?? '');
    t.equal(plain(bsd?.output ?? ''), plain(gnu?.output ?? ''));
  });

const value = (name: string, arch: string): string =>
  port(`ARCH=${arch}`, 'WRKSRC=/wrk', '-V', `\${${name}}`).stdout.trim();

t.test('the port takes the tarball of its architecture', { skip }, async (t) => {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  for (const [arch, cpu] of [
    ['amd64', 'x64'],
    ['aarch64', 'arm64'],
  ] as const) {
    t.equal(value('DISTNAME', arch), `ppp-thing-${version}-freebsd-${cpu}`);
    t.equal(value('PLIST_SUB', arch), `CPU=${cpu}`);
  }
  t.equal(value('USERS', 'amd64'), 'ppp_thing');
  t.equal(value('GROUPS', 'amd64'), 'ppp_thing');
  t.match(value('USES', 'amd64'), /^nodejs:\d+,run$/);
  t.ok(value('COMMENT', 'amd64').length <= 70, 'a comment fits its line');
});

t.test(
  'pkg-message is what pkg(8) reads: a list of messages, none wider than 80 columns',
  async (t) => {
    const text = readFileSync(join(PORT, 'pkg-message'), 'utf8');
    t.match(text, /^\[\n\{ type: install\n/);
    t.equal(text.match(/<<EOM$/gm)?.length, text.match(/^EOM$/gm)?.length);
    for (const line of text.replaceAll('\t', '        ').split('\n')) t.ok(line.length <= 80, line);
  },
);

t.test(
  'distinfo.sh names every tarball with its sum and size, and says when there is none',
  async (t) => {
    const folder = t.testdir({ packaging: { freebsd: {} }, dist: {} });
    const script = join(folder, 'packaging/freebsd/distinfo.sh');
    writeFileSync(script, readFileSync(join(PORT, 'distinfo.sh')), { mode: 0o755 });
    const run = () => spawnSync(script, { encoding: 'utf8' });
    t.match(run(), { status: 1, stderr: /ENOENT: make dist OS=freebsd/ });
    mkdirSync(join(folder, 'dist'), { recursive: true });
    const name = 'ppp-thing-0.1.0-freebsd-x64.tar.gz';
    writeFileSync(join(folder, 'dist', name), 'abc');
    const sum = 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad';
    t.match(run().stdout, /^TIMESTAMP = \d+\n/);
    t.ok(run().stdout.endsWith(`SHA256 (${name}) = ${sum}\nSIZE (${name}) = 3\n`));
  },
);
