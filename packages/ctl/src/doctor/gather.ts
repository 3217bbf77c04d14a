/**
 * Gathers the facts of this router from base tools, /proc and the supervisor. It judges nothing, and changes nothing.
 */
import { execFile } from 'node:child_process';
import { readFileSync, statSync } from 'node:fs';
import { release } from 'node:os';
import { promisify } from 'node:util';
import { places } from '@ppp-thing/supervisor/places';
import type { Config } from '@ppp-thing/supervisor/config';
import { CtlError, statusOf, type Sockets } from '../client.ts';
import {
  known,
  unknown,
  type Facts,
  type FileRule,
  type Known,
  type PfFacts,
  type ProcessFacts,
  type RouterReport,
  type VrrpFacts,
} from './facts.ts';
import { gatherConfig } from './gather-config.ts';
import { linuxInterfaces, linuxIpv6, linuxModules, linuxProcesses } from './linux.ts';
import { parseKeepalived } from './keepalived.ts';
import {
  parseAcceptsRa,
  parseIfconfig,
  parseKldstat,
  parseOrphans,
  parsePs,
  parseSkipped,
} from './parse.ts';

const TOOL_MS = 5000;
const run = promisify(execFile);
const isRoot = process.getuid?.() === 0;

/** The output of a tool, or the reason why there is none. */
async function output(tool: string, ...words: readonly string[]): Promise<Known<string>> {
  // Use root's path, whoever runs the command.
  const env = { PATH: '/sbin:/usr/sbin:/bin:/usr/bin', LC_ALL: 'C' };
  try {
    const { stdout } = await run(tool, words, { env, timeout: TOOL_MS, maxBuffer: 16 << 20 });
    return known(stdout);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return unknown(`there is no ${tool} here`);
    }
    return unknown(isRoot ? `${tool} ${words.join(' ')} does not work` : 'run as root');
  }
}

const map = <A, B>(fact: Known<A>, change: (value: A) => B): Known<B> =>
  fact.known ? known(change(fact.value)) : fact;

/** @param partnerReport the output of `doctor --json` on the other router */
export async function gather(
  sockets: Sockets,
  file: string,
  partnerReport: RouterReport | undefined,
): Promise<Facts> {
  const { facts: config, config: whole } = gatherConfig(file);
  const lines = config.known ? config.value.sessions.map((session) => session.interface) : [];
  const status = await statusOf(sockets).then(known, (error: unknown) => {
    if (!(error instanceof CtlError)) throw error;
    return unknown(error.message);
  });
  return {
    release: release(),
    node: process.versions.node,
    now: Date.now(),
    config,
    status,
    files: rules(file, whole, sockets.directory),
    partnerReport,
    ...(process.platform === 'freebsd' ? await freebsd(lines) : await linux()),
  };
}

type OfPlatform = Omit<
  Facts,
  'release' | 'node' | 'now' | 'config' | 'status' | 'files' | 'partnerReport'
>;

async function freebsd(lines: readonly string[]): Promise<OfPlatform> {
  const peers: Record<string, string> = {};
  let orphans: Known<Readonly<Record<string, string>>> = known(peers);
  for (const line of isRoot ? lines : []) {
    const shown = await output('ngctl', 'show', `${line}:`);
    peers[line] = shown.known ? parseOrphans(shown.value) : '';
  }
  if (!isRoot) orphans = unknown('run as root');
  return {
    platform: 'freebsd',
    modules: map(await output('kldstat', '-v'), parseKldstat),
    interfaces: map(await output('ifconfig', '-a'), parseIfconfig),
    preempt: map(
      await output('sysctl', '-n', 'net.inet.carp.preempt'),
      (text) => text.trim() === '1',
    ),
    forwards6: map(
      await output('sysctl', '-n', 'net.inet6.ip6.forwarding'),
      (text) => text.trim() === '1',
    ),
    acceptsRa: map(await output('ifconfig', '-a'), parseAcceptsRa),
    processes: map(await output('ps', '-axo', 'pid=,comm=,args='), parsePs),
    orphans,
    pf: await pf(),
    vrrp: unknown('there is none on FreeBSD'),
    checksWindows: unknown('there is none on FreeBSD'),
    clockSynchronised: map(await output('ntptime'), (text) => !text.includes('UNSYNC')),
  };
}

