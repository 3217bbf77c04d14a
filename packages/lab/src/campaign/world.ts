/**
 * One run: two routers, their CARP, the line with its learning switch, the Access Concentrator and the link between
 * the partners, following a plan on one virtual clock. After every step it asks `rules.ts` whether all still holds.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { type PartnerMessage, NO_SNAPSHOT, type Role } from '@ppp-thing/protocol/session';
import { LONGEST_DELAY, REFUSED_STRETCH } from '@ppp-thing/protocol/engine/link/redial';
import { isMulticast, type MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import type { DiscoveryPacket } from '@ppp-thing/protocol/wire/pppoe';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { AccessConcentrator, type AcFrame } from './ac.ts';
import { sessionConfig } from './config.ts';
import type { Fault, RouterIndex } from './faults.ts';
import type { Game, RunResult } from './game.ts';
import { Delegator } from '../line/delegator.ts';
import { ValueLine, type Way } from './line.ts';
import { PartnerLink } from './partner-link.ts';
import { Carp } from './carp.ts';
import { durationOf, makePlan, SETTLE_MS, TRAFFIC_MS, type Plan } from './plan.ts';
import { Chance } from './random.ts';
import { RIVAL_MAC, rivalAnswer } from './rival.ts';
import { Rules } from './rules.ts';
import { SimRouter, type Surroundings } from './router.ts';
import { Schedule } from './schedule.ts';
import type { Stage } from './stage.ts';
import { answerLine } from './telling.ts';
import { isOff } from './watch.ts';

/** How long a process that died midway stays away. */
const RESTART_MS = 800;
/** A dial takes no longer, an AC that is slow to answer included. */
const DIAL_MS = 40_000;

/** Run `plan` to its end or to the first violation. The same plan gives the same run. */
export function run(plan: Plan, withTranscript = false): RunResult {
  return new World(plan, withTranscript).run();
}

export const FAST: Game<Plan> & { readonly run: typeof run } = { makePlan, run };

export class World implements Surroundings, Stage {
  readonly schedule = new Schedule();
  readonly chance: Chance;
  readonly plan: Plan;
  readonly routers: readonly [SimRouter, SimRouter];
  readonly carp: Carp;
  readonly ac: AccessConcentrator;
  readonly rules: Rules;
  readonly line: ValueLine;
  readonly #partnerLink: PartnerLink;
  readonly #transcript: string[] | undefined;

