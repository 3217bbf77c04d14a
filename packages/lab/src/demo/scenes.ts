/**
 * The scenes of `make lab`, in order: what the lab does to the routers, what must happen then and within what time, and
 * what it cost. They look at the world from outside: the AC, the switch, CARP and the kernels, never at the engines.
 */
import type { Instant } from '@ppp-thing/protocol/time';
import type { Account } from '../line/probe.ts';
import type { RouterName, Timed } from './bus.ts';
import { now } from './clock.ts';
import type { Lab } from './lab.ts';
import { DELEGATED } from './setting.ts';

export interface SceneResult {
  readonly name: string;
  readonly title: string;
  readonly sessionId: number;
  readonly holder: RouterName;
  /** New sessions that the AC granted in this scene. */
  readonly redials: number;
  readonly probesSent: number;
  readonly probesLost: number;
  /** The longest run of lost probes, milliseconds. */
  readonly outageMs: number;
  /** From the cut to the first answered probe afterwards. */
  readonly takeoverMs?: number;
  /** From CARP's edge on the new master to the first answered probe. */
  readonly afterRoleMs?: number;
  /** Messages that the DHCPv6 server has received, other than a Renew at its time. */
  readonly dhcp6: number;
  /** The delegated prefix on the LAN of every router that is on; undefined where nobody asks for one. */
  readonly prefix?: string;
  /** PADI to data, as the AC saw it. */
  readonly dialMs?: number;
}

interface Scene {
  readonly name: string;
  readonly title: string;
  /** Probes must not be lost at all: the data path was not touched. */
  readonly lossless?: boolean;
  readonly run: (lab: Lab) => Promise<Partial<SceneResult>>;
}

/** It only ends a hang: what a scene takes is in its result, and a busy machine takes ten times as long. */
const LIMIT_MS = 120_000;
/** A probe that was not answered by then is lost: the answer takes less than a millisecond. */
const SETTLE_MS = 300;

const SCENES: readonly Scene[] = [
  { name: 'dial', title: 'both routers start; the MASTER dials', run: dial },
  {
    name: 'kill-supervisor',
    title: 'kill -9 the supervisor of the holder',
    lossless: true,
    run: async (lab) => restart(lab, 'supervisor'),
  },
  {
    name: 'kill-helper',
    title: 'kill -9 the helper of the holder',
    lossless: true,
    run: async (lab) => restart(lab, 'helper'),
  },
  { name: 'power-cut', title: 'power cut: the MASTER dies', run: powerCut },
  { name: 'return', title: 'the dead router returns and takes back its role', run: comeBack },
  { name: 'handoff', title: 'planned handoff', run: handoff },
  { name: 'renew', title: 'the new holder renews the lease at T1', lossless: true, run: renew },
];

/** Run every scene. Throws WaitError, or an Error of a scene whose promise was not kept. */
export async function runScenes(
  lab: Lab,
  begins: (title: string) => void,
  ended: (result: SceneResult) => void,
): Promise<void> {
  const count = { dial: 0, dhcp6: 0 };
  lab.bus.listen((it) => {
    if (it.kind === 'dial') count.dial += 1;
    if (it.kind === 'dhcp6' && it.type !== 'Renew') count.dhcp6 += 1;
  });
  for (const [i, scene] of SCENES.entries()) {
    begins(`${i + 1}/${SCENES.length}  ${scene.title}`);
    const start = now();
    const before = { ...count };
    const found = await scene.run(lab);
    const prefix = await prefixOf(lab);
    await lab.bus.pass(SETTLE_MS);
    const { sent, lost, outageMs } = accountOf(lab, start);
    const result: SceneResult = {
      name: scene.name,
      title: scene.title,
      sessionId: liveSession(lab),
      holder: holderOf(lab),
      // The first dial is no redial.
      redials: count.dial - before.dial - (scene.run === dial ? 1 : 0),
      probesSent: sent,
      probesLost: lost,
      outageMs: Math.round(outageMs),
      dhcp6: count.dhcp6 - before.dhcp6,
      ...(prefix !== undefined && { prefix }),
      ...found,
    };
    ended(result);
    if (scene.lossless === true && lost > 0)
      throw new Error(`${scene.title}: ${lost} probes were lost, though no data path was touched`);
  }
}

