/**
 * The tests of a real kernel run on the fake one, as a `Libc` from a module: that they can be run is known before they are.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import type { Libc } from '@ppp-thing/helper/libc';
import type { Serving } from '@ppp-thing/helper/serve';
import { Client } from '../helper/client.ts';
import { Router } from './world.ts';

t.test('native tests › run on the Libc of a module', async (t) => {
  const folder = join(process.cwd(), 'test/dist/freebsd');
  const env = { ...process.env, PPP_THING_TEST_LIBC: join(folder, 'fake/module.js') };
  const options = { env, encoding: 'utf8', timeout: 25_000 } as const;
  const { status, stdout } = spawnSync(process.execPath, [join(folder, 'native.test.js')], options);
  t.equal(status, 0, stdout.slice(-2000));
  t.match(stdout, /ok \d+ - backend freebsd on a real kernel › gate › opens and closes, and again/);
  t.match(stdout, /# SKIP an epair\(4\) always has a carrier/i);
});

type Start = (
  libcOf: (router: string) => Promise<Libc>,
  router: string,
  config: string,
  log: (line: string) => void,
) => Promise<Serving>;

t.test('docs › the harness of docs/freebsd-native-tests.md starts a whole helper', async (t) => {
  const text = readFileSync('docs/freebsd-native-tests.md', 'utf8');
  const [, block = ''] = /^```js\n([^]*?)^```/m.exec(text) ?? [];
  const folder = t.testdir({ 'harness.mjs': block });
  const place = mkdtempSync(join(tmpdir(), 'ppt-'));
  t.teardown(() => rmSync(place, { recursive: true }));
  const socket = join(place, 's');
  const config = join(place, 'ppp_thing.conf');
  const session = `interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "a"
password = "b"
carp_interface = "igb1"
carp_vhid = 1
local_address = "192.168.7.2"
partner_address = "192.168.7.3"
`;
  const helper = ['[helper]', `socket = "${socket}"`, `state_directory = "${place}/state"`];
  writeFileSync(config, [...helper, '[session.pppoe0]', session].join('\n'), {
    mode: 0o600,
  });
  const harness = (await import(join(folder, 'harness.mjs'))) as { readonly startHelper: Start };
  const lines: string[] = [];
  const router = await Router.make();
  const libcOf = async (): Promise<Libc> => router.waitingProcess().libc;
  const serving = await harness.startHelper(libcOf, 'r1', config, (line) => lines.push(line));
  const client = await Client.connect(socket);
  t.match(await client.ask({ verb: 'hello', version: 1 }), { done: { platform: 'freebsd' } });
  t.ok(router.leftovers().includes('node pt_pppoe0_e'), lines.join('\n'));
  serving.stop('remove');
  await serving.stopped;
  t.strictSame(router.leftovers(), []);
});

const skip = process.platform === 'freebsd' ? 'this is no other system' : false;
t.test('native tests › say why they are skipped elsewhere', { skip }, async (t) => {
  const file = join(process.cwd(), 'test/dist/freebsd/native.test.js');
  const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  t.equal(status, 0);
  t.match(stdout, new RegExp(`# SKIP this is ${process.platform}, not FreeBSD`));
});
