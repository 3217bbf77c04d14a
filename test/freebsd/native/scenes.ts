/**
 * What is done to the native pair, one scene after the other, and what must be so after each: the same SESSION_ID, no PADT,
 * no dial, traffic that runs, a partner that is armed. How it is done is `router.ts` and `pair.ts`.
 */
import { ADDRESSES } from './network.ts';
import type { Pair } from './pair.ts';
import type { Router } from './router.ts';

/** Starting a runtime on an emulated machine takes ten seconds. */
export const LIMITS = { dial: 120_000, settle: 120_000 } as const;
/** Longer than CARP needs to give the role back: three advertisements and a little. */
const CALM_MS = 6000;

/** A scene did not end as it must. */
export class SceneError extends Error {
  override readonly name = 'SceneError';
}

export interface Scene {
  readonly name: string;
  /** Where the session is afterwards. */
  readonly ends: 'at the other' | 'where it was' | 'anywhere';
  /** Whether a standby must be armed afterwards. */
  readonly standby: boolean;
  /** May find that the session can be anywhere afterwards. */
  act(pair: Pair, holder: Router, other: Router): Promise<'anywhere' | undefined | void>;
}

/** A partner waits as long for a router without a helper. On a machine under load a helper needs longer to start. */
const HELPER_PATIENCE_MS = 5000;

/** On FreeBSD the kernel goes on without us, and the next process adopts what it finds. */
const killed = (programs: readonly ('helper' | 'supervisor')[], what: string): Scene => ({
  name: `${what}, and started again: the session is adopted`,
  ends: 'where it was',
  standby: true,
  async act(pair, holder) {
    const { now } = pair.options;
    const killed = now();
    await holder.kill(...programs);
    if (!programs.includes('supervisor'))
      await pair.until('the supervisor to miss its helper', LIMITS.settle, async () => {
        return (await holder.router())?.helper.connected === false;
      });
    for (const program of programs) holder.start(program);
    await pair.until('the new helper to be greeted', LIMITS.settle, async () => {
      return (await holder.router())?.helper.connected === true;
    });
    const wasLong = programs.includes('helper') && now() - killed >= HELPER_PATIENCE_MS;
    return wasLong ? 'anywhere' : undefined;
  },
});

/** All that a machine without power has: no program, no cable. Its kernel is cleared before it comes back. */
async function powerCut(router: Router): Promise<void> {
  await router.kill('helper', 'supervisor');
  await router.plug(['line', 'lan', 'sync'], 'down');
}

/**
 * A machine that boots. CARP comes last, as it does on one where pfsync demotes until its bulk update is in: a router that
 * is MASTER before its programs run would keep the other one from holding the session, and not hold it either.
 */
async function powerOn(pair: Pair, router: Router): Promise<void> {
  await router.remove();
  await router.plug(['line', 'sync'], 'up');
  for (const program of ['helper', 'supervisor'] as const) router.start(program);
  await pair.until(`${router.name}'s supervisor`, LIMITS.settle, async () => {
    return (await router.router())?.helper.connected === true;
  });
  await router.plug(['lan'], 'up');
}

/** Of another program's default route: nobody answers there. */
const FOREIGN = '192.168.7.254';

/** A kernel with multipath routing puts a second default route beside ours, and one without replaces it. */
const foreignRoute: Scene = {
  name: "another program's default route stands beside ours, is logged, and stays when ours goes",
  ends: 'at the other',
  standby: true,
  async act(pair, holder, other) {
    const [ours = ''] = await holder.defaults();
    const expect = (what: string, router: Router, ...gateways: string[]): Promise<number> =>
      pair.until(`${what}: ${gateways.join(', ')}`, LIMITS.settle, async () => {
        return (await router.defaults()).join() === gateways.sort().join();
      });
    await holder.run('route of another program', 'route', 'add', 'default', FOREIGN);
    await expect('both default routes', holder, ours, FOREIGN);
    await pair.until('the log to name it', LIMITS.settle, () =>
      Promise.resolve(holder.logged('helper').includes(`a default route to ${FOREIGN}`)),
    );
    // The next helper is told every setting again.
    await holder.kill('helper');
    holder.start('helper');
    await pair.until('the new helper to be greeted', LIMITS.settle, () => holder.holds());
    await expect('both default routes after a restart', holder, ours, FOREIGN);
    pair.options.say((await holder.ctl('handoff', '--wait')).trim());
    await expect('the partner, and the other program', holder, ADDRESSES[other.name].lan, FOREIGN);
    await holder.run('it goes', 'route', 'delete', 'default', FOREIGN);
    await expect('the partner alone', holder, ADDRESSES[other.name].lan);
    await expect('the session alone', other, ours);
  },
};

