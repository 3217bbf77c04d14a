import t from 'tap';
import type { Action } from '@ppp-thing/protocol/engine/events';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import { movedLease, type Lease } from '@ppp-thing/protocol/lease';
import type { Snapshot } from '@ppp-thing/protocol/session';
import { INFINITY, type Dhcp6Message } from '@ppp-thing/protocol/wire/dhcpv6';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { delegation, DUID, ip, SERVER, shown } from './dhcp6-world.ts';
import { CONFIG, FACTS, HELD_BY_PARTNER, HELD_BY_US, Router } from './router.ts';

const WITH_LEASE: SessionConfig = {
  ...CONFIG,
  link: { ...CONFIG.link, ipv6: true },
  dhcp6: { duid: DUID, iaid: 7, prefix: true, address: false },
};
const NOW_SECONDS = 1_700_000_001;
const LEASE: Lease = {
  duid: DUID,
  serverDuid: SERVER,
  iaid: 7,
  grantedAt: NOW_SECONDS,
  session: FACTS.startedAt,
  t1: 1800,
  t2: 2880,
  prefixes: [{ prefix: ip('2001:db8:ab00::'), length: 56, preferred: 3600, valid: 7200 }],
  addresses: [],
  former: [],
  dns: [],
  search: [],
  aftr: '',
};
const facts = {
  ...FACTS,
  interfaceIds: { ours: new Uint8Array(8).fill(1), theirs: new Uint8Array(8).fill(2) },
};
const OURS: Snapshot = { ...HELD_BY_US, facts, lease: LEASE };
const THEIRS: Snapshot = { ...HELD_BY_PARTNER, facts, lease: LEASE };

const kinds = (actions: readonly Action[]): string[] => actions.map(({ kind }) => kind);
const sent = (actions: readonly Action[]): Dhcp6Message[] =>
  actions.flatMap((action) => (action.kind === 'send-dhcp6' ? [action.message] : []));
const delegated = (actions: readonly Action[]): string[][] =>
  actions.flatMap((action) =>
    action.kind === 'delegate'
      ? [
          action.prefixes.map(
            ({ prefix, length, preferred }) => `${formatIpv6(prefix)}/${length} ${preferred}`,
          ),
        ]
      : [],
  );

/** A router that holds the session of `OURS`, adopted as after a restart of its supervisor. */
function holder(snapshot: Snapshot = OURS, config: SessionConfig = WITH_LEASE): Router {
  const router = new Router(snapshot, config);
  router.helperUp({ role: 'MASTER', attached: facts.key, gateOpen: true });
  router.hear({ snapshot, open: false, role: 'BACKUP', proven: false });
  router.echoReply();
  return router;
}

const reply = (message: Dhcp6Message, prefix = '2001:db8:ab00::'): Dhcp6Message => ({
  type: 'Reply',
  transactionId: message.transactionId,
  options: [
    { kind: 'clientId', duid: DUID },
    { kind: 'serverId', duid: SERVER },
    delegation({ prefix }),
  ],
});

t.test(
  'delegation › a standby has the LANs ready, and takes over without a word (R3, R1)',
  async (t) => {
    const router = new Router(THEIRS, WITH_LEASE);
    router.helperUp();
    const armed = router.hear({ snapshot: THEIRS });
    t.same(delegated(armed), [['2001:db8:ab00::/56 3600']]);
    const taken = router.role('MASTER');
    t.same(delegated(taken), [['2001:db8:ab00::/56 3600']]);
    t.same(sent(router.actions), []);
    router.echoReply();
    const since = router.actions.length;
    router.hear({
      snapshot: router.engine.ownerStatus(router.now).snapshot,
      open: false,
      role: 'BACKUP',
    });
    t.same(sent(router.actions.slice(since)), []);
    t.equal(router.engine.ownerStatus(router.now).snapshot.lease, LEASE);
  },
);

