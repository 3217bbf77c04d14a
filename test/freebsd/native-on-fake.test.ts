/**
 * The tests of a real kernel run on the fake one, as a `Libc` from a module: that they can be run is known before they are.
 */
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import t from 'tap';

t.test('native tests › run on the Libc of a module', async (t) => {
  const folder = join(process.cwd(), 'test/dist/freebsd');
  const env = { ...process.env, PPP_THING_TEST_LIBC: join(folder, 'fake/module.js') };
  const options = { env, encoding: 'utf8', timeout: 25_000 } as const;
  const { status, stdout } = spawnSync(process.execPath, [join(folder, 'native.test.js')], options);
  t.equal(status, 0, stdout.slice(-2000));
  t.match(stdout, /ok \d+ - backend freebsd on a real kernel › gate › opens and closes, and again/);
  t.match(stdout, /# SKIP an epair\(4\) always has a carrier/i);
});

const skip = process.platform === 'freebsd' ? 'this is no other system' : false;
t.test('native tests › say why they are skipped elsewhere', { skip }, async (t) => {
  const file = join(process.cwd(), 'test/dist/freebsd/native.test.js');
  const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  t.equal(status, 0);
  t.match(stdout, new RegExp(`# SKIP this is ${process.platform}, not FreeBSD`));
});
