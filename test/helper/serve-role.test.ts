/** What the helper grants to which role, and what it does at an edge of the role. */
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import * as fc from 'fast-check';
import t from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import type { BackendContext, SessionVerbs } from '@ppp-thing/helper/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve } from '@ppp-thing/helper/serve';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { Client, HELLO, type Wish } from './client.ts';
import { SESSION, Machine } from './machine.ts';
import {
  ADDRESSES,
  ATTACH,
  CONFIGURE,
  ECHO,
  helper,
  key,
  session,
  startHelper,
  uid,
} from './serve-bench.ts';

/** Every verb, with what only a router that may speak is granted of it. */
const OF_THE_ROLE: Readonly<Record<Exclude<Wish['verb'], 'hello'>, readonly Wish[]>> = {
  'discovery-send': [
    {
      verb: 'discovery-send',
      session,
      destination: new Uint8Array(6).fill(0xff),
      payload: new Uint8Array(6),
    },
  ],
  attach: [],
  gate: [{ verb: 'gate', session, open: true }],
  'ppp-send': [ECHO],
  configure: [{ ...CONFIGURE, ...ADDRESSES }],
  deconfigure: [],
  route: [{ verb: 'route', session, via: 'session' }],
  announce: [{ verb: 'announce', session, epoch: 7, proof: NO_PROOF }],
  delegate: [],
  detach: [],
  demote: [],
  counters: [],
  claim: [],
};

for (const role of ['BACKUP', 'INIT'] as const) {
  t.test(`serve › a router that is ${role} is granted nothing of the MASTER's`, async (t) => {
    const { path, router } = await helper(t);
    router.setRole(role);
    const client = await Client.greet(path);
    t.equal(await client.outcome(ATTACH), 'done', 'it may arm');
    for (const wish of Object.values(OF_THE_ROLE).flat())
      t.equal(await client.outcome(wish), 'EPERM', wish.verb);
    t.equal(await client.outcome({ ...CONFIGURE, ...ADDRESSES, up: false }), 'done');
    t.equal(await client.outcome({ verb: 'gate', session, open: false }), 'done');
    t.equal(await client.outcome({ verb: 'route', session, via: 'none' }), 'done');
    t.strictSame(router.heard, [], 'and nothing went on the wire');
    client.end();
  });
}

t.test('serve › a route via a partner that the policy does not name is refused', async (t) => {
  const { partnerAddress: _, ...alone } = SESSION;
  const partnerAddress6 = { address: new Uint8Array(16).fill(0xfd) };
  for (const [policy, outcome] of [
    [alone, 'EINVAL'],
    [{ ...alone, partnerAddress6 }, 'done'],
  ] as const) {
    const router = await Machine.boot();
    const started = startHelper(router, { ...router.policy, sessions: [policy] });
    const client = await Client.greet(started.path);
    t.equal(await client.outcome({ verb: 'route', session, via: 'partner' }), outcome);
    t.equal(await client.outcome({ verb: 'route', session, via: 'session' }), 'EPERM');
    client.end();
    started.serving.stop();
    await started.serving.stopped;
    await router.close();
  }
});

t.test(
  'serve › interlock › an armed session opens on the edge, before anybody is told',
  async (t) => {
    const { path, router } = await helper(t);
    const client = await Client.greet(path);
    t.equal(await client.outcome(ATTACH), 'done');
    router.setRole('MASTER');
    const notice = { notice: 'role', session, role: 'MASTER', gateOpen: true };
    await client.until('the edge', () => client.notices[0]);
    t.strictSame(client.notices, [notice]);
    t.equal(await client.outcome(ECHO), 'done');
    router.setRole('BACKUP');
    await client.until('the edge back', () => client.notices[1]);
    t.strictSame(client.notices[1], { ...notice, role: 'BACKUP', gateOpen: false });
    t.equal(await client.outcome(ECHO), 'EPERM');
    t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'EPERM');
    client.end();
  },
);

t.test(
  'serve › interlock › without leave to open, the edge leaves it to the supervisor',
  async (t) => {
    const { path, router } = await helper(t);
    const client = await Client.greet(path);
    await client.ask({ ...ATTACH, autoOpen: false } as Wish);
    router.setRole('MASTER');
    t.match(await client.until('the edge', () => client.notices[0]), { gateOpen: false });
    t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'done');
    t.equal(await client.outcome(ECHO), 'done');
    client.end();
  },
);

