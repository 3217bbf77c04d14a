/**
 * One router of the pair: its directories, its configuration file, and its two processes, which are exactly what a
 * user would install. Power, cables and kernel are the world's.
 */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { userInfo } from 'node:os';
import { fileURLToPath } from 'node:url';
import type { Bus, ProcessName, RouterName } from './bus.ts';
import { Operator } from './operator.ts';
import { LabProcess } from './process.ts';
import { LOOPBACK, type Ends } from './relay.ts';
import { ADDRESSES, DELEGATED, INTERFACES, PASSWORD, USER } from './setting.ts';

export interface RouterOptions {
  readonly name: RouterName;
  /** A directory of its own, which this makes. */
  readonly directory: string;
  readonly keyFile: string;
  readonly ends: Ends;
  /** The loopback port that its DHCPv6 goes to; undefined: it asks for no prefix. */
  readonly dhcp6: number | undefined;
  readonly runtime: string;
  readonly logLevel: 'info' | 'debug';
  readonly bus: Bus;
}

const MAIN = {
  /** The helper's own command, on the kernel that its environment names. */
  helper: fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/helper')),
  supervisor: fileURLToPath(import.meta.resolve('@ppp-thing/supervisor/main')),
} as const;
/** The supervisor's own command with its DHCPv6 in the lab. */
const WITH_DHCP6 = fileURLToPath(import.meta.resolve('@ppp-thing/lab/demo/supervisor'));

const IDS = { r1: 1, r2: 2 } as const;
const PARTNER = { r1: 'r2', r2: 'r1' } as const;

export class Router {
  readonly name: RouterName;
  readonly helper: LabProcess;
  readonly supervisor: LabProcess;
  readonly operator: Operator;
  readonly #options: RouterOptions;

  constructor(options: RouterOptions) {
    const { name, runtime, bus, dhcp6 } = options;
    const main = dhcp6 === undefined ? MAIN : { ...MAIN, supervisor: WITH_DHCP6 };
    this.name = name;
    this.#options = options;
    const config = this.#path('ppp_thing.conf');
    const process = (which: ProcessName): LabProcess =>
      new LabProcess({
        router: name,
        process: which,
        command: runtime,
        args: [main[which], '--config', config],
        env: {
          PPP_THING_KERNEL: this.kernelSocket,
          ...(dhcp6 !== undefined && { PPP_THING_DHCP6: String(dhcp6) }),
        },
        bus,
      });
    this.helper = process('helper');
    this.supervisor = process('supervisor');
    this.operator = new Operator({ router: name, runDirectory: this.#path('run'), runtime, bus });
  }

  get processes(): readonly LabProcess[] {
    return [this.helper, this.supervisor];
  }

  /** Where the world lets the helper in. */
  get kernelSocket(): string {
    return this.#path('kernel.sock');
  }

  /** Make directories and configuration. The state directory outlives a power cut, as a disk does. */
  async prepare(): Promise<void> {
    for (const each of ['run', 'state', 'helper'])
      await mkdir(this.#path(each), { recursive: true, mode: 0o700 });
    await writeFile(this.#path('ppp_thing.conf'), this.#config(), { mode: 0o640 });
  }

  start(): void {
    this.helper.start();
    this.supervisor.start();
  }

  /** Both processes, kill -9. */
  async kill(): Promise<void> {
    await Promise.all(this.processes.map(async (process) => process.kill()));
  }

  #path(...parts: readonly string[]): string {
    return join(this.#options.directory, ...parts);
  }

  #config(): string {
    const { name, keyFile, ends, logLevel, dhcp6 } = this.#options;
    const isDelegated = dhcp6 !== undefined;
    const user = userInfo().username;
    // Only a root's helper looks the group up; the group of a file system's root has two names.
    const group = process.platform === 'freebsd' ? 'wheel' : 'root';
    return toml({
      helper: {
        socket: this.#path('run', 'helper.sock'),
        state_directory: this.#path('helper'),
        user,
        group,
      },
      supervisor: {
        state_directory: this.#path('state'),
        run_directory: this.#path('run'),
        user,
        group,
        log_level: logLevel,
      },
      partner: {
        local_address: LOOPBACK,
        address: LOOPBACK,
        port: ends.port,
        partner_port: ends.partnerPort,
        key_file: keyFile,
        router_id: IDS[name],
        partner_id: IDS[PARTNER[name]],
      },
      [`session.${ADDRESSES.session}`]: {
        interface: INTERFACES.line,
        mac: ADDRESSES.sessionMac,
        user: USER,
        password: PASSWORD,
        carp_interface: INTERFACES.lan,
        carp_vhid: INTERFACES.vhid,
        carp_address: ADDRESSES.carp,
        local_address: ADDRESSES.lan[name],
        partner_address: ADDRESSES.lan[PARTNER[name]],
        stub: `${ADDRESSES.session}x`,
        dns: true,
        ipv6: true,
        prefix_delegation: isDelegated,
        ...(isDelegated && { delegated_within: DELEGATED.within }),
      },
      ...(isDelegated && {
        [`session.${ADDRESSES.session}.lan.${INTERFACES.lan}`]: {
          subnet: 1,
          host: DELEGATED.host[name],
        },
      }),
    });
  }
}

/** Their JSON is TOML. */
export type Table = Readonly<Record<string, string | number | boolean>>;

export function toml(tables: Readonly<Record<string, Table>>): string {
  return Object.entries(tables)
    .map(([table, values]) => {
      const lines = Object.entries(values).map(
        ([key, value]) => `${key} = ${JSON.stringify(value)}`,
      );
      return [`[${table}]`, ...lines, ''].join('\n');
    })
    .join('\n');
}
