/** Ownership: the table, and what its acts amount to in order. The link's own conversations are tested elsewhere. */
import * as fc from 'fast-check';
import t from 'tap';
import type { Action, Event, Note } from '@ppp-thing/protocol/engine/events';
import { OWNERSHIP, stepOwner } from '@ppp-thing/protocol/engine/owner/ownership';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { anyHistory, type History } from './histories.ts';
import { CONFIG, FACTS, HELD_BY_PARTNER, HELD_BY_US, PARTNER, Router, story } from './router.js';

/** The lines of the log about `on`. */
const said = (on: string, actions: readonly Action[]): Note[] =>
  actions.flatMap((action) =>
    action.kind === 'note' && action.note.on === on ? [action.note] : [],
  );

t.test('ownership › every cell of the table is a step or a refusal', async (t) => {
  for (const [event, row] of Object.entries(OWNERSHIP)) {
    for (const [state, cell] of Object.entries(row)) {
      const step = stepOwner(state as keyof typeof row, event as keyof typeof OWNERSHIP);
      if (cell === 'refuse') t.equal(step, undefined, `${state} × ${event}`);
      else if (cell === '-') t.same(step, { acts: [], next: state });
      else t.equal([step?.acts.join(','), step?.next].filter(Boolean).join('/'), cell);
    }
  }
});

t.test(
  'Waiting › a router that has not heard its partner is demoted and silent (R10)',
  async (t) => {
    const router = new Router();
    t.same(story(router.helperUp({ role: 'MASTER' })), ['demote', 'tell-partner', 'demote']);
    t.equal(router.state, 'Waiting');
    t.same(story(router.hear()).slice(0, 3), ['store 41', 'promote', 'attach autoOpen']);
  },
);

t.test('Waiting › the hold-down ends without a partner, and a MASTER takes', async (t) => {
  const router = new Router(HELD_BY_PARTNER);
  router.helperUp({ role: 'MASTER' });
  t.notMatch(story(router.pass(4900)), /gate open/);
  const actions = story(router.pass(200));
  t.match(actions, ['promote']);
  t.ok(actions.includes('gate open'));
  t.equal(router.state, 'Holding');
});

t.test(
  'Waiting › a MASTER at start asks for no route via its partner, which is EPERM',
  async (t) => {
    const alone = { ...CONFIG, owner: { ...CONFIG.owner, hasPartner: false } };
    const viaPartner = ({ actions }: Router): boolean =>
      actions.some((action) => action.kind === 'route' && action.via === 'partner');
    for (const stored of [NO_SNAPSHOT, HELD_BY_US, HELD_BY_PARTNER])
      for (const config of [alone, CONFIG]) {
        const router = new Router(stored, config);
        router.helperUp({ role: 'MASTER' });
        if (config === CONFIG) router.hear({ role: 'BACKUP', open: true, proven: true });
        router.pass(6000);
        t.equal(router.state, 'Holding');
        t.notOk(viaPartner(router), `holder ${stored.holder}, partner ${config !== alone}`);
      }
  },
);

t.test('Standby › without a gateway for it nothing is routed via the partner', async (t) => {
  const owner = { ...CONFIG.owner, routesViaPartner: false };
  const router = new Router(HELD_BY_PARTNER, { ...CONFIG, owner });
  router.helperUp();
  router.hear();
  t.equal(router.state, 'Standby');
  router.pass(2000);
  t.notOk(story(router.actions).includes('route partner'));
  t.ok(story(router.actions).includes('route none'));
});

t.test('Standby › what the kernel refuses every second is logged once', async (t) => {
  const router = Router.standby();
  const refusal = { kind: 'failed', action: 'route', code: 'ENETUNREACH', message: 'x' } as const;
  const refuse = (): readonly Action[] => router.feed(refusal);
  t.match(said('route failed', refuse()), [{ level: 'warn' }]);
  for (let i = 0; i < 5; i++) {
    t.ok(story(router.pass(1000)).includes('route partner'), 'asked again');
    t.match(said('route failed', refuse()), [{ level: 'debug' }]);
    router.hear();
  }
  const other = router.feed({ ...refusal, code: 'EINVAL' });
  t.match(said('route failed', other), [{ level: 'warn' }], 'another reason is news');
  for (let i = 0; i < 3; i++) router.pass(1000);
  t.match(said('route failed', refuse()), [{ level: 'warn' }], 'and so is one that was away');
});

