import t from 'tap';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { ipv4Of, NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import type { Instant } from '@ppp-thing/protocol/time';
import { Driver } from '@ppp-thing/supervisor/driver';
import { perform, type Effects, type Failed, type Storing } from '@ppp-thing/supervisor/perform';
import { StoreError } from '@ppp-thing/supervisor/store';
import { FACTS, SNAPSHOT } from '../fixtures/partner.ts';
import { hex } from '../hex.ts';

const at = (ms: number): Instant => ms as Instant;

/** A clock whose timers fire one millisecond early, as timers may. */
class EarlyClock {
  time = 0;
  #timers: { at: number; wake: () => void }[] = [];

  now(): Instant {
    return at(this.time);
  }

  wakeAt(when: Instant, wake: () => void): () => void {
    const timer = { at: when - 1, wake };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((each) => each !== timer));
  }

  /** Let time pass until the next timer, and fire it. */
  fire(): void {
    const [next] = this.#timers.sort((a, b) => a.at - b.at);
    if (next === undefined) throw new Error('no timer is set');
    this.#timers = this.#timers.filter((each) => each !== next);
    this.time = Math.max(this.time, next.at);
    next.wake();
  }

  get waiting(): number {
    return this.#timers.length;
  }
}

interface Heard {
  readonly event: Event['kind'];
  readonly now: number;
}

interface Bench {
  readonly driver: Driver;
  readonly clock: EarlyClock;
  readonly heard: Heard[];
  readonly performed: string[];
}

/** A driver of an engine of the test's, which answers as `answer` says. */
function bench(
  answer: (event: Event) => readonly Action[],
  deadline: (now: number) => number | undefined = () => undefined,
  performing: (action: Action) => Failed | Storing | undefined = () => undefined,
): Bench {
  const clock = new EarlyClock();
  const heard: Heard[] = [];
  const performed: string[] = [];
  let last = 0;
  const engine = {
    handle(event: Event, now: Instant): readonly Action[] {
      heard.push({ event: event.kind, now });
      last = now;
      return answer(event);
    },
    deadline(): Instant | undefined {
      const next = deadline(last);
      return next === undefined ? undefined : at(next);
    },
  };
  const driver = new Driver(
    engine,
    (action) => {
      performed.push(action.kind);
      return performing(action);
    },
    clock,
  );
  return { driver, clock, heard, performed };
}

t.test(
  'driver › a timer that fires early never shows the engine a time before its deadline',
  async (t) => {
    const { driver, clock, heard } = bench(
      () => [],
      (now) => now + 3000,
    );
    driver.feed({ kind: 'helper-down' });
    for (let i = 0; i < 3; i++) clock.fire();
    t.strictSame(
      heard.map(({ now }) => now),
      [0, 3000, 6000, 9000],
    );
  },
);

t.test('driver › one timer, set anew after every event, and none without a deadline', async (t) => {
  let deadline: number | undefined = 5000;
  const { driver, clock } = bench(
    () => [],
    () => deadline,
  );
  driver.feed({ kind: 'helper-down' });
  driver.feed({ kind: 'helper-down' });
  t.equal(clock.waiting, 1);
  deadline = undefined;
  driver.feed({ kind: 'helper-down' });
  t.equal(clock.waiting, 0);
  deadline = 5000;
  driver.feed({ kind: 'helper-down' });
  driver.stop();
  t.equal(clock.waiting, 0);
});

t.test('driver › what comes after its stop is for nobody', async (t) => {
  let stored: (failed: Failed | undefined) => void = () => undefined;
  const { driver, clock, heard, performed } = bench(
    () => [{ kind: 'store', snapshot: NO_SNAPSHOT }, { kind: 'detach' }],
    (now) => now + 50,
    (action) =>
      action.kind === 'store'
        ? { kind: 'storing', wait: (then) => void (stored = then) }
        : undefined,
  );
  driver.feed({ kind: 'helper-down' });
  driver.stop();
  stored(undefined);
  driver.feed({ kind: 'helper-down' });
  t.equal(heard.length, 1);
  t.strictSame(performed, ['store'], 'not even the rest of what was begun');
  t.equal(clock.waiting, 0, 'no timer keeps the process');
});

