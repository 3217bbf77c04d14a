/** How often the processes of an idle pair wake, on virtual time. Each wake-up costs a processor more than what it does. */
import { runSystem } from '@ppp-thing/lab/system/world';
import t from 'tap';
import { PLAIN } from './plain.ts';

/** By then one has dialled. */
const START_MS = 40_000;
const SPAN_MS = 60_000;

t.test('idle › a second wakes a process once for its partner, and once for itself', async (t) => {
  const started = await runSystem({ ...PLAIN, lengthMs: START_MS });
  const ended = await runSystem({ ...PLAIN, lengthMs: START_MS + SPAN_MS });
  t.equal(ended.violation, undefined);
  const seconds = (ended.simulatedMs - started.simulatedMs) / 1000;
  const perSecond = (which: 'helper' | 'supervisor', index: 0 | 1): number =>
    ((ended.turns?.[which][index] ?? 0) - (started.turns?.[which][index] ?? 0)) / seconds;
  const [holder, standby] = [0, 1] as const;
  // The level of role and carrier each second; an Echo each 5 s of ours and 10 s of the AC's, sent and answered.
  t.ok(perSecond('helper', holder) <= 2, `helper of the holder: ${perSecond('helper', holder)}`);
  t.ok(perSecond('helper', standby) <= 1.1, `of the standby: ${perSecond('helper', standby)}`);
  // A datagram each second and one of the partner's; the holder has the Echoes as well.
  t.ok(perSecond('supervisor', holder) <= 3, `supervisor: ${perSecond('supervisor', holder)}`);
  t.ok(perSecond('supervisor', standby) <= 2.5, `standby: ${perSecond('supervisor', standby)}`);
  t.comment(JSON.stringify({ started: started.turns, ended: ended.turns, seconds }));
});