t.test('Redialling › the log says which of his commands the operator gave', async (t) => {
  for (const [verb, words] of [
    ['reconnect', 'reconnect by the operator'],
    ['disconnect', 'disconnected by the operator'],
  ] as const) {
    const router = Router.holder();
    const actions = [...router.feed({ kind: 'admin', verb }), ...router.pass(15_000)];
    t.match(said(words, actions), [{ machine: 'link', to: 'Terminate' }, { machine: 'link' }, {}]);
    t.equal(
      actions
        .flatMap((each) => (each.kind === 'note' ? each.note.on : []))
        .filter((on) => on.endsWith(' by the operator') && on !== words).length,
      0,
    );
  }
});

t.test(
  'Waiting › a MASTER at start stands back from a partner that is open and MASTER',
  async (t) => {
    const router = new Router();
    router.helperUp({ role: 'MASTER' });
    router.hear();
    t.equal(router.state, 'Fenced');
    t.notOk(story(router.actions).includes('gate open'));
    const actions = story(router.pass(3100));
    t.ok(actions.includes('gate open'), 'the partner fell silent, so the session is ours to prove');
    t.equal(router.state, 'Holding');
  },
);

t.test(
  'Waiting › a router whose disk lost its memory believes an older partner, in its own epoch',
  async (t) => {
    const router = new Router({ epoch: 60, generation: 0, holder: 0, facts: null });
    router.helperUp({ role: 'MASTER' });
    const partner = { role: 'BACKUP', open: false, proven: false } as const;
    const told = story(router.hear({ ...partner, snapshot: HELD_BY_PARTNER }));
    t.ok(told.includes('store 60'), 'the epoch does not fall');
    t.ok(told.includes('store 61'), 'and what the partner knew is taken');
    t.match(
      router.actions.find(({ kind }) => kind === 'attach'),
      { key: FACTS.key },
    );
    t.notOk(story(router.actions).includes('send PADI'), 'nothing is dialled over it (R4)');
    const knowing = new Router({ ...HELD_BY_US, epoch: 60 });
    knowing.helperUp();
    knowing.hear({ ...partner, snapshot: HELD_BY_PARTNER });
    t.equal(knowing.engine.ownerStatus(knowing.now).snapshot.holder, HELD_BY_US.holder);
  },
);

t.test('Standby › a snapshot arms the session behind a closed gate', async (t) => {
  const router = new Router();
  router.helperUp();
  t.same(story(router.hear()), [
    'store 41',
    'promote',
    'attach autoOpen',
    'gate closed',
    'configure down',
    'route partner',
    'tell-partner',
  ]);
  t.equal(router.state, 'Standby');
});

t.test(
  'Standby › MASTER takes: store, gate, announce, echo, routes, partner, in this order',
  async (t) => {
    const router = Router.standby();
    t.same(story(router.role('MASTER')), [
      'store 42',
      'attach autoOpen',
      'gate open',
      'announce',
      'LCP Echo-Request',
      'configure up',
      'route session',
      'tell-partner',
    ]);
    t.equal(router.state, 'Holding');
    t.notOk(router.engine.status(router.now).proven);
    router.echoReply();
    t.ok(router.engine.status(router.now).proven);
  },
);

t.test('Standby › time alone makes it say nothing on the line', async (t) => {
  const router = Router.standby();
  for (let i = 0; i < 60; i++) {
    router.hear();
    router.pass(1000);
  }
  t.same(
    story(router.actions).filter((word) => /PAD|LCP|IPCP|gate open|announce/.test(word)),
    [],
  );
});

t.test('Holding › BACKUP closes the gate first, and nothing is terminated (R3)', async (t) => {
  const router = Router.holder();
  const actions = story(router.role('BACKUP'));
  t.equal(actions[0], 'gate closed');
  t.same(
    actions.filter((word) => /PADT|Terminate|detach/.test(word)),
    [],
  );
  t.ok(actions.includes('configure down'));
  t.ok(actions.includes('route none'));
  t.equal(router.state, 'Standby');
});

t.test(
  'Holding › a partner with a higher epoch fences at once, gate before disk (R9)',
  async (t) => {
    const router = Router.holder();
    const snapshot = { epoch: 50, generation: 0, holder: PARTNER, facts: FACTS };
    const actions = story(router.hear({ snapshot }));
    t.equal(actions[0], 'gate closed');
    t.ok(actions.includes('attach'), 'armed without autoOpen');
    t.equal(router.state, 'Fenced');
    t.equal(router.engine.status(router.now).snapshot.epoch, 50);
  },
);

