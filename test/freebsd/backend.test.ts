/**
 * What the FreeBSD backend promises beyond the contract: the kernel's traps, several sessions on one line, and the cost of a
 * takeover.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { toHex } from '@ppp-thing/protocol/bytes';
import t, { type Test } from 'tap';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import type { BackendEvents, SessionVerbs, Settings } from '@ppp-thing/helper/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { be16 } from '@ppp-thing/lab/freebsd/octets';
import type { KernelOptions } from '@ppp-thing/lab/freebsd/kernel';
import type { ProcessOptions } from '@ppp-thing/lab/freebsd/process';
import { LAN, LINE, Router, SESSION, VHID, noEvents, type Helper } from './world.ts';

const name = SESSION.name;
const KEY = { sessionId: 0x1234, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
const ECHO = Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0);
const SETTINGS: Settings = {
  mtu: 1492,
  up: true,
  ourAddress: Uint8Array.of(198, 51, 100, 7),
  theirAddress: Uint8Array.of(198, 51, 100, 1),
  interfaceIds: { ours: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 7), theirs: new Uint8Array(8).fill(1) },
};

/** A router, a helper whose sessions are started, and what it told. */
class Started {
  readonly router: Router;
  readonly helper: Helper;
  readonly told: unknown[][] = [];
  /** Of the first session. */
  readonly verbs: SessionVerbs;

  static async make(
    t: Test,
    sessions: readonly SessionPolicy[] = [SESSION],
    options: ProcessOptions & KernelOptions = {},
  ): Promise<Started> {
    const started = new Started(await Router.make(options), sessions, options);
    t.teardown(() => started.helper.loop.close());
    return started;
  }

  constructor(router: Router, sessions: readonly SessionPolicy[], options: ProcessOptions) {
    this.router = router;
    const events: BackendEvents = {
      ...noEvents(),
      roles: (edges) => {
        for (const { session, role } of edges) this.told.push(['role', session, role]);
      },
      pppFrame: (...told) => void this.told.push(['ppp', ...told]),
      sessionClosed: (...told) => void this.told.push(['closed', ...told]),
      discoveryFrame: (...told) => void this.told.push(['discovery', ...told]),
      ownMacHeard: (...told) => void this.told.push(['own mac', ...told]),
      dropped: (...told) => void this.told.push(['dropped', ...told]),
    };
    this.helper = router.helper(sessions, events, router.process(options));
    const [verbs] = sessions.map((session) => this.helper.backend.start(session));
    if (verbs === undefined) throw new Error('no session');
    this.verbs = verbs;
  }

  /** Run the loop for so many milliseconds of the test's time. */
  async pass(ms: number): Promise<void> {
    let isOver = false;
    this.helper.loop.after(ms, () => (isOver = true));
    await this.helper.loop.run(() => isOver);
  }

  fromAc(mac: Uint8Array): void {
    const length = ECHO.length + 2;
    const header = Uint8Array.of(0x88, 0x64, 0x11, 0, 0x12, 0x34, 0, length, 0xc0, 0x21);
    this.router.inject(concat(mac, KEY.acMac, header, ECHO));
  }
}

t.test('freebsd › takeover › the gate opens with one message, and closes with one', async (t) => {
  const calls: string[] = [];
  const { verbs } = await Started.make(t, [SESSION], { before: (call) => calls.push(call) });
  verbs.attach(KEY, 1492);
  calls.length = 0;
  verbs.gate(true);
  t.strictSame(calls, ['sendto']);
  calls.length = 0;
  verbs.gate(false);
  t.equal(calls[0], 'sendto');
  calls.length = 0;
  verbs.gate(true);
  t.strictSame(calls, ['sendto'], 'after it was closed too');
});

t.test('freebsd › takeover › to close waits for nothing that lags', async (t) => {
  const calls: string[] = [];
  const before = (call: string): void => void calls.push(call);
  const { verbs } = await Started.make(t, [SESSION], { before, lag: 20 });
  verbs.attach(KEY, 1492);
  for (let i = 0; i < 3; i++) {
    verbs.gate(true);
    calls.length = 0;
    verbs.gate(false);
    // The hook removed, joined again under another name, and its two programs.
    t.strictSame(calls, ['sendto', 'sendto', 'sendto', 'sendto']);
  }
});

t.test('freebsd › what the AC says on the session comes before its PADT', async (t) => {
  const started = await Started.make(t);
  const { verbs } = started;
  verbs.attach(KEY, 1492);
  verbs.gate(true);
  started.fromAc(SESSION.mac);
  const padt = Uint8Array.of(0x88, 0x63, 0x11, 0xa7, 0x12, 0x34, 0, 0);
  started.router.inject(concat(SESSION.mac, KEY.acMac, padt));
  await started.pass(10);
  t.strictSame(
    started.told.map(([what]) => what),
    ['ppp', 'discovery'],
  );
});

