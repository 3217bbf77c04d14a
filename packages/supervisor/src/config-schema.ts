/**
 * Every key of the configuration file, with its default and its allowed values: the convict schema. A test compares the
 * reference in ppp_thing.conf(5) with it. It reads no file.
 */
import convict from 'convict';
import { isHost as isIpv4Host, isHost6 } from '@ppp-thing/protocol/addresses';
import { fromHex } from '@ppp-thing/protocol/bytes';
import { parseMac, isMulticast } from '@ppp-thing/protocol/wire/ethernet';
import { parseIpv6, parsePrefix } from '@ppp-thing/protocol/wire/ipv6';
import { DUID_OCTETS } from '@ppp-thing/protocol/wire/lease';
import { utf8 } from '@ppp-thing/protocol/printable';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { LOG_LEVELS } from './log.ts';
import { PLACES } from './places.ts';

type Check = (value: unknown) => void;

/** A check that throws the expected value; if `optional`, it accepts null, which means that the key is absent. */
const expect =
  (expected: string, isRight: (value: unknown) => boolean, optional = false): Check =>
  (value) => {
    if (optional && value === null) return;
    if (!isRight(value)) throw new Error(`expected ${expected}`);
  };

const isText = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isIpv4 = (value: unknown): boolean => isText(value) && parseIpv4(value) !== undefined;
const isPrefix = (value: unknown): boolean => isText(value) && parsePrefix(value) !== undefined;
const isDuid = (value: unknown): boolean => {
  const octets = isText(value) ? fromHex(value) : undefined;
  return (
    octets !== undefined && octets.length >= DUID_OCTETS.low && octets.length <= DUID_OCTETS.high
  );
};
/** A link-local address needs a zone: the name of its interface. */
const isGateway6 = (value: unknown): boolean => {
  if (!isText(value)) return false;
  const [address = '', zone] = value.split('%');
  const octets = parseIpv6(address);
  const isLocal = /^fe[89ab]/i.test(address);
  return (
    octets !== undefined && isHost6(octets) && (isLocal ? isInterface(zone) : zone === undefined)
  );
};
/** `::1`: a host part, in which only the last 64 bits are set. */
const isHost = (value: unknown): boolean => {
  const address = isText(value) ? parseIpv6(value) : undefined;
  return (
    address !== undefined &&
    address.subarray(0, 8).every((octet) => octet === 0) &&
    address.subarray(8).some((octet) => octet !== 0)
  );
};
const isPath = (value: unknown): boolean => isText(value) && /^\/[^\0]*$/u.test(value);
const isInterface = (value: unknown): boolean =>
  isText(value) && /^[A-Za-z][A-Za-z0-9_.-]{0,14}$/.test(value);
const isUnicastMac = (value: unknown): boolean => {
  const mac = isText(value) ? parseMac(value) : undefined;
  return mac !== undefined && !isMulticast(mac) && mac.some((octet) => octet !== 0);
};
const isWhole = (low: number, high: number) => (value: unknown) =>
  typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high;
const isNumber = (low: number, high: number) => (value: unknown) =>
  typeof value === 'number' && value >= low && value <= high;

/** Longest credential that PAP's length fields, and a hash, allow (RFC 1334 §2.2.1). */
export const MAX_CREDENTIAL = 255;
/** Octets, so that a PADI leaves room for a relay's tag (RFC 2516 §5.1). */
const MAX_SERVICE = 1024;
const fits = (value: unknown): boolean =>
  typeof value === 'string' && utf8(value).length <= MAX_CREDENTIAL;
const hostUniq = expect(
  'text or an even number of hexadecimal digits, at most 128 octets',
  (value) => isText(value) && hostUniqOf(value).length <= 128,
  true,
);

/** Octets from an even number of hexadecimal digits, with or without 0x, as in pppd(8); otherwise the text in UTF-8. */
export function hostUniqOf(text: string): Uint8Array {
  const digits = /^(?:0x)?((?:[0-9a-f]{2})+)$/i.exec(text)?.[1];
  return (digits === undefined ? undefined : fromHex(digits)) ?? utf8(text);
}

