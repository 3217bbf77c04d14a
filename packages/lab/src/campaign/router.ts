/**
 * One simulated router: its kernel, its helper with the real interlock, its supervisor with the real engine, and its
 * disk. Frames are decoded values; everything else is as the real processes do it, delays and deaths included.
 */
import { createHash } from 'node:crypto';
import type { Action, AdminVerb, Event, RouteTarget } from '@ppp-thing/protocol/engine/events';
import {
  type PartnerMessage,
  NO_SNAPSHOT,
  type Snapshot,
  type Role,
} from '@ppp-thing/protocol/session';
import { FRAMES } from '@ppp-thing/protocol/engine/owner/actions';
import { SessionEngine, type OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import type { Hashes } from '@ppp-thing/protocol/engine/hashes';
import type { Instant } from '@ppp-thing/protocol/time';
import { ClaimPace } from '@ppp-thing/helper/claim-pace';
import { gateAfter, isLive, mayOpen, routeAfter } from '@ppp-thing/helper/interlock';
import type { AcFrame } from './ac.ts';
import { changes, type SimKernel } from './kernel.ts';
import { delegatedOf, WALL_CLOCK_AT_ZERO } from './leases.ts';
import type { Plan } from './plan.ts';
import type { Chance } from './random.ts';
import type { Schedule } from './schedule.ts';
import type { RouterView } from './stage.ts';

/** What a router does to the rest of the world. */
export interface Surroundings {
  readonly schedule: Schedule;
  readonly chance: Chance;
  readonly plan: Plan;
  role(index: 0 | 1): Role;
  /** The kernel's demotion is now this. */
  demotion(index: number, amount: number): void;
  /** The helper asks CARP for the role. */
  claim(index: number): void;
  /** A frame leaves for the line. */
  transmit(router: SimRouter, action: Action): void;
  /** A datagram leaves for the partner. */
  tell(router: SimRouter, message: PartnerMessage): void;
  /** The engine has answered an event; checked after every step. */
  answered(router: SimRouter, event: Event, actions: readonly Action[]): void;
  /** The engine has no deadline. */
  waitsForEver(router: SimRouter): void;
  gateMoved(router: SimRouter): void;
  /** One of its processes is about to die at work. */
  died(router: SimRouter): void;
  /** A new supervisor begins. */
  started(router: SimRouter): void;
}

export const OUR_DEMOTION = 240;
const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);

const md5 = (data: Uint8Array): Uint8Array => createHash('md5').update(data).digest();
const noHash = (): Uint8Array => new Uint8Array(16);
const hashes: Hashes = { md5, sha1: noHash, md4: noHash, des: noHash };

/** What a helper knows that its kernel does not. */
interface Helper {
  autoOpen: boolean;
  /** The addresses of the session. */
  settings: boolean;
  /** Undefined until it has set it. */
  route: RouteTarget | undefined;
}

interface Supervisor {
  readonly engine: SessionEngine;
  /** Milliseconds of its own clock at world time 0. */
  readonly zero: number;
  /** Connected to the helper, which has answered `hello`. */
  connected: boolean;
  /** When it is next to be woken, in world time. */
  wakeAt: number;
  /** The engine's status after its last answer; undefined until a rule reads it. */
  status: OwnerStatus | undefined;
}

export class SimRouter implements RouterView {
  readonly index: 0 | 1;
  readonly config: SessionConfig;
  isPowered = false;
  carrier = true;
  /** What the helper's kernel holds. */
  readonly kernel: SimKernel = { attached: null, gate: false, isUp: undefined, route: 'none' };
  helper: Helper | undefined;
  supervisor: Supervisor | undefined;
  disk: Snapshot = NO_SNAPSHOT;
  isDiskFull = false;
  readonly isLate = false;
  /** The share of the helper's requests that its kernel refuses. */
  refusals = 0;

  get isRefusing(): boolean {
    return this.refusals > 0;
  }

  /** What the helper remembers of our demotion, across its deaths and the router's. */
  demoted = false;
  /** Requests the helper still serves, actions the supervisor still performs, before it dies. */
  readonly lives = { helper: Infinity, supervisor: Infinity };
  readonly #world: Surroundings;
  #claims = new ClaimPace();
  /** Raised by every death, so that what was under way between the processes is lost. */
  #life = 0;
  #channel = { toHelper: 0, toSupervisor: 0 };