t.test('driver › an event that comes while one is in hand waits for it', async (t) => {
  const order: string[] = [];
  const detach: Action = { kind: 'detach' };
  const { driver } = bench(
    (event) => {
      order.push(event.kind);
      return event.kind === 'helper-down' ? [detach, detach] : [];
    },
    undefined,
    () => {
      order.push('perform');
      if (order.length === 2) driver.feed({ kind: 'session-closed' });
      return undefined;
    },
  );
  driver.feed({ kind: 'helper-down' });
  t.strictSame(order, ['helper-down', 'perform', 'perform', 'session-closed']);
});

t.test(
  'driver › R5: nothing after a refused store is performed, and the engine hears of it first',
  async (t) => {
    const failed: Failed = { kind: 'failed', action: 'store', code: 'ENOSPC', message: 'full' };
    const { driver, heard, performed } = bench(
      (event) =>
        event.kind === 'role'
          ? [
              { kind: 'detach' },
              { kind: 'store', snapshot: NO_SNAPSHOT },
              { kind: 'gate', open: true },
            ]
          : [],
      undefined,
      (action) => {
        if (action.kind === 'detach') driver.feed({ kind: 'session-closed' });
        return action.kind === 'store' ? failed : undefined;
      },
    );
    driver.feed({ kind: 'role', role: 'MASTER' });
    t.strictSame(performed, ['detach', 'store']);
    t.strictSame(
      heard.map(({ event }) => event),
      ['role', 'failed', 'session-closed'],
    );
  },
);

t.test('driver › an exception of the engine is not caught', async (t) => {
  const { driver } = bench(() => {
    throw new Error('a broken invariant');
  });
  t.throws(() => driver.feed({ kind: 'helper-down' }), /a broken invariant/);
});

t.test(
  'driver › while a store takes its time nothing after it is done, and events wait',
  async (t) => {
    const store: Action = { kind: 'store', snapshot: SNAPSHOT };
    const gate: Action = { kind: 'gate', open: true };
    let told: (failed: Failed | undefined) => void = () => undefined;
    const { driver, heard, performed } = bench(
      (event) => (event.kind === 'role' ? [store, gate] : []),
      () => undefined,
      (action) =>
        action.kind === 'store' ? { kind: 'storing', wait: (then) => (told = then) } : undefined,
    );
    driver.feed({ kind: 'role', role: 'MASTER' });
    driver.feed({ kind: 'helper-down' });
    t.strictSame(performed, ['store']);
    t.equal(heard.length, 1);
    told(undefined);
    t.strictSame(performed, ['store', 'gate']);
    t.strictSame(
      heard.map(({ event }) => event),
      ['role', 'helper-down'],
    );
    driver.feed({ kind: 'role', role: 'MASTER' });
    driver.feed({ kind: 'helper-down' });
    told({ kind: 'failed', action: 'store', code: 'ENOSPC', message: 'full' });
    t.strictSame(performed, ['store', 'gate', 'store'], 'a refused store is heard first');
    t.equal(heard.at(-2)?.event, 'failed');
  },
);

/** Effects that only say what they were asked. */
function effects(): { said: unknown[]; effects: Effects } {
  const said: unknown[] = [];
  return {
    said,
    effects: {
      session: 'pppoe0',
      store: (snapshot) => void said.push(['store', snapshot.epoch]),
      ask: (verb, body, action) => said.push([verb, body, action]),
      count: () => said.push(['count']),
      tell: (message) => said.push(['tell', message.sender]),
      proof: () => NO_PROOF,
      dhcp6: () => undefined,
      delegated: () => undefined,
      note: (note) => said.push(['note', note.on]),
    },
  };
}