/** The operator ends the session. Returns once the server has the Release, and no LAN has the prefix any more. */
export async function disconnect(lab: Lab): Promise<void> {
  const { bus, world } = lab;
  await Promise.all([
    bus.waitFor(
      'a Release',
      LIMIT_MS,
      (it) => (it?.kind === 'dhcp6' && it.type === 'Release') || undefined,
    ),
    lab.router(holderOf(lab)).operator.type('disconnect'),
  ]);
  await bus.waitUntil('LANs without a prefix', LIMIT_MS, () =>
    [...world.lanAddresses6.values()].every((address) => address === undefined),
  );
}

/**
 * The AC has IPv6 alone, and the operator connects again: a session without IPv4 comes up.
 *
 * @returns the prefix that both LANs get
 */
export async function withoutIpv4(lab: Lab): Promise<string | undefined> {
  const { bus, world } = lab;
  const name = holderOf(lab);
  bus.tell({ kind: 'lab', text: 'the AC has IPv6 alone now' });
  world.withoutIpv4();
  await Promise.all([
    bus.waitFor('a session that carries data', LIMIT_MS, (it) => it?.kind === 'up' || undefined),
    lab.router(name).operator.type('connect'),
  ]);
  const prefix = await prefixOf(lab);
  const [gateway] = world.machine(name).defaultGateways;
  if (gateway !== undefined)
    throw new Error(`${name} has an IPv4 default route via ${gateway}, in a session without IPv4`);
  return prefix;
}

const holderOf = ({ world }: Lab): RouterName => (world.machine('r1').isOpen ? 'r1' : 'r2');

/** Those sent last have not had the time to be answered, and belong to no scene. */
const accountOf = (lab: Lab, start: Instant): Account =>
  lab.world.probe.account(start, (now() - SETTLE_MS / 2) as Instant);

/** The one session at the AC that carries data. Throws Error if there is none, or another beside it. */
function liveSession(lab: Lab): number {
  const sessions = [...lab.world.ac.sessions];
  const [first, second] = sessions;
  if (first === undefined || second !== undefined || !first[1])
    throw new Error(`the AC has ${sessions.length} sessions, expected one that carries data`);
  return first[0];
}

/** Once every router that is on has an address of its own out of the prefix. Throws Error if they have several. */
async function prefixOf({ bus, world, delegates }: Lab): Promise<string | undefined> {
  if (!delegates) return undefined;
  const addresses = await bus.waitFor('a delegated prefix on every LAN', LIMIT_MS, () => {
    const found = [...world.lanAddresses6].map(([name, address]) => {
      const { [name]: host } = DELEGATED.host;
      return address?.endsWith(host) === true ? address.slice(0, -host.length) : undefined;
    });
    return found.includes(undefined) ? undefined : found;
  });
  const [first, ...others] = new Set(addresses);
  if (others.length > 0) throw new Error(`the routers have prefixes ${addresses.join(' and ')}`);
  return `${first}::/64`;
}

async function dial(lab: Lab): Promise<Partial<SceneResult>> {
  const [{ dialMs, sessionId }] = await Promise.all([
    lab.bus.waitFor('a session that carries data', LIMIT_MS, (it) =>
      it?.kind === 'up' ? it : undefined,
    ),
    lab.powerOn('r1', 'r2'),
  ]);
  await lab.bus.waitUntil(
    'the session interface of r1',
    LIMIT_MS,
    () => lab.world.machine('r1').isUp,
  );
  lab.world.startProbe();
  await answeredAfter(lab, 'the first answered probe', now());
  await armed(lab, 'r2', sessionId);
  return { dialMs: Math.round(dialMs) };
}

/** Nothing of the data path may notice, and the session must still be the holder's own afterwards. */
async function restart(lab: Lab, which: 'helper' | 'supervisor'): Promise<Partial<SceneResult>> {
  await lab.killProcess('r1', which);
  return {};
}

async function powerCut(lab: Lab): Promise<Partial<SceneResult>> {
  const sessionId = liveSession(lab);
  const [moved] = await Promise.all([takenBy(lab, 'r2', sessionId, now()), lab.powerCut('r1')]);
  return moved;
}

