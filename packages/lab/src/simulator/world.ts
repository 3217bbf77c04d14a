/**
 * One run: two routers, their CARP, the line with its learning switch, the Access Concentrator and the link between
 * the partners, following a plan on one virtual clock. After every step it asks `rules.ts` whether all still holds.
 */
import { millis, seconds } from '@ppp-thing/protocol/time';
import type { Action, Event, PartnerMessage } from '@ppp-thing/protocol/engine/events';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/engine/session';
import { Secret } from '@ppp-thing/protocol/engine/hashes';
import { AccessConcentrator, type AcFrame } from './ac.ts';
import { Carp, type CarpRole } from './carp.ts';
import {
  durationOf,
  SETTLE_MS,
  TRAFFIC_MS,
  type Fault,
  type Plan,
  type RouterIndex,
} from './plan.ts';
import { Chance } from './random.ts';
import { Rules, type Violation } from './rules.ts';
import { SimRouter, type Surroundings } from './router.ts';
import { Schedule } from './schedule.ts';

const OUR_MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1);
/** Datagrams of the partner link that may be under way at once, replays included. */
const MAX_UNDER_WAY = 64;
/** How long a process that died midway stays away. */
const RESTART_MS = 800;

export interface RunResult {
  readonly violation: Violation | undefined;
  readonly steps: number;
  readonly simulatedMs: number;
  /** What happened, a line each, if it was asked for. */
  readonly transcript: readonly string[];
}

/** Run `plan` to its end or to the first violation. The same plan gives the same run. */
export function run(plan: Plan, withTranscript = false): RunResult {
  return new World(plan, withTranscript).run();
}

function sessionConfig(index: RouterIndex): SessionConfig {
  return {
    name: 'pppoe0',
    link: {
      ourMac: OUR_MAC,
      user: 'alice',
      password: new Secret('secret'),
      auth: ['CHAP-MD5'],
      serviceName: '',
      mtu: 1492,
      magicNumber: true,
      dns: false,
      ipv6: false,
      echo: { interval: seconds(5), failures: 2, probeInterval: millis(500), probeFailures: 20 },
    },
    owner: {
      policy: 'follow-carp',
      routerId: index + 1,
      hasPartner: true,
      holdDown: seconds(5),
      partnerTimeout: seconds(3),
      downDemotion: seconds(10),
    },
  };
}

export class World implements Surroundings {
  readonly schedule = new Schedule();
  readonly chance: Chance;
  readonly plan: Plan;
  readonly routers: readonly [SimRouter, SimRouter];
  readonly carp: Carp;
  readonly ac: AccessConcentrator;
  readonly rules: Rules;
  /** Whether frames pass between each router and the switch. */
  readonly lineUp: [boolean, boolean] = [true, true];
  /** The switch's port for our MAC. */
  #port: RouterIndex | undefined;
  #lineLoss = 0;
  readonly #lineLost: [Set<'in' | 'out'>, Set<'in' | 'out'>] = [new Set(), new Set()];
  /** Added to what the AC sends, and to what the partners say. */
  #acLateMs = 0;
  #partnerLateMs = 0;
  readonly #partnerLoss: [number, number] = [0, 0];
  #underWay = 0;
  readonly #transcript: string[] | undefined;