t.test('Fenced › the partner lets go, so the session is taken with a higher epoch', async (t) => {
  const router = Router.holder();
  const snapshot = { epoch: 50, generation: 0, holder: PARTNER, facts: FACTS };
  router.hear({ snapshot });
  t.match(story(router.hear({ snapshot, open: false, role: 'BACKUP' })), [
    'store 51',
    'attach autoOpen',
  ]);
  t.equal(router.state, 'Holding');
});

t.test(
  'Standby › without a snapshot, a partner seen on the line is not dialled over',
  async (t) => {
    const router = new Router();
    router.helperUp();
    router.pass(5100);
    t.equal(router.state, 'Standby', 'the hold-down is over');
    router.feed({ kind: 'own-mac-heard', epoch: 3 });
    t.notOk(story(router.role('MASTER')).includes('PADI'));
    t.equal(router.state, 'Fenced');
    t.ok(
      story(router.pass(15_100)).includes('PADI'),
      'and it dials when the other is seen no more',
    );
  },
);

t.test(
  'Handoff › is refused, with the reason, unless the partner could take over (R12)',
  async (t) => {
    const router = Router.holder();
    const { snapshot } = router.engine.status(router.now);
    const ready = { role: 'BACKUP', armed: true, open: false, proven: false, snapshot } as const;
    t.equal(router.engine.refusal('handoff', router.now), undefined);
    router.hear({ ...ready, armed: false });
    t.match(router.engine.refusal('handoff', router.now), /not armed/);
    router.hear({ ...ready, healthy: false });
    t.match(router.engine.refusal('handoff', router.now), /not healthy/);
    router.hear({ ...ready, snapshot: HELD_BY_PARTNER });
    t.match(router.engine.refusal('handoff', router.now), /not in sync/);
    router.pass(3100);
    t.match(router.engine.refusal('handoff', router.now), /not heard/);
    t.match(
      Router.standby().engine.refusal('handoff', router.now),
      /not possible in state Standby/,
    );
  },
);

t.test(
  'Handoff › demotes, gives on BACKUP, and promotes when the partner wants to give back',
  async (t) => {
    const router = Router.holder();
    t.match(story(router.feed({ kind: 'admin', verb: 'handoff' })), ['demote']);
    t.equal(router.state, 'Yielding');
    router.role('BACKUP');
    t.equal(router.state, 'Standby');
    const snapshot = { epoch: 43, generation: 0, holder: PARTNER, facts: FACTS };
    t.notOk(story(router.hear({ snapshot })).includes('promote'), 'else CARP would take it back');
    t.ok(story(router.hear({ snapshot, yielding: true })).includes('promote'));
  },
);

t.test('Handoff › promotes when the partner cannot read its role', async (t) => {
  const router = Router.holder();
  router.feed({ kind: 'admin', verb: 'handoff' });
  router.role('BACKUP');
  const snapshot = { epoch: 43, generation: 0, holder: PARTNER, facts: FACTS };
  t.notOk(story(router.hear({ snapshot, role: 'MASTER', open: true })).includes('promote'));
  t.ok(story(router.hear({ snapshot, role: 'INIT' })).includes('promote'));
});

t.test(
  'Handoff › stays demoted when the partner’s word comes before the BACKUP edge',
  async (t) => {
    const router = Router.holder();
    router.feed({ kind: 'admin', verb: 'handoff' });
    const snapshot = { epoch: 43, generation: 0, holder: PARTNER, facts: FACTS };
    t.notOk(story(router.hear({ snapshot })).includes('promote'), 'else CARP would take it back');
    t.notOk(story(router.role('BACKUP')).includes('promote'));
    t.equal(router.state, 'Standby');
  },
);

t.test('Handoff › a partner that is silent for a while keeps what it was given', async (t) => {
  const router = Router.holder();
  router.feed({ kind: 'admin', verb: 'handoff' });
  router.role('BACKUP');
  router.hear({ snapshot: { epoch: 43, generation: 0, holder: PARTNER, facts: FACTS } });
  t.notOk(story(router.pass(30_000)).includes('promote'), 'its supervisor may be restarting');
  t.ok(story(router.pass(35_000)).includes('promote'));
});

t.test('Handoff › connect takes its demotion back, whatever came between', async (t) => {
  const router = Router.holder();
  router.feed({ kind: 'admin', verb: 'handoff' });
  router.role('BACKUP');
  router.pass(3100);
  router.role('MASTER');
  router.echoReply();
  router.feed({ kind: 'admin', verb: 'disconnect' });
  router.pass(10_000);
  t.equal(router.state, 'Off');
  t.same(router.engine.status(router.now).demoted, ['handoff'], 'its partner is dead, or restarts');
  t.ok(story(router.feed({ kind: 'admin', verb: 'connect' })).includes('promote'));
});