/** The returning router has the better advskew and preempts, so CARP gives it its role back once it is in sync. */
async function comeBack(lab: Lab): Promise<Partial<SceneResult>> {
  const sessionId = liveSession(lab);
  const [{ afterRoleMs }] = await Promise.all([
    takenBy(lab, 'r1', sessionId, now()),
    lab.powerOn('r1'),
  ]);
  await armed(lab, 'r2', sessionId);
  return afterRoleMs === undefined ? {} : { afterRoleMs };
}

async function handoff(lab: Lab): Promise<Partial<SceneResult>> {
  const sessionId = liveSession(lab);
  const [{ afterRoleMs }] = await Promise.all([
    takenBy(lab, 'r2', sessionId, now()),
    orderHandoff(lab),
  ]);
  await lab.bus.waitUntil('the closed gate of r1', LIMIT_MS, () => !lab.world.machine('r1').isOpen);
  // r1 has the better advskew: only its demotion keeps it from taking back with the next advertisements.
  await lab.bus.pass(2 * lab.world.carpSecondMs);
  const { r1, r2 } = { r1: lab.world.role('r1'), r2: lab.world.role('r2') };
  if (r1 !== 'BACKUP' || r2 !== 'MASTER')
    throw new Error(`the handoff did not last: r1 is ${r1}, r2 is ${r2}`);
  return afterRoleMs === undefined ? {} : { afterRoleMs };
}

/** The router that got the lease is not the one that has to renew it. */
async function renew(lab: Lab): Promise<Partial<SceneResult>> {
  if (lab.delegates)
    await lab.bus.waitFor(
      'a Renew',
      LIMIT_MS,
      (it) => (it?.kind === 'dhcp6' && it.type === 'Renew') || undefined,
    );
  return {};
}

/** Ask again whenever the partner has spoken, as long as r1 says that it is not ready. */
async function orderHandoff(lab: Lab): Promise<void> {
  const { operator } = lab.router('r1');
  const deadline = now() + LIMIT_MS;
  while (!(await operator.type('handoff', '--wait'))) {
    if (now() > deadline) throw new Error('order a handoff: ETIMEDOUT: refused again and again');
    await lab.bus.waitFor(
      'the next word of r2 to r1',
      LIMIT_MS,
      (it) => (it?.kind === 'datagram' && it.from === 'r2') || undefined,
    );
  }
}

/** `router` becomes MASTER, opens its gate to `sessionId`, and a probe is answered through it. */
async function takenBy(
  lab: Lab,
  router: RouterName,
  sessionId: number,
  from: Instant,
): Promise<Partial<SceneResult>> {
  const { bus, world } = lab;
  const isEdge = (it: Timed | undefined): Timed | undefined =>
    it?.kind === 'role' && it.router === router && it.role === 'MASTER' ? it : undefined;
  const edge = await bus.waitFor(`${router} to become MASTER`, LIMIT_MS, isEdge);
  await bus.waitUntil(`the open gate of ${router}`, LIMIT_MS, () => world.machine(router).isOpen);
  const pong = await answeredAfter(lab, `an answered probe through ${router}`, edge.at);
  const found = world.machine(router).attached;
  if (found !== sessionId)
    throw new Error(`${router} has session ${found ?? 'none'} attached, expected ${sessionId}`);
  return {
    takeoverMs: Math.round(pong.at - from),
    afterRoleMs: Math.round(pong.at - edge.at),
  };
}

async function answeredAfter(lab: Lab, name: string, since: Instant): Promise<Timed> {
  return lab.bus.waitFor(name, LIMIT_MS, (it) =>
    it?.kind === 'pong' && it.at >= since ? it : undefined,
  );
}

/** `router` stands by with this session, not demoted any more: ready to take over. */
async function armed(lab: Lab, router: RouterName, sessionId: number): Promise<void> {
  await lab.bus.waitUntil(
    `${router} armed with session ${sessionId}`,
    LIMIT_MS,
    () => lab.world.machine(router).attached === sessionId && lab.world.demotion(router) === 0,
  );
}
