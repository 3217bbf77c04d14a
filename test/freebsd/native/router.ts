/**
 * One router of the native pair: its files, its helper and supervisor as an administrator would start them, and what its
 * supervisor and its kernel say. The programs know nothing of the test.
 */
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { StatusJson, SessionStatusJson } from '@ppp-thing/supervisor/api';
import { endAll, type Commands, type Running } from './commands.ts';
import {
  ADDRESSES,
  inside,
  jailOf,
  otherThan,
  portsOf,
  VHID,
  VIRTUAL,
  type Jail,
  type RouterName,
} from './network.ts';

/** The session's interface in both routers, and the stub with the public address. */
export const SESSION = 'ppt0';
export const STUB = 'ppt0x';
export const SESSION_MAC = '02:00:5e:10:53:01';
export const USER = 'alice';
export const PASSWORD = 'secret1';
/** Every FreeBSD has both; ppp_thing's own need not be made for a test. */
const UNPRIVILEGED = { user: 'nobody', group: 'nobody', uid: 65_534, gid: 65_534 } as const;

export type Program = 'helper' | 'supervisor';

/** The compiled program of a package. */
export const programOf = (name: Program | 'ctl'): string =>
  fileURLToPath(new URL('main.js', import.meta.resolve(`@ppp-thing/${name}/main`)));

/** The answer of a status socket; undefined if nobody answers. */
export type AskStatus = (socket: string) => Promise<StatusJson | undefined>;

const IDENTIFIER: Readonly<Record<RouterName, number>> = { r1: 1, r2: 2 };

const configuration = (name: RouterName, directory: string): string => `
[helper]
socket = "${directory}/helper/helper.sock"
state_directory = "${directory}/helper/state"
user = "${UNPRIVILEGED.user}"
group = "${UNPRIVILEGED.group}"

[supervisor]
state_directory = "${directory}/state"
run_directory = "${directory}/run"
user = "${UNPRIVILEGED.user}"
group = "${UNPRIVILEGED.group}"
log_level = "debug"

[partner]
local_address = "${ADDRESSES[name].sync}"
address = "${ADDRESSES[otherThan(name)].sync}"
key_file = "${directory}/partner.key"
router_id = ${IDENTIFIER[name]}
partner_id = ${IDENTIFIER[otherThan(name)]}

[session.${SESSION}]
interface = "${portsOf(name).line}"
mac = "${SESSION_MAC}"
user = "${USER}"
password = "${PASSWORD}"
auth = ["chap-md5"]
carp_interface = "${portsOf(name).lan}"
carp_vhid = ${VHID}
carp_address = "${VIRTUAL}"
local_address = "${ADDRESSES[name].lan}"
partner_address = "${ADDRESSES[otherThan(name)].lan}"
stub = "${STUB}"
`;

export interface RouterOptions {
  readonly commands: Commands;
  readonly ask: AskStatus;
  /** The runtime of the programs. */
  readonly runtime: string;
  /** Where its files are, in a directory of its name. */
  readonly place: string;
  /** For tests of this class that are not root. */
  readonly chown?: typeof chownSync | undefined;
}

export class Router {
  readonly name: RouterName;
  readonly jail: Jail;
  readonly directory: string;
  readonly #options: RouterOptions;
  readonly #running = new Map<Program, Running>();

  constructor(name: RouterName, options: RouterOptions) {
    this.name = name;
    this.jail = jailOf(name);
    this.directory = join(options.place, name);
    this.#options = options;
  }

  get config(): string {
    return join(this.directory, 'ppp_thing.conf');
  }