  constructor(index: 0 | 1, config: SessionConfig, world: Surroundings) {
    this.index = index;
    this.config = config;
    this.#world = world;
  }

  powerOn(): void {
    if (this.isPowered) return;
    this.isPowered = true;
    this.demoted = false;
    this.startHelper();
    this.startSupervisor();
  }

  powerOff(): void {
    this.isPowered = false;
    this.helper = undefined;
    this.supervisor = undefined;
    this.#loseSession();
    this.kernel.route = 'none';
    delete this.kernel.prefixes;
    this.#life++;
  }

  startHelper(): void {
    if (!this.isPowered || this.helper !== undefined) return;
    this.helper = { autoOpen: false, settings: false, route: undefined };
    this.#claims = new ClaimPace();
    if (this.#role() !== 'MASTER') this.#setGate(false);
    if (this.#isLive()) this.#follow();
    this.#connect();
  }

  killHelper(): void {
    if (this.helper === undefined) return;
    this.helper = undefined;
    this.#life++;
    if (this.#world.plan.kernel === 'pppox') {
      this.#loseSession();
      if (this.kernel.route === 'session') this.kernel.route = 'none';
    }
    const supervisor = this.supervisor;
    if (supervisor?.connected !== true) return;
    supervisor.connected = false;
    this.#world.schedule.in(1, () => {
      if (this.supervisor === supervisor && !supervisor.connected)
        this.feed({ kind: 'helper-down' });
    });
  }

  startSupervisor(): void {
    if (!this.isPowered || this.supervisor !== undefined) return;
    const { chance, schedule } = this.#world;
    const zero = chance.between(1e3, 1e9);
    const random = (length: number): Uint8Array => chance.octets(length);
    // A lease counts by the wall clock, which both routers have of the same servers.
    const wallClockAtZero = WALL_CLOCK_AT_ZERO - zero;
    const engine = new SessionEngine(this.config, this.disk, hashes, random, wallClockAtZero);
    this.supervisor = { engine, zero, connected: false, wakeAt: Infinity, status: undefined };
    this.#world.started(this);
    this.#channel = { toHelper: schedule.now, toSupervisor: schedule.now };
    this.#connect();
  }

  killSupervisor(): void {
    this.supervisor = undefined;
    this.#life++;
  }

  /** CARP's edge, or the kernel's level, seen by the helper: the interlock first, then the notice. */
  roleEdge(role: Role): void {
    const { helper, kernel } = this;
    if (helper === undefined) return;
    const attached = kernel.attached !== null;
    const policy = this.config.owner.policy;
    const state = { policy, role, attached, autoOpen: helper.autoOpen, open: kernel.gate };
    this.#setGate(gateAfter(state, true));
    this.#follow();
    this.#notify({ kind: 'role', role });
  }

  /** What only forwards follows the gate and the role, in the same act. */
  #follow(): void {
    const { helper, kernel } = this;
    if (helper === undefined) return;
    const { settings, route } = helper;
    const { policy } = this.config.owner;
    if (kernel.gate && settings) kernel.isUp = true;
    const state = { policy, role: this.#role(), open: kernel.gate, settings, route };
    helper.route = routeAfter(state);
    kernel.route = helper.route ?? kernel.route;
  }

