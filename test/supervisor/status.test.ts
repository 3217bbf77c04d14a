/** The status and control sockets of a real supervisor object, over real Unix sockets. It has no helper and no partner. */
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import t from 'tap';
import type { StatusJson } from '@ppp-thing/supervisor/api';
import { readConfig } from '@ppp-thing/supervisor/config';
import { Log } from '@ppp-thing/supervisor/log';
import { Running } from '@ppp-thing/supervisor/running';
import { startStatusServers } from '@ppp-thing/supervisor/status-server';
import { Store } from '@ppp-thing/supervisor/store';

const run = promisify(execFile);
const directory = mkdtempSync(join(tmpdir(), 'ppp-thing-status-'));
const file = join(directory, 'ppp_thing.conf');
writeFileSync(
  file,
  `[supervisor]
state_directory = "${directory}/db"
run_directory = "${directory}"

[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "alice"
password = "kept from everybody"
policy = "pinned"
`,
);

const config = readConfig(file);
const log = new Log(
  'error',
  () => undefined,
  () => 0,
);
const store = new Store(config.stateDirectory, log);
const supervisor = new Running({ config, version: '0.1.0', log, store, partner: undefined });
const servers = await startStatusServers(supervisor, directory);

t.teardown(() => {
  servers.close();
  supervisor.stop();
  rmSync(directory, { recursive: true });
});

interface Answer {
  readonly code: number;
  readonly body: string;
}

function ask(
  socket: 'status' | 'control',
  method: string,
  path: string,
  body = '',
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const options = { socketPath: join(directory, `${socket}.sock`), method, path };
    const asked = request(options, (response) => {
      let text = '';
      response.on('data', (chunk) => (text += String(chunk)));
      response.on('end', () => resolve({ code: response.statusCode ?? 0, body: text }));
    });
    asked.on('error', reject);
    asked.end(body);
  });
}

t.test('status › the facts of every session, and no secret', async (t) => {
  const { code, body } = await ask('status', 'GET', '/v1/status');
  const status = JSON.parse(body) as StatusJson;
  t.equal(code, 200);
  t.match(status, { api: 1, version: '0.1.0', sessions: [{ name: 'pppoe0', state: 'Waiting' }] });
  t.equal(status.sessions[0]?.session, null);
  t.notMatch(body, /kept from everybody/);
});

t.test('status › one session by its name; another name is 404', async (t) => {
  t.match(await ask('status', 'GET', '/v1/sessions/pppoe0'), { code: 200, body: /"user":"alice"/ });
  t.match(await ask('status', 'GET', '/v1/sessions/other'), {
    code: 404,
    body: /no session other/,
  });
});

t.test('status › it describes itself as docs/openapi.json says', async (t) => {
  const { paths, components } = JSON.parse(readFileSync('docs/openapi.json', 'utf8'));
  t.same(Object.keys(paths).sort(), [
    '/v1/events',
    '/v1/health',
    '/v1/log',
    '/v1/metrics',
    '/v1/sessions/{name}',
    '/v1/sessions/{name}/{verb}',
    '/v1/status',
  ]);
  const session = JSON.parse((await ask('status', 'GET', '/v1/sessions/pppoe0')).body);
  t.same(Object.keys(components.schemas.Session.properties).sort(), Object.keys(session).sort());
  const status = JSON.parse((await ask('status', 'GET', '/v1/status')).body);
  t.same(Object.keys(components.schemas.Status.properties).sort(), Object.keys(status).sort());
});

t.test('health › 503 while the helper is away, and why', async (t) => {
  t.match(await ask('status', 'GET', '/v1/health'), {
    code: 503,
    body: /pppoe0: the helper is away/,
  });
});

t.test('metrics › Prometheus reads the role', async (t) => {
  const { code, body } = await ask('status', 'GET', '/v1/metrics');
  t.equal(code, 200);
  t.match(body, /^ppp_thing_role\{session="pppoe0",role="INIT"\} 1$/m);
});

t.test('control › the reading socket takes no verb, and says where to go', async (t) => {
  const answer = await ask('status', 'POST', '/v1/sessions/pppoe0/handoff');
  t.match(answer, { code: 403, body: /control\.sock/ });
});

