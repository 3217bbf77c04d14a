/**
 * The scenes of the kernel lab: each does one thing to a pair that carries traffic, waits until traffic runs and the
 * partner is armed again, and says what it cost. What a router is made of is in `router.ts`.
 */
import { otherThan, plug, type Router as Name } from './net.ts';
import type { Router } from './router.ts';
import { pause, until, type Station } from './station.ts';

/** Traffic without a break for this long is traffic that runs. */
const STEADY = 1000;
/** How long a scene is watched at least: longer than a probe takes to count as lost. */
const WATCH = 1500;
/** After a program was killed: longer than the AC's echo budget of 4 s, so that its Echo-Requests must have been answered. */
const WATCH_ECHOES = 6000;
/** Nothing in the lab takes longer: role 0.5 s, takeover 1 s, all the rest is starting programs. */
const LIMIT = 20_000;

export interface Pair {
  readonly r1: Router;
  readonly r2: Router;
  readonly probe: Station;
  /** One line of the timeline. */
  readonly say: (text: string) => void;
}

export interface SceneResult {
  readonly scene: string;
  readonly from: Name;
  readonly to: Name | 'nobody';
  readonly sessionId: number;
  /** Longest time without an answer to a probe; 10 ms apart they are sent. */
  readonly outageMs: number;
  readonly probesLost: number;
  /** Of these, those lost on the way to the AC. */
  readonly probesLostUp: number;
  readonly tcpGapMs: number;
  readonly tcpSurvived: boolean;
  /** What did not happen that should have. */
  readonly problem?: string;
  /** Where the time of the takeover went, by the router that took over; see `pppthingctl status --json`. */
  readonly parts?: unknown;
}

/** The router whose default route leads into the session. */
export async function holderOf({ r1, r2 }: Pick<Pair, 'r1' | 'r2'>): Promise<Router | undefined> {
  for (const router of [r1, r2]) {
    const { routed, sessionId } = await router.kernel();
    if (routed && sessionId !== undefined) return router;
  }
  return undefined;
}

/** Both kernels have joined one session: the holder's, and the standby's that is armed. */
export async function isArmed({ r1, r2 }: Pick<Pair, 'r1' | 'r2'>): Promise<boolean> {
  const [one, two] = await Promise.all([r1.kernel(), r2.kernel()]);
  return one.sessionId !== undefined && one.sessionId === two.sessionId;
}

interface Scene {
  readonly name: string;
  /** Where the session belongs afterwards. Anywhere: keepalived's priorities and our demotions decide, and either is right. */
  readonly ends: 'at the other' | 'at r1' | 'where it was' | 'anywhere';
  /** Milliseconds to watch; `WATCH` unless given. */
  readonly watch?: number;
  act(pair: Pair, holder: Router, other: Router): Promise<void>;
  /** Ask afterwards what the takeover was made of. */
  readonly isTakenApart?: boolean;
}

export const POWER_CUT: Scene = {
  name: 'power cut',
  ends: 'at the other',
  act: (_, holder) => holder.powerCut(),
};

/** r1 has the higher priority, so that keepalived gives the role back to it. */
export const RETURN: Scene = {
  name: 'return of the dead router',
  ends: 'at r1',
  act: async (_, holder, other) => {
    await (holder.isRunning('helper') ? other : holder).powerOn();
  },
};

const HANDOFF: Scene = {
  name: 'planned handoff',
  ends: 'at the other',
  async act(pair, holder) {
    const { ok, text } = await holder.ctl('handoff', '--wait');
    if (!ok) throw new Error(`pppthingctl handoff: ${text}`);
    pair.say(`pppthingctl: ${text.trim()}`);
  },
};

/** Handed over again and again, each taken apart. `pppthingctl` would end in the midst of what is measured. */
export const handoffs = (count: number): readonly Scene[] =>
  Array.from({ length: count }, () => ({
    ...HANDOFF,
    act: (_, holder) => holder.operate('handoff'),
    isTakenApart: true,
  }));

const restart = (programs: readonly ('helper' | 'supervisor')[], name: string): Scene => ({
  name,
  ends: 'where it was',
  watch: WATCH_ECHOES,
  async act(_, holder) {
    await holder.kill(...programs);
    for (const program of programs) await holder.start(program);
  },
});

const HELPER_KILLED = restart(['helper'], 'helper killed');
/** Killed again and again, a thousand probes a second, which leave a busy guest no second without a break of its own. */
export const kills = (count: number): readonly Scene[] =>
  Array.from({ length: count }, () => ({ ...HELPER_KILLED, isTakenApart: true }));
