import { spawn } from 'node:child_process';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { chmodSync, statSync } from 'node:fs';
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import type { BackendContext, Key, SessionVerbs } from '@ppp-thing/helper/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve, type Serving } from '@ppp-thing/helper/serve';
import { concat } from '@ppp-thing/protocol/printable';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { MAX_MESSAGE } from '@ppp-thing/protocol/ipc/messages';
import { Client, HELLO, type Wish } from './client.ts';
import { SESSION, Machine } from './machine.ts';

const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
const session = 'pppoe0';
const key = { sessionId: 0x1234, acMac: AC_MAC };
const ATTACH: Wish = {
  verb: 'attach',
  session,
  key,
  maxPayload: 1492,
  autoOpen: true,
  settings: null,
};
const ECHO: Wish = {
  verb: 'ppp-send',
  session,
  protocol: 0xc021,
  packet: Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0),
};
const SESSION_ETHERTYPE = 0x8864;
const uid = process.getuid?.() ?? 0;

interface Helper {
  readonly router: Machine;
  readonly serving: Serving;
  readonly lines: string[];
  readonly path: string;
}

function startHelper(router: Machine, policy = router.policy): Helper {
  const lines: string[] = [];
  const { libc } = router;
  const serving = serve({
    libc,
    policy,
    uid,
    makeBackend: (context) => new FreebsdBackend(context),
    log: (line) => lines.push(line),
  });
  return { router, serving, lines, path: policy.socketPath };
}

/** A helper on a router of its own; both end with the test. */
async function helper(t: Test, policy: Partial<SessionPolicy> = {}): Promise<Helper> {
  const router = await Machine.boot(policy);
  const started = startHelper(router);
  t.teardown(async () => {
    started.serving.stop();
    await started.serving.stopped;
    await router.close();
  });
  return started;
}

const sessionFrames = (router: Machine): Uint8Array[] =>
  router.heard.filter((frame) => ((frame[12] ?? 0) << 8) + (frame[13] ?? 0) === SESSION_ETHERTYPE);

t.test('serve › hello says what the kernel holds', async (t) => {
  const { path } = await helper(t);
  const client = await Client.connect(path);
  const found = {
    session,
    role: 'BACKUP',
    carrier: true,
    attached: null,
    gateOpen: false,
    demoted: false,
    ourMac: SESSION.mac,
  };
  t.strictSame(await client.ask(HELLO), {
    id: 1,
    done: { version: HELLO.version, platform: 'freebsd', pid: process.pid, sessions: [found] },
  });
  await client.ask(ATTACH);
  await client.ask({ verb: 'demote', session, on: true });
  t.match(await client.ask(HELLO), {
    done: { sessions: [{ ...found, attached: key, demoted: true }] },
  });
  client.end();
});

t.test(
  'serve › a session that cannot be joined leaves none behind, and a closed gate',
  async (t) => {
    const router = await Machine.boot({ policy: 'pinned' });
    class Refusing extends FreebsdBackend {
      override start(of: SessionPolicy): SessionVerbs {
        const verbs = super.start(of);
        const { attach } = verbs;
        return Object.assign(verbs, {
          attach(wanted: Key, maxPayload: number) {
            if (wanted.sessionId === key.sessionId) return attach.call(verbs, wanted, maxPayload);
            // As the kernels' backends do: the one before is let go first.
            verbs.detach();
            throw new BackendError('attach', of.name, 'ENOBUFS', 'out of memory');
          },
        });
      }
    }
    const { libc, policy } = router;
    const makeBackend = (context: BackendContext): FreebsdBackend => new Refusing(context);
    const serving = serve({ libc, policy, uid, makeBackend, log: () => undefined });
    t.teardown(async () => {
      serving.stop();
      await serving.stopped;
      await router.close();
    });
    const client = await Client.greet(policy.socketPath);
    await client.ask(ATTACH);
    t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'done');
    const another = { ...key, sessionId: 0x4321 };
    t.equal(await client.outcome({ ...ATTACH, key: another }), 'ENOBUFS');
    t.match(await client.ask(HELLO), {
      done: { sessions: [{ attached: null, gateOpen: false }] },
    });
    t.equal(await client.outcome({ verb: 'gate', session, open: true }), 'ENOTCONN');
    client.end();
  },
);

