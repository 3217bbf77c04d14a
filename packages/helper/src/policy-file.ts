/**
 * Reads the helper's policy from the configuration file, in TOML or in the original's eight lines; it detects which.
 * It ignores the supervisor's keys, and never copies a secret out of the parsed file.
 */
import { dirname, join } from 'node:path';
import { parse, TomlError } from 'smol-toml';
import {
  clashes,
  clashesAmong,
  ConfigError,
  eightLines,
  isEightLines,
  lanClash,
  notToml,
  tomlLines,
  type Problem,
} from '@ppp-thing/protocol/config-text';
import { isHost6 } from '@ppp-thing/protocol/addresses';
import { parseIpv6, parsePrefix } from '@ppp-thing/protocol/wire/ipv6';
import { Section, isTable, type Parse, type Values } from './config-text.ts';
import { readTrusted, unsafeDirectory } from './files.ts';
import type { DelegationPolicy, HelperPolicy, LanPolicy, SessionPolicy } from './policy.ts';

/** On which system, and for whom, the file is read. */
export interface Host {
  readonly platform: 'linux' | 'freebsd';
  /** The reader's uid: root (0) refuses a file that anybody else may write. */
  readonly uid: number;
}

/** The default paths (docs/configuration.md). */
const PLACES = {
  linux: { socket: '/run/ppp_thing_helper/helper.sock', state: '/var/lib/ppp_thing_helper' },
  freebsd: { socket: '/var/run/ppp_thing_helper/helper.sock', state: '/var/db/ppp_thing_helper' },
} as const;

const text: Parse<string> = (value) =>
  typeof value === 'string' && value !== '' ? value : undefined;
const absolutePath: Parse<string> = (value) =>
  typeof value === 'string' && value.startsWith('/') ? value : undefined;
const truth: Parse<boolean> = (value) => (typeof value === 'boolean' ? value : undefined);
const interfaceName: Parse<string> = (value) =>
  typeof value === 'string' && /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(value) ? value : undefined;
const whole =
  (low: number, high: number): Parse<number> =>
  (value) =>
    typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high
      ? value
      : undefined;
const word =
  <const T extends string>(...words: readonly T[]): Parse<T> =>
  (value) =>
    words.find((each) => each === value);

/** Six octets of a unicast address that is not all zero. */
const mac: Parse<Uint8Array> = (value) => {
  if (typeof value !== 'string' || !/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(value))
    return undefined;
  const octets = Uint8Array.from(value.split(':'), (number) => Number.parseInt(number, 16));
  const multicast = ((octets[0] ?? 1) & 1) === 1;
  return multicast || octets.every((octet) => octet === 0) ? undefined : octets;
};

const ipv4: Parse<Uint8Array> = (value) => {
  // An octet with a leading zero is octal to some programs.
  if (typeof value !== 'string' || !/^((0|[1-9]\d{0,2})(\.|$)){4}$/.test(value)) return undefined;
  const octets = value.split('.').map(Number);
  return octets.every((octet) => octet < 256) ? Uint8Array.from(octets) : undefined;
};

/** `fd00::3`, or `fe80::3%igb1`: a link-local address needs the interface it is on. */
const gateway6: Parse<NonNullable<SessionPolicy['partnerAddress6']>> = (value) => {
  const [first = '', zone, ...rest] = typeof value === 'string' ? value.split('%') : [];
  const address = parseIpv6(first);
  if (address === undefined || !isHost6(address) || rest.length > 0) return undefined;
  const isLocal = address[0] === 0xfe && ((address[1] ?? 0) & 0xc0) === 0x80;
  if (!isLocal) return zone === undefined ? { address } : undefined;
  const name = interfaceName(zone);
  return name === undefined ? undefined : { address, interface: name };
};

/** `::1`: the last eight octets, and nothing before. */
const hostPart: Parse<Uint8Array> = (value) => {
  const address = typeof value === 'string' ? parseIpv6(value) : undefined;
  if (address === undefined || address.subarray(0, 8).some((octet) => octet !== 0))
    return undefined;
  return address.subarray(8).some((octet) => octet !== 0) ? address.slice(8) : undefined;
};

const AN_INTERFACE = 'an interface name of at most 15 characters';
const AN_ADDRESS = 'an IPv4 address such as 192.168.7.1';
const A_GATEWAY6 = 'an IPv6 address such as fd00::3 or fe80::3%igb1';
const A_MAC = 'a unicast MAC address such as 02:00:5e:10:53:01';
const A_PREFIX = 'a prefix such as 2001:db8::/32';
const A_PATH = 'an absolute path';
const A_METRIC = 'a whole number from 0 to 4294967295';

