/**
 * What a FreeBSD host has of jails, interfaces, mounts and routes, as the commands of the native pair change it, and who
 * called what. It runs nothing and knows no packet.
 */
import type { Done } from './commands.ts';

interface Interface {
  name: string;
  /** The two ends of a cable have it in common. */
  readonly cable: string;
  where: string;
  /** The network stack that it was made in and goes with; one that is moved comes back. */
  readonly home?: string;
}

const HOST = 'host';
/** Every network stack has these from its beginning. */
const EVERYWHERE = /^(lo|pfsync)0$/;

export class HostModel {
  jails: string[] = [];
  interfaces: Interface[] = [];
  /** As `mount -p` lists them. */
  mounts: string[] = [];
  /** Each destination that `route add` was given, with where it was given. */
  routes: string[] = [];
  /** Programs that run without us: what pgrep(1) finds, by process ID. */
  strays = new Map<number, string>();
  /** Files that there are. */
  files = new Set<string>();
  /** Netgraph nodes, as `jail: line of ngctl list`. */
  nodes: string[] = [];
  /** Every call, as `where: command`. */
  calls: string[] = [];
  /** Commands that fail. */
  refuse: RegExp | undefined;
  #made = 0;

  /** The interfaces of a network stack, in the order in which they came. */
  namesAt(where: string): string[] {
    return this.interfaces.filter((each) => each.where === where).map(({ name }) => name);
  }

  run(command: string, args: readonly string[]): Done {
    const line = [command, ...args].join(' ');
    const done = (code: number, output = ''): Done => ({ line, code, output });
    const [jail = '', inner = '', ...rest] = args;
    if (command !== 'jexec') {
      const answer = this.#call(HOST, command, args);
      return typeof answer === 'number' ? done(answer) : done(...answer);
    }
    if (!this.jails.includes(jail)) return done(1, `jexec: jail "${jail}" not found`);
    const answer = this.#call(jail, inner, rest);
    return typeof answer === 'number' ? done(answer) : done(...answer);
  }

  #call(where: string, command: string, args: readonly string[]): number | [number, string] {
    const call = [command, ...args].join(' ');
    this.calls.push(`${where}: ${call}`);
    if (this.refuse?.test(call) === true) return [1, `${command}: refused by the test`];
    switch (command) {
      case 'jail':
        return this.#jail(args);
      case 'jls':
        return [0, this.jails.join('\n')];
      case 'ifconfig':
        return this.#ifconfig(where, args);
      case 'ngctl':
        return args[0] === 'list' ? [0, this.#nodesOf(where)] : 0;
      case 'test':
        return this.files.has(args.at(-1) ?? '') === (args[0] === '!') ? 1 : 0;
      case 'mount':
        if (args[0] === '-p') return [0, this.mounts.join('\n')];
        this.mounts.push(`${args[2]} ${args[3]} nullfs rw 0 0`);
        return 0;
      case 'umount':
        this.mounts = this.mounts.filter((each) => !each.includes(` ${args[0]} `));
        return 0;
      case 'route':
        return this.#route(where, args);
      case 'pgrep':
        return this.#pgrep(new RegExp(args.at(-1) ?? ''));
      case 'kill':
        for (const each of args) this.strays.delete(Number(each));
        return 0;
      default:
        return 0;
    }
  }

  #jail([verb = '', first = '']: readonly string[]): number {
    if (verb === '-c') {
      this.jails.push(first.replace('name=', ''));
      return 0;
    }
    this.jails = this.jails.filter((each) => each !== first);
    this.interfaces = this.interfaces.filter(({ home }) => home !== first);
    for (const each of this.interfaces) if (each.where === first) each.where = HOST;
    this.routes = this.routes.filter((each) => !each.startsWith(`${first}: `));
    return 0;
  }

  #ifconfig(where: string, args: readonly string[]): number | [number, string] {
    const [name = '', verb = '', word = ''] = args;
    if (name === '-l') return [0, this.namesAt(where).join(' ')];
    if (verb === 'create') return [0, this.#create(where, name)];
    if (EVERYWHERE.test(name)) return 0;
    const it = this.interfaces.find((each) => each.name === name);
    if (it === undefined || (it.where !== where && verb !== '-vnet'))
      return [1, `ifconfig: interface ${name} does not exist`];
    if (verb === 'name') it.name = word;
    else if (verb === 'vnet') it.where = word;
    else if (verb === '-vnet') it.where = HOST;
    else if (verb === 'destroy')
      this.interfaces = this.interfaces.filter(({ cable }) => cable !== it.cable);
    return 0;
  }

  #create(where: string, kind: string): string {
    const first = `${kind}${this.#made++}`;
    const ends = kind === 'epair' ? [`${first}a`, `${first}b`] : [first];
    for (const name of ends) this.interfaces.push({ name, cable: first, where, home: where });
    return ends[0] ?? first;
  }

  #nodesOf(where: string): string {
    const lines = this.nodes.filter((each) => each.startsWith(`${where} `));
    return lines.map((each) => each.replace(`${where} `, '  ')).join('\n');
  }

  #route(where: string, [verb = '', ...rest]: readonly string[]): number {
    const to = `${where}: ${rest.find((each) => !each.startsWith('-')) ?? ''}`;
    const had = this.routes.includes(to);
    this.routes = this.routes.filter((each) => each !== to);
    if (verb === 'add') this.routes.push(to);
    return verb === 'delete' && !had ? 1 : 0;
  }

  #pgrep(pattern: RegExp): [number, string] {
    const found = [...this.strays].filter(([, line]) => pattern.test(line)).map(([pid]) => pid);
    return [found.length === 0 ? 1 : 0, found.join('\n')];
  }
}
