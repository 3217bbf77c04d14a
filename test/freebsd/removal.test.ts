/**
 * What is taken down and given back when the helper cannot serve what left it: --remove on a router where no session starts,
 * and a demotion whose session is configured no more.
 */
import t, { type Test } from 'tap';
import { Routes, gateway6 } from '@ppp-thing/helper/freebsd/route';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { Client } from '../helper/client.ts';
import { ATTACH, CONFIGURE, Life, session, stop, role } from './life.ts';
import { LAN, Router, SESSION, VHID } from './world.ts';

const AMOUNT = SESSION.demotion;
/** What pfsync, or another's helper, demotes this router by. */
const OTHERS = 240;
const OTHER: SessionPolicy = { ...SESSION, name: 'wan0', stub: 'wan0x' };

/** A helper that held the session with everything there is, demoted, and was killed. */
async function killed(t: Test): Promise<Life> {
  const life = await Life.make(t);
  const { carp } = life.router.kernel;
  const helper = life.start();
  const client = await Client.greet(helper.path);
  for (const wish of [ATTACH, { ...CONFIGURE, up: false }] as const)
    t.equal(await client.outcome(wish), 'done');
  t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), 'done');
  carp.set(VHID, 'MASTER');
  await role(client, 'MASTER');
  t.equal(await client.outcome({ verb: 'demote', session, on: true }), 'done');
  helper.process.kill();
  await client.untilClosed();
  t.equal(carp.demotion, AMOUNT);
  return life;
}

t.test('freebsd › --remove sweeps all of it where no session can start', async (t) => {
  const life = await killed(t);
  const { carp } = life.router.kernel;
  carp.remove(VHID);
  const removing = life.start([SESSION], { removing: true });
  await stop(removing, 'remove');
  t.match(removing.lines, [/^read vhid 1@igb1: ENOENT: there is no such vhid/]);
  t.strictSame(life.router.leftovers(), []);
  t.strictSame(life.padts, []);
  t.equal(removing.process.openDescriptors, 0);
});

t.test('freebsd › --remove sweeps what another configuration left', async (t) => {
  const life = await killed(t);
  life.router.kernel.carp.remove(VHID);
  await stop(life.start([OTHER], { removing: true }), 'remove');
  t.strictSame(life.router.leftovers(), []);
});

t.test('freebsd › --remove that may not says so, and says it by its end', async (t) => {
  const life = await killed(t);
  const { kernel } = life.router;
  const process = life.router.waitingProcess({ isRoot: false });
  const removing = life.start([SESSION], { removing: true, process });
  await t.rejects(stop(removing, 'remove'), { code: 'EPERM' });
  t.ok(kernel.madeNodes().length > 0);
  t.equal(process.openDescriptors, 0);
});

t.test('freebsd › a session that is not configured any more demotes nobody', async (t) => {
  const life = await killed(t);
  const { carp } = life.router.kernel;
  await stop(life.start([OTHER]));
  t.equal(carp.demotion, 0);
  carp.demotion += OTHERS;
  await stop(life.start([OTHER]));
  t.equal(carp.demotion, OTHERS, "given back once: what is in force now is another's");
  carp.demotion -= OTHERS;
  await stop(life.start([SESSION]), 'remove');
  t.equal(carp.demotion, 0, 'and not by the session when it is configured again');
});

t.test('freebsd › a dropped session and one that stays each have their own', async (t) => {
  const life = await killed(t);
  const { carp } = life.router.kernel;
  const both = life.start([SESSION, { ...OTHER, mac: Uint8Array.of(2, 0, 0, 0, 0, 7) }]);
  const client = await Client.greet(both.path);
  t.equal(await client.outcome({ verb: 'demote', session: 'wan0', on: true }), 'done');
  t.equal(carp.demotion, 2 * AMOUNT);
  client.end();
  await stop(both);
  const one = life.start([{ ...OTHER, mac: Uint8Array.of(2, 0, 0, 0, 0, 7) }]);
  t.equal(carp.demotion, AMOUNT);
  const next = await Client.greet(one.path);
  t.equal(await next.outcome({ verb: 'demote', session: 'wan0', on: false }), 'done');
  t.equal(carp.demotion, 0);
  next.end();
  await stop(one, 'remove');
  t.strictSame(life.router.leftovers(), []);
});

t.test('freebsd › another amount in the configuration gives back the old one', async (t) => {
  const life = await killed(t);
  const { carp } = life.router.kernel;
  const helper = life.start([{ ...SESSION, demotion: 100 }]);
  const client = await Client.greet(helper.path);
  const outcome = async (on: boolean): Promise<string> =>
    client.outcome({ verb: 'demote', session, on });
  t.equal(await outcome(false), 'done');
  t.equal(carp.demotion, 0);
  t.equal(await outcome(true), 'done');
  t.equal(carp.demotion, 100);
  client.end();
  await stop(helper, 'remove');
  t.strictSame(life.router.leftovers(), []);
});

t.test('freebsd › an IPv6 default route by another interface is not ours to remove', async (t) => {
  const router = await Router.make();
  const { backend, loop } = router.helper([SESSION]);
  t.teardown(() => loop.close());
  const verbs = backend.start(SESSION);
  const { interfaces, routes } = router.kernel;
  const theirs = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1);
  const own = new Routes(router.process().libc, 0);
  own.add(gateway6(theirs, interfaces.get(LAN).index));
  const interfaceIds = { ours: new Uint8Array(8).fill(7), theirs: new Uint8Array(8).fill(1) };
  verbs.configure({ ...CONFIGURE, interfaceIds });
  for (const via of ['partner', 'none'] as const) {
    verbs.route(via);
    t.ok(routes.default(0, 'AF_INET6'), via);
  }
  backend.leave();
  own.close();
});

t.test(
  'freebsd › the default route goes, also to an end that the session has no longer',
  async (t) => {
    const router = await Router.make();
    const { backend, loop } = router.helper([SESSION]);
    t.teardown(() => loop.close());
    const verbs = backend.start(SESSION);
    const { routes } = router.kernel;
    // A host of the LAN: no address of the session's interface takes the route along when it goes.
    const host = Uint8Array.of(192, 168, 7, 77);
    verbs.configure({ ...CONFIGURE, theirAddress: host });
    verbs.route('session');
    t.strictSame(routes.default(0, 'AF_INET'), host);
    verbs.configure(CONFIGURE);
    verbs.route('none');
    t.equal(routes.default(0, 'AF_INET'), undefined);
    backend.leave();
  },
);
