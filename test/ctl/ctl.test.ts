/** `pppthingctl` against a real supervisor's sockets: what is printed, what is said wrong, and the exit codes. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startStatusServers } from '@ppp-thing/supervisor/status-server';
import { bench, holding } from '../supervisor/status-bench.ts';
import { Ctl, ctl, SHIM } from './bench.ts';

const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-ctl-'));
t.teardown(() => rmSync(folder, { recursive: true }));

t.test('status › everything an operator looks for, in one block', async (t) => {
  const { directory } = await holding(t, { partner: true });
  const { code, out, err } = await ctl(directory, 'status');
  t.equal(code, 0, err);
  for (const line of [
    /^pppoe0: this router holds the session$/m,
    /^ {2}role {6}MASTER, policy follow-carp$/m,
    /^ {2}holder {4}this router, epoch 43$/m,
    /^ {2}phase {5}Network, echo [\d.]+ ms$/m,
    /^ {2}session {3}0x1234 with 02:00:00:00:00:ac bras, up \d+ d \d+ h$/m,
    /^ {2}address {3}203\.0\.113\.7 -> 192\.0\.2\.1, mtu 1492, CHAP-MD5$/m,
    /^ {2}partner {3}BACKUP, healthy, armed, in sync, heard \d\.\d s ago$/m,
    /^ {2}takeover {2}\d\.\d s ago, epoch 43, proven after [\d.]+ ms; from the edge, ms: gate 0.21, up 0.34, route 0.48(, told [\d.]+)?$/m,
  ]) {
    t.match(out, line);
  }
  t.notOk(out.includes('\u001b'), 'nothing for a terminal');
});

t.test('status --json › what the API says', async (t) => {
  const { directory, ask } = await holding(t);
  const { code, out } = await ctl(directory, 'status', '--json');
  t.equal(code, 0);
  const { now, ...rest } = JSON.parse(out);
  t.ok(now > 0);
  t.match(JSON.parse((await ask('status', 'GET', '/v1/status')).body), {
    version: rest.version,
    startedAt: rest.startedAt,
    sessions: [{ name: 'pppoe0', counters: { stores: rest.sessions[0].counters.stores } }],
  });
});

t.test('handoff › with --wait it comes back when the partner holds the session', async (t) => {
  const { directory, until, supervisor } = await holding(t, { partner: true });
  await until(() => supervisor.session('pppoe0')?.status.partner.message?.armed === true);
  const { code, out, err } = await ctl(directory, 'handoff', '--wait');
  t.equal(code, 0, err);
  t.match(out, /^pppoe0: the partner holds the session, epoch 44, after \d+ ms$/m);
});

t.test('handoff › refused: exit 1 and the reason', async (t) => {
  const { directory } = await holding(t);
  t.match(await ctl(directory, 'handoff', 'pppoe0'), {
    code: 1,
    out: /^$/,
    err: /^pppthingctl: handoff pppoe0: refused: no partner is configured$/m,
  });
  t.match(await ctl(directory, 'handoff', 'other'), { code: 1, err: 'no session other' });
});

t.test('connect, disconnect and reconnect reach the session', async (t) => {
  const { directory, until, supervisor } = await holding(t);
  const state = (): string | undefined => supervisor.session('pppoe0')?.status.state;
  t.match(await ctl(directory, 'disconnect'), { code: 0, out: /^$/, err: /^$/ });
  await until(() => state() === 'Off');
  t.match(await ctl(directory, 'status'), { out: 'pppoe0: disconnected by the operator' });
  t.match(await ctl(directory, 'connect', 'pppoe0'), { code: 0 });
  await until(() => state() === 'Holding');
  t.match(await ctl(directory, 'reconnect'), { code: 0 });
});

t.test('log › shows the level and sets it', async (t) => {
  const { directory, log } = await bench(t);
  t.match(await ctl(directory, 'log'), { code: 0, out: /^info$/m });
  t.match(await ctl(directory, 'log', 'debug'), { code: 0 });
  t.equal(log.level, 'debug');
  t.match(await ctl(directory, 'log', 'loud'), { code: 64, err: 'expected one of error, warn' });
});

t.test('events › what happened, a line each, and as JSON', async (t) => {
  const { directory } = await holding(t);
  const plain = await ctl(directory, 'events');
  t.equal(plain.code, 0);
  t.match(plain.out, /^\d{4}-\d\d-\d\dT[\d:.]+Z pppoe0 owner: Standby -> Holding on /m);
  const json = await ctl(directory, 'events', '--json');
  const lines = json.out.trimEnd().split('\n');
  t.equal(lines.length, plain.out.trimEnd().split('\n').length);
  t.match(JSON.parse(lines[0] ?? ''), { sequence: 1, session: 'pppoe0' });
});

t.test('events -f › goes on where it was when the supervisor is back', async (t) => {
  const made = await holding(t);
  const { directory, supervisor, notice } = made;
  const next = join(directory, 'db');
  const servers = await startStatusServers(supervisor, next);
  const command = new Ctl(next, ['events', '-f']);
  t.teardown(() => command.child.kill());
  notice({ notice: 'role', session: 'pppoe0', role: 'BACKUP', gateOpen: false });
  await command.printed('out', /Holding -> Standby/);
  servers.close();
  await command.printed('err', /the supervisor is away; waiting for it/);
  const again = await startStatusServers(supervisor, next);
  notice({ notice: 'role', session: 'pppoe0', role: 'MASTER', gateOpen: true });
  await command.printed('out', /Holding -> Standby[^]*Standby -> Holding/);
  t.match(command.err, /the supervisor is back/);
  again.close();
});

t.test('watch › one status after the other; no supervisor is no reason to end', async (t) => {
  const { directory } = await holding(t);
  const command = new Ctl(directory, ['watch']);
  t.teardown(() => command.child.kill());
  await command.printed('out', /this router holds[^]*this router holds/);
  t.notOk(command.out.includes('\u001b'), 'nothing for a terminal');
  const lonely = new Ctl(folder, ['watch']);
  t.teardown(() => lonely.child.kill());
  await lonely.printed('out', /ENOENT: is the supervisor running\?[^]*ENOENT/);
});

t.test('the shell › takes lines of commands, and ends with the last exit code', async (t) => {
  const { directory } = await holding(t);
  const shell = new Ctl(directory, [], 'log\n\nfly\n  status   --json \n');
  t.equal(await shell.exit, 0);
  t.match(shell.out, /^info\n\{/);
  t.match(shell.err, /no command fly/);
  const refused = new Ctl(directory, [], 'handoff\nquit\nlog\n');
  t.equal(await refused.exit, 1);
  t.equal(refused.out, '');
});

t.test('errors › each in a line that says what to do, with its exit code', async (t) => {
  const { directory } = await bench(t, { helper: false });
  for (const [words, code, err] of [
    [['fly'], 64, /^pppthingctl: no command fly; see pppthingctl help$/m],
    [['constructor'], 64, /no command constructor/],
    [
      ['status', '--jsno'],
      64,
      /unknown option '--jsno'\nusage: pppthingctl status \[--json \| --check\]/,
    ],
    [['connect', 'a', 'b'], 64, /unexpected argument 'b'/],
    [['status', 'other'], 64, /no session other; configured: pppoe0/],
    [['--run'], 64, /--run/],
    [['--fly', 'status'], 64, /--fly/],
    [['--run', folder, 'status'], 69, /ENOENT: is the supervisor running\?/],
    [['--run', folder, 'handoff', 'x'], 69, /connect .*control\.sock: ENOENT/],
    [['keygen', '0'], 64, /the number of a key is 1 to 255/],
    [['handoff'], 1, /the helper does not answer|is not possible/],
  ] as const) {
    const outcome = await ctl(directory, ...words);
    t.match(outcome, { code, err }, words.join(' '));
    t.notMatch(outcome.err, /^\s+at /m);
  }
  t.match(await ctl(directory, 'help'), { code: 0, out: /check-config \[FILE\]/ });
  t.match(await ctl(directory, '--help'), { code: 0, out: /^usage: pppthingctl/ });
  t.match(await ctl(directory, 'handoff', '--help'), { code: 0, out: 'handoff [--wait]' });
  t.match(await ctl(directory, '--version'), { code: 0, out: /^pppthingctl \d/ });
  t.match(await ctl(directory, 'version'), { code: 0, out: /^ppp_thing 0\.1\.0, api 1/m });
});

/** Something that takes connections as the supervisor does, and answers each with these octets, and no more. */
async function pretender(t: Test, octets: string, isOver: boolean): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'ppp-thing-ctl-'));
  const servers = ['status', 'control'].map((name) =>
    createServer((socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => (isOver ? socket.end(octets) : socket.write(octets)));
    }).listen(join(directory, `${name}.sock`)),
  );
  await Promise.all(servers.map((server) => once(server, 'listening')));
  t.teardown(() => {
    for (const server of servers) server.close();
    rmSync(directory, { recursive: true });
  });
  return directory;
}

