/**
 * The native pair's scenes with the programs that are installed, each router on a fake FreeBSD kernel of the lab: that what
 * the scenes wait for is what two real helpers and supervisors come to. CARP, line and Access Concentrator are the lab's.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Bus } from '@ppp-thing/lab/demo/bus';
import { now } from '@ppp-thing/lab/demo/clock';
import { INTERFACES, PASSWORD, USER } from '@ppp-thing/lab/demo/setting';
import { World } from '@ppp-thing/lab/demo/world';
import { askStatus } from './native/ask-status.ts';
import { hostCommands, type Commands, type Running } from './native/commands.ts';
import type { LineReport } from './native/line.ts';
import { ADDRESSES, jailOf, portsOf, ROUTERS, type RouterName } from './native/network.ts';
import { Pair } from './native/pair.ts';
import * as native from './native/router.ts';
import { dial, LIMITS, play, SCENES } from './native/scenes.ts';

const HELPER = fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/helper'));
/** Of these the lab has no counterpart: its LAN is cut with the power alone. */
const ELSEWHERE = /LAN interface/;

/** The host's commands where they start our programs; the lab's world where they would speak to a kernel. */
class LabHost {
  readonly commands: Commands;
  readonly #world: World;
  readonly #place: string;
  readonly #real: Commands;
  readonly #running = new Set<Running>();
  readonly #granted: number[] = [];
  #padt = 0;
  #pongs = 0;

  constructor(place: string) {
    this.#place = place;
    // Without tap's own loader, which no program is installed with.
    const { NODE_OPTIONS: _, ...env } = process.env;
    this.#real = hostCommands(() => {}, env);
    const bus = new Bus(now);
    this.#world = new World({ carpSecondMs: 200, bus });
    bus.listen((happening) => {
      if (happening.kind === 'dial') this.#granted.push(happening.sessionId);
      if (happening.kind === 'pong') this.#pongs++;
      if (happening.kind === 'violation' && happening.text.includes('PADT')) this.#padt++;
    });
    const attempt: Commands['attempt'] = async (command, ...args) => {
      const line = [command, ...args].join(' ');
      if (args.includes(native.programOf('ctl')))
        return this.#real.attempt('env', ...args.slice(1));
      await this.#plug(line);
      const output = this.#route([command, ...args]);
      if (output !== undefined) return { line, code: 0, output };
      // There is no pppoed(8) here, and an epair for the asking.
      const code = command === 'test' ? 1 : 0;
      return { line, code, output: line.endsWith('create') ? 'epair0a' : '' };
    };
    this.commands = {
      running: this.#running,
      attempt,
      run: async (purpose, command, ...args) => {
        const { code, output } = await attempt(command, ...args);
        if (code !== 0) throw new Error(`${purpose}: ${output}`);
        return output;
      },
      start: (name, log, _command, ...args) => this.#start(name, log, args.slice(1)),
    };
  }

  #kernel(router: RouterName): string {
    return join(this.#place, `${router}.kernel`);
  }

  async powerOn(): Promise<void> {
    for (const router of ROUTERS) await this.#world.powerOn(router, this.#kernel(router), 0);
    this.#world.startProbe();
  }

