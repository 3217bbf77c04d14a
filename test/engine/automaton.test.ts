/** The transition table against the RFC's own cells, and what `step` makes of them. */
import { readFileSync } from 'node:fs';
import t from 'tap';
import {
  isTimed,
  STATES,
  step,
  TRANSITIONS,
  type AutomatonEvent,
} from '@ppp-thing/protocol/engine/ppp/automaton';

const text = readFileSync(new URL('../../fixtures/rfc1661-4.1.txt', import.meta.url), 'utf8');
const rows = text
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))
  .map((line) => line.split(/\s+/));
const events = Object.keys(TRANSITIONS) as AutomatonEvent[];

void t.test('automaton › the table has the sixteen events and ten states of RFC 1661 §4.1', (t) => {
  t.same(
    rows.map(([event]) => event),
    events,
  );
  t.ok(rows.every((row) => row.length === 1 + STATES.length));
  t.end();
});

for (const [event, ...cells] of rows) {
  void t.test(`automaton › ${event} is as in RFC 1661 §4.1 in every state`, (t) => {
    t.same(TRANSITIONS[event as AutomatonEvent], cells);
    t.end();
  });
}

void t.test(
  'automaton › step is total: each cell gives its actions and state, a dash nothing',
  (t) => {
    for (const event of events) {
      for (const [i, state] of STATES.entries()) {
        const cell = TRANSITIONS[event][i] ?? '-';
        const [, actions, next] = /^(?:(.*)\/)?(\d)/.exec(cell) ?? [];
        const expected =
          next === undefined
            ? undefined
            : { actions: actions?.split(',') ?? [], next: STATES[Number(next)] };
        t.same(step(state, event), expected, `${event} in ${state}`);
      }
    }
    t.end();
  },
);

void t.test('automaton › the Restart timer runs in the states that have TO events', (t) => {
  t.same(STATES.filter(isTimed), ['Closing', 'Stopping', 'Req-Sent', 'Ack-Rcvd', 'Ack-Sent']);
  t.end();
});