const text = (what: string): Check => expect(what, isText, true);
const path = expect('an absolute path', isPath, true);
const interfaceName = expect('an interface name of at most 15 characters', isInterface, true);
const ipv4 = expect('an IPv4 address such as 192.168.7.1', isIpv4, true);
/** Of a router: a host's, or the loopback of a pair for trying. */
const router4 = expect(
  'the IPv4 address of a router such as 10.0.0.1',
  (value) => {
    const octets = isText(value) ? parseIpv4(value) : undefined;
    return octets !== undefined && (isIpv4Host(octets) || octets[0] === 127);
  },
  true,
);
const mac = expect('a unicast MAC address such as 02:00:5e:10:53:01', isUnicastMac, true);
const truth = expect('true or false', (value) => typeof value === 'boolean');
const whole = (low: number, high: number, optional = false): Check =>
  expect(`a whole number from ${low} to ${high}`, isWhole(low, high), optional);
const span = (low: number, high: number): Check =>
  expect(`seconds from ${low} to ${high}`, isNumber(low, high));
const word = (...words: readonly string[]): Check =>
  expect(words.map((each) => `"${each}"`).join(', '), (value) =>
    words.some((each) => each === value),
  );
const AUTH_WORDS = ['pap', 'chap-md5', 'ms-chap-v2'] as const;
const auth = expect(
  `a list of ${AUTH_WORDS.map((each) => `"${each}"`).join(', ')}`,
  (value) =>
    Array.isArray(value) &&
    value.length > 0 &&
    value.every((each) => AUTH_WORDS.some((known) => known === each)),
);

/** The same check, for a key without a default. */
const required =
  (check: Check): Check =>
  (value) => {
    try {
      check(value ?? undefined);
    } catch (error) {
      if (value !== null || !(error instanceof Error)) throw error;
      throw new Error(`missing; ${error.message}`, { cause: error });
    }
  };

/**
 * Port of the partner channel. IANA has assigned it to no service (user ports 8809 … 8872), and it is easy to remember:
 * 0x8863 is the EtherType of PPPoE discovery.
 */
export const DEFAULT_PORT = 8863;
/** That of the original. */
export const LEGACY_PORT = 75;

const defaultPath = (place: 'helperSocket' | 'state' | 'run'): string =>
  `Default: ${PLACES.freebsd[place]}, on Linux ${PLACES.linux[place]}.`;

export const HELPER_KEYS = {
  socket: {
    format: path,
    default: null as string | null,
    doc: `The Unix socket that the helper listens on. ${defaultPath('helperSocket')}`,
  },
  state_directory: {
    format: path,
    default: null as string | null,
    doc: 'The directory in which a previous release of the helper kept its records. The helper reads them once and keeps its own beside its socket.',
  },
  user: {
    format: text('a user name'),
    default: 'ppp_thing',
    doc: 'The user that may connect to the helper.',
  },
  group: {
    format: text('a group name'),
    default: 'ppp_thing',
    doc: "The group of the helper's socket.",
  },
};

export const SUPERVISOR_KEYS = {
  state_directory: {
    format: path,
    default: null as string | null,
    doc: `The directory that snapshots are stored in. ${defaultPath('state')}`,
  },
  run_directory: {
    format: path,
    default: null as string | null,
    doc: `The directory that the status and control sockets are made in. ${defaultPath('run')}`,
  },
  user: {
    format: text('a user name'),
    default: null as string | null,
    doc: 'The user that the supervisor runs as when root starts it. Default: the user of [helper].',
  },
  group: {
    format: text('a group name'),
    default: null as string | null,
    doc: 'The group that the supervisor runs as. Default: the group of [helper].',
  },
  log_level: {
    format: word(...LOG_LEVELS),
    default: 'info' as (typeof LOG_LEVELS)[number],
    doc: 'The lowest level of messages that are logged: error, warn, info, debug or trace.',
  },
};

export const PARTNER_KEYS = {
  protocol: {
    format: word('ppp-thing', 'ppp_thing', 'none'),
    default: 'ppp-thing' as 'ppp-thing' | 'ppp_thing' | 'none',
    doc: 'The protocol between the routers. "ppp_thing" is that of the original program; "none": there is no partner.',
  },
  local_address: {
    format: router4,
    default: null as string | null,
    doc: "This router's address on the partner channel.",
  },
  address: {
    format: router4,
    default: null as string | null,
    doc: "The partner's address on the partner channel.",
  },
  port: {
    format: whole(1, 65535, true),
    default: null as number | null,
    doc: `The UDP port of this router. Default: ${DEFAULT_PORT}, or ${LEGACY_PORT} for ppp_thing.`,
  },
  partner_port: {
    format: whole(1, 65535, true),
    default: null as number | null,
    doc: 'The UDP port of the partner. Default: the value of port.',
  },
  key_file: {
    format: path,
    default: null as string | null,
    doc: 'The file of shared keys. Each line: a number, a space, 64 to 128 hexadecimal digits. Without this file the partner channel is off.',
  },
  active_key: {
    format: whole(0, 255, true),
    default: null as number | null,
    doc: 'The number of the key that authenticates outgoing datagrams. Default: the first key of the file.',
  },
  router_id: {
    format: whole(1, 0xffff_ffff, true),
    default: null as number | null,
    doc: "This router's number in the pair. Default: its local_address as a number.",
  },
  partner_id: {
    format: whole(1, 0xffff_ffff, true),
    default: null as number | null,
    doc: "The partner's number in the pair. Default: its address as a number.",
  },
};

