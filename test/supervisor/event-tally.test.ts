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

t.test('event tally › counts dials, ends, takeovers and handoffs', async (t) => {
  const { events, say } = tallied();
  say({ machine: 'link', from: 'Dead', to: 'Discovery', on: 'dial' });
  say({ machine: 'link', from: 'Network', to: 'Dead', on: 'the AC sent PADT' });
  say({ machine: 'link', from: 'Network', to: 'Dead', on: 'suspend' });
  say({ machine: 'link', from: 'Network', to: 'Dead', on: 'what nobody foresaw' });
  say({ machine: 'owner', from: 'Standby', to: 'Holding', on: 'role MASTER', actions: ['take'] });
  say({ machine: 'owner', from: 'Holding', to: 'Yielding', on: 'handoff' });
  say({ machine: 'owner', from: 'Yielding', to: 'Standby', on: 'role BACKUP' });
  t.equal(events().dials, 1);
  t.equal(events().ended.get('padt'), 1);
  t.equal(events().ended.get('other'), 1, 'a session that only moved has not ended');
  t.equal(events().takeovers.get('role'), 1);
  t.strictSame(
    [...events().handoffs],
    [
      ['done', 1],
      ['undone', 0],
    ],
  );
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
