/**
 * One run of the whole system: two routers with their real processes, CARP, the line with its switch, the Access
 * Concentrator and the network between the partners, following a plan on one virtual clock. After every step it asks the
 * rules, once for each session, whether all still holds.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { LONGEST_DELAY, REFUSED_STRETCH } from '@ppp-thing/protocol/engine/link/redial';
import { DecodeError, sameOctets } from '@ppp-thing/protocol/bytes';
import type { OwnerState } from '@ppp-thing/protocol/engine/owner/ownership';
import { NO_SNAPSHOT, type Role } from '@ppp-thing/protocol/session';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import { decodeAnnounce, decodeEthernet, ETHERTYPE } from '@ppp-thing/protocol/wire/ethernet';
import { decodeDhcp6, encodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import { decodePpp } from '@ppp-thing/protocol/wire/ppp';
import { decodeDiscovery, decodeSession } from '@ppp-thing/protocol/wire/pppoe';
import { statusJson } from '@ppp-thing/supervisor/view';
import type { Game, RunResult, Turns } from '../campaign/game.ts';
import type { Way } from '../campaign/line.ts';
import type { Fault, RouterIndex } from '../campaign/faults.ts';
import { durationOf, TRAFFIC_MS } from '../campaign/plan.ts';
import { Delegator } from '../line/delegator.ts';
import { Chance } from '../campaign/random.ts';
import { Rules, type Violation } from '../campaign/rules.ts';
import { isOff } from '../campaign/watch.ts';
import { Schedule } from '../campaign/schedule.ts';
import type { RouterView, Stage } from '../campaign/stage.ts';
import { answerLine } from '../campaign/telling.ts';
import { CarpPair, type PairEvent } from '../line/carp.ts';
import { decodeEcho, encodeEcho } from '../line/icmp.ts';
import { Errno } from '../freebsd/abi.ts';
import { Network } from './network.ts';
import { OctetLine } from './line.ts';
import { forgives, makeSystemPlan, SETTLE_MS, type SystemPlan } from './plan.ts';
import { SystemRouter, type ProcessName, type Outside } from './router.ts';
import { strike, type Struck } from './strikes.ts';
import { keys, LINE, sessionMac, sessionName, VHID } from './setting.ts';
import { SessionView } from './view.ts';

/** What a service manager waits before it starts a process anew. */
const RESTART_MS = 800;
/** An edge of CARP's has reached the helper and been obeyed. */
const EDGE_MS = 10;
/** After this what a kernel has refused has been asked of it again. */
const RETRIED_MS = 2000;
/** A dial takes no longer, an AC that is slow to answer included. */
const DIAL_MS = 40_000;
const STATUS_MS = 5000;
/** How often the operator looks who holds a session. */
const OPERATOR_MS = 1000;

/** Run `plan` to its end or to the first violation. The same plan gives the same run. */
export function runSystem(plan: SystemPlan, withTranscript = false): Promise<RunResult> {
  return new SystemWorld(plan, withTranscript).run();
}

export const SYSTEM: Game<SystemPlan> = { makePlan: makeSystemPlan, run: runSystem };

class SystemWorld implements Outside, Struck {
  readonly plan: SystemPlan;
  readonly schedule = new Schedule();
  readonly chance: Chance;
  readonly network: Network;
  readonly setting: SystemPlan;
  readonly keys: [ReturnType<typeof keys>, ReturnType<typeof keys>];
  readonly drift: readonly [number, number];
  readonly systems: readonly [SystemRouter, SystemRouter];
  readonly #turns: Turns = { helper: [0, 0], supervisor: [0, 0] };
  readonly #carp: CarpPair;
  readonly line: OctetLine;
  readonly stages: readonly SessionStage[];
  readonly #transcript: string[] | undefined;
  /** When each helper has obeyed CARP's last edge. */
  readonly #obeyedAt: [number, number] = [0, 0];
  readonly #demotions: [number, number] = [0, 0];
  #isSettling = false;
  #ping = 0;
  #carpAt = Infinity;

