/**
 * In the guest, in the namespace of r1: a whole helper, as an administrator starts it, is killed on the holder and
 * started again: without a service manager that keeps its descriptors, and with one. Prints `@result`.
 */
import { mkdirSync, readFileSync, unlinkSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { execa } from 'execa';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { loadLibc } from '@ppp-thing/helper/libc';
import { Rtnetlink } from '@ppp-thing/helper/linux/kernel';
import { PacketSocket, ethernetFrame } from '@ppp-thing/helper/linux/sockets';
import { DescriptorStore } from '@ppp-thing/lab/kernel/descriptor-store';
import type { ReplyBody } from '@ppp-thing/protocol/ipc/messages';
import { Client, HELLO } from '../../helper/client.ts';
import { openStation } from './station.ts';

const octets = (hex: string): Uint8Array => fromHex(hex.replaceAll(' ', '')) ?? new Uint8Array();
const HELPER = fileURLToPath(new URL('./main.js', import.meta.resolve('@ppp-thing/helper/libc')));
/** Only root may write there, as in the unit's own run directory. */
const RUN = '/run/ppp_thing_helper';
const SOCKET = `${RUN}/helper.sock`;
const CONFIGURATION = `
[helper]
socket = "${SOCKET}"
state_directory = "${RUN}"
user = "root"
group = "root"
[session.wan]
interface = "eth0"
mac = "02:00:5e:10:53:01"
user = "alice"
password = "secret1"
carp_interface = "eth1"
carp_address = "192.168.7.1"
`;
const KEY = { sessionId: 0x1234, acMac: octets('02 00 00 00 00 ac') };
const ECHO_REQUEST = '02005e105301 0200000000ac 8864 11 00 1234 000a c021 0907 0008 00000000';

mkdirSync(RUN, { mode: 0o755 });
writeFileSync('/run/ppp_thing.conf', CONFIGURATION, { mode: 0o640 });
const heard: string[] = [];
let client: Client | undefined;
const station = await openStation((frame) => {
  heard.push(toHex(frame));
  client?.look();
});
/** Root as its systemd unit leaves it: these two capabilities, and no way to more. */
const AS_UNIT = [
  '--no-new-privs',
  '--bounding-set',
  '-all,+net_admin,+net_raw',
  '--inh-caps',
  '-all',
];
const said: string[] = [];
function startHelper(store?: DescriptorStore) {
  const { command, env, fds } = store?.next() ?? { command: [], env: {}, fds: [] };
  const [first = '', ...others] = [
    ...command,
    'setpriv',
    ...AS_UNIT,
    process.execPath,
    HELPER,
    '--config',
    '/run/ppp_thing.conf',
  ];
  const child = execa(first, others, {
    reject: false,
    env,
    // execa's types know no descriptors by number behind the third.
    stdio: ['ignore', 'pipe', 'inherit', ...fds] as ['ignore', 'pipe', 'inherit'],
  });
  child.stdout.on('data', (data) => {
    said.push(...String(data).split('\n').filter(Boolean));
    process.stdout.write(String(data));
  });
  return child;
}
const capabilitiesOf = (pid: number | undefined): string | undefined =>
  /^CapEff:\s*(\w+)$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1];

