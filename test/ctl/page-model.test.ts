/** What the status page says of each state a pair can be in, how it words what happened, and what it plots. No browser. */
import t from 'tap';
import type {
  EventJson,
  HistoryJson,
  SampleJson,
  SessionStatusJson,
  StatusJson,
} from '@ppp-thing/supervisor/api';
import { modelOf } from '@ppp-thing/ctl/page/model';
import { HEIGHT, plotsOf, WIDTH } from '@ppp-thing/ctl/page/plot';
import { bits, milliseconds, span } from '@ppp-thing/ctl/page/text';
import { timelineOf } from '@ppp-thing/ctl/page/timeline';
import { holding } from '../supervisor/status-bench.ts';

type Partner = Partial<SessionStatusJson['partner']>;
interface Changes {
  readonly session?: Partial<Omit<SessionStatusJson, 'partner'>>;
  readonly partner?: Partner;
  readonly status?: Partial<StatusJson>;
  readonly history?: Partial<HistoryJson>;
}

const { ask } = await holding(t, { partner: true });
const read = async (path: string): Promise<string> => (await ask('status', 'GET', path)).body;
const status = JSON.parse(await read('/v1/status')) as StatusJson;
const history = JSON.parse(await read('/v1/sessions/pppoe0/history')) as HistoryJson;
const [base] = status.sessions;
if (base === undefined) throw new Error('the bench has a session');

const PARTNER: Partner = {
  heardAt: status.now - 400,
  role: 'BACKUP',
  healthy: true,
  armed: true,
  inSync: true,
  hearing: true,
};
const model = (changes: Changes = {}) =>
  modelOf({
    status: { ...status, ...changes.status },
    session: {
      ...base,
      ...changes.session,
      partner: { ...base.partner, ...PARTNER, ...changes.partner },
    },
    history: { ...history, ...changes.history },
  });
const STANDBY = {
  holder: 'partner',
  state: 'Standby',
  role: 'BACKUP',
  armed: true,
  proven: false,
} as const;
const HOLDER = { role: 'MASTER', armed: false, proven: true } as const;

t.test('verdict › each state of a pair in a word and a sentence', async (t) => {
  const cases: readonly [string, string, Changes][] = [
    ['good Protected', 'Router 1 holds the session', {}],
    ['busy Not protected', 'Router 1 holds the session', { partner: { armed: false } }],
    ['busy Not protected', 'Router 1 holds the session', { partner: { inSync: false } }],
    ['busy Not protected', 'Router 1 holds the session', { partner: { healthy: false } }],
    ['busy Not protected', 'Router 1 holds the session', { partner: { role: null } }],
    [
      'bad Down',
      'Router 1 holds the session, and the AC does not answer',
      { session: { proven: false } },
    ],
    ['good Protected', 'Router 2 holds the session', { session: STANDBY, partner: HOLDER }],
    [
      'busy Not protected',
      'Router 2 holds the session',
      { session: { ...STANDBY, armed: false }, partner: HOLDER },
    ],
    [
      'busy Not protected',
      'Router 2 holds the session',
      { session: { ...STANDBY, carrier: false }, partner: HOLDER },
    ],
    ['bad Down', 'Router 2 holds the session, and the AC does not answer it', { session: STANDBY }],
    [
      'bad Down',
      'Router 2 held the session and is not heard',
      { session: STANDBY, partner: { role: null } },
    ],
    ['bad Down', 'Disconnected by the operator', { session: { state: 'Off' } }],
    [
      'busy In transition',
      'Router 1 is handing the session to Router 2',
      { session: { state: 'Yielding' } },
    ],
    ['bad Down', 'Router 1 is silent: both routers are MASTER', { session: { state: 'Fenced' } }],
    [
      'busy In transition',
      'Router 1 waits for Router 2',
      { session: { state: 'Waiting', holder: 'nobody' } },
    ],
    [
      'busy In transition',
      'Router 1 dials',
      { session: { holder: 'nobody', session: null, proven: false } },
    ],
    [
      'bad Down',
      'Router 1 dials',
      {
        session: {
          holder: 'nobody',
          session: null,
          proven: false,
          link: { ...base.link, attempts: 2 },
        },
      },
    ],
    ['bad Down', 'The line of Router 1 has no carrier', { session: { carrier: false } }],
    [
      'bad Down',
      'The helper of Router 1 does not answer',
      { status: { helper: { connected: false, platform: null } } },
    ],
    [
      'good Up',
      'Router 1 holds the session',
      { status: { partner: { ...status.partner, protocol: 'none' } } },
    ],
  ];
  for (const [said, headline, changes] of cases) {
    const made = model(changes);
    t.same([`${made.tone} ${made.word}`, made.headline], [said, headline], `${said}: ${headline}`);
    const holders = made.routers.filter(({ stand }) => stand === 'holds');
    t.ok(holders.length <= 1, 'at most one router holds');
  }
});

