/**
 * In the guest, in the namespace of r1: a whole helper, as an administrator starts it, is killed on the holder and
 * started again. Prints `@result` with how long the session was gone from the kernel.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { execa, type ResultPromise } from 'execa';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';
import { Client } from '../../helper/client.ts';
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
const OPTIONS = { stdin: 'ignore', stdout: 'inherit', stderr: 'inherit', reject: false } as const;
const startHelper = (): ResultPromise<typeof OPTIONS> =>
  execa(
    'setpriv',
    [...AS_UNIT, process.execPath, HELPER, '--config', '/run/ppp_thing.conf'],
    OPTIONS,
  );
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

// A stop by the service manager and a removal by the administrator.
const outcome = await client.outcome({ verb: 'gate', session: 'wan', open: true });
helper.kill('SIGTERM');
const { exitCode } = await helper;
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
  padt: heard.filter((frame) => frame.slice(24, 32) === '886311a7').length,
};
console.log(`@result ${JSON.stringify(result)}`);
process.exit(0);
