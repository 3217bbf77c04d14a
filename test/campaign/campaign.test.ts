/** The simulator itself: the same seed gives the same run, it notices, it shrinks, it resumes. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runSeeds, Workers } from '@ppp-thing/lab/campaign/batch';
import { MUTANTS } from '@ppp-thing/lab/campaign/mutants';
import { TEST_MUTANTS } from '@ppp-thing/lab/campaign/mutants-tests';
import { makePlan, type Plan } from '@ppp-thing/lab/campaign/plan';
import { shrink, story } from '@ppp-thing/lab/campaign/shrink';
import { FAST, run } from '@ppp-thing/lab/campaign/world';
import t from 'tap';

const PACKAGES = new URL('../../../packages/', import.meta.url);
const MAIN = fileURLToPath(new URL('lab/dist/campaign/main.js', PACKAGES));

void t.test('simulator › the same seed gives the same plan and the same run', (t) => {
  t.same(makePlan(7), makePlan(7));
  t.notSame(makePlan(7).faults, makePlan(8).faults);
  t.same(run(makePlan(7), true), run(makePlan(7), true));
  t.end();
});

void t.test('simulator › a run covers minutes, and the plan survives JSON', (t) => {
  const plan = makePlan(11);
  const kept: Plan = JSON.parse(JSON.stringify(plan));
  const result = run(kept, true);
  t.same(result, run(plan, true));
  t.ok(result.simulatedMs > 200_000);
  t.equal(result.violation, undefined);
  t.end();
});

/** It ends while the partners do not hear each other. */
const { delegating: _, ...THIRD } = makePlan(3);
const BROKEN: Plan = {
  ...THIRD,
  lengthMs: 100_000,
  faults: [
    { atMs: 21_000, fault: { kind: 'ac-slow', lateMs: 50, forMs: 1000 } },
    { atMs: 30_000, fault: { kind: 'partner-loss', from: 'both', share: 1, forMs: 400_000 } },
    { atMs: 40_000, fault: { kind: 'line-loss', share: 0.1, forMs: 1000 } },
  ],
};

void t.test(
  'simulator › a plan that ends in disagreement breaks a rule, and shrinks',
  async (t) => {
    const { violation } = run(BROKEN);
    t.match(violation, { rule: 'R8', what: /does not hear its partner/ });
    const smallest = await shrink(FAST, BROKEN);
    t.same(
      smallest.faults.map(({ fault }) => fault.kind),
      ['partner-loss'],
    );
    const told = await story(FAST, smallest);
    t.match(told, /^seed 3 breaks R8: /);
    t.match(told, /VIOLATION R8/);
  },
);

void t.test('simulator › processes share the seeds, each of which is run once', async (t) => {
  const whole = await runSeeds(FAST, { first: 1, end: 41 });
  const workers = new Workers(MAIN, 2);
  const parts = [await workers.run(1, 30), await workers.run(31, 10)];
  workers.close();
  t.equal(whole.runs, 40);
  t.strictSame(
    parts.map(({ runs }) => runs),
    [30, 10],
  );
  t.equal(
    parts.reduce((sum, { steps }) => sum + steps, 0),
    whole.steps,
  );
});

void t.test('simulator › a campaign goes on where it stopped', (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'campaign-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const state = join(directory, 'state.json');
  const call = (): { runs: number; next: number } =>
    JSON.parse(
      execFileSync(
        process.execPath,
        [MAIN, '--runs', '10', '--state', state, '--json', '--jobs', '1'],
        {
          encoding: 'utf8',
        },
      ),
    );
  t.match(call(), { runs: 10, next: 11 });
  t.match(call(), { runs: 20, next: 21, violations: 0 });
  t.match(JSON.parse(readFileSync(state, 'utf8')), { next: 21, total: { runs: 20 } });
  t.end();
});

void t.test('simulator › a number that is none is refused', (t) => {
  const { status, stderr } = spawnSync(process.execPath, [MAIN, '--runs', 'many'], {
    encoding: 'utf8',
  });
  t.equal(status, 2);
  t.match(stderr, /^usage: /);
  t.end();
});

void t.test('mutants › each piece stands exactly once in the compiled product', (t) => {
  const all = [...MUTANTS, ...TEST_MUTANTS];
  t.ok(all.length >= 150);
  t.equal(new Set(all.map(({ name }) => name)).size, all.length);
  for (const { name, file, find, replace } of all) {
    const source = readFileSync(new URL(file, PACKAGES), 'utf8');
    t.equal(source.split(find).length - 1, 1, name);
    t.not(find, replace, name);
  }
  t.end();
});