  constructor(plan: Plan, withTranscript: boolean) {
    this.plan = plan;
    this.chance = new Chance(plan.seed ^ 0x5eed);
    this.#transcript = withTranscript ? [] : undefined;
    this.routers = [
      new SimRouter(0, sessionConfig(0), this),
      new SimRouter(1, sessionConfig(1), this),
    ];
    this.carp = new Carp(this.schedule, this.chance, plan.advskew, (station, role) => {
      this.note(`router ${station} CARP ${role}`);
      this.rules.carpEdge();
      this.#router(station).roleEdge(role);
    });
    this.ac = new AccessConcentrator(this.schedule, this.chance, plan.temper, (frame) =>
      this.#fromAc(frame),
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
    let steps = 0;
    while (this.rules.violation === undefined && this.schedule.step(this.plan.lengthMs)) {
      steps++;
      this.rules.afterStep();
    }
    this.rules.end();
    return {
      violation: this.rules.violation,
      steps,
      simulatedMs: this.schedule.now,
      transcript: this.#transcript ?? [],
    };
  }

  /** Whether what the partners say arrives, and what they hear can be stored. */
  get canTell(): boolean {
    const [a, b] = this.#partnerLoss;
    return (
      a === 0 &&
      b === 0 &&
      this.#partnerLateMs === 0 &&
      this.routers.every(({ isDiskFull }) => !isDiskFull)
    );
  }

  /** Whether announce frames pass between the two, and both can store what they take. */
  get canAnnounce(): boolean {
    const isWhole = this.routers.every(
      (router) =>
        !router.isDiskFull && this.lineReaches(router, 'in') && this.lineReaches(router, 'out'),
    );
    return isWhole && this.#lineLoss === 0;
  }

  /** Whether frames of the line pass from, or to, this router. */
  lineReaches(router: SimRouter, way: 'in' | 'out'): boolean {
    return this.lineUp[router.index] && !this.#lineLost[router.index].has(way);
  }

  note(line: string): void {
    this.#transcript?.push(`${(this.schedule.now / 1000).toFixed(4).padStart(10)} ${line}`);
  }

  // What the routers do to the world.

  role(index: number): CarpRole {
    return this.carp.role(index);
  }

  demotion(index: number, amount: number): void {
    this.note(`router ${index} demotion ${amount}`);
    this.carp.demote(index, amount);
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
    if (this.#transcript !== undefined) this.#record(router, event, actions);
    this.rules.answered(router, event, actions);
  }

  tell(router: SimRouter, message: PartnerMessage): void {
    const loss = this.#partnerLoss[router.index];
    const other = this.#router(1 - router.index);
    if (this.chance.is(loss) || this.#underWay >= MAX_UNDER_WAY) return;
    const copies = this.chance.is(this.#partnerLateMs > 0 ? 0.3 : 0.01) ? 2 : 1;
    for (let i = 0; i < copies; i++) {
      this.#underWay++;
      // The guard of the real channel drops what was overtaken or repeated; here the first arrival counts.
      const order = ++this.#told[router.index];
      const late = this.#partnerLateMs > 0 ? this.chance.between(0, this.#partnerLateMs) : 0;
      const delay = this.plan.partnerDelayMs * this.chance.between(0.5, 1.5) + late;
      this.schedule.in(delay, () => {
        this.#underWay--;
        if (order <= this.#heard[router.index]) return;
        this.#heard[router.index] = order;
        if (other.isPowered) other.hearPartner(message);
      });
    }
  }

  readonly #told: [number, number] = [0, 0];
  readonly #heard: [number, number] = [0, 0];

  transmit(router: SimRouter, action: Action): void {
    this.rules.transmitted(router, action);
    const session = router.kernel.attached?.sessionId;
    this.#onLine(router, () => {
      if (action.kind === 'send-discovery') this.ac.discovery(action.packet);
      else if (action.kind === 'send-ppp' && session !== undefined)
        this.ac.ppp(session, action.packet);
      else if (action.kind === 'announce') {
        const other = this.#router(1 - router.index);
        if (other.isPowered && this.lineReaches(other, 'in')) other.hearOwnMac(action.epoch);
      }
    });
  }

  // The line.

  #onLine(router: SimRouter, arrive: () => void): void {
    if (!this.lineReaches(router, 'out') || this.chance.is(this.#lineLoss)) return;
    this.schedule.in(this.chance.between(0.2, 2), () => {
      this.#port = router.index;
      arrive();
    });
  }

  #fromAc(frame: AcFrame): void {
    if (this.chance.is(this.#lineLoss)) return;
    // Ethernet does not reorder; a line that loses frames does here, and repeats some.
    const arrives = this.schedule.now + this.#acLateMs + this.chance.between(0.2, 2);
    const at = this.#lineLoss > 0 ? arrives : Math.max(arrives, this.#lastFromAc);
    this.#lastFromAc = at;
    if (this.chance.is(this.#lineLoss / 4)) this.#deliver(at + 1, frame);
    this.#deliver(at, frame);
  }

  #lastFromAc = 0;

  #deliver(at: number, frame: AcFrame): void {
    this.schedule.at(at, () => {
      if (this.#port === undefined) return;
      const router = this.#router(this.#port);
      if (router.isPowered && this.lineReaches(router, 'in')) router.receive(frame);
    });
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
    this.#onLine(router, () => {
      this.ac.data(sessionId);
      if (this.ac.live() === sessionId) this.rules.carried(router, sessionId);
    });
  }

  // What goes wrong.

  #strike(fault: Fault): void {
    this.note(`FAULT ${JSON.stringify(fault)}`);
    this.rules.struck(fault);
    this.#begin(fault);
    const duration = durationOf(fault);
    if (duration > 0) {
      this.schedule.in(duration, () => {
        this.note(`HEALED ${fault.kind}`);
        this.#heal(fault);
        this.rules.healed();
      });
    }
  }

  #begin(fault: Fault): void {
    switch (fault.kind) {
      case 'power':
        this.carp.vanish(fault.router);
        this.#router(fault.router).powerOff();
        if (fault.diskLost === true) this.#router(fault.router).disk = NO_SNAPSHOT;
        return;
      case 'line-one-way':
        this.#lineLost[fault.router].add(fault.lost);
        return;
      case 'dies-midway':
        return this.#sentence(fault);
      case 'partner-jumble':
        this.#partnerLateMs = fault.lateMs;
        return;
      case 'ac-slow':
        this.#acLateMs = fault.lateMs;
        return;
      case 'kill-helper':
        return this.#router(fault.router).killHelper();
      case 'kill-supervisor':
        return this.#router(fault.router).killSupervisor();
      case 'kill-both':
        this.#router(fault.router).killSupervisor();
        return this.#router(fault.router).killHelper();
      case 'line-cut':
        this.lineUp[fault.router] = false;
        if (!fault.silent) this.#router(fault.router).carrierIs(false);
        return;
      case 'lan-cut':
        return this.carp.down(fault.router);
      case 'carp-deaf':
        this.carp.reaches[1 - fault.router] = false;
        return;
      case 'partner-loss':
        if (fault.from !== 1) this.#partnerLoss[0] = fault.share;
        if (fault.from !== 0) this.#partnerLoss[1] = fault.share;
        return;
      case 'line-loss':
        this.#lineLoss = fault.share;
        return;
      case 'disk-full':
        this.#router(fault.router).isDiskFull = true;
        return;
      case 'ac-forgets':
        return this.ac.forget();
      case 'ac-renegotiates':
        return this.ac.renegotiate();
      case 'ac-terminates':
        return this.ac.terminate();
      case 'handoff':
        return this.#operator('handoff');
      case 'reconnect':
        return this.#operator('reconnect');
      case 'disconnect':
        return this.#operator('disconnect');
      case 'operator':
        return this.#router(fault.router).admin(fault.verb);
      default: {
        const unreachable: never = fault;
        return unreachable;
      }
    }
  }

  /** It dies at its next busy moment, and is started again as a supervisor of processes does it. */
  #sentence({
    router: index,
    process,
    after,
    forMs,
  }: Extract<Fault, { kind: 'dies-midway' }>): void {
    const router = this.#router(index);
    router.lives[process] = after;
    this.schedule.in(forMs - RESTART_MS, () => {
      router.lives[process] = Infinity;
    });
  }

  #heal(fault: Fault): void {
    switch (fault.kind) {
      case 'power':
        return this.#powerOn(fault.router);
      case 'line-one-way':
        this.#lineLost[fault.router].delete(fault.lost);
        return;
      case 'dies-midway':
        return fault.process === 'helper'
          ? this.#router(fault.router).startHelper()
          : this.#router(fault.router).startSupervisor();
      case 'partner-jumble':
        this.#partnerLateMs = 0;
        return;
      case 'ac-slow':
        this.#acLateMs = 0;
        return;
      case 'kill-helper':
        return this.#router(fault.router).startHelper();
      case 'kill-supervisor':
        return this.#router(fault.router).startSupervisor();
      case 'kill-both':
        this.#router(fault.router).startHelper();
        return this.#router(fault.router).startSupervisor();
      case 'line-cut':
        this.lineUp[fault.router] = true;
        return fault.silent ? undefined : this.#router(fault.router).carrierIs(true);
      case 'lan-cut':
        return this.#router(fault.router).isPowered ? this.carp.up(fault.router) : undefined;
      case 'carp-deaf':
        this.carp.reaches[1 - fault.router] = true;
        return;
      case 'partner-loss':
        this.#partnerLoss[0] = 0;
        this.#partnerLoss[1] = 0;
        return;
      case 'line-loss':
        this.#lineLoss = 0;
        return;
      case 'disk-full':
        this.#router(fault.router).isDiskFull = false;
        return;
      case 'disconnect':
        return this.#connectAgain();
      default:
        return;
    }
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
      if (router.supervisor?.engine.status(router.now()).state !== 'Off') continue;
      router.admin('connect');
      this.schedule.in(1000, () => this.#connectAgain());
    }
  }