const session = 'pppoe0';
const { key } = FACTS;

const CASES: readonly [Action, unknown][] = [
  [{ kind: 'store', snapshot: SNAPSHOT }, ['store', 42]],
  [{ kind: 'count' }, ['count']],
  [
    {
      kind: 'send-discovery',
      destination: key.acMac,
      packet: { code: 'PADT', sessionId: 0x1234, tags: [] },
    },
    [
      'discovery-send',
      { session, destination: key.acMac, payload: hex`11a712340000` },
      'send-discovery',
    ],
  ],
  [
    {
      kind: 'send-ppp',
      packet: {
        protocol: 'LCP',
        packet: { code: 'Echo-Request', identifier: 1, magic: 0xdeadbeef, data: hex`` },
      },
    },
    ['ppp-send', { session, protocol: 0xc021, packet: hex`09010008deadbeef` }, 'send-ppp'],
  ],
  [
    { kind: 'attach', key, maxPayload: 1500, autoOpen: true },
    [
      'attach',
      {
        session,
        key: { sessionId: 0x1234, acMac: key.acMac },
        maxPayload: 1500,
        autoOpen: true,
        settings: null,
      },
      'attach',
    ],
  ],
  [{ kind: 'detach' }, ['detach', { session }, 'detach']],
  [{ kind: 'gate', open: true }, ['gate', { session, open: true }, 'gate']],
  [
    {
      kind: 'configure',
      settings: {
        mtu: 1492,
        ...ipv4Of(FACTS),
        up: true,
      },
    },
    [
      'configure',
      {
        session,
        mtu: 1492,
        ourAddress: FACTS.ourAddress,
        theirAddress: FACTS.theirAddress,
        up: true,
        interfaceIds: null,
      },
      'configure',
    ],
  ],
  [{ kind: 'deconfigure' }, ['deconfigure', { session }, 'deconfigure']],
  [{ kind: 'route', via: 'partner' }, ['route', { session, via: 'partner' }, 'route']],
  [
    { kind: 'announce', epoch: 42 },
    ['announce', { session, epoch: 42, proof: NO_PROOF }, 'announce'],
  ],
  [{ kind: 'demote', on: true }, ['demote', { session, on: true }, 'demote']],
  [
    {
      kind: 'tell-partner',
      message: {
        sender: 1,
        role: 'MASTER',
        healthy: true,
        armed: false,
        open: true,
        proven: true,
        yielding: false,
        hearing: true,
        snapshot: SNAPSHOT,
      },
    },
    ['tell', 1],
  ],
  [
    { kind: 'note', note: { level: 'info', machine: 'owner', from: 'Standby', on: 'x' } },
    ['note', 'x'],
  ],
];

t.test('perform › each action is one effect', async (t) => {
  for (const [action, expected] of CASES) {
    const { said, effects: into } = effects();
    t.equal(perform(action, into), undefined);
    t.strictSame(said, [expected], action.kind);
  }
  t.equal(new Set(CASES.map(([{ kind }]) => kind)).size, 14, 'every kind');
});

t.test('perform › a disk that refuses is an event; a broken invariant is a crash', async (t) => {
  const refusing = (error: Error): Effects => ({
    ...effects().effects,
    store: () => {
      throw error;
    },
  });
  const store: Action = { kind: 'store', snapshot: SNAPSHOT };
  const full = new StoreError('store', '/x', Object.assign(new Error('full'), { code: 'ENOSPC' }));
  t.strictSame(perform(store, refusing(full)), {
    kind: 'failed',
    action: 'store',
    code: 'ENOSPC',
    message: 'store /x: ENOSPC: the disk is full: free some space',
  });
  t.throws(() => perform(store, refusing(new Error('the epoch falls'))), /the epoch falls/);
});