t.test(
  'delegation › the router that holds renews; it stores, and then the LANs hear of it (R5)',
  async (t) => {
    const router = holder();
    t.same(sent(router.actions), []);
    const passed: Action[] = [];
    for (let i = 0; i < 1810 && sent(passed).length === 0; i++) {
      passed.push(...router.pass(1000));
      router.hear({
        snapshot: router.engine.ownerStatus(router.now).snapshot,
        open: false,
        role: 'BACKUP',
      });
      router.echoReply();
    }
    const [renew] = sent(passed);
    t.equal(renew?.type, 'Renew');
    const answered = router.feed({ kind: 'dhcp6', message: reply(renew as Dhcp6Message) });
    const order = kinds(answered).filter((kind) => kind !== 'note');
    t.same(order, ['store', 'delegate', 'tell-partner']);
    const { snapshot } = router.engine.ownerStatus(router.now);
    t.ok((snapshot.lease?.grantedAt ?? 0) > NOW_SECONDS + 1700);
    t.ok(snapshot.generation > OURS.generation);
  },
);

const YEARS = 365 * 86_400;

for (const [name, ahead] of [
  ['from 1970', 40 * YEARS],
  ['back from the future', -40 * YEARS],
] as const) {
  const wallClockAtZero = (1_700_000_000 + ahead) * 1000;

  t.test(`delegation › a clock that is set, ${name}, costs the holder nothing`, async (t) => {
    const router = holder();
    const upFor = (span: number): Action[] =>
      Array.from({ length: span }, () => {
        const passed = router.pass(1000);
        router.echoReply();
        return passed;
      }).flat();
    upFor(1000);
    const set = router.feed({ kind: 'clock-set', wallClockAtZero });
    const { lease, generation } = router.engine.ownerStatus(router.now).snapshot;
    t.equal(lease?.grantedAt, LEASE.grantedAt + ahead);
    t.ok(generation > OURS.generation, 'a partner that does not know of clocks learns it too');
    t.same(delegated(set), [['2001:db8:ab00::/56 2600']], 'the LANs have what they had');
    const [first] = kinds(set).filter((kind) => kind !== 'note');
    t.equal(first, 'store');
    t.same(sent(upFor(798)), [], 'and is renewed when it would have been');
    t.equal(sent(upFor(4))[0]?.type, 'Renew');
  });

  t.test(`delegation › a clock that is set, ${name}, costs a standby nothing`, async (t) => {
    const router = new Router(THEIRS, WITH_LEASE);
    router.helperUp();
    router.hear({ snapshot: THEIRS });
    const set = router.feed({ kind: 'clock-set', wallClockAtZero });
    const { lease, generation, holder: owner } = router.engine.ownerStatus(router.now).snapshot;
    t.equal(lease?.grantedAt, LEASE.grantedAt + ahead);
    t.equal(generation, THEIRS.generation);
    t.equal(owner, THEIRS.holder);
    t.same(delegated(set), [['2001:db8:ab00::/56 3600']]);
    t.same(delegated(router.role('MASTER')), [['2001:db8:ab00::/56 3600']]);
    t.same(sent(router.actions), []);
  });
}

t.test(
  'delegation › a lease of the far future counts from now once the clock is set',
  async (t) => {
    const late = { ...LEASE, grantedAt: 253_402_300_799 };
    const router = new Router({ ...THEIRS, lease: late }, WITH_LEASE);
    router.helperUp();
    router.feed({ kind: 'clock-set', wallClockAtZero: 1_800_000_000_000 });
    t.equal(router.engine.ownerStatus(router.now).snapshot.lease?.grantedAt, 1_800_000_001);
  },
);

t.test('delegation › a lease of before 1970, by our clock, ends when it would have ended', (t) => {
  const early: Lease = {
    ...LEASE,
    grantedAt: 3000,
    former: [{ prefix: ip('2001:db8:cc00::'), length: 56, valid: 600 }],
  };
  const moved = movedLease(early, -4_000_000);
  t.match(moved, { grantedAt: 0, t1: 800, t2: 1880, prefixes: [{ preferred: 2600, valid: 6200 }] });
  t.same(moved.former[0]?.valid, 0);
  t.same(movedLease({ ...early, t1: INFINITY }, -4_000_000).t1, INFINITY);
  t.end();
});

