/** The campaign on the whole system: the same seed gives the same run, the first seeds break no rule, a mistake is seen. */
import { runSeeds } from '@ppp-thing/lab/campaign/batch';
import { makeSystemPlan, type SystemPlan } from '@ppp-thing/lab/system/plan';
import { runSystem, SYSTEM } from '@ppp-thing/lab/system/world';
import t from 'tap';

void t.test('system › the same seed gives the same run, and the plan survives JSON', async (t) => {
  const kept: SystemPlan = JSON.parse(JSON.stringify(makeSystemPlan(1)));
  const result = await runSystem(kept, true);
  t.same(result, await runSystem(makeSystemPlan(1), true));
  t.ok(result.simulatedMs > 60_000);
});

void t.test('system › the first seeds break no rule', async (t) => {
  const { runs, found } = await runSeeds(SYSTEM, { first: 1, end: 9 });
  t.equal(runs, 8);
  t.same(found, []);
});

void t.test('system › a plan that ends in disagreement breaks a rule', async (t) => {
  const broken: SystemPlan = {
    ...makeSystemPlan(3),
    lengthMs: 60_000,
    faults: [
      { atMs: 20_000, fault: { kind: 'partner-loss', from: 'both', share: 1, forMs: 400_000 } },
    ],
  };
  const { violation } = await runSystem(broken);
  t.match(violation, { rule: 'R8', what: /does not hear its partner|the disks hold/ });
});
