/**
 * A dial beside a partner: how long the watchdog waits for one that advances, and what becomes of a session that opened
 * while CARP moved the role.
 */
import t from 'tap';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import type { Instant } from '@ppp-thing/protocol/time';
import { CONFIG, FACTS, isEchoRequest, PARTNER, Router, story, US } from './router.ts';
import { AC_MAC, ScriptedAc, type Sent, type Temperament } from './scripted-ac.ts';

const NOTHING_YET: Snapshot = { epoch: 41, generation: 0, holder: PARTNER, facts: null };
const STANDING_BY = { role: 'BACKUP', open: false, proven: false } as const;

/** A router that is told MASTER, its AC, and a partner that stands by. */
class Dial {
  readonly router = new Router();
  readonly ac: ScriptedAc;
  /** Milliseconds that an answer takes, by what is answered; undefined: there is none. */
  delay: (sent: Sent) => number | undefined = () => 5;
  readonly #due: { readonly at: number; readonly event: Event }[] = [];
  readonly #start: Instant;

  constructor(temperament: Partial<Temperament> = {}) {
    this.ac = new ScriptedAc({ password: 'secret1', ipv6: false, ...temperament });
    this.router.helperUp();
    this.router.hear({ ...STANDING_BY, snapshot: NOTHING_YET });
    this.#start = this.router.now;
  }

  get snapshot(): Snapshot {
    return this.router.engine.status(this.router.now).snapshot;
  }

  get elapsed(): number {
    return this.router.now - this.#start;
  }

  master(): void {
    this.#did(this.router.role('MASTER'));
  }

  hear(message: Partial<PartnerMessage> = {}): void {
    this.#did(this.router.hear({ ...STANDING_BY, snapshot: this.snapshot, ...message }));
  }

  /** Time passes; the partner is heard each second. @returns when the router was demoted, ms since the start */
  pass(ms: number): number | undefined {
    let demotedAt: number | undefined;
    for (let i = 0; i < ms / 50; i++) {
      const before = this.router.actions.length;
      this.#did(this.router.pass(50));
      for (const event of this.ac.expire(this.router.now)) this.#did(this.router.feed(event));
      const due = this.#due.filter(({ at }) => at <= this.router.now);
      for (const each of due) {
        this.#due.splice(this.#due.indexOf(each), 1);
        this.#did(this.router.feed(each.event));
      }
      if (i % 20 === 0) this.hear();
      if (story(this.router.actions.slice(before)).includes('demote')) demotedAt ??= this.elapsed;
    }
    return demotedAt;
  }

  #did(actions: readonly Action[]): void {
    for (const action of actions) {
      if (action.kind !== 'send-discovery' && action.kind !== 'send-ppp') continue;
      const delay = this.delay(action);
      if (delay === undefined) continue;
      const events = this.ac.answer(action, this.router.now);
      this.#due.push(...events.map((event) => ({ at: this.router.now + delay, event })));
    }
  }
}

const isSent = (sent: Sent, protocol: string, code?: string): boolean =>
  sent.kind === 'send-ppp' &&
  sent.packet.protocol === protocol &&
  (code === undefined || ('packet' in sent.packet && sent.packet.packet.code === code));

const isCode = (sent: Sent, code: string): boolean =>
  sent.kind === 'send-discovery' && sent.packet.code === code;

// --- the watchdog ------------------------------------------------------------------------------------------------

const SLOW: readonly (readonly [string, Partial<Temperament>, (sent: Sent) => number])[] = [
  ['that listens late', { pppDelay: 12_000 }, () => 5],
  ['whose RADIUS server takes 15 s', {}, (sent) => (isSent(sent, 'CHAP', 'Response') ? 15_000 : 5)],
  ['that takes 4 s for each answer of the Discovery Stage', { pppDelay: 5000 }, slowDiscovery],
  ['that takes 2.5 s for every answer', {}, () => 2500],
];

function slowDiscovery(sent: Sent): number {
  return sent.kind === 'send-discovery' ? 4000 : 5;
}

for (const [what, temperament, delay] of SLOW)
  t.test(`watchdog › a dial to an AC ${what} is not down while it advances`, async (t) => {
    const dial = new Dial(temperament);
    dial.delay = delay;
    dial.master();
    t.equal(dial.pass(40_000), undefined, 'never demoted');
    t.ok(dial.router.engine.status(dial.router.now).proven, 'and the session is up');
  });