t.test('delegation › a full disk at a Renew costs the session nothing', async (t) => {
  const router = holder();
  const passed: Action[] = [];
  for (let i = 0; i < 1810 && sent(passed).length === 0; i++) {
    passed.push(...router.pass(1000));
    router.echoReply();
  }
  const [renew] = sent(passed);
  router.feed({ kind: 'dhcp6', message: reply(renew as Dhcp6Message) });
  router.feed({ kind: 'failed', action: 'store', code: 'ENOSPC', message: 'no space left' });
  const asked = router.feed({
    kind: 'ppp',
    packet: {
      protocol: 'LCP',
      packet: {
        code: 'Echo-Request',
        identifier: 9,
        magic: facts.theirMagic,
        data: new Uint8Array(0),
      },
    },
  });
  t.ok(kinds(asked).includes('send-ppp'), 'the AC is answered');
  const again = kinds(router.pass(1000)).filter((kind) => kind !== 'note');
  t.ok(again.includes('store'), 'the lease is stored again');
  t.notOk(again.includes('attach'), 'and the session is left alone');
});

t.test(
  'delegation › T1 that fell due while nobody held is served by the next holder',
  async (t) => {
    const old = { ...LEASE, grantedAt: NOW_SECONDS - 2000 };
    const router = new Router({ ...THEIRS, lease: old }, WITH_LEASE);
    router.helperUp();
    router.hear({ snapshot: { ...THEIRS, lease: old } });
    router.pass(2000);
    t.same(sent(router.actions), [], 'not by a standby');
    const taken = router.role('MASTER');
    t.same(
      sent(taken).map(({ type }) => type),
      ['Renew'],
    );
  },
);

t.test('delegation › disconnect releases, and then ends the session', async (t) => {
  const router = holder();
  const first = router.feed({ kind: 'admin', verb: 'disconnect' });
  const [release] = sent(first);
  t.equal(release?.type, 'Release');
  t.notOk(kinds(first).includes('send-ppp'), 'the session carries the Release');
  const then = router.feed({ kind: 'dhcp6', message: reply(release as Dhcp6Message) });
  t.ok(kinds(then).includes('send-ppp'), 'Terminate-Request');
  t.equal(router.engine.ownerStatus(router.now).snapshot.lease, null);
  t.same(delegated(then), [[]], 'the LANs have nothing more');
  const silent = holder();
  silent.feed({ kind: 'admin', verb: 'disconnect' });
  t.ok(kinds(silent.pass(3100)).includes('send-ppp'), 'a server that is silent delays it by 3 s');
});

t.test(
  'delegation › nothing else releases: handoff, loss of the role, helper or partner (R3)',
  async (t) => {
    for (const act of [
      (router: Router) => router.feed({ kind: 'admin', verb: 'handoff' }),
      (router: Router) => router.role('BACKUP'),
      (router: Router) => router.feed({ kind: 'helper-down' }),
      (router: Router) => router.feed({ kind: 'session-closed' }),
      (router: Router) => router.hear({ snapshot: { ...THEIRS, epoch: 99 } }),
      (router: Router) => router.feed({ kind: 'admin', verb: 'reconnect' }),
    ]) {
      const router = holder();
      act(router);
      router.pass(30_000);
      t.notOk(sent(router.actions).some(({ type }) => type === 'Release'));
      t.same(shown(router.engine.ownerStatus(router.now).snapshot.lease), ['2001:db8:ab00::/56']);
    }
  },
);