/** Connect as soon as there is someone to connect to. */
async function greet(): Promise<Client> {
  const end = performance.now() + 300_000;
  for (;;) {
    try {
      return await Client.greet(SOCKET);
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
  }
}

/** What a supervisor does on the holder: attach, open, configure, route. */
async function carryOn(to: Client): Promise<string[]> {
  const session = 'wan';
  const settings = {
    mtu: 1492,
    up: true,
    ourAddress: octets('0a430f01'),
    theirAddress: octets('0a430001'),
    interfaceIds: null,
  };
  return [
    await to.outcome({
      verb: 'attach',
      session,
      key: KEY,
      maxPayload: 1492,
      autoOpen: true,
      settings: null,
    }),
    await to.outcome({ verb: 'gate', session, open: true }),
    await to.outcome({ verb: 'configure', session, ...settings }),
    await to.outcome({ verb: 'route', session, via: 'session' }),
  ];
}

const isAttached = (): boolean => readFileSync('/proc/net/pppoe', 'latin1').includes('pl-wan');
const echoed = async (from: Client): Promise<boolean> => {
  station.say(octets(ECHO_REQUEST));
  const notice = await from.until('an Echo-Request', () =>
    from.notices.find((each) => each.notice === 'ppp-frame'),
  );
  return notice.notice === 'ppp-frame' && notice.protocol === 0xc021;
};

await execa('ip', ['addr', 'add', '192.168.7.1/24', 'dev', 'eth1']);
let helper = startHelper();
client = await greet();
const first = await carryOn(client);
const firstEcho = await echoed(client);
const attachedBefore = isAttached();
const capabilities = capabilitiesOf(helper.pid);

const killedAt = performance.now();
helper.kill('SIGKILL');
await helper;
client.end();
const attachedWhileDead = isAttached();
const startedAt = performance.now();
helper = startHelper();
client = await greet();
const socketAfter = performance.now() - startedAt;
const second = await carryOn(client);
const carriedAfter = performance.now() - startedAt;
const secondEcho = await echoed(client);

// The same with a service manager that keeps the session's descriptors.
helper.kill('SIGKILL');
await helper;
client.end();
const libc = await loadLibc();
const store = new DescriptorStore(libc, '/run/notify');
const names = (): string =>
  store
    .kept()
    .map(({ name }) => name)
    .join(' ');
const draining = setInterval(names, 20);
const gateOf = async (of: Client): Promise<string> => {
  const reply = await of.ask(HELLO);
  const done = 'done' in reply ? (reply.done as ReplyBody<'hello'>) : undefined;
  const state = done?.sessions.find(({ session }) => session === 'wan');
  const attached = state?.attached ? String(state.attached.sessionId) : 'nothing';
  return `${attached} ${state?.gateOpen ? 'open' : 'closed'}`;
};
const MARK = 0x88b5;
const udp = createSocket('udp4');
const marker = new PacketSocket(libc, new Rtnetlink(libc).link('eth0')?.index ?? 0, MARK);
/** Whether a packet for the Internet reaches the line now: before the frame that leaves after it. */
async function forwards(): Promise<boolean> {
  const from = heard.length;
  await new Promise<void>((resolve) => udp.send('x', 9, '10.67.0.1', () => resolve()));
  const broadcast = new Uint8Array(6).fill(0xff);
  marker.send(ethernetFrame(broadcast, octets('020000000001'), MARK, new Uint8Array(46)));
  const since = (type: string): boolean =>
    heard.slice(from).some((frame) => frame.slice(24, 28) === type);
  while (!since('88b5')) await new Promise((resolve) => setTimeout(resolve, 5));
  return since('8864');
}
async function killHelper(): Promise<void> {
  helper.kill('SIGKILL');
  await helper;
  client?.end();
}
async function nextHelper(): Promise<Client> {
  helper = startHelper(store);
  client = await greet();
  return client;
}
const kept: Record<string, unknown> = {};
client = await nextHelper();
await carryOn(client);
kept['names'] = names();
const indexOf = (): string => readFileSync('/sys/class/net/wan/ifindex', 'latin1').trim();
const indexBefore = indexOf();
await killHelper();
kept['whileDead'] = await forwards();
client = await nextHelper();
kept['adopted'] = await gateOf(client);
kept['sameInterface'] = indexOf() === indexBefore;
kept['routeKept'] = (await execa('ip', ['route', 'show', 'default'])).stdout.includes('dev wan');
kept['repeated'] = await carryOn(client);
kept['sameAfter'] = indexOf() === indexBefore;
kept['echo'] = await echoed(client);
kept['namesAfter'] = names();

// The role is lost while no helper lives.
await killHelper();
await execa('ip', ['addr', 'del', '192.168.7.1/24', 'dev', 'eth1']);
kept['openWithoutRole'] = await forwards();
client = await nextHelper();
kept['roleLost'] = await gateOf(client);
kept['forwardsAfter'] = await forwards();
await execa('ip', ['addr', 'add', '192.168.7.1/24', 'dev', 'eth1']);

await carryOn(client);
// Another program listens where the helper would: it cannot start, and nothing watches the role.
await killHelper();
const inTheWay = createServer();
unlinkSync(SOCKET);
await new Promise<void>((resolve) => inTheWay.listen(SOCKET, () => resolve()));
helper = startHelper(store);
while (!said.at(-1)?.includes('trying again'))
  await new Promise((resolve) => setTimeout(resolve, 5));
kept['cannotStart'] = [isAttached(), names()];
inTheWay.close();
client = await greet();
await carryOn(client);
clearInterval(draining);

// A stop by the service manager and a removal by the administrator.
const outcome = await client.outcome({ verb: 'gate', session: 'wan', open: true });
helper.kill('SIGTERM');
const { exitCode } = await helper;
kept['stopped'] = isAttached();
store.close();
kept['storeClosed'] = isAttached();
const line = await execa('ip', ['-br', 'link', 'show', 'pl-wan'], { reject: false });
const removal = await execa(process.execPath, [
  HELPER,
  '--config',
  '/run/ppp_thing.conf',
  '--remove',
]);
const left = await execa('ip', ['-br', 'link']);
station.close();
const result = {
  first,
  second,
  firstEcho,
  secondEcho,
  attachedBefore,
  capabilities,
  attachedWhileDead,
  socketAfter: Math.round(socketAfter),
  carriedAfter: Math.round(carriedAfter),
  sinceKill: Math.round(performance.now() - killedAt),
  outcome,
  exitCode,
  lineKept: line.stdout.startsWith('pl-wan'),
  removed: removal.exitCode === 0 && !left.stdout.includes('wan'),
  kept,
  padt: heard.filter((frame) => frame.slice(24, 32) === '886311a7').length,
};
console.log(`@result ${JSON.stringify(result)}`);
process.exit(0);