t.test('serve › interlock › works with no supervisor alive, both ways', async (t) => {
  const { path, router, lines } = await helper(t);
  const client = await Client.greet(path);
  await client.ask(ATTACH);
  client.end();
  const edges = (): readonly string[] => lines.filter((line) => line.includes('role:'));
  for (const [before, role] of (['MASTER', 'BACKUP', 'MASTER'] as const).entries()) {
    router.setRole(role);
    while (edges().length === before) await new Promise(setImmediate);
  }
  const next = await Client.greet(path);
  t.match(await next.ask(HELLO), {
    done: { sessions: [{ role: 'MASTER', attached: key, gateOpen: true }] },
  });
  t.match(edges(), [
    'pppoe0 role: BACKUP -> MASTER on CARP [gate open]',
    'pppoe0 role: MASTER -> BACKUP on CARP [gate closed]',
    'pppoe0 role: BACKUP -> MASTER on CARP [gate open]',
  ]);
  next.end();
});

t.test(
  'serve › interlock › an edge that a hello finds is told and acted on as any other',
  async (t) => {
    let isMaster = false;
    class Late extends FreebsdBackend {
      override start(of: SessionPolicy): SessionVerbs {
        const verbs = super.start(of);
        const { inspect } = verbs;
        // The kernel has changed its mind, and has not said so yet.
        return Object.assign(verbs, {
          inspect: () => ({ ...inspect.call(verbs), ...(isMaster && { role: 'MASTER' as const }) }),
        });
      }
    }
    const router = await Machine.boot();
    const { libc, policy } = router;
    const lines: string[] = [];
    const makeBackend = (context: BackendContext): FreebsdBackend => new Late(context);
    const serving = serve({ libc, policy, uid, makeBackend, log: (line) => lines.push(line) });
    t.teardown(async () => {
      serving.stop();
      await serving.stopped;
      await router.close();
    });
    const client = await Client.greet(policy.socketPath);
    await client.ask({ ...ATTACH, autoOpen: true });
    isMaster = true;
    t.match(await client.ask(HELLO), { done: { sessions: [{ role: 'MASTER', gateOpen: true }] } });
    t.strictSame(
      lines.filter((line) => line.includes('role:')),
      ['pppoe0 role: BACKUP -> MASTER on CARP [gate open]'],
    );
    t.match(client.notices, [{ notice: 'role', role: 'MASTER', gateOpen: true }]);
    client.end();
  },
);

t.test('serve › interlock › a MASTER whose gate stays closed says why', async (t) => {
  const { path, router, lines } = await helper(t);
  const client = await Client.greet(path);
  const edge = async (): Promise<string | undefined> => {
    lines.length = 0;
    for (const role of ['MASTER', 'BACKUP'] as const) {
      router.setRole(role);
      while (!lines.some((line) => line.includes(`-> ${role}`))) await new Promise(setImmediate);
    }
    return lines.find((line) => line.includes('-> MASTER'));
  };
  t.match(await edge(), 'BACKUP -> MASTER on CARP [gate closed: no session is attached]');
  await client.ask({ ...ATTACH, autoOpen: false });
  t.match(await edge(), 'BACKUP -> MASTER on CARP [gate closed: it is not armed]');
  client.end();
});

t.test('serve › interlock › manual opens as it is asked, on a BACKUP too', async (t) => {
  const { path, router } = await helper(t, { policy: 'manual' });
  const client = await Client.greet(path);
  await client.ask(ATTACH);
  router.setRole('MASTER');
  t.match(await client.until('the edge', () => client.notices[0]), { gateOpen: false });
  await client.ask({ verb: 'gate', session, open: true });
  router.setRole('BACKUP');
  t.match(await client.until('the edge back', () => client.notices[1]), { gateOpen: true });
  t.equal(await client.outcome(ECHO), 'done');
  client.end();
});

t.test('serve › interlock › pinned is MASTER and hears of no edge', async (t) => {
  const { path, router } = await helper(t, { policy: 'pinned' });
  const client = await Client.greet(path);
  t.match(client.replies[0], { done: { sessions: [{ role: 'MASTER', gateOpen: false }] } });
  await client.ask(ATTACH);
  t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'done');
  router.setRole('INIT');
  t.equal(await client.outcome(ECHO), 'done');
  t.strictSame(client.notices, []);
  client.end();
});

