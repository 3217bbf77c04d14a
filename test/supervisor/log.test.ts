import t from 'tap';
import type { Note } from '@ppp-thing/protocol/engine/events';
import {
  createLog,
  formatNote,
  isLogLevel,
  type Log,
  type LogStyle,
} from '@ppp-thing/supervisor/log';

interface Bench {
  readonly log: Log;
  readonly lines: string[];
  now: number;
}

function bench(level: Log['level'], style: LogStyle = 'plain'): Bench {
  const lines: string[] = [];
  const made: Bench = {
    lines,
    now: 0,
    log: createLog({
      level,
      style,
      out: (text) => lines.push(text),
      wallClock: () => Date.UTC(2026, 0, 2, 3, 4, 5, 6),
      now: () => made.now,
    }),
  };
  return made;
}

const moved: Note = {
  level: 'info',
  machine: 'owner',
  from: 'Standby',
  to: 'Holding',
  on: 'role MASTER',
  actions: ['take'],
  facts: { epoch: '41->42', vhid: 3 },
};

t.test(
  'log › a transition is one line: what moved, on what, what was done, and the facts',
  async (t) => {
    t.equal(
      formatNote('pppoe0', moved),
      'pppoe0 owner: Standby -> Holding on role MASTER [take] epoch=41->42 vhid=3',
    );
  },
);

t.test('log › without a target the line names the state alone', async (t) => {
  t.equal(
    formatNote('pppoe0', { level: 'warn', machine: 'link', from: 'Dead', on: 'PADT' }),
    'pppoe0 link: Dead on PADT',
  );
});

t.test('log › a fact that cannot stand bare is quoted, and no text ends the line', async (t) => {
  const facts = { message: 'sorry, no', empty: '', trick: 'a\nb', odd: 'x="y"' };
  t.equal(
    formatNote('pppoe0', { level: 'warn', machine: 'auth', from: 'Dead', on: 'a\nb', facts }),
    'pppoe0 auth: Dead on a\\x0ab message="sorry, no" empty="" trick="a\\nb" odd="x=\\"y\\""',
  );
});

t.test('log › a level lets through itself and the rarer ones, and can be changed', async (t) => {
  const { log, lines } = bench('warn');
  for (const level of ['error', 'warn', 'info', 'debug', 'trace'] as const) log.write(level, level);
  t.strictSame(lines, ['error\n', 'warn\n']);
  log.level = 'trace';
  log.write('trace', 'all');
  t.equal(lines.at(-1), 'all\n');
  t.ok(log.isWanted('debug'));
  t.ok(isLogLevel('debug'));
  t.notOk(isLogLevel('verbose'));
});

t.test('log › a terminal sees RFC 3339 times, journald priorities, syslog neither', async (t) => {
  const shown = (style: LogStyle, level: Log['level']): string | undefined => {
    const { log, lines } = bench('trace', style);
    log.write(level, 'text');
    return lines[0];
  };
  t.equal(shown('timestamps', 'info'), '2026-01-02T03:04:05.006Z text\n');
  t.equal(shown('plain', 'error'), 'text\n');
  t.strictSame(
    (['error', 'warn', 'info', 'debug'] as const).map((level) => shown('journal', level)),
    ['<3>text\n', '<4>text\n', '<6>text\n', '<7>text\n'],
  );
});

t.test('log › lines of one kind are limited, counted, and let through again', async (t) => {
  const made = bench('info');
  for (let i = 0; i < 100; i++) made.log.note('pppoe0', { ...moved, facts: { epoch: i } });
  t.equal(made.lines.length, 20);
  made.log.write('info', 'another kind', 'partner');
  t.equal(made.lines.length, 21, 'another kind has its own limit');
  made.log.write('error', 'no kind');
  t.equal(made.lines.length, 22);
  made.now = 10_000;
  made.log.note('pppoe0', moved);
  t.equal(made.lines[22], 'pppoe0 owner: Standby -> Holding: 80 more such lines not written\n');
  t.equal(made.lines.length, 24);
});

t.test('log › kinds that a peer invents take no memory without end', async (t) => {
  const made = bench('info');
  for (let i = 0; i < 5000; i++) made.log.write('info', 'x', `kind ${i}`);
  t.equal(made.lines.length, 5000);
  for (let i = 0; i < 30; i++) made.log.write('info', 'x', 'kind 4999');
  t.equal(made.lines.length, 5019, 'a recent kind is remembered');
});