t.test('serve › another protocol is refused by its number', async (t) => {
  const { path } = await helper(t);
  const client = await Client.connect(path);
  t.equal(await client.outcome({ ...HELLO, version: 99 }), 'EPROTONOSUPPORT');
  client.end();
});

t.test('serve › the socket is for its owner and group', async (t) => {
  const { path } = await helper(t);
  t.equal(statSync(path).mode & 0o777, 0o660);
});

const BROKEN: Readonly<Record<string, (client: Client) => void>> = {
  'a verb that is not in the vocabulary': (client) => client.sendValue({ id: 9, verb: 'exec' }),
  'what is not msgpack': (client) => client.sendOctets(Uint8Array.of(0, 0, 0, 1, 0xc1)),
  'a length beyond the limit': (client) =>
    client.sendOctets(Uint8Array.of(0, (MAX_MESSAGE >> 16) & 0xff, 0, 1)),
};

for (const [name, send] of Object.entries(BROKEN)) {
  t.test(`serve › ${name} ends the connection with one line`, async (t) => {
    const { path, lines } = await helper(t);
    const client = await Client.greet(path);
    const before = lines.length;
    send(client);
    await client.untilClosed();
    t.match(lines.slice(before), [/^serve supervisor uid \d+ pid \d+: EPROTO: /]);
    t.equal(lines.length, before + 1);
    const next = await Client.greet(path);
    t.equal(await next.outcome({ verb: 'counters', session }), 'done', 'the helper serves on');
    next.end();
  });
}

/** Values that the vocabulary does not have, in requests of it. */
const UNFIT: Readonly<Record<string, object>> = {
  'a field too much': { verb: 'gate', session, open: true, force: true },
  'a field too few': { verb: 'gate', session },
  'a data protocol': { verb: 'ppp-send', session, protocol: 0x21, packet: AC_MAC },
  'a packet too long': {
    verb: 'ppp-send',
    session,
    protocol: 0xc021,
    packet: new Uint8Array(1501),
  },
  'SESSION_ID 0xffff': { ...ATTACH, key: { sessionId: 0xffff, acMac: AC_MAC } },
  'a payload of nothing': { ...ATTACH, maxPayload: 0 },
  'a payload beyond any': { ...ATTACH, maxPayload: 65_535 },
  'an epoch of 33 bits': { verb: 'announce', session, epoch: 2 ** 32, proof: NO_PROOF },
  'a name too long': { verb: 'counters', session: 'x'.repeat(16) },
};

t.test('serve › a value out of range is refused, and the connection goes on', async (t) => {
  const { path, lines } = await helper(t);
  const client = await Client.greet(path);
  const before = lines.length;
  for (const [i, [name, request]] of Object.entries(UNFIT).entries()) {
    client.sendValue({ id: 1000 + i, ...request });
    const reply = await client.until(name, () => client.replies.find(({ id }) => id === 1000 + i));
    t.match(reply, { failed: { code: 'EINVAL', reason: /fields or values/ } }, name);
  }
  t.equal(await client.outcome({ verb: 'counters', session }), 'done', 'it is served on');
  t.strictSame(lines.slice(before), []);
  client.end();
});

t.test('serve › a request before hello ends the connection', async (t) => {
  const { path, router } = await helper(t, { policy: 'manual' });
  const client = await Client.connect(path);
  client.send(ATTACH);
  await client.untilClosed();
  t.strictSame(client.replies, []);
  t.strictSame(router.heard, []);
});

t.test(
  'serve › requests are answered once each, in order, however many come at once',
  async (t) => {
    const { path } = await helper(t);
    const client = await Client.greet(path);
    const ids = Array.from({ length: 200 }, () => client.send({ verb: 'counters', session }));
    await client.until('200 answers', () => client.replies.length === 201 || undefined);
    t.strictSame(
      client.replies.slice(1).map(({ id }) => id),
      ids,
    );
    client.end();
  },
);

t.test('serve › the newest supervisor wins, and the old one is told by the log', async (t) => {
  const { path, lines } = await helper(t);
  const old = await Client.greet(path);
  const next = await Client.greet(path);
  await old.untilClosed();
  t.match(lines.at(-1), /^serve supervisor uid \d+ pid \d+: EPROTO: replaced by uid \d+ pid \d+$/);
  t.equal(await next.outcome({ verb: 'counters', session }), 'done');
  next.end();
});