t.test('Handoff › is undone when CARP does not carry it out', async (t) => {
  const router = Router.holder();
  router.feed({ kind: 'admin', verb: 'handoff' });
  const { snapshot } = router.engine.status(router.now);
  const actions: string[] = [];
  for (let i = 0; i < 6; i++) {
    actions.push(...story(router.pass(900)));
    router.echoReply();
    router.hear({ role: 'BACKUP', armed: true, open: false, proven: false, snapshot });
  }
  t.equal(actions.filter((word) => word === 'promote').length, 1);
  t.equal(router.state, 'Holding');
});

t.test(
  'Adopt › a restarted supervisor carries on in its own epoch, without demotion',
  async (t) => {
    const router = new Router(HELD_BY_US);
    const state = { role: 'MASTER', attached: FACTS.key, gateOpen: true } as const;
    const actions = story(router.helperUp(state));
    t.notOk(actions.includes('demote'));
    t.notOk(actions.some((word) => word.startsWith('store')));
    t.ok(actions.includes('LCP Echo-Request'));
    t.equal(router.engine.status(router.now).snapshot.epoch, 41);
  },
);

t.test(
  'helper › one that was restarted gets the session, the gate and a proof again',
  async (t) => {
    const router = Router.holder();
    router.feed({ kind: 'helper-down' });
    t.same(
      story(router.pass(2000)).filter((word) => word !== 'tell-partner'),
      [],
    );
    const actions = story(router.helperUp({ role: 'MASTER' }));
    for (const word of ['attach autoOpen', 'gate open', 'LCP Echo-Request', 'route session']) {
      t.ok(actions.includes(word), word);
    }
    t.equal(router.engine.status(router.now).snapshot.epoch, 42, 'the holder has not changed');
  },
);

t.test('Holding › carrier loss demotes at once while the partner is healthy', async (t) => {
  const router = Router.holder();
  t.ok(story(router.feed({ kind: 'carrier', up: false })).includes('demote'));
  t.ok(story(router.feed({ kind: 'carrier', up: true })).includes('promote'));
});

t.test('Holding › an unproven session is given up to a healthy partner, once', async (t) => {
  const router = Router.standby();
  router.role('MASTER');
  const { snapshot } = router.engine.status(router.now);
  const words: string[] = [];
  for (let i = 0; i < 15; i++) {
    words.push(...story(router.pass(1000)));
    router.hear({ role: 'BACKUP', armed: true, open: false, proven: false, snapshot });
  }
  t.equal(words.filter((word) => word === 'demote').length, 1);
});

t.test(
  'Holding › an announce frame of a higher epoch fences though the partner is not heard',
  async (t) => {
    const router = Router.holder();
    router.pass(3100);
    const actions = story(router.feed({ kind: 'own-mac-heard', epoch: 43 }));
    t.equal(actions[0], 'gate closed');
    t.equal(router.state, 'Fenced');
    t.ok(
      story(router.pass(15_100)).includes('gate open'),
      'and the session is taken when it is seen no more',
    );
  },
);

t.test('Holding › an announce frame of our own epoch is outbid after a random pause', async (t) => {
  const router = Router.holder();
  router.pass(3100);
  router.feed({ kind: 'own-mac-heard', epoch: 42 });
  t.match(story(router.pass(600)), ['store 43', 'attach autoOpen']);
});

const MANUAL = { ...CONFIG, owner: { ...CONFIG.owner, policy: 'manual' } } as const;

t.test('manual › only the operator moves the session', async (t) => {
  const router = new Router(NO_SNAPSHOT, MANUAL);
  router.helperUp({ role: 'MASTER' });
  router.hear();
  t.equal(router.state, 'Standby');
  router.feed({ kind: 'admin', verb: 'connect' });
  t.equal(router.state, 'Holding');
});

t.test('manual › a router that was restarted is what it was', async (t) => {
  for (const [stored, state] of [
    [HELD_BY_US, 'Holding'],
    [HELD_BY_PARTNER, 'Standby'],
  ] as const) {
    const router = new Router(stored, MANUAL);
    router.helperUp();
    router.hear({ role: 'BACKUP', open: false, proven: false, snapshot: stored });
    router.pass(6000);
    t.equal(router.state, state, 'CARP says BACKUP');
  }
});