t.test(
  'delegation › a partner that knows no leases takes none away; a wrong clock makes none longer',
  async (t) => {
    const router = new Router(THEIRS, WITH_LEASE);
    router.helperUp();
    const { lease: _, ...older } = THEIRS;
    router.hear({ snapshot: { ...older, epoch: 50 } });
    const learnt = router.engine.ownerStatus(router.now).snapshot;
    t.equal(learnt.epoch, 50);
    t.equal(learnt.lease, LEASE);
    const ahead = { ...LEASE, grantedAt: NOW_SECONDS + 90_000 };
    router.hear({ snapshot: { ...THEIRS, epoch: 51, lease: ahead } });
    t.equal(router.engine.ownerStatus(router.now).snapshot.lease?.grantedAt, NOW_SECONDS);
    router.hear({ snapshot: { ...THEIRS, epoch: 52, lease: null } });
    t.equal(router.engine.ownerStatus(router.now).snapshot.lease, null);
  },
);

t.test(
  'delegation › a refused LAN is tried again in half a minute, and nothing else waits',
  async (t) => {
    const router = holder();
    const failed = {
      kind: 'failed',
      action: 'delegate',
      code: 'ENXIO',
      message: 'no igb9',
    } as const;
    t.notOk(kinds(router.feed(failed)).includes('attach'));
    t.same(delegated(router.pass(2000)), []);
    t.equal(delegated(router.pass(29_000)).length, 1);
  },
);

t.test('delegation › what the helper refuses for ever is one warning', async (t) => {
  const router = holder();
  const refused = (message: string): void => {
    router.feed({ kind: 'failed', action: 'delegate', code: 'EPERM', message });
    router.pass(30_000);
  };
  const warnings = (): number =>
    router.actions.filter(
      (action) =>
        action.kind === 'note' &&
        action.note.on === 'delegate failed' &&
        action.note.level === 'warn',
    ).length;
  for (let i = 0; i < 20; i++) refused('fd00:1::/56 is not within delegated_within');
  t.equal(warnings(), 1);
  refused('fd00:2::/56 is not within delegated_within');
  t.equal(warnings(), 2, 'another prefix is news');
});

t.test('delegation › without it in the configuration nothing of it is said or lost', async (t) => {
  const router = new Router(THEIRS, CONFIG);
  router.helperUp();
  router.hear({ snapshot: THEIRS });
  router.role('MASTER');
  router.echoReply();
  router.pass(60_000);
  t.same(delegated(router.actions), []);
  t.same(sent(router.actions), []);
  t.equal(router.engine.ownerStatus(router.now).snapshot.lease, LEASE, 'it goes back as it came');
  t.equal(router.engine.status(router.now).dhcp6, undefined);
});

t.test('delegation › a lease ends without a session, and on a standby, as with one', async (t) => {
  const routers: Record<string, Router> = {
    'no session, and the AC is silent': new Router({ ...OURS, facts: null }, WITH_LEASE),
    standby: new Router(THEIRS, WITH_LEASE),
  };
  for (const [what, router] of Object.entries(routers)) {
    router.helperUp({ role: what === 'standby' ? 'BACKUP' : 'MASTER' });
    const shown = (): unknown => router.engine.ownerStatus(router.now).snapshot.lease?.prefixes;
    router.pass(70_000);
    t.match(shown(), [{ length: 56 }], what);
    t.same(delegated(router.pass(7_120_000)), [], what);
    t.same(delegated(router.pass(20_000)), [[]], `${what}: once, and then nothing is left`);
    t.equal(shown(), undefined);
    t.equal(router.engine.ownerStatus(router.now).snapshot.lease, null);
  }
});

t.test('delegation › a clock that is behind since the boot makes no lease longer', async (t) => {
  const lease = { ...LEASE, grantedAt: NOW_SECONDS + 5 * 3600 };
  const router = holder({ ...OURS, lease });
  t.same(delegated(router.actions), [['2001:db8:ab00::/56 3600']]);
  const passed: Action[] = [];
  for (let i = 0; i < 1810 && sent(passed).length === 0; i++) {
    passed.push(...router.pass(1000));
    router.echoReply();
  }
  t.match(sent(passed), [{ type: 'Renew' }], 'and it is renewed in time');
});