t.test(
  'serve › another uid is refused, and named in the log',
  { skip: uid === 0 ? false : 'taking another uid needs root' },
  async (t) => {
    const { path, lines, router } = await helper(t);
    // The kernel alone would refuse it; what is tried here is the helper's own check.
    chmodSync(router.folder, 0o755);
    chmodSync(path, 0o666);
    const script = `
      process.setgroups([]);
      process.setgid(65534);
      process.setuid(65534);
      const socket = require('node:net').connect(${JSON.stringify(path)});
      socket.on('connect', () => console.log('connected'));
      socket.on('error', (error) => console.log(error.code));
      socket.on('close', () => console.log('closed'));`;
    t.match(await printed(script), /closed\n$/);
    t.match(lines, [/^admit supervisor: EPERM: uid 65534 pid \d+ is not uid 0$/]);
  },
);

/** What a program prints. It takes its user itself: nobody else need be able to read the runtime that starts it. */
async function printed(script: string): Promise<string> {
  const child = spawn(process.execPath, ['-e', script], { cwd: '/' });
  let text = '';
  child.stdout.on('data', (chunk) => (text += String(chunk)));
  await new Promise((resolve) => child.on('close', resolve));
  return text;
}

const ADDRESSES = {
  ourAddress: Uint8Array.of(198, 51, 100, 7),
  theirAddress: Uint8Array.of(198, 51, 100, 1),
};
const IDS = { ours: new Uint8Array(8).fill(7), theirs: new Uint8Array(8).fill(1) };
const CONFIGURE = { verb: 'configure', session, mtu: 1492, up: true, interfaceIds: null } as const;

t.test('serve › what the policy does not allow is refused, by code', async (t) => {
  // Under manual no role stands in the way: what is tried here is the rest.
  const { path, router } = await helper(t, {
    policy: 'manual',
    partnerAddress: Uint8Array.of(192, 168, 7, 3),
  });
  const client = await Client.greet(path);
  const outcomes: readonly (readonly [Wish, string])[] = [
    [{ verb: 'gate', session: 'pppoe9', open: true }, 'ENXIO'],
    [{ verb: 'gate', session, open: true }, 'ENOTCONN'],
    [ECHO, 'ENETDOWN'],
    [{ ...ATTACH, maxPayload: 1493 } as Wish, 'EINVAL'],
    [{ ...ATTACH, key: { sessionId: 1, acMac: new Uint8Array(6).fill(0xff) } } as Wish, 'EINVAL'],
    [
      {
        verb: 'discovery-send',
        session,
        destination: Uint8Array.of(1, 0x80, 0xc2, 0, 0, 0),
        payload: new Uint8Array(6),
      },
      'EINVAL',
    ],
    [{ ...CONFIGURE, ...ADDRESSES, mtu: 1493 }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, ourAddress: Uint8Array.of(127, 0, 0, 1) }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, ourAddress: Uint8Array.of(0, 0, 0, 0) }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, theirAddress: Uint8Array.of(224, 0, 0, 18) }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, ourAddress: Uint8Array.of(192, 168, 7, 2) }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, ourAddress: Uint8Array.of(192, 168, 7, 3) }, 'EINVAL'],
    [{ ...CONFIGURE, ourAddress: null, theirAddress: null }, 'EINVAL'],
    [{ ...CONFIGURE, ...ADDRESSES, theirAddress: null, interfaceIds: IDS }, 'EINVAL'],
    [{ ...CONFIGURE, ourAddress: null, theirAddress: null, interfaceIds: IDS }, 'done'],
    [{ ...CONFIGURE, ...ADDRESSES }, 'done'],
    [{ verb: 'route', session, via: 'partner' }, 'done'],
  ];
  for (const [wish, code] of outcomes)
    t.equal(await client.outcome(wish), code, JSON.stringify(wish));
  t.strictSame(router.heard, [], 'and nothing went on the wire');
  client.end();
});

