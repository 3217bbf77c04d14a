/**
 * What goes wrong in a run of the whole system, and when. It adds to the fast campaign's plans what only real processes
 * can suffer: deaths at any call, a disk, clocks, keys, and who else is on the line.
 */
import type { Fault, Plan, RouterIndex } from '../campaign/plan.ts';
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

/** The run that `seed` stands for. Every fifth has one fault only, so that rule R7 can be held to its time. */
export function makeSystemPlan(seed: number): SystemPlan {
  const chance = new Chance(seed ^ 0x0515);
  const count = seed % 5 === 0 ? 1 : 1 + (chance.next() % 8);
  const faults: { atMs: number; fault: Fault }[] = [];
  let atMs = SETTLE_MS;
  for (let i = 0; i < count; i++) {
    atMs += chance.is(0.3) ? chance.between(0, 50) : chance.between(50, LONGEST_GAP_MS);
    faults.push({ atMs, fault: makeFault(chance) });
  }
  // Who lies with the right key, or on the line, can do much; some things it cannot.
  if (seed % 10 === 7) faults.push({ atMs: SETTLE_MS + 2000, fault: makeLie(chance) });
  const longest = Math.max(...faults.map(({ atMs: at, fault }) => at + durationOf(fault)));
  const delay = chance.between(0.1, 15);
  return {
    seed,
    lengthMs: longest + CALM_MS,
    kernel: 'netgraph',
    temper: chance.pick(TEMPERS),
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
}

function makeFault(chance: Chance): Fault {
  const router: RouterIndex = chance.pick([0, 1] as const);
  const restart = chance.between(200, 1000);
  const outage = chance.is(0.5) ? chance.between(100, 5000) : chance.between(5000, 40_000);
  switch (chance.next() % 29) {
    case 0:
    case 1:
      return { kind: 'power', router, forMs: outage, diskLost: chance.is(0.1) };
    case 2:
      return { kind: 'kill-helper', router, forMs: restart };
    case 3:
      return { kind: 'kill-supervisor', router, forMs: restart };
    case 4:
      return { kind: 'kill-both', router, forMs: restart };
    case 5:
      return { kind: 'line-cut', router, forMs: outage, silent: chance.is(0.5) };
    case 6:
      return { kind: 'lan-cut', router, forMs: outage };
    case 7:
      return { kind: 'carp-deaf', router, forMs: outage };
    case 8:
      return {
        kind: 'partner-loss',
        from: chance.pick([0, 1, 'both'] as const),
        share: chance.pick([0.3, 1]),
        forMs: outage,
      };
    case 9:
      return { kind: 'partner-jumble', lateMs: chance.between(100, 2500), forMs: outage };
    case 10:
      return { kind: 'line-loss', share: chance.between(0.05, 0.3), forMs: outage };
    case 11:
      return { kind: 'disk-full', router, forMs: outage };
    case 12:
      return { kind: chance.pick(['ac-forgets', 'ac-renegotiates', 'ac-terminates'] as const) };
    case 13:
      return chance.is(0.3) ? { kind: 'disconnect', forMs: 5000 } : { kind: 'reconnect' };
    case 14:
      return {
        kind: 'line-one-way',
        router,
        lost: chance.pick(['in', 'out'] as const),
        forMs: outage,
      };
    case 15:
    case 16: {
      const process = chance.pick(['helper', 'supervisor'] as const);
      const after = chance.next() % (process === 'helper' ? 120 : 20);
      return { kind: 'dies-midway', router, process, after, forMs: chance.between(3000, 10_000) };
    }
    case 17:
      return { kind: 'ac-slow', lateMs: chance.between(50, 2000), forMs: outage };
    case 18:
      return {
        kind: 'operator',
        router,
        verb: chance.pick(['connect', 'handoff', 'reconnect'] as const),
      };
    case 19:
      return { kind: 'kernel-refuses', router, share: chance.pick([0.1, 1]), forMs: outage };
    case 20:
      return { kind: 'restart', router, forMs: chance.between(50, 1000) };
    case 21:
      return { kind: 'disk-hangs', router, syncMs: chance.between(20, 3000), forMs: outage };
    case 22:
      return { kind: 'stalls', router, forMs: chance.between(100, 8000) };
    case 23:
      return {
        kind: 'clock-step',
        router,
        byMs: chance.pick([-1, 1]) * chance.between(1000, 9e8),
      };
    case 24:
      return { kind: 'rotate-keys', forMs: chance.between(2000, 20_000) };
    case 25:
      return { kind: 'replays', everyMs: chance.between(20, 500), forMs: outage };
    default:
      return { kind: 'handoff' };
  }
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