export const SCENES: readonly Scene[] = [
  foreignRoute,
  killed(['helper'], 'kill -9 of the helper'),
  killed(['supervisor'], 'kill -9 of the supervisor'),
  killed(['helper', 'supervisor'], 'kill -9 of both'),
  {
    name: 'pppthingctl handoff moves the session',
    ends: 'at the other',
    standby: true,
    async act(pair, holder) {
      pair.options.say((await holder.ctl('handoff', '--wait')).trim());
    },
  },
  {
    name: 'the LAN interface of the holder goes down: CARP fails over',
    ends: 'at the other',
    standby: false,
    act: (_pair, holder) => holder.plug(['lan'], 'down'),
  },
  {
    name: 'the LAN interface comes back',
    ends: 'anywhere',
    standby: true,
    act: (_pair, _holder, other) => other.plug(['lan'], 'up'),
  },
  {
    name: 'power cut of the holder: the other takes over',
    ends: 'at the other',
    standby: false,
    act: (_pair, holder) => powerCut(holder),
  },
  {
    name: 'the dead router returns',
    ends: 'anywhere',
    standby: true,
    act: (pair, _holder, other) => powerOn(pair, other),
  },
];

/** Those that move the session, for traffic that NAT translates. */
export const MOVES = SCENES.filter(({ name }) => /handoff|LAN interface/.test(name));

export interface Told {
  readonly sessionId: number;
  readonly text: string;
}

const sessionIdOf = async (router: Router): Promise<number> =>
  (await router.status())?.session?.sessionId ?? 0;

/** Both routers know the session, and the one that does not hold it is ready to take it. */
async function isArmed(pair: Pair): Promise<boolean> {
  const holder = await pair.holder();
  if (holder === undefined) return false;
  const other = pair.other(holder);
  const [mine, theirs] = await Promise.all([holder.status(), other.status()]);
  return (
    mine?.partner.inSync === true &&
    theirs?.armed === true &&
    theirs.session?.sessionId === mine.session?.sessionId
  );
}

/** From two routers that have been started to a session with a standby. */
export async function dial(pair: Pair): Promise<Told> {
  const ms = await pair.until('a session', LIMITS.dial, async () => {
    return (await pair.holder()) !== undefined;
  });
  await pair.until('an armed standby', LIMITS.settle, () => isArmed(pair));
  // Whoever is there first dials; the router that CARP prefers may take it a moment later.
  await calm(pair);
  const holder = await pair.holder();
  if (holder === undefined) throw new SceneError('nobody holds the session any more');
  const sessionId = await sessionIdOf(holder);
  await judgeLine(pair, sessionId);
  return { sessionId, text: `${holder.name} holds session ${sessionId}, ${ms} ms after the start` };
}

/** No PADT and no Terminate-Request, one PADS only, and an Access Concentrator without complaint. Throws SceneError. */
export async function judgeLine(pair: Pair, sessionId: number): Promise<void> {
  const { granted: confirmations, padt, terminates } = await pair.line();
  // A PADS that is sent again confirms the same session.
  const granted = [...new Set(confirmations)];
  const held = await pair.heldAgainstUs();
  const problems = [
    ...held.map((what) => `the Access Concentrator holds against us: ${what}`),
    ...(padt > 0 ? [`${padt} PADT on the line`] : []),
    ...(terminates > 0 ? [`${terminates} Terminate-Requests on the line`] : []),
    ...(granted.length === 1 && granted[0] === sessionId
      ? []
      : [`sessions granted: ${granted.join(', ') || 'none'}; expected ${sessionId} alone`]),
  ];
  if (problems.length > 0) throw new SceneError(problems.join('; '));
}

/** Until the session has stayed where it is: a preferred router may take it back. How long it has been there. */
async function calm(pair: Pair): Promise<number> {
  const { now } = pair.options;
  let since = now();
  let last: Router | undefined;
  return pair.until('the session to stay at one router', LIMITS.settle, async () => {
    const holder = await pair.holder();
    if (holder !== last || holder === undefined) since = now();
    last = holder;
    return now() - since >= CALM_MS;
  });
}

/** Play a scene on a pair that carries `sessionId`. Throws SceneError, CommandError or what a wait throws. */
export async function play(scene: Scene, pair: Pair, sessionId: number): Promise<Told> {
  const from = await pair.holder();
  if (from === undefined) throw new SceneError('nobody holds the session before the scene');
  const other = pair.other(from);
  await pair.beginTraffic();
  const ends = (await scene.act(pair, from, other)) ?? scene.ends;
  const wanted = { 'at the other': other, 'where it was': from, anywhere: undefined }[ends];
  const ms = await (wanted === undefined
    ? calm(pair)
    : pair.until(`${wanted.name} to hold the session`, LIMITS.settle, () => wanted.holds()));
  const traffic = await pair.trafficRuns(LIMITS.settle);
  if (scene.standby) await pair.until('an armed standby', LIMITS.settle, () => isArmed(pair));
  const holder = await pair.holder();
  if (holder === undefined) throw new SceneError('nobody holds the session after the scene');
  const now = await sessionIdOf(holder);
  if (now !== sessionId) throw new SceneError(`session ${now}; it was ${sessionId}`);
  await judgeLine(pair, sessionId);
  return {
    sessionId,
    text: `${from.name} → ${holder.name} in ${ms} ms, session ${sessionId}; ${traffic}`,
  };
}