t.test('serve › a delegated prefix is bounded by the policy', async (t) => {
  const of = (first: number[], length: number): Wish => ({
    verb: 'delegate',
    session,
    prefixes: [
      {
        prefix: Uint8Array.from({ length: 16 }, (_, i) => first[i] ?? 0),
        length,
        preferred: 60,
        valid: 120,
        exclude: null,
      },
    ],
    addresses: [],
  });
  const onSession: Wish = {
    verb: 'delegate',
    session,
    prefixes: [],
    addresses: [{ address: Uint8Array.of(0x20, ...new Uint8Array(15)), preferred: 60, valid: 120 }],
  };
  const nothing: Wish = { verb: 'delegate', session, prefixes: [], addresses: [] };
  const ours = of([0x20, 1, 0x0d, 0xb8, 0xab], 56);
  const within = { prefix: Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...new Uint8Array(12)), length: 32 };
  const cases: readonly (readonly [
    SessionPolicy['delegation'],
    readonly (readonly [Wish, string])[],
  ])[] = [
    [
      undefined,
      [
        [ours, 'EPERM'],
        [onSession, 'EPERM'],
        [nothing, 'done'],
      ],
    ],
    [
      { prefixes: {}, address: false },
      [
        [ours, 'done'],
        [of([0x20, 1, 0x0d, 0xb8], 48), 'done'],
        [of([0x20, 1, 0x0d, 0xb8], 47), 'EPERM'],
        [of([0x20, 1, 0x0d, 0xb8], 32), 'EPERM'],
        [of([0xfe, 0x80], 64), 'EINVAL'],
        [onSession, 'EPERM'],
      ],
    ],
    [
      { prefixes: { within }, address: true },
      [
        [ours, 'done'],
        [of([0x20, 1, 0x0d, 0xb8], 32), 'done'],
        [of([0x20, 1, 0x0d, 0xb9], 56), 'EPERM'],
        [of([0x26, 7, 0xf8, 0xb0], 48), 'EPERM'],
        [onSession, 'done'],
      ],
    ],
  ];
  for (const [delegation, wishes] of cases) {
    const { path } = await helper(t, delegation && { delegation });
    const client = await Client.greet(path);
    for (const [wish, code] of wishes)
      t.equal(await client.outcome(wish), code, JSON.stringify([delegation, wish]));
    client.end();
  }
});

t.test('serve › the policy’s limits cost the LANs only what is beyond them', async (t) => {
  const within = { prefix: Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...new Uint8Array(12)), length: 32 };
  const { path, router } = await helper(t, {
    delegation: { prefixes: { within }, address: false },
    lans: [{ interface: 'igb1', subnet: 1, host: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 2) }],
  });
  const client = await Client.greet(path);
  const prefix = (...first: number[]) => ({
    prefix: Uint8Array.from({ length: 16 }, (_, i) => first[i] ?? 0),
    length: 56,
    preferred: 60,
    valid: 120,
    exclude: null,
  });
  const given = [
    prefix(0xfd, 0, 0, 1),
    prefix(0x20, 1, 0x0d, 0xb8, 0xab),
    prefix(0xfe, 0x80),
    prefix(0x26, 7),
  ];
  const address = Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...new Uint8Array(12));
  const addresses = [{ address, preferred: 60, valid: 120 }];
  const wish: Wish = { verb: 'delegate', session, prefixes: given, addresses };
  t.equal(await client.outcome(wish), 'EPERM', 'the first one that is refused is named');
  const lan = router.router.kernel.interfaces.get('igb1');
  t.same(
    lan.addresses6.map((each) => Buffer.from(each).toString('hex')),
    ['20010db8ab0000010000000000000002'],
  );
  client.end();
});

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

