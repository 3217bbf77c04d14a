import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import t, { type Test } from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import type { Address6 } from '@ppp-thing/helper/backend';
import { openLans, wanted, type Lans } from '@ppp-thing/helper/lan';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { formatIpv6, parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';

const CONFIG = `
[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
policy = "pinned"
partner_address6 = "fe80::3%igb1"

[session.pppoe0.lan.igb1]
subnet = 1
host = "::2"

[session.pppoe0.lan."igb1.20"]
subnet = 0x20
`;
const HOST = { platform: 'freebsd', uid: 1000, interfaceWith: () => undefined } as const;
const policyOf = (text: string): SessionPolicy => {
  const [session] = parsePolicy(text, 'test.conf', HOST).sessions;
  if (session === undefined) throw new Error('no session');
  return session;
};
const POLICY = policyOf(CONFIG);

const ip = (text: string): Uint8Array => parseIpv6(text) ?? new Uint8Array(16);
const prefix = (text: string, length: number, preferred = 3600, valid = 7200) => ({
  prefix: ip(text),
  length,
  preferred,
  valid,
  exclude: null as { prefix: Uint8Array; length: number } | null,
});
const shown = ({ interface: name, address, bits }: Address6): string =>
  `${name} ${formatIpv6(address)}/${bits}`;

/** A kernel's part: what is set, and what it refuses. */
class Kernel {
  readonly addresses = new Map<string, Address6>();
  readonly unreachable = new Set<string>();
  refuses: string | undefined;
  /** Calls since the last look. */
  calls: string[] = [];

  setAddress6(each: Address6): void {
    if (each.interface === this.refuses)
      throw new BackendError('delegate', each.interface, 'ENXIO', 'there is no such interface');
    this.calls.push(`set ${shown(each)}`);
    this.addresses.set(shown(each), each);
  }

  removeAddress6(name: string, address: Uint8Array, bits: number): void {
    const key = `${name} ${formatIpv6(address)}/${bits}`;
    this.calls.push(`remove ${key}`);
    this.addresses.delete(key);
  }

  setUnreachable6(
    { prefix: network, length }: { prefix: Uint8Array; length: number },
    _fib: number,
    on: boolean,
  ): void {
    const key = `${formatIpv6(network)}/${length}`;
    if (on) this.unreachable.add(key);
    else this.unreachable.delete(key);
  }
}

interface Bench {
  readonly kernel: Kernel;
  readonly lines: string[];
  readonly record: string;
  open(): Lans;
}

function bench(t: Test): Bench {
  const directory = mkdtempSync(join(tmpdir(), 'ppp-thing-lan-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const kernel = new Kernel();
  const lines: string[] = [];
  // The directories are not there yet, as on a router that has just been installed.
  const places = { run: join(directory, 'run'), state: join(directory, 'state') };
  const open = (): Lans => openLans(places, kernel, (line) => lines.push(line));
  return { kernel, lines, record: join(directory, 'run', 'lan.json'), open };
}

const OURS = ['igb1 2001:db8:ab00:1::2/64', 'igb1.20 2001:db8:ab00:20::1/64'];

t.test('lan › the policy says which subnet, and which address in it', async (t) => {
  t.same(POLICY.partnerAddress6, { address: ip('fe80::3'), interface: 'igb1' });
  const prefixes = [prefix('2001:db8:ab00::', 56)];
  const { addresses, aggregates, problems } = wanted(POLICY, { prefixes, addresses: [] });
  t.same(addresses.map(shown), OURS);
  t.match(addresses[0], { preferred: 3600, valid: 7200 });
  t.same(
    aggregates.map(({ length }) => length),
    [56],
  );
  t.same(problems, []);
  const onSession = [{ address: ip('2001:db8::7'), preferred: 1, valid: 2 }];
  t.same(wanted(POLICY, { prefixes: [], addresses: onSession }).addresses.map(shown), [
    'pppoe0 2001:db8::7/128',
  ]);
});

t.test('lan › the policy reads what may be set from the keys that ask for it', async (t) => {
  t.equal(POLICY.delegation, undefined, 'nothing, unless it is asked for');
  const with_ = (keys: string): SessionPolicy['delegation'] =>
    policyOf(CONFIG.replace('policy = "pinned"', `policy = "pinned"\n${keys}`)).delegation;
  t.equal(with_('prefix_delegation = true'), undefined, 'and not without IPv6');
  t.same(with_('ipv6 = true\nprefix_delegation = true'), { prefixes: {}, address: false });
  t.same(with_('ipv6 = true\nwan_address = "dhcp"'), { prefixes: null, address: true });
  t.same(with_('ipv6 = true\nprefix_delegation = true\ndelegated_within = "2001:db8::/32"'), {
    prefixes: { within: { prefix: ip('2001:db8::'), length: 32 } },
    address: false,
  });
  for (const wrong of ['"2001:db8::1/32"', '"2001:db8::"', '7'])
    t.throws(() => with_(`delegated_within = ${wrong}`), /delegated_within: expected a prefix/);
});

t.test('lan › what does not fit is said, and nothing is made up', async (t) => {
  const problemsOf = (...prefixes: ReturnType<typeof prefix>[]): readonly string[] =>
    wanted(POLICY, { prefixes, addresses: [] }).problems;
  t.same(problemsOf(prefix('2001:db8:ab00::', 60)), [
    'lan igb1.20: 2001:db8:ab00::/60 has no subnet 32',
  ]);
  t.equal(problemsOf(prefix('2001:db8:ab00::', 64)).length, 2);
  t.same(problemsOf(prefix('2001:db8::', 80)), [
    'lan igb1: 2001:db8::/80 is longer than /64',
    'lan igb1.20: 2001:db8::/80 is longer than /64',
  ]);
  const exclude = { prefix: ip('2001:db8:ab00:1::'), length: 64 };
  t.same(problemsOf({ ...prefix('2001:db8:ab00::', 56), exclude }), [
    "lan igb1: subnet 1 of 2001:db8:ab00::/56 is the ISP's own (RFC 6603)",
  ]);
  const one = policyOf(CONFIG.replace('subnet = 1\n', 'subnet = 0\n'));
  const small = wanted(one, { prefixes: [prefix('2001:db8::', 64)], addresses: [] });
  t.same(small.addresses.map(shown), ['igb1 2001:db8::2/64']);
  t.same(small.aggregates, [], 'a prefix of one LAN is that LAN’s own route');
});

t.test('lan › the next helper takes away what the last one set, and nothing else', async (t) => {
  const { kernel, open } = bench(t);
  const administrators = { interface: 'igb1', address: ip('2001:db8:ab00:1::99'), bits: 64 };
  kernel.setAddress6({ ...administrators, preferred: 1, valid: 2 });
  open().set(POLICY, { prefixes: [prefix('2001:db8:ab00::', 56)], addresses: [] });
  t.same([...kernel.addresses.keys()].slice(1), OURS);
  t.same([...kernel.unreachable], ['2001:db8:ab00::/56']);
  kernel.calls = [];
  open().set(POLICY, {
    prefixes: [prefix('2001:db8:cc00::', 56), prefix('2001:db8:ab00::', 56, 0, 600)],
    addresses: [],
  });
  t.notOk(
    kernel.calls.some((call) => call.startsWith('remove')),
    'a former one is not snatched',
  );
  t.match(kernel.addresses.get(OURS[0] ?? ''), { preferred: 0, valid: 600 });
  open().set(POLICY, { prefixes: [prefix('2001:db8:cc00::', 56)], addresses: [] });
  t.equal(kernel.addresses.size, 3);
  t.same([...kernel.unreachable], ['2001:db8:cc00::/56']);
  open().remove();
  t.same([...kernel.addresses.keys()], [shown({ ...administrators, preferred: 0, valid: 0 })]);
  t.same([...kernel.unreachable], []);
});

t.test('lan › the record of a previous release is taken over once', async (t) => {
  const { kernel, open, record } = bench(t);
  open().set(POLICY, { prefixes: [prefix('2001:db8:ab00::', 56)], addresses: [] });
  const before = join(dirname(record), '..', 'state', 'lan.json');
  mkdirSync(dirname(before));
  renameSync(record, before);
  open();
  t.throws(() => readFileSync(before), { code: 'ENOENT' });
  open().remove();
  t.equal(kernel.addresses.size, 0);
  t.same([...kernel.unreachable], []);
});

t.test('lan › an interface that is not there keeps no other LAN waiting', async (t) => {
  const { kernel, open, record } = bench(t);
  kernel.refuses = 'igb1';
  const lans = open();
  const request = { prefixes: [prefix('2001:db8:ab00::', 56)], addresses: [] };
  t.throws(() => lans.set(POLICY, request), { code: 'ENXIO' });
  t.same([...kernel.addresses.keys()], [OURS[1]]);
  t.equal(
    JSON.parse(readFileSync(record, 'utf8'))[0].addresses.length,
    2,
    'on record before it is set',
  );
  kernel.refuses = undefined;
  lans.set(POLICY, request);
  t.equal(kernel.addresses.size, 2);
});

t.test('lan › a record that is damaged or cannot be written refuses nothing', async (t) => {
  const { kernel, open, lines, record } = bench(t);
  mkdirSync(dirname(record));
  for (const text of [
    '',
    '{}',
    '[{"session":1}]',
    '[{"session":"a","addresses":[{}],"aggregates":[]}]',
  ]) {
    writeFileSync(record, text);
    open().set(POLICY, { prefixes: [prefix('2001:db8:ab00::', 56)], addresses: [] });
    t.equal(kernel.addresses.size, 2);
  }
  const full = (): never => {
    throw Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' });
  };
  const disk = { read: full, replace: full, remove: full, makeDirectory: full };
  const told: string[] = [];
  openLans({ run: '/nowhere', state: '/nowhere' }, kernel, (line) => told.push(line), disk).set(
    POLICY,
    {
      prefixes: [prefix('2001:db8:cc00::', 56)],
      addresses: [],
    },
  );
  t.equal(kernel.addresses.size, 4);
  t.match(told[0], /record .*lan\.json: ENOSPC/);
  t.same(lines, []);
});

t.test('lan › a session without a prefix leaves no record', async (t) => {
  const { open, record, lines } = bench(t);
  open().set(POLICY, { prefixes: [], addresses: [] });
  t.throws(() => readFileSync(record), { code: 'ENOENT' });
  t.same(lines, []);
});

t.test('lan › problems are said once', async (t) => {
  const { open, lines } = bench(t);
  const lans = open();
  for (let i = 0; i < 3; i++)
    lans.set(POLICY, { prefixes: [prefix('2001:db8:ab00::', 60)], addresses: [] });
  t.same(lines, ['delegate pppoe0: lan igb1.20: 2001:db8:ab00::/60 has no subnet 32']);
});

t.test('policy › what a LAN may not be', async (t) => {
  for (const [from, to, message] of [
    ['subnet = 1\n', 'subnet = 65536\n', 'session.pppoe0.lan.igb1.subnet: expected'],
    ['subnet = 1\n', '', 'session.pppoe0.lan.igb1.subnet: missing'],
    ['host = "::2"', 'host = "2001:db8::2"', 'session.pppoe0.lan.igb1.host: expected'],
    ['host = "::2"', 'host = "::"', 'session.pppoe0.lan.igb1.host: expected'],
    ['lan.igb1]', 'lan.pppoe0]', 'is the session itself'],
    ['fe80::3%igb1', 'fe80::3', 'session.pppoe0.partner_address6: expected'],
    ['fe80::3%igb1', 'fd00::3%igb1', 'session.pppoe0.partner_address6: expected'],
  ] as const)
    t.throws(
      () => policyOf(CONFIG.replace(from, to)),
      { message: new RegExp(message.replaceAll('.', '\\.')) },
      to,
    );
});
