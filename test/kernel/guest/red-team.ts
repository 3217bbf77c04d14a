/**
 * In the guest, in the namespace of r1: a helper on the real kernel, with the capabilities of its unit, is attacked by its
 * supervisor. Prints `@result` with what was there before and after.
 */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { Client, type Wish } from '../../helper/client.ts';
import { Enemy, attack } from '../../helper/red-team.ts';
import { openStation } from './station.ts';

const HELPER = fileURLToPath(new URL('./main.js', import.meta.resolve('@ppp-thing/helper/libc')));
/** Only root may write there, as in the unit's own run directory. */
const RUN = '/run/ppp_thing_helper';
const SOCKET = `${RUN}/helper.sock`;
const RECORDS: ReadonlySet<string> = new Set(['demotion.json', 'lan.json']);
const [seed = '1', count = '1000'] = process.argv.slice(2);
const session = 'wan';
const OWN_MAC = '02005e105301';

mkdirSync(RUN, { mode: 0o755 });
writeFileSync(
  '/run/ppp_thing.conf',
  `
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
`,
  { mode: 0o640 },
);

const wrongFrames = new Set<string>();
let role: 'BACKUP' | 'MASTER' = 'BACKUP';
let frames = 0;
const station = await openStation((octets) => {
  const frame = Buffer.from(octets).toString('hex');
  const [source, type] = [frame.slice(12, 24), frame.slice(24, 28)];
  const protocol = type === '8864' ? Number.parseInt(frame.slice(40, 44), 16) : 0;
  // The kernel's own IPv6: it asks who has an address that was delegated.
  const isSession = protocol >= 0x8000 || protocol === 0x0057;
  frames += 1;
  const isRight =
    source === OWN_MAC && (type === '8863' || type === '8035' || (isSession && role === 'MASTER'));
  if (!isRight && (type.startsWith('88') || source === OWN_MAC))
    wrongFrames.add(frame.slice(0, 44));
});

const AS_UNIT = [
  '--no-new-privs',
  '--bounding-set',
  '-all,+net_admin,+net_raw',
  '--inh-caps',
  '-all',
];
const helper = execa(
  'setpriv',
  [...AS_UNIT, process.execPath, HELPER, '--config', '/run/ppp_thing.conf'],
  { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit', reject: false },
);

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

async function tidy(): Promise<void> {
  const client = await greet();
  const wishes: readonly Wish[] = [
    { verb: 'route', session, via: 'none' },
    { verb: 'delegate', session, prefixes: [], addresses: [] },
    { verb: 'deconfigure', session },
    { verb: 'detach', session },
    { verb: 'demote', session, on: false },
  ];
  for (const wish of wishes) await client.ask(wish);
  client.end();
}

const shown = async (...words: readonly string[]): Promise<string> =>
  (await execa('ip', words)).stdout;
/** Everything but what a session may have while it is up. */
async function world(): Promise<Record<string, unknown>> {
  return {
    // The kernel tells the state of a new link a moment later.
    links: (await shown('-o', 'link')).replaceAll(/ state \w+/g, ''),
    addresses: (await shown('-o', 'address')).replaceAll(/ (valid|preferred)_lft \S+/g, ''),
    routes: await shown('route', 'show', 'table', 'all'),
    rules: await shown('rule'),
    neighbours: (await shown('neigh')).split('\n').length,
    pppoe: readFileSync('/proc/net/pppoe', 'latin1').trim().split('\n').length,
    // Its own records come with the first demotion and the first prefix.
    files: [
      ...readdirSync('/run'),
      ...readdirSync(RUN).filter((name) => !RECORDS.has(name)),
    ].sort(),
    descriptors: readdirSync(`/proc/${helper.pid}/fd`).length,
  };
}

await greet().then((client) => client.end());
await tidy();
const enemy = new Enemy(Number(seed), session);
const before = await world();
const first = await attack(SOCKET, enemy, Number(count) / 2);
await tidy();
const asBackup = [...wrongFrames];
await execa('ip', ['addr', 'add', '192.168.7.1/24', 'dev', 'eth1']);
role = 'MASTER';
const second = await attack(SOCKET, enemy, Number(count) / 2);
await tidy();
await execa('ip', ['addr', 'del', '192.168.7.1/24', 'dev', 'eth1']);
await tidy();
const after = await world();
const last = await greet();
const outcome = await last.outcome({ verb: 'counters', session });
last.end();
helper.kill('SIGTERM');
const { exitCode } = await helper;
station.close();
const requests = first.requests + second.requests;
const done = first.done + second.done;
const result = {
  before,
  after,
  asBackup,
  wrong: [...wrongFrames],
  frames,
  requests,
  done,
  outcome,
  exitCode,
};
console.log(`@result ${JSON.stringify(result)}`);
process.exit(0);