const ASKING = [['status'], ['version'], ['log'], ['log', 'info'], ['connect', 'x'], ['events']];

t.test(
  'errors › a supervisor that stops in the middle of an answer is not waited for',
  async (t) => {
    const head = 'HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n';
    const silent = await pretender(t, '', false);
    const slow = await pretender(t, `${head}{"api"`, false);
    const asked = [silent, slow].flatMap((each) => ASKING.map((words) => ctl(each, ...words)));
    for (const outcome of await Promise.all(asked))
      t.match(outcome, { code: 69, err: /ETIMEDOUT: .*not answer\n$/ });
    const broken = await pretender(t, `${head}{"api"`, true);
    for (const words of ASKING)
      t.match(await ctl(broken, ...words), {
        code: 69,
        err: /ECONNRESET: .* closed the connection\n$/,
      });
  },
);

t.test('errors › what is not our API is another version', async (t) => {
  const event = 'data: hello\n\n';
  const head = `HTTP/1.1 200 OK\r\ncontent-length: ${event.length}\r\n\r\n`;
  const directory = await pretender(t, `${head}${event}`, true);
  for (const words of ASKING)
    t.match(await ctl(directory, ...words), { code: 76, err: /another version of the API\n$/ });
});

t.test('errors › watch of a session that is not there ends', async (t) => {
  const { directory } = await holding(t);
  t.match(await ctl(directory, 'watch', 'other'), {
    code: 64,
    out: /^$/,
    err: /no session other; configured: pppoe0\n$/,
  });
});

