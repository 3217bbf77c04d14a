/**
 * What goes wrong in a run, and when: plain data, so that a failure can be kept, shrunk and played again. It is made
 * from a seed, and the world follows it.
 */
import type { Temper } from './ac.ts';
import type { Delegating } from '../line/delegator.ts';
import { makeFault, makeOrder, type Fault } from './faults.ts';
import { Chance } from './random.ts';
import type { Rival } from './rival.ts';

export interface Plan {
  readonly seed: number;
  /** Simulated milliseconds, the last `CALM_MS` of them without new faults. */
  readonly lengthMs: number;
  /** What survives the death of the helper: on FreeBSD everything in the kernel, on Linux nothing. */
  readonly kernel: 'netgraph' | 'pppox';
  readonly temper: Temper;
  readonly advskew: readonly [number, number];
  /** How fast each router's clock runs. */
  readonly drift: readonly [number, number];
  readonly partnerDelayMs: number;
  /** IPV6CP and a delegated prefix; absent: neither. */
  readonly delegating?: Delegating;
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[];
  /** There is another AC on the line, which offers first and does not serve. */
  readonly rival?: Rival;
  /** What decides which router holds the session; CARP if absent. */
  readonly policy?: 'manual' | 'pinned';
  /** Both routers have `fast_takeover_ms`; absent in most plans. */
  readonly isFast?: boolean;
}

/** Between two data packets from the LAN through whichever router is MASTER. */
export const TRAFFIC_MS = 1000;

/** Before the first fault the session is up; after the last one everything has time to heal. */
export const SETTLE_MS = 20_000;
export const CALM_MS = 220_000;

export const TEMPERS: readonly Temper[] = [
  { second: 'deny', lockoutMs: 0, slowMs: 0, echoMs: 10_000, echoLimit: 3, dataCheck: false },
  { second: 'replace', lockoutMs: 0, slowMs: 2, echoMs: 20_000, echoLimit: 3, dataCheck: true },
  { second: 'deny', lockoutMs: 5000, slowMs: 5, echoMs: 10_000, echoLimit: 5, dataCheck: false },
  { second: 'allow', lockoutMs: 0, slowMs: 200, echoMs: 30_000, echoLimit: 3, dataCheck: false },
];

/** The run that `seed` stands for. Every fifth has one fault only, so that rule R7 can be held to its time. */
export function makePlan(seed: number): Plan {
  const chance = new Chance(seed);
  const count = seed % 5 === 0 ? 1 : 1 + (chance.next() % 16);
  const faults: { atMs: number; fault: Fault }[] = [];
  let atMs = SETTLE_MS;
  for (let i = 0; i < count; i++) {
    atMs += chance.is(0.3) ? chance.between(0, 50) : chance.between(50, 135_000);
    const fault = makeFault(chance, 'fast');
    faults.push({ atMs, fault });
    // Someone is at the console of a router in trouble.
    if (count > 1 && 'router' in fault && chance.is(0.1)) {
      const at = atMs + chance.between(0, Math.min(durationOf(fault), 5000) + 1000);
      faults.push({ atMs: at, fault: makeOrder(fault.router, chance) });
    }
  }
  if (count > 1 && chance.is(0.1)) {
    // An upgrade: the one router, and when it is back, the other.
    const forMs = chance.between(2000, 40_000);
    const [first, second] = chance.pick([[0, 1] as const, [1, 0] as const]);
    const again = atMs + forMs + chance.between(0, 20_000);
    faults.push({ atMs: atMs + 50, fault: { kind: 'power', router: first, forMs } });
    faults.push({ atMs: again, fault: { kind: 'power', router: second, forMs } });
  }
  if (count > 1 && chance.is(0.06)) faults.push(...makeSplit(chance, atMs + 5000));
  else if (count > 1 && chance.is(0.1)) faults.push(...makeOutage(chance, atMs + 5000));
  const oddity = ODDITIES[seed % ODD_EVERY];
  const longest = Math.max(...faults.map(({ atMs: at, fault }) => at + durationOf(fault)));
  return {
    seed,
    lengthMs: longest + CALM_MS,
    kernel: chance.pick(['netgraph', 'pppox'] as const),
    temper: { ...chance.pick(TEMPERS), ...oddity?.temper },
    advskew: chance.is(0.5) ? [0, 100] : [100, 0],
    drift: [chance.between(0.999, 1.001), chance.between(0.999, 1.001)],
    partnerDelayMs: chance.between(0.1, 30),
    ...withPrefix(seed),
    faults,
    ...(oddity?.rival && { rival: oddity.rival }),
    ...(seed % FAST_EVERY === 3 && { isFast: true }),
  };
}

/** Two plans of five have IPv6, of numbers of their own: all else of a seed is as it was without. */
function withPrefix(seed: number): Pick<Plan, 'delegating'> {
  const chance = new Chance(seed ^ 0x6e6e);
  if (!chance.is(0.4)) return {};
  const preferredSeconds = Math.floor(chance.between(60, 600));
  return { delegating: { preferredSeconds, validSeconds: 3 * preferredSeconds } };
}
/** Every so many seeds the line is odd, by the remainder. */
const ODD_EVERY = 40;
const FAST_EVERY = 16;
const ODDITIES: Readonly<
  Record<number, { readonly rival?: Rival; readonly temper?: Partial<Temper> }>
> = {
  3: { rival: 'dead' },
  13: { temper: { unnumbered: true } },
  23: { rival: 'refusing' },
  33: { temper: { unnumbered: 'ours' } },
};

/**
 * A split in which both take the same epoch: they do not hear each other, the role has been away and come back, and
 * both are MASTER. At times the one hears nothing of the line either.
 */
function makeSplit(chance: Chance, atMs: number): Plan['faults'] {
  const [a, b] = chance.pick([[0, 1] as const, [1, 0] as const]);
  const forMs = chance.between(20_000, 60_000);
  const split: { atMs: number; fault: Fault }[] = [
    { atMs, fault: { kind: 'partner-loss', from: 'both', share: 1, forMs: forMs + 10_000 } },
    { atMs: atMs + 4000, fault: { kind: 'lan-cut', router: a, forMs: 6000 } },
    { atMs: atMs + 9000, fault: { kind: 'carp-deaf', router: b, forMs } },
  ];
  const fault = { kind: 'line-one-way', router: b, lost: 'in', forMs } as const;
  if (chance.is(0.5)) split.push({ atMs: atMs + 9500, fault });
  return split;
}

/** The switch before the AC restarts, and both lines are gone, or one; at times just as the AC negotiates anew. */
function makeOutage(chance: Chance, atMs: number): Plan['faults'] {
  const forMs = chance.between(500, 60_000);
  const soon = atMs + chance.between(0, 20);
  const lines = chance.pick([[0, 1], [0, 1], [0], [1]] as const);
  const cuts = lines.map((router): { atMs: number; fault: Fault } => ({
    atMs: soon,
    fault: { kind: 'line-cut', router, forMs, silent: false },
  }));
  return chance.is(0.5) ? [{ atMs, fault: { kind: 'ac-renegotiates' } }, ...cuts] : cuts;
}

/** Whether rule R7 applies: one fault, and one that must not cost the session. */
export const isSingleFault = (plan: Plan): boolean => plan.faults.length === 1;

export const durationOf = (fault: Fault): number => ('forMs' in fault ? fault.forMs : 0);