export const HOOK_KEYS = {
  'session-up': {
    format: path,
    default: null as string | null,
    doc: 'Run when the session comes up on this router: after a dial or a takeover.',
  },
  'session-down': {
    format: path,
    default: null as string | null,
    doc: 'Run when the session is no longer up on this router: it has ended, or the partner holds it.',
  },
  master: {
    format: path,
    default: null as string | null,
    doc: 'Run when this router becomes MASTER, and at start-up if it is MASTER.',
  },
  backup: {
    format: path,
    default: null as string | null,
    doc: 'Run when this router stops being MASTER, and at start-up if it is not MASTER.',
  },
  'prefix-up': {
    format: path,
    default: null as string | null,
    doc: 'Run on both routers when a delegated prefix appears or changes.',
  },
  'prefix-down': {
    format: path,
    default: null as string | null,
    doc: 'Run on both routers when the delegated prefix is gone.',
  },
  timeout_seconds: {
    format: span(1, 300),
    default: 30,
    doc: 'A program that runs longer than this receives SIGTERM, and SIGKILL after the same time again.',
  },
};

export const SESSION_KEYS = {
  interface: {
    format: required(interfaceName),
    default: null as unknown as string,
    doc: 'The Ethernet interface that the line is connected to.',
  },
  mac: {
    format: required(mac),
    default: null as unknown as string,
    doc: 'The MAC address that both routers use for the session. Use a locally administered one.',
  },
  user: {
    format: required(
      expect('a user name of at most 255 octets', (value) => isText(value) && fits(value), true),
    ),
    default: null as unknown as string,
    doc: 'The user name that the ISP has given you.',
  },
  password: {
    format: expect('a password in quotes, of at most 255 octets', fits, true),
    default: null as string | null,
    sensitive: true,
    doc: 'The password that the ISP has given you. "" is the empty password. Required, unless password_file is set.',
  },
  password_file: {
    format: path,
    default: null as string | null,
    doc: 'A file whose first line is the password, as an alternative to password. Blanks in the line are part of the password; the line end is not.',
  },
  auth: {
    format: auth,
    default: ['ms-chap-v2', 'chap-md5'] as (typeof AUTH_WORDS)[number][],
    doc: 'The authentication protocols that the AC may use, best first. PAP sends the password in clear text, so it is used only if you list it.',
  },
  policy: {
    format: word('follow-carp', 'pinned', 'manual'),
    default: 'follow-carp' as 'follow-carp' | 'pinned' | 'manual',
    doc: 'What decides which router holds the session: "follow-carp": the CARP or VRRP role; "pinned": this router always; "manual": only the operator.',
  },
  carp_interface: {
    format: interfaceName,
    default: null as string | null,
    doc: 'The interface that the CARP or VRRP role is read from. Default: the interface that has carp_address when the helper starts; on Linux any interface. Required if only carp_vhid is set.',
  },
  carp_vhid: {
    format: whole(1, 255, true),
    default: null as number | null,
    doc: 'FreeBSD: the vhid whose role this session follows. Required with "follow-carp", unless carp_address is set.',
  },
  carp_address: {
    format: ipv4,
    default: null as string | null,
    doc: 'The virtual address. Required on Linux with "follow-carp". There the router is MASTER while carp_interface has this address.',
  },
  local_address: {
    format: ipv4,
    default: null as string | null,
    doc: "This router's own address, for the session's interface if stub is set.",
  },
  partner_address: {
    format: ipv4,
    default: null as string | null,
    doc: 'The gateway of the default route while the partner holds the session.',
  },
  stub: {
    format: interfaceName,
    default: null as string | null,
    doc: 'The interface that gets the public address, for NAT.',
  },
  mtu: {
    format: whole(576, 9000),
    default: 1492,
    doc: 'The largest packet, in octets. For more than 1492 the client asks for PPP-Max-Payload (RFC 4638).',
  },
  default_route: {
    format: truth,
    default: true,
    doc: 'Whether the helper sets the default route, into the session and, on the standby, via partner_address.',
  },
  fib: {
    format: whole(0, 65535),
    default: 0,
    doc: 'The routing table (FIB) that the default route is set in.',
  },
  metric: {
    format: whole(0, 0xffff_ffff, true),
    default: null as number | null,
    doc: 'Linux: the metric of the default routes. Different metrics let several lines share one table.',
  },
  pcp: {
    format: whole(0, 7, true),
    default: null as number | null,
    doc: 'The 802.1p priority of discovery and PPP control frames; the interface must be a VLAN. On FreeBSD `ifconfig … vlanpcp` sets it, for all frames of the VLAN, and doctor compares.',
  },
  demotion: {
    format: whole(1, 65535),
    default: 240,
    doc: 'FreeBSD: the value that is added to net.inet.carp.demotion while this router is demoted.',
  },
  demotion_file: {
    format: path,
    default: null as string | null,
    doc: 'Linux: the track_file of the VRRP daemon. It contains 1 while this router is demoted, else 0.',
  },
  service_name: {
    format: expect(
      `text of at most ${MAX_SERVICE} octets`,
      (value) => typeof value === 'string' && utf8(value).length <= MAX_SERVICE,
    ),
    default: '',
    doc: 'The Service-Name to ask for. Empty: any service.',
  },
  ac_name: {
    format: text('an AC-Name'),
    default: null as string | null,
    doc: 'The only AC-Name that is accepted.',
  },
  ac_mac: {
    format: mac,
    default: null as string | null,
    doc: 'The only MAC address of an AC that is accepted.',
  },
  host_uniq: {
    format: hostUniq,
    default: null as string | null,
    doc: 'The Host-Uniq of every dial, for ISPs that identify a line by it. An even number of hexadecimal digits gives octets; anything else is text. Default: random.',
  },
  peer_address: {
    format: ipv4,
    default: null as string | null,
    doc: "The peer's address on the session's interface, instead of the AC's own. It is only a label. An AC without a usable address appears as 10.64.64.64.",
  },
  magic_number: {
    format: truth,
    default: true,
    doc: 'Whether a Magic-Number is negotiated. With a ppp_thing partner it never is.',
  },
  dns: {
    format: truth,
    default: false,
    doc: 'Whether the client asks the AC for DNS servers (RFC 1877).',
  },
  ipv4: {
    format: truth,
    default: true,
    doc: 'Whether IPCP is negotiated (RFC 1332). With `ipv6`, an AC without IPv4 gives a session with IPv6 alone.',
  },
  ipv6: { format: truth, default: false, doc: 'Whether IPV6CP is negotiated (RFC 5072).' },
  prefix_delegation: {
    format: truth,
    default: false,
    doc: 'Whether the client asks for a prefix with DHCPv6 (docs/ipv6.md). Needs `ipv6`.',
  },
  prefix_hint: {
    format: expect('a prefix such as ::/56 or 2001:db8:ab00::/56', isPrefix, true),
    default: null as string | null,
    doc: 'The prefix to ask for. ::/56 asks for any prefix of that length.',
  },
  delegated_within: {
    format: expect('a prefix such as 2001:db8::/32', isPrefix, true),
    default: null as string | null,
    doc: "The helper accepts delegated prefixes within this one only. Set it to your ISP's block. Default: any global prefix of /48 or longer.",
  },
  wan_address: {
    format: word('none', 'slaac', 'dhcp'),
    default: 'none' as 'none' | 'slaac' | 'dhcp',
    doc: 'The source of a global IPv6 address on the session\'s interface: "none"; "slaac": the kernel, from router advertisements; "dhcp": DHCPv6.',
  },
  duid: {
    format: expect('6 to 260 hexadecimal digits', isDuid, true),
    default: null as string | null,
    doc: 'The client identifier (DUID) for the DHCPv6 server. It must be the same on both routers. Default: a DUID-LL of `mac`.',
  },
  iaid: {
    format: whole(0, 0xffff_ffff, true),
    default: null as number | null,
    doc: 'The identifier (IAID) of the requested prefix or address. It must be the same on both routers. Default: the last four octets of `mac`.',
  },
  partner_address6: {
    format: expect('an IPv6 address such as fd00::3 or fe80::3%igb1', isGateway6, true),
    default: null as string | null,
    doc: 'The gateway of the IPv6 default route while the partner holds the session.',
  },
  echo_interval_seconds: {
    format: expect(
      '0, or seconds from 1 to 300',
      (value) => value === 0 || isNumber(1, 300)(value),
    ),
    default: 5,
    doc: 'The time between LCP Echo-Requests while the AC answers them. 0: the client sends none, and the session counts as alive until the AC ends it.',
  },
  echo_failures: {
    format: whole(0, 100),
    default: 2,
    doc: 'The number of unanswered Echo-Requests after which probing begins. 0: as echo_interval_seconds = 0.',
  },
  probe_interval_seconds: {
    format: span(0.1, 60),
    default: 0.5,
    doc: 'The time between Echo-Requests while probing: after a takeover, or after echo_failures.',
  },
  probe_failures: {
    format: whole(1, 1000),
    default: 30,
    doc: 'The number of unanswered probes after which the client gives the session up and dials again.',
  },
  longest_redial_seconds: {
    format: span(10, 86_400),
    default: 300,
    doc: 'The longest wait between two dials. After repeated refusals it grows to four times this value: some ACs ban a line for 15 minutes, and each dial restarts the ban.',
  },
  hold_down_seconds: {
    format: span(0, 300),
    default: 5,
    doc: "At start-up: the longest wait for the partner's snapshot, or for the end of the partner's dial.",
  },
  partner_timeout_seconds: {
    format: span(2, 60),
    default: 3,
    doc: 'The time without a datagram after which the partner counts as gone. At least 20 with a ppp_thing partner, which sends less often.',
  },
  down_demotion_seconds: {
    format: span(1, 3600),
    default: 10,
    doc: 'If the session is down this long and the partner is healthy, this router demotes itself so that the partner takes over.',
  },
  fast_takeover_ms: {
    format: whole(100, 2500, true),
    default: null as number | null,
    doc: 'FreeBSD: if a partner that holds the session is silent this long on every path, ask CARP for the role. Not set: wait for CARP.',
  },
};

