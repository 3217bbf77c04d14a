/**
 * The configuration file as the supervisor reads it: TOML, or the original's eight lines, told apart by looking. Every
 * error is reported at once, with its line. The helper reads the same file for its own keys; those are checked here too,
 * so that one error report is the whole report.
 */
import { networkInterfaces } from 'node:os';
import { parse, TomlError } from 'smol-toml';
import {
  ConfigError,
  eightLines,
  isEightLines,
  tomlLines,
  type LineOf,
  type Problem,
} from '@ppp-thing/protocol/config-text';
import { fromHex } from '@ppp-thing/protocol/bytes';
import type {
  Dhcp6Config,
  OwnershipConfig,
  SessionConfig,
} from '@ppp-thing/protocol/engine/session-config';
import { Secret } from '@ppp-thing/protocol/engine/hashes';
import { millis, seconds } from '@ppp-thing/protocol/time';
import { formatMac, parseMac } from '@ppp-thing/protocol/wire/ethernet';
import type { AuthMethod } from '@ppp-thing/protocol/wire/lcp';
import { parsePrefix } from '@ppp-thing/protocol/wire/ipv6';
import { utf8 } from '@ppp-thing/protocol/printable';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import {
  checkTable,
  MAX_CREDENTIAL,
  HELPER_KEYS,
  hostUniqOf,
  HOOK_KEYS,
  LAN_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
  type HookTable,
  type LanTable,
  type PartnerTable,
  type SessionTable,
} from './config-schema.ts';
import { readText, UnreadableError } from './errors.ts';
import { HOOKS, type HookSettings } from './hooks.ts';
import type { LogLevel } from './log.ts';
import { places } from './places.ts';

export interface PartnerSettings {
  readonly protocol: 'ppp-thing' | 'ppp_thing';
  readonly localAddress: string;
  readonly address: string;
  readonly port: number;
  /** At the other end. */
  readonly partnerPort: number;
  /** This router's number, and the partner's. */
  readonly routerId: number;
  readonly partnerId: number;
  /** Lines of `<id> <hex>`; undefined leaves the channel off. */
  readonly keyFile: string | undefined;
  /** Which key authenticates what is sent; the first of the file unless given. */
  readonly activeKey: number | undefined;
}

export interface Config {
  readonly file: string;
  readonly helperSocket: string;
  readonly stateDirectory: string;
  readonly runDirectory: string;
  readonly user: string;
  readonly group: string;
  readonly logLevel: LogLevel;
  readonly partner: PartnerSettings | undefined;
  readonly hooks: HookSettings;
  readonly sessions: readonly SessionSettings[];
}

export interface SessionSettings {
  readonly engine: SessionConfig;
  /** The Ethernet interface of the line: the helper's business, shown by us. */
  readonly interface: string;
  /** The session's MAC as text: `02:00:5e:10:53:01`. */
  readonly mac: string;
  readonly stub: string | undefined;
  /** Where the password stands, if not in the configuration itself. */
  readonly passwordFile: string | undefined;
  /** Where the helper reads the role; shown by us. */
  readonly carp: {
    readonly interface: string | undefined;
    readonly vhid: number | undefined;
    readonly address: string | undefined;
    readonly demotionFile: string | undefined;
  };
  /** Where the helper sets the default route; undefined where it sets none. */
  readonly route: { readonly fib: number; readonly metric: number | undefined } | undefined;
  /** What must be alike on both routers, as text by key; the password is not in it. */
  readonly shared: Readonly<Record<string, string>>;
  /** The interfaces that have a /64 of the delegated prefix: the helper's business, shown by us. */
  readonly lans: ReadonlyMap<string, LanTable>;
}

/**
 * Port of the partner channel. No service is registered for it (IANA's user ports 8809 … 8872), and it is easy to keep
 * in mind: 0x8863 is the EtherType of PPPoE discovery.
 */
export const DEFAULT_PORT = 8863;
const LEGACY_PORT = 75;

/** Read and check the file. Throws ConfigError with every problem, and UnreadableError. */
export function readConfig(file: string): Config {
  return parseConfig(readText(file), file, readText, ownAddresses());
}

/** An IPv4 address of this router's, and where it is. */
interface OwnAddress {
  readonly interface: string;
  readonly address: string;
}

