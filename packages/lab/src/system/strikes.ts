/** What each fault of a plan does to the whole system, and what its end does. When it strikes is `world.ts`. */
import type { AdminVerb } from '@ppp-thing/protocol/engine/events';
import { encodeAnnounce } from '@ppp-thing/protocol/wire/ethernet';
import type { Keys } from '@ppp-thing/supervisor/keys';
import type { Fault, RouterIndex } from '../campaign/faults.ts';
import type { Chance } from '../campaign/random.ts';
import type { Schedule } from '../campaign/schedule.ts';
import type { RouterView } from '../campaign/stage.ts';
import type { PairEvent } from '../line/carp.ts';
import { lie } from './lies.ts';
import type { OctetLine } from './line.ts';
import type { Network } from './network.ts';
import type { ProcessName, SystemRouter } from './router.ts';
import { keys, sessionMac } from './setting.ts';

/** The world, as far as a fault reaches. */
export interface Struck {
  readonly schedule: Schedule;
  readonly chance: Chance;
  readonly network: Network;
  readonly line: OctetLine;
  readonly keys: [Keys, Keys];
  readonly systems: readonly [SystemRouter, SystemRouter];
  readonly stages: readonly {
    readonly name: string;
    readonly routers: readonly [RouterView, RouterView];
  }[];
  role(index: RouterIndex): string;
  feedCarp(event: PairEvent): void;
  powerOn(index: RouterIndex): void;
  start(index: RouterIndex, process: ProcessName): void;
  /** The kernel refuses nothing any more. */
  obeysAgain(index: RouterIndex): void;
  note(line: string): void;
}

type Of<K extends Fault['kind']> = Extract<Fault, { kind: K }>;
/** Ends a fault. */
type Undo = () => void;
type Effect<K extends Fault['kind']> = (fault: Of<K>, world: Struck) => Undo | void;

/** @returns what ends it; undefined if it ends by itself */
export const strike = (fault: Fault, world: Struck): Undo | void =>
  (EFFECTS[fault.kind] as Effect<Fault['kind']>)(fault, world);

const EFFECTS: { readonly [K in Fault['kind']]: Effect<K> } = {
  power({ router, diskLost }, world) {
    world.feedCarp({ kind: 'power-cut', station: router });
    world.systems[router].powerOff();
    if (diskLost === true) world.systems[router].disk.erase();
    return () => world.powerOn(router);
  },
  'kill-helper'({ router }, world) {
    world.systems[router].kill('helper');
    return () => world.start(router, 'helper');
  },
  'kill-supervisor'({ router }, world) {
    world.systems[router].kill('supervisor');
    return () => world.start(router, 'supervisor');
  },
  'kill-both'({ router }, world) {
    world.systems[router].kill('supervisor');
    world.systems[router].kill('helper');
    return () => startBoth(router, world);
  },
  restart({ router }, world) {
    world.systems[router].stop('supervisor');
    world.systems[router].stop('helper');
    return () => startBoth(router, world);
  },
  'changes-release'({ router }, world) {
    const system = world.systems[router];
    system.stop('supervisor');
    system.stop('helper');
    system.isPrevious = !system.isPrevious;
    return () => startBoth(router, world);
  },
  'dies-midway'({ router, process, after }, world) {
    world.systems[router].sentence(process, after);
    return () => {
      world.systems[router].sentence(process, Infinity);
      world.start(router, process);
    };
  },
  'line-cut'({ router, silent }, { line, systems }) {
    const cable = (up: boolean): void => {
      line.up[router] = up;
      if (silent) return;
      systems[router].carrier(up);
      line.carrier(router, up);
    };
    line.wasBad = true;
    cable(false);
    return () => cable(true);
  },
  'line-one-way'({ router, lost }, { line }) {
    line.wasBad = true;
    line.lost[router].add(lost);
    return () => void line.lost[router].delete(lost);
  },
  'line-loss'({ share }, { line }) {
    line.wasBad = true;
    line.loss = share;
    return () => void (line.loss = 0);
  },
  'ac-slow'({ lateMs }, { line }) {
    line.wasBad = true;
    line.acLateMs = lateMs;
    return () => void (line.acLateMs = 0);
  },
  'lan-cut'({ router }, world) {
    world.feedCarp({ kind: 'link', station: router, up: false });
    return () => {
      if (world.systems[router].isPowered)
        world.feedCarp({ kind: 'link', station: router, up: true });
    };
  },
  'carp-deaf'({ router }, world) {
    world.feedCarp({ kind: 'reach', from: 1 - router, reaches: false });
    return () => world.feedCarp({ kind: 'reach', from: 1 - router, reaches: true });
  },
  'partner-loss'({ from, share }, { network: { ways } }) {
    if (from !== 1) ways[0].loss = share;
    if (from !== 0) ways[1].loss = share;
    return () => {
      for (const way of ways) way.loss = 0;
    };
  },
  'partner-jumble'({ lateMs }, { network: { ways } }) {
    for (const way of ways) way.lateMs = lateMs;
    return () => {
      for (const way of ways) way.lateMs = 0;
    };
  },
  'disk-full'({ router }, { systems }) {
    const { disk } = systems[router];
    disk.refusal = 'ENOSPC';
    return () => void (disk.refusal = undefined);
  },
  'disk-hangs'({ router, syncMs }, { systems }) {
    systems[router].syncMs = syncMs;
    return () => void (systems[router].syncMs = 0);
  },
  'kernel-refuses'({ router, share }, world) {
    world.systems[router].refusals = share;
    return () => {
      world.systems[router].refusals = 0;
      world.obeysAgain(router);
    };
  },
  stalls: ({ router, forMs }, { systems }) => systems[router].stall(forMs),
  'clock-step': ({ router, byMs }, { systems }) => void (systems[router].wallStep += byMs),
  lies({ router, about }, { systems, chance }) {
    systems[router].lie = (message) => lie(message, about, chance);
    return () => void (systems[router].lie = (message) => message);
  },
  'rotate-keys': rotateKeys,
  replays: (fault, world) => harass(fault, world, world.schedule.now + fault.forMs),
  'forged-announce': (fault, world) => harass(fault, world, world.schedule.now + fault.forMs),
  'ac-forgets': (_, { line }) => line.feedAc({ kind: 'command', command: 'forget' }),
  'ac-renegotiates': (_, { line }) => line.feedAc({ kind: 'command', command: 'renegotiate' }),
  'ac-terminates': (_, { line }) => line.feedAc({ kind: 'command', command: 'terminate' }),
  handoff: (_, world) => tellMaster('handoff', world),
  reconnect: (_, world) => tellMaster('reconnect', world),
  disconnect(_, world) {
    tellMaster('disconnect', world);
    return () => connectAgain(world);
  },
  operator: ({ router, verb }, world) => tell(router, verb, world),
};