t.test('serve › interlock › a gate that will not close is tried until it does', async (t) => {
  const router = await Machine.boot();
  const lines: string[] = [];
  let refusals = 0;
  const serving = serve({
    libc: router.libc,
    policy: router.policy,
    uid,
    makeBackend(context) {
      const backend = new FreebsdBackend(context);
      const start = backend.start.bind(backend);
      backend.start = (policy): SessionVerbs => {
        const verbs = start(policy);
        const gate = verbs.gate.bind(verbs);
        verbs.gate = (open): void => {
          if (!open && refusals-- > 0) throw new BackendError('close', 'gate', 'ENOBUFS', 'busy');
          gate(open);
        };
        return verbs;
      };
      return backend;
    },
    log: (line) => lines.push(line),
  });
  const client = await Client.greet(router.policy.socketPath);
  await client.ask(ATTACH);
  router.setRole('MASTER');
  await client.until('the edge', () => client.notices[0]);
  refusals = 3;
  router.setRole('BACKUP');
  t.match(await client.until('the edge back', () => client.notices[1]), { gateOpen: true });
  t.equal(await client.outcome(ECHO), 'EPERM', 'nothing is sent meanwhile');
  t.match(await client.until('the gate', () => client.notices[2]), {
    notice: 'role',
    role: 'BACKUP',
    gateOpen: false,
  });
  t.equal(lines.filter((line) => line === 'close gate: ENOBUFS: busy').length, 3);
  t.equal(await client.outcome(ECHO), 'EPERM');
  client.end();
  serving.stop();
  await serving.stopped;
  await router.close();
});

t.test(
  'serve › a gate left open on a router that is no longer MASTER is closed at start',
  async (t) => {
    const router = await Machine.boot();
    const first = startHelper(router);
    const client = await Client.greet(first.path);
    await client.ask(ATTACH);
    router.setRole('MASTER');
    await client.until('the edge', () => client.notices[0]);
    first.serving.stop();
    await first.serving.stopped;
    router.setRole('BACKUP');
    const second = startHelper(router);
    const next = await Client.greet(second.path);
    t.match(next.replies[0], { done: { sessions: [{ role: 'BACKUP', gateOpen: false }] } });
    second.serving.stop();
    await second.serving.stopped;
    await router.close();
  },
);

const anySession = fc.constantFrom(session, 'pppoe9', 'em0', '../etc');
const mac = fc.uint8Array({ minLength: 6, maxLength: 6 });
const address = fc.uint8Array({ minLength: 4, maxLength: 4 });
const arbitraryWish: fc.Arbitrary<Wish> = fc.oneof(
  fc.record({
    verb: fc.constant('attach' as const),
    session: anySession,
    key: fc.record({ sessionId: fc.integer({ min: 1, max: 0xfffe }), acMac: mac }),
    maxPayload: fc.integer({ min: 64, max: 9000 }),
    autoOpen: fc.boolean(),
    settings: fc.constant(null),
  }),
  fc.record({ verb: fc.constant('gate' as const), session: anySession, open: fc.boolean() }),
  fc.record({
    verb: fc.constant('discovery-send' as const),
    session: anySession,
    destination: mac,
    payload: fc.uint8Array({ minLength: 6, maxLength: 1500 }),
  }),
  fc.record({
    verb: fc.constant('ppp-send' as const),
    session: anySession,
    protocol: fc.integer({ min: 0x8000, max: 0xffff }),
    packet: fc.uint8Array({ minLength: 4, maxLength: 1500 }),
  }),
  fc.record({
    verb: fc.constant('configure' as const),
    session: anySession,
    mtu: fc.integer({ min: 64, max: 9000 }),
    up: fc.boolean(),
    ourAddress: address,
    theirAddress: address,
    interfaceIds: fc.constant(null),
  }),
  fc.record({
    verb: fc.constantFrom('deconfigure' as const, 'detach' as const, 'counters' as const),
    session: anySession,
  }),
  fc.record({
    verb: fc.constant('route' as const),
    session: anySession,
    via: fc.constantFrom('session' as const, 'partner' as const, 'none' as const),
  }),
  fc.record({
    verb: fc.constant('announce' as const),
    session: anySession,
    epoch: fc.nat(),
    proof: fc.constant(NO_PROOF),
  }),
  fc.record({ verb: fc.constant('demote' as const), session: anySession, on: fc.boolean() }),
);

t.test('serve › a hostile supervisor on a BACKUP sends nothing at all', async (t) => {
  const { path, router } = await helper(t);
  const client = await Client.greet(path);
  const wishes = fc.sample(arbitraryWish, { numRuns: 3000, seed: 7 });
  for (let i = 0; i < wishes.length; i += 100)
    await Promise.all(wishes.slice(i, i + 100).map((wish) => client.ask(wish)));
  t.equal(client.replies.length, 3001);
  t.strictSame(router.heard, [], 'R1, R2: not one frame');
  client.end();
});
