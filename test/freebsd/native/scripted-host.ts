/**
 * A FreeBSD host with a pair on it as the scenes see it: commands, programs and status sockets that answer as those of two
 * sound routers do, on a clock of its own. Faults are put into it by the test. It runs nothing.
 */
import { writeFileSync } from 'node:fs';
import type { SessionStatusJson, StatusJson } from '@ppp-thing/supervisor/api';
import { CommandError, type Commands, type Done, type Running } from './commands.ts';
import { HostModel } from './host-model.ts';
import type { LineReport } from './line.ts';
import { ADDRESSES, otherThan, ROUTERS, type RouterName } from './network.ts';
import { programOf, SESSION } from './router.ts';

interface Machine {
  readonly running: Set<'helper' | 'supervisor'>;
  /** When its supervisor began, which takes a moment to answer. */
  since: number;
  lan: boolean;
  /** The gateway of another program's default route. */
  foreign: string | undefined;
  /** Of its helper. */
  log: string;
}

const STARTS_MS = 300;
const CARP_MS = 3000;

export class ScriptedHost {
  now = 0;
  readonly said: string[] = [];
  /** Its jails, interfaces, mounts, routes. */
  readonly model = new HostModel();
  /** What was run, as typed. */
  readonly ran: string[] = [];
  /** What is added to the line's report. */
  line: Partial<LineReport> = {};
  /** What the lab's Access Concentrator holds against the routers. */
  readonly violations: string[] = [];
  /** Called at each pause. */
  paused: () => void = () => {};
  /** Called before each command; may throw. */
  before: (line: string) => void = () => {};
  sessionId = 7;
  /** CARP gives the role to nobody else any more. */
  stuck = false;
  readonly machines: Readonly<Record<RouterName, Machine>> = { r1: machine(), r2: machine() };
  readonly commands: Commands;
  readonly #running = new Set<Running>();
  #answers = 0;
  #master: RouterName = 'r1';
  #vacantSince: number | undefined;

