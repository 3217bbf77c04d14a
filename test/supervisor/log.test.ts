import t from 'tap';
import type { Note } from '@ppp-thing/protocol/engine/events';
import { formatNote, Log, type LogLevel, type LogStyle } from '@ppp-thing/supervisor/log';

interface Bench {
  readonly log: Log;
  readonly lines: string[];
  now: number;
}

function bench(level: LogLevel, style: LogStyle = 'plain'): Bench {
  const lines: string[] = [];
  const made: Bench = {
    lines,
    now: 0,
    log: new Log(
      level,
      (line) => lines.push(line),
      () => made.now,
      style,
    ),
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
      formatNote(moved),
      'owner: Standby -> Holding on role MASTER [take] epoch=41->42 vhid=3',
    );
  },
);

t.test('log › a measured number is shown to three places', async (t) => {
  const note: Note = { ...moved, facts: { rttMs: 25.432603999999856, epoch: 41 } };
  t.match(formatNote(note), / rttMs=25\.433 epoch=41$/);
});

t.test('log › without a target the line names the state alone', async (t) => {
  const note: Note = { level: 'warn', machine: 'link', from: 'Dead', on: 'PADT' };
  t.equal(formatNote(note), 'link: Dead on PADT');
});

t.test('log › a fact that cannot stand bare is quoted, and no text ends the line', async (t) => {
  const facts = { message: 'sorry, no', empty: '', trick: 'a\nb', odd: 'x="y"' };
  const { log, lines } = bench('warn');
  log.note('pppoe0', { level: 'warn', machine: 'auth', from: 'Dead', on: 'a\nb', facts });
  t.strictSame(lines, [
    'warn: pppoe0 auth: Dead on a\\u000ab message="sorry, no" empty="" trick="a\\nb" odd="x=\\"y\\""',
  ]);
});

t.test('log › a level lets through itself and the rarer ones, and can be changed', async (t) => {
  const { log, lines } = bench('warn');
  for (const level of ['error', 'warn', 'info', 'debug', 'trace'] as const) log.line(level, 'x');
  t.strictSame(lines, ['error: x', 'warn: x']);
  log.level = 'trace';
  log.line('trace', 'all');
  t.equal(lines.at(-1), 'trace: all');
  t.ok(log.shows('debug'));
});

t.test('log › a terminal sees RFC 3339 times, journald priorities', async (t) => {
  const shown = (style: LogStyle, level: LogLevel): string => {
    const { log, lines } = bench('trace', style);
    log.line(level, 'text');
    return lines[0] ?? '';
  };
  t.match(shown('timestamps', 'info'), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z text$/);
  t.strictSame(
    (['error', 'warn', 'info', 'debug'] as const).map((level) => shown('journal', level)),
    ['<3>text', '<4>text', '<6>text', '<7>text'],
  );
});

t.test('log › lines of one kind are limited, counted, and let through again', async (t) => {
  const made = bench('info');
  for (let i = 0; i < 100; i++) made.log.note('pppoe0', { ...moved, facts: { epoch: i } });
  t.equal(made.lines.length, 20);
  made.log.line('info', 'another kind');
  t.equal(made.lines.length, 21, 'another kind has its own limit');
  made.now = 1000;
  made.log.note('pppoe0', moved);
  t.equal(made.lines[21], 'warn: 80 more lines like: pppoe0 owner role MASTER');
  t.equal(made.lines.length, 23);
});

t.test('log › lines of many kinds are limited together', async (t) => {
  const made = bench('info');
  for (let i = 0; i < 10_000; i++) made.log.line('info', `kind ${i}`);
  t.equal(made.lines.length, 2000);
  made.now = 1000;
  made.log.line('info', 'next');
  t.strictSame(made.lines.slice(2000), ['warn: 8000 more lines of all kinds', 'next']);
});