t.test(
  'watchdog › silence, and an AC that never confirms, are down after ten seconds',
  async (t) => {
    const silent = new Dial();
    silent.delay = () => undefined;
    silent.master();
    const silentAt = silent.pass(20_000) ?? Infinity;
    t.ok(silentAt > 9900 && silentAt < 10_200, `no PADO: after ${silentAt} ms`);
    const deaf = new Dial();
    deaf.delay = (sent) => (isCode(sent, 'PADI') ? 5 : undefined);
    deaf.master();
    const deafAt = deaf.pass(30_000) ?? Infinity;
    t.ok(deafAt < 12_000, `no PADS: after ${deafAt} ms`);
  },
);

t.test('watchdog › a dial that has failed late is the last before the partner’s try', async (t) => {
  const dial = new Dial();
  dial.delay = (sent) => (isSent(sent, 'CHAP', 'Response') ? undefined : 5);
  dial.master();
  const at = dial.pass(60_000) ?? Infinity;
  t.ok(at > 29_000 && at < 36_000, `after ${at} ms, when the phase was over`);
});

t.test('watchdog › an AC that begins anew for ever does not hold the role for ever', async (t) => {
  const dial = new Dial();
  // LCP is begun anew instead of a Success, and so no phase comes to its limit.
  dial.delay = (sent) => (isSent(sent, 'CHAP', 'Response') ? undefined : 5);
  dial.master();
  const { actions } = dial.router;
  const begun = actions.length;
  while (!story(actions.slice(begun)).includes('demote') && dial.elapsed < 200_000) {
    dial.pass(15_000);
    for (const packet of dial.ac.forgets(dial.router.now))
      dial.router.feed({ kind: 'ppp', packet });
  }
  t.ok(dial.elapsed >= 60_000 && dial.elapsed <= 75_000, `after ${dial.elapsed} ms`);
});

t.test(
  'watchdog › a line without carrier is down at once, whatever the dial has reached',
  async (t) => {
    const dial = new Dial({ pppDelay: 12_000 });
    dial.master();
    dial.pass(5000);
    t.ok(story(dial.router.feed({ kind: 'carrier', up: false })).includes('demote'));
  },
);

// --- what the partner takes --------------------------------------------------------------------------------------

/** A router whose dial has just opened a session of its own epoch, 42. */
function opened(): Dial {
  const dial = new Dial();
  dial.master();
  dial.pass(2000);
  return dial;
}

const IGNORANT: Snapshot = { epoch: 43, generation: 0, holder: PARTNER, facts: null };

t.test('a session that opened as both routers started › is kept through their tie', async (t) => {
  const dial = opened();
  const { router, snapshot } = dial;
  t.not(snapshot.facts, null);
  router.actions.length = 0;
  // CARP had made the partner MASTER for a moment: it took from the same epoch, sent a PADI, and stepped down.
  const tied = { ...STANDING_BY, snapshot: { ...IGNORANT, epoch: snapshot.epoch } };
  router.hear(tied);
  router.hear(tied);
  t.equal(router.state, 'Holding');
  t.same(dial.snapshot.facts?.key, snapshot.facts?.key);
  dial.pass(2000);
  t.notOk(story(router.actions).includes('PADI'));
});

t.test(
  'a session that opened as CARP moved › is kept for the partner that did not know',
  async (t) => {
    const dial = opened();
    const { router } = dial;
    const { facts } = dial.snapshot;
    t.not(facts, null);
    router.role('BACKUP');
    const words = story(router.hear({ snapshot: IGNORANT, proven: false }));
    t.same(dial.snapshot, { ...IGNORANT, facts });
    t.equal(words[0], 'store 43');
    t.ok(words.includes('attach autoOpen'));
    t.ok(words.includes('tell-partner'), 'who learns of it thus');
    router.role('MASTER');
    t.match(dial.snapshot, { epoch: 44, holder: US, facts });
  },
);

