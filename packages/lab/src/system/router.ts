/**
 * One router of the whole system: a FreeBSD kernel in octets, a disk, and on them the real helper and the real supervisor,
 * which are started, killed at any of their calls, and stopped. It decides nothing that a process would.
 */
import type { Action, AdminVerb, Event } from '@ppp-thing/protocol/engine/events';
import { SessionEngine, type OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';
import type { Instant } from '@ppp-thing/protocol/time';
import { decodeRequest, Deframer } from '@ppp-thing/protocol/ipc/framing';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { BackendError } from '@ppp-thing/helper/errors';
import type { Disk } from '@ppp-thing/helper/files';
import { SystemError } from '@ppp-thing/helper/libc';
import { serve, type Serving } from '@ppp-thing/helper/serve';
import type { Dhcp6Channel } from '@ppp-thing/supervisor/dhcp6-socket';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner } from '@ppp-thing/supervisor/partner';
import type { PartnerChannel } from '@ppp-thing/supervisor/partner-channel';
import { Running } from '@ppp-thing/supervisor/running';
import { Store, StoreError } from '@ppp-thing/supervisor/store';
import type { Outcome } from '@ppp-thing/supervisor/supervisor';
import type { System } from '@ppp-thing/supervisor/system';
import type { Keys } from '@ppp-thing/supervisor/keys';
import type { RouterIndex } from '../campaign/faults.ts';
import type { Chance } from '../campaign/random.ts';
import type { Schedule } from '../campaign/schedule.ts';
import { Errno } from '../freebsd/abi.ts';
import { FakeKernel } from '../freebsd/kernel.ts';
import { FakeProcess } from '../freebsd/process.ts';
import { SimDisk } from './disk.ts';
import { SimHost } from './host.ts';
import { Killed, Life } from './life.ts';
import type { Network } from './network.ts';
import { asPrevious, PreviousStore, unproven } from './previous.ts';
import {
  configText,
  helperPolicy,
  LAN,
  LAN_ADDRESS,
  LINE,
  STATE,
  supervisorConfig,
  UID,
  VHID,
  type Setting,
} from './setting.ts';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';

export type ProcessName = 'helper' | 'supervisor';

/** What a router does to the rest of the world. */
export interface Outside {
  readonly schedule: Schedule;
  readonly chance: Chance;
  readonly network: Network;
  readonly setting: Setting;
  readonly keys: readonly [Keys, Keys];
  readonly drift: readonly [number, number];
  /** A promise has been settled: what waits for it is to run before time goes on. */
  settling(): void;
  note(line: string): void;
  transmit(index: RouterIndex, frame: Uint8Array): void;
  /** A datagram to the DHCPv6 servers on a session's interface. */
  solicited(index: RouterIndex, session: string, octets: Uint8Array): void;
  /** A packet came in by a session's interface. */
  received(index: RouterIndex, packet: Uint8Array): void;
  /** An engine has answered, and its actions are not performed yet. */
  answered(index: RouterIndex, session: string, event: Event, actions: readonly Action[]): void;
  /** An engine has no deadline. */
  waitsForEver(index: RouterIndex, session: string): void;
  /** A process that waited has something to do. */
  woken(index: RouterIndex, process: ProcessName): void;
  /** A new supervisor begins. */
  started(index: RouterIndex): void;
  /** A process has ended by itself, or was killed at one of its calls. */
  died(index: RouterIndex, process: ProcessName, reason: string): void;
  /** A process has thrown what nobody catches. */
  crashed(index: RouterIndex, process: ProcessName, error: unknown): void;
}

interface Helper {
  readonly life: Life;
  readonly process: FakeProcess;
  serving: Serving | undefined;
}

interface Supervisor {
  readonly life: Life;
  /** Milliseconds of its own clock at world time 0. */
  readonly zero: number;
  readonly engines: Map<string, SessionEngine>;
  readonly streams: { abandon(): void }[];
  running: Running | undefined;
  partner: Partner | undefined;
}