t.test('freebsd › announce › our own is not heard, the partner does not answer', async (t) => {
  const started = await Started.make(t);
  started.verbs.announce({ epoch: 7, proof: NO_PROOF });
  await started.pass(10);
  t.strictSame(started.told, []);
  t.equal(started.router.heard[0]?.length, 60, 'padded to the least of Ethernet');
});

t.test('freebsd › role › an address that comes back with its interface is no MASTER', async (t) => {
  const started = await Started.make(t);
  const { carp } = started.router.kernel;
  carp.set(VHID, 'INIT');
  await started.pass(10);
  carp.set(VHID, 'BACKUP');
  await started.pass(10);
  t.strictSame(started.told, [
    ['role', name, 'INIT'],
    ['role', name, 'BACKUP'],
  ]);
});

t.test('freebsd › role › without devd it is read once a second, and devd may come', async (t) => {
  const router = await Router.make();
  const { carp, routes } = router.kernel;
  carp.isDevdRunning = false;
  const started = new Started(router, [SESSION], {});
  t.teardown(() => started.helper.loop.close());
  // The news of the start itself.
  await started.pass(10);
  routes.sockets.clear();
  carp.set(VHID, 'MASTER');
  await started.pass(900);
  t.strictSame(started.told, []);
  await started.pass(200);
  t.strictSame(started.told, [['role', name, 'MASTER']]);
  t.match(started.helper.log, [/^listen to devd: ECONNREFUSED: /]);
  carp.isDevdRunning = true;
  await started.pass(1000);
  const { now } = router;
  carp.set(VHID, 'BACKUP');
  await started.helper.loop.run(() => started.told.length > 1);
  t.equal(router.now, now, 'at once');
});

t.test('freebsd › role › a devd that ends is looked for again', async (t) => {
  const started = await Started.make(t);
  const { carp } = started.router.kernel;
  carp.stopDevd();
  await started.pass(10);
  carp.isDevdRunning = true;
  await started.pass(1000);
  t.equal(carp.clients.size, 1);
});

t.test('freebsd › role › a vhid that is taken away is INIT', async (t) => {
  const started = await Started.make(t);
  started.router.kernel.carp.remove(VHID);
  await started.pass(1100);
  t.strictSame(started.told, [['role', name, 'INIT']]);
});

t.test('freebsd › several sessions on a line hear each their own, and go alone', async (t) => {
  const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 2);
  const { stub: _, ...rest } = SESSION;
  const other: SessionPolicy = { ...rest, name: 'wan0', mac };
  const started = await Started.make(t, [SESSION, other]);
  const { verbs } = started;
  const { backend } = started.helper;
  const { heard, kernel } = started.router;
  // The AC numbers per client MAC: the same SESSION_ID for both.
  const wan0 = backend.start(other);
  for (const each of [verbs, wan0]) {
    each.attach(KEY, 1492);
    each.gate(true);
  }
  started.fromAc(mac);
  started.fromAc(SESSION.mac);
  started.fromAc(Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 3));
  await started.pass(10);
  t.strictSame(started.told, [
    ['ppp', name, 0xc021, ECHO],
    ['ppp', 'wan0', 0xc021, ECHO],
  ]);
  verbs.sendPpp(0xc021, ECHO);
  wan0.sendPpp(0xc021, ECHO);
  t.strictSame(
    heard.map((frame) => toHex(frame.subarray(6, 12))),
    [SESSION.mac, mac].map(toHex),
  );
  wan0.gate(false);
  verbs.sendPpp(0xc021, ECHO);
  t.equal(heard.length, 3);

  // A configuration without the second: its place goes, the first's does not.
  backend.leave();
  const next = started.router.helper([SESSION]).backend;
  t.match(next.start(SESSION).inspect(), { attached: KEY });
  t.strictSame(
    kernel.madeNodes().filter((node) => node.includes('wan0')),
    [],
  );
  next.remove();
  t.strictSame(started.router.leftovers(), []);
});

t.test('freebsd › names may be as long as an interface lets them be', async (t) => {
  const router = await Router.make();
  const line = 'abcdefghijklm.9';
  router.kernel.addEther(line, new Uint8Array(6), () => {});
  const long = { ...SESSION, name: 'session.name.15', stub: 'x123456789abcde', interface: line };
  const { backend } = router.helper([long]);
  const verbs = backend.start(long);
  verbs.attach({ sessionId: 0xfffe, acMac: new Uint8Array(6).fill(0xfe) }, 1492);
  verbs.gate(true);
  backend.leave();
  const next = router.helper([long]).backend;
  t.match(next.start(long).inspect(), { attached: { sessionId: 0xfffe } });
  next.remove();
  t.strictSame(router.leftovers(), []);
});