t.test('a session that opened as CARP moved › is kept before the BACKUP edge, too', async (t) => {
  const dial = opened();
  const { facts } = dial.snapshot;
  const words = story(dial.router.hear({ snapshot: IGNORANT, proven: false }));
  t.equal(words[0], 'gate closed', 'the higher epoch keeps the line (R9)');
  t.equal(dial.router.state, 'Fenced');
  t.same(dial.snapshot.facts, facts);
});

t.test('a session that the partner ended, or came long after › is not kept', async (t) => {
  for (const snapshot of [
    { ...IGNORANT, generation: 1 },
    { ...IGNORANT, epoch: 44 },
  ]) {
    const dial = opened();
    dial.router.role('BACKUP');
    dial.router.hear({ snapshot, proven: false });
    t.equal(dial.snapshot.facts, null);
  }
  const second = Router.holder();
  second.role('BACKUP');
  second.hear({ snapshot: { ...IGNORANT, facts: { ...FACTS, startedAt: 1 } } });
  t.equal(second.engine.status(second.now).snapshot.facts?.startedAt, 1);
});

/** A router that takes in epoch 42 while its partner dials in epoch 41. */
function takesFromADialler(): { router: Router; words: readonly string[] } {
  const router = new Router();
  router.helperUp();
  router.hear({ ...STANDING_BY, snapshot: NOTHING_YET });
  router.hear({ snapshot: NOTHING_YET, proven: false });
  return { router, words: story(router.role('MASTER')) };
}

const LATE: Snapshot = { ...NOTHING_YET, generation: 1, facts: FACTS };

for (const [what, snapshot] of [
  ['its last message', LATE],
  ['its answer', { epoch: 42, generation: 0, holder: US, facts: FACTS }],
] as const)
  t.test(`taking from a partner that dials › resumes the session of ${what}`, async (t) => {
    const { router, words } = takesFromADialler();
    t.notOk(words.includes('PADI'), 'it has a moment to say how its dial ended');
    const late = router.hear({ ...STANDING_BY, snapshot });
    t.same(
      story(late),
      [
        'store 42',
        'attach autoOpen',
        'gate open',
        'announce',
        'LCP Echo-Request',
        'configure up',
        'route session',
        'tell-partner',
      ].filter((word) => word !== 'announce' || story(late).includes(word)),
    );
    t.match(router.engine.status(router.now).snapshot, { epoch: 42, generation: 1, holder: US });
    t.notOk(story(router.pass(5000)).includes('PADI'));
  });

t.test('taking from a partner that dials › dials once it has stopped, or is silent', async (t) => {
  const stopped = takesFromADialler().router;
  t.ok(story(stopped.hear({ ...STANDING_BY, snapshot: NOTHING_YET })).includes('PADI'));
  const silent = takesFromADialler().router;
  t.notOk(story(silent.pass(900)).includes('PADI'));
  t.ok(story(silent.pass(200)).includes('PADI'));
});

t.test(
  'taking from a partner that dials › without a helper there is nothing to wait for',
  async (t) => {
    const { router } = takesFromADialler();
    t.equal(router.state, 'Holding');
    router.feed({ kind: 'helper-down' });
    const before = router.actions.length;
    // It throws if the engine asks for the same instant again and again.
    router.pass(60_000);
    const dials = (): number =>
      router.actions.slice(before).filter(({ kind }) => kind === 'send-discovery').length;
    t.equal(dials(), 0, 'nothing is said to be sent');
    router.helperUp({ role: 'MASTER' });
    router.pass(2000);
    t.ok(dials() > 0, 'the helper that comes back is told to dial');
  },
);

t.test('taking from a partner that dials › an old datagram revives no session', async (t) => {
  const router = new Router();
  router.helperUp();
  const ended = { ...NOTHING_YET, generation: 2 };
  router.hear({ ...STANDING_BY, snapshot: ended });
  t.ok(story(router.role('MASTER')).includes('PADI'));
  t.notOk(story(router.hear({ ...STANDING_BY, snapshot: LATE })).includes('store 42'));
});

t.test('taking from a partner that dials › a dial that has its own session goes on', async (t) => {
  const dial = new Dial({ pppDelay: 3000 });
  dial.master();
  dial.pass(1000);
  dial.hear({ snapshot: LATE });
  t.equal(dial.snapshot.facts, null);
  dial.pass(5000);
  t.same(dial.snapshot.facts?.key.acMac, AC_MAC);
  t.equal(dial.snapshot.facts?.key.sessionId, 0x1234);
  t.ok(dial.router.engine.status(dial.router.now).proven);
});