t.test('manual › a router that has handed over does not take the session back', async (t) => {
  const router = new Router(HELD_BY_US, MANUAL);
  router.helperUp({ role: 'MASTER' });
  router.hear({ role: 'BACKUP', open: false, armed: true, proven: false, snapshot: HELD_BY_US });
  router.echoReply();
  const { snapshot } = router.engine.status(router.now);
  const ready = { role: 'BACKUP', open: false, armed: true, proven: false, snapshot } as const;
  router.hear(ready);
  router.feed({ kind: 'admin', verb: 'handoff' });
  t.equal(router.state, 'Standby');
  router.feed({ kind: 'helper-down' });
  router.helperUp({ role: 'MASTER' });
  router.hear(ready);
  router.pass(60_000);
  t.equal(router.state, 'Standby', 'a new helper is no word of the operator’s');
});

t.test('Standby › is armed no longer when its helper has gone', async (t) => {
  const router = Router.standby();
  t.ok(router.engine.status(router.now).armed);
  const told = router.feed({ kind: 'helper-down' }).find(({ kind }) => kind === 'tell-partner');
  t.match(told, { message: { armed: false, healthy: false } });
  router.helperUp();
  t.ok(router.engine.status(router.now).armed);
});

t.test('disconnect › sends no PADT for what the partner on the line may hold', async (t) => {
  for (const isSeen of [false, true]) {
    const router = Router.holder();
    router.pass(3100);
    if (isSeen) router.feed({ kind: 'own-mac-heard', epoch: 42 });
    const words = story([
      ...router.feed({ kind: 'admin', verb: 'disconnect' }),
      ...router.pass(12_000),
    ]);
    t.equal(router.state, 'Off');
    t.equal(words.includes('PADT'), !isSeen, words.join(', '));
  }
});

t.test('handoff › a partner whose helper restarts keeps what it was given', async (t) => {
  const router = Router.holder();
  const demoted = (): readonly string[] => router.engine.status(router.now).demoted;
  router.feed({ kind: 'admin', verb: 'handoff' });
  router.role('BACKUP');
  router.hear({ snapshot: held(43) });
  const away = { healthy: false, proven: true, snapshot: held(43) } as const;
  for (let second = 0; second < 4; second++) {
    router.hear(away);
    t.same(demoted(), ['handoff'], `after ${second} s`);
    router.pass(1000);
  }
  for (let second = 0; second < 2; second++) {
    router.hear(away);
    router.pass(1000);
  }
  t.same(demoted(), [], 'it has had its time');
});

t.test('Holding › a partner that is behind is told at once', async (t) => {
  const router = Router.holder();
  const { snapshot } = router.engine.status(router.now);
  const ready = { role: 'BACKUP', armed: true, open: false, proven: false } as const;
  t.notOk(story(router.hear({ ...ready, snapshot })).includes('tell-partner'));
  t.ok(story(router.hear({ ...ready, snapshot: HELD_BY_PARTNER })).includes('tell-partner'));
});

for (const [how, takes] of [
  ['tells', (router: Router) => router.hear({ snapshot: held(43) })],
  [
    'announces',
    (router: Router) => {
      router.pass(4000);
      return router.feed({ kind: 'own-mac-heard', epoch: 43 });
    },
  ],
] as const)
  t.test(`manual › a partner that ${how} that it was given the role keeps it`, async (t) => {
    const router = new Router(NO_SNAPSHOT, MANUAL);
    router.helperUp({ role: 'MASTER' });
    router.hear();
    router.feed({ kind: 'admin', verb: 'connect' });
    router.echoReply();
    const taken = takes(router);
    t.equal(router.state, 'Standby', 'ready, and no more');
    const said = story([...taken, ...router.hear({ snapshot: held(43) })]);
    t.ok(said.includes('gate closed') && said.includes('route partner'), said.join(', '));
    router.hear({ open: false, role: 'BACKUP', proven: false, snapshot: held(43) });
    router.pass(120_000);
    t.equal(router.state, 'Standby', 'neither a partner that lets go nor its silence is a word');
    router.feed({ kind: 'admin', verb: 'connect' });
    t.equal(router.state, 'Holding');
  });

t.test('a disk that refuses › is asked again, and then everything is said again', async (t) => {
  const router = Router.standby();
  router.role('MASTER');
  router.feed({ kind: 'failed', action: 'store', code: 'ENOSPC', message: 'no space left' });
  const actions = story(router.pass(1000));
  const stored = actions.findIndex((word) => word.startsWith('store'));
  t.ok(stored >= 0 && stored < actions.indexOf('gate open'));
});

