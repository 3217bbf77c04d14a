/**
 * The systemd units: how much they leave open, as systemd measures it, and that both programs run with the system calls
 * they allow. It starts no unit.
 */
import { spawn, spawnSync } from 'node:child_process';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import {
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MAX_CONNECTIONS } from '@ppp-thing/supervisor/status-server';
import t from 'tap';
import { Client, type Wish } from '../helper/client.ts';
import { Machine } from '../helper/machine.ts';

const unit = (name: string): string =>
  fileURLToPath(new URL(`../../../etc/systemd/${name}.service`, import.meta.url));
const CONFINED = fileURLToPath(new URL('confined.js', import.meta.url));
const SUPERVISOR = fileURLToPath(import.meta.resolve('@ppp-thing/supervisor/main'));
const CTL = fileURLToPath(new URL('../../../packages/ctl/bin/pppthingctl', import.meta.url));
const NOBODY = 65_534;
// tap gives every child its own loader, which writes where such a program may not.
const ENV = ['-u', 'NODE_OPTIONS', process.execPath] as const;

const hasAnalyze = spawnSync('systemd-analyze', ['--version']).error === undefined;
const unmeasured = !hasAnalyze && 'systemd-analyze is not installed';
const unconfined =
  unmeasured ||
  (process.arch !== 'x64' && 'the numbers of the system calls are those of x86-64') ||
  (!existsSync('/usr/include/x86_64-linux-gnu/asm/unistd_64.h') && 'linux-libc-dev is missing');

/** Above this checkout, what only its owner may enter. */
function closedAbove(directory: string): string | undefined {
  if (directory === '/') return undefined;
  const isOpen = (statSync(directory).mode & 1) === 1;
  return isOpen ? closedAbove(dirname(directory)) : directory;
}
const isRoot = process.getuid?.() === 0;
const closed = closedAbove(dirname(CONFINED));
const unreachable =
  unconfined || (isRoot && closed !== undefined && `no other user may enter ${closed}`);

/** In tenths, as `--threshold` takes them. */
const EXPOSURE = { ppp_thing: 15, ppp_thing_helper: 35 } as const;

for (const [name, most] of Object.entries(EXPOSURE)) {
  t.test(
    `systemd › ${name} is exposed no more than ${most / 10}`,
    { skip: unmeasured },
    async (t) => {
      const measured = spawnSync(
        'systemd-analyze',
        ['security', '--no-pager', '--offline=true', `--threshold=${most}`, unit(name)],
        { encoding: 'utf8' },
      );
      t.equal(measured.status, 0, measured.stdout.trim().split('\n').at(-1) ?? '');
    },
  );
}

t.test('systemd › the helper keeps two capabilities, the supervisor none', async (t) => {
  const bounds = (name: string): string | undefined =>
    /^CapabilityBoundingSet=(.*)$/m.exec(readFileSync(unit(name), 'utf8'))?.[1];
  t.equal(bounds('ppp_thing_helper'), 'CAP_NET_ADMIN CAP_NET_RAW');
  t.equal(bounds('ppp_thing'), '');
});

t.test('systemd › neither leaves a core, gains privileges or takes runtime options', async (t) => {
  for (const name of Object.keys(EXPOSURE)) {
    const text = readFileSync(unit(name), 'utf8');
    t.match(text, /^LimitCORE=0$/m, name);
    t.match(text, /^NoNewPrivileges=yes$/m, name);
    t.match(text, /^UnsetEnvironment=NODE_OPTIONS /m, name);
  }
});

t.test(
  'systemd › descriptors for a thousand sessions, and for readers beside the store',
  async (t) => {
    const limit = (name: string): number =>
      Number(/^LimitNOFILE=(\d+)$/m.exec(readFileSync(unit(name), 'utf8'))?.[1]);
    t.ok(limit('ppp_thing_helper') >= 6 * 1000 + 100, 'the helper');
    t.ok(limit('ppp_thing') >= 4 * MAX_CONNECTIONS, 'the supervisor');
  },
);

t.test(
  'systemd › one that hangs is killed and restarted, a wrong configuration is not',
  async (t) => {
    for (const name of Object.keys(EXPOSURE)) {
      const text = readFileSync(unit(name), 'utf8');
      t.match(text, /^Type=notify$/m, name);
      t.match(text, /^WatchdogSec=20s\nWatchdogSignal=SIGKILL$/m, name);
      t.match(text, /^Restart=always$/m, name);
      t.match(text, /^RestartPreventExitStatus=64 78$/m, name);
      t.match(text, /^StartLimitIntervalSec=0$/m, name);
      // Where a module is built in, each start would log that there is none.
      t.notMatch(text, /modprobe -a /, name);
      // Of a unit that is ready late: its first failure would keep whoever requires it from ever being started.
      t.notMatch(text, /^(?:Requires|BindsTo|Requisite)=/m, name);
    }
  },
);

t.test(
  'systemd › a call that a unit does not allow ends the program',
  { skip: unconfined },
  async (t) => {
    const mount = spawnSync('env', [
      ...ENV,
      CONFINED,
      unit('ppp_thing'),
      '/bin/mount',
      '-t',
      'proc',
      'proc',
      '/nonexistent',
    ]);
    t.equal(mount.signal, 'SIGSYS');
  },
);

