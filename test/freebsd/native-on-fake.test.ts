/**
 * The tests of a real kernel run on the fake one, as a `Libc` from a module: that they can be run is known before they are.
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import type { Libc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import type { Serving } from '@ppp-thing/helper/serve';
import { Client, HELLO } from '../helper/client.ts';
import { configOf, serveAc } from './native/lab-ac.ts';
import { Capture, joinPorts } from './native/line.ts';
import { Router } from './world.ts';

t.test('native tests › run on the Libc of a module', async (t) => {
  const folder = join(process.cwd(), 'test/dist/freebsd');
  const env = {
    ...process.env,
    PPP_THING_TEST_LIBC: fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/module')),
  };
  const options = { env, encoding: 'utf8', timeout: 600_000 } as const;
  const { status, stdout } = spawnSync(process.execPath, [join(folder, 'native.test.js')], options);
  t.equal(status, 0, stdout.slice(-2000));
  t.match(stdout, /ok \d+ - backend freebsd on a real kernel › gate › opens and closes, and again/);
  t.match(stdout, /# SKIP an epair\(4\) always has a carrier/i);
});

const MACS = [Uint8Array.of(2, 0, 0, 0, 0, 1), Uint8Array.of(2, 0, 0, 0, 0, 2)] as const;
const BROADCAST = new Uint8Array(6).fill(0xff);

function frame(to: Uint8Array, from: Uint8Array, ...rest: readonly number[]): Uint8Array {
  const octets = new Uint8Array(60);
  octets.set(to);
  octets.set(from, 6);
  octets.set(rest, 12);
  return octets;
}

t.test('native line › joins its ports, learns, and testifies', async (t) => {
  const router = await Router.make();
  const sent = new Map<string, Uint8Array[]>();
  const ports = ['sw0', 'sw1', 'sw2'].map((name, i) => {
    sent.set(name, []);
    const mac = Uint8Array.of(2, 0, 0, 0, 1, i);
    return router.kernel.addEther(name, mac, (octets) => sent.get(name)?.push(octets.slice()));
  });
  const { libc } = router.process();
  const loop = createLoop(
    libc,
    () => router.now,
    (line) => t.fail(line),
  );
  const kept: Uint8Array[] = [];
  const line = joinPorts(libc, loop, [...sent.keys()], (octets) => kept.push(octets));
  t.teardown(() => loop.close());
  /** What `octets`, which come in at a port, are sent on to. */
  const pass = async (port: number, octets: Uint8Array): Promise<string[]> => {
    for (const each of sent.values()) each.length = 0;
    ports[port]?.receive(octets);
    let turns = 0;
    await loop.run(() => turns++ > 2);
    return [...sent].filter(([, frames]) => frames.length > 0).map(([name]) => name);
  };
  const [host, ac] = MACS;
  const padi = frame(BROADCAST, host, 0x88, 0x63, 0x11, 0x09, 0, 0);
  const pads = frame(host, ac, 0x88, 0x63, 0x11, 0x65, 0, 7);
  const terminate = frame(ac, host, 0x88, 0x64, 0x11, 0, 0, 7, 0, 6, 0xc0, 0x21, 5, 1, 0, 4);
  const data = frame(ac, host, 0x88, 0x64, 0x11, 0, 0, 7, 0, 6, 0x00, 0x21, 0x45, 0, 0, 0);
  const padt = frame(ac, host, 0x88, 0x63, 0x11, 0xa7, 0, 7);
  t.strictSame(await pass(0, padi), ['sw1', 'sw2'], 'a broadcast goes to all the others');
  t.strictSame(await pass(2, pads), ['sw0'], 'an address that has spoken is known');
  t.strictSame(await pass(0, terminate), ['sw2']);
  t.strictSame(await pass(1, data), ['sw2'], 'from another port: it has moved');
  t.strictSame(await pass(1, padt), ['sw2']);
  t.strictSame(sent.get('sw2')?.[0], padt, 'a frame is passed on as it is');
  const counts = { frames: 5, padi: 1, padt: 1, terminates: 1, moved: 1, lost: 0 };
  t.strictSame(line.report(), { ...counts, granted: [7] });
  t.strictSame(kept, [padi, pads, terminate, padt], 'data is not kept');
  line.begin();
  t.match(line.report(), { frames: 0, padt: 0, granted: [] });
  line.close();
});