/** Read and check the file. Throws ConfigError with every problem, and SystemErrors of node:fs as they are. */
export function readPolicyFile(path: string, host: Host): HelperPolicy {
  const policy = parsePolicy(readTrusted(path, host.uid), path, host);
  const problems = host.uid === 0 ? unsafePlaces(policy) : [];
  if (problems.length > 0) throw new ConfigError(path, problems);
  return policy;
}

/** A problem for each directory that root writes in and that others may write in too. */
function unsafePlaces(policy: HelperPolicy): Problem[] {
  const files = new Map<string, string>([
    ['helper.socket', policy.socketPath],
    ['helper.state_directory', join(policy.stateDirectory, 'demotion.json')],
  ]);
  for (const { name, demotionFile } of policy.sessions)
    if (demotionFile !== undefined) files.set(`session.${name}.demotion_file`, demotionFile);
  return Array.from(files).flatMap(([key, file]) => {
    const reason = unsafeDirectory(dirname(file));
    return reason === undefined ? [] : [{ line: undefined, message: `${key}: ${reason}` }];
  });
}

/** The policy in `content`; `path` is for the errors. Throws ConfigError with every problem. */
export function parsePolicy(content: string, path: string, host: Host): HelperPolicy {
  const problems: Problem[] = [];
  const policy = isEightLines(content)
    ? fromEightLines(content, host, problems)
    : fromToml(content, path, host, problems);
  if (problems.length > 0) throw new ConfigError(path, problems);
  return policy;
}

function fromToml(content: string, path: string, host: Host, problems: Problem[]): HelperPolicy {
  const file = parseToml(content, path);
  const lineOf = tomlLines(content);
  const section = (values: unknown, name: string): Section => {
    if (values !== undefined && !isTable(values))
      problems.push({ line: lineOf(name), message: `${name}: expected a table` });
    return new Section(isTable(values) ? values : {}, name, lineOf, problems);
  };
  const sessions = section(file['session'], 'session');
  if (sessions.keys().length === 0 && problems.length === 0)
    problems.push({ line: undefined, message: 'session: missing; expected [session.NAME]' });
  const tables = isTable(file['session']) ? file['session'] : {};
  const read = sessions
    .keys()
    .map((name) => sessionPolicy(name, section(tables[name], `session.${name}`), host));
  for (const { name, key, message } of clashesAmong(read))
    sessions.problem(`${name}.${key}`, message);
  return { ...common(section(file['helper'], 'helper'), host), sessions: read };
}

function parseToml(content: string, path: string): Values {
  try {
    return parse(content);
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    throw new ConfigError(path, [notToml(content, cause.line, cause.message)]);
  }
}

const HELPER_KEYS = new Set(['socket', 'state_directory', 'user', 'group']);

function common(helper: Section, host: Host): Omit<HelperPolicy, 'sessions'> {
  for (const key of helper.keys())
    if (!HELPER_KEYS.has(key))
      helper.problem(key, `unknown; expected ${[...HELPER_KEYS].join(', ')}`);
  const places = PLACES[host.platform];
  return {
    socketPath: helper.optional('socket', A_PATH, absolutePath) ?? places.socket,
    stateDirectory: helper.optional('state_directory', A_PATH, absolutePath) ?? places.state,
    user: helper.optional('user', 'a user name', text) ?? 'ppp_thing',
    group: helper.optional('group', 'a group name', text) ?? 'ppp_thing',
  };
}

const NO_MAC = new Uint8Array(6);

