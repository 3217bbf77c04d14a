/**
 * The tarballs of `make dist`: this system's is unpacked and run, outside of the checkout; FreeBSD's is looked into. A
 * registry that is not there skips them.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { basename, dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { binariesBelow, filesBelow, make, ROOT } from './make.ts';

const LIMIT_OCTETS = 15 * 1024 * 1024;
const BUN = join(ROOT, 'node_modules/.bin/bun');

/** Makes and unpacks; undefined where nothing could be fetched. */
function unpacked(t: Test, os: string, cpu: string): string | undefined {
  const made = make('make', 'dist', `OS=${os}`, `CPU=${cpu}`);
  if (made.unreachable !== undefined) {
    t.pass('not made', { skip: `npm's registry: ${made.unreachable}` });
    return undefined;
  }
  t.equal(made.code, 0, made.output);
  const name = `ppp-thing-0.1.0-${os}-${cpu}`;
  const tarball = join(ROOT, 'dist', `${name}.tar.gz`);
  t.ok(statSync(tarball).size <= LIMIT_OCTETS, 'at most 15 MB');
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-dist-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  t.equal(spawnSync('tar', ['-xzf', tarball, '-C', folder]).status, 0);
  return join(folder, name);
}

t.test('the tarball for FreeBSD holds one binary, and that is for FreeBSD', async (t) => {
  const tree = unpacked(t, 'freebsd', 'x64');
  if (tree === undefined) return;
  const name = 'node_modules/@koromix/koffi-freebsd-x64/freebsd_x64/koffi.node';
  t.same(binariesBelow(tree), [{ name, os: 'freebsd', cpu: 'x64' }]);
  const files = filesBelow(tree);
  t.same(
    files.filter((file) => /(linux|darwin|win32|musl)[-_](x64|arm64|ia32)/.test(file)),
    [],
    'nor a name of another system',
  );
  for (const file of ['rc.d/ppp_thing_helper', 'rc.d/ppp_thing', 'install.sh', 'man/ppp_thing.8'])
    t.ok(files.includes(file), file);
});

t.test('the tarball for this system runs where it lies', async (t) => {
  const tree = unpacked(t, process.platform, process.arch);
  if (tree === undefined) return;
  t.equal(binariesBelow(tree).length, 1);

  const config = join(dirname(tree), 'ppp_thing.conf');
  writeFileSync(config, configuration());
  chmodSync(config, 0o640);
  const run = (runtime: string, program: string, ...words: string[]) => {
    const { status, stdout, stderr } = spawnSync(join(tree, 'bin', program), words, {
      cwd: '/',
      env: { PATH: '/usr/bin:/bin', PPP_THING_RUNTIME: `no-such-runtime ${runtime}` },
      encoding: 'utf8',
    });
    return { code: status, output: stdout + stderr };
  };
  // The runtime of node_modules/.bin is a link, and where it is missing there is only Node.js to try.
  for (const runtime of [process.execPath, ...(existsSync(BUN) ? [BUN] : [])]) {
    for (const program of ['ppp_thing', 'ppp_thing_helper']) {
      const help = run(runtime, program, '--help');
      t.match(help, { code: 0, output: new RegExp(`^usage: ${program} `) }, `${program} --help`);
      const checked = run(runtime, program, '--config', config, '--check');
      t.match(checked, { code: 0, output: /pppoe0/ }, `${program} --check`);
    }
    const checked = run(runtime, 'pppthingctl', 'check-config', config);
    t.match(checked, { code: 0, output: /ppp_thing\.conf/ }, 'pppthingctl check-config');
    const status = run(runtime, 'pppthingctl', '--run', tree, 'status');
    t.match(status, { code: 69, output: /^pppthingctl: / }, 'pppthingctl without a supervisor');
  }
  const lister = join(tree, 'lister');
  const listed = 'for n in 3 4 5 6 7 8 9; do ! eval "true >&$n" 2>/dev/null || echo $n; done';
  writeFileSync(lister, `#!/bin/sh\n${listed}\n`, { mode: 0o755 });
  const inherited = spawnSync(join(tree, 'bin/ppp_thing_helper'), {
    env: { PATH: '/usr/bin:/bin', PPP_THING_RUNTIME: lister },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe', ...Array<number>(7).fill(2)],
  });
  t.match(inherited, { status: 0, stdout: '' }, 'the helper inherits no descriptor');
  const missing = spawnSync(join(tree, 'bin/ppp_thing'), ['--help'], {
    env: { PATH: '/usr/bin:/bin', PPP_THING_RUNTIME: 'no-such-runtime' },
    encoding: 'utf8',
  });
  t.equal(missing.status, 69);
  t.match(missing.stderr, 'ppp_thing: no runtime found: looked for no-such-runtime');
});

t.test('a system that nothing is made for is named', async (t) => {
  const { code, output } = make('make', 'dist', 'OS=plan9', 'CPU=mips');
  t.not(code, 0);
  t.match(output, 'make tree for plan9 mips: no such target; expected one of freebsd x64');
});

/** One session that needs nothing of this host; the helper knows whoever runs this. */
function configuration(): string {
  const group = process.platform === 'freebsd' ? 'wheel' : 'root';
  return `[session.pppoe0]
interface = "eth0"
mac = "02:00:5e:10:53:01"
user = "someone@isp.example"
password = "secret"
policy = "manual"
[helper]
user = "${userInfo().username}"
group = "${group}"
`;
}

t.test('make test-freebsd-kit packs tests that need a runtime and nothing else', async (t) => {
  const target = [`OS=${process.platform}`, `CPU=${process.arch}`];
  const made = make('make', 'test-freebsd-kit', ...target);
  if (made.unreachable !== undefined) {
    t.pass('not made', { skip: `npm's registry: ${made.unreachable}` });
    return;
  }
  const [tarball] = /dist\/\S+-tests\.tar\.gz/.exec(made.output) ?? [];
  if (made.code !== 0 || tarball === undefined) {
    t.fail(made.output);
    return;
  }
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-kit-'));
  t.teardown(() => {
    rmSync(folder, { recursive: true });
    rmSync(join(ROOT, tarball));
  });
  t.equal(spawnSync('tar', ['-xzf', join(ROOT, tarball), '-C', folder]).status, 0);
  const kit = join(folder, basename(tarball, '.tar.gz'));
  for (const runtime of [process.execPath, ...(existsSync(BUN) ? [BUN] : [])]) {
    const { status, stdout, stderr } = spawnSync('sh', ['packaging/freebsd/test.sh'], {
      cwd: kit,
      env: {
        PATH: '/usr/bin:/bin',
        NODE: runtime,
        PPP_THING_TEST_LIBC: 'packages/lab/dist/freebsd/module.js',
      },
      encoding: 'utf8',
    });
    t.equal(status, 0, stdout.slice(-2000) + stderr);
    t.match(stdout, /^# host: .*\n# runtime: .*\d/m, 'it says what it ran on');
    t.match(stdout, /^ok \d+ - backend freebsd on a real kernel › gate › opens and closes/m);
    t.match(
      stdout,
      /^ok \d+ - pair › two routers start, and one dials # SKIP PPP_THING_TEST_LIBC/m,
    );
    t.equal(stderr, '', 'and nothing that need not be');
  }
});
