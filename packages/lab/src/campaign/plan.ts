/**
 * What goes wrong in a run, and when: plain data, so that a failure can be kept, shrunk and played again. It is made
 * from a seed, and the world follows it.
 */
import type { Temper } from './ac.ts';
import { Chance } from './random.ts';

export type RouterIndex = 0 | 1;

export type Fault =
  /** Both processes, the kernel, and CARP, all at once; back after `forMs`. */
  | {
      readonly kind: 'power';
      readonly router: RouterIndex;
      readonly forMs: number;
      /** Its snapshot does not come back with it. */
      readonly diskLost?: boolean;
    }
  | { readonly kind: 'kill-helper'; readonly router: RouterIndex; readonly forMs: number }
  | { readonly kind: 'kill-supervisor'; readonly router: RouterIndex; readonly forMs: number }
  | { readonly kind: 'kill-both'; readonly router: RouterIndex; readonly forMs: number }
  // Of the whole system only, down to `lies`.
  /** Both processes are stopped in order, and started again: an upgrade. */
  | { readonly kind: 'restart'; readonly router: RouterIndex; readonly forMs: number }
  /** Each fsync of the supervisor's takes `syncMs`. */
  | {
      readonly kind: 'disk-hangs';
      readonly router: RouterIndex;
      readonly syncMs: number;
      readonly forMs: number;
    }
  /** The supervisor stands still. */
  | { readonly kind: 'stalls'; readonly router: RouterIndex; readonly forMs: number }
  /** Somebody sets the wall clock. */
  | { readonly kind: 'clock-step'; readonly router: RouterIndex; readonly byMs: number }
  /** Both routers get a new key, begin to send with it, and lose the old one. */
  | { readonly kind: 'rotate-keys'; readonly forMs: number }
  /** Datagrams of before are sent again, and altered ones. */
  | { readonly kind: 'replays'; readonly everyMs: number; readonly forMs: number }
  /** A station on the line sends announce frames with our MAC; `ahead`: how far above our epoch. */
  | {
      readonly kind: 'forged-announce';
      readonly everyMs: number;
      readonly ahead: number;
      readonly forMs: number;
    }
  /** What one router tells its partner is not so. */
  | {
      readonly kind: 'lies';
      readonly router: RouterIndex;
      readonly about: 'epoch' | 'facts' | 'role';
      readonly forMs: number;
    }
  /** The line's cable; `silent`: the carrier stays, as behind a switch. */
  | {
      readonly kind: 'line-cut';
      readonly router: RouterIndex;
      readonly forMs: number;
      readonly silent: boolean;
    }
  /** Frames of the line pass one way only. */
  | {
      readonly kind: 'line-one-way';
      readonly router: RouterIndex;
      readonly lost: 'in' | 'out';
      readonly forMs: number;
    }
  /** The helper dies at its `after`th request from now, in the middle of a batch; or the supervisor, of its actions. */
  | {
      readonly kind: 'dies-midway';
      readonly router: RouterIndex;
      readonly process: 'helper' | 'supervisor';
      readonly after: number;
      readonly forMs: number;
    }
  /** The LAN's cable: CARP's interface goes down. */
  | { readonly kind: 'lan-cut'; readonly router: RouterIndex; readonly forMs: number }
  /** CARP's advertisements of one router do not arrive, though its interface is up: a split. */
  | { readonly kind: 'carp-deaf'; readonly router: RouterIndex; readonly forMs: number }
  /** Nothing, or a share of it, arrives at the partner; one way or both. */
  | {
      readonly kind: 'partner-loss';
      readonly from: RouterIndex | 'both';
      readonly share: number;
      readonly forMs: number;
    }
  /** Datagrams between the partners are late, overtake each other, and come twice. */
  | { readonly kind: 'partner-jumble'; readonly lateMs: number; readonly forMs: number }
  /** What the AC sends is late. */
  | { readonly kind: 'ac-slow'; readonly lateMs: number; readonly forMs: number }
  | { readonly kind: 'line-loss'; readonly share: number; readonly forMs: number }
  | { readonly kind: 'disk-full'; readonly router: RouterIndex; readonly forMs: number }
  /** The kernel refuses a share of what the helper asks of it. */
  | {
      readonly kind: 'kernel-refuses';
      readonly router: RouterIndex;
      readonly share: number;
      readonly forMs: number;
    }
  | { readonly kind: 'ac-forgets' }
  | { readonly kind: 'ac-renegotiates' }
  | { readonly kind: 'ac-terminates' }
  /** Of whichever router is MASTER. */
  | { readonly kind: 'handoff' }
  | { readonly kind: 'reconnect' }
  | { readonly kind: 'disconnect'; readonly forMs: number }
  /** Of one router, whatever it is. */
  | {
      readonly kind: 'operator';
      readonly router: RouterIndex;
      readonly verb: 'connect' | 'handoff' | 'reconnect';
    };

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
  readonly faults: readonly { readonly atMs: number; readonly fault: Fault }[];
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
    const fault = makeFault(chance);
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
  const longest = Math.max(...faults.map(({ atMs: at, fault }) => at + durationOf(fault)));
  return {
    seed,
    lengthMs: longest + CALM_MS,
    kernel: chance.pick(['netgraph', 'pppox'] as const),
    temper: chance.pick(TEMPERS),
    advskew: chance.is(0.5) ? [0, 100] : [100, 0],
    drift: [chance.between(0.999, 1.001), chance.between(0.999, 1.001)],
    partnerDelayMs: chance.between(0.1, 30),
    faults,
  };
}

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

const makeOrder = (router: RouterIndex, chance: Chance): Fault => ({
  kind: 'operator',
  router,
  verb: chance.pick(['connect', 'handoff', 'reconnect'] as const),
});

function makeFault(chance: Chance): Fault {
  const router = chance.pick([0, 1] as const);
  const restart = chance.between(200, 1000);
  const outage = chance.is(0.5) ? chance.between(100, 5000) : chance.between(5000, 120_000);
  switch (chance.next() % 22) {
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
        share: 1,
        forMs: outage,
      };
    case 9:
      return { kind: 'partner-loss', from: 'both', share: 0.3, forMs: outage };
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
    case 16:
      return {
        kind: 'dies-midway',
        router,
        process: chance.pick(['helper', 'supervisor'] as const),
        after: chance.next() % 12,
        forMs: chance.between(3000, 20_000),
      };
    case 17:
      return chance.is(0.5)
        ? { kind: 'partner-jumble', lateMs: chance.between(100, 2500), forMs: outage }
        : { kind: 'ac-slow', lateMs: chance.between(50, 2000), forMs: outage };
    case 18:
      return makeOrder(router, chance);
    case 19:
      return { kind: 'kernel-refuses', router, share: chance.pick([0.3, 1]), forMs: outage };
    default:
      return { kind: 'handoff' };
  }
}
