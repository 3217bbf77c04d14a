/**
 * One router of the kernel lab: its configuration, its programs (helper, supervisor, keepalived, conntrackd), and what
 * its kernel says of the session. The programs are those an administrator would run; nothing in them knows of the lab.
 */
import { access, chmod, chown, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { ask } from '@ppp-thing/ctl/client';
import { loadLibc } from '@ppp-thing/helper/libc';
import { PASSWORD, USER, type Auth } from './ac.ts';
import { DescriptorStore } from './descriptor-store.ts';
import {
  ADDRESSES,
  SESSION_MAC,
  VIRTUAL,
  inside,
  otherThan,
  plug,
  type Router as Name,
} from './net.ts';
import { until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

/** The session's interface in both routers. */
export const SESSION = 'wan';

/** As init.sh makes it. */
const PPP_THING = { uid: 990, gid: 990 };

/** Milliseconds; starting programs is the guest's slowest act. */
const START_LIMIT = 20_000;
/** The kernel's queue of notifications is short. Milliseconds. */
const DRAIN_INTERVAL = 50;

const PRIORITY: Readonly<Record<Name, number>> = { r1: 150, r2: 100 };
const IDENTIFIER: Readonly<Record<Name, number>> = { r1: 1, r2: 2 };

/** The compiled program of a package, as an administrator starts it. */
export const programOf = (name: 'helper' | 'supervisor' | 'ctl'): string =>
  fileURLToPath(new URL('main.js', import.meta.resolve(`@ppp-thing/${name}/main`)));

type Program = 'helper' | 'supervisor' | 'keepalived' | 'conntrackd';
const PROGRAMS: readonly Program[] = ['conntrackd', 'helper', 'supervisor', 'keepalived'];

/** What a run adds to the usual configuration. */
export interface More {
  /** Lines at the end of the session's table, and tables below it. */
  readonly session?: string;
  /** Addresses that move with the virtual one. */
  readonly virtual?: readonly string[];
  /** Capabilities that the supervisor keeps, as setpriv(1) names them. */
  readonly capabilities?: string;
}

const keepalivedConfiguration = (
  name: Name,
  directory: string,
  virtual: readonly string[] = [],
): string => `
global_defs {
  router_id ${name}
  vrrp_version 3
  dynamic_interfaces
  script_user root
}
track_file demotion {
  file ${directory}/root/demote
  weight -100
  init_file 0
}
vrrp_instance line {
  state BACKUP
  interface eth1
  virtual_router_id 51
  priority ${PRIORITY[name]}
  advert_int 0.1
  virtual_ipaddress {
    ${VIRTUAL}/24
  }
${virtual.length === 0 ? '' : `  virtual_ipaddress_excluded {\n    ${virtual.join('\n    ')}\n  }\n`}  track_file {
    demotion
  }
  notify_backup "/usr/sbin/conntrackd -C ${directory}/conntrackd.conf -n"
}
`;

const conntrackdConfiguration = (name: Name, directory: string): string => `
Sync {
  Mode FTFW {
    DisableExternalCache On
  }
  UDP {
    IPv4_address ${ADDRESSES[name].sync}
    IPv4_Destination_Address ${ADDRESSES[otherThan(name)].sync}
    Port 3780
    Interface eth2
    Checksum on
  }
}
General {
  HashSize 8192
  HashLimit 65535
  LogFile ${GUEST_RESULT}/${name}-conntrackd.log
  LockFile ${directory}/conntrackd.lock
  UNIX {
    Path ${directory}/conntrackd.ctl
  }
  NetlinkBufferSize 2097152
  NetlinkBufferSizeMaxGrowth 8388608
  Filter From Userspace {
    Protocol Accept {
      TCP
      UDP
    }
    Address Ignore {
      IPv4_address 127.0.0.1
      IPv4_address ${VIRTUAL}
      IPv4_address ${ADDRESSES.r1.lan}
      IPv4_address ${ADDRESSES.r2.lan}
      IPv4_address ${ADDRESSES.r1.sync}
      IPv4_address ${ADDRESSES.r2.sync}
    }
  }
}
`;

/**
 * SNAT and not MASQUERADE: the kernel forgets every masqueraded connection when the interface goes down, as it does on
 * a router that becomes BACKUP, and conntrackd would make the other router forget them too. And the LAN is forwarded
 * into the session only: a packet that a fresh MASTER sent on to its partner, because its default route has not turned
 * yet, would leave a connection without translation behind, which every later packet then follows. What comes in for
 * nobody is dropped: an answer that overtakes its connection's state must not be met with a reset.
 */
const firewall = (publicAddress: string): string => `*nat
-A POSTROUTING -o ${SESSION} -j SNAT --to-source ${publicAddress}
COMMIT
*mangle
-A FORWARD -o ${SESSION} -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
COMMIT
*filter
-A INPUT -i ${SESSION} -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A INPUT -i ${SESSION} -j DROP
-A FORWARD -i eth1 -o eth1 -j DROP
-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT
-A FORWARD -i eth1 -o ${SESSION} -j ACCEPT
-A FORWARD -j DROP
COMMIT
`;

const configuration = (name: Name, directory: string, auth: Auth): string => `
[helper]
socket = "${directory}/root/helper.sock"
state_directory = "${directory}/root/state"

[supervisor]
state_directory = "${directory}/state"
run_directory = "${directory}"
log_level = "debug"

[partner]
local_address = "${ADDRESSES[name].sync}"
address = "${ADDRESSES[otherThan(name)].sync}"
key_file = "${directory}/partner.key"
router_id = ${IDENTIFIER[name]}
partner_id = ${IDENTIFIER[otherThan(name)]}

[session.${SESSION}]
interface = "eth0"
mac = "${SESSION_MAC}"
user = "${USER}"
password = "${PASSWORD}"
auth = ["${auth === 'chap' ? 'chap-md5' : 'pap'}"]
mtu = 1492
carp_interface = "eth1"
carp_address = "${VIRTUAL}"
partner_address = "${ADDRESSES[otherThan(name)].lan}"
demotion_file = "${directory}/root/demote"
`;

/** A process that was started, whatever its options. */
type Child = PromiseLike<unknown> & { readonly pid?: number | undefined };

export class Router {
  readonly name: Name;
  readonly #directory: string;
  readonly #running = new Map<Program, Child>();
  #more: More = {};
  #store: DescriptorStore | undefined;
  #draining: ReturnType<typeof setInterval> | undefined;

  constructor(name: Name) {
    this.name = name;
    this.#directory = `/run/${name}`;
  }

  /** Lay down files, addresses and rules: what a router has before its programs start. */
  async prepare(auth: Auth, key: string, more: More = {}): Promise<void> {
    const directory = this.#directory;
    const { uid, gid } = PPP_THING;
    this.#more = more;
    await mkdir(`${directory}/state`, { recursive: true });
    await chown(directory, 0, gid);
    await chmod(directory, 0o1775);
    // What root writes lies where only root can write; a directory above it that the group may write is sticky.
    await mkdir(`${directory}/root`, { mode: 0o755, recursive: true });
    await chown(`${directory}/state`, uid, gid);
    await chmod(`${directory}/state`, 0o700);
    const path = `${directory}/ppp_thing.conf`;
    await writeFile(path, `${configuration(this.name, directory, auth)}${more.session ?? ''}`, {
      mode: 0o640,
    });
    await chown(path, 0, gid);
    await writeFile(`${directory}/partner.key`, `1 ${key}\n`, { mode: 0o640 });
    await chown(`${directory}/partner.key`, 0, gid);
    await writeFile(
      `${directory}/keepalived.conf`,
      keepalivedConfiguration(this.name, directory, more.virtual),
    );
    await writeFile(`${directory}/conntrackd.conf`, conntrackdConfiguration(this.name, directory));
    await execa('ip', inside(this.name, 'sysctl', '-qw', 'net.ipv4.ip_forward=1'));
  }

  /** Install the packet filter and the address translation, as they stay from now on. */
  async translate(publicAddress: string): Promise<void> {
    const input = firewall(publicAddress);
    await execa('ip', inside(this.name, 'iptables-legacy-restore'), { input });
  }

  /** Packets of the LAN that met a default route via the partner, and were dropped instead of going back to the LAN. */
  async sentBack(): Promise<number> {
    const words = inside(this.name, 'iptables-legacy', '-nvxL', 'FORWARD');
    const { stdout } = await execa('ip', words, { reject: false });
    return Number(/^ *(\d+) .* DROP .* eth1 +eth1 /m.exec(stdout)?.[1] ?? 0);
  }

  /** Our address on the session's interface, or undefined. */
  async publicAddress(): Promise<string | undefined> {
    const words = ['-n', this.name, '-4', '-o', 'addr', 'show', 'dev', SESSION];
    const { stdout } = await execa('ip', words, { reject: false });
    return /inet (\S+?)[ /]/.exec(stdout)?.[1];
  }

  /**
   * In the order a service manager keeps: keepalived after the supervisor has said whether this router may be MASTER
   * yet. A router that comes back holds a demotion until it knows the session.
   */
  async startAll(): Promise<void> {
    await rm(`${this.#directory}/root/demote`, { force: true });
    for (const program of ['conntrackd', 'helper', 'supervisor'] as const)
      await this.start(program);
    const isDecided = (): Promise<boolean> =>
      access(`${this.#directory}/root/demote`).then(
        () => true,
        () => false,
      );
    await until(`${this.name}'s demotion`, START_LIMIT, isDecided);
    await this.start('keepalived');
  }

  async start(program: Program): Promise<void> {
    const directory = this.#directory;
    const node = process.execPath;
    // What a dead conntrackd leaves would keep the next one from starting.
    if (program === 'conntrackd') await rm(`${directory}/conntrackd.lock`, { force: true });
    const configured = ['--config', `${directory}/ppp_thing.conf`];
    const { capabilities = '-all' } = this.#more;
    const kept = `--inh-caps=${capabilities} --ambient-caps=${capabilities}`;
    const unprivileged = `--reuid=${PPP_THING.uid} --regid=${PPP_THING.gid} --clear-groups ${kept}`;
    const pids = `-p ${directory}/keepalived.pid -r ${directory}/vrrp.pid`;
    const words: Readonly<Record<Program, string[]>> = {
      // As its unit does.
      helper: ['nice', '-n', '-10', node, programOf('helper'), ...configured],
      supervisor: [
        ...`setpriv ${unprivileged}`.split(' '),
        node,
        programOf('supervisor'),
        ...configured,
        '--timestamps',
      ],
      keepalived: `keepalived -n -P -l -f ${directory}/keepalived.conf ${pids}`.split(' '),
      conntrackd: ['conntrackd', '-C', `${directory}/conntrackd.conf`],
    };
    const [first = '', ...others] = words[program];
    const log = { file: `${GUEST_RESULT}/${this.name}-${program}.log`, append: true };
    const next = program === 'helper' ? (await this.#openStore()).next() : undefined;
    const [command = '', ...rest] = [
      ...(next?.command ?? []),
      'ip',
      ...inside(this.name, first, ...others),
    ];
    const running = execa(command, rest, {
      // execa's types know no descriptors by number behind the third.
      stdio: ['ignore', log, log, ...(next?.fds ?? [])] as ['ignore', typeof log, typeof log],
      env: next?.env ?? {},
      reject: false,
      // A group of its own: keepalived has a child that must die with it.
      detached: true,
    });
    this.#running.set(program, running);
  }

  /** The helper's service manager keeps its descriptors, as systemd does. */
  async #openStore(): Promise<DescriptorStore> {
    if (this.#store !== undefined) return this.#store;
    const path = `${this.#directory}/root/notify`;
    await rm(path, { force: true });
    const store = new DescriptorStore(await loadLibc(), path);
    this.#draining = setInterval(() => store.kept(), DRAIN_INTERVAL);
    this.#store = store;
    return store;
  }

  #closeStore(): void {
    clearInterval(this.#draining);
    this.#store?.close();
    this.#store = undefined;
  }

  isRunning(program: Program): boolean {
    return this.#running.has(program);
  }

  /** kill -9, so that nobody has time for a last word. */
  async kill(...programs: readonly Program[]): Promise<void> {
    const dying = programs.flatMap((program) => this.#running.get(program) ?? []);
    for (const program of programs) this.#running.delete(program);
    for (const { pid } of dying) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    await Promise.all(dying);
  }

  /** Pull the plug: no cable, no programs, and nothing of theirs in the kernel but what a reboot would clear too. */
  async powerCut(): Promise<void> {
    await plug(this.name, ['eth0', 'eth1', 'eth2'], false);
    await this.kill(...PROGRAMS);
    this.#closeStore();
    await execa('ip', ['-n', this.name, '-batch', '-force', '-'], {
      input: [
        ...[`${VIRTUAL}/24`, ...(this.#more.virtual ?? [])].map((it) => `addr del ${it} dev eth1`),
        `link del pl-${SESSION}`,
        'route flush proto 46',
        '',
      ].join('\n'),
      reject: false,
    });
    await execa('ip', inside(this.name, 'conntrack', '-F'), { reject: false });
    await rm(`${this.#directory}/root/demote`, { force: true });
  }

  async powerOn(): Promise<void> {
    await plug(this.name, ['eth0', 'eth1', 'eth2'], true);
    await this.startAll();
  }

  /** Run pppthingctl against this router. */
  async ctl(...words: readonly string[]): Promise<{ readonly ok: boolean; readonly text: string }> {
    const where = ['--run', this.#directory];
    const done = await execa(
      'ip',
      inside(this.name, process.execPath, programOf('ctl'), ...where, ...words),
      { reject: false, all: true },
    );
    return { ok: done.exitCode === 0, text: done.all };
  }

  /** The lab asks the control socket itself: a start of pppthingctl costs the guest 100 ms of its only processor. */
  async operate(verb: 'connect' | 'disconnect' | 'handoff'): Promise<void> {
    const sockets = { directory: this.#directory, signal: new AbortController().signal };
    await ask(sockets, 'POST', `/v1/sessions/${SESSION}/${verb}`);
  }

  /** SESSION_ID of the session the kernel has joined, and whether its interface carries the default route. */
  async kernel(): Promise<{
    readonly sessionId: number | undefined;
    readonly routed: boolean;
    readonly hasVirtualAddress: boolean;
  }> {
    const [pppoe, route, trie] = await Promise.all(
      ['pppoe', 'route', 'fib_trie'].map((file) => this.#proc(file)),
    );
    // Columns: Id, in network order but printed as a number of the host's; Address; Device.
    const id = /^0000([0-9A-F]{2})([0-9A-F]{2})\s/m.exec(pppoe ?? '');
    return {
      sessionId: id ? Number.parseInt(`${id[2]}${id[1]}`, 16) : undefined,
      routed: new RegExp(`^${SESSION}\\s+00000000\\s`, 'm').test(route ?? ''),
      hasVirtualAddress: (trie ?? '').includes(`-- ${VIRTUAL}\n`),
    };
  }

  #anchor: Child | undefined;

  /** A file of /proc/net as this router sees it, through a process that does nothing but be there. */
  async #proc(file: string): Promise<string> {
    this.#anchor ??= execa('ip', inside(this.name, 'sleep', 'infinity'), { reject: false });
    return readFile(`/proc/${this.#anchor.pid}/net/${file}`, 'utf8').catch(() => '');
  }
}
