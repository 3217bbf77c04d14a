/**
 * Every cell of ownership's table is entered by a simulated pair of routers, or it stands here with the reason why none
 * can. A reason that is refuted fails as much as a cell that is left out.
 */
import { runSeeds } from '@ppp-thing/lab/campaign/batch';
import { countCells } from '@ppp-thing/lab/campaign/coverage';
import { run } from '@ppp-thing/lab/campaign/world';
import t from 'tap';
import { readTranscripts } from './transcripts.ts';

const WAITING_ONLY = 'only a router that waits leaves that state';
const STANDBY_ONLY = 'a rival is looked for only by a router in Standby that is about to take';
const YIELDING_ONLY = 'its deadline is set on entering Yielding, and cleared by each way out of it';

const IMPOSSIBLE: Readonly<Record<string, string>> = {
  'Adopt/Standby': WAITING_ONLY,
  'Adopt/Holding': WAITING_ONLY,
  'Adopt/Yielding': WAITING_ONLY,
  'Adopt/Fenced': WAITING_ONLY,
  'Adopt/Off': WAITING_ONLY,
  'Ready/Standby': WAITING_ONLY,
  'Ready/Holding': WAITING_ONLY,
  'Ready/Yielding': WAITING_ONLY,
  'Ready/Fenced': WAITING_ONLY,
  'Ready/Off': WAITING_ONLY,
  'Rival/Waiting': STANDBY_ONLY,
  'Rival/Holding': STANDBY_ONLY,
  'Rival/Yielding': STANDBY_ONLY,
  'Rival/Fenced': STANDBY_ONLY,
  'Rival/Off': STANDBY_ONLY,
  'Undo/Waiting': YIELDING_ONLY,
  'Undo/Standby': YIELDING_ONLY,
  'Undo/Holding': YIELDING_ONLY,
  'Undo/Fenced': YIELDING_ONLY,
  'Undo/Off': YIELDING_ONLY,
};

const cells = countCells();
const { runs, found } = runSeeds({ first: 1, end: 301 });
for (const { plan } of readTranscripts()) run(plan);

void t.test('simulator › the first 300 seeds break no rule', (t) => {
  t.equal(runs, 300);
  t.same(found, []);
  t.end();
});

void t.test('ownership › every cell that can be entered is', (t) => {
  const entered = [...cells].filter(([cell]) => !(cell in IMPOSSIBLE));
  t.equal(cells.size, 66);
  t.equal(entered.length, 46);
  t.same(
    entered.filter(([, count]) => count === 0).map(([cell]) => cell),
    [],
  );
  t.end();
});

void t.test('ownership › no cell that is called impossible is entered', (t) => {
  for (const [cell, reason] of Object.entries(IMPOSSIBLE)) t.equal(cells.get(cell), 0, reason);
  t.end();
});

void t.test('transcripts › those kept for a cell enter it', (t) => {
  for (const { name, cells: kept, plan } of readTranscripts()) {
    if (kept === undefined) continue;
    const before = kept.map((cell) => cells.get(cell) ?? 0);
    run(plan);
    kept.forEach((cell, i) => t.ok((cells.get(cell) ?? 0) > (before[i] ?? 0), `${name}: ${cell}`));
  }
  t.end();
});
