/** A line on which the original ppp_thing ran before: its nodes outlive it. */
import t from 'tap';
import { C } from '@ppp-thing/helper/freebsd/abi';
import { Interfaces } from '@ppp-thing/helper/freebsd/interface';
import { NetgraphSocket } from '@ppp-thing/helper/freebsd/netgraph';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { LINE, Router, SESSION, VHID } from './world.ts';

const MODULES = ['ng_socket', 'ng_ether', 'ng_etf', 'ng_pppoe', 'ng_ppp', 'ng_iface'];

/** As the original builds it, with its own socket still there. */
function original(router: Router): NetgraphSocket {
  const { libc } = router.process();
  for (const module of MODULES) libc.kldload(module);
  new Interfaces(libc).setFlags(LINE, C.IFF_PPROMISC, 0);
  const own = new NetgraphSocket(libc, 'original');
  own.makePeer(`${LINE}:`, 'etf', 'orphans', 'downstream');
  own.name(`${LINE}:orphans`, 'etfA');
  own.makePeer('etfA:', 'etf', 'pppoe_sess', 'pppoe_sess');
  own.name('etfA:pppoe_sess', 'etfB');
  own.connect('.:', 'etfA:', 'ether', 'pppoe_disc');
  own.connect('.:', 'etfB:', 'pppoe', 'pppoe_disc');
  own.makePeer('etfB:', 'pppoe', 'downstream', 'ethernet');
  own.name('etfB:downstream', 'pppoe');
  own.makePeer('.:', 'ppp', 'ppp0', 'bypass');
  own.name('.:ppp0', 'ppp0');
  own.makePeer('ppp0:', 'iface', 'inet', 'inet');
  own.name('ppp0:inet', 'ng0');
  own.makePeer('.:', 'iface', 'inet', 'inet');
  own.name('.:inet', 'ng1');
  own.connect('pppoe:', 'ppp0:', 'session', 'link0');
  own.removeHook('.:', 'inet');
  return own;
}

const ORIGINALS = ['etfA', 'etfB', 'pppoe', 'ppp0', 'ng0', 'ng1'];

/** Whether frames to any address arrive: the original never clears the flag. */
const isPromiscuous = (router: Router): boolean => {
  const interfaces = new Interfaces(router.process().libc);
  const flags = interfaces.flags(LINE);
  interfaces.close();
  return (flags & C.IFF_PPROMISC) !== 0;
};

const left = (router: Router): string[] => {
  const netgraph = new NetgraphSocket(router.process().libc, 'look');
  const found = netgraph.nodes().filter(({ name }) => ORIGINALS.includes(name));
  netgraph.close();
  return found.map(({ name }) => name).sort();
};

t.test('freebsd › a BACKUP takes over the line from the original that ran there', async (t) => {
  const router = await Router.make();
  router.kernel.carp.set(VHID, 'BACKUP');
  original(router).close();
  t.strictSame(left(router), [...ORIGINALS].sort());
  const { backend, loop, log } = router.helper([SESSION]);
  t.teardown(() => loop.close());
  backend.start(SESSION);
  t.strictSame(left(router), [], 'nothing of it is left');
  t.match(log, [/^remove what the original ppp_thing left on igb0: /]);
  t.strictSame(router.heard, [], 'and it left without a word to the AC');
  t.ok(isPromiscuous(router), 'for our own session');
  backend.remove();
  t.notOk(isPromiscuous(router));
});

t.test('freebsd › a MASTER does not cut the session of the original by itself', async (t) => {
  const router = await Router.make();
  router.kernel.carp.set(VHID, 'MASTER');
  original(router).close();
  const { backend, loop } = router.helper([SESSION]);
  t.teardown(() => loop.close());
  t.throws(() => backend.start(SESSION), {
    code: 'EEXIST',
    message: /the original ppp_thing left it, .*make this router BACKUP, or .* purge/,
  });
  t.strictSame(left(router), [...ORIGINALS].sort());
  backend.remove();
  t.strictSame(left(router), [], 'the operator has said so');
  t.notOk(isPromiscuous(router));
  t.strictSame(router.heard, []);
});

t.test('freebsd › an original that runs, and any other program, keep the line', async (t) => {
  const router = await Router.make();
  router.kernel.carp.set(VHID, 'BACKUP');
  const own = original(router);
  const { backend, loop } = router.helper([SESSION]);
  t.teardown(() => loop.close());
  t.throws(() => backend.start(SESSION), {
    code: 'EEXIST',
    message: /the original ppp_thing is running; stop it/,
  });
  t.strictSame(left(router), [...ORIGINALS].sort());
  own.close();
  const pinned: SessionPolicy = { ...SESSION, policy: 'pinned' };
  t.throws(() => backend.start(pinned), { code: 'EEXIST' }, 'pinned is MASTER, whatever CARP says');
  backend.start(SESSION);
  t.strictSame(left(router), []);
  backend.remove();
});
