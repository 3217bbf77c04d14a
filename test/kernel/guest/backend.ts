/**
 * In the guest, in the namespace of r1: what only the Linux backend promises, beyond the contract of all backends, seen
 * from the far end of the line and from the kernel. Prints one `@check` line per promise, and `@result` at the end.
 */
import { createSocket } from 'node:dgram';
import { readFileSync, writeFileSync } from 'node:fs';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { execa } from 'execa';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import type { Keeper } from '@ppp-thing/helper/backend';
import { BackendError } from '@ppp-thing/helper/errors';
import { loadLibc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { LinuxBackend } from '@ppp-thing/helper/linux/backend';
import { openSession } from '@ppp-thing/helper/linux/sockets';
import { encodeAnnounce } from '@ppp-thing/helper/announce';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { startCapture } from '@ppp-thing/lab/kernel/capture';
import { GUEST_RESULT } from '@ppp-thing/lab/kernel/uml';
import { openStation } from './station.ts';
import { makeStore } from './store.ts';

const octets = (hex: string): Uint8Array =>
  fromHex(hex.replaceAll(/[ :]/g, '')) ?? new Uint8Array();
const MAC = octets('02 00 5e 10 53 01');
const AC = octets('02 00 00 00 00 ac');

/** Things that happened, and who waits for one of them. */
class Heard<T> {
  readonly all: T[] = [];
  #wake = (): void => {};

  add(one: T): void {
    this.all.push(one);
    this.#wake();
  }

  /** The first, from now or before, that is `wanted`; it and what came before it are forgotten. */
  async next(what: string, wanted: (one: T) => boolean): Promise<T> {
    const deadline = performance.now() + 300_000;
    for (;;) {
      const at = this.all.findIndex(wanted);
      const one = this.all[at];
      if (one !== undefined) {
        this.all.splice(0, at + 1);
        return one;
      }
      if (performance.now() > deadline) throw new Error(`${what}: never happened`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 1000);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

/** Look until the kernel says so: what no event tells. */
async function until(what: string, there: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 300_000;
  while (!(await there()))
    if (performance.now() > deadline) throw new Error(`${what}: never there`);
}

const checks: { name: string; ok: boolean; found?: unknown }[] = [];
function check(name: string, ok: boolean, found?: unknown): void {
  checks.push({ name, ok, ...(!ok && { found }) });
  console.log(`@check ${ok ? 'ok' : 'NOT OK'} ${name} ${ok ? '' : JSON.stringify(found)}`);
}
function refuses(name: string, code: string, verb: () => void): void {
  try {
    verb();
    check(name, false, 'not refused');
  } catch (error) {
    check(name, error instanceof BackendError && error.code === code, String(error));
  }
}

const frames = new Heard<string>();
const everything: string[] = [];
const station = await openStation((frame) => {
  everything.push(toHex(frame));
  frames.add(toHex(frame));
});
/** Send from the far end. */
const say = (hex: string): void => {
  station.say(octets(hex));
};
const fromAc = (type: string, rest: string): void =>
  say(`02005e105301 0200000000ac ${type} ${rest}`);
/** A session frame from the AC: PPP Protocol and packet. */
const pppFromAc = (ppp: string): void => {
  const packet = ppp.replaceAll(' ', '');
  const length = (packet.length / 2).toString(16).padStart(4, '0');
  fromAc('8864', `11 00 1234 ${length} ${packet}`);
};
const command = async (...words: string[]): Promise<string> =>
  (await execa('ip', words, { reject: false, all: true })).all;

const libc = await loadLibc();
const loop = createLoop(
  libc,
  () => performance.now(),
  (line) => console.log('loop:', line),
);
const events = new Heard<Record<string, unknown>>();
let wakes = 0;
const counting = {
  ...loop,
  watch: (fd: number, bits: number, ready: (revents: number) => void) =>
    loop.watch(fd, bits, (found) => {
      wakes++;
      ready(found);
    }),
};
const lines: string[] = [];
const store = makeStore(libc);
const make = (keeper?: Keeper): LinuxBackend =>
  new LinuxBackend({
    keeper,
    libc,
    loop: counting,
    policy: { sessions: [policy] },
    log: (line) => {
      lines.push(line);
      console.log('log:', line);
    },
    events: {
      discoveryFrame: (session, source, payload) =>
        events.add({ discovery: toHex(payload), source: toHex(source), session }),
      pppFrame: (_, protocol, packet) => events.add({ ppp: protocol, packet: toHex(packet) }),
      roles: (edges) => edges.forEach(({ role }) => events.add({ role })),
      carrier: (session, up) => events.add({ carrier: up, session }),
      ownMacHeard: (_, { epoch }) => events.add({ epoch }),
      sessionClosed: () => events.add({ closed: true }),
      dropped: (_, count) => events.add({ dropped: count }),
    },
  });
let running = true;
const turning = loop.run(() => !running);

const DEMOTION = '/run/demote';
const policy: SessionPolicy = {
  name: 'wan',
  interface: 'eth0',
  mac: MAC,
  policy: 'follow-carp',
  carp: { interface: 'eth1', address: Uint8Array.of(192, 168, 7, 1) },
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  demotionFile: DEMOTION,
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};
const stubbed: SessionPolicy = {
  name: 'wan2',
  interface: 'eth0',
  mac: octets('02 00 5e 10 53 02'),
  policy: 'pinned',
  localAddress: Uint8Array.of(192, 168, 7, 2),
  stub: 'wan2x',
  mtu: 1492,
  defaultRoute: true,
  fib: 100,
  demotion: 240,
};
const beside: SessionPolicy = {
  name: 'wan3',
  interface: 'eth0',
  mac: octets('02 00 5e 10 53 03'),
  policy: 'pinned',
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};
const key = { sessionId: 0x1234, acMac: AC };
const settings = {
  mtu: 1480,
  up: true,
  ourAddress: Uint8Array.of(10, 67, 15, 1),
  theirAddress: Uint8Array.of(10, 67, 0, 1),
  interfaceIds: { ours: octets('0000000000000001'), theirs: octets('0000000000000002') },
};
const ECHO = 'c021 09 01 0008 00000000';
const echo = octets('09 02 0008 00000000');

// --- build, refuse, adopt
let backend = make();
refuses('an interface that is not there is ENODEV', 'ENODEV', () =>
  backend.start({ ...policy, interface: 'eth9' }),
);
refuses('an MTU that does not fit the line is EMSGSIZE', 'EMSGSIZE', () =>
  backend.start({ ...policy, mtu: 1500 }),
);
await command('link', 'add', 'pl-wan', 'type', 'dummy');
refuses('a name that another program took is EEXIST', 'EEXIST', () => backend.start(policy));
await command('link', 'del', 'pl-wan');
check('a refused start leaves nothing', !(await command('link')).includes('pl-'));
backend.start(policy);
backend.start(stubbed);
const index = async (): Promise<string> =>
  /^\d+/.exec(await command('-o', 'link', 'show', 'pl-wan'))?.[0] ?? '';
const indexBefore = await index();
backend.leave();
backend = make();
let wan = backend.start(policy);
const wan2 = backend.start(stubbed);
check('the next helper adopts the line', (await index()) === indexBefore && indexBefore !== '');
refuses('two sessions cannot have one MAC on one interface', 'EADDRINUSE', () =>
  backend.start({ ...policy, name: 'wan3' }),
);

// --- discovery
wan.sendDiscovery(octets('ffffffffffff'), octets('11 09 0000 0004 0101 0000'));
const padi = await frames.next('PADI', (frame) => frame.startsWith('ffffffffffff02005e1053018863'));
check('a discovery frame has the session MAC and 60 octets', padi.length === 120, padi);
fromAc('8863', '11 07 0000 0004 0101 0000');
const pado = await events.next('PADO', (event) => 'discovery' in event);
check(
  'a discovery frame comes in without its Ethernet header',
  String(pado['discovery']).startsWith('1107000000040101') && pado['source'] === toHex(AC),
  pado,
);

// --- attach, gate
refuses('a gate without a session is ENOTCONN', 'ENOTCONN', () => wan.gate(true));
wan.attach(key, 1492);
const unit = await command('-o', 'link', 'show', 'wan');
wan.attach(key, 1492);
check('the same session is kept', (await command('-o', 'link', 'show', 'wan')) === unit);
check(
  'the session is joined',
  /02:00:00:00:00:ac/i.test(readFileSync('/proc/net/pppoe', 'latin1')),
);
refuses('a closed gate sends nothing', 'ENETDOWN', () => wan.sendPpp(0xc021, echo));
wan.configure(settings);
pppFromAc(ECHO);
say('02005e105301 0200000000ac 8863 11 07 0000 0000');
await events
  .next('the frame behind it', (event) => 'discovery' in event || 'ppp' in event)
  .then((event) => check('behind a closed gate the AC is not heard', 'discovery' in event, event));
wan.gate(true);
pppFromAc(ECHO);
const heard = await events.next('Echo-Request', (event) => 'ppp' in event);
check(
  'an open gate lets LCP in',
  heard['ppp'] === 0xc021 && heard['packet'] === '0901000800000000',
  heard,
);
for (const [name, ppp] of [
  ['IPCP', '8021 01 03 0004'],
  ['an unknown control protocol', 'c099 01 02 03 04'],
  ['an unknown data protocol', '4021 01 02 03 04'],
] as const) {
  pppFromAc(ppp);
  const event = await events.next(name, (one) => 'ppp' in one);
  check(
    `an open gate lets ${name} in`,
    Number(event['ppp']).toString(16) === ppp.slice(0, 4),
    event,
  );
}
wan.sendPpp(0xc021, echo);
const sent = await frames.next('our Echo-Request', (frame) => frame.slice(24, 28) === '8864');
check(
  'a PPP packet leaves on the session',
  sent.startsWith(`0200000000ac02005e105301886411001234000ac021${toHex(echo)}`),
  sent,
);

// --- settings
const show = (...words: string[]): Promise<string> => command('-br', 'addr', 'show', ...words);
check(
  'addresses and MTU are as configured',
  /10\.67\.15\.1 peer 10\.67\.0\.1\/32 fe80::1 peer fe80::2\/128/.test(await show('wan')),
  await show('wan'),
);
check('the MTU is as configured', (await command('link', 'show', 'wan')).includes('mtu 1480'));
wan.configure(settings);
wan.configure({
  ...settings,
  ourAddress: Uint8Array.of(10, 67, 15, 9),
  interfaceIds: null,
});
check(
  'a change replaces the addresses',
  / 10\.67\.15\.9 peer 10\.67\.0\.1\/32 *$/.test(await show('wan')),
  await show('wan'),
);
wan.configure(settings);
const whole = await show('wan');
wan.configure({ ...settings, up: false });
check(
  'down keeps the IPv4 address',
  / 10\.67\.15\.1 peer 10\.67\.0\.1\/32/.test(await show('wan')),
  await show('wan'),
);
refuses('a route into an interface that is down is ENETDOWN', 'ENETDOWN', () =>
  wan.route('session'),
);
const { up: _, ...raised } = settings;
wan.raise(raised);
check('raised it has again what it had', (await show('wan')) === whole, await show('wan'));
const withoutIpv4 = { ...settings, ourAddress: null, theirAddress: null };
wan.configure(withoutIpv4);
wan.route('session');
check(
  'without IPv4 there is no address of it',
  !/ inet /.test(await show('wan')),
  await show('wan'),
);
check(
  'and no route but that of IPv6',
  (await command('route', 'show', 'default')).trim() === '' &&
    (await command('-6', 'route', 'show', 'default')).includes('dev wan'),
);
wan.configure(settings);
wan.route('session');
wan.route('none');
// --- an administrator's IPv6 addresses
await command('addr', 'add', '2001:db8:5::7/64', 'dev', 'wan');
await command('addr', 'add', 'fe80::99/64', 'dev', 'wan');
const administrators = async (): Promise<boolean> => {
  const shown = await show('wan');
  return shown.includes('2001:db8:5::7/64') && shown.includes('fe80::99/64');
};
const change = {
  ...settings,
  interfaceIds: { ...settings.interfaceIds, ours: octets('0000000000000009') },
};
wan.configure(settings);
check('a restatement leaves an administrator’s IPv6 addresses', await administrators());
wan.configure(change);
check(
  'another interface identifier replaces ours and leaves theirs',
  (await administrators()) &&
    !/fe80::1 /.test(await show('wan')) &&
    /fe80::9 /.test(await show('wan')),
  await show('wan'),
);
wan.configure({ ...settings, up: false });
wan.raise(raised);
check('they are back after a handoff there and back', await administrators(), await show('wan'));
wan.configure({ ...settings, interfaceIds: null });
check(
  'without IPV6CP only ours goes',
  (await administrators()) && !/fe80::1 /.test(await show('wan')),
  await show('wan'),
);
wan.configure(settings);
wan.detach();
wan.attach(key, 1492);
wan.configure(settings);
check('they are on the interface of the next session', await administrators(), await show('wan'));
wan.gate(true);
await command('addr', 'del', '2001:db8:5::7/64', 'dev', 'wan');
await command('addr', 'del', 'fe80::99/64', 'dev', 'wan');

wan2.attach({ ...key, sessionId: 0x2345 }, 1492);
wan2.configure({ ...settings, interfaceIds: null });
check(
  'with a stub the session has the router’s own address',
  / 192\.168\.7\.2 peer 10\.67\.0\.1\/32/.test(await show('wan2')),
  await show('wan2'),
);
check(
  'and the stub the public one',
  / 10\.67\.15\.1\/32/.test(await show('wan2x')),
  await show('wan2x'),
);

// --- routes
const defaults = (): Promise<string> => command('route', 'show', 'default');
wan.route('session');
check(
  'IPv4 goes into the session',
  (await defaults()).trim() === 'default dev wan proto 46 scope link',
  await defaults(),
);
check('IPv6 too', (await command('-6', 'route', 'show', 'default')).includes('dev wan proto 46'));
wan.route('partner');
check(
  'IPv4 goes to the partner',
  (await defaults()).trim() === 'default via 192.168.7.3 dev eth1 proto 46',
  await defaults(),
);
check('IPv6 goes nowhere', (await command('-6', 'route', 'show', 'default')).trim() === '');
wan2.route('session');
const other = await command('route', 'show', 'table', '100');
check(
  'another table is its own',
  other.trim() === 'default dev wan2 proto 46 scope link src 10.67.15.1',
  other,
);
wan.route('none');
check('none is none', (await defaults()).trim() === '', await defaults());
await command('route', 'add', 'default', 'via', '192.168.7.3', 'proto', 'static');
const before = lines.length;
wan.route('session');
wan.route('session');
check(
  'another program’s default route of the same metric is logged once',
  lines.slice(before).filter((line) => /EEXIST: another program has one of metric 0/.test(line))
    .length === 1,
  lines.slice(before),
);
wan.route('none');
check('and it stays', (await defaults()).includes('proto static'), await defaults());
await command('route', 'del', 'default');

// Two sessions of one AC in one table, in every order.
const wan3 = backend.start(beside);
wan3.attach({ ...key, sessionId: 0x1235 }, 1492);
wan3.configure({ ...settings, ourAddress: Uint8Array.of(10, 67, 15, 3) });
for (const [first, second] of [
  ['wan', 'wan3'],
  ['wan3', 'wan'],
] as const) {
  const [one, other] = first === 'wan' ? [wan, wan3] : [wan3, wan];
  one.route('session');
  other.route('session');
  const both = (await defaults())
    .trim()
    .split('\n')
    .map((line) => line.split(' ')[2]);
  check(`both have a route, ${first}'s first`, both.join() === `${first},${second}`, both);
  one.route('none');
  check(`${second}'s stays`, (await defaults()).trim().startsWith(`default dev ${second} `));
  one.route('partner');
  other.route('partner');
  other.route('none');
  check('the way to the partner stays for the other', (await defaults()).includes('192.168.7.3'));
  one.route('none');
  check('and goes with it', (await defaults()).trim() === '', await defaults());
}
const six = await command('-6', 'route', 'show', 'default');
check('and nothing of IPv6 is left', six.trim() === '', six);

// --- announces, role, carrier, demotion
wan.announce({ epoch: 77, proof: NO_PROOF });
const announce = await frames.next('announce', (frame) => frame.slice(24, 28) === '8035');
check(
  'an announce is a broadcast with the epoch',
  announce.startsWith(toHex(encodeAnnounce(MAC, { epoch: 77, proof: NO_PROOF }))),
  announce,
);
say(toHex(encodeAnnounce(MAC, { epoch: 78, proof: NO_PROOF })));
const partner = await events.next('own-mac-heard', (event) => 'epoch' in event);
check('the partner’s announce is heard, our own is not', partner['epoch'] === 78, partner);
await command('addr', 'add', '192.168.7.1/24', 'dev', 'eth1');
check(
  'the virtual address makes MASTER',
  (await events.next('role', (event) => 'role' in event))['role'] === 'MASTER',
);
await command('addr', 'del', '192.168.7.1/24', 'dev', 'eth1');
check(
  'without it BACKUP',
  (await events.next('role', (event) => 'role' in event))['role'] === 'BACKUP',
);
await command('link', 'set', 'eth1', 'down');
check(
  'with its interface down INIT',
  (await events.next('role', (event) => 'role' in event))['role'] === 'INIT',
);
await command('link', 'set', 'eth1', 'up');
await events.next('role', (event) => event['role'] === 'BACKUP');
await command('-n', 'sw', 'link', 'set', 'r1-eth0', 'down');
check(
  'an unplugged line has no carrier',
  (await events.next('carrier', (event) => 'carrier' in event && event['session'] === 'wan'))[
    'carrier'
  ] === false,
);
await command('-n', 'sw', 'link', 'set', 'r1-eth0', 'up');
check(
  'a plugged one has',
  (await events.next('carrier', (event) => 'carrier' in event && event['session'] === 'wan'))[
    'carrier'
  ] === true,
);
// The switch takes a while to forward to a port that has come back.
await until('the way from the AC', async () => {
  pppFromAc(ECHO);
  await command('link');
  return events.all.some((event) => 'ppp' in event);
});
check('the session survives that', wan.inspect().attached?.sessionId === 0x1234);
wan.demote(true);
check(
  'demotion is a 1 in the file',
  readFileSync(DEMOTION, 'latin1') === '1\n' && wan.inspect().demoted,
);
wan.demote(false);
check(
  'and a 0 when it is taken back',
  readFileSync(DEMOTION, 'latin1') === '0\n' && !wan.inspect().demoted,
);
refuses('without a file demotion is ENOTSUP', 'ENOTSUP', () => wan2.demote(true));
writeFileSync(DEMOTION, '1\n');
const counters = wan.counters();
check('counters count', counters.packetsIn > 0 || counters.packetsOut > 0, counters);

// --- the end of a session
wakes = 0;
fromAc('8863', '11 a7 1234 0000');
await events.next('session-closed', (event) => 'closed' in event);
check('a PADT from the AC closes the session', wan.inspect().attached === null);
check(
  'and its interface is gone',
  (await command('link', 'show', 'wan')).includes('does not exist'),
);
check('and nothing spins', wakes < 20, wakes);
wan.attach(key, 1492);
check('it can be joined again', wan.inspect().attached?.sessionId === 0x1234);
await command('link', 'set', 'pl-wan', 'down');
await events.next('session-closed', (event) => 'closed' in event);
await until('the line', async () => (await command('link', 'show', 'pl-wan')).includes(',UP'));
check(
  'a line that was taken down is put up again',
  (await command('link', 'show', 'pl-wan')).includes(',UP'),
);
await command('link', 'del', 'pl-wan');
refuses('a session whose line has gone is ENODEV', 'ENODEV', () => wan.attach(key, 1492));

// --- 802.1p priority on a VLAN
refuses('a priority on what is no VLAN is EOPNOTSUPP', 'EOPNOTSUPP', () =>
  backend.start({ ...beside, name: 'wan4', pcp: 6 }),
);
await command('link', 'add', 'link', 'eth0', 'name', 'eth0.35', 'type', 'vlan', 'id', '35');
await command('link', 'set', 'eth0.35', 'up');
const stopCapture = await startCapture('vlan.pcap', 'vlan 35');
const tagged = { name: 'wan4', interface: 'eth0.35', mac: octets('02 00 5e 10 53 04') };
const wan4 = backend.start({ ...beside, ...tagged, pcp: 6 });
wan4.sendDiscovery(octets('ffffffffffff'), octets('11 09 0000 0004 0101 0000'));
wan4.attach({ ...key, sessionId: 0x4321 }, 1492);
wan4.gate(true);
wan4.configure(settings);
for (const [protocol, packet] of [
  [0xc021, echo],
  [0xc023, octets('01 01 0004')],
  [0x8021, octets('01 01 0004')],
] as const)
  wan4.sendPpp(protocol, packet);
await command('addr', 'add', '10.35.0.1/24', 'dev', 'eth0.35');
const neighbour = createSocket('udp4');
neighbour.send('', 9, '10.35.0.2');
const fields = ['eth.src', 'vlan.priority', 'vlan.etype', 'ppp.protocol'].flatMap((field) => [
  '-e',
  field,
]);
const read = ['-n', '-r', `${GUEST_RESULT}/vlan.pcap`, '-T', 'fields', ...fields];
const isOf4 = ([source]: readonly string[]): boolean => source === '02:00:5e:10:53:04';
let rows: string[][] = [];
// tcpdump may be late, and ends without what it has not read: the ARP request for 10.35.0.2 is the last.
await until('the ARP request in the capture', async () => {
  const { stdout } = await execa('tshark', read, { reject: false });
  rows = stdout.split('\n').map((line) => line.split('\t'));
  return rows.some(([, , type]) => type === '0x0806');
});
await stopCapture();
neighbour.close();
const sentBy4 = rows.filter(isOf4);
// The kernel's own IPv6 packets are data: they go as they went.
const isData = (protocol = ''): boolean => protocol.startsWith('0x00');
const marked = sentBy4
  .filter(([, , , protocol]) => !isData(protocol))
  .map(([, priority, type, protocol]) => `${priority} ${type} ${protocol}`);
check(
  'discovery, LCP, PAP and IPCP leave with the priority',
  marked.join() === '6 0x8863 ,6 0x8864 0xc021,6 0x8864 0xc023,6 0x8864 0x8021',
  marked,
);
const others = rows.filter((row) => (row[0] ?? '') !== '' && !isOf4(row));
check(
  'data has none',
  sentBy4.every(([, priority, , protocol]) => !isData(protocol) || priority === '0'),
  sentBy4,
);
check(
  'what others send on the VLAN has none',
  others.length > 0 && others.every(([, priority]) => priority === '0'),
  others,
);

// --- what a service manager keeps for the next helper
/** Stop the helper, if one runs, change what is kept, and start the next one; what it has, and what it logged. */
function nextWith(change: (kept: Map<string, readonly number[]>) => void): unknown {
  backend.leave();
  change(store.kept);
  const from = lines.length;
  backend = make(store.next());
  wan = backend.start(policy);
  const { attached, gateOpen } = wan.inspect();
  const names = [...store.kept.keys()].join(' ');
  return [attached?.sessionId, gateOpen, names, isJoined(), ...lines.slice(from)];
}
const isJoined = (): boolean => readFileSync('/proc/net/pppoe', 'latin1').includes('pl-wan\n');
const copy = (fds: readonly number[] = []): readonly number[] =>
  fds.map((fd) => libc.fcntl(fd, 0, 0));
const plus =
  (...fds: readonly number[]) =>
  (kept: Map<string, readonly number[]>): void =>
    void kept.set('wan', [...(kept.get('wan') ?? []), ...fds]);
const same = (name: string, found: unknown, wanted: readonly unknown[]): void =>
  check(name, JSON.stringify(found) === JSON.stringify(wanted), found);
const nothing = (): number => libc.open('/dev/null', 0);
/** Attach as a supervisor does, with the gate open. */
const open = (): void => {
  wan.attach(key, 1492);
  wan.gate(true);
};
const ID = key.sessionId;
const odd = (count: number): string => `adopt wan: EINVAL: ${count} descriptors were kept, not 2`;

await command('addr', 'add', '192.168.7.1/24', 'dev', 'eth1');
same(
  'nothing is kept, nothing is adopted',
  nextWith(() => {}),
  [undefined, false, '', false],
);
open();
same(
  'a session is kept, and adopted as it was',
  nextWith(() => {}),
  [ID, true, 'wan', true],
);
const ended = copy(store.kept.get('wan'));
wan.detach();
check('a session that is detached is kept no more', store.kept.size === 0);
check('it has ended, though somebody has its descriptors', !isJoined());
check(
  'and so has its interface',
  (await command('link', 'show', 'wan')).includes('does not exist'),
);
open();
same('an ended session beside the live one is closed', nextWith(plus(...copy(ended))), [
  ID,
  true,
  'wan',
  true,
  odd(4),
]);
same('and so is what is no session', nextWith(plus(nothing())), [ID, true, 'wan', true, odd(3)]);
const elsewhere = nextWith((kept) => kept.set('other', [nothing()]));
const UNKNOWN = 'no such session in the configuration';
same('and what has the name of no session', elsewhere, [
  ID,
  true,
  'wan',
  true,
  `adopt other: ENXIO: ${UNKNOWN}`,
]);
const second = openSession(libc, { ...key, sessionId: 0x4321 }, 'pl-wan');
same('of two live sessions neither is adopted', nextWith(plus(second)), [
  undefined,
  false,
  '',
  false,
  odd(3),
  'adopt wan: EINVAL: more than one session was kept',
]);
open();
await command('link', 'set', 'wan', 'alias', 'mine');
same(
  'a unit whose interface is another one is not adopted',
  nextWith(() => {}),
  [undefined, false, '', false, 'adopt wan: EINVAL: its interface is another one'],
);
open();
const renamed = nextWith((kept) => {
  kept.set('wrong', kept.get('wan') ?? []);
  kept.set('wan', copy(ended));
});
same('a session under a wrong name ends, an ended one is not adopted', renamed, [
  undefined,
  false,
  '',
  false,
  `adopt wrong: ENXIO: ${UNKNOWN}`,
  'adopt wan: EINVAL: the kernel has ended the session that was kept',
]);
open();
await command('link', 'set', 'wan', 'up');
backend.leave();
await command('addr', 'del', '192.168.7.1/24', 'dev', 'eth1');
backend = make(store.next());
refuses('a session that cannot start', 'ENODEV', () =>
  backend.start({ ...policy, interface: 'eth9' }),
);
check('ends, because nobody watches its role', !isJoined() && store.kept.size === 0);

// --- take over from a dead helper, and leave nothing
backend.leave();
backend = make();
wan = backend.start(policy);
check('the next helper adopts the demotion', wan.inspect().demoted);
backend.start(stubbed);
wan.attach(key, 1492);
wan.configure(settings);
wan.gate(true);
wan.route('session');
backend.remove();
const left = `${await command('-br', 'link')}${await defaults()}${await command('route', 'show', 'table', '100')}`;
check('remove leaves no interface and no route', !/wan|default/.test(left), left);
check('and no demotion', readFileSync(DEMOTION, 'latin1') === '0\n');
const ours = everything.filter((frame) => frame.slice(12, 24) === toHex(MAC));
const kinds = [...new Set(ours.map((frame) => frame.slice(24, 28)))].sort();
check(
  'nothing but discovery, session and announce ever left',
  kinds.join() === '8035,8863,8864',
  kinds,
);
check('and never a PADT', !ours.some((frame) => frame.slice(24, 32) === '886311a7'));

running = false;
await turning;
station.close();
console.log(`@result ${JSON.stringify({ checks })}`);
process.exit(0);