t.test('serve › a helper that leaves is followed by one that adopts', async (t) => {
  const router = await Machine.boot();
  const first = startHelper(router);
  const client = await Client.greet(first.path);
  router.setRole('MASTER');
  await client.until('the edge', () => client.notices[0]);
  await client.ask(ATTACH);
  await client.ask({ verb: 'gate', session, open: true });
  first.serving.stop();
  await first.serving.stopped;
  await client.untilClosed();

  const second = startHelper(router);
  const next = await Client.greet(second.path);
  t.match(next.replies[0], { done: { sessions: [{ attached: key, gateOpen: true }] } });
  t.equal(await next.outcome(ECHO), 'done');
  second.serving.stop('remove');
  await second.serving.stopped;

  const third = startHelper(router);
  const last = await Client.greet(third.path);
  t.match(last.replies[0], { done: { sessions: [{ attached: null, gateOpen: false }] } });
  third.serving.stop();
  await third.serving.stopped;
  t.equal(sessionFrames(router).length, 1, 'the echo, and nothing at leaving or removing');
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

t.test('serve › a second helper finds the socket taken and touches nothing', async (t) => {
  const { router, path } = await helper(t);
  const made: string[] = [];
  t.throws(
    () =>
      serve({
        libc: router.libc,
        policy: router.policy,
        uid,
        makeBackend(context) {
          made.push('backend');
          const backend = new FreebsdBackend(context);
          const start = backend.start.bind(backend);
          backend.start = (policy): SessionVerbs => {
            made.push('start');
            return start(policy);
          };
          return backend;
        },
        log: () => {},
      }),
    { code: 'EADDRINUSE' },
  );
  t.strictSame(made, ['backend']);
  const client = await Client.greet(path);
  t.equal(await client.outcome({ verb: 'counters', session }), 'done');
  client.end();
});

/** A helper of two sessions, with a backend on which those that `missing` names have no line. */
function without(router: Machine, missing: (name: string) => boolean, lines: string[]): Serving {
  const second = {
    ...SESSION,
    name: 'pppoe1',
    mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 2),
    stub: 'pppoe1x',
  };
  return serve({
    libc: router.libc,
    policy: { ...router.policy, sessions: [SESSION, second] },
    uid,
    makeBackend(context) {
      const backend = new FreebsdBackend(context);
      const start = backend.start.bind(backend);
      backend.start = (policy): SessionVerbs => {
        if (missing(policy.name))
          throw new BackendError('open', 'em1', 'ENXIO', 'no such interface');
        return start(policy);
      };
      return backend;
    },
    log: (line) => lines.push(line),
    // The wait between tries is in seconds; this clock makes them hundredths.
    now: () => performance.now() * 100,
  });
}

t.test('serve › a session that cannot start is left out, tried again, and announced', async (t) => {
  const router = await Machine.boot();
  const lines: string[] = [];
  let tries = 0;
  const serving = without(router, (name) => name === 'pppoe1' && ++tries < 4, lines);
  const client = await Client.greet(router.policy.socketPath);
  t.match(client.replies[0], { done: { sessions: [{ session }] } });
  t.equal(await client.outcome({ verb: 'counters', session: 'pppoe1' }), 'ENXIO');
  t.equal(await client.outcome({ verb: 'counters', session }), 'done', 'the other is served');
  await client.untilClosed();
  t.equal(lines.filter((line) => line === 'open em1: ENXIO: no such interface').length, 1);
  const next = await Client.greet(router.policy.socketPath);
  t.match(next.replies[0], { done: { sessions: [{ session }, { session: 'pppoe1' }] } });
  t.equal(tries, 4);
  serving.stop();
  await serving.stopped;
  await router.close();
});

t.test(
  'serve › if no session has its line, it serves, says so once for each, and waits',
  async (t) => {
    const router = await Machine.boot();
    const lines: string[] = [];
    let tries = 0;
    const serving = without(router, () => ++tries <= 8, lines);
    const client = await Client.greet(router.policy.socketPath);
    t.match(client.replies[0], { done: { sessions: [] } });
    await client.untilClosed();
    t.equal(lines.filter((line) => line === 'open em1: ENXIO: no such interface').length, 2);
    serving.stop();
    await serving.stopped;
    await router.close();
  },
);

t.test('serve › frames are shed for a slow reader and counted, edges are not lost', async (t) => {
  const { path, router } = await helper(t);
  const client = await Client.greet(path);
  client.pause();
  const frame = new Uint8Array(1514);
  frame.set(SESSION.mac);
  frame.set(AC_MAC, 6);
  frame.set([0x88, 0x63, 0x11, 0x07], 12);
  const FRAMES = 1500;
  for (let i = 0; i < FRAMES; i++) {
    router.inject(frame);
    // The kernel buffers some twenty such frames. It drops the others before the connection can.
    if (i % 10 === 9) await router.untilRead();
  }
  router.setRole('MASTER');
  client.resume();
  const told = (): number =>
    client.notices.filter(({ notice }) => notice === 'discovery-frame').length;
  const dropped = (): number =>
    client.notices.reduce((sum, each) => sum + (each.notice === 'dropped' ? each.frames : 0), 0);
  const edge = (): boolean => client.notices.some(({ notice }) => notice === 'role');
  // More may come while those that waited are read.
  await client.until('every frame', () => (told() + dropped() >= FRAMES && edge()) || undefined);
  t.ok(dropped() > 0, `${told()} told`);
  t.equal(told() + dropped(), FRAMES, 'none is unaccounted for, and none told twice');
  client.end();
});

t.test('serve › a supervisor that asks and never reads is cut off', async (t) => {
  const { path, lines } = await helper(t);
  const client = await Client.greet(path);
  client.pause();
  for (let i = 0; i < 60_000; i++) client.send({ verb: 'gate', session: 'no-such', open: true });
  const watcher = await new Promise<string>((resolve) => {
    const look = setInterval(() => {
      const line = lines.find((each) => each.includes('does not read'));
      if (line === undefined) return;
      clearInterval(look);
      resolve(line);
    }, 5);
  });
  t.match(watcher, /EPROTO: the supervisor does not read its replies$/);
  client.end();
  const next = await Client.greet(path);
  t.equal(await next.outcome({ verb: 'counters', session }), 'done');
  next.end();
});

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

t.test('serve › random octets end connections and never the helper', async (t) => {
  const { path, lines } = await helper(t);
  for (const octets of fc.sample(fc.uint8Array({ minLength: 1, maxLength: 300 }), 50)) {
    const client = await Client.greet(path);
    client.sendOctets(octets);
    client.sendOctets(new Uint8Array(4).fill(0xff));
    client.sendOctets(new Uint8Array(MAX_MESSAGE));
    await client.untilClosed();
  }
  const client = await Client.greet(path);
  t.equal(await client.outcome({ verb: 'counters', session }), 'done');
  t.ok(lines.length <= 50, 'a line each at most');
  client.end();
});

t.test('serve › discovery frames that nobody can use are not passed on', async (t) => {
  const { path, router } = await helper(t);
  const client = await Client.greet(path);
  const discovery = (code: number, source: Uint8Array): Uint8Array => {
    const frame = new Uint8Array(60);
    frame.set(SESSION.mac);
    frame.set(source, 6);
    frame.set([0x88, 0x63, 0x11, code], 12);
    return frame;
  };
  const stranger = Uint8Array.of(2, 0, 0, 0, 0, 0xee);
  for (const code of [0x09, 0x19, 0x42]) router.inject(discovery(code, stranger));
  router.inject(discovery(0x07, stranger));
  await client.until('the PADO', () => client.notices.find((n) => n.notice === 'discovery-frame'));
  t.equal(
    client.notices.filter((n) => n.notice === 'discovery-frame').length,
    1,
    'no other Host’s',
  );
  await client.ask(ATTACH);
  for (let i = 0; i < 100; i++) router.inject(discovery(0x07, stranger));
  router.inject(discovery(0xa7, AC_MAC));
  const padt = await client.until('the PADT', () =>
    client.notices.filter((n) => n.notice === 'discovery-frame').at(1),
  );
  t.match(padt, { source: AC_MAC }, 'and while a session is joined only its AC’s');
  client.end();
});

t.test(
  'serve › a frame that no message can hold is dropped, and the connection goes on',
  async (t) => {
    const { path, router } = await helper(t);
    const client = await Client.greet(path);
    const source = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
    const offer = (length: number): Uint8Array =>
      concat(
        SESSION.mac,
        source,
        Uint8Array.of(0x88, 0x63, 0x11, 0x07),
        new Uint8Array(length - 2),
      );
    // Lines of RFC 4638 carry a little more than 1500 octets.
    router.inject(offer(1501));
    router.inject(offer(9000));
    router.inject(offer(1500));
    await client.until('the last frame', () =>
      client.notices.find(({ notice }) => notice === 'discovery-frame'),
    );
    t.match(client.notices, [
      { notice: 'dropped', session, frames: 1 },
      { notice: 'dropped', session, frames: 1 },
      { notice: 'discovery-frame', payload: { length: 1500 } },
    ]);
    t.equal(await client.outcome({ verb: 'counters', session }), 'done');
    client.end();
  },
);
