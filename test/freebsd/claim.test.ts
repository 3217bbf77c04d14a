/** `claim` on the fake FreeBSD kernel with a whole helper: the role is asked for, and what the interlock does follows. */
import t, { type Test } from 'tap';
import { Client } from '../helper/client.ts';
import { ARM, CONFIGURE, Life, role, session, stop } from './life.ts';
import { SESSION, VHID } from './world.ts';

const CLAIM = { verb: 'claim', session } as const;
const FAST = { ...SESSION, mayClaim: true };

async function helper(
  t: Test,
  policy = FAST,
): Promise<{ life: Life; client: Client; end(): Promise<void> }> {
  const life = await Life.make(t);
  const started = life.start([policy]);
  const client = await Client.greet(started.path);
  const end = async (): Promise<void> => {
    client.end();
    await stop(started, 'remove');
    t.strictSame(life.router.leftovers(), []);
  };
  return { life, client, end };
}

t.test('freebsd › a standby that asks becomes MASTER, and forwards in the same act', async (t) => {
  const { life, client, end } = await helper(t);
  t.equal(await client.outcome(CLAIM), 'EPERM', 'nothing is attached');
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome({ ...CONFIGURE, up: false }), 'done');
  t.equal(await client.outcome(CLAIM), 'done');
  t.equal(await role(client, 'MASTER'), true);
  t.equal(await client.outcome(CLAIM), 'done', 'it is so already');
  // A living MASTER advertises, and this router steps down: the gate is closed at the edge.
  life.router.kernel.carp.set(VHID, 'BACKUP');
  t.equal(await role(client, 'BACKUP'), false);
  t.equal(await client.outcome(CLAIM), 'EAGAIN', 'seldom');
  t.equal(life.router.kernel.carp.skewOf(VHID), 100, 'what was configured stands');
  await end();
});

t.test('freebsd › without fast_takeover_ms the role cannot be asked for', async (t) => {
  const { client, end } = await helper(t, { ...SESSION, mayClaim: false });
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome(CLAIM), 'EPERM');
  await end();
});

t.test('freebsd › a vhid that speaks VRRPv3 has a role, and cannot be asked for it', async (t) => {
  const { life, client, end } = await helper(t);
  life.router.kernel.carp.speakVrrp(VHID);
  t.equal(await client.outcome(ARM), 'done');
  t.equal(await client.outcome(CLAIM), 'EINVAL');
  life.router.kernel.carp.set(VHID, 'MASTER');
  t.equal(await role(client, 'MASTER'), true, 'the gate opens at the edge');
  await end();
});