  constructor(plan: Plan, withTranscript: boolean) {
    this.plan = plan;
    this.chance = new Chance(plan.seed ^ 0x5eed);
    this.#transcript = withTranscript ? [] : undefined;
    this.line = new ValueLine(this.schedule, this.chance);
    this.#partnerLink = new PartnerLink(this.schedule, this.chance, plan.partnerDelayMs);
    // One life in sixteen is of a pair with fast_takeover_ms: it has many more beats than others.
    const kind = { isFast: plan.isFast === true, withPrefix: plan.delegating !== undefined };
    this.routers = [
      new SimRouter(0, sessionConfig(0, kind), this),
      new SimRouter(1, sessionConfig(1, kind), this),
    ];
    this.carp = new Carp(this.schedule, this.chance, plan.advskew, (station, role) => {
      this.note(`router ${station} CARP ${role}`);
      const router = this.#router(station);
      const wasOpen = router.kernel.gate;
      router.roleEdge(role);
      this.rules.carpMoved(router);
      this.rules.carpEdge(router, wasOpen);
    });
    this.ac = new AccessConcentrator(
      this.schedule,
      this.chance,
      plan.temper,
      (frame) => this.line.fromAc((index) => this.#fromAc(index, frame)),
      plan.delegating && new Delegator(plan.delegating),
    );
    this.rules = new Rules(this);
  }

  run(): RunResult {
    for (const router of this.routers) {
      this.schedule.at(this.chance.between(0, 3000), () => this.#powerOn(router.index));
    }
    for (const { atMs, fault } of this.plan.faults) {
      this.schedule.at(atMs, () => this.#strike(fault));
    }
    this.schedule.at(SETTLE_MS / 2, () => this.#traffic());
    this.rules.begin();
    let steps = this.#play(this.plan.lengthMs);
    // An AC that refused to the last is asked again after the longest back-off, and that is longer than a run's calm.
    const longest = LONGEST_DELAY * REFUSED_STRETCH;
    if (!this.rules.isCarrying) steps += this.#play(this.plan.lengthMs + longest + DIAL_MS);
    this.rules.end();
    return {
      violation: this.rules.violation,
      steps,
      simulatedMs: this.schedule.now,
      transcript: this.#transcript ?? [],
    };
  }

  /** @returns how many steps there were until `until`, or until a rule was broken */
  #play(until: number): number {
    let steps = 0;
    while (this.rules.violation === undefined && this.schedule.step(until)) {
      steps++;
      this.rules.afterStep();
    }
    return steps;
  }

  get now(): number {
    return this.schedule.now;
  }

  get underWay(): number {
    return this.schedule.length;
  }

  live(): number | undefined {
    return this.ac.live();
  }

  reaches(index: RouterIndex, way: Way): boolean {
    return this.line.reaches(index, way);
  }

  get canTell(): boolean {
    return this.#partnerLink.isWhole && this.routers.every(canSpeak);
  }

  get canAnnounce(): boolean {
    const isWhole = this.routers.every(
      (router) =>
        canSpeak(router) &&
        this.line.reaches(router.index, 'in') &&
        this.line.reaches(router.index, 'out'),
    );
    return isWhole && this.line.loss === 0;
  }

  note(line: string): void {
    this.#transcript?.push(`${(this.schedule.now / 1000).toFixed(4).padStart(10)} ${line}`);
  }

  // What the routers do to the world.

  role(index: RouterIndex): Role {
    return this.carp.role(index);
  }

  forgives(): boolean {
    return false;
  }

  /** Here an edge is obeyed at once. */
  hasObeyed(): boolean {
    return true;
  }

  demotion(index: number, amount: number): void {
    this.note(`router ${index} demotion ${amount}`);
    this.carp.demote(index, amount);
  }

  claim(index: number): void {
    this.note(`router ${index} asks for the role`);
    this.carp.claim(index);
  }

  died(router: SimRouter): void {
    this.note(`router ${router.index} a process died midway`);
    this.schedule.in(RESTART_MS, () => {
      router.startHelper();
      router.startSupervisor();
    });
  }

  started(router: SimRouter): void {
    this.rules.started(router);
  }

  gateMoved(router: SimRouter): void {
    this.note(`router ${router.index} gate ${router.kernel.gate ? 'open' : 'closed'}`);
    // The LAN does not stop sending: the first packet through teaches the switch.
    if (router.kernel.gate) this.schedule.in(1, () => this.#data(router));
  }

  answered(router: SimRouter, event: Event, actions: readonly Action[]): void {
    if (this.#transcript !== undefined) {
      const state = router.status()?.state ?? '';
      const line = answerLine(event, state, actions);
      if (line !== undefined) this.note(`router ${router.index} ${line}`);
    }
    this.rules.answered(router, event, actions);
  }

  waitsForEver(router: SimRouter): void {
    this.rules.waitsForEver(router);
  }

  tell(router: SimRouter, message: PartnerMessage): void {
    this.#partnerLink.tell(router.index, () => {
      const other = this.#router(1 - router.index);
      if (other.isPowered) other.hearPartner(message);
    });
  }

  transmit(router: SimRouter, action: Action): void {
    this.rules.transmitted(router, action);
    const session = router.kernel.attached?.sessionId;
    this.line.send(router.index, () => {
      if (action.kind === 'send-discovery') this.#discovery(action.destination, action.packet);
      else if (action.kind === 'send-ppp' && session !== undefined)
        this.ac.ppp(session, action.packet);
      else if (action.kind === 'send-dhcp6' && session !== undefined)
        this.ac.dhcp6(session, action.message);
      else if (action.kind === 'announce') {
        const other = this.#router(1 - router.index);
        if (other.isPowered && this.line.reaches(other.index, 'in')) other.hearOwnMac(action.epoch);
      }
    });
  }

  // The line.

  #fromAc(index: RouterIndex, frame: AcFrame): void {
    const router = this.#router(index);
    if (router.isPowered) router.receive(frame);
  }

  /** A frame to the one AC, to the other, or to all. */
  #discovery(destination: MacAddress, packet: DiscoveryPacket): void {
    const { rival } = this.plan;
    const isForRival = sameOctets(destination, RIVAL_MAC);
    if (rival !== undefined && (isForRival || isMulticast(destination))) {
      const answer = rivalAnswer(rival, packet);
      const frame = answer && ({ kind: 'discovery', packet: answer, source: RIVAL_MAC } as const);
      if (frame !== undefined) this.line.fromAc((index) => this.#fromAc(index, frame));
    }
    if (!isForRival) this.ac.discovery(packet);
  }

  #traffic(): void {
    for (const router of this.routers) {
      if (this.carp.role(router.index) === 'MASTER') this.#data(router);
    }
    this.schedule.in(TRAFFIC_MS, () => this.#traffic());
  }

  #data(router: SimRouter): void {
    const { attached, gate } = router.kernel;
    if (!router.isPowered || !gate || attached === null) return;
    const { sessionId } = attached;
    this.line.send(router.index, () => {
      this.ac.data(sessionId);
      if (this.ac.live() === sessionId) this.rules.carried(router, sessionId);
    });
  }

  // What goes wrong.