/**
 * What the AC may not give away: addresses of networks that this router is in. Host addresses are none of those: the
 * public one may still be on another program's interface.
 */
function ownAddresses(): OwnAddress[] {
  return Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
    addresses.flatMap(({ family, internal, netmask, address }) =>
      family === 'IPv4' && !internal && netmask !== '255.255.255.255'
        ? [{ interface: name, address }]
        : [],
    ),
  );
}

/**
 * @param readSecret reads a password_file; throws UnreadableError
 * @param addresses of this router's interfaces
 */
export function parseConfig(
  text: string,
  file: string,
  readSecret: (path: string) => string,
  addresses: readonly OwnAddress[] = [],
): Config {
  const problems: Problem[] = [];
  const legacy = isEightLines(text);
  const { values, lineOf } = legacy ? legacyTables(text) : tomlTables(text, file);
  const report = (table: string, key: string, message: string): void => {
    const path = key === '' ? table : `${table}.${key}`;
    problems.push({ line: lineOf(path) ?? lineOf(table), message: `${path}: ${message}` });
  };
  const table = (name: string): Record<string, unknown> => {
    const value = values[name] ?? {};
    if (isTable(value)) return value;
    report(name, '', 'expected a table');
    return {};
  };
  for (const name of Object.keys(values)) {
    if (!TABLES.includes(name)) {
      const expected = '[helper], [supervisor], [partner], [hooks] or [session.NAME]';
      report(name, '', `unknown; expected ${expected}`);
    }
  }
  const { run, state, helperSocket } = places();
  const helper = checkTable(HELPER_KEYS, 'helper', table('helper'), report);
  const supervisor = checkTable(SUPERVISOR_KEYS, 'supervisor', table('supervisor'), report);
  const hooks = checkTable(HOOK_KEYS, 'hooks', table('hooks'), report);
  const partnerTable = checkTable(PARTNER_KEYS, 'partner', table('partner'), report);
  const sessionTables = Object.entries(table('session'));
  if (sessionTables.length === 0) report('session', '', 'missing; expected [session.NAME]');
  const runDirectory = supervisor?.run_directory ?? run;
  const partner = partnerTable && partnerSettings(partnerTable, legacy, report);
  const owner = ownership(partner);
  if (partner?.protocol === 'ppp_thing' && sessionTables.length > 1) {
    report('partner', 'protocol', 'its datagrams carry no name: expected one session only');
  }
  const sessions = sessionTables.flatMap(([name, value]) => {
    const at = `session.${name}`;
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name)) {
      report(at, '', 'expected an interface name of at most 15 characters');
    }
    if (!isTable(value)) report(at, '', 'expected a table');
    const { lan = {}, ...own } = isTable(value) ? value : {};
    const checked = checkTable(SESSION_KEYS, at, own, report);
    const lans = lanTables(lan, `${at}.lan`, report);
    const fail = (key: string, message: string): void => report(at, key, message);
    if (checked === undefined) return [];
    const elsewhere = addresses.filter(
      (each) => each.interface !== name && each.interface !== checked.stub,
    );
    const reserved = [
      ...[partner?.localAddress, partner?.address].flatMap((address) => address ?? []),
      ...elsewhere.map(({ address }) => address),
    ];
    if (partner?.protocol === 'ppp_thing' && !checked.ipv4)
      fail('ipv4', 'false: a ppp_thing partner knows no session without IPv4');
    if (checked.fast_takeover_ms !== null) checkFast(checked, partner, sessionTables.length, fail);
    return [session(name, checked, lans, { ...owner, reserved }, readSecret, fail)];
  });
  if (problems.length > 0) {
    throw new ConfigError(
      file,
      problems.sort((a, b) => (a.line ?? 0) - (b.line ?? 0)),
    );
  }
  return {
    file,
    helperSocket: helper?.socket ?? helperSocket,
    stateDirectory: supervisor?.state_directory ?? state,
    runDirectory,
    // The helper admits one user: the supervisor becomes that one, unless it is told otherwise.
    user: supervisor?.user ?? helper?.user ?? 'ppp_thing',
    group: supervisor?.group ?? helper?.group ?? 'ppp_thing',
    logLevel: supervisor?.log_level ?? 'info',
    partner,
    hooks: hookSettings(hooks),
    sessions,
  };
}

const TABLES: readonly string[] = ['helper', 'supervisor', 'partner', 'hooks', 'session'];