t.test('a kernel that refuses › keeps the session silent, and it is carried again', async (t) => {
  const router = Router.standby();
  router.role('MASTER');
  const failed = router.feed({
    kind: 'failed',
    action: 'attach',
    code: 'ENOBUFS',
    message: 'full',
  });
  t.same(story(failed), ['tell-partner'], 'no PADT for a session that the AC carries');
  const again = story(router.pass(1000));
  t.match(again.slice(again.indexOf('attach autoOpen')), [
    'attach autoOpen',
    'gate open',
    'LCP Echo-Request',
  ]);
  t.notOk(again.includes('announce'), 'what is refused is not claimed on the line');
  t.equal(router.state, 'Holding');
});

t.test('a demotion that is refused › is asked for again', async (t) => {
  const router = Router.holder();
  router.feed({ kind: 'admin', verb: 'handoff' });
  router.feed({ kind: 'failed', action: 'demote', code: 'ENOSPC', message: 'no space left' });
  const again = story(router.pass(1000));
  t.ok(again.includes('demote'));
  t.notOk(again.includes('LCP Echo-Request'), 'the AC need not hear of it');
});

const held = (epoch: number) => ({ epoch, generation: 0, holder: PARTNER, facts: FACTS });

t.test('Standby › routes via its partner only while that is known to carry (R13)', async (t) => {
  const router = Router.holder();
  const { snapshot } = router.engine.status(router.now);
  const idle = { role: 'BACKUP', open: false, proven: false, armed: true, snapshot } as const;
  t.ok(story(router.role('BACKUP')).includes('route none'));
  t.notOk(story(router.hear(idle)).includes('route partner'), 'its gate is closed');
  t.ok(story(router.hear({ snapshot: held(43) })).includes('route partner'));
  t.notOk(story(router.hear({ snapshot: held(43) })).includes('route partner'), 'said once');
  t.ok(story(router.hear({ ...idle, snapshot: held(43) })).includes('route none'));
  router.hear({ snapshot: held(43) });
  t.ok(story(router.pass(3100)).includes('route none'), 'it is not heard any more');
  const announced = story(router.feed({ kind: 'own-mac-heard', epoch: 43 }));
  t.ok(announced.includes('route partner'), 'it is seen on the line');
  t.ok(story(router.pass(15_100)).includes('route none'), 'and then no more');
});

t.test('Standby › a partner that dials has nothing to route to (R13)', async (t) => {
  const router = Router.standby();
  const snapshot = { ...held(42), facts: null };
  t.ok(story(router.hear({ snapshot })).includes('route none'));
});

t.test('Fenced › a router that is MASTER has no route via its partner (R13)', async (t) => {
  const router = Router.holder();
  const actions = story(router.hear({ snapshot: held(50) }));
  t.equal(router.state, 'Fenced');
  t.notOk(actions.includes('route partner'));
  t.ok(actions.includes('route none'));
});

t.test('helper › one that was restarted is told what each state needs', async (t) => {
  const restarted = (router: Router, role: 'MASTER' | 'BACKUP'): string[] => {
    router.feed({ kind: 'helper-down' });
    return story(router.helperUp({ role }));
  };
  const standby = Router.standby();
  t.ok(restarted(standby, 'BACKUP').includes('attach autoOpen'), 'a standby is armed again');
  const demoted = Router.holder();
  t.ok(restarted(demoted, 'BACKUP').includes('attach autoOpen'), 'the role went meanwhile');
  t.equal(demoted.state, 'Standby');
  for (const verb of ['disconnect', 'reconnect'] as const) {
    const router = Router.holder();
    router.feed({ kind: 'admin', verb });
    const { state } = router;
    t.ok(restarted(router, 'MASTER').includes('LCP Terminate-Request'), `${verb} goes on`);
    t.equal(router.state, state);
  }
});

t.test('helper › a MASTER that was armed takes without closing its gate first', async (t) => {
  const router = Router.standby();
  router.feed({ kind: 'helper-down' });
  const actions = story(router.helperUp({ role: 'MASTER', attached: FACTS.key, gateOpen: true }));
  t.equal(router.state, 'Holding');
  t.notOk(actions.includes('gate closed'));
  t.notOk(actions.includes('route partner'));
});