/** After this a supervisor that stood still has caught up. */
const LATE_MS = 6000;
/** 2023-11-14: any time will do. */
const WALL_AT_ZERO = 1.7e12;
/** An ioctl that only writes: what a kernel that is short of memory may refuse. It reads, and closes a gate, all the same. */
const isSetting = (request: number): boolean => (request & 0xc000_0000) >>> 0 === 0x8000_0000;

export class SystemRouter {
  readonly index: RouterIndex;
  readonly disk = new SimDisk();
  kernel: FakeKernel | undefined;
  helper: Helper | undefined;
  supervisor: Supervisor | undefined;
  /** Added to the wall clock by whoever sets it. */
  wallStep = 0;
  /** Lies that its supervisor tells the partner. */
  lie: (message: PartnerMessage) => PartnerMessage = (message) => message;
  /** How long an fsync takes. */
  syncMs = 0;
  /** The share of its requests that the kernel refuses. */
  refusals = 0;
  /** What the helper was last told of each session. */
  readonly told = new Map<string, { readonly autoOpen: boolean; readonly settings: boolean }>();
  /** Calls until one of its processes is killed at one. */
  readonly lives = { helper: Infinity, supervisor: Infinity };
  /** Counts what may have changed the kernel. */
  changes = 0;
  hasCarrier = true;
  /** The next supervisor is one of the previous release, in what it says and stores. */
  isPrevious: boolean;
  readonly #world: Outside;
  readonly #text: string;
  #host: SimHost | undefined;
  #run = new Map<string, string>();
  #bootedAt = 0;

  constructor(index: RouterIndex, world: Outside, isPrevious: boolean) {
    this.index = index;
    this.isPrevious = isPrevious;
    this.#world = world;
    this.#text = configText(index, world.setting);
  }

  get isPowered(): boolean {
    return this.kernel !== undefined;
  }