  #strike(fault: Fault): void {
    this.note(`FAULT ${JSON.stringify(fault)}`);
    this.rules.struck(fault);
    const end = this.#begin(fault);
    const duration = durationOf(fault);
    if (duration > 0) {
      this.schedule.in(duration, () => {
        this.note(`HEALED ${fault.kind}`);
        end?.();
        this.rules.healed();
      });
    }
  }

  /** @returns what ends it; undefined if it ends by itself */
  #begin(fault: Fault): (() => void) | void {
    const router = this.#router('router' in fault ? fault.router : 0);
    const { line, carp, ac } = this;
    const link = this.#partnerLink;
    switch (fault.kind) {
      case 'power':
        carp.vanish(fault.router);
        router.powerOff();
        if (fault.diskLost === true) router.disk = NO_SNAPSHOT;
        return () => this.#powerOn(fault.router);
      case 'line-one-way':
        line.lost[fault.router].add(fault.lost);
        return () => void line.lost[fault.router].delete(fault.lost);
      case 'dies-midway':
        return this.#sentence(router, fault);
      case 'partner-jumble':
        link.lateMs = fault.lateMs;
        return () => void (link.lateMs = 0);
      case 'ac-slow':
        line.acLateMs = fault.lateMs;
        return () => void (line.acLateMs = 0);
      case 'kill-helper':
        router.killHelper();
        return () => router.startHelper();
      case 'kill-supervisor':
        router.killSupervisor();
        return () => router.startSupervisor();
      case 'kill-both':
        router.killSupervisor();
        router.killHelper();
        return () => {
          router.startHelper();
          router.startSupervisor();
        };
      case 'restart':
      case 'changes-release':
      case 'disk-hangs':
      case 'stalls':
      case 'clock-step':
      case 'rotate-keys':
      case 'replays':
      case 'forged-announce':
      case 'lies':
        throw new Error(`${fault.kind}: only the whole system has it`);
      case 'line-cut': {
        const cable = (up: boolean): void => {
          line.up[fault.router] = up;
          if (!fault.silent) router.carrierIs(up);
        };
        cable(false);
        return () => cable(true);
      }
      case 'lan-cut':
        carp.down(fault.router);
        return () => void (router.isPowered && carp.up(fault.router));
      case 'carp-deaf':
        carp.reaches[1 - fault.router] = false;
        return () => void (carp.reaches[1 - fault.router] = true);
      case 'partner-loss':
        if (fault.from !== 1) link.loss[0] = fault.share;
        if (fault.from !== 0) link.loss[1] = fault.share;
        return () => void link.loss.fill(0);
      case 'line-loss':
        line.loss = fault.share;
        return () => void (line.loss = 0);
      case 'disk-full':
        router.isDiskFull = true;
        return () => void (router.isDiskFull = false);
      case 'kernel-refuses':
        router.refusals = fault.share;
        return () => void (router.refusals = 0);
      case 'ac-forgets':
        return ac.forget();
      case 'ac-renegotiates':
        return ac.renegotiate();
      case 'ac-terminates':
        return ac.terminate();
      case 'handoff':
      case 'reconnect':
        return this.#operator(fault.kind);
      case 'disconnect':
        this.#operator('disconnect');
        return () => this.#connectAgain();
      case 'operator':
        return router.admin(fault.verb);
    }
  }

  /** It dies at its next busy moment, and is started again as a supervisor of processes does it. */
  #sentence(
    router: SimRouter,
    { process, after, forMs }: Extract<Fault, { kind: 'dies-midway' }>,
  ): () => void {
    router.lives[process] = after;
    this.schedule.in(forMs - RESTART_MS, () => {
      router.lives[process] = Infinity;
    });
    return () => (process === 'helper' ? router.startHelper() : router.startSupervisor());
  }

  #powerOn(index: RouterIndex): void {
    const router = this.#router(index);
    if (router.isPowered) return;
    router.powerOn();
    this.carp.up(index);
  }

  /** The operator speaks to the router that is MASTER. */
  #operator(verb: 'handoff' | 'reconnect' | 'disconnect' | 'connect'): void {
    const router = this.routers.find(({ index }) => this.carp.role(index) === 'MASTER');
    router?.admin(verb);
  }

  /** An operator who is refused asks again. */
  #connectAgain(): void {
    for (const router of this.routers) {
      const state = router.status()?.state;
      if (state === undefined || !isOff(state)) continue;
      router.admin('connect');
      this.schedule.in(1000, () => this.#connectAgain());
    }
  }

  #router(index: number): SimRouter {
    return index === 0 ? this.routers[0] : this.routers[1];
  }
}

/** Whole, and able to store what it says first. */
const canSpeak = ({ supervisor, isDiskFull }: SimRouter): boolean =>
  supervisor?.connected === true && !isDiskFull;