t.test(
  'systemd › the helper serves with the calls its unit allows',
  { skip: unconfined },
  async (t) => {
    const router = await Machine.boot();
    const { socketPath, stateDirectory } = router.policy;
    const { main, env } = await router.open();
    const config = join(router.folder, 'ppp_thing.conf');
    writeFileSync(
      config,
      `[helper]
socket = "${socketPath}"
state_directory = "${stateDirectory}"
user = "${process.getuid?.()}"
group = "${process.getgid?.()}"
[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
policy = "pinned"
carp_interface = "igb1"
carp_vhid = 1
carp_address = "192.168.7.1"
user = "alice"
password = "hunter2"
`,
      { mode: 0o640 },
    );
    const command = [main, '--config', config];
    const child = spawn(
      'env',
      [...ENV, CONFINED, unit('ppp_thing_helper'), process.execPath, ...command],
      { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'inherit'] },
    );
    const exit = new Promise<unknown>((resolve) =>
      child.on('exit', (code, signal) => resolve(code ?? signal)),
    );
    t.teardown(async () => {
      child.kill('SIGKILL');
      await exit;
      await router.close();
    });
    const serving = new Promise<boolean>((resolve) =>
      child.stdout.once('data', () => resolve(true)),
    );
    t.equal(await Promise.race([serving, exit]), true, 'it came up');
    const client = await Client.greet(socketPath);
    const session = 'pppoe0';
    const key = { sessionId: 1, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
    const wishes: readonly Wish[] = [
      { verb: 'attach', session, key, maxPayload: 1492, autoOpen: true, settings: null },
      { verb: 'demote', session, on: true },
      { verb: 'announce', session, epoch: 1, proof: NO_PROOF },
      { verb: 'detach', session },
      { verb: 'demote', session, on: false },
    ];
    for (const wish of wishes) t.equal(await client.outcome(wish), 'done', wish.verb);
    client.end();
    child.kill('SIGTERM');
    t.equal(await exit, 0);
  },
);

t.test(
  'systemd › the supervisor serves with the calls its unit allows',
  { skip: unreachable },
  async (t) => {
    // As somebody who is not root, as the unit has it: giving root up is not among the calls that it allows.
    const uid = isRoot ? NOBODY : process.getuid?.();
    const gid = isRoot ? NOBODY : process.getgid?.();
    const folder = mkdtempSync(join(tmpdir(), 'ppp-unit-'));
    for (const each of ['run', 'state']) mkdirSync(join(folder, each));
    if (isRoot)
      for (const each of ['', 'run', 'state']) chownSync(join(folder, each), NOBODY, NOBODY);
    const config = join(folder, 'ppp_thing.conf');
    writeFileSync(
      config,
      `[helper]
socket = "${folder}/helper.sock"
[supervisor]
state_directory = "${folder}/state"
run_directory = "${folder}/run"
user = "${uid}"
group = "${gid}"
[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
policy = "pinned"
user = "alice"
password = "hunter2"
`,
      { mode: 0o644 },
    );
    const child = spawn(
      'env',
      [...ENV, CONFINED, unit('ppp_thing'), process.execPath, SUPERVISOR, '--config', config],
      { stdio: ['ignore', 'pipe', 'pipe'], ...(isRoot && { uid: NOBODY, gid: NOBODY }) },
    );
    let output = '';
    child.stdout.on('data', (chunk) => (output += String(chunk)));
    child.stderr.on('data', (chunk) => (output += String(chunk)));
    const exit = new Promise<unknown>((resolve) =>
      child.on('exit', (code, signal) => resolve(code ?? signal)),
    );
    t.teardown(async () => {
      child.kill('SIGKILL');
      await exit;
      rmSync(folder, { recursive: true });
    });
    // Said after the sockets are there: the connection to the helper, which this test has none of.
    const serving = new Promise<boolean>((resolve) =>
      child.stdout.on('data', () => output.includes('ENOENT') && resolve(true)),
    );
    t.equal(await Promise.race([serving, exit]), true, output);
    const status = spawnSync('env', [...ENV, CTL, 'status', '--json'], {
      env: { ...process.env, PPP_THING_RUN: join(folder, 'run') },
      encoding: 'utf8',
    });
    t.match(status.stdout, /"pppoe0"/, output);
    child.kill('SIGTERM');
    t.equal(await exit, 0, output);
  },
);

t.test('systemd › a router that boots is demoted before keepalived starts', async (t) => {
  t.match(readFileSync(unit('ppp_thing'), 'utf8'), /^Before=keepalived\.service$/m);
});

t.test('systemd › at an edge of the role the helper runs before other programs', async (t) => {
  const niceOf = (name: string): number =>
    Number(/^Nice=(.*)$/m.exec(readFileSync(unit(name), 'utf8'))?.[1] ?? 0);
  t.ok(niceOf('ppp_thing_helper') < 0);
  t.equal(niceOf('ppp_thing'), 0);
});

t.test(
  'systemd › descriptors are kept over a restart only, and only the helper puts them there',
  async (t) => {
    const text = readFileSync(unit('ppp_thing_helper'), 'utf8');
    const valueOf = (key: string): number =>
      Number(new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? 0);
    t.match(text, /^NotifyAccess=main$/m);
    // By default systemd closes what is kept when the unit is stopped, or fails.
    t.notMatch(text, /^FileDescriptorStorePreserve=/m);
    // Two of each session; the helper itself needs six.
    t.ok(valueOf('FileDescriptorStoreMax') >= 2 * Math.floor(valueOf('LimitNOFILE') / 6 - 50));
    t.notMatch(readFileSync(unit('ppp_thing'), 'utf8'), /^FileDescriptorStore/m);
  },
);