type Report = (table: string, key: string, message: string) => void;

interface Tables {
  readonly values: Readonly<Record<string, unknown>>;
  readonly lineOf: LineOf;
}

function tomlTables(text: string, file: string): Tables {
  try {
    return { values: parse(text), lineOf: tomlLines(text) };
  } catch (cause) {
    if (!(cause instanceof TomlError)) throw cause;
    // Its message ends with an excerpt of the file, which may hold a password.
    const message = cause.message.split('\n')[0] ?? 'not TOML';
    throw new ConfigError(file, [{ line: cause.line, message }]);
  }
}

/** The original's file is one session, and its partner speaks the original's datagrams. */
function legacyTables(text: string): Tables {
  const { values, lineOf } = eightLines(text);
  const partner = {
    protocol: 'ppp_thing',
    local_address: values['local_address'],
    address: values['partner_address'],
  };
  return {
    values: { session: { pppoe0: values }, partner },
    lineOf: (path) => lineOf(path === 'partner.address' ? '.partner_address' : path),
  };
}

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

function partnerSettings(
  table: PartnerTable,
  legacy: boolean,
  report: Report,
): PartnerSettings | undefined {
  const { protocol, local_address: local, address } = table;
  if (protocol === 'none') return undefined;
  if (local === null && address === null) return undefined;
  if (local === null || address === null) {
    const missing = local === null ? 'local_address' : 'address';
    report('partner', missing, 'missing; expected the address of this end and of the other');
    return undefined;
  }
  const port = table.port ?? (protocol === 'ppp_thing' ? LEGACY_PORT : DEFAULT_PORT);
  const partnerPort = table.partner_port ?? port;
  if (local === address && port === partnerPort) {
    report('partner', 'address', 'is this router itself');
  }
  const routerId = table.router_id ?? addressNumber(local);
  return {
    protocol: legacy ? 'ppp_thing' : protocol,
    localAddress: local,
    address,
    port,
    partnerPort,
    routerId,
    partnerId: table.partner_id ?? addressNumber(address),
    keyFile: table.key_file ?? undefined,
    activeKey: table.active_key ?? undefined,
  };
}

/** @param table undefined if it was wrong, which has been reported */
function hookSettings(table: HookTable | undefined): HookSettings {
  const programs = HOOKS.flatMap((name) => (table?.[name] ? [[name, table[name]] as const] : []));
  return {
    programs: Object.fromEntries(programs),
    limit: seconds(table?.timeout_seconds ?? HOOK_KEYS.timeout_seconds.default),
  };
}

const addressNumber = (text: string): number =>
  (parseIpv4(text) ?? new Uint8Array(4)).reduce((sum, octet) => sum * 256 + octet, 0);

function ownership(partner: PartnerSettings | undefined): Pick<
  OwnershipConfig,
  'routerId' | 'hasPartner'
> & {
  magicNumber: boolean;
  leastTimeout: number;
} {
  return {
    routerId: partner?.routerId ?? 1,
    hasPartner: partner !== undefined,
    // What ppp_thing negotiates and can carry on has no Magic-Number.
    magicNumber: partner?.protocol !== 'ppp_thing',
    // The original speaks at each Echo-Reply, about every 6 s: three of them may be lost.
    leastTimeout: partner?.protocol === 'ppp_thing' ? 20 : 0,
  };
}

const METHODS = { pap: 'PAP', 'chap-md5': 'CHAP-MD5', 'ms-chap-v2': 'MS-CHAPv2' } as const;

/** By interface. A table that is wrong has been reported, and is left out. */
function lanTables(value: unknown, at: string, report: Report): ReadonlyMap<string, LanTable> {
  const lans = new Map<string, LanTable>();
  if (!isTable(value)) report(at, '', 'expected a table [session.NAME.lan.IFNAME]');
  for (const [name, table] of Object.entries(isTable(value) ? value : {})) {
    const path = `${at}.${name}`;
    if (!/^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(name))
      report(path, '', 'expected an interface name of at most 15 characters');
    if (!isTable(table)) report(path, '', 'expected a table');
    const checked = checkTable(LAN_KEYS, path, isTable(table) ? table : {}, report);
    if (checked === undefined) continue;
    const other = [...lans].find(([, { subnet }]) => subnet === checked.subnet)?.[0];
    if (other !== undefined) report(path, 'subnet', `${checked.subnet} is that of ${other} too`);
    lans.set(name, checked);
  }
  return lans;
}