t.test('helper › a demotion from before we came is not interrupted (R10)', async (t) => {
  const router = new Router();
  t.notOk(story(router.helperUp({ demoted: true })).includes('promote'));
  t.equal(story(router.hear()).filter((word) => word === 'promote').length, 1);
  const alone = new Router(NO_SNAPSHOT, {
    ...CONFIG,
    owner: { ...CONFIG.owner, hasPartner: false },
  });
  const words = story(alone.helperUp({ role: 'MASTER', demoted: true }));
  t.equal(words.filter((word) => word === 'promote').length, 1, 'and goes once there is no reason');
});

const refuses = (action: Action['kind']): Event => ({
  kind: 'failed',
  action,
  code: 'EINVAL',
  message: 'invalid argument',
});

t.test('Holding › a session that the kernel does not forward is down (R10)', async (t) => {
  const router = Router.holder();
  const { snapshot } = router.engine.status(router.now);
  const ready = { role: 'BACKUP', armed: true, open: false, proven: false, snapshot } as const;
  const words: string[] = [];
  const levels: string[] = [];
  for (let second = 0; second < 12; second++) {
    for (const action of router.feed(refuses('configure'))) {
      if (action.kind === 'note' && action.note.on === 'configure failed')
        levels.push(action.note.level);
    }
    t.match(router.engine.status(router.now), {
      proven: true,
      refused: { action: 'configure', code: 'EINVAL' },
    });
    router.hear(ready);
    words.push(...story(router.pass(1000)));
    router.echoReply();
  }
  t.equal(words.filter((word) => word === 'configure up').length, 12, 'it is asked every second');
  t.same(levels.slice(0, 3), ['warn', 'debug', 'debug'], 'and logged once');
  t.same(router.engine.status(router.now).demoted, ['watchdog'], 'the partner gets its try');
  t.ok(story(router.pass(2100)).includes('promote'), 'the kernel has taken it');
  t.equal(router.engine.status(router.now).refused, undefined);
});

t.test('Holding › a line without carrier is not tried again, however long it lasts', async (t) => {
  const router = Router.holder();
  const { snapshot } = router.engine.status(router.now);
  const ready = { role: 'BACKUP', armed: true, open: false, proven: false, snapshot } as const;
  const demoted = (): readonly string[] => router.engine.status(router.now).demoted;
  router.feed({ kind: 'carrier', up: false });
  t.same(demoted(), ['watchdog']);
  const words: string[] = [];
  for (let second = 0; second < 1000; second++) {
    words.push(...story([...router.hear(ready), ...router.pass(1000)]));
  }
  t.notOk(words.includes('promote'), 'demoted all the time');
  router.feed({ kind: 'carrier', up: true });
  t.same(demoted(), [], 'and the carrier is what ends it');
});

t.test('Holding › a refusal that passes costs nothing', async (t) => {
  const router = Router.holder();
  router.feed(refuses('route'));
  const words = story(router.pass(30_000));
  t.ok(words.includes('route session'), 'the kernel is asked again');
  t.notOk(words.includes('demote'));
  t.equal(router.engine.status(router.now).refused, undefined);
});

t.test('a role that cannot be read › demotes, until it can be (R11)', async (t) => {
  const router = Router.holder();
  const lost = story(router.role('INIT'));
  t.equal(router.state, 'Standby');
  t.ok(lost.includes('demote'), 'CARP may be MASTER behind our back');
  t.same(router.engine.status(router.now).demoted, ['no-role']);
  t.ok(story(router.role('BACKUP')).includes('promote'));
  t.same(router.engine.status(router.now).demoted, []);
});

const padt = (source = FACTS.key.acMac): Event => ({
  kind: 'discovery',
  source,
  packet: { code: 'PADT', sessionId: FACTS.key.sessionId, tags: [] },
});

t.test('Standby › a session that nobody holds is forgotten with its PADT (R4)', async (t) => {
  const router = Router.standby();
  router.pass(3100);
  t.ok(story(router.feed(padt())).includes('detach'));
  t.notOk(router.engine.status(router.now).armed);
  const actions = story(router.role('MASTER'));
  t.ok(actions.includes('PADI'));
  t.notOk(actions.includes('LCP Echo-Request'));
  t.notOk(actions.includes('PADT'), 'the AC knows');
});