  powerOn(): void {
    if (this.isPowered) return;
    const { schedule } = this.#world;
    this.#bootedAt = schedule.now;
    const kernel = new FakeKernel({ lag: 1, bootedAt: this.#wall() / 1000 });
    const mac = (last: number): Uint8Array => Uint8Array.of(0, 0, 0x5e, 0, 0x53, last + this.index);
    const line = kernel.addEther(LINE, mac(0x10), (frame) => {
      if (this.kernel === kernel) this.#world.transmit(this.index, frame.slice());
    });
    const lan = kernel.addEther(LAN, mac(0x20), () => undefined);
    const address = parseIpv4(LAN_ADDRESS[this.index]) ?? new Uint8Array(4);
    lan.addresses.push({ address, mask: Uint8Array.of(255, 255, 255, 0) });
    kernel.carp.add(lan, VHID, 'INIT');
    kernel.packet = (packet) => this.#world.received(this.index, packet);
    if (!this.hasCarrier) kernel.setCarrier(line, false);
    this.kernel = kernel;
    this.#host = new SimHost(this.#world);
    this.startHelper();
    this.startSupervisor();
  }

  powerOff(): void {
    this.kill('helper');
    this.kill('supervisor');
    this.kernel = undefined;
    this.#run = new Map();
    this.#host = undefined;
    this.disk.cutPower(this.#world.chance);
    this.changes++;
  }

  carrier(up: boolean): void {
    this.hasCarrier = up;
    const { kernel } = this;
    if (kernel !== undefined) kernel.setCarrier(kernel.interfaces.get(LINE), up);
  }

  status(session: string): OwnerStatus | undefined {
    const { supervisor } = this;
    return supervisor?.engines.get(session)?.ownerStatus(this.#now(supervisor));
  }

  get isConnected(): boolean {
    return this.supervisor?.running?.helper().connected === true;
  }

  /** kill -9. */
  kill(which: ProcessName): void {
    const { helper, supervisor } = this;
    if (which === 'helper' && helper !== undefined) {
      helper.life.isOver = true;
      this.helper = undefined;
      this.told.clear();
      helper.process.kill();
    }
    if (which === 'supervisor' && supervisor !== undefined) {
      supervisor.life.isOver = true;
      this.supervisor = undefined;
      this.#world.network.unbind(this.index);
      for (const stream of supervisor.streams) stream.abandon();
    }
    this.changes++;
  }

  /** It is killed at its `calls`th call from now. */
  sentence(which: ProcessName, calls: number): void {
    const process = which === 'helper' ? this.helper : this.supervisor;
    if (process === undefined) this.lives[which] = calls;
    else process.life.left = calls;
  }

  admin(session: string, verb: AdminVerb): Outcome | undefined {
    let outcome: Outcome | undefined;
    this.#enter(this.supervisor, () => {
      outcome = this.supervisor?.running?.admin(session, verb);
    });
    return outcome;
  }

  /** The supervisor stands still. */
  stall(forMs: number): void {
    const { supervisor } = this;
    if (supervisor !== undefined) supervisor.life.busyUntil = this.#world.schedule.now + forMs;
  }

  get isLate(): boolean {
    const { busyUntil = -Infinity } = this.supervisor?.life ?? {};
    return this.syncMs > 0 || busyUntil + LATE_MS > this.#world.schedule.now;
  }

  get isStalled(): boolean {
    return (this.supervisor?.life.busyUntil ?? 0) > this.#world.schedule.now;
  }

  /** What an earlier life of this router left on its disk. */
  inherit(session: string, snapshot: Snapshot): void {
    const nothing = (): void => undefined;
    const log = new Log('error', nothing, () => 0);
    new Store(STATE, log, this.disk.calls(nothing, nothing)).save(session, snapshot);
  }

  /** SIGTERM: the helper leaves its sessions as they are, and so does the supervisor. */
  stop(which: ProcessName): void {
    if (which === 'helper') this.helper?.serving?.stop();
    else this.#enter(this.supervisor, () => this.supervisor?.running?.stop());
    // What it does until it ends takes no time here; then nothing of it is left.
    this.#world.schedule.in(1, () => this.kill(which));
  }

  startHelper(): void {
    const { kernel } = this;
    const host = this.#host;
    if (kernel === undefined || host === undefined || this.helper !== undefined) return;
    const { schedule, chance } = this.#world;
    const life = this.#life('helper');
    const process = new FakeProcess(kernel, {
      real: host.system(UID, (soon) => {
        this.#world.woken(this.index, 'helper');
        return Math.max(soon, life.busyUntil);
      }),
      before: (_call, request) => {
        this.changes++;
        life.call();
        if (request !== undefined && isSetting(request) && chance.is(this.refusals))
          throw new Errno('ENOBUFS');
      },
    });
    const helper: Helper = { life, process, serving: undefined };
    this.helper = helper;
    try {
      const serving = serve({
        libc: process.libc,
        policy: helperPolicy(this.#text),
        makeBackend: (context) => new FreebsdBackend(context),
        uid: UID,
        log: (line) => this.#world.note(`router ${this.index} helper: ${line}`),
        now: () => schedule.now,
        uptime: () => (schedule.now - this.#bootedAt) / 1000,
        disk: this.#runDirectory(life),
      });
      helper.serving = serving;
      void serving.stopped.catch((error: unknown) => this.#threw('helper', error));
    } catch (error) {
      if (error instanceof BackendError || error instanceof SystemError) {
        this.kill('helper');
        this.#world.died(this.index, 'helper', error.message);
      } else this.#threw('helper', error);
    }
  }

  startSupervisor(): void {
    const host = this.#host;
    if (host === undefined || this.supervisor !== undefined) return;
    const { chance } = this.#world;
    const life = this.#life('supervisor');
    const zero = chance.between(1e3, 1e9);
    const supervisor: Supervisor = {
      life,
      zero,
      engines: new Map(),
      streams: [],
      running: undefined,
      partner: undefined,
    };
    this.supervisor = supervisor;
    this.#world.started(this.index);
    this.#world.settling();
    void this.#begin(supervisor, host).catch((error: unknown) => {
      if (error instanceof StoreError) {
        this.kill('supervisor');
        this.#world.died(this.index, 'supervisor', error.message);
      } else this.#threw('supervisor', error);
    });
  }

  /** What the supervisor's `main.ts` does after it has read its files. */
  async #begin(supervisor: Supervisor, host: SimHost): Promise<void> {
    const { life } = supervisor;
    const { isPrevious } = this;
    const { network, keys } = this.#world;
    const said = (octets: Uint8Array): Uint8Array =>
      isPrevious ? asPrevious(octets, keys[this.index]) : octets;
    const config = supervisorConfig(this.#text);
    const system = this.#system(supervisor, host);
    const write = (line: string): void =>
      this.#world.note(`router ${this.index} supervisor: ${line}`);
    const log = new Log(config.logLevel, write, system.now);
    const heard = (session: string, message: PartnerMessage): void =>
      supervisor.running?.hear(session, message);
    if (config.partner === undefined) throw new Error('the setting has no partner');
    const partner = await Partner.open({
      ...config.partner,
      keys: keys[this.index],
      sessions: config.sessions.map((settings) => ({
        name: settings.engine.name,
        timeout: settings.engine.owner.partnerTimeout,
        settings,
      })),
      log,
      random: system.random,
      now: system.now,
      wallClock: system.wallClock,
      heard,
      openUdp: async (options) => {
        const receive = (octets: Uint8Array, port: number): void =>
          this.#wake(supervisor, () => options.receive(said(octets), port));
        const udp = network.bind(this.index, { ...options, receive }, () => life.call());
        return {
          ...udp,
          send: (octets) => this.#after(life, () => udp.send(said(octets))),
        };
      },
    });
    if (life.isOver) return;
    supervisor.partner = partner;
    const Kept = isPrevious ? PreviousStore : Store;
    const store = new Kept(config.stateDirectory, log, this.#calls(life));
    const channel: PartnerChannel = {
      tell: (session, message) => partner.tell(session, this.lie(message)),
      proof: (session, epoch) => partner.proof(session, epoch),
      believes: (...heard) => partner.believes(...heard),
      counters: (session) => partner.counters(session),
      refused: () => partner.refused(),
      differs: (session) => partner.differs(session),
      clockOffset: () => partner.clockOffset(),
      trouble: () => partner.trouble(),
      close: () => partner.close(),
      ...(isPrevious ? unproven : {}),
    };
    const running = new Running({
      config,
      version: 'sim',
      log,
      store,
      partner: channel,
      system,
      dhcp6: this.#dhcp6(life),
      prefixes: { write: () => life.call() },
    });
    supervisor.running = running;
    running.start();
  }

  #dhcp6(life: Life): Dhcp6Channel {
    return {
      send: (session, octets) =>
        this.#after(life, () => {
          life.call();
          this.#world.solicited(this.index, session, octets.slice());
        }),
      trouble: () => undefined,
      close: () => undefined,
    };
  }

  /** A DHCPv6 server answers. */
  hearDhcp6(session: string, octets: Uint8Array): void {
    this.#enter(this.supervisor, () => this.supervisor?.running?.heardDhcp6(session, octets));
  }

  /** SIGHUP after the key file was written anew. */
  setKeys(keys: Keys): void {
    this.#enter(this.supervisor, () => this.supervisor?.partner?.setKeys(keys));
  }

  /** Run `run` as a piece of the supervisor. */
  #enter(supervisor: Supervisor | undefined, run: () => void): void {
    const { schedule } = this.#world;
    if (supervisor === undefined || supervisor.life.isOver) return;
    const { busyUntil } = supervisor.life;
    if (busyUntil > schedule.now) return schedule.at(busyUntil, () => this.#enter(supervisor, run));
    try {
      run();
    } catch (error) {
      this.#threw('supervisor', error);
    }
  }

  /** The same, of one that waited for it. */
  #wake(supervisor: Supervisor, run: () => void): void {
    this.#world.woken(this.index, 'supervisor');
    this.#enter(supervisor, run);
  }

