/** The helper as a supervisor meets it: who may speak, what is refused, and what a flood does. */
import { spawn } from 'node:child_process';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { chmodSync, statSync } from 'node:fs';
import * as fc from 'fast-check';
import t from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import type { BackendContext, Key, SessionVerbs } from '@ppp-thing/helper/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve, type Serving } from '@ppp-thing/helper/serve';
import { concat } from '@ppp-thing/protocol/printable';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { MAX_MESSAGE } from '@ppp-thing/protocol/ipc/messages';
import { Client, HELLO, type Wish } from './client.ts';
import { SESSION, Machine } from './machine.ts';
import {
  AC_MAC,
  ADDRESSES,
  ATTACH,
  CONFIGURE,
  ECHO,
  IDS,
  helper,
  key,
  session,
  sessionFrames,
  startHelper,
  uid,
} from './serve-bench.ts';

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
