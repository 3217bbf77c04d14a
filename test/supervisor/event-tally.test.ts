/** What happened to a session, as counts for alarms. */
import t from 'tap';
import type { Note } from '@ppp-thing/protocol/engine/events';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { EventTally, TAKEOVER_BOUNDS } from '@ppp-thing/supervisor/event-tally';
import type { Happening, SessionView, Supervisor } from '@ppp-thing/supervisor/supervisor';

type Said = Pick<Note, 'machine' | 'from' | 'on'> & Partial<Note>;

function tallied() {
  let tell: (happening: Happening) => void = () => undefined;
  const status: { lastTakeover?: unknown } = {};
  const supervisor = {
    subscribe(listener: typeof tell) {
      tell = listener;
      return () => undefined;
    },
    session: () => ({ status }) as SessionView,
  } as unknown as Supervisor;
  const tally = new EventTally(supervisor);
  const say = (said: Said): void =>
    tell({ sequence: 1, time: 0, session: 'pppoe0', line: '', note: { level: 'info', ...said } });
  return { events: () => tally.of('pppoe0'), say, status };
}

t.test('event tally › begins at zero with every label', async (t) => {
  const { events } = tallied();
  t.equal(events().dials, 0);
  t.strictSame([...events().takeovers.keys()], ['role', 'partner', 'start', 'other']);
  for (const count of [...events().takeovers.values(), ...events().ended.values()])
    t.equal(count, 0);
});

t.test('event tally › counts dials, takeovers and handoffs', async (t) => {
  const { events, say } = tallied();
  say({ machine: 'link', from: 'Dead', to: 'Discovery', on: 'dial' });
  say({ machine: 'owner', from: 'Standby', to: 'Holding', on: 'role MASTER', actions: ['take'] });
  say({ machine: 'owner', from: 'Holding', to: 'Yielding', on: 'handoff' });
  say({ machine: 'owner', from: 'Yielding', to: 'Standby', on: 'role BACKUP' });
  t.equal(events().dials, 1);
  t.equal(events().takeovers.get('role'), 1);
  t.strictSame(
    [...events().handoffs],
    [
      ['done', 1],
      ['undone', 0],
    ],
  );
});

t.test('event tally › counts a session that was up when it ends, however that goes', async (t) => {
  const { events, say } = tallied();
  const up = (): void => say({ machine: 'link', from: 'Network', on: 'opened' });
  const ends = (from: string, on: string): void => say({ machine: 'link', from, to: 'Dead', on });
  up();
  ends('Network', 'the AC sent PADT');
  up();
  ends('Network', 'what nobody foresaw');
  up();
  say({ machine: 'link', from: 'Network', to: 'Terminate', on: 'LCP down' });
  ends('Terminate', 'the AC terminated the link: idle');
  say({ machine: 'link', from: 'Dead', to: 'Network', on: 'resume' });
  say({ machine: 'link', from: 'Network', to: 'Terminate', on: 'reconnect by the operator' });
  ends('Terminate', 'reconnect by the operator');
  up();
  ends('Network', 'suspend');
  ends('Terminate', 'the AC refused user "alice"');
  const counted = [...events().ended].filter(([, count]) => count > 0);
  t.strictSame(counted, [
    ['padt', 1],
    ['terminate', 1],
    ['operator', 1],
    ['other', 1],
  ]);
});

t.test('event tally › a takeover is measured once', async (t) => {
  const { events, say, status } = tallied();
  status.lastTakeover = { at: 1000 as Instant, epoch: 2, provenAfter: millis(30) };
  const proven: Said = {
    machine: 'link',
    from: 'Network',
    on: 'Echo-Reply',
    facts: { proven: true },
  };
  say(proven);
  say(proven);
  t.equal(events().proven.count, 1);
  t.equal(events().proven.sum, 0.03);
  t.strictSame(
    events().proven.within,
    TAKEOVER_BOUNDS.map((bound) => (bound >= 0.03 ? 1 : 0)),
  );
});