  constructor() {
    const attempt = (command: string, ...args: readonly string[]): Promise<Done> =>
      Promise.resolve(this.#run(command, args));
    this.commands = {
      running: this.#running,
      attempt,
      async run(purpose, command, ...args) {
        const done = await attempt(command, ...args);
        if (done.code !== 0) throw new CommandError(purpose, done);
        return done.output;
      },
      start: (name, log, _command, ...args) => this.#start(name, log, args),
    };
  }

  /** Its commands as those of `hostCommands` that `halt` stops. */
  under(halt: AbortSignal): Commands {
    const { attempt, run, start, running } = this.commands;
    const halting =
      <Words extends readonly unknown[], T>(act: (...words: Words) => T) =>
      (...words: Words): T => {
        halt.throwIfAborted();
        const done = act(...words);
        halt.throwIfAborted();
        return done;
      };
    const settling =
      <Words extends readonly unknown[], T>(act: (...words: Words) => Promise<T>) =>
      async (...words: Words): Promise<T> =>
        halting(act)(...words);
    return { running, start: halting(start), attempt: settling(attempt), run: settling(run) };
  }

  readonly pause = (milliseconds: number): Promise<void> => {
    this.paused();
    this.now += milliseconds;
    const { lan } = this.machines[this.#master];
    if (lan) this.#vacantSince = undefined;
    else this.#vacantSince ??= this.now;
    const waited = this.now - (this.#vacantSince ?? this.now);
    if (waited >= CARP_MS && !this.stuck) this.#master = otherThan(this.#master);
    return Promise.resolve();
  };

  readonly ask = (socket: string): Promise<StatusJson | undefined> => {
    const name = ROUTERS.find((each) => socket.includes(`/${each}/`)) ?? 'r1';
    const { running, since } = this.machines[name];
    if (!running.has('supervisor') || this.now - since < STARTS_MS)
      return Promise.resolve(undefined);
    const helper = { connected: running.has('helper'), platform: 'freebsd' };
    const sessions = [this.#session(name)];
    return Promise.resolve({ helper, sessions } as unknown as StatusJson);
  };

  #session(name: RouterName): SessionStatusJson {
    const isMaster = this.#master === name && this.machines[name].lan;
    const isSound = this.machines[name].running.has('helper');
    return {
      name: SESSION,
      role: isMaster ? 'MASTER' : this.machines[name].lan ? 'BACKUP' : 'INIT',
      state: isMaster ? 'Holding' : 'Standby',
      proven: isMaster && isSound,
      armed: !isMaster && isSound,
      demoted: [],
      session: { sessionId: this.sessionId, ourAddress: '100.64.0.11' },
      partner: { inSync: this.machines[otherThan(name)].running.has('supervisor') },
    } as unknown as SessionStatusJson;
  }

  #run(command: string, args: readonly string[]): Done {
    const line = [command, ...args].join(' ');
    this.ran.push(line);
    this.before(line);
    const router = ROUTERS.find((name) => args[0] === `ppt_${name}`);
    if (router !== undefined && / ifconfig ppt_r[12]n (up|down)$/.test(line))
      this.machines[router].lan = line.endsWith('up');
    if (line.includes(' handoff ') && router !== undefined && !this.stuck)
      this.#master = otherThan(router);
    const done = this.model.run(command, args);
    const routes = router === undefined ? '' : this.#route(router, line);
    return routes === '' ? done : { ...done, output: routes };
  }

  /** A kernel with multipath routing, and a helper that logs what it sees there. */
  #route(router: RouterName, line: string): string {
    const machine = this.machines[router];
    const [, verb, gateway] = / route (add|delete) default (\S+)$/.exec(line) ?? [];
    if (verb !== undefined) machine.foreign = verb === 'add' ? gateway : undefined;
    if (verb === 'add') writeFileSync(machine.log, `a default route to ${gateway}\n`);
    if (!line.endsWith('netstat -rnW -f inet') || machine.running.size === 0) return '';
    const ours = this.#master === router ? '100.64.0.1' : ADDRESSES[otherThan(router)].lan;
    const gateways = [ours, machine.foreign].filter((each) => each !== undefined);
    return gateways.map((each) => `default ${each} UGS 1\n`).join('');
  }

  #start(name: string, log: string, args: readonly string[]): Running {
    const router = ROUTERS.find((each) => name.startsWith(each));
    const program = (['helper', 'supervisor'] as const).find((each) =>
      args.includes(programOf(each)),
    );
    const machine = router === undefined ? undefined : this.machines[router];
    if (machine !== undefined && program !== undefined) {
      machine.running.add(program);
      if (program === 'supervisor') machine.since = this.now;
      else machine.log = log;
    }
    let how: string | undefined;
    let hear: ((line: string) => void) | undefined;
    let ended = (): void => {};
    const end = new Promise<void>((resolve) => (ended = resolve));
    const running: Running = {
      name,
      log,
      end,
      ended: () => how,
      signal: (signal) => {
        how = signal;
        if (program !== undefined) machine?.running.delete(program);
        this.#running.delete(running);
        ended();
      },
      tell: () => queueMicrotask(() => hear?.(this.#answer(name))),
      listen: (heard) => {
        hear = heard;
        queueMicrotask(() => hear?.('{}'));
      },
    };
    this.#running.add(running);
    return running;
  }

  #answer(name: string): string {
    const line = { frames: 9, padi: 1, padt: 0, granted: [7], terminates: 0, moved: 1, lost: 0 };
    if (name === 'line') return JSON.stringify({ ...line, ...this.line });
    this.#answers += 50;
    if (name === 'lab AC')
      return JSON.stringify({ pings: 9, pongs: this.#answers, violations: this.violations });
    return JSON.stringify({ tcpEchoes: this.#answers, tcpAlive: true, probesLost: 0 });
  }

  /** A program of a router ends by itself. */
  die(name: string): void {
    for (const each of this.#running) if (each.name === name) each.signal('SIGSEGV');
  }
}

const machine = (): Machine => ({
  running: new Set(),
  since: 0,
  lan: true,
  foreign: undefined,
  log: '',
});