  /** What leaves a process that waits for its disk leaves when the disk has answered. */
  #after(life: Life, run: () => void): void {
    const { schedule } = this.#world;
    if (life.busyUntil <= schedule.now) return run();
    schedule.at(life.busyUntil, () => life.isOver || run());
  }

  #system(supervisor: Supervisor, host: SimHost): System {
    const { schedule, chance, drift } = this.#world;
    const { life, zero } = supervisor;
    const enterAt = (at: number, run: () => void): void =>
      schedule.at(at, () => this.#wake(supervisor, run));
    return {
      now: () => this.#now(supervisor),
      wallClock: () => this.#wall(),
      wakeAt: (at, wake) => {
        let isOff = false;
        // A hair later, so that no rounding lets it come before its time.
        const wakes = (): void => {
          if (!isOff) this.#wake(supervisor, wake);
        };
        schedule.at((at - zero) / drift[this.index] + 1e-6, wakes);
        return () => (isOff = true);
      },
      soon: (run) => schedule.at(schedule.now, () => this.#enter(supervisor, run)),
      random: (length) => chance.octets(length),
      connect: (path) => {
        const stream = host.stream(path, enterAt, () => life.call());
        const deframer = new Deframer();
        supervisor.streams.push(stream);
        return {
          on: stream.on.bind(stream) as typeof stream.on,
          destroy: () => stream.destroy(),
          write: (octets) =>
            this.#after(life, () => {
              stream.write(octets);
              for (const value of deframer.push(octets)) this.#asked(decodeRequest(value));
            }),
        };
      },
      makeEngine: (...made) => this.#watched(supervisor, made),
    };
  }

  #asked(request: ReturnType<typeof decodeRequest>): void {
    if (request.verb === 'hello') return;
    const { session } = request;
    const { autoOpen = false } = this.told.get(session) ?? {};
    if (request.verb === 'attach')
      this.told.set(session, {
        autoOpen: request.autoOpen,
        settings: request.settings !== undefined && request.settings !== null,
      });
    else if (request.verb === 'configure') this.told.set(session, { autoOpen, settings: true });
    else if (request.verb === 'deconfigure') this.told.set(session, { autoOpen, settings: false });
    else if (request.verb === 'detach') this.told.delete(session);
  }

  /** An engine whose answers the rules see. */
  #watched(
    supervisor: Supervisor,
    made: ConstructorParameters<typeof SessionEngine>,
  ): SessionEngine {
    const engine = new SessionEngine(...made);
    const { name } = made[0];
    const handle = engine.handle.bind(engine);
    const deadline = engine.deadline.bind(engine);
    supervisor.engines.set(name, engine);
    engine.handle = (event, now) => {
      const actions = handle(event, now);
      if (!supervisor.life.isOver) this.#world.answered(this.index, name, event, actions);
      return actions;
    };
    engine.deadline = () => {
      const at = deadline();
      if (at === undefined) this.#world.waitsForEver(this.index, name);
      return at;
    };
    return engine;
  }

  /** It is in memory, and a boot finds it empty; it may be full. */
  #runDirectory(life: Life): Disk {
    const files = this.#run;
    const call = <T>(run: () => T): T => {
      life.call();
      return run();
    };
    return {
      makeDirectory: () => life.call(),
      read: (path) => call(() => files.get(path)),
      remove: (path) => call(() => void files.delete(path)),
      replace: (path, text) =>
        call(() => {
          const code = this.disk.refusal;
          if (code !== undefined) throw Object.assign(new Error(code), { code });
          files.set(path, text);
        }),
    };
  }

  #calls(life: Life) {
    const { schedule } = this.#world;
    return this.disk.calls(
      () => life.call(),
      () => {
        if (this.syncMs > 0) life.busyUntil = Math.max(life.busyUntil, schedule.now) + this.syncMs;
      },
    );
  }

  #life(which: ProcessName): Life {
    const life = new Life(() => {
      this.kill(which);
      this.#world.died(this.index, which, 'killed at a call');
    });
    life.left = this.lives[which];
    this.lives[which] = Infinity;
    return life;
  }

  #now({ zero, life }: Supervisor): Instant {
    const { schedule, drift } = this.#world;
    return (zero + Math.max(schedule.now, life.busyUntil) * drift[this.index]) as Instant;
  }

  #wall(): number {
    return WALL_AT_ZERO + this.#world.schedule.now + this.wallStep;
  }

  #threw(process: ProcessName, error: unknown): void {
    if (!(error instanceof Killed)) this.#world.crashed(this.index, process, error);
  }
}
