/**
 * Which files the helper touches in the loop that moves gates: a disk that hangs there would keep a gate waiting. So no
 * request touches one outside the run directory, which is in memory or is said to be the administrator's choice.
 */
import { dirname } from 'node:path';
import t from 'tap';
import { DISK, type Disk } from '@ppp-thing/helper/files';
import { Client, type Wish } from '../helper/client.ts';
import { ATTACH, CONFIGURE, Life, role, session, stop } from './life.ts';
import { SESSION, VHID } from './world.ts';

t.test('freebsd › no request touches a file outside the run directory', async (t) => {
  const life = await Life.make(t);
  const touched: string[] = [];
  const seen =
    <A extends [string, ...unknown[]], R>(run: (...args: A) => R) =>
    (...args: A): R => {
      touched.push(dirname(args[0]));
      return run(...args);
    };
  const disk: Disk = {
    read: seen(DISK.read),
    replace: seen(DISK.replace),
    remove: seen(DISK.remove),
    makeDirectory: (path, mode) => {
      touched.push(path);
      DISK.makeDirectory(path, mode);
    },
  };
  const host = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2);
  const lans = [{ interface: 'igb1', subnet: 1, host }];
  const helper = life.start([{ ...SESSION, delegation: { prefixes: {}, address: false }, lans }], {
    disk,
  });
  const client = await Client.greet(helper.path);
  touched.length = 0;
  const prefix = Uint8Array.of(0x20, 0x01, 0x0d, 0xb8, ...new Uint8Array(12));
  const lifetimes = { preferred: 3600, valid: 7200 };
  const wishes: readonly Wish[] = [
    ATTACH,
    { ...CONFIGURE, up: false },
    { verb: 'demote', session, on: true },
    {
      verb: 'delegate',
      session,
      prefixes: [{ prefix, length: 56, ...lifetimes, exclude: null }],
      addresses: [],
    },
    { verb: 'demote', session, on: false },
    { verb: 'counters', session },
    { verb: 'route', session, via: 'none' },
  ];
  for (const wish of wishes) await client.outcome(wish);
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true);
  life.router.kernel.carp.set(VHID, 'BACKUP');
  t.equal(await role(client, 'BACKUP'), false);
  t.ok(touched.length >= 3, `${touched.length} files`);
  t.strictSame([...new Set(touched)], [dirname(helper.path)]);
  client.end();
  await stop(helper, 'remove');
});
