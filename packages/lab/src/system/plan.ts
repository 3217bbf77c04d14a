/**
 * What goes wrong in a run of the whole system, and when. It adds to the fast campaign's plans what only real processes
 * can suffer: deaths at any call, a disk, clocks, keys, and who else is on the line.
 */
import type { Temper } from '../campaign/ac.ts';
import { makeFault, type Fault, type RouterIndex } from '../campaign/faults.ts';
import type { Plan } from '../campaign/plan.ts';
import { durationOf, TEMPERS } from '../campaign/plan.ts';
import { Chance } from '../campaign/random.ts';

export interface SystemPlan extends Plan {
  readonly sessions: number;
  readonly ipv6: boolean;
  /** Each way between the partners, milliseconds. */
  readonly delaysMs: readonly [number, number];
  /** What both disks held when the world began; 0 for nothing. */
  readonly firstEpoch: number;
  /** Between two Echo-Requests: often, so that Identifiers go past 255. */
  readonly echoSeconds: number;
  /** The router that begins with the previous release's datagrams and files. */
  readonly previous?: RouterIndex;
}

/** What holds however a partner with the right key, or a station on the line, lies. */
const UNDENIABLE = new Set(['crash', 'R2', 'R6', 'deadline', 'bounds', 'wire']);

/** Whether a run of `plan` may break `rule`. The AC is told what the partner says was agreed with it. */
export const forgives = ({ faults }: SystemPlan, rule: string): boolean =>
  faults.some(({ fault }) => {
    if (fault.kind === 'lies' && fault.about === 'facts' && rule === 'wire') return true;
    return (fault.kind === 'lies' || fault.kind === 'forged-announce') && !UNDENIABLE.has(rule);
  });

export const SETTLE_MS = 15_000;
/** After the last fault has healed. An AC that locks out for minutes is asked again after that. */
const CALM_MS = 45_000;
const LONGEST_GAP_MS = 25_000;
const LONG_MS = 3_600_000;

/** Every so many seeds the AC names no address of its own, or ours. */
const UNNUMBERED: Readonly<Record<number, Partial<Temper>>> = {
  6: { unnumbered: true },
  16: { unnumbered: 'ours' },
};

/** The run that `seed` stands for. Every fifth has one fault only, so that rule R7 can be held to its time. */
export function makeSystemPlan(seed: number): SystemPlan {
  const chance = new Chance(seed ^ 0x0515);
  const count = seed % 5 === 0 ? 1 : 1 + (chance.next() % 8);
  const faults: { atMs: number; fault: Fault }[] = [];
  let atMs = SETTLE_MS;
  for (let i = 0; i < count; i++) {
    atMs += chance.is(0.3) ? chance.between(0, 50) : chance.between(50, LONGEST_GAP_MS);
    faults.push({ atMs, fault: makeFault(chance, 'system') });
  }
  // Who lies with the right key, or on the line, can do much; some things it cannot.
  if (seed % 10 === 7) faults.push({ atMs: SETTLE_MS + 2000, fault: makeLie(chance) });
  // The partners do not hear each other for hours, and most of that time nothing else happens.
  if (seed % 100 === 99) {
    const forMs = chance.between(LONG_MS, 3 * LONG_MS);
    faults.push({
      atMs: SETTLE_MS + 2000,
      fault: { kind: 'partner-loss', from: 'both', share: 1, forMs },
    });
  }
  const longest = Math.max(...faults.map(({ atMs: at, fault }) => at + durationOf(fault)));
  const delay = chance.between(0.1, 15);
  const plan: SystemPlan = {
    seed,
    lengthMs: longest + CALM_MS,
    kernel: 'netgraph',
    temper: { ...chance.pick(TEMPERS), ...UNNUMBERED[seed % 20] },
    advskew: chance.is(0.5) ? [0, 100] : [100, 0],
    drift: [chance.between(0.999, 1.001), chance.between(0.999, 1.001)],
    partnerDelayMs: delay,
    delaysMs: chance.is(0.2) ? [delay, 10 * delay] : [delay, delay],
    sessions: chance.pick([1, 1, 1, 2, 3] as const),
    ipv6: chance.is(0.5),
    firstEpoch: chance.is(0.1) ? 0xffff_fffe : chance.is(0.5) ? 0 : 250,
    echoSeconds: chance.pick([1, 5, 5, 5]),
    faults,
  };
  return withRelease({ ...plan, ...withPrefix(plan), ...POLICIES[seed % 20] });
}

/** Every so many seeds the operator, or nobody, takes CARP's place. */
const POLICIES: Readonly<Record<number, Pick<SystemPlan, 'policy'>>> = {
  3: { policy: 'pinned' },
  8: { policy: 'manual' },
  13: { policy: 'manual' },
};

/**
 * In one plan of ten one router runs the previous release, which knew no lease, and changes to this one or back. All else
 * of a seed is as it was without.
 */
function withRelease(plan: SystemPlan): SystemPlan {
  const { seed, faults, lengthMs } = plan;
  if (seed % 10 !== 4) return plan;
  const chance = new Chance(seed ^ 0x0b0e);
  const { delegating: _, ...rest } = plan;
  const previous = chance.pick([0, 1] as const);
  const changes = [previous, chance.pick([0, 1] as const)].map((router) => ({
    atMs: chance.between(SETTLE_MS, lengthMs - CALM_MS),
    fault: { kind: 'changes-release', router, forMs: chance.between(50, 1000) } as const,
  }));
  return { ...rest, previous, lengthMs: lengthMs + 1000, faults: [...faults, ...changes] };
}

/**
 * Half of the plans with IPv6 have a prefix too, of numbers of their own: all else of a seed is as it was without. The
 * rules judge lifetimes by the world's clock, so no router sets its own there.
 */
function withPrefix({ seed, ipv6, faults }: SystemPlan): Pick<SystemPlan, 'delegating'> {
  const chance = new Chance(seed ^ 0x6e6e);
  if (!ipv6 || faults.some(({ fault }) => fault.kind === 'clock-step') || chance.is(0.5)) return {};
  const preferredSeconds = Math.floor(chance.between(60, 200));
  return { delegating: { preferredSeconds, validSeconds: 3 * preferredSeconds } };
}

function makeLie(chance: Chance): Fault {
  const forMs = chance.between(1000, 20_000);
  if (chance.is(0.3))
    return {
      kind: 'forged-announce',
      everyMs: chance.between(50, 3000),
      ahead: chance.pick([0, 1, 1000, 0xffff_ffff]),
      forMs,
    };
  return {
    kind: 'lies',
    router: chance.pick([0, 1] as const),
    about: chance.pick(['epoch', 'facts', 'role'] as const),
    forMs,
  };
}