t.test('freebsd › a second helper leaves the sessions of the first alone', async (t) => {
  const { router, helper, verbs } = await Started.make(t);
  verbs.attach(KEY, 1492);
  const mac = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 2);
  const { stub: _, ...rest } = SESSION;
  const other: SessionPolicy = { ...rest, name: 'wan0', mac };
  const second = router.helper([other]).backend;
  second.start(other);
  t.match(verbs.inspect(), { attached: KEY });
  second.remove();
  verbs.gate(true);
  verbs.sendPpp(0xc021, ECHO);
  t.equal(router.heard.length, 1);
  helper.backend.remove();
  t.strictSame(router.leftovers(), []);
});

t.test('freebsd › a VLAN has its node under another name', async (t) => {
  const router = await Router.make();
  router.kernel.addEther('igb0.35', new Uint8Array(6), () => {});
  const vlan = { ...SESSION, name: 'wan.35', interface: 'igb0.35' };
  const { backend } = router.helper([vlan]);
  const verbs = backend.start(vlan);
  verbs.attach(KEY, 1492);
  t.match(verbs.inspect(), { attached: KEY });
  backend.remove();
  t.strictSame(router.leftovers(), []);
});

t.test('freebsd › the line of a session may change', async (t) => {
  const started = await Started.make(t);
  const { router, helper, verbs } = started;
  verbs.attach(KEY, 1492);
  helper.backend.leave();
  const sent: Uint8Array[] = [];
  router.kernel.addEther('igb2', new Uint8Array(6), (frame) => sent.push(frame));
  const moved: SessionPolicy = { ...SESSION, interface: 'igb2' };
  const { backend } = router.helper([moved]);
  const after = backend.start(moved);
  t.match(after.inspect(), { attached: KEY, gateOpen: false });
  after.gate(true);
  after.sendPpp(0xc021, ECHO);
  t.equal(sent.length, 1);
  t.notOk(router.kernel.interfaces.get(LINE).pPromisc);
  backend.remove();
  t.strictSame(router.leftovers(), []);
});

t.test('freebsd › the kernel may lose a session to somebody else', async (t) => {
  const started = await Started.make(t);
  const { verbs } = started;
  const { backend } = started.helper;
  const { netgraph } = started.router.kernel;
  verbs.attach(KEY, 1492);
  const pppoe = netgraph.nodes().find(({ type }) => type === 'pppoe');
  const hook = pppoe?.hooks.find((each) => each.name !== 'ethernet');
  if (hook !== undefined) netgraph.disconnect(hook);
  await started.pass(10);
  t.strictSame(started.told, [['closed', name]]);
  t.match(verbs.inspect(), { attached: null, gateOpen: false });
  verbs.attach(KEY, 1492);
  t.match(verbs.inspect(), { attached: KEY });

  // To an adopted session's helper nobody says so.
  backend.leave();
  const next = new Started(started.router, [SESSION], {});
  t.teardown(() => next.helper.loop.close());
  const armed = pppoe?.hooks.find((each) => each.name !== 'ethernet');
  if (armed !== undefined) netgraph.disconnect(armed);
  await next.pass(1100);
  t.strictSame(next.told, [['closed', name]]);
});

t.test('freebsd › IPv6 › its address and its default route come and go', async (t) => {
  const { router, verbs } = await Started.make(t);
  const { routes, interfaces } = router.kernel;
  verbs.configure(SETTINGS);
  t.strictSame(interfaces.get(name).addresses6.map(toHex), ['fe800000000000000000000000000007']);
  verbs.route('session');
  const { index } = interfaces.get(name);
  t.equal(
    toHex(routes.default(0, 'AF_INET6') ?? new Uint8Array(0)),
    `fe80${index.toString(16).padStart(4, '0')}000000000101010101010101`,
  );
  verbs.route('partner');
  t.equal(routes.default(0, 'AF_INET6'), undefined);
  verbs.configure({ ...SETTINGS, interfaceIds: null });
  t.strictSame(interfaces.get(name).addresses6, []);
});