const SUPERVISOR_KILLED = restart(['supervisor'], 'supervisor killed');

const LAN_CUT: Scene = {
  name: 'LAN cut on the holder',
  ends: 'at the other',
  act: (_, holder) => plug(holder.name, ['eth1'], false),
};
const LINE_CUT: Scene = {
  name: 'line cut on the holder',
  ends: 'at the other',
  act: (_, holder) => plug(holder.name, ['eth0'], false),
};
const REPAIRED: Scene = {
  name: 'cable repaired',
  ends: 'anywhere',
  act: async () => {
    for (const name of ['r1', 'r2'] as const) await plug(name, ['eth0', 'eth1', 'eth2'], true);
  },
};
const PARTNER_LINK_LOST: Scene = {
  name: 'partner link lost',
  ends: 'anywhere',
  async act(_, holder) {
    await plug(holder.name, ['eth2'], false);
    await pause(5000);
  },
};
/** The session may stay away from a router that comes back, or return to it. */
const routerRestarted = (router: 'r1' | 'r2'): Scene => ({
  name: `${router} restarted`,
  ends: 'anywhere',
  async act(pair) {
    await pair[router].powerCut();
    await until('takeover', LIMIT, async () => (await holderOf(pair)) !== undefined);
    await pause(STEADY);
    await pair[router].powerOn();
  },
});

/** The shows of `make lab-kernel`, and with `--all` the fault matrix. */
export const MAIN: readonly Scene[] = [
  POWER_CUT,
  RETURN,
  HANDOFF,
  HELPER_KILLED,
  SUPERVISOR_KILLED,
];
export const ALL: readonly Scene[] = [
  ...MAIN,
  restart(['helper', 'supervisor'], 'both processes killed'),
  LAN_CUT,
  REPAIRED,
  LINE_CUT,
  REPAIRED,
  PARTNER_LINK_LOST,
  REPAIRED,
  routerRestarted('r1'),
  routerRestarted('r2'),
  ...Array.from({ length: 20 }, () => HANDOFF),
];

export async function play(scene: Scene, pair: Pair): Promise<SceneResult> {
  const from = await holderOf(pair);
  if (!from) throw new Error(`${scene.name}: nobody carries the session`);
  const other = pair[otherThan(from.name)];
  const target = {
    'at the other': other,
    'at r1': pair.r1,
    'where it was': from,
    anywhere: undefined,
  }[scene.ends];
  pair.say(`${scene.name}: ${from.name} carries the session`);
  await pair.probe.begin();
  let problem: string | undefined;
  try {
    await scene.act(pair, from, other);
    await pause(scene.watch ?? WATCH);
    await until(`${target?.name ?? 'either router'} carries the session`, LIMIT, async () => {
      const holder = await holderOf(pair);
      return holder !== undefined && (target ?? holder).name === holder.name;
    });
    // A thousand probes a second leave a busy guest no second without a break of its own.
    if (scene.isTakenApart !== true)
      await until('steady traffic', LIMIT, async () => {
        const { steadyMs, tcpSteadyMs } = await pair.probe.report();
        return steadyMs >= STEADY && tcpSteadyMs >= STEADY;
      });
    const bothRun = pair.r1.isRunning('helper') && pair.r2.isRunning('helper');
    if (bothRun) await until('an armed partner', LIMIT, () => isArmed(pair));
  } catch (error) {
    problem = error instanceof Error ? error.message : String(error);
  }
  const traffic = await pair.probe.report();
  const to = await holderOf(pair);
  const result: SceneResult = {
    scene: scene.name,
    from: from.name,
    to: to?.name ?? 'nobody',
    sessionId: (await to?.kernel())?.sessionId ?? 0,
    outageMs: traffic.gapMs,
    probesLost: traffic.probesLost,
    probesLostUp: traffic.probesLostUp,
    tcpGapMs: traffic.tcpGapMs,
    tcpSurvived: traffic.tcpAlive,
    ...(problem !== undefined && { problem }),
    ...(scene.isTakenApart && to && { parts: await partsOf(to) }),
  };
  const cost = `${result.probesLost} probes lost, ${result.probesLostUp} of them going up, longest gap ${result.outageMs} ms`;
  pair.say(`${scene.name}: ${result.to} carries ${result.sessionId}, ${cost}, ${problem ?? 'ok'}`);
  return result;
}

async function partsOf(router: Router): Promise<unknown> {
  const { text } = await router.ctl('status', '--json');
  const status = JSON.parse(text) as { sessions?: { lastTakeover?: { parts?: unknown } }[] };
  return status.sessions?.[0]?.lastTakeover?.parts;
}