  #isLive(): boolean {
    const { policy } = this.config.owner;
    return isLive({ policy, role: this.#role(), open: this.kernel.gate });
  }

  carrierIs(up: boolean): void {
    this.carrier = up;
    this.#notify({ kind: 'carrier', up });
  }

  /** A frame from the line; what the kernel does not take up is lost. */
  receive(frame: AcFrame): void {
    if (this.helper === undefined) return;
    if (frame.kind === 'discovery') {
      // The kernel's own PPPoE hears a PADT too, and lets the session go.
      const isOurs = frame.packet.sessionId === this.kernel.attached?.sessionId;
      const isPadt = frame.packet.code === 'PADT' && isOurs;
      this.#notify({ kind: 'discovery', source: frame.source ?? AC_MAC, packet: frame.packet });
      if (isPadt && this.#world.plan.kernel === 'pppox') {
        this.kernel.attached = null;
        this.#disarm(this.helper);
        this.#setGate(false);
        this.#notify({ kind: 'session-closed' });
      }
    } else if (this.kernel.gate && this.kernel.attached?.sessionId === frame.sessionId) {
      if (frame.kind === 'ppp') this.#notify({ kind: 'ppp', packet: frame.packet });
      else if (this.kernel.isUp === true) this.feed({ kind: 'dhcp6', message: frame.message });
    }
  }

  hearOwnMac(epoch: number): void {
    if (this.helper !== undefined) this.#notify({ kind: 'own-mac-heard', epoch });
  }

  hearPartner(message: PartnerMessage): void {
    this.feed({ kind: 'partner', message });
  }

  admin(verb: AdminVerb): void {
    this.feed({ kind: 'admin', verb });
  }

  /** As of the engine's last answer: it says nothing new of itself between two. */
  status(): OwnerStatus | undefined {
    if (this.supervisor === undefined) return undefined;
    return (this.supervisor.status ??= this.supervisor.engine.ownerStatus(this.now()));
  }

  /** The engine's clock. */
  now(): Instant {
    const drift = this.#world.plan.drift[this.index];
    return ((this.supervisor?.zero ?? 0) + this.#world.schedule.now * drift) as Instant;
  }

  feed(event: Event): void {
    const { supervisor } = this;
    if (supervisor === undefined) return;
    const actions = supervisor.engine.handle(event, this.now());
    supervisor.status = undefined;
    this.#world.answered(this, event, actions);
    this.#perform(actions);
    this.#wake(supervisor);
  }

  #loseSession(): void {
    this.kernel.attached = null;
    this.kernel.isUp = undefined;
    this.#setGate(false);
  }

  #role(): Role {
    return this.config.owner.policy === 'pinned' ? 'MASTER' : this.#world.role(this.index);
  }