t.test('a session that is known to have ended › is no ignorance', async (t) => {
  const router = Router.standby();
  router.hear({ ...STANDING_BY });
  router.feed({
    kind: 'discovery',
    source: FACTS.key.acMac,
    packet: { code: 'PADT', sessionId: FACTS.key.sessionId, tags: [] },
  });
  router.role('MASTER');
  t.match(router.engine.status(router.now).snapshot, { epoch: 42, generation: 1, facts: null });
  t.equal(CONFIG.owner.routerId, US);
});

t.test('Identifiers › a taker begins far from those that its partner used last', async (t) => {
  const router = new Router();
  router.helperUp();
  const used = { ...FACTS, identifiers: { ...FACTS.identifiers, lcp: 200 } };
  router.hear({ snapshot: { ...NOTHING_YET, facts: used } });
  const taken = router.role('MASTER').find(isEchoRequest);
  t.equal(taken?.packet.packet.identifier, (200 + 129) & 0xff);
  router.pass(1100);
  const sent = router.actions.filter(isEchoRequest).map(({ packet }) => packet.packet.identifier);
  const told = router.actions.filter((action) => action.kind === 'tell-partner').at(-1);
  const last = told?.message.snapshot.facts?.identifiers.lcp ?? -1;
  t.ok(sent.indexOf(last) > 0, 'and tells the partner its own as it goes on');
});

t.test('Identifiers › a take that the disk refuses begins where it began', async (t) => {
  const router = new Router();
  router.helperUp();
  router.hear({ snapshot: { ...NOTHING_YET, facts: FACTS } });
  const begun = router.role('MASTER').find(isEchoRequest)?.packet.packet.identifier;
  for (let i = 0; i < 3; i++) {
    router.feed({ kind: 'failed', action: 'store', code: 'ENOSPC', message: 'full' });
    const again = router.pass(1000).find(isEchoRequest);
    t.equal(again?.packet.packet.identifier, begun, 'nothing of the try before was sent');
  }
});

// --- a router that returns while its partner dials ---------------------------------------------------------------

const DIALS = { role: 'MASTER', open: true, proven: false, snapshot: NOTHING_YET } as const;

t.test('returning › a router stays demoted until its partner’s dial has ended', async (t) => {
  for (const ended of [
    { ...DIALS, proven: true, snapshot: LATE },
    { ...DIALS, healthy: false },
    { ...STANDING_BY, snapshot: NOTHING_YET },
  ]) {
    const router = new Router();
    t.ok(story(router.helperUp()).includes('demote'));
    for (let i = 0; i < 4; i++) {
      router.hear(DIALS);
      router.pass(1000);
    }
    t.same(router.engine.status(router.now).demoted, ['hold-down']);
    t.ok(story(router.hear(ended)).includes('promote'));
    t.equal(router.engine.status(router.now).state, 'Standby');
  }
});

t.test('returning › it does not wait for longer than the hold-down, nor as MASTER', async (t) => {
  const router = new Router();
  router.helperUp();
  for (let i = 0; i * 1000 < CONFIG.owner.holdDown + 1000; i++) {
    router.hear(DIALS);
    router.pass(1000);
  }
  t.match(router.engine.status(router.now), { state: 'Standby', demoted: [] });
  const master = new Router();
  master.helperUp({ role: 'MASTER' });
  master.hear(DIALS);
  t.equal(master.engine.status(master.now).state, 'Fenced');
});

// --- a dial that is left unfinished ------------------------------------------------------------------------------

/** A router whose dial has a session that is not up: the AC keeps it waiting for LCP. */
function halfMade(): Dial {
  const dial = new Dial({ pppDelay: 30_000 });
  dial.master();
  dial.pass(1000);
  return dial;
}

const GIVEN = { sessionId: 0x1234, acMac: AC_MAC };
const isPadt = (action: Action): boolean =>
  action.kind === 'send-discovery' &&
  action.packet.code === 'PADT' &&
  action.packet.sessionId === GIVEN.sessionId &&
  action.destination === GIVEN.acMac;

