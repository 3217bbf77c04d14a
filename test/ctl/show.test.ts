/** How a status looks: the sentence for each state, the table of several sessions, spans, and hostile text. */
import t from 'tap';
import { parse } from '@ppp-thing/ctl/client';
import { showStatus, span, verdict } from '@ppp-thing/ctl/show';
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { holding } from '../supervisor/status-bench.ts';

/** A status as the supervisor gives it: of a session that is up, with a partner. */
async function status(t: Parameters<typeof holding>[0]): Promise<StatusJson> {
  const { ask } = await holding(t, { partner: true });
  return JSON.parse((await ask('status', 'GET', '/v1/status')).body);
}

function only({ sessions: [session] }: StatusJson): SessionStatusJson {
  if (session === undefined) throw new Error('no session');
  return session;
}

t.test('verdict › a sentence for every state', async (t) => {
  const up = only(await status(t));
  const said = (change: Partial<SessionStatusJson>): string => verdict({ ...up, ...change }).join();
  t.equal(said({}), 'good,this router holds the session');
  t.equal(said({ proven: false }), 'bad,this router holds the session, and the AC does not answer');
  t.equal(said({ proven: false, session: null }), 'busy,no session yet');
  t.equal(said({ carrier: false }), 'bad,no carrier on igb0');
  t.equal(said({ state: 'Standby', armed: true }), 'good,standing by, ready to take over');
  t.equal(said({ state: 'Standby' }), 'bad,standing by, not ready to take over');
  t.match(said({ state: 'Standby', session: null }), /^busy,standing by; there is no session/);
  t.match(said({ state: 'Yielding' }), /^busy,handing/);
  t.match(said({ state: 'Fenced' }), /^bad,silent/);
  t.match(said({ state: 'Waiting', carrier: false }), /^busy,waiting/);
  t.match(said({ state: 'Off' }), /^busy,disconnected/);
});

t.test('showStatus › several sessions are a table, a named one is a block', async (t) => {
  const one = await status(t);
  const up = only(one);
  const down: SessionStatusJson = {
    ...up,
    name: 'pppoe1-fibre',
    session: null,
    phase: 'Wait',
    link: { ...up.link, echoRttMs: null },
    partner: { ...up.partner, heardAt: null },
    lastTakeover: null,
  };
  const two = { ...one, sessions: [up, down] };
  const lines = showStatus(two, { colours: false }).split('\n');
  t.equal(lines.length, 3);
  t.match(lines[0], /^SESSION {7}ROLE {4}HOLDER {7}STATE {4}PHASE {4}ADDRESS {6}UP/);
  t.match(
    lines[1],
    /^pppoe0 {8}MASTER {2}this router {2}Holding {2}Network {2}203\.0\.113\.7 {2}\d/,
  );
  t.match(lines[2], /^pppoe1-fibre {2}MASTER .* Wait {5}- {12}- .* not heard +-$/);
  const block = showStatus(two, { colours: false, names: ['pppoe1-fibre'] });
  t.match(block, /^pppoe1-fibre: /);
  t.notMatch(block, /pppoe0/);
});

t.test(
  'showStatus › what keeps a session waiting is named, and what is always awaited is not',
  async (t) => {
    const one = await status(t);
    const at = (seconds: number): number => one.now + seconds * 1000;
    const waits = [
      { name: 'tell', at: at(0.4) },
      { name: 'PADI', at: at(0.6) },
      { name: 'retry', at: at(0.8) },
      { name: 'watchdog', at: at(250) },
    ];
    const shown = (session: SessionStatusJson): string =>
      showStatus({ ...one, sessions: [session] }, { colours: false });
    t.match(
      shown({ ...only(one), waits }),
      /^ {2}waits {5}PADI 0\.6 s, retry 0\.8 s, watchdog 4 min$/m,
    );
    t.notMatch(shown({ ...only(one), waits: waits.slice(0, 1) }), 'waits');
  },
);

t.test('showStatus › what is wrong with the router comes first', async (t) => {
  const healthy = await status(t);
  const broken: StatusJson = {
    ...healthy,
    helper: { connected: false, platform: null },
    partner: { ...healthy.partner, trouble: 'no key_file' },
  };
  const lines = showStatus(broken, { colours: false }).split('\n');
  t.match(lines.slice(0, 2), [/^the helper is away/, /^partner: no key_file$/]);
  t.equal(showStatus(broken, { colours: true }).split('\u001b[31m').length, 3, 'both in red');
});

t.test('parse › no text from the socket moves a cursor', async (t) => {
  const hostile = { error: 'x\u001b[2J\u009b1m\u202e\nz', deep: [{ ac: '\u0007\u00e9' }] };
  t.strictSame(parse(JSON.stringify(hostile)), {
    error: String.raw`x\u001b[2J\u009b1m\u202e\u000az`,
    deep: [{ ac: `\\u0007\u00e9` }],
  });
});

t.test('span › two units at most', async (t) => {
  const minute = 60_000;
  for (const [ms, text] of [
    [-5, '0.0 s'],
    [440, '0.4 s'],
    [9960, '9 s'],
    [119_999, '119 s'],
    [3 * minute, '3 min'],
    [302 * minute, '5 h 2 min'],
    [(4 * 24 + 3) * 60 * minute, '4 d 3 h'],
  ] as const) {
    t.equal(span(ms), text);
  }
});
