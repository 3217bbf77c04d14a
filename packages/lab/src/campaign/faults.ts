/**
 * What goes wrong in the runs of either campaign, how often, and for how long: one table of weights for both. It plays
 * nothing; a world does.
 */
import type { Chance } from './random.ts';

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
  /** Both processes are stopped in order, and started again. */
  | { readonly kind: 'restart'; readonly router: RouterIndex; readonly forMs: number }
  /** The same, of the router that ran the previous release, or into it: a downgrade. */
  | { readonly kind: 'changes-release'; readonly router: RouterIndex; readonly forMs: number }
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

/** Which campaign: bare engines, or the whole system. */
type Campaign = 'fast' | 'system';

interface Scale {
  readonly longestMs: number;
  /** Steps of a process before it dies in the middle of its work. */
  readonly steps: Readonly<Record<'helper' | 'supervisor', number>>;
  readonly deadMs: readonly [number, number];
  /** The share that a kernel refuses when it does not refuse everything. */
  readonly refused: number;
}

const SCALE: Readonly<Record<Campaign, Scale>> = {
  fast: {
    longestMs: 120_000,
    steps: { helper: 12, supervisor: 12 },
    deadMs: [3000, 20_000],
    refused: 0.3,
  },
  system: {
    longestMs: 40_000,
    steps: { helper: 120, supervisor: 20 },
    deadMs: [3000, 10_000],
    refused: 0.1,
  },
};

/** What every fault draws before it is chosen. */
interface Draw {
  readonly chance: Chance;
  readonly router: RouterIndex;
  readonly restart: number;
  readonly outage: number;
  readonly scale: Scale;
}

type Row = Readonly<Record<Campaign, number>> & { readonly make: (draw: Draw) => Fault };

export const makeOrder = (router: RouterIndex, chance: Chance): Fault => ({
  kind: 'operator',
  router,
  verb: chance.pick(['connect', 'handoff', 'reconnect'] as const),
});

const diesMidway = ({ chance, router, scale }: Draw): Fault => {
  const process = chance.pick(['helper', 'supervisor'] as const);
  const after = chance.next() % scale.steps[process];
  return { kind: 'dies-midway', router, process, after, forMs: chance.between(...scale.deadMs) };
};

// prettier-ignore
const ROWS: readonly Row[] = [
  { fast: 2, system: 2, make: ({ chance, router, outage }) => ({ kind: 'power', router, forMs: outage, diskLost: chance.is(0.1) }) },
  { fast: 1, system: 1, make: ({ router, restart }) => ({ kind: 'kill-helper', router, forMs: restart }) },
  { fast: 1, system: 1, make: ({ router, restart }) => ({ kind: 'kill-supervisor', router, forMs: restart }) },
  { fast: 1, system: 1, make: ({ router, restart }) => ({ kind: 'kill-both', router, forMs: restart }) },
  { fast: 1, system: 1, make: ({ chance, router, outage }) => ({ kind: 'line-cut', router, forMs: outage, silent: chance.is(0.5) }) },
  { fast: 1, system: 1, make: ({ router, outage }) => ({ kind: 'lan-cut', router, forMs: outage }) },
  { fast: 1, system: 1, make: ({ router, outage }) => ({ kind: 'carp-deaf', router, forMs: outage }) },
  { fast: 1, system: 1, make: ({ chance, outage }) => ({ kind: 'partner-loss', from: chance.pick([0, 1, 'both'] as const), share: 1, forMs: outage }) },
  { fast: 1, system: 1, make: ({ outage }) => ({ kind: 'partner-loss', from: 'both', share: 0.3, forMs: outage }) },
  { fast: 1, system: 1, make: ({ chance, outage }) => ({ kind: 'line-loss', share: chance.between(0.05, 0.3), forMs: outage }) },
  { fast: 1, system: 1, make: ({ router, outage }) => ({ kind: 'disk-full', router, forMs: outage }) },
  { fast: 1, system: 1, make: ({ chance }) => ({ kind: chance.pick(['ac-forgets', 'ac-renegotiates', 'ac-terminates'] as const) }) },
  { fast: 1, system: 1, make: ({ chance }) => (chance.is(0.3) ? { kind: 'disconnect', forMs: 5000 } : { kind: 'reconnect' }) },
  { fast: 1, system: 1, make: ({ chance, router, outage }) => ({ kind: 'line-one-way', router, lost: chance.pick(['in', 'out'] as const), forMs: outage }) },
  { fast: 2, system: 2, make: diesMidway },
  { fast: 1, system: 2, make: ({ chance, outage }) => chance.is(0.5)
    ? { kind: 'partner-jumble', lateMs: chance.between(100, 2500), forMs: outage }
    : { kind: 'ac-slow', lateMs: chance.between(50, 2000), forMs: outage } },
  { fast: 1, system: 1, make: ({ chance, router }) => makeOrder(router, chance) },
  { fast: 1, system: 1, make: ({ chance, router, outage, scale }) => ({ kind: 'kernel-refuses', router, share: chance.pick([scale.refused, 1]), forMs: outage }) },
  // Only real processes have a clock, a disk and keys.
  { fast: 0, system: 1, make: ({ chance, router }) => ({ kind: 'restart', router, forMs: chance.between(50, 1000) }) },
  { fast: 0, system: 1, make: ({ chance, router, outage }) => ({ kind: 'disk-hangs', router, syncMs: chance.between(20, 3000), forMs: outage }) },
  { fast: 0, system: 1, make: ({ chance, router }) => ({ kind: 'stalls', router, forMs: chance.between(100, 8000) }) },
  { fast: 0, system: 1, make: ({ chance, router }) => ({ kind: 'clock-step', router, byMs: chance.pick([-1, 1]) * chance.between(1000, 9e8) }) },
  { fast: 0, system: 1, make: ({ chance }) => ({ kind: 'rotate-keys', forMs: chance.between(2000, 20_000) }) },
  { fast: 0, system: 1, make: ({ chance, outage }) => ({ kind: 'replays', everyMs: chance.between(20, 500), forMs: outage }) },
  { fast: 2, system: 3, make: () => ({ kind: 'handoff' }) },
];

export function makeFault(chance: Chance, campaign: Campaign): Fault {
  const scale = SCALE[campaign];
  const router = chance.pick([0, 1] as const);
  const restart = chance.between(200, 1000);
  const isShort = chance.is(0.5);
  const outage = isShort ? chance.between(100, 5000) : chance.between(5000, scale.longestMs);
  const total = ROWS.reduce((sum, row) => sum + row[campaign], 0);
  let at = chance.next() % total;
  const row = ROWS.find((each) => (at -= each[campaign]) < 0);
  if (row === undefined) throw new Error(`choose a fault: ${at} left of ${total}`);
  return row.make({ chance, router, restart, outage, scale });
}