/** What DHCPv6 is asked for; undefined for nothing. Made from the session's MAC, it is the same on both routers. */
function dhcp6(table: SessionTable): Dhcp6Config | undefined {
  const { ipv6, prefix_delegation: prefix, wan_address: wan, prefix_hint: text } = table;
  const address = wan === 'dhcp';
  if (!ipv6 || !(prefix || address)) return undefined;
  const mac = parseMac(table.mac) ?? new Uint8Array(6);
  const iaid = mac.subarray(2).reduce((sum, octet) => sum * 256 + octet, 0);
  const hint = text === null ? undefined : parsePrefix(text);
  return {
    // DUID-LL of Ethernet (RFC 9915 §11.4).
    duid:
      (table.duid === null ? undefined : fromHex(table.duid)) ?? Uint8Array.of(0, 3, 0, 1, ...mac),
    iaid: table.iaid ?? iaid,
    prefix,
    address,
    ...(hint && { hint }),
  };
}

function session(
  name: string,
  table: SessionTable,
  lans: ReadonlyMap<string, LanTable>,
  owner: ReturnType<typeof ownership> & { readonly reserved: readonly string[] },
  readSecret: (path: string) => string,
  fail: (key: string, message: string) => void,
): SessionSettings {
  checkTogether(table, fail);
  const auth = table.auth.map((word): Exclude<AuthMethod, 'unknown'> => METHODS[word]);
  const { ac_name: acName, ac_mac: acMac, host_uniq: uniq, peer_address: peer } = table;
  const asked = dhcp6(table);
  const engine: SessionConfig = {
    name,
    link: {
      ourMac: parseMac(table.mac) ?? new Uint8Array(6),
      user: table.user,
      password: password(table, readSecret, fail),
      auth,
      serviceName: table.service_name,
      ...(acName === null ? {} : { acName }),
      ...(acMac === null ? {} : { acMac: parseMac(acMac) ?? new Uint8Array(6) }),
      mtu: table.mtu,
      magicNumber: table.magic_number && owner.magicNumber,
      dns: table.dns,
      reserved: [
        ...owner.reserved,
        table.carp_address,
        table.local_address,
        table.partner_address,
      ].flatMap((address) => (address === null ? [] : (parseIpv4(address) ?? []))),
      ...(peer === null ? {} : { peerAddress: parseIpv4(peer) ?? new Uint8Array(4) }),
      ...(uniq === null ? {} : { hostUniq: hostUniqOf(uniq) }),
      longestRedial: seconds(table.longest_redial_seconds),
      ipv4: table.ipv4,
      ipv6: table.ipv6,
      echo: {
        interval: millis(table.echo_interval_seconds * 1000),
        failures: table.echo_failures,
        probeInterval: millis(table.probe_interval_seconds * 1000),
        probeFailures: table.probe_failures,
      },
    },
    owner: {
      policy: table.policy,
      routerId: owner.routerId,
      hasPartner: owner.hasPartner,
      holdDown: seconds(table.hold_down_seconds),
      partnerTimeout: seconds(Math.max(table.partner_timeout_seconds, owner.leastTimeout)),
      downDemotion: seconds(table.down_demotion_seconds),
      ...(table.fast_takeover_ms === null ? {} : { fastTakeover: millis(table.fast_takeover_ms) }),
    },
    ...(asked && { dhcp6: asked }),
  };
  const subnets = [...lans].map(([, { subnet }]) => subnet).sort((a, b) => a - b);
  const isAbsent = (key: keyof SessionTable): boolean =>
    OWN.includes(key) || (RECENT.includes(key) && table[key] === SESSION_KEYS[key].default);
  const shared = Object.entries(table)
    .filter(([key]) => !isAbsent(key as keyof SessionTable))
    .map(([key, value]) => [key, JSON.stringify(canonical(key, value))] as const);
  return {
    engine,
    interface: table.interface,
    mac: formatMac(engine.link.ourMac),
    stub: table.stub ?? undefined,
    passwordFile: table.password_file ?? undefined,
    carp: {
      interface: table.carp_interface ?? undefined,
      vhid: table.carp_vhid ?? undefined,
      address: table.carp_address ?? undefined,
      demotionFile: table.demotion_file ?? undefined,
    },
    route: table.default_route ? { fib: table.fib, metric: table.metric ?? undefined } : undefined,
    shared: {
      ...Object.fromEntries(shared),
      ...(subnets.length === 0 ? {} : { lan: JSON.stringify(subnets) }),
    },
    lans,
  };
}