async function pf(): Promise<Known<PfFacts>> {
  const [info, nat, skipped] = [
    await output('pfctl', '-s', 'info'),
    await output('pfctl', '-s', 'nat'),
    await output('pfctl', '-v', '-s', 'Interfaces'),
  ];
  if (!info.known) return info;
  if (!nat.known) return nat;
  if (!skipped.known) return skipped;
  return known({
    enabled: /^Status: Enabled/m.test(info.value),
    nat: nat.value,
    skipped: parseSkipped(skipped.value),
  });
}

async function linux(): Promise<OfPlatform> {
  const rules = isRoot ? await output('nft', 'list', 'ruleset') : unknown('run as root');
  const links = await output('ip', '-j', '-d', 'address');
  const clock = await output('timedatectl', 'show', '-p', 'NTPSynchronized', '--value');
  const processes = linuxProcesses();
  return {
    platform: 'linux',
    modules: linuxModules(),
    interfaces: links.known ? linuxInterfaces(links.value) : links,
    preempt: unknown('there is none on Linux'),
    ...linuxIpv6(),
    processes: known(processes),
    orphans: unknown('there is none on Linux'),
    pf: map(rules, (nat) => ({ enabled: nat.trim() !== '', nat, skipped: [] })),
    vrrp: keepalived(processes),
    checksWindows: checksWindows(),
    clockSynchronised: map(clock, (text) => text.trim() === 'yes'),
  };
}

/** The setting exists once nf_conntrack is loaded. */
function checksWindows(): Known<boolean> {
  try {
    const path = '/proc/sys/net/netfilter/nf_conntrack_tcp_be_liberal';
    return known(readFileSync(path, 'utf8').trim() === '0');
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return unknown('modprobe nf_conntrack');
  }
}

/** The configuration that the running keepalived was started with. */
function keepalived(processes: readonly ProcessFacts[]): Known<VrrpFacts> {
  const words = processes.find(({ name }) => name === 'keepalived')?.arguments ?? '';
  const [, path = '/etc/keepalived/keepalived.conf'] =
    /(?: -f|--use-file)[ =]?(\/\S+)/.exec(words) ?? [];
  try {
    return parseKeepalived(readFileSync(path, 'utf8'));
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    return unknown(error.code === 'EACCES' ? 'run as root' : `read ${path}: ${String(error.code)}`);
  }
}

/** Owners and modes, as the manual pages require. */
function rules(file: string, config: Config | undefined, directory: string): readonly FileRule[] {
  const { user = 'ppp_thing', group = 'ppp_thing', stateDirectory = places().state } = config ?? {};
  const keyFile = config?.partner?.keyFile;
  const list: [path: string, owner: string, group: string | undefined, mode: number][] = [
    [file, 'root', group, 0o640],
    [stateDirectory, user, undefined, 0o700],
    [config?.helperSocket ?? places().helperSocket, 'root', group, 0o660],
    [`${directory}/status.sock`, user, undefined, 0o666],
    [`${directory}/control.sock`, user, group, 0o660],
  ];
  const passwordFiles = config?.sessions.map(({ passwordFile }) => passwordFile) ?? [];
  for (const secret of new Set([keyFile, ...passwordFiles]))
    if (secret !== undefined) list.push([secret, 'root', group, 0o640]);
  const names = { user: namesOf('/etc/passwd'), group: namesOf('/etc/group') };
  return list.map(([path, owner, wanted, mode]) => ({
    path,
    owner,
    group: wanted,
    mode,
    found: found(path, names),
  }));
}

function found(
  path: string,
  names: {
    readonly user: ReadonlyMap<number, string>;
    readonly group: ReadonlyMap<number, string>;
  },
): FileRule['found'] {
  try {
    const { mode, uid, gid } = statSync(path);
    const owner = names.user.get(uid) ?? String(uid);
    return known({ path, mode: mode & 0o7777, owner, group: names.group.get(gid) ?? String(gid) });
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    if (error.code === 'EACCES') return unknown('run as root');
    return known({ path, mode: undefined, owner: '', group: '' });
  }
}

/**
 * Numbers to names, from passwd(5) or group(5): both begin `name:password:number`. The first name of a number counts.
 */
function namesOf(path: string): ReadonlyMap<number, string> {
  const names = new Map<number, string>();
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    const [name = '', , number] = line.split(':');
    if (number !== undefined && !names.has(Number(number))) names.set(Number(number), name);
  }
  return names;
}
