/** `fast_takeover_ms`: when a standby asks for the role, and all the times when it may not. */
import t from 'tap';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { Alarm } from '@ppp-thing/protocol/engine/owner/alarm';
import type { Action } from '@ppp-thing/protocol/engine/events';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import { CONFIG, HELD_BY_PARTNER, Router, story } from './router.js';

const SPAN = millis(300);
const FAST = { ...CONFIG, owner: { ...CONFIG.owner, fastTakeover: SPAN } };
const BEAT = SPAN / 5;

const claims = (actions: readonly Action[]): number =>
  actions.filter(({ kind }) => kind === 'claim').length;

/** A standby that is armed. */
function standby(config: SessionConfig = FAST): Router {
  const router = new Router(undefined, config);
  router.helperUp();
  router.hear();
  return router;
}

/** The partner lives for `span`, and shows it on these paths. @returns claims meanwhile */
function lives(
  router: Router,
  span: number,
  { heard = true, seen = true, message = {} } = {},
): number {
  let claimed = 0;
  for (let passed = 0; passed < span; passed += BEAT) {
    if (heard) claimed += claims(router.hear(message));
    if (seen)
      claimed += claims(router.feed({ kind: 'own-mac-heard', epoch: HELD_BY_PARTNER.epoch }));
    claimed += claims(router.pass(BEAT));
  }
  return claimed;
}

t.test('fast takeover › a partner that dies on both paths is replaced in time', async (t) => {
  const router = standby();
  t.equal(lives(router, 2000), 0);
  t.equal(claims(router.pass(SPAN - BEAT - 1)), 0);
  t.equal(claims(router.pass(2)), 1);
  t.equal(claims(router.pass(10_000)), 0, 'once');
  t.equal(router.state, 'Standby', 'the role is CARP’s');
  router.role('MASTER');
  t.equal(router.state, 'Holding');
});

t.test('fast takeover › off unless it is set', async (t) => {
  const router = standby(CONFIG);
  t.equal(lives(router, 2000), 0);
  t.equal(claims(router.pass(10_000)), 0);
});

t.test(
  'fast takeover › one path that lives is enough, and one alone proves no death',
  async (t) => {
    for (const path of [{ heard: false }, { seen: false }]) {
      const router = standby();
      lives(router, 2000);
      t.equal(lives(router, 5000, path), 0, JSON.stringify(path));
      t.equal(claims(router.pass(10_000)), 0, 'the other had fallen silent long before');
    }
    const never = standby();
    t.equal(lives(never, 5000, { seen: false }), 0);
    t.equal(claims(never.pass(10_000)), 0, 'it was never seen on the line');
  },
);

t.test('fast takeover › a path that is back counts again', async (t) => {
  const router = standby();
  lives(router, 2000);
  lives(router, 5000, { seen: false });
  lives(router, 500);
  t.equal(claims(router.pass(SPAN)), 1);
});

t.test('fast takeover › a process that was asleep waits once more', async (t) => {
  const router = standby();
  lives(router, 2000);
  router.now = (router.now + 2000) as Instant;
  t.equal(claims(router.feed({ kind: 'deadline' })), 0, 'what arrived meanwhile is not read yet');
  router.hear();
  router.feed({ kind: 'own-mac-heard', epoch: HELD_BY_PARTNER.epoch });
  t.equal(claims(router.pass(SPAN - 1)), 0);
  t.equal(claims(router.pass(2)), 1);
});

t.test('fast takeover › only a router that could take the session at once asks', async (t) => {
  const not: readonly [string, (router: Router) => void][] = [
    ['without carrier', (router) => router.feed({ kind: 'carrier', up: false })],
    ['without a helper', (router) => router.feed({ kind: 'helper-down' })],
    ['after the partner let go', (router) => router.hear({ open: false, role: 'BACKUP' })],
    ['without a role', (router) => router.role('INIT')],
    ['as MASTER', (router) => router.role('MASTER')],
  ];
  for (const [name, happens] of not) {
    const router = standby();
    lives(router, 2000);
    happens(router);
    t.equal(claims(router.pass(10_000)), 0, name);
  }
});

t.test('fast takeover › a refusal is no reason to ask again', async (t) => {
  const router = standby();
  lives(router, 2000);
  t.equal(claims(router.pass(SPAN)), 1);
  router.feed({ kind: 'failed', action: 'claim', code: 'EAGAIN', message: 'not long ago' });
  t.equal(claims(router.pass(10_000)), 0);
});

t.test('fast takeover › a holder shows on both paths that it lives', async (t) => {
  const router = standby();
  router.role('MASTER');
  router.echoReply();
  const said = story(router.pass(3000));
  const count = (what: RegExp): number => said.filter((each) => what.test(each)).length;
  t.ok(count(/^announce/) >= 45, `${count(/^announce/)} announce frames`);
  t.ok(count(/^tell/) >= 45, `${count(/^tell/)} datagrams`);
  const before = Router.holder();
  t.ok(
    story(before.pass(3000)).filter((each) => each.startsWith('tell')).length <= 4,
    'else as ever',
  );
});

t.test('fast takeover › a takeover announces itself once, before it asks the AC', async (t) => {
  const router = standby();
  const said = story(router.role('MASTER'));
  t.equal(said.filter((each) => each === 'announce').length, 1, said.join(', '));
  t.ok(said.indexOf('announce') < said.indexOf('LCP Echo-Request'), said.join(', '));
});

t.test(
  'alarm › nothing is said of a partner that was judged, until both paths show it',
  async (t) => {
    const alarm = new Alarm(SPAN);
    const at = (ms: number): Instant => ms as Instant;
    alarm.heard(at(0));
    alarm.seen(at(10));
    t.equal(alarm.over(at(310)), 'dead');
    t.equal(alarm.over(at(620)), 'unproven');
    alarm.seen(at(1000));
    t.equal(alarm.over(at(1300)), 'unproven');
    alarm.heard(at(1310));
    t.equal(alarm.over(at(1700)), 'unproven', 'the line fell silent long before');
  },
);
