/**
 * A whole helper on the fake FreeBSD kernel, with a supervisor on its socket: a life from the first start to an
 * administrator's stop, in which nothing is said on the wire that nobody asked for, and of which nothing is left.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdirSync, rmdirSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { C } from '@ppp-thing/helper/freebsd/abi';
import { encodeRoute, gateway4, openRouteSocket, Routes } from '@ppp-thing/helper/freebsd/route';
import t, { type Test } from 'tap';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { Client } from '../helper/client.ts';
import {
  ATTACH,
  CONFIGURE,
  DISCOVERY,
  ECHO,
  KEY,
  Life,
  SESSION_STAGE,
  THEIRS,
  live,
  role,
  say,
  session,
  state,
  stop,
} from './life.ts';
import { LAN, LINE, SESSION, VHID } from './world.ts';

t.test(
  'freebsd › a life: nothing is said that nobody asked for, and nothing is left',
  async (t) => {
    const life = await Life.make(t);
    const { router } = life;
    const { carp, interfaces, routes } = router.kernel;
    const address = (name: string): string =>
      interfaces
        .get(name)
        .addresses.map(
          ({ address, destination }) => `${address.join('.')} ${destination?.join('.')}`,
        )
        .join();

    const first = life.start();
    let client = await Client.greet(first.path);
    t.match(await state(client), { attached: null, gateOpen: false, role: 'BACKUP' });

    // Armed on the standby: configured, its interface down, the route via the partner, and silent.
    t.equal(await client.outcome(ATTACH), 'done');
    t.equal(await client.outcome({ ...CONFIGURE, up: false }), 'done');
    t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), 'done');
    t.equal(address(session), '192.168.7.2 198.51.100.1');
    t.equal(address('pppoe0x'), '198.51.100.7 198.51.100.7');
    t.notOk(interfaces.get(session).isUp, 'a new address brings the interface up, and must not');
    t.ok(routes.isVia(0, Uint8Array.of(192, 168, 7, 3)));
    t.equal(await say(client), 'EPERM');
    life.fromAc(0xc0, 0x21, ...ECHO);
    t.strictSame(router.heard, []);

    // MASTER: the interlock opens by itself.
    carp.set(VHID, 'MASTER');
    t.equal(await role(client, 'MASTER'), true);
    t.equal(await say(client), 'done');
    t.equal(await client.outcome(CONFIGURE), 'done');
    t.equal(await client.outcome({ verb: 'route', session, via: 'session' }), 'done');
    t.ok(routes.isVia(0, THEIRS));
    t.equal(life.count(SESSION_STAGE), 1);
    life.fromAc(0xc0, 0x21, ...ECHO);
    await client.until('what the AC said', () =>
      client.notices.find((each) => each.notice === 'ppp-frame'),
    );
    t.equal(await client.outcome({ verb: 'demote', session, on: true }), 'done');
    t.equal(carp.demotion, 240);

    // BACKUP: closed before anybody is told.
    carp.set(VHID, 'BACKUP');
    t.equal(await role(client, 'BACKUP'), false);
    t.equal(await say(client), 'EPERM');
    t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), 'done');
    carp.set(VHID, 'MASTER');
    t.equal(await role(client, 'MASTER'), true);

    // kill -9: data goes on, both ways.
    first.process.kill();
    await client.untilClosed();
    const [data] = [Uint8Array.of(0x45, 0, 0, 4)];
    const before = interfaces.get(session).received.length;
    life.fromAc(0, 0x21, ...data);
    t.equal(interfaces.get(session).received.length, before + 1);
    interfaces.get(session).output(data, 4);
    t.equal(life.count(SESSION_STAGE), 2);

    // The next helper takes over all of it, the demotion too, which is given back once.
    const second = life.start();
    client = await Client.greet(second.path);
    t.match(await state(client), { attached: KEY, gateOpen: true, role: 'MASTER', demoted: true });
    t.equal(await say(client), 'done');
    t.equal(await client.outcome({ verb: 'demote', session, on: false }), 'done');
    t.equal(carp.demotion, 0);
    client.end();
    await stop(second);

    // Another stub in the configuration: the same session, another name.
    const third = life.start([{ ...SESSION, stub: 'public0' }]);
    client = await Client.greet(third.path);
    t.match(await state(client), { attached: KEY, gateOpen: true });
    t.equal(address('public0'), '198.51.100.7 198.51.100.7');
    client.end();
    await stop(third);

    // Another MAC: the kernel's session has the old one, and is let go without a word.
    const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 9);
    const fourth = life.start([{ ...SESSION, mac }]);
    client = await Client.greet(fourth.path);
    t.match(await state(client), { attached: null, gateOpen: false });
    t.equal(await client.outcome(ATTACH), 'done');
    client.end();
    await stop(fourth);

    // Another name: the old session's nodes and interfaces go.
    const fifth = life.start([{ ...SESSION, name: 'wan0' }]);
    t.strictSame(
      interfaces
        .all()
        .filter(({ kind }) => kind === 'ng')
        .map(({ name }) => name),
      ['wan0', 'pppoe0x'],
    );
    await stop(fifth, 'remove');

    t.strictSame(router.leftovers(), []);
    t.strictSame(life.padts.map(toHex), [], 'no PADT');
    t.equal(life.count(DISCOVERY), 0, 'no discovery of the kernel');
    for (const { process } of [first, second, third, fourth, fifth])
      t.equal(process.openDescriptors, 0);
  },
);

t.test('freebsd › a helper that comes back on a BACKUP finds its gate closed', async (t) => {
  const life = await Life.make(t);
  const { carp } = life.router.kernel;
  const first = life.start();
  let client = await Client.greet(first.path);
  await client.ask(ATTACH);
  carp.set(VHID, 'MASTER');
  await role(client, 'MASTER');
  first.process.kill();
  await client.untilClosed();
  carp.set(VHID, 'BACKUP');
  const second = life.start();
  client = await Client.greet(second.path);
  t.match(await state(client), { attached: KEY, gateOpen: false, role: 'BACKUP' });
  life.fromAc(0xc0, 0x21, ...ECHO);
  t.equal(await say(client), 'EPERM');
  carp.set(VHID, 'MASTER');
  await role(client, 'MASTER');
  t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'done');
  t.equal(await say(client), 'done', 'and opens again');
  client.end();
  await stop(second, 'remove');
  t.strictSame(life.router.leftovers(), []);
  t.strictSame(life.padts, []);
});

t.test('freebsd › a session that cannot be adopted has its gate closed', async (t) => {
  const life = await Life.make(t);
  const { kernel } = life.router;
  const first = life.start();
  const client = await Client.greet(first.path);
  await client.ask(ATTACH);
  kernel.carp.set(VHID, 'MASTER');
  await role(client, 'MASTER');
  first.process.kill();
  await client.untilClosed();
  kernel.carp.remove(VHID);
  const second = life.start();
  t.match(second.lines, [/read vhid .*ENOENT/]);
  const heard = life.count(SESSION_STAGE);
  t.throws(() => kernel.interfaces.get(session).output(Uint8Array.of(0x45), 4), {
    code: 'ENETDOWN',
  });
  t.equal(life.count(SESSION_STAGE), heard);
  await stop(second);
  kernel.carp.add(kernel.interfaces.get(LAN), VHID, 'BACKUP');
  await stop(life.start(), 'remove');
  t.strictSame(life.router.leftovers(), []);
});

t.test('freebsd › promiscuity that was there before stays', async (t) => {
  const life = await Life.make(t);
  const line = life.router.kernel.interfaces.get(LINE);
  line.pPromisc = true;
  const helper = life.start();
  await stop(helper);
  await stop(life.start(), 'remove');
  t.ok(line.pPromisc);
});

t.test('freebsd › a default route of others survives', async (t) => {
  const life = await Life.make(t);
  const { routes } = life.router.kernel;
  const helper = life.start();
  const client = await Client.greet(helper.path);
  await client.ask(ATTACH);
  await client.ask(CONFIGURE);
  const others = Uint8Array.of(192, 168, 7, 99);
  const partner: SessionPolicy = { ...SESSION, partnerAddress: others };
  client.end();
  await stop(helper);
  const misled = life.start([partner]);
  const again = await Client.greet(misled.path);
  t.equal(await again.outcome({ verb: 'route', session, via: 'partner' }), 'done');
  again.end();
  await stop(misled);
  // To a helper whose partner is another that route is a stranger's.
  await stop(life.start(), 'remove');
  t.ok(routes.isVia(0, others));
});

t.test('freebsd › default routes of others stay beside ours, and are logged once', async (t) => {
  const life = await Life.make(t);
  const { routes } = life.router.kernel;
  const { helper, client } = await live(life);
  const administrator = new Routes(life.router.process().libc, 0);
  const others = [99, 98].map((octet) => Uint8Array.of(192, 168, 7, octet));
  const [before = others[0], after = others[1]] = others;
  const said = (): string[] =>
    helper.lines.filter((line) => line.startsWith('route pppoe0: EEXIST'));
  administrator.add(gateway4(before as Uint8Array));
  const route = async (via: 'session' | 'partner' | 'none'): Promise<void> => {
    t.equal(await client.outcome({ verb: 'route', session, via }), 'done', via);
  };
  await route('session');
  t.strictSame(routes.defaults(), [before, THEIRS]);
  t.match(said(), [
    /another program has a default route to 192\.168\.7\.99, .*route delete default/,
  ]);
  administrator.add(gateway4(after as Uint8Array));
  for (let restatement = 0; restatement < 3; restatement++) await route('session');
  t.strictSame(routes.defaults(), [before, THEIRS, after], 'added once, and nobody else moved');
  await client.until('the second', () => said()[1]);
  t.match(said(), [/\.99,/, /\.98,/], 'each is logged once');
  await route('none');
  t.strictSame(routes.defaults(), [before, after], 'only ours goes');
  client.end();
  await stop(helper, 'remove');
  t.strictSame(routes.defaults(), [before, after]);
  administrator.close();
});

t.test('freebsd › a default route of others that leads to an interface is replaced', async (t) => {
  const life = await Life.make(t);
  const { routes, interfaces } = life.router.kernel;
  const lan = interfaces.get(LAN);
  routes.addByInterface(lan);
  const { helper, client } = await live(life);
  t.equal(await client.outcome({ verb: 'route', session, via: 'session' }), 'done');
  t.strictSame(routes.defaults(), [THEIRS], 'it stands alone, whatever net.route.multipath is');
  t.equal(routes.lineTo(Uint8Array.of(203, 0, 113, 1))?.name, session);
  t.match(
    helper.lines.find((line) => line.startsWith('route pppoe0: EEXIST')),
    new RegExp(`default route to link#${lan.index}, .*route delete default -interface`),
  );
  client.end();
  await stop(helper, 'remove');
  t.equal(routes.count(), 0);
});

t.test('freebsd › a default route that others failed to add is none', async (t) => {
  const life = await Life.make(t);
  const { routes } = life.router.kernel;
  const { helper, client } = await live(life);
  t.equal(await client.outcome({ verb: 'route', session, via: 'session' }), 'done');
  routes.multipath = false;
  const { libc } = life.router.process();
  const fd = openRouteSocket(libc);
  const { any, socketAddress } = gateway4(Uint8Array.of(192, 168, 7, 99));
  const wish = { type: C.RTM_ADD, destination: any, gateway: socketAddress };
  t.throws(() => libc.write(fd, encodeRoute(1, wish)), { code: 'EEXIST' });
  libc.close(fd);
  t.equal(await client.outcome({ verb: 'route', session, via: 'session' }), 'done');
  t.notOk(helper.lines.some((line) => line.startsWith('route pppoe0: EEXIST')));
  client.end();
  await stop(helper, 'remove');
});

t.test('freebsd › a kernel with one default route has ours', async (t) => {
  const life = await Life.make(t);
  const { routes } = life.router.kernel;
  routes.multipath = false;
  const own = new Routes(life.router.process().libc, 0);
  t.teardown(() => own.close());
  const [first, second] = [99, 98].map((octet) => gateway4(Uint8Array.of(192, 168, 7, octet)));
  if (first === undefined || second === undefined) throw new Error('two gateways');
  t.equal(own.add(first), undefined);
  t.equal(own.add(first), undefined, 'it is there');
  t.strictSame(own.add(second)?.socketAddress, first.socketAddress, 'which it replaces');
  t.ok(routes.isVia(0, Uint8Array.of(192, 168, 7, 98)));
  own.remove(first);
  t.equal(routes.count(), 1, 'not the one that is named');
  own.remove(second);
  t.equal(routes.count(), 0);
});

/** A router whose helper died while its gate was open, and which has become BACKUP since. */
async function openOnBackup(t: Test): Promise<Life> {
  const life = await Life.make(t);
  const { carp } = life.router.kernel;
  const first = life.start();
  const client = await Client.greet(first.path);
  await client.ask(ATTACH);
  carp.set(VHID, 'MASTER');
  await role(client, 'MASTER');
  first.process.kill();
  await client.untilClosed();
  carp.set(VHID, 'BACKUP');
  rmSync(life.path, { force: true });
  return life;
}