/** The same MAC address is the same, however it is written. */
const canonical = (key: string, value: unknown): unknown => {
  const address =
    /^(?:ac_)?mac$/.test(key) && typeof value === 'string' ? parseMac(value) : undefined;
  return address === undefined ? value : formatMac(address);
};

/** What each router has of its own, and where a secret comes from. */
const OWN: readonly (keyof SessionTable)[] = [
  'interface',
  'local_address',
  'partner_address',
  'partner_address6',
  'carp_interface',
  'demotion_file',
  'fib',
  'metric',
  'password',
  'password_file',
];

/** What the previous release does not know: not told where it has its default, or that release would call it a difference. */
const RECENT: readonly (keyof SessionTable)[] = [
  'ipv4',
  'prefix_delegation',
  'prefix_hint',
  'delegated_within',
  'wan_address',
  'duid',
  'iaid',
];

/** Seconds until a session that went silent is given up: an AC that came back would have let go of it long before. */
const MAX_SILENCE = 120;

/** Sessions of which each may tell its partner many times a second. */
const MOST_FAST = 15;

/** Whether the death of a partner can be found sooner than CARP does. `doctor` looks at the paths themselves. */
function checkFast(
  { policy }: SessionTable,
  partner: PartnerSettings | undefined,
  sessions: number,
  fail: (key: string, message: string) => void,
): void {
  const refuse = (why: string): void => fail('fast_takeover_ms', why);
  if (process.platform === 'linux')
    refuse('is for carp(4); on Linux keepalived is faster, see advert_int in docs/linux.md');
  if (policy !== 'follow-carp') refuse('needs policy "follow-carp"');
  if (partner?.protocol !== 'ppp-thing' || partner.keyFile === undefined)
    refuse('needs a partner with key_file: nothing else shows that it lives');
  if (sessions > MOST_FAST) refuse(`is for at most ${MOST_FAST} sessions, found ${sessions}`);
}

/** What no single key can show. */
function checkTogether(table: SessionTable, fail: (key: string, message: string) => void): void {
  const { policy, carp_address: address, carp_vhid: vhid } = table;
  if (policy === 'follow-carp' && address === null && vhid === null) {
    fail('carp_address', 'missing; expected carp_address or carp_vhid, or another policy');
  } else if (address === null && vhid !== null && process.platform === 'linux') {
    fail(
      'carp_address',
      'missing; on Linux the role is read from this address, not from carp_vhid',
    );
  }
  if (!table.ipv4 && !table.ipv6) fail('ipv4', 'false, and ipv6 too: expected one of them');
  if (table.pcp !== null && process.platform !== 'linux')
    fail('pcp', 'is for Linux; on FreeBSD see ifconfig(8), vlanpcp');
  const silence =
    table.echo_interval_seconds * table.echo_failures +
    table.probe_interval_seconds * table.probe_failures;
  if (silence > MAX_SILENCE) {
    const expected = `expected at most ${MAX_SILENCE} s of silence with the echo_ and probe_ keys`;
    fail('probe_failures', `${expected}, found ${silence} s`);
  }
}

function password(
  table: SessionTable,
  readSecret: (path: string) => string,
  fail: (key: string, message: string) => void,
): Secret {
  const { password: given, password_file: file } = table;
  if ((given === null) === (file === null)) {
    fail('password', 'expected exactly one of password and password_file');
  }
  if (given !== null) return new Secret(given);
  if (file === null) return new Secret('');
  try {
    const [line = ''] = readSecret(file).split(/\r?\n/, 1);
    if (line.startsWith('\ufeff')) fail('password_file', `${file} begins with a byte order mark`);
    if (utf8(line).length > MAX_CREDENTIAL)
      fail('password_file', `expected a first line of at most ${MAX_CREDENTIAL} octets in ${file}`);
    return new Secret(line);
  } catch (cause) {
    if (!(cause instanceof UnreadableError)) throw cause;
    fail('password_file', cause.message);
    return new Secret('');
  }
}