  /** The supervisor's run directory. */
  get #run(): string {
    return join(this.directory, 'run');
  }

  /** @param key  hexadecimal, the same for both */
  prepare(key: string): void {
    const chown = this.#options.chown ?? chownSync;
    const { directory } = this;
    const { uid, gid } = UNPRIVILEGED;
    // As rc.d makes them: each half writes in directories of its own.
    for (const [path, owner, group, mode] of [
      [directory, 0, 0, 0o755],
      [join(directory, 'helper'), 0, 0, 0o755],
      [this.#run, uid, gid, 0o755],
      [join(directory, 'state'), uid, gid, 0o700],
    ] as const) {
      mkdirSync(path, { recursive: true });
      chown(path, owner, group);
      chmodSync(path, mode);
    }
    for (const [path, text] of [
      [this.config, configuration(this.name, directory)],
      [join(directory, 'partner.key'), `1 ${key}\n`],
    ] as const) {
      writeFileSync(path, text);
      chmodSync(path, 0o640);
      chown(path, 0, gid);
    }
  }

  start(program: Program): void {
    const { commands, runtime } = this.#options;
    const words = [runtime, programOf(program), '--config', this.config];
    if (program === 'supervisor') words.push('--timestamps');
    const log = join(this.#options.place, `${this.name}-${program}.log`);
    const running = commands.start(`${this.name} ${program}`, log, ...inside(this.jail, ...words));
    this.#running.set(program, running);
  }

  /** Why a program that was started does not run; undefined while all of them do. */
  trouble(): string | undefined {
    for (const { name, ended, log } of this.#running.values())
      if (ended() !== undefined) return `${name} has ended: ${ended()}; see ${log}`;
    return undefined;
  }

  /** kill -9: nobody has time for a last word. jexec(8) becomes the program, so the signal is the program's. */
  async kill(...programs: readonly Program[]): Promise<void> {
    for (const each of programs) this.#running.get(each)?.signal('SIGKILL');
    await Promise.all(programs.map((each) => this.#running.get(each)?.end));
    for (const each of programs) this.#running.delete(each);
  }

  /** As `service stop` does: SIGTERM, the supervisor first. */
  async stop(): Promise<void> {
    for (const each of ['supervisor', 'helper'] as const) {
      const running = this.#running.get(each);
      if (running !== undefined) await endAll([running]);
      this.#running.delete(each);
    }
  }

  /** Take down all that the helper left in the kernel. */
  async remove(): Promise<void> {
    const words = [this.#options.runtime, programOf('helper'), '--config', this.config, '--remove'];
    const purpose = `${this.name}: ppp_thing_helper --remove`;
    await this.#options.commands.run(purpose, ...inside(this.jail, ...words));
  }

  /** pppthingctl, as the operator uses it. */
  async ctl(...words: readonly string[]): Promise<string> {
    const { commands, runtime } = this.#options;
    const program = [runtime, programOf('ctl'), '--run', this.#run, ...words];
    const purpose = `${this.name}: pppthingctl ${words.join(' ')}`;
    return commands.run(purpose, ...inside(this.jail, ...program));
  }

  /** What `pppthingctl doctor` finds; it exits with 1 where it finds anything. */
  doctor(): Promise<string> {
    const { runtime } = this.#options;
    const words = [
      runtime,
      programOf('ctl'),
      '--run',
      this.#run,
      '--config',
      this.config,
      'doctor',
    ];
    return this.attempt(...words);
  }

  /** The gateways of its IPv4 default routes. */
  async defaults(): Promise<string[]> {
    const routes = await this.run('list routes', 'netstat', '-rnW', '-f', 'inet');
    return [...routes.matchAll(/^default\s+(\S+)/gm)].map(([, gateway = '']) => gateway).sort();
  }

  /** What a program has logged. */
  logged(program: Program): string {
    return readFileSync(join(this.#options.place, `${this.name}-${program}.log`), 'utf8');
  }

  /** What its supervisor says; undefined if it does not. */
  router(): Promise<StatusJson | undefined> {
    return this.#options.ask(join(this.#run, 'status.sock'));
  }

  async status(): Promise<SessionStatusJson | undefined> {
    const status = await this.router();
    return status?.sessions.find(({ name }) => name === SESSION);
  }

  /** Whether it carries the session and the AC has answered it. */
  async holds(): Promise<boolean> {
    const status = await this.status();
    return status?.state === 'Holding' && status.proven && status.role === 'MASTER';
  }

  async run(purpose: string, ...words: readonly string[]): Promise<string> {
    return this.#options.commands.run(`${this.name}: ${purpose}`, ...inside(this.jail, ...words));
  }

  async attempt(...words: readonly string[]): Promise<string> {
    return (await this.#options.commands.attempt(...inside(this.jail, ...words))).output;
  }

  /** Set its cables up or down. */
  async plug(ports: readonly ('line' | 'lan' | 'sync')[], state: 'up' | 'down'): Promise<void> {
    for (const port of ports)
      await this.run(`${port} ${state}`, 'ifconfig', portsOf(this.name)[port], state);
  }

  /**
   * What is in its kernel that a helper could have put there, a line each: nodes, interfaces, routes, demotion, flags of
   * the line. Two of these that differ show what was left.
   */
  async inventory(): Promise<string[]> {
    const nodes = await this.run('list nodes', 'ngctl', 'list');
    const interfaces = await this.run('list interfaces', 'ifconfig', '-l');
    const routes = await this.run('list routes', 'netstat', '-rnW', '-f', 'inet');
    const demotion = await this.run('read demotion', 'sysctl', '-n', 'net.inet.carp.demotion');
    const line = await this.run('read the line', 'ifconfig', portsOf(this.name).line);
    return inventoryOf({ nodes, interfaces, routes, demotion, line });
  }
}

interface Outputs {
  readonly nodes: string;
  readonly interfaces: string;
  readonly routes: string;
  readonly demotion: string;
  readonly line: string;
}

/** Of what commands print, what may be compared: no numbers of nodes or links, no ngctl of our own, no role of CARP. */
export function inventoryOf(outputs: Outputs): string[] {
  const nodes = [...outputs.nodes.matchAll(/Name: (\S+)\s+Type: (\S+)/g)]
    .map(([, name, type]) => `node ${name} (${type})`)
    .filter((line) => !/^node (ngctl\d+|<unnamed>) \(socket\)/.test(line));
  // The modules of pf make theirs by themselves, when they like.
  const interfaces = outputs.interfaces
    .split(/\s+/)
    .filter((each) => !/^(pf(log|sync)0)?$/.test(each));
  // Columns: destination, gateway, flags. What CARP's address has depends on who is MASTER.
  const routes = [...outputs.routes.matchAll(/^([\da-f:.]\S*|default)\s+(\S+)\s+([A-Z]\w*)\s/gm)]
    .map(
      ([, to, gateway = '', flags]) =>
        `route ${to} ${gateway.replace(/^link#\d+/, 'link')} ${flags}`,
    )
    .filter((line) => !line.startsWith(`route ${VIRTUAL} `));
  const [, flags] = /flags=\w+<([^>]*)>/.exec(outputs.line) ?? [];
  return [
    ...nodes,
    ...interfaces.map((name) => `interface ${name}`),
    ...routes,
    `demotion ${outputs.demotion.trim()}`,
    `flags of the line ${flags ?? 'unknown'}`,
  ].sort();
}

/** What is in one list and not in the other: `+` what has come, `-` what has gone. */
export const difference = (before: readonly string[], after: readonly string[]): string[] => [
  ...after.filter((line) => !before.includes(line)).map((line) => `+ ${line}`),
  ...before.filter((line) => !after.includes(line)).map((line) => `- ${line}`),
];