  /** A router's cables, as far as the lab has them. */
  async #plug(line: string): Promise<void> {
    for (const router of ROUTERS) {
      const ports = portsOf(router);
      if (line.endsWith(`ifconfig ${ports.lan} down`)) await this.#world.powerCut(router);
      if (
        line.endsWith(`ifconfig ${ports.line} up`) &&
        line.startsWith('jexec') &&
        this.#isOff(router)
      )
        await this.#world.powerOn(router, this.#kernel(router), 0);
    }
  }

  /** What netstat(1) and route(8) do to the default routes of a router; undefined if it is neither. */
  #route(asked: readonly string[]): string | undefined {
    const router = ROUTERS.find((name) => asked.includes(jailOf(name)));
    const machine = router && this.#world.machine(router);
    if (machine === undefined) return undefined;
    if (asked.includes('netstat'))
      return machine.defaultGateways.map((gateway) => `default ${gateway} UGS`).join('\n');
    const verb = (['add', 'delete'] as const).find((each) => asked.includes(each));
    if (!asked.includes('route') || verb === undefined) return undefined;
    machine.route(verb, asked.at(-1) ?? '');
    return '';
  }

  #isOff(router: RouterName): boolean {
    return this.#world.role(router) === 'INIT' && this.#granted.length > 0;
  }

  #start(name: string, log: string, args: readonly string[]): Running {
    const router = ROUTERS.find((each) => name.startsWith(each));
    if (router === undefined) return this.#stand(name, log);
    const config = args.find((word) => word.endsWith('.conf')) ?? '';
    const isHelper = args.includes(native.programOf('helper'));
    const kernel = `PPP_THING_KERNEL=${this.#kernel(router)}`;
    const words = ['env', kernel, process.execPath, HELPER, '--config', config];
    const [command = '', ...rest] = isHelper ? words : args;
    const running = this.#real.start(name, log, command, ...rest);
    this.#running.add(running);
    void running.end.then(() => this.#running.delete(running));
    return running;
  }

  /** What the lab itself does, as a program that answers. */
  #stand(name: string, log: string): Running {
    let ended = (): void => {};
    let hear = (_line: string): void => {};
    let how: string | undefined;
    const end = new Promise<void>((resolve) => (ended = resolve));
    const answer = (): void => queueMicrotask(() => hear(JSON.stringify(this.#report(name))));
    const running: Running = {
      name,
      log,
      end,
      ended: () => how,
      signal: (signal) => {
        how = signal;
        this.#running.delete(running);
        ended();
      },
      tell: answer,
      listen: (heard) => {
        hear = heard;
        answer();
      },
    };
    this.#running.add(running);
    return running;
  }

  #report(name: string): unknown {
    if (name !== 'line') return { pings: this.#pongs, pongs: this.#pongs, violations: [] };
    const others = { frames: 0, padi: 0, terminates: 0, moved: 0, lost: 0 };
    const report: LineReport = { ...others, padt: this.#padt, granted: this.#granted };
    return report;
  }

  async stop(): Promise<void> {
    await this.#world.stop();
  }
}

/** A network of this run alone: others on this machine have their partner channels at the same port. */
const LOOPBACK = `127.${1 + (process.pid % 254)}.${(process.pid >> 8) % 256}`;

/** What names a kernel of the lab instead of ours, and nobody's user but this one's. */
function adapt(file: string, router: RouterName): void {
  const { line, lan } = portsOf(router);
  const text = readFileSync(file, 'utf8')
    .replaceAll(`"${line}"`, `"${INTERFACES.line}"`)
    .replaceAll(`"${lan}"`, `"${INTERFACES.lan}"`)
    .replaceAll(`"${native.USER}"`, `"${USER}"`)
    .replaceAll(`"${native.PASSWORD}"`, `"${PASSWORD}"`)
    .replaceAll('"nobody"', '"root"')
    .replaceAll(ADDRESSES.r1.sync, `${LOOPBACK}.1`)
    .replaceAll(ADDRESSES.r2.sync, `${LOOPBACK}.2`);
  writeFileSync(file, text);
}

t.test('native scenes › real programs come to what each waits for', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ppt-'));
  const place = join(folder, 'p');
  const host = new LabHost(place);
  const said: string[] = [];
  const pair = new Pair({
    ac: 'lab',
    commands: host.commands,
    say: (line) => void said.push(line),
    ask: askStatus,
    runtime: process.execPath,
    place,
    pause: (milliseconds) => wait(milliseconds),
    now: () => performance.now(),
    chown: () => {},
  });
  t.teardown(async () => {
    await pair.takeDown(false);
    await host.stop();
    rmSync(folder, { recursive: true, force: true });
  });
  await pair.build();
  for (const { name, config } of pair.routers) adapt(config, name);
  await pair.startAc();
  await host.powerOn();
  // First the router that CARP prefers: it must not become MASTER in the midst of the other's dial, which would leave a
  // session behind that the AC then refuses to replace.
  for (const router of pair.routers) {
    for (const program of ['helper', 'supervisor'] as const) router.start(program);
    await pair.until('a session', LIMITS.dial, async () => (await pair.holder()) !== undefined);
  }
  const explained = async (error: unknown): Promise<never> => {
    await pair.explain();
    t.comment(said.join('\n'));
    throw error;
  };
  const { sessionId, text } = await dial(pair).catch(explained);
  t.comment(text);
  await pair.startTraffic();
  for (const scene of SCENES.filter(({ name }) => !ELSEWHERE.test(name))) {
    t.comment(scene.name);
    const told = await play(scene, pair, sessionId).catch(explained);
    t.equal(told.sessionId, sessionId, `${scene.name}: ${told.text}`);
  }
});
