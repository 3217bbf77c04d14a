import { chownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import type { Request } from '@ppp-thing/protocol/ipc/messages';
import { encodeSnapshotText } from '@ppp-thing/supervisor/snapshot-text';
import { SNAPSHOT } from '../fixtures/partner.ts';
import { bench, Command, KEY, me } from './main-bench.ts';
import { friendly } from './script.ts';

const NOBODY = 65_534;
const isRoot = process.getuid?.() === 0;

const verbs = (requests: readonly Request[]): string[] => requests.map(({ verb }) => verb);

t.test('main › SIGTERM leaves the session as it is: nothing is sent (R3)', async (t) => {
  const { start, script, folder } = await bench(t);
  writeFileSync(join(folder, 'state', 'pppoe0.json'), encodeSnapshotText('pppoe0', SNAPSHOT));
  const command = start();
  await command.printed('helper: connected: freebsd, pid 4711');
  await script.happened.until('ppp-send');
  const before = script.requests.length;
  command.child.kill('SIGTERM');
  t.equal(await command.exit, 0);
  t.match(command.output, /SIGTERM: the session stays up/);
  t.notMatch(command.output, /hunter2/);
  for (const request of script.requests.slice(before)) {
    t.notOk(['detach', 'deconfigure', 'discovery-send'].includes(request.verb), request.verb);
    // An Echo-Request may have been on its way, a Terminate-Request may not.
    if (request.verb === 'ppp-send') t.equal(request.packet[0], 9);
    if (request.verb === 'gate') t.ok(request.open);
  }
});

t.test(
  'main › a stored session is resumed: stored, then gate, announce, proof, route',
  async (t) => {
    const { start, script, folder } = await bench(t);
    writeFileSync(join(folder, 'state', 'pppoe0.json'), encodeSnapshotText('pppoe0', SNAPSHOT));
    const stored = (): string => readFileSync(join(folder, 'state', 'pppoe0.json'), 'utf8');
    let epochAtFirstFrame: string | undefined;
    script.answer = (request) => {
      if (request.verb === 'ppp-send') epochAtFirstFrame ??= /"epoch": \d+/.exec(stored())?.[0];
      return friendly(request);
    };
    const command = start();
    const order = (): string[] => {
      const all = verbs(script.requests);
      return all.slice(all.indexOf('ppp-send') - 4);
    };
    await script.happened.until('ppp-send');
    while (order().length < 6) await script.happened.next();
    t.strictSame(order().slice(0, 6), [
      'route',
      'attach',
      'gate',
      'announce',
      'ppp-send',
      'configure',
    ]);
    t.equal(epochAtFirstFrame, '"epoch": 43', 'R5: durable before the first frame');
    // The log follows the frames.
    await command.printed('pppoe0 owner: Waiting -> ');
  },
);

t.test(
  'main › octets of the AC that are nonsense are dropped, counted, shown at debug',
  async (t) => {
    const { start, script, write } = await bench(t);
    write(`user = "${me}"\ngroup = "${process.getgid?.() ?? 0}"\nlog_level = "trace"`);
    const command = start();
    await script.happened.until('hello');
    const session = 'pppoe0';
    const source = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
    await command.printed('connected');
    const payload = Uint8Array.of(0x11, 7);
    const frame = encodeMessage({ notice: 'discovery-frame', session, source, payload });
    // The first of its kind is shown, the others at debug.
    script.say(frame);
    await command.printed('pppoe0: discovery-frame dropped: ');
    script.say(frame);
    await command.printed('debug: pppoe0: discovery-frame dropped: ');
    t.match(command.output, /discovery-frame dropped: .* at octet \d+ \| 1107/);
    script.say(encodeMessage({ notice: 'dropped', session, frames: 3 }));
    await command.printed('3 frames shed');
  },
);

t.test(
  'main › list every error in the configuration is on the screen, exit 78, nothing touched',
  async (t) => {
    const { start, script, write, folder } = await bench(t);
    write('user = ""\nlog_level = "loud"', 'mtu = 7');
    const command = start();
    t.equal(await command.exit, 78);
    const lines = command.output.trim().split('\n');
    t.equal(lines.length, 3, command.output);
    for (const line of lines)
      t.match(line, /^ppp_thing: read .*ppp_thing\.conf:\d+: EINVAL: .*expected/);
    t.strictSame(script.requests, []);
    t.throws(() => readFileSync(join(folder, 'run', 'status.sock')), { code: 'ENOENT' });
  },
);

t.test('main › --check says what it read, and finds what is wrong with the keys', async (t) => {
  const { start, keyFile, script } = await bench(t);
  const right = start('--check');
  t.equal(await right.exit, 0);
  t.match(right.output, /^check .*: ok: pppoe0\n$/);
  writeFileSync(keyFile, `7 ${KEY}\n7 ${KEY}\n`);
  const wrong = start('--check');
  t.equal(await wrong.exit, 78);
  t.match(wrong.output, /key:2: EINVAL: key 7: is in the file twice/);
  rmSync(keyFile);
  const missing = start('--check');
  t.equal(await missing.exit, 78);
  t.match(
    missing.output,
    /^ppp_thing: read .*key: ENOENT: there is no such file; .*pppthingctl keygen/,
  );
  mkdirSync(keyFile);
  const folder = start('--check');
  t.equal(await folder.exit, 78);
  t.match(folder.output, /^ppp_thing: read .*key: EISDIR: it is a directory\n$/);
  t.strictSame(script.requests, []);
});

t.test(
  'main › SIGHUP reads the level and the keys again, and keeps them when the file is wrong',
  async (t) => {
    const { start, write, keyFile } = await bench(t);
    const user = `user = "${me}"\ngroup = "${process.getgid?.() ?? 0}"`;
    const command = start();
    await command.printed('helper: connected');
    write(`${user}\nlog_level = "debug"`);
    writeFileSync(keyFile, `8 ${KEY}\n7 ${KEY}\n`);
    command.child.kill('SIGHUP');
    await command.printed('SIGHUP: log level debug, hooks and 2 keys, sending with 8');
    write(`${user}\nlog_level = "loud"`);
    command.child.kill('SIGHUP');
    await command.printed('error: SIGHUP: read ');
    t.match(command.output, /supervisor\.log_level: expected/);
    command.child.kill('SIGTERM');
    t.equal(await command.exit, 0);
  },
);

t.test('main › a SIGHUP that comes while it starts does not end it', async (t) => {
  const { start } = await bench(t);
  const command = start();
  // Its first line: the sockets and the helper come after it.
  await command.printed(`pid ${command.child.pid}`);
  command.child.kill('SIGHUP');
  await command.printed('helper: connected');
  command.child.kill('SIGTERM');
  t.equal(await command.exit, 0);
});

/** A second supervisor says `why` once, and waits for the end of the first. @param between before the second starts */
async function takeTurns(
  t: Test,
  { start, script }: Awaited<ReturnType<typeof bench>>,
  why: string,
  between = (): void => {},
): Promise<void> {
  const first = start();
  await first.printed('helper: connected');
  between();
  const second = start();
  await second.printed(why);
  t.equal(script.happened.count('connected'), 1);
  first.child.kill('SIGTERM');
  t.equal(await first.exit, 0);
  await second.printed('helper: connected');
  t.equal(second.output.match(/another supervisor (?:runs|listens)/g)?.length, 1);
  second.child.kill('SIGTERM');
  t.equal(await second.exit, 0);
}

t.test('main › a second supervisor says once who runs, and waits for its end', async (t) => {
  await takeTurns(t, await bench(t), 'another supervisor runs on it');
});

t.test('main › nor does one of another state in the same run directory start over', async (t) => {
  const pair = await bench(t);
  const { config, folder } = pair;
  await takeTurns(t, pair, 'another supervisor listens there: trying again', () => {
    mkdirSync(join(folder, 'other'));
    const text = readFileSync(config, 'utf8').replace('/state"', '/other"');
    writeFileSync(config, text.replace(/port = 2/, 'port = 1'));
  });
});

t.test('main › a store that cannot be had is said once, until it is mended', async (t) => {
  const { start, folder, script } = await bench(t);
  const state = join(folder, 'state');
  rmSync(state, { recursive: true });
  writeFileSync(state, '');
  const command = start();
  await command.printed('trying again');
  t.strictSame(script.requests, [], 'the helper waits for a supervisor that knows its session');
  rmSync(state);
  mkdirSync(join(state, 'pppoe0.json'), { recursive: true });
  await command.printed('EISDIR');
  rmSync(join(state, 'pppoe0.json'), { recursive: true });
  await command.printed('helper: connected');
  const problems = command.output.match(/^error: .*/gm);
  t.equal(problems?.length, 2, command.output);
  t.match(problems?.[0], /error: make .*state: EEXIST: .*: trying again$/);
  t.match(problems?.[1], /error: read .*pppoe0\.json: EISDIR: .*: trying again$/);
});

t.test('main › under daemon(8) a broken file is said once, until it is mended', async (t) => {
  const { startOnFreebsd, config, keyFile } = await bench(t);
  const whole = readFileSync(config, 'utf8');
  writeFileSync(config, whole.replace('partner_id = 2', 'partner_id = 1'));
  const command = startOnFreebsd();
  await command.printed('trying again');
  rmSync(keyFile);
  writeFileSync(config, whole);
  await command.printed('pppthingctl keygen');
  writeFileSync(keyFile, `7 ${KEY}\n`);
  await command.printed('helper: connected');
  t.equal(command.output.match(/: trying again/g)?.length, 2, command.output);
  command.child.kill('SIGTERM');
  t.equal(await command.exit, 0);
});

t.test('main › no signal but those that end it changes anything', async (t) => {
  const { start } = await bench(t);
  const command = start();
  await command.printed('helper: connected');
  for (const signal of ['SIGUSR1', 'SIGPIPE', 'SIGWINCH', 'SIGCONT'] as const)
    command.child.kill(signal);
  command.child.kill('SIGHUP');
  await command.printed('SIGHUP: ');
  command.child.kill('SIGTERM');
  t.equal(await command.exit, 0);
  t.notMatch(command.output, /Debugger/, 'SIGUSR1 opens no port');
});

t.test(
  'main › root is given up for good once the ports are bound',
  { skip: isRoot && process.platform === 'linux' ? false : 'needs root, and /proc' },
  async (t) => {
    const { start, write, folder } = await bench(t);
    for (const each of ['run', 'state', 'helper.sock'])
      chownSync(join(folder, each), NOBODY, NOBODY);
    write(`user = "${NOBODY}"\ngroup = "${NOBODY}"`);
    const command = start();
    await command.printed('helper: connected');
    const status = readFileSync(`/proc/${command.child.pid}/status`, 'utf8');
    t.match(status, new RegExp(`^Uid:\t${NOBODY}\t${NOBODY}\t${NOBODY}\t${NOBODY}$`, 'm'));
    t.match(status, new RegExp(`^Gid:\t${NOBODY}\t${NOBODY}\t${NOBODY}\t${NOBODY}$`, 'm'));
    t.match(status, new RegExp(`^Groups:\t${NOBODY} ?$`, 'm'));
    t.match(status, /^CapEff:\t0+$/m);
    t.match(command.output, new RegExp(`privileges: user ${NOBODY}, group ${NOBODY}`));
  },
);

t.test(
  'main › a user that does not exist is not root instead',
  { skip: isRoot ? false : 'needs root' },
  async (t) => {
    const { start, write, script } = await bench(t);
    write('user = "no-such-user"\ngroup = "no-such-group"');
    const command = start();
    t.equal(await command.exit, 67);
    t.match(command.output, /ppp_thing: .*no-such-user: ENOENT: this system has none/);
    t.strictSame(script.requests, []);
  },
);

t.test('main › arguments that are not ours are a usage error', async (t) => {
  const command = new Command(['--frobnicate']);
  t.equal(await command.exit, 64);
  t.match(command.output, /usage: ppp_thing/);
  const help = new Command(['--help']);
  t.equal(await help.exit, 0);
  const version = new Command(['--version']);
  t.equal(await version.exit, 0);
  t.match(version.output, /^ppp_thing \d+\.\d+\.\d+\n$/);
});