function sessionPolicy(name: string, from: Section, host: Host): SessionPolicy {
  if (interfaceName(name) === undefined) from.problem('name', `expected ${AN_INTERFACE}`);
  const policy = from.optional(
    'policy',
    '"follow-carp", "pinned" or "manual"',
    word('follow-carp', 'pinned', 'manual'),
  );
  const carp = carpOf(from, policy ?? 'follow-carp', host);
  const stub = from.optional('stub', AN_INTERFACE, interfaceName);
  const localAddress = from.optional('local_address', AN_ADDRESS, ipv4);
  const partnerAddress = from.optional('partner_address', AN_ADDRESS, ipv4);
  const demotionFile = from.optional('demotion_file', A_PATH, absolutePath);
  const fast = from.optional(
    'fast_takeover_ms',
    'a whole number from 100 to 2500',
    whole(100, 2500),
  );
  const metric = from.optional('metric', A_METRIC, whole(0, 0xffff_ffff));
  const pcp = from.optional('pcp', 'a whole number from 0 to 7', whole(0, 7));
  if (demotionFile !== undefined && host.platform !== 'linux')
    from.problem('demotion_file', 'is for Linux; carp(4) is demoted by the key demotion');
  const partnerAddress6 = from.optional('partner_address6', A_GATEWAY6, gateway6);
  const lans = lansOf(name, stub, from);
  const delegation = delegationOf(from);
  const textOf = (key: string): string | undefined => from.quiet(key, text);
  for (const { key, message } of clashes(name, textOf)) from.problem(key, message);
  return {
    name,
    interface: from.required('interface', AN_INTERFACE, interfaceName) ?? '',
    mac: from.required('mac', A_MAC, mac) ?? NO_MAC,
    policy: policy ?? 'follow-carp',
    ...(carp === undefined ? {} : { carp }),
    ...(localAddress === undefined ? {} : { localAddress }),
    ...(partnerAddress === undefined ? {} : { partnerAddress }),
    ...(partnerAddress6 === undefined ? {} : { partnerAddress6 }),
    ...(delegation === undefined ? {} : { delegation }),
    ...(lans.length === 0 ? {} : { lans }),
    ...(stub === undefined ? {} : { stub }),
    mtu: from.optional('mtu', 'a whole number from 64 to 9000', whole(64, 9000)) ?? 1492,
    defaultRoute: from.optional('default_route', 'true or false', truth) ?? true,
    fib: from.optional('fib', 'a whole number from 0 to 65535', whole(0, 0xffff)) ?? 0,
    ...(metric === undefined ? {} : { metric }),
    // On FreeBSD a VLAN has one priority for all that it sends, and ifconfig(8) sets it.
    ...(pcp === undefined || host.platform !== 'linux' ? {} : { pcp }),
    ...(demotionFile === undefined ? {} : { demotionFile }),
    ...(fast === undefined ? {} : { mayClaim: true }),
    demotion: from.optional('demotion', 'a whole number from 1 to 65535', whole(1, 0xffff)) ?? 240,
  };
}

/** The keys that limit the supervisor's requests: it may set nothing beyond them. */
function delegationOf(from: Section): DelegationPolicy | undefined {
  const flag = (key: string): boolean => from.optional(key, 'true or false', truth) ?? false;
  const within = from.optional('delegated_within', A_PREFIX, (value) =>
    typeof value === 'string' ? parsePrefix(value) : undefined,
  );
  const hasPrefixes = flag('prefix_delegation');
  const address = from.optional('wan_address', 'a word', text) === 'dhcp';
  if (!flag('ipv6') || !(hasPrefixes || address)) return undefined;
  return { prefixes: hasPrefixes ? { ...(within && { within }) } : null, address };
}

function lansOf(name: string, stub: string | undefined, from: Section): LanPolicy[] {
  const lans = from.section('lan');
  return lans.keys().map((lan) => {
    const table = lans.section(lan);
    if (interfaceName(lan) === undefined) lans.problem(lan, `expected ${AN_INTERFACE}`);
    const clash = lanClash(lan, name, stub);
    if (clash !== undefined) lans.problem(lan, clash);
    return {
      interface: lan,
      subnet: table.required('subnet', 'a whole number from 0 to 65535', whole(0, 0xffff)) ?? 0,
      host:
        table.optional('host', 'the last 64 bits of an address, such as ::1', hostPart) ?? LAN_HOST,
    };
  });
}

const LAN_HOST = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1);

/** The source of the role. Only `follow-carp` needs it; under the other modes it only shows the role. */
function carpOf(from: Section, policy: SessionPolicy['policy'], host: Host): SessionPolicy['carp'] {
  const vhid = from.optional('carp_vhid', 'a whole number from 1 to 255', whole(1, 255));
  const address = from.optional('carp_address', AN_ADDRESS, ipv4);
  const named = from.optional('carp_interface', AN_INTERFACE, interfaceName);
  const wanted = policy === 'follow-carp';
  if (!from.has('carp_vhid') && !from.has('carp_address')) {
    if (wanted) from.problem('carp_address', 'missing; expected carp_address or carp_vhid');
    return undefined;
  }
  const hasAddress = from.has('carp_address');
  if (!hasAddress && host.platform === 'linux')
    from.problem(
      'carp_address',
      'missing; on Linux the role is read from this address, not from carp_vhid',
    );
  if (!hasAddress && !from.has('carp_interface'))
    from.problem('carp_interface', 'missing; expected the interface of carp_vhid');
  return {
    ...(named === undefined ? {} : { interface: named }),
    ...(vhid === undefined ? {} : { vhid }),
    ...(address === undefined ? {} : { address }),
  };
}

/** The original's file as one session, `pppoe0` with the stub `pppoe0x`. */
function fromEightLines(content: string, host: Host, problems: Problem[]): HelperPolicy {
  const { values, lineOf } = eightLines(content);
  const session = new Section(values, 'session.pppoe0', lineOf, problems);
  for (const key of ['mtu', 'local_address', 'partner_address'] as const)
    if (!session.has(key)) session.problem(key, 'missing; the file has eight lines');
  const helper = new Section({}, 'helper', lineOf, problems);
  return { ...common(helper, host), sessions: [sessionPolicy('pppoe0', session, host)] };
}