  #router(index: number): SimRouter {
    return index === 0 ? this.routers[0] : this.routers[1];
  }

  #record(router: SimRouter, event: Event, actions: readonly Action[]): void {
    const shown = actions.flatMap((action) => {
      if (action.kind === 'note') return [];
      if (action.kind === 'send-ppp' || action.kind === 'send-discovery') {
        const { packet } = action;
        const inner = 'packet' in packet ? packet.packet : packet;
        return [
          `${'protocol' in packet ? packet.protocol : ''} ${'code' in inner ? inner.code : ''}`.trim(),
        ];
      }
      if (action.kind === 'gate') return [`gate ${action.open}`];
      if (action.kind === 'demote') return [`demote ${action.on}`];
      if (action.kind === 'store')
        return [`store ${action.snapshot.epoch}.${action.snapshot.generation}`];
      return action.kind === 'tell-partner' ? [] : [action.kind];
    });
    if (event.kind === 'partner' && shown.length === 0) return;
    if (event.kind === 'deadline' && shown.length === 0) return;
    const state = router.supervisor?.engine.status(router.now()).state ?? '';
    this.note(`router ${router.index} ${eventName(event)} => ${state} [${shown.join(', ')}]`);
  }
}

function eventName(event: Event): string {
  if (event.kind === 'role') return `role ${event.role}`;
  if (event.kind === 'admin') return `operator ${event.verb}`;
  if (event.kind === 'partner') {
    const { role, open, snapshot } = event.message;
    return `partner ${role} open=${open} epoch=${snapshot.epoch}.${snapshot.generation}`;
  }
  if (event.kind === 'ppp') {
    const { packet } = event;
    return packet.protocol === 'unknown' ? 'ppp' : `${packet.protocol} ${packet.packet.code}`;
  }
  if (event.kind === 'discovery') return event.packet.code;
  if (event.kind === 'failed') return `failed ${event.action} ${event.code}`;
  return event.kind;
}