  #wake(supervisor: Supervisor): void {
    const deadline = supervisor.engine.deadline();
    if (deadline === undefined) return this.#world.waitsForEver(this);
    const { plan, schedule } = this.#world;
    // A hair later, so that no rounding lets it come before its time.
    const at = (deadline - supervisor.zero) / plan.drift[this.index] + 1e-6;
    // A wake-up already under way and early enough serves; the engine's next deadline follows from it.
    if (supervisor.wakeAt > schedule.now && supervisor.wakeAt <= at) return;
    const wakeAt = Math.max(at, schedule.now);
    supervisor.wakeAt = wakeAt;
    schedule.at(wakeAt, () => {
      if (this.supervisor !== supervisor || supervisor.wakeAt !== wakeAt) return;
      supervisor.wakeAt = Infinity;
      this.feed({ kind: 'deadline' });
    });
  }

  #perform(actions: readonly Action[]): void {
    const requests: Action[] = [];
    let failed: Event | undefined;
    for (const action of actions) {
      if (--this.lives.supervisor < 0) {
        this.lives.supervisor = Infinity;
        // What it had written to the helper's socket is read all the same.
        this.#request(requests);
        this.#world.died(this);
        return this.killSupervisor();
      }
      if (action.kind === 'store') {
        if (this.isDiskFull) {
          failed = { kind: 'failed', action: 'store', code: 'ENOSPC', message: 'no space left' };
          break;
        }
        this.disk = action.snapshot;
      } else if (action.kind === 'tell-partner') this.#world.tell(this, action.message);
      else if (action.kind === 'send-dhcp6') this.#say(action);
      else if (action.kind !== 'note') requests.push(action);
    }
    this.#request(requests);
    if (failed !== undefined) this.feed(failed);
  }

  /** Out of the supervisor's own socket, through the session's interface. */
  #say(action: Action): void {
    const { gate, attached, isUp } = this.kernel;
    if (gate && attached !== null && isUp === true) this.#world.transmit(this, action);
  }

  #request(requests: readonly Action[]): void {
    if (requests.length === 0 || this.supervisor?.connected !== true) return;
    const helper = this.helper;
    this.#deliver('toHelper', () => {
      for (const request of requests) {
        if (this.helper !== helper) return;
        if (--this.lives.helper < 0) {
          this.lives.helper = Infinity;
          this.#world.died(this);
          return this.killHelper();
        }
        this.#serve(request);
      }
    });
  }

  /** In order and without overtaking, as a stream socket does; lost when either end dies. */
  #deliver(way: 'toHelper' | 'toSupervisor', run: () => void): void {
    const { schedule, chance } = this.#world;
    const life = this.#life;
    this.#channel[way] = Math.max(this.#channel[way], schedule.now + chance.between(0.05, 0.5));
    schedule.at(this.#channel[way], () => {
      if (this.#life === life) run();
    });
  }

  #notify(event: Event): void {
    if (this.supervisor?.connected === true) this.#deliver('toSupervisor', () => this.feed(event));
  }

  #connect(): void {
    if (this.helper === undefined || this.supervisor === undefined) return;
    this.#deliver('toSupervisor', () => {
      const { helper, supervisor, kernel } = this;
      if (helper === undefined || supervisor === undefined) return;
      supervisor.connected = true;
      const state = {
        role: this.#role(),
        carrier: this.carrier,
        attached: kernel.attached,
        gateOpen: kernel.gate,
        demoted: this.demoted,
      };
      this.feed({ kind: 'helper-up', state });
    });
  }

  /** The helper's verbs, as far as the world can tell them apart. */
  #serve(request: Action): void {
    const { helper, kernel } = this;
    if (helper === undefined) return;
    if (this.#isRefused(request)) {
      // The one that was joined before is let go first.
      if (request.kind === 'attach') this.#loseSession();
      return this.#refuse(request.kind, 'ENOBUFS');
    }
    switch (request.kind) {
      case 'attach': {
        if (kernel.attached?.sessionId !== request.key.sessionId) this.#setGate(false);
        kernel.attached = request.key;
        helper.autoOpen = request.autoOpen;
        helper.settings = request.settings !== undefined;
        break;
      }
      case 'detach':
        kernel.attached = null;
        this.#disarm(helper);
        this.#setGate(false);
        break;
      case 'gate':
        this.#serveGate(request.open);
        break;
      case 'demote':
        this.demoted = request.on;
        this.#world.demotion(this.index, request.on ? OUR_DEMOTION : 0);
        break;
      case 'configure':
        kernel.isUp = request.settings.up;
        helper.settings = true;
        break;
      case 'deconfigure':
        kernel.isUp = undefined;
        helper.settings = false;
        break;
      case 'route':
        if (request.via === 'partner' && this.#isLive()) return this.#refuse('route', 'EPERM');
        kernel.route = helper.route = request.via;
        break;
      case 'delegate':
        kernel.prefixes = delegatedOf(request);
        break;
      case 'send-ppp':
        if (!kernel.gate || kernel.attached === null) this.#refuse(request.kind, 'ENETDOWN');
        else this.#world.transmit(this, request);
        break;
      case 'claim':
        if (this.#role() !== 'BACKUP' || kernel.attached === null)
          return this.#refuse('claim', 'EPERM');
        if (!this.#claims.mayClaim('1', this.#world.schedule.now))
          return this.#refuse('claim', 'EAGAIN');
        this.#world.claim(this.index);
        break;
      case 'send-discovery':
      case 'announce':
        this.#world.transmit(this, request);
        break;
      default:
        break;
    }
  }

  /** What the helper cannot put on record it does not put in force. */
  #isRefused(request: Action): boolean {
    if (request.kind === 'demote' && request.on && !this.demoted && this.isDiskFull) return true;
    if (this.refusals === 0 || FRAMES.has(request.kind) || !changes(this, request)) return false;
    return this.#world.chance.is(this.refusals);
  }

  #serveGate(open: boolean): void {
    const { policy } = this.config.owner;
    const before = this.kernel.gate;
    if (!open) this.#setGate(false);
    else if (!mayOpen({ policy, role: this.#role() })) this.#refuse('gate', 'EPERM');
    else if (this.kernel.attached === null) this.#refuse('gate', 'ENOTCONN');
    else this.#setGate(true);
    if (this.kernel.gate !== before) this.#follow();
  }

  #disarm(helper: Helper): void {
    helper.autoOpen = false;
    helper.settings = false;
  }

  #refuse(action: Action['kind'], code: string): void {
    this.#notify({ kind: 'failed', action, code, message: 'refused' });
  }

  #setGate(open: boolean): void {
    if (this.kernel.gate === open) return;
    this.kernel.gate = open;
    this.#world.gateMoved(this);
  }
}