t.test('verdict › what is missing is named, and a demoted standby is still one', async (t) => {
  t.equal(
    model({ partner: { armed: false, inSync: false } }).protection,
    'Router 2 is not ready to take over: not armed, not in sync.',
  );
  t.equal(
    model({ partner: { role: null } }).protection,
    'Router 2 cannot take over: it is not heard.',
  );
  const demoted = model({ session: { ...STANDBY, demoted: ['handoff'] }, partner: HOLDER });
  t.equal(demoted.word, 'Protected');
  t.match(demoted.routers[0]?.points, [
    ['plain', 'CARP BACKUP'],
    ['yes', 'armed'],
    ['yes', 'in sync'],
    ['plain', 'demoted: handoff'],
  ]);
});

t.test(
  'since › a supervisor that found the holder so does not claim to know since when',
  async (t) => {
    const time = status.now - 65_000;
    const change = { time, holder: 'this router', epoch: 43 } as const;
    t.match(
      model({ history: { holders: [{ ...change, isStart: false }] } }).since,
      /^since .*, for 65 s$/,
    );
    t.match(
      model({ history: { holders: [{ ...change, isStart: true }] } }).since,
      /^since before .* when this supervisor started$/,
    );
  },
);

const event = (time: number, from: string, to: string | null, on: string): EventJson => ({
  sequence: time,
  time,
  session: 'pppoe0',
  level: 'info',
  line: '',
  machine: 'owner',
  from,
  to,
  on,
  actions: [],
  facts: {},
});

t.test('timeline › moves with their cause, the rest besides, newest first', async (t) => {
  const told: HistoryJson = {
    ...history,
    holders: [
      { time: 1000, holder: 'nobody', epoch: 0, isStart: true },
      { time: 5000, holder: 'this router', epoch: 1, isStart: false },
      { time: 90_000, holder: 'partner', epoch: 2, isStart: false },
    ],
    events: [
      event(2000, 'Waiting', 'Standby', 'partner heard'),
      event(5000, 'Standby', 'Holding', 'role MASTER'),
      event(89_900, 'Holding', 'Yielding', 'operator handoff'),
      event(90_100, 'Yielding', 'Standby', 'role BACKUP'),
      event(99_000, 'Standby', null, 'partner silent'),
    ],
  };
  t.same(
    timelineOf(told, status).map(({ text, detail, isMove }) => [isMove, text, detail]),
    [
      [false, 'Router 1: partner silent', ''],
      [true, 'Router 2 took the session', 'epoch 2, on role BACKUP'],
      [false, 'Router 1 hands the session over', 'on operator handoff'],
      [true, 'Router 1 took the session', 'epoch 1, on role MASTER'],
      [false, 'Router 1 stands by', 'on partner heard'],
      [false, 'This supervisor started', 'no session was stored'],
    ],
  );
});

const sample = (second: number, rtt: number | null, octets: number | null): SampleJson => ({
  time: second * 1000,
  echoRttMs: rtt,
  octetsIn: octets,
  octetsOut: octets,
});

t.test(
  'plots › gaps where nothing is known, none drawn over a count that began anew',
  async (t) => {
    const samples = [
      sample(0, 1, 0),
      sample(1, 2, 1000),
      sample(2, null, 50),
      sample(3, 4, 1050),
      sample(4, 4, null),
    ];
    const { echo, traffic } = plotsOf(samples, [2000, -90_000]);
    t.equal(echo.series[0]?.path.match(/M/g)?.length, 2, 'two pieces');
    t.equal(echo.top, '5 ms');
    t.equal(echo.summary, 'Echoes took 4 ms in the middle, at most 4 ms.');
    t.same(
      echo.marks,
      [Math.round((58 / 60) * WIDTH)],
      'a move before the left edge is not marked',
    );
    t.equal(traffic.series[0]?.path.match(/[ML]/g)?.length, 2, 'two rates are known of four');
    t.match(traffic.summary, 'At most 8 kbit/s in (solid)');
    const none = plotsOf([], []);
    t.match(none.echo, { now: 'none', summary: /has not answered/, series: [{ path: '' }] });
    const heights = [...(echo.series[0]?.path.matchAll(/[ML][\d.]+ ([\d.]+)/g) ?? [])].map(
      ([, y]) => Number(y),
    );
    t.ok(heights.every((y) => y >= 0 && y <= HEIGHT));
  },
);

t.test('text › numbers as a person reads them', async (t) => {
  t.same([0, 999, 1000, 67_240, 1_500_000, 2e9].map(bits), [
    '0 bit/s',
    '999 bit/s',
    '1 kbit/s',
    '67.2 kbit/s',
    '1.5 Mbit/s',
    '2 Gbit/s',
  ]);
  t.same([0.42, 1.83, 12.34, 120.4].map(milliseconds), ['0.42 ms', '1.8 ms', '12.3 ms', '120 ms']);
  t.same([400, 12_000, 180_000, 18_120_000, 356_400_000].map(span), [
    '0.4 s',
    '12 s',
    '3 min',
    '5 h 2 min',
    '4 d 3 h',
  ]);
});