t.test(
  'freebsd › a session without IPv4 has the address and the route of IPv6 alone',
  async (t) => {
    const partnerAddress = Uint8Array.of(192, 168, 7, 3);
    for (const stub of [undefined, 'pppoe0x']) {
      const policy = { ...SESSION, partnerAddress, ...(stub === undefined ? {} : { stub }) };
      const { router, verbs } = await Started.make(t, [policy]);
      const { routes, interfaces } = router.kernel;
      verbs.configure({ ...SETTINGS, ourAddress: null, theirAddress: null });
      for (const each of [name, stub].filter((each) => each !== undefined))
        t.strictSame(interfaces.get(each).addresses, [], `${each} has no IPv4`);
      t.strictSame(interfaces.get(name).addresses6.map(toHex), [
        'fe800000000000000000000000000007',
      ]);
      verbs.route('partner');
      t.ok(routes.default(0), 'on the standby IPv4 leads to the partner');
      verbs.route('session');
      t.equal(routes.default(0), undefined, 'and nowhere on the router that holds the session');
      t.ok(routes.default(0, 'AF_INET6'));
      verbs.configure(SETTINGS);
      verbs.route('session');
      t.ok(routes.default(0), 'IPCP has opened late');
      verbs.configure({ ...SETTINGS, ourAddress: null, theirAddress: null });
      t.strictSame(interfaces.get(name).addresses, [], 'and has gone again');
      const neither = { ...SETTINGS, ourAddress: null, theirAddress: null, interfaceIds: null };
      verbs.configure(neither);
      t.throws(() => verbs.route('session'), { code: 'ENOTCONN' });
    }
  },
);

t.test('freebsd › a partner that has only an IPv6 address is a gateway all the same', async (t) => {
  const { partnerAddress: _, ...rest } = SESSION;
  const address = Uint8Array.of(0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3);
  const { router, verbs } = await Started.make(t, [
    { ...rest, partnerAddress6: { address, interface: LAN } },
  ]);
  const { routes } = router.kernel;
  verbs.route('partner');
  t.ok(routes.default(0, 'AF_INET6'));
  t.equal(routes.default(0), undefined);
  verbs.route('none');
  t.equal(routes.default(0, 'AF_INET6'), undefined);
});

t.test('freebsd › route › goes to the FIB of the session; too high a one is said', async (t) => {
  const fib = { ...SESSION, fib: 1 };
  const { router, verbs } = await Started.make(t, [fib]);
  verbs.configure(SETTINGS);
  t.throws(() => verbs.route('session'), {
    message: 'route pppoe0: EINVAL: is net.fibs so many',
  });
  router.kernel.routes.fibs = 2;
  verbs.route('session');
  t.ok(router.kernel.routes.isVia(1, SETTINGS.theirAddress));
  t.equal(router.kernel.routes.default(0), undefined);
});

t.test('freebsd › configure › again on a standby never brings the interface up', async (t) => {
  const { router, verbs } = await Started.make(t);
  const states: boolean[] = [];
  const settings = { ...SETTINGS, up: false };
  verbs.configure(settings);
  router.kernel.interfaces.changed = (_, { name: changed, isUp }) =>
    void (changed === name && states.push(isUp));
  verbs.configure(settings);
  t.notOk(states.includes(true));
  t.notOk(router.kernel.interfaces.get(name).isUp);
});

t.test('freebsd › demote › a record of what is not in force is not taken back', async (t) => {
  const { router, verbs } = await Started.make(t);
  const { carp } = router.kernel;
  carp.demotion = 100;
  t.equal(verbs.adoptDemotion?.(240), false, 'the sum is too small to hold ours');
  carp.demotion = 240 + 100;
  t.equal(verbs.adoptDemotion?.(240), true);
  verbs.demote(false);
  t.equal(carp.demotion, 100);
});

t.test('freebsd › frames that the kernel had to shed are counted', async (t) => {
  const started = await Started.make(t);
  const frame = concat(SESSION.mac, KEY.acMac, Uint8Array.of(0x88, 0x63), new Uint8Array(1486));
  for (let i = 0; i < 30; i++) started.router.inject(frame);
  await started.pass(1100);
  const dropped = started.told.find(([what]) => what === 'dropped');
  t.match(dropped, ['dropped', name, Number]);
});

t.test('freebsd › a session frame never carries what the AC says of another stage', async (t) => {
  const started = await Started.make(t);
  const { verbs } = started;
  verbs.attach(KEY, 1492);
  verbs.gate(true);
  const padt = Uint8Array.of(0x88, 0x63, 0x11, 0xa7, 0x12, 0x34, 0, 0);
  started.router.inject(concat(SESSION.mac, KEY.acMac, padt, new Uint8Array(40)));
  await started.pass(10);
  t.match(verbs.inspect(), { attached: KEY, gateOpen: true }, 'a PADT leaves the kernel cold');
  t.strictSame(
    started.router.heard.filter((frame) => be16(frame, 12) === 0x8863),
    [],
  );
  t.ok(started.router.kernel.interfaces.get(LAN).isUp);
});