t.test('control › a verb that is refused is 409 with the reason', async (t) => {
  const answer = await ask('control', 'POST', '/v1/sessions/pppoe0/handoff');
  t.match(answer, { code: 409, body: /handoff pppoe0: refused: / });
  t.match(await ask('control', 'POST', '/v1/sessions/pppoe0/explode'), { code: 404 });
  t.match(await ask('control', 'GET', '/v1/sessions/pppoe0/handoff'), { code: 405 });
  t.match(await ask('control', 'DELETE', '/v1/status'), { code: 405 });
});

t.test('control › the log level changes at run time', async (t) => {
  t.match(await ask('control', 'POST', '/v1/log', 'debug'), { code: 200 });
  t.equal(log.level, 'debug');
  t.match(await ask('control', 'POST', '/v1/log', 'loud'), { code: 400, body: /expected one of/ });
  t.match(await ask('control', 'POST', '/v1/log', 'x'.repeat(5000)), { code: 413 });
  log.level = 'error';
});

t.test('sockets › the modes of the documentation', async (t) => {
  const mode = (name: string): string => (statSync(join(directory, name)).mode & 0o777).toString(8);
  t.equal(mode('status.sock'), '666');
  t.equal(mode('control.sock'), '660');
});

t.test('sockets › one that answers is not taken over', async (t) => {
  await t.rejects(startStatusServers(supervisor, directory), /EADDRINUSE/);
});

t.test('events › 200 readers who do not read hold nobody up', async (t) => {
  const readers: Socket[] = [];
  for (let i = 0; i < 200; i++) {
    const reader = connect(join(directory, 'status.sock'));
    reader.on('error', () => undefined);
    reader.write('GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n');
    readers.push(reader);
  }
  await Promise.all(
    readers.map((reader) => new Promise((resolve) => reader.once('readable', resolve))),
  );
  const { code } = await ask('status', 'GET', '/v1/status');
  t.equal(code, 200);
  for (const reader of readers) reader.destroy();
});

t.test('pppthingctl › status, refusal and exit codes', async (t) => {
  const ctl = (...words: string[]): Promise<{ stdout: string; stderr: string; code: number }> =>
    run(process.execPath, ['packages/ctl/bin/pppthingctl', '--run', directory, ...words]).then(
      ({ stdout, stderr }) => ({ stdout, stderr, code: 0 }),
      (error: { stdout: string; stderr: string; code: number }) => error,
    );
  t.match(await ctl('status'), { code: 0, stdout: /pppoe0 {2}WAITING/ });
  t.match(await ctl('status', '--json'), { code: 0, stdout: /"routerId"/ });
  t.match(await ctl('handoff'), { code: 1, stderr: /refused/ });
  t.match(await ctl('fly'), { code: 64 });
  t.match(await ctl('events'), { code: 0 });
  t.match(await ctl('keygen', '7'), { code: 0, stdout: /^7 [0-9a-f]{64}\n$/ });
  t.match(await ctl('check-config', file), { code: 0, stdout: /1 session/ });
  t.match(await ctl('--run', '/nonexistent', 'status'), { code: 69, stderr: /ENOENT/ });
  writeFileSync(join(directory, 'bad.conf'), '[session.pppoe0]\nmtu = 3\ninterfaec = "x"\n');
  t.match(await ctl('check-config', join(directory, 'bad.conf')), {
    code: 78,
    stderr:
      /bad\.conf:2: EINVAL: session\.pppoe0\.mtu: expected[^]*bad\.conf:3: .*did you mean interface\?/,
  });
});

t.test('docs/api.md › every curl in it works', async (t) => {
  const text = readFileSync('docs/api.md', 'utf8');
  const commands = Array.from(text.matchAll(/^curl (.*)$/gm), ([line]) => line);
  t.ok(commands.length >= 4);
  for (const command of commands) {
    const here = command.replaceAll('/run/ppp_thing', directory).replace('-N ', '--max-time 1 ');
    const { stdout } = await run('sh', ['-c', `${here} || test $? = 28`]);
    t.ok(stdout.length > 0, command);
  }
});