function startBoth(index: RouterIndex, world: Struck): void {
  world.start(index, 'helper');
  world.start(index, 'supervisor');
}

/** As docs/partner-protocol.md has it: a new key everywhere, then its use, then the end of the old one. */
function rotateKeys({ forMs }: Of<'rotate-keys'>, world: Struck): void {
  const before = world.keys[0].active;
  const next = before + 1;
  const steps = [
    [0, keys([before, next], before)],
    [1, keys([before, next], before)],
    [0, keys([before, next], next)],
    [1, keys([before, next], next)],
    [0, keys([next], next)],
    [1, keys([next], next)],
  ] as const;
  steps.forEach(([index, set], i) =>
    world.schedule.in((i * forMs) / steps.length, () => {
      world.keys[index] = set;
      world.systems[index].setKeys(set);
    }),
  );
}

/** Again and again until then. */
function harass(fault: Of<'replays' | 'forged-announce'>, world: Struck, until: number): void {
  const { schedule, chance, network } = world;
  if (schedule.now >= until) return;
  const from = chance.pick([0, 1] as const);
  if (fault.kind === 'forged-announce') forgeAnnounce(fault.ahead, world);
  else if (chance.is(0.5)) network.replay(from);
  else network.forge(from);
  schedule.in(fault.everyMs, () => harass(fault, world, until));
}

function forgeAnnounce(ahead: number, { stages, line }: Struck): void {
  const [stage] = stages;
  const epoch = (stage?.routers ?? []).reduce((most, { disk }) => Math.max(most, disk.epoch), 0);
  const frame = encodeAnnounce({
    mac: sessionMac(0),
    epoch: Math.min(epoch + ahead, 0xffff_ffff),
  });
  for (const index of [0, 1] as const) line.deliver(index, frame);
}

/** The operator speaks to the router that is MASTER. */
function tellMaster(verb: AdminVerb, world: Struck): void {
  const master = world.systems.find(({ index }) => world.role(index) === 'MASTER');
  if (master !== undefined) tell(master.index, verb, world);
}

function tell(index: RouterIndex, verb: AdminVerb, world: Struck): void {
  for (const { name } of world.stages) {
    const outcome = JSON.stringify(world.systems[index].admin(name, verb));
    world.note(`router ${index} ${name} operator ${verb}: ${outcome}`);
  }
}

/** An operator who is refused asks again. */
function connectAgain(world: Struck): void {
  for (const { routers, name } of world.stages)
    for (const view of routers) {
      if (view.status()?.state !== 'Off') continue;
      world.systems[view.index].admin(name, 'connect');
      world.schedule.in(1000, () => connectAgain(world));
    }
}