const isOpen = (life: Life): boolean => {
  const before = life.count(SESSION_STAGE);
  const line = life.router.kernel.interfaces.get(session);
  line.isUp = true;
  try {
    line.output(Uint8Array.of(0x45), 4);
  } catch {
    return false;
  }
  return life.count(SESSION_STAGE) > before;
};

t.test('freebsd › whatever lies where the socket belongs, the interlock is at work', async (t) => {
  const life = await openOnBackup(t);
  t.ok(isOpen(life), 'the kernel keeps the gate of a helper that died');
  mkdirSync(life.path);
  const second = life.start(undefined, { now: () => performance.now() * 100 });
  t.notOk(isOpen(life));
  t.match(second.lines, [/^listen .*helper\.sock: (EISDIR|EPERM): /]);
  rmdirSync(life.path);
  const client = await untilListening(second.path);
  t.match(await state(client), { attached: KEY, gateOpen: false, role: 'BACKUP' });
  t.equal(second.lines.filter((line) => line.startsWith('listen ')).length, 1, 'said once');
  client.end();
  await stop(second, 'remove');
});

t.test(
  'freebsd › a socket of another user, that listens there, keeps no helper from starting',
  { skip: process.getuid?.() === 0 ? false : 'taking another uid needs root' },
  async (t) => {
    const life = await openOnBackup(t);
    chmodSync(dirname(life.path), 0o777);
    // It takes its user itself: nobody else need be able to read the runtime that starts it.
    const script = `
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      require('node:net').createServer().listen(${JSON.stringify(life.path)}, () => console.log('listens'));`;
    const enemy = spawn(process.execPath, ['-e', script], { cwd: '/' });
    t.teardown(() => enemy.kill('SIGKILL'));
    await once(enemy.stdout, 'data');
    const second = life.start();
    t.notOk(isOpen(life));
    const client = await Client.greet(second.path);
    t.match(await state(client), { gateOpen: false, role: 'BACKUP' });
    client.end();
    await stop(second, 'remove');
  },
);

/** The helper tries once a second of its own clock. */
async function untilListening(path: string): Promise<Client> {
  for (;;) {
    try {
      return await Client.greet(path);
    } catch {
      await new Promise(setImmediate);
    }
  }
}