/** `[session.NAME.lan.IFNAME]`: an interface that gets a /64 of the delegated prefix. */
export const LAN_KEYS = {
  subnet: {
    format: required(whole(0, 0xffff, true)),
    default: null as unknown as number,
    doc: 'The number of the /64 within the delegated prefix, from 0. It must be the same on both routers.',
  },
  host: {
    format: expect('the last 64 bits of an address, such as ::1', isHost),
    default: '::1',
    doc: "The last 64 bits of this router's address in that /64. They must differ between the routers.",
  },
};

type Keys = Record<string, { format: Check; default: unknown; doc: string; sensitive?: boolean }>;
type TableOf<K extends Keys> = { readonly [N in keyof K]: K[N]['default'] };

export type PartnerTable = TableOf<typeof PARTNER_KEYS>;
export type HookTable = TableOf<typeof HOOK_KEYS>;
export type LanTable = TableOf<typeof LAN_KEYS>;
export type SessionTable = TableOf<typeof SESSION_KEYS>;

/**
 * One table of the file with its defaults filled in, or undefined if it has a mistake.
 *
 * @param report called for each problem, with the table, the key and the expected value
 */
export function checkTable<K extends Keys>(
  keys: K,
  table: string,
  values: Record<string, unknown>,
  report: (table: string, key: string, message: string) => void,
): TableOf<K> | undefined {
  let isRight = true;
  const wrong = (key: string, message: string): void => {
    isRight = false;
    report(table, key, message);
  };
  for (const key of Object.keys(values).filter((each) => !Object.hasOwn(keys, each))) {
    const similar = Object.keys(keys).find((each) => isSimilar(each, key.toLowerCase()));
    const meant = similar === undefined ? '' : `; did you mean ${similar}?`;
    const isVlan = /^vlan/i.test(key);
    wrong(key, `unknown key${isVlan ? '; the interface is the VLAN, such as igb0.7' : meant}`);
  }
  // Check before convict, which would convert the text "yes" to true and "15oo" to 15.
  for (const [key, { format, default: otherwise }] of Object.entries(keys)) {
    try {
      format(key in values ? values[key] : otherwise);
    } catch (error) {
      if (!(error instanceof Error)) throw error;
      wrong(key, error.message);
    }
  }
  if (!isRight) return undefined;
  const config = convict(keys);
  config.load(values);
  config.validate({ allowed: 'strict' });
  return config.getProperties() as TableOf<K>;
}

/** The same letters in any order, with at most two differences. */
function isSimilar(a: string, b: string): boolean {
  const count = (from: string, letter: string): number => from.split(letter).length - 1;
  const letters = [...new Set(a + b)];
  return letters.reduce((sum, each) => sum + Math.abs(count(a, each) - count(b, each)), 0) <= 2;
}