t.test("native pair › the lab's Access Concentrator answers on an interface", async (t) => {
  const router = await Router.make();
  const sent: Uint8Array[] = [];
  const mac = Uint8Array.of(2, 0, 0, 0, 1, 0);
  const line = router.kernel.addEther('ac0', mac, (octets) => sent.push(octets.slice()));
  const { libc } = router.process();
  const loop = createLoop(
    libc,
    () => router.now,
    (text) => t.fail(text),
  );
  const said: string[] = [];
  const ac = serveAc(libc, loop, 'ac0', configOf('a', 'b'), (text) => said.push(text));
  const [host] = MACS;
  // Service-Name of any, and a Host-Uniq to be given back.
  const tags = [1, 1, 0, 0, 1, 3, 0, 2, 0xbe, 0xef];
  line.receive(frame(BROADCAST, host, 0x88, 0x63, 0x11, 0x09, 0, 0, 0, tags.length, ...tags));
  await loop.run(() => sent.length > 0);
  const [pado = new Uint8Array()] = sent;
  t.strictSame(pado.subarray(0, 6), host);
  t.strictSame(pado.subarray(12, 16), Uint8Array.of(0x88, 0x63, 0x11, 0x07));
  t.equal(pado.length >= 60, true, 'no shorter than Ethernet has it');
  t.match(said.join('\n'), 'PADI from 02:00:00:00:00:01');
  t.match(ac.report(), { sessions: [], pings: 0, pongs: 0, violations: [] });
  ac.close();
  loop.close();
});

t.test('native line › its capture is pcap', async (t) => {
  const file = join(t.testdir({}), 'line.pcap');
  const capture = new Capture(file);
  capture.write(frame(BROADCAST, MACS[0], 0x88, 0x63));
  capture.close();
  const octets = readFileSync(file);
  t.equal(octets.length, 24 + 16 + 60);
  t.equal(octets.readUInt32LE(0), 0xa1b2c3d4);
  t.equal(octets.readUInt32LE(20), 1, 'Ethernet');
  t.equal(octets.readUInt32LE(24 + 8), 60, 'the length of the first frame');
});

type Start = (
  libcOf: (router: string) => Promise<Libc>,
  router: string,
  config: string,
  log: (line: string) => void,
) => Promise<Serving>;

t.test('docs › the harness of docs/freebsd-native-tests.md starts a whole helper', async (t) => {
  const text = readFileSync('docs/freebsd-native-tests.md', 'utf8');
  const [, block = ''] = /^```js\n([^]*?)^```/m.exec(text) ?? [];
  const folder = t.testdir({ 'harness.mjs': block });
  const place = mkdtempSync(join(tmpdir(), 'ppt-'));
  t.teardown(() => rmSync(place, { recursive: true }));
  const socket = join(place, 's');
  const config = join(place, 'ppp_thing.conf');
  const session = `interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "a"
password = "b"
carp_interface = "igb1"
carp_vhid = 1
local_address = "192.168.7.2"
partner_address = "192.168.7.3"
`;
  const helper = ['[helper]', `socket = "${socket}"`, `state_directory = "${place}/state"`];
  writeFileSync(config, [...helper, '[session.pppoe0]', session].join('\n'), {
    mode: 0o600,
  });
  const harness = (await import(join(folder, 'harness.mjs'))) as { readonly startHelper: Start };
  const lines: string[] = [];
  const router = await Router.make();
  const libcOf = async (): Promise<Libc> => router.waitingProcess().libc;
  const serving = await harness.startHelper(libcOf, 'r1', config, (line) => lines.push(line));
  const client = await Client.connect(socket);
  t.match(await client.ask(HELLO), { done: { platform: 'freebsd' } });
  t.ok(router.leftovers().includes('node pt_pppoe0_e'), lines.join('\n'));
  serving.stop('remove');
  await serving.stopped;
  t.strictSame(router.leftovers(), []);
});

const skip = process.platform === 'freebsd' ? 'this is no other system' : false;
t.test('native tests › say why they are skipped elsewhere', { skip }, async (t) => {
  const file = join(process.cwd(), 'test/dist/freebsd/native.test.js');
  const { status, stdout } = spawnSync(process.execPath, [file], { encoding: 'utf8' });
  t.equal(status, 0);
  t.match(stdout, new RegExp(`# SKIP this is ${process.platform}, not FreeBSD`));
});
