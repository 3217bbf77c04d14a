/**
 * CARP's timings and preemption against what carp(4) does on a FreeBSD 13.2 kernel: three advertisements and the skew
 * to a take-over, at once for a demotion, one advertisement for a return.
 */
import t from 'tap';
import { CarpPair, type PairEvent, type RoleEdge } from '@ppp-thing/lab/line/carp';
import { millis, type Instant } from '@ppp-thing/protocol/time';

interface Timed extends RoleEdge {
  readonly at: number;
}

/** Two stations on a virtual clock; the LAN takes 2 ms. */
class Run {
  readonly edges: Timed[] = [];
  readonly pair: CarpPair;
  now = 0;

  constructor(skews: readonly number[], preempt: boolean | readonly boolean[] = true) {
    const configs = skews.map((advskew, i) => ({
      advbase: 1,
      advskew,
      preempt: typeof preempt === 'boolean' ? preempt : preempt[i] === true,
      secondMs: 1000,
    }));
    this.pair = new CarpPair(configs, millis(2));
  }

  feed(event: PairEvent): void {
    const edges = this.pair.handle(event, this.now as Instant);
    this.edges.push(...edges.map((edge) => ({ ...edge, at: this.now })));
  }

  /** Let `ms` pass. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.pair.deadline();
      if (next === undefined || next > end) break;
      this.now = Math.max(next, this.now);
      this.feed({ kind: 'deadline' });
    }
    this.now = end;
  }

  /** The edges since this was last asked, as `station role at reason`. */
  take(): string[] {
    const told = this.edges.splice(0);
    return told.map(
      ({ station, role, at, reason }) => `${station} ${role} ${at.toFixed(0)} ${reason}`,
    );
  }
}

/** Both up, and time for them to agree. */
function settled(skews: readonly number[], preempt: boolean | readonly boolean[] = true): Run {
  const run = new Run(skews, preempt);
  run.feed({ kind: 'link', station: 0, up: true });
  run.feed({ kind: 'link', station: 1, up: true });
  run.pass(10_000);
  run.take();
  return run;
}

for (const [advskew, expected] of [
  [0, 3000],
  [100, 3391],
  [240, 3938],
] as const) {
  t.test(`alone with advskew ${advskew} a BACKUP is MASTER after ${expected} ms`, async (t) => {
    const run = new Run([advskew]);
    run.feed({ kind: 'link', station: 0, up: true });
    run.pass(5000);
    t.same(run.take(), [
      '0 BACKUP 0 hardware interface up',
      `0 MASTER ${expected} master timed out`,
    ]);
  });
}

t.test('the lower advskew is MASTER', async (t) => {
  const run = settled([0, 100]);
  t.same([run.pair.role(0), run.pair.role(1)], ['MASTER', 'BACKUP']);
});

t.test(
  'when the master loses power, the other takes over 3 × advbase + skew after its last word',
  async (t) => {
    const run = settled([0, 100]);
    run.feed({ kind: 'power-cut', station: 0 });
    const cut = run.now;
    run.pass(5000);
    const [edge] = run.edges;
    t.equal(edge?.role, 'MASTER');
    t.equal(edge?.reason, 'master timed out');
    const elapsed = (edge?.at ?? 0) - cut;
    t.ok(elapsed > 3391 - 1000 && elapsed <= 3391 + 2, `${elapsed} ms`);
  },
);

t.test(
  'a demotion moves the role at once, the new master a moment before the old one',
  async (t) => {
    const run = settled([0, 100]);
    const { now } = run;
    run.feed({ kind: 'demotion', station: 0, amount: 240 });
    run.pass(17);
    t.same(run.take(), [
      `1 MASTER ${now + 2} preempting a slower master`,
      `0 BACKUP ${now + 4} more frequent advertisement received`,
    ]);
  },
);

t.test('a demotion moves nothing if the backup does not preempt', async (t) => {
  const run = settled([0, 100], false);
  run.feed({ kind: 'demotion', station: 0, amount: 240 });
  run.pass(8000);
  t.same(run.take(), []);
});

t.test('a demotion that is taken back gives the role back within one advertisement', async (t) => {
  const run = settled([0, 100]);
  run.feed({ kind: 'demotion', station: 0, amount: 240 });
  run.pass(5000);
  run.take();
  const { now } = run;
  run.feed({ kind: 'demotion', station: 0, amount: 0 });
  run.pass(2000);
  const [edge] = run.edges;
  t.equal(edge?.station, 0);
  t.equal(edge?.role, 'MASTER');
  t.ok((edge?.at ?? 0) - now <= 1391 + 2);
});

t.test('demotion adds up to no more than a skew of 240', async (t) => {
  const run = settled([200, 239]);
  run.feed({ kind: 'demotion', station: 0, amount: 1000 });
  run.pass(2000);
  t.same([run.pair.role(0), run.pair.role(1)], ['BACKUP', 'MASTER']);
  run.feed({ kind: 'demotion', station: 1, amount: 1000 });
  run.pass(5000);
  t.equal(run.pair.role(1), 'MASTER', 'equally demoted, nobody moves');
});

t.test(
  'a better router that returns takes back after one advertisement if it preempts',
  async (t) => {
    const run = settled([0, 100]);
    run.feed({ kind: 'power-cut', station: 0 });
    run.pass(10_000);
    run.take();
    const { now } = run;
    run.feed({ kind: 'link', station: 0, up: true });
    run.pass(5000);
    const master = run.edges.find(({ station, role }) => station === 0 && role === 'MASTER');
    t.equal(master?.reason, 'preempting a slower master');
    t.ok((master?.at ?? Infinity) - now <= 1391 + 2, 'within the old master’s interval');
  },
);

t.test('a better router that returns stays BACKUP if it does not preempt', async (t) => {
  const run = settled([0, 100], false);
  run.feed({ kind: 'power-cut', station: 0 });
  run.pass(10_000);
  run.feed({ kind: 'link', station: 0, up: true });
  run.pass(30_000);
  t.same([run.pair.role(0), run.pair.role(1)], ['BACKUP', 'MASTER']);
});

t.test('a better router that returns demoted does not take back', async (t) => {
  const run = settled([0, 100]);
  run.feed({ kind: 'power-cut', station: 0 });
  run.pass(10_000);
  run.feed({ kind: 'demotion', station: 0, amount: 240 });
  run.feed({ kind: 'link', station: 0, up: true });
  run.pass(30_000);
  t.same([run.pair.role(0), run.pair.role(1)], ['BACKUP', 'MASTER']);
});

t.test(
  'a router whose LAN goes down is INIT at once, and the other follows in CARP’s time',
  async (t) => {
    const run = settled([0, 100]);
    const { now } = run;
    run.feed({ kind: 'link', station: 0, up: false });
    run.pass(5000);
    const [init, master] = run.edges;
    t.same([init?.role, init?.at], ['INIT', now]);
    t.equal(master?.role, 'MASTER');
    t.ok((master?.at ?? 0) - now <= 3393);
  },
);

t.test('on a LAN that is cut both are MASTER, and one yields when it is whole again', async (t) => {
  const run = settled([0, 100]);
  run.feed({ kind: 'reach', from: 0, reaches: false });
  run.feed({ kind: 'reach', from: 1, reaches: false });
  run.pass(5000);
  t.same([run.pair.role(0), run.pair.role(1)], ['MASTER', 'MASTER']);
  run.feed({ kind: 'reach', from: 0, reaches: true });
  run.feed({ kind: 'reach', from: 1, reaches: true });
  run.pass(1500);
  t.same([run.pair.role(0), run.pair.role(1)], ['MASTER', 'BACKUP']);
});
