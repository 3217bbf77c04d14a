/**
 * Parses the configuration file: TOML, or the original's eight lines, recognised by their form. It reports every error
 * at once, with its line. It also checks the keys that only the helper uses, so that one report is complete. It applies
 * nothing.
 */
import { networkInterfaces } from 'node:os';
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
  DEFAULT_PORT,
  MAX_CREDENTIAL,
  HELPER_KEYS,
  hostUniqOf,
  HOOK_KEYS,
  LAN_KEYS,
  LEGACY_PORT,
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

interface PartnerSettings {
  readonly protocol: 'ppp-thing' | 'ppp_thing';
  readonly localAddress: string;
  readonly address: string;
  readonly port: number;
  /** Port at the partner's end. */
  readonly partnerPort: number;
  /** The numbers of this router and of the partner. */
  readonly routerId: number;
  readonly partnerId: number;
  /** A file of lines `<id> <hex>`; undefined turns the channel off. */
  readonly keyFile: string | undefined;
  /** The key that authenticates our datagrams; by default the first of the file. */
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
  /** The Ethernet interface of the line. The helper uses it; the supervisor only shows it. */
  readonly interface: string;
  /** The session's MAC as text: `02:00:5e:10:53:01`. */
  readonly mac: string;
  readonly stub: string | undefined;
  /** The 802.1p priority of what we send. The helper uses it, or on FreeBSD the administrator. */
  readonly pcp: number | undefined;
  /** File of the password, if the configuration itself does not have it. */
  readonly passwordFile: string | undefined;
  /** Where the helper reads the role. The supervisor only shows it. */
  readonly carp: {
    readonly interface: string | undefined;
    readonly vhid: number | undefined;
    readonly address: string | undefined;
    readonly demotionFile: string | undefined;
  };
  /** Where the helper sets the default route; undefined if it sets none. */
  readonly route: { readonly fib: number; readonly metric: number | undefined } | undefined;
  /** Values that must be the same on both routers, as text by key; without the password. */
  readonly shared: Readonly<Record<string, string>>;
  /** The interfaces that get a /64 of the delegated prefix. The helper uses them; the supervisor only shows them. */
  readonly lans: ReadonlyMap<string, LanTable>;
  /** Undefined without `ipv6`. */
  readonly ipv6:
    { readonly delegation: boolean; readonly wan: SessionTable['wan_address'] } | undefined;
}

/** Read and check the file. Throws ConfigError with every problem, and UnreadableError. */
export function readConfig(file: string): Config {
  return parseConfig(readText(file), file, readText, ownAddresses());
}

/** An IPv4 address of this router, and its interface. */
interface OwnAddress {
  readonly interface: string;
  readonly address: string;
}

/**
 * Addresses that the AC must not assign to us: those in networks of this router. Host addresses are not among them,
 * because the public one may still be on another program's interface.
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
 * @param addresses the addresses of this router's interfaces
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
    for (const each of lans.keys()) {
      const clash = lanClash(each, name, checked.stub ?? undefined);
      if (clash !== undefined) fail(`lan.${each}`, clash);
    }
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
  const lines = sessions.map((each) => ({
    name: each.engine.name,
    interface: each.interface,
    mac: each.engine.link.ourMac,
    stub: each.stub,
  }));
  for (const { name, key, message } of clashesAmong(lines)) report(`session.${name}`, key, message);
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
    // The helper admits one user, so the supervisor uses the same by default.
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
    throw new ConfigError(file, [notToml(text, cause.line, cause.message)]);
  }
}

/** The original's file has one session, and its partner speaks the original's protocol. */
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
  const routerId = table.router_id ?? addressNumber(local);
  const partnerId = table.partner_id ?? addressNumber(address);
  if (local === address && port === partnerPort) {
    report('partner', 'address', 'is this router itself');
  } else if (routerId === partnerId) {
    report('partner', 'partner_id', `${partnerId} is this router’s own number, its router_id`);
  }
  return {
    protocol: legacy ? 'ppp_thing' : protocol,
    localAddress: local,
    address,
    port,
    partnerPort,
    routerId,
    partnerId,
    keyFile: table.key_file ?? undefined,
    activeKey: table.active_key ?? undefined,
  };
}

/** @param table undefined if it had a mistake, which has been reported */
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
    // ppp_thing negotiates no Magic-Number, so it could not continue a session that has one.
    magicNumber: partner?.protocol !== 'ppp_thing',
    // The original sends at each Echo-Reply, about every 6 s; allow three lost ones.
    leastTimeout: partner?.protocol === 'ppp_thing' ? 20 : 0,
  };
}

const METHODS = { pap: 'PAP', 'chap-md5': 'CHAP-MD5', 'ms-chap-v2': 'MS-CHAPv2' } as const;

/** LANs by interface. A table with a mistake has been reported, and is left out. */
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

/**
 * What the DHCPv6 client requests; undefined for nothing. The DUID derives from the session's MAC, so it is the same on
 * both routers.
 */
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
  for (const { key, message } of clashes(name, (each) => table[each] ?? undefined))
    fail(key, message);
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
      routesViaPartner: table.partner_address !== null || table.partner_address6 !== null,
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
    pcp: table.pcp ?? undefined,
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
    ipv6: table.ipv6 ? { delegation: table.prefix_delegation, wan: table.wan_address } : undefined,
  };
}

/** One form for a MAC address, however it is written. */
const canonical = (key: string, value: unknown): unknown => {
  const address =
    /^(?:ac_)?mac$/.test(key) && typeof value === 'string' ? parseMac(value) : undefined;
  return address === undefined ? value : formatMac(address);
};

/** Keys that may differ between the routers, and secrets. */
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

/**
 * Keys that the previous release does not know. They are compared only if not at their default, or that release would
 * report a difference.
 */
const RECENT: readonly (keyof SessionTable)[] = [
  'ipv4',
  'prefix_delegation',
  'prefix_hint',
  'delegated_within',
  'wan_address',
  'duid',
  'iaid',
];

/**
 * Longest silence in seconds before a session is given up. An AC that returns later has dropped the session long
 * before.
 */
const MAX_SILENCE = 120;

/** Sessions that may each send many datagrams a second, at most. */
const MOST_FAST = 15;

/** Whether the partner's death can be detected sooner than by CARP. `doctor` checks the paths themselves. */
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

/** Checks that need more than one key. */
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
