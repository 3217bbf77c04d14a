/**
 * The packages of Debian and of FreeBSD that need a runtime: made twice, the same octets; and what is in them, as their own
 * tools read it where there are any. .ci/run makes those that bring one too, and asks lintian: both take long.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { filesBelow, make, modeOf, PORT, ROOT } from './make.ts';

const has = (command: string): boolean => spawnSync(command, ['--version']).error === undefined;

/** What `pack.mjs` makes, and where; undefined where nothing could be fetched. */
function packed(t: Test, ...words: readonly string[]): Buffer | undefined {
  const made = make('sh', 'packaging/with-node.sh', 'node', 'packaging/pack.mjs', ...words);
  if (made.unreachable !== undefined) {
    t.pass('not made', { skip: `npm's registry: ${made.unreachable}` });
    return undefined;
  }
  t.equal(made.code, 0, made.output);
  return readFileSync(join(ROOT, made.output.trim()));
}

/** A directory of the test's own. */
function folderOf(t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-package-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  return folder;
}

t.test('make deb', { skip: !has('dpkg-deb') && 'there is no dpkg-deb here' }, async (t) => {
  const first = packed(t, 'deb', 'arm64', 'plain');
  if (first === undefined) return;
  const again = packed(t, 'deb', 'arm64', 'plain');
  t.ok(again?.equals(first), 'twice the same octets');
  const file = join(ROOT, 'dist/ppp-thing_0.1.0_arm64.deb');
  const folder = folderOf(t);
  const control = spawnSync('dpkg-deb', ['-f', file], { encoding: 'utf8' }).stdout;
  t.match(control, /^Architecture: arm64$/m);
  t.match(control, /^Depends: .*\bnodejs \(>= 22\)/m);
  t.equal(spawnSync('dpkg-deb', ['-R', file, folder]).status, 0);
  t.equal(readFileSync(join(folder, 'DEBIAN/conffiles'), 'utf8'), '/etc/ppp_thing.conf\n');
  t.equal(modeOf(join(folder, 'etc/ppp_thing.conf')), '640');
  const config = readFileSync(join(folder, 'etc/ppp_thing.conf'), 'utf8');
  t.notMatch(config, /^[^#\n]/m, 'nothing is in force');
  t.notMatch(
    config.split('\n\n').slice(1).join(),
    /\/usr\/local\/etc|\/var\/(db|run)/,
    'no place of FreeBSD’s',
  );
  t.match(config, /^#\[session\.pppoe0\]/m);
  t.notMatch(config, /igb|carp_vhid|FreeBSD/, 'no name and no key of FreeBSD’s');
  const files = filesBelow(folder);
  for (const name of [
    'usr/lib/systemd/system/ppp_thing.service',
    'usr/lib/systemd/system/ppp_thing_helper.service',
    'usr/lib/sysusers.d/ppp-thing.conf',
    'usr/lib/tmpfiles.d/ppp-thing.conf',
    'usr/sbin/ppp_thing',
    'usr/share/man/man8/ppp_thing.8.gz',
    'usr/share/bash-completion/completions/pppthingctl',
    'usr/share/doc/ppp-thing/examples/linux/keepalived.conf.sample',
    'usr/share/doc/ppp-thing/linux.md',
  ])
    t.ok(files.includes(name), name);
  const unit = readFileSync(join(folder, 'usr/lib/systemd/system/ppp_thing.service'), 'utf8');
  t.match(unit, /^ExecStart=\/usr\/sbin\/ppp_thing --config \/etc\/ppp_thing\.conf$/m);
  t.same(
    files.filter((name) => /examples\/freebsd|rc\.d/.test(name)),
    [],
    'nothing of another system',
  );
  for (const script of ['postinst', 'prerm', 'postrm'])
    t.equal(modeOf(join(folder, 'DEBIAN', script)), '755', script);
});

interface Manifest {
  readonly abi: string;
  readonly deps?: Readonly<Record<string, unknown>>;
  readonly messages: readonly { readonly type: string; readonly message: string }[];
  readonly files: Readonly<
    Record<string, { readonly sum: string; readonly gname: string; readonly perm: string }>
  >;
  readonly directories: Readonly<Record<string, { readonly uname: string }>>;
}

t.test('make pkg', async (t) => {
  const first = packed(t, 'pkg', 'arm64', 'plain');
  if (first === undefined) return;
  const again = packed(t, 'pkg', 'arm64', 'plain');
  t.ok(again?.equals(first), 'twice the same octets');
  t.equal(first.readUInt32LE(0), 0xfd2fb528, 'compressed by zstd');
  const folder = folderOf(t);
  const script = `fs.writeFileSync(${JSON.stringify(join(folder, 'pkg.tar'))},
    zlib.zstdDecompressSync(fs.readFileSync('dist/ppp-thing-0.1.0-aarch64.pkg')))`;
  t.equal(make('sh', 'packaging/with-node.sh', 'node', '-e', script).code, 0);
  const listed = spawnSync('tar', ['-tPf', join(folder, 'pkg.tar')], { encoding: 'utf8' }).stdout;
  const names = listed.trim().split('\n');
  t.same(names.slice(0, 2), ['+COMPACT_MANIFEST', '+MANIFEST'], 'pkg reads these two first');
  t.equal(spawnSync('tar', ['-xf', join(folder, 'pkg.tar'), '-C', folder]).status, 0);
  const manifest = JSON.parse(readFileSync(join(folder, '+MANIFEST'), 'utf8')) as Manifest;
  t.equal(manifest.abi, 'FreeBSD:*:aarch64');
  t.same(Object.keys(manifest.deps ?? {}), ['node24']);
  t.same(
    manifest.messages.map(({ type }) => type),
    ['install', 'upgrade'],
  );
  t.match(manifest.messages[0]?.message, 'service ppp_thing start');

  const plist = readFileSync(join(PORT, 'pkg-plist'), 'utf8')
    .trimEnd()
    .split('\n')
    .filter((line) => !line.startsWith('@dir'))
    .map((line) => line.replaceAll('%%CPU%%', 'arm64').replace(/^@sample\([^)]*\) /, ''));
  t.same(Object.keys(manifest.files).sort(), plist.map((name) => `/usr/local/${name}`).sort());
  t.same(
    names
      .slice(2)
      .filter((name) => !name.endsWith('/'))
      .sort(),
    Object.keys(manifest.files).sort(),
    'what is listed is there',
  );
  for (const [name, { sum }] of Object.entries(manifest.files)) {
    const octets = readFileSync(join(folder, name));
    const found = createHash('sha256').update(octets).digest('hex');
    if (sum !== `1$${found}`) t.fail(`${name}: ${sum} is not 1$${found}`);
  }
  t.match(manifest.files['/usr/local/etc/ppp_thing.conf.sample'], {
    gname: 'ppp_thing',
    perm: '0640',
  });
  t.equal(manifest.directories['/var/db/ppp_thing/']?.uname, 'ppp_thing');
});