t.test(
  'session › what has ended is written before the next dial, after a reconnect too',
  async (t) => {
    const ended = (router: Router): string[] => {
      router.feed(padt());
      router.pass(2000);
      return story(router.actions);
    };
    const lost = Router.holder();
    t.ok(ended(lost).includes('PADI'));
    t.equal(lost.engine.status(lost.now).snapshot.facts, null);
    const again = Router.holder();
    again.feed({ kind: 'admin', verb: 'reconnect' });
    t.ok(ended(again).includes('PADI'));
    t.equal(again.state, 'Holding');
  },
);

t.test(
  'Holding › the end of a session while the partner is seen on the line frees nothing',
  async (t) => {
    const router = Router.holder();
    router.pass(3100);
    // Of our own epoch: it does not outbid us.
    router.feed({ kind: 'own-mac-heard', epoch: router.engine.status(router.now).snapshot.epoch });
    router.feed(padt());
    t.equal(router.state, 'Fenced');
    t.notOk(story(router.actions).includes('PADI'));
  },
);

t.test('Standby › a PADT is the partner’s to judge while it carries', async (t) => {
  const router = Router.standby();
  t.same(story(router.feed(padt())), []);
  router.pass(3100);
  t.same(story(router.feed(padt(Uint8Array.of(2, 0, 0, 0, 0, 9)))), [], 'nor from a stranger');
  t.ok(story(router.role('MASTER')).includes('LCP Echo-Request'));
});

t.test('announce frames › count only from a partner, and only while it is not heard', async (t) => {
  const frame: Event = { kind: 'own-mac-heard', epoch: 99 };
  const heard = Router.holder();
  heard.feed(frame);
  t.equal(heard.state, 'Holding', 'its own message counts');
  for (const owner of [
    { ...CONFIG.owner, hasPartner: false },
    { ...CONFIG.owner, policy: 'pinned' } as const,
  ]) {
    const router = new Router(HELD_BY_US, { ...CONFIG, owner });
    router.helperUp({ role: 'MASTER' });
    router.pass(5100);
    t.equal(router.state, 'Holding');
    t.notOk(story(router.feed(frame)).includes('gate closed'));
    t.equal(router.state, 'Holding');
  }
});

t.test(
  'announce frames › of a lower epoch are answered once a second, and prove nothing',
  async (t) => {
    const router = Router.holder();
    router.pass(3100);
    let answers = 0;
    for (let i = 0; i < 30; i++) {
      answers += story(router.feed({ kind: 'own-mac-heard', epoch: 3 })).length;
      answers += story(router.pass(100)).filter((word) => word === 'announce').length;
    }
    t.ok(answers >= 3 && answers <= 5, `${answers} in 3 s`);
  },
);

const speaksOnTheLine = (action: Action): boolean =>
  action.kind === 'send-ppp' ||
  action.kind === 'send-discovery' ||
  action.kind === 'announce' ||
  (action.kind === 'gate' && action.open);

t.test(
  'any history › silence, order, epochs and demotion hold (R1, R3, R5, R6, R10)',
  async (t) => {
    const check = (steps: History): void => {
      const router = new Router();
      let storedEpoch = 0;
      let demoted = false;
      const inspect = (actions: readonly Action[], event: string): void => {
        for (const action of actions) {
          if (action.kind === 'store') {
            if (action.snapshot.epoch < storedEpoch) throw new Error(`epoch fell on ${event}`);
            storedEpoch = action.snapshot.epoch;
          }
          if (action.kind === 'tell-partner' && action.message.snapshot.epoch > storedEpoch) {
            throw new Error(`the partner was told an epoch that is not stored, on ${event}`);
          }
          if (action.kind === 'announce' && action.epoch > storedEpoch) {
            throw new Error(`an epoch that is not stored was announced, on ${event}`);
          }
          if (action.kind === 'demote') demoted = action.on;
        }
        const { state, demoted: reasons, helper } = router.engine.status(router.now);
        if (
          actions.some(speaksOnTheLine) &&
          !['Holding', 'Yielding', 'HangingUp', 'Redialling', 'Off'].includes(state)
        ) {
          const last = actions
            .filter((action) => speaksOnTheLine(action) || action.kind === 'gate')
            .at(-1);
          if (last?.kind !== 'gate' || last.open) throw new Error(`spoke in ${state} on ${event}`);
        }
        if (helper && demoted !== reasons.length > 0)
          throw new Error(`demotion out of balance on ${event}`);
      };
      for (const { event, pause } of steps) {
        inspect(router.feed(event), event.kind);
        inspect(router.pass(pause), 'time');
      }
    };
    fc.assert(fc.property(anyHistory, check), { numRuns: 500, seed: 1 });
    t.pass('500 histories');
  },
);