t.test('a half-made session › is stored and told behind the first frame of the dial', async (t) => {
  const { router, snapshot } = halfMade();
  t.same(snapshot.halfMade, GIVEN);
  const words = story(router.actions);
  const order = words.slice(words.indexOf('attach autoOpen'));
  t.same(order.slice(0, 5), [
    'attach autoOpen',
    'gate open',
    'LCP Configure-Request',
    'store 42',
    'tell-partner',
  ]);
});

t.test(
  'a half-made session › is ended by the router that takes over, before it dials',
  async (t) => {
    const { snapshot } = halfMade();
    const taker = new Router();
    taker.helperUp();
    taker.hear({ ...STANDING_BY, snapshot });
    const actions = [...taker.role('MASTER'), ...taker.pass(5000)];
    t.equal(actions.filter(isPadt).length, 1, 'one PADT');
    const words = story(actions);
    t.ok(words.indexOf('store 43') < words.indexOf('PADT'), 'in an epoch of its own (R5)');
    t.ok(words.indexOf('PADT') < words.indexOf('PADI'));
    const { snapshot: now } = taker.engine.status(taker.now);
    t.notOk(now.halfMade, 'and is forgotten');
  },
);

t.test('a half-made session › is ended by its own router, too, after any restart', async (t) => {
  const { snapshot } = halfMade();
  const restarted = new Router(snapshot);
  const attached = { ...GIVEN, ourMac: FACTS.key.ourMac };
  restarted.helperUp({ role: 'MASTER', attached, gateOpen: true });
  const supervisor = restarted.pass(6000);
  t.equal(supervisor.filter(isPadt).length, 1, 'of the supervisor');
  t.ok(story(supervisor).includes('PADI'));
  const { router } = halfMade();
  t.same(router.feed({ kind: 'helper-down' }).filter(isPadt), []);
  const helper = router.helperUp({ role: 'MASTER', attached, gateOpen: true });
  t.equal(helper.filter(isPadt).length, 1, 'of the helper');
});

t.test('a half-made session › is nobody’s to end while its dial goes on, or after', async (t) => {
  const dial = halfMade();
  t.same(dial.router.role('BACKUP').filter(isPadt), [], 'not at the move (R3)');
  t.same(dial.snapshot.halfMade, GIVEN, 'which the partner is told');
  const complete = opened();
  t.notOk(complete.snapshot.halfMade, 'it came up');
  t.same(complete.router.actions.filter(isPadt), []);
  const failed = new Dial({ password: 'other' });
  failed.master();
  failed.pass(500);
  t.equal(failed.snapshot.facts, null);
  t.notOk(failed.snapshot.halfMade, 'it failed');
  t.equal(failed.router.actions.filter(isPadt).length, 1, 'and was ended, once');
});

t.test('a half-made session › that came up unheard is resumed, not ended', async (t) => {
  const snapshot = { ...halfMade().snapshot, holder: PARTNER };
  const taker = new Router();
  taker.helperUp();
  taker.hear({ open: true, proven: false, snapshot });
  t.same(taker.role('MASTER').filter(isPadt), [], 'its holder has a moment to say so');
  const { halfMade: _, ...rest } = snapshot;
  const told = { ...rest, generation: snapshot.generation + 1, facts: FACTS };
  t.ok(story(taker.hear({ ...STANDING_BY, snapshot: told })).includes('LCP Echo-Request'));
  t.notOk(taker.engine.status(taker.now).snapshot.halfMade);
  t.same(taker.pass(3000).filter(isPadt), []);
});

t.test('a half-made session › is ended when the line is no longer contested', async (t) => {
  const { snapshot } = halfMade();
  const taker = new Router({ ...snapshot, holder: PARTNER });
  taker.helperUp();
  taker.pass(3100);
  taker.feed({ kind: 'own-mac-heard', epoch: snapshot.epoch });
  taker.feed({ kind: 'carrier', up: true });
  const actions = [...taker.pass(120_000), ...taker.role('MASTER'), ...taker.pass(6000)];
  t.ok(story(actions).includes('PADI'));
  t.equal(actions.filter(isPadt).length, 1);
});