t.test('output › a reader that has enough is no error; a full disk is', async (t) => {
  const shell = (line: string) =>
    spawnSync('env', ['-u', 'NODE_OPTIONS', 'sh', '-c', line, 'sh', process.execPath, SHIM], {
      encoding: 'utf8',
      env: { PATH: process.env['PATH'] ?? '' },
    });
  t.match(shell('{ "$1" "$2" help; echo $? >&2; } | :'), { stderr: /^(0\n)$/ });
  const skip = !existsSync('/dev/full') && 'no /dev/full here';
  t.match(
    shell('"$1" "$2" keygen > /dev/full'),
    {
      status: 74,
      stderr: /^pppthingctl: write output: ENOSPC\n$/,
    },
    { skip },
  );
});

const isRoot = process.getuid?.() === 0;
t.test(
  'errors › no permission is exit 77',
  { skip: isRoot && 'root may everything' },
  async (t) => {
    const { directory } = await bench(t);
    chmodSync(join(directory, 'control.sock'), 0);
    t.match(await ctl(directory, 'log', 'info'), { code: 77, err: 'group ppp_thing' });
  },
);

t.test('keygen and check-config need no supervisor', async (t) => {
  const { config } = await bench(t);
  const key = await ctl(folder, 'keygen', '7');
  t.match(key, { code: 0, out: /^7 [0-9a-f]{64}\n$/ });
  t.match(await ctl(folder, 'check-config', config), {
    code: 0,
    out: 'ppp_thing.conf: ok: pppoe0',
  });
  t.match(await ctl(folder, '--config', config, 'check-config'), { code: 0 });
  const gone = join(folder, 'gone.conf');
  t.match(await ctl(folder, 'check-config', gone), { code: 78, err: `read ${gone}: ENOENT` });
  const bad = join(folder, 'bad.conf');
  writeFileSync(bad, '[session.pppoe0]\nmtu = 3\ninterfaec = "x"\n');
  t.match(await ctl(folder, 'check-config', bad), {
    code: 78,
    err: /bad\.conf:2: EINVAL: session\.pppoe0\.mtu: expected[^]*bad\.conf:3: .*did you mean interface\?/,
  });
});