  constructor(plan: SystemPlan, withTranscript: boolean) {
    this.plan = plan;
    this.setting = plan;
    this.drift = plan.drift;
    this.chance = new Chance(plan.seed ^ 0x5eed);
    this.#transcript = withTranscript ? [] : undefined;
    this.network = new Network(this.schedule, this.chance, plan.delaysMs);
    this.keys = [keys([1], 1), keys([1], 1)];
    this.systems = [
      new SystemRouter(0, this, plan.previous === 0),
      new SystemRouter(1, this, plan.previous === 1),
    ];
    const station = { advbase: 1, preempt: true, secondMs: 1000 };
    this.#carp = new CarpPair(
      plan.advskew.map((advskew) => ({ ...station, advskew })),
      millis(1),
    );
    this.line = new OctetLine(this);
    const names = Array.from({ length: plan.sessions }, (_, session) => sessionName(session));
    this.stages = names.map((name, session) => {
      const view = (router: SystemRouter): SessionView =>
        new SessionView(router, name, names, () => this.roleIn(router.index, name));
      const [one, other] = this.systems;
      return new SessionStage(this, [view(one), view(other)], session);
    });
  }

  async run(): Promise<RunResult> {
    for (const { name } of this.stages)
      for (const router of this.systems)
        router.inherit(name, { ...NO_SNAPSHOT, epoch: this.plan.firstEpoch, holder: 1 });
    for (const router of this.systems)
      this.schedule.at(this.chance.between(0, 2000), () => this.powerOn(router.index));
    for (const { atMs, fault } of this.plan.faults)
      this.schedule.at(atMs, () => this.#strike(fault));
    this.schedule.at(SETTLE_MS / 2, () => this.#traffic());
    this.schedule.at(STATUS_MS, () => this.#readStatus());
    if (this.plan.policy === 'manual') this.schedule.in(OPERATOR_MS, () => this.#operate());
    for (const { rules } of this.stages) rules.begin();
    let steps = await this.#play(this.plan.lengthMs);
    // An AC that refused to the last is asked again after the longest back-off, and that is longer than a run's calm.
    if (this.stages.some(({ rules }) => !rules.isCarrying))
      steps += await this.#play(this.plan.lengthMs + LONGEST_DELAY * REFUSED_STRETCH + DIAL_MS);
    if (this.#violation === undefined) for (const { rules } of this.stages) rules.end();
    return {
      violation: this.#violation,
      steps,
      simulatedMs: this.schedule.now,
      turns: this.#turns,
      transcript: this.#transcript ?? [],
    };
  }

  get #violation(): Violation | undefined {
    return this.stages.find(({ rules }) => rules.violation !== undefined)?.rules.violation;
  }

  async #play(until: number): Promise<number> {
    let steps = 0;
    while (this.#violation === undefined && this.schedule.step(until)) {
      steps++;
      while (this.#isSettling) {
        this.#isSettling = false;
        await new Promise((resolve) => setImmediate(resolve));
      }
      this.#compare();
      for (const { rules } of this.stages) rules.afterStep();
    }
    return steps;
  }

  // What the rules ask.

  get underWay(): number {
    return this.network.underWay + this.line.underWay;
  }

  live(session: number): number | undefined {
    return this.line.live(session);
  }

  /** The router's, by its first session. */
  role(index: RouterIndex): Role {
    return this.roleIn(index, sessionName(0));
  }

  /** Under `manual` each session has the role that the operator gave it. */
  roleIn(index: RouterIndex, session: string): Role {
    const { policy } = this.plan;
    if (policy === undefined) return this.#carp.role(index);
    if (policy === 'pinned') return 'MASTER';
    const stage = this.#stage(session);
    const view = stage.routers[index];
    return view.status()?.role ?? stage.given[index];
  }

  hasObeyed(index: RouterIndex): boolean {
    return this.systems[index].refusals === 0 && this.schedule.now >= this.#obeyedAt[index];
  }

  reaches(index: RouterIndex, way: Way): boolean {
    return this.line.reaches(index, way);
  }

  get canTell(): boolean {
    return this.network.isWhole && this.systems.every(canSpeak);
  }

  get canAnnounce(): boolean {
    // Under `pinned` nobody gives way to a frame, and the previous release proves none.
    if (this.plan.policy === 'pinned' || this.systems.some(({ isPrevious }) => isPrevious))
      return false;
    const isWhole = this.systems.every(
      (router) =>
        canSpeak(router) && this.reaches(router.index, 'in') && this.reaches(router.index, 'out'),
    );
    return isWhole && this.line.loss === 0;
  }

  obeysAgain(index: RouterIndex): void {
    this.#obeyedAt[index] = this.schedule.now + RETRIED_MS;
  }

  note(line: string): void {
    this.#transcript?.push(`${(this.schedule.now / 1000).toFixed(4).padStart(10)} ${line}`);
  }

  // What the routers do.

  settling(): void {
    this.#isSettling = true;
  }

  answered(index: RouterIndex, session: string, event: Event, actions: readonly Action[]): void {
    const stage = this.#stage(session);
    const view = stage.routers[index];
    stage.answered(index, event);
    if (this.#transcript !== undefined) {
      const line = answerLine(event, view.status()?.state ?? '', actions);
      if (line !== undefined) this.note(`router ${index} ${session} ${line}`);
    }
    stage.rules.answered(view, event, actions);
  }

  waitsForEver(index: RouterIndex, session: string): void {
    const stage = this.#stage(session);
    stage.rules.waitsForEver(stage.routers[index]);
  }

  woken(index: RouterIndex, process: ProcessName): void {
    this.#turns[process][index]++;
  }

  started(index: RouterIndex): void {
    for (const stage of this.stages) stage.started(index);
  }

  died(index: RouterIndex, process: ProcessName, reason: string): void {
    this.note(`router ${index} ${process} ended: ${reason}`);
    this.schedule.in(RESTART_MS, () => this.start(index, process));
  }

  crashed(index: RouterIndex, process: ProcessName, error: unknown): void {
    const trace = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.stages[0]?.rules.accuse('crash', `${process} of router ${index}: ${trace}`);
  }

  transmit(index: RouterIndex, frame: Uint8Array): void {
    this.#observe(index, frame);
    this.line.transmit(index, frame);
  }

  solicited(index: RouterIndex, session: string, octets: Uint8Array): void {
    const stage = this.#stage(session);
    const message = decodeDhcp6(octets);
    stage.rules.transmitted(stage.routers[index], { kind: 'send-dhcp6', message });
    if (!this.#passes(stage, index)) return;
    this.schedule.in(this.chance.between(0.1, 2) + this.line.acLateMs, () => {
      const answer = stage.delegator?.answer(message, this.schedule.now);
      if (answer === undefined || !this.#passes(stage, index)) return;
      this.systems[index].hearDhcp6(session, encodeDhcp6(answer));
    });
  }

  /** Whether a packet of the session gets from the router to the AC, or back. */
  #passes({ routers, session }: SessionStage, index: RouterIndex): boolean {
    const { attached, gate, isUp } = routers[index].kernel;
    const isJoined = gate && isUp === true && attached?.sessionId === this.live(session);
    const isWhole = this.reaches(index, 'in') && this.reaches(index, 'out');
    return isJoined && isWhole && !this.chance.is(this.line.loss);
  }

  received(index: RouterIndex, packet: Uint8Array): void {
    const kernel = this.systems[index].kernel;
    if (kernel === undefined) return;
    try {
      const echo = decodeEcho(packet);
      if (echo?.kind !== 'request') return;
      const { source, destination } = echo;
      // By the session it came in by, whatever else leads to its sender.
      const line = kernel.interfaces
        .all()
        .find(
          ({ isUp, addresses }) =>
            isUp && addresses.some(({ address }) => sameOctets(address, destination)),
        );
      const reply = { ...echo, kind: 'reply', source: destination, destination: source } as const;
      line?.output(encodeEcho(reply), 4);
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof Errno)) throw error;
    }
  }

  // What the line does.

  arrived(index: RouterIndex, frame: Uint8Array): void {
    const router = this.systems[index];
    if (router.kernel === undefined) return;
    router.changes++;
    router.kernel.interfaces.get(LINE).receive(frame);
  }

  carried(sessionId: number): void {
    const stage = this.stages.find(({ session }) => this.live(session) === sessionId);
    const view = stage?.routers.find(({ kernel }) => kernel.gate);
    if (stage !== undefined && view !== undefined) stage.rules.carried(view, sessionId);
  }

  accused(text: string): void {
    this.stages[0]?.rules.accuse('wire', text);
  }

  /** What a router's frame says, for the rules. */
  #observe(index: RouterIndex, frame: Uint8Array): void {
    const { source, destination, etherType, payload } = decodeEthernet(frame);
    const stage = this.stages.find(({ session }) => sameOctets(sessionMac(session), source));
    if (stage === undefined) return;
    const view = stage.routers[index];
    if (etherType === ETHERTYPE.PPPOE_DISCOVERY) {
      const packet = decodeDiscovery(payload);
      stage.rules.transmitted(view, { kind: 'send-discovery', destination, packet });
    } else if (etherType === ETHERTYPE.RARP) {
      stage.rules.transmitted(view, { kind: 'announce', epoch: decodeAnnounce(frame).epoch });
    } else if (etherType === ETHERTYPE.PPPOE_SESSION) {
      const { protocol, packet } = decodeSession(payload);
      if (protocol >= 0x8000)
        stage.rules.transmitted(view, { kind: 'send-ppp', packet: decodePpp(protocol, packet) });
    }
  }

  #traffic(): void {
    this.line.feedAc({ kind: 'ping', sequence: this.#ping++ % 0x10000 });
    this.schedule.in(TRAFFIC_MS, () => this.#traffic());
  }

  /** What the status socket would answer is what JSON can hold. */
  #readStatus(): void {
    for (const { supervisor, index } of this.systems) {
      if (supervisor?.running === undefined) continue;
      try {
        JSON.stringify(statusJson(supervisor.running));
      } catch (error) {
        this.crashed(index, 'supervisor', error);
      }
    }
    this.schedule.in(STATUS_MS, () => this.#readStatus());
  }

  // CARP.

  feedCarp(event: PairEvent): void {
    for (const { station, role } of this.#carp.handle(event, this.schedule.now as Instant)) {
      const index = station === 0 ? 0 : 1;
      this.note(`router ${index} CARP ${role}`);
      const router = this.systems[index];
      const { helper } = router;
      router.kernel?.carp.set(VHID, role);
      router.changes++;
      // Nobody follows it then.
      if (this.plan.policy !== undefined) continue;
      // What is joined only after the edge, by a dial, the edge has nothing to do with.
      const wasOpen = this.stages.map(
        ({ routers: { [index]: view } }) => view.kernel.gate || view.kernel.attached === null,
      );
      for (const { rules, routers } of this.stages) rules.carpMoved(routers[index]);
      this.#obeyedAt[index] = this.schedule.now + EDGE_MS;
      this.schedule.in(EDGE_MS, () => {
        if (this.#carp.role(station) !== role) return;
        // A helper that was not there, or stood still, has served no edge.
        const isServed = helper !== undefined && router.helper === helper && router.syncMs === 0;
        this.stages.forEach(({ rules, routers }, i) =>
          rules.carpEdge(routers[index], !isServed || (wasOpen[i] ?? false)),
        );
      });
    }
    const at = this.#carp.deadline();
    if (at === undefined || at >= this.#carpAt) return;
    this.#carpAt = at;
    this.schedule.at(at + 1e-6, () => {
      this.#carpAt = Infinity;
      this.feedCarp({ kind: 'deadline' });
    });
  }

  /** The kernels' demotions are CARP's business. */
  #compare(): void {
    for (const { index, kernel } of this.systems) {
      const amount = kernel?.carp.demotion ?? 0;
      if (amount === this.#demotions[index]) continue;
      this.#demotions[index] = amount;
      this.note(`router ${index} demotion ${amount}`);
      this.feedCarp({ kind: 'demotion', station: index, amount });
    }
  }

  /** Somebody is at the console of both routers. */
  #operate(): void {
    this.schedule.in(OPERATOR_MS, () => this.#operate());
    for (const stage of this.stages) stage.operate();
  }

  // What goes wrong, and is started again.

  #strike(fault: Fault): void {
    this.note(`FAULT ${JSON.stringify(fault)}`);
    for (const { rules } of this.stages) rules.struck(fault);
    const end = strike(fault, this);
    const duration = durationOf(fault);
    if (duration === 0) return;
    this.schedule.in(duration, () => {
      this.note(`HEALED ${fault.kind}`);
      end?.();
      for (const { rules } of this.stages) rules.healed();
    });
  }

  powerOn(index: RouterIndex): void {
    const router = this.systems[index];
    if (router.isPowered) return;
    router.powerOn();
    this.feedCarp({ kind: 'link', station: index, up: true });
  }

  start(index: RouterIndex, process: ProcessName): void {
    const router = this.systems[index];
    if (process === 'helper') router.startHelper();
    else router.startSupervisor();
  }

  #stage(session: string): SessionStage {
    const stage = this.stages.find(({ name }) => name === session);
    if (stage === undefined) throw new Error(`no session ${session}`);
    return stage;
  }
}

/** Whole, and able to store what it says first. */
const canSpeak = ({ isConnected, disk, syncMs, isStalled }: SystemRouter): boolean =>
  isConnected && disk.refusal === undefined && syncMs === 0 && !isStalled;

const isTaken = (state: OwnerState | undefined): boolean =>
  state !== undefined && (state === 'Holding' || state === 'Yielding' || isOff(state));

/** One session of the world, for the rules. */
class SessionStage implements Stage {
  readonly plan: SystemPlan;
  readonly routers: readonly [RouterView, RouterView];
  readonly session: number;
  readonly name: string;
  readonly rules: Rules;
  readonly delegator: Delegator | undefined;
  readonly #world: SystemWorld;
  /** The roles that the operator gave, or took. */
  readonly given: [Role, Role] = ['BACKUP', 'BACKUP'];
  /** Its supervisor has met no helper yet. */
  readonly #isNew: [boolean, boolean] = [true, true];
  #heldBy: RouterIndex = 1;

  constructor(world: SystemWorld, routers: readonly [RouterView, RouterView], session: number) {
    this.#world = world;
    this.plan = world.plan;
    this.routers = routers;
    this.session = session;
    this.name = sessionName(session);
    this.rules = new Rules(this);
    const { delegating } = world.plan;
    this.delegator = delegating && new Delegator(delegating, session);
  }

  get now(): number {
    return this.#world.schedule.now;
  }

  get underWay(): number {
    return this.#world.underWay;
  }

  get canTell(): boolean {
    return this.#world.canTell;
  }

  get canAnnounce(): boolean {
    return this.#world.canAnnounce;
  }

  /** A new supervisor begins. */
  started(index: RouterIndex): void {
    this.#isNew[index] = true;
    this.rules.started(this.routers[index]);
  }

  /** An engine has answered. Under `manual` the operator's word is an edge like CARP's, and nothing else is (R11). */
  answered(index: RouterIndex, event: Event): void {
    if (this.plan.policy !== 'manual') return;
    const view = this.routers[index];
    const role = this.role(index);
    const isMoved = role !== this.given[index];
    const isFirst = event.kind === 'helper-up' && this.#isNew[index];
    const isOwn = event.kind !== 'admin' && !isFirst;
    if (event.kind === 'helper-up') this.#isNew[index] = false;
    if (isOwn && isMoved && role === 'MASTER')
      this.rules.accuse('R11', `router ${index} is MASTER, and no operator said so`);
    this.given[index] = role;
    if (isMoved) this.rules.carpMoved(view);
  }

  /**
   * Under `manual`: a session that nobody holds, and nobody has hung up, is connected; on the router that has not held it, if
   * that one can.
   */
  operate(): void {
    const holder = this.routers.find((view) => isTaken(view.status()?.state));
    if (holder !== undefined) {
      this.#heldBy = holder.index;
      return;
    }
    const { systems } = this.#world;
    const other = this.#heldBy === 0 ? 1 : 0;
    const able = [systems[other], systems[this.#heldBy]].filter(
      ({ isConnected, hasCarrier }) => isConnected && hasCarrier,
    );
    for (const router of able) if (router.admin(this.name, 'connect')?.accepted === true) return;
  }

  role(index: RouterIndex): Role {
    return this.#world.roleIn(index, this.name);
  }

  hasObeyed(index: RouterIndex): boolean {
    return this.#world.hasObeyed(index);
  }

  live(): number | undefined {
    return this.#world.live(this.session);
  }

  reaches(index: RouterIndex, way: Way): boolean {
    return this.#world.reaches(index, way);
  }

  forgives(rule: string): boolean {
    return forgives(this.plan, rule);
  }

  note(line: string): void {
    this.#world.note(line);
  }
}
