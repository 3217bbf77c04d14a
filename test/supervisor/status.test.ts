/** What the status and control sockets answer, held against docs/openapi.json. Limits are in status-limits.test.ts. */
import { linkSync, readFileSync, renameSync, statSync } from 'node:fs';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import type { HistoryJson, SessionStatusJson } from '@ppp-thing/supervisor/api';
import { EventTally } from '@ppp-thing/supervisor/event-tally';
import { metricsText } from '@ppp-thing/supervisor/metrics';
import type { Supervisor } from '@ppp-thing/supervisor/supervisor';
import { startStatusServers } from '@ppp-thing/supervisor/status-server';
import { bench, holding, PASSWORD, type Answer } from './status-bench.ts';

interface OpenApi {
  readonly paths: Record<string, Record<string, { readonly responses: Record<string, unknown> }>>;
  readonly components: { readonly schemas: Record<string, object> };
}

const description = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as OpenApi;
const ajv = new Ajv2020({ strict: false });
ajv.addSchema(description, 'openapi');

/** The answer has that code, which the description lists for the path, and the body that is described there. */
function described(
  t: Pick<Test, 'ok' | 'equal' | 'match'>,
  { code, body }: Answer,
  expected: number,
  path: string,
  method = 'get',
): unknown {
  t.equal(code, expected, `${path}: ${body}`);
  const escaped = path.replaceAll('~', '~0').replaceAll('/', '~1');
  const place = `${escaped}/${method}/responses/${expected}/content/application~1json/schema`;
  const validate = ajv.getSchema(`openapi#/paths/${place}`);
  t.ok(validate !== undefined, `${path} ${expected} is described`);
  const value: unknown = JSON.parse(body);
  t.ok(validate?.(value), `${path}: ${ajv.errorsText(validate?.errors)}`);
  return value;
}

t.test('status › the facts of a session that is up, as described', async (t) => {
  const { ask } = await holding(t);
  const status = described(t, await ask('status', 'GET', '/v1/status'), 200, '/v1/status');
  t.match(status, { api: 1, version: '0.1.0', helper: { connected: true, platform: 'freebsd' } });
  const path = '/v1/sessions/{name}';
  const session = described(t, await ask('status', 'GET', '/v1/sessions/pppoe0'), 200, path);
  t.match(session, {
    name: 'pppoe0',
    user: 'alice',
    role: 'MASTER',
    state: 'Holding',
    holder: 'this router',
    epoch: 43,
    proven: true,
    armed: false,
    session: {
      sessionId: 0x1234,
      acMac: '02:00:00:00:00:ac',
      acName: 'bras',
      ourAddress: '203.0.113.7',
      theirAddress: '192.0.2.1',
      ipv6: { ours: 'fe80::200:5eff:fe10:5301', theirs: 'fe80::1' },
      dns: ['192.0.2.53', '198.51.100.53'],
      since: 1_764_000_000_000,
    },
    lastTakeover: { epoch: 43 },
  });
});

t.test('status › everything that a session waits for, earliest first', async (t) => {
  const { ask } = await holding(t, { partner: true });
  const { body } = await ask('status', 'GET', '/v1/sessions/pppoe0');
  const { waits } = JSON.parse(body) as SessionStatusJson;
  for (const each of ['tell', 'echo'])
    t.ok(
      waits.some(({ name }) => name === each),
      each,
    );
  const ends = waits.map(({ at }) => at);
  t.strictSame(
    ends,
    [...ends].sort((a, b) => a - b),
  );
});

t.test('status › a standby says that it is armed, and who holds', async (t) => {
  const { ask, until, supervisor } = await bench(t, { role: 'BACKUP' });
  await until(() => supervisor.session('pppoe0')?.status.armed === true);
  const session = JSON.parse(
    (await ask('status', 'GET', '/v1/sessions/pppoe0')).body,
  ) as SessionStatusJson;
  t.match(session, { state: 'Standby', role: 'BACKUP', armed: true, proven: false });
});

t.test('status › without a session there are no facts of one, and never a secret', async (t) => {
  const { ask } = await bench(t, { helper: false, stored: NO_SNAPSHOT });
  const answer = await ask('status', 'GET', '/v1/status');
  const status = described(t, answer, 200, '/v1/status');
  t.match(status, { sessions: [{ state: 'Waiting', session: null, holder: 'nobody' }] });
  for (const path of ['/v1/status', '/v1/metrics', '/v1/events?follow=no']) {
    t.notMatch((await ask('status', 'GET', path)).body, new RegExp(PASSWORD), path);
  }
});

t.test('history › samples, holders and what ownership did, as described', async (t) => {
  const { ask, script, notice, until, supervisor } = await holding(t, { partner: true });
  const path = '/v1/sessions/{name}/history';
  const read = async (query = ''): Promise<HistoryJson> => {
    const answer = await ask('status', 'GET', `/v1/sessions/pppoe0/history${query}`);
    return described(t, answer, 200, path) as HistoryJson;
  };
  // Traffic is counted from when somebody looks.
  await read();
  const asked = script.happened.count('counters');
  await script.happened.until('counters', asked + 2);
  const { samples, holders, events } = await read();
  const at = samples.findIndex(({ octetsIn }) => octetsIn !== null);
  const [first, second] = samples.slice(at);
  t.match(first, { echoRttMs: Number, octetsIn: 1500, octetsOut: 700 });
  t.same((await read(`?after=${first?.time ?? 0}`)).samples[0]?.time, second?.time);
  t.match(holders, [{ holder: 'this router', epoch: 42, isStart: true }]);
  t.ok(events.length > 0 && events.every(({ machine }) => machine === 'owner'));
  supervisor.admin('pppoe0', 'handoff');
  notice({ notice: 'role', session: 'pppoe0', role: 'BACKUP', gateOpen: false });
  await until(() => supervisor.session('pppoe0')?.status.snapshot.holder === 2);
  t.match((await read()).holders.at(-1), { holder: 'partner', epoch: 44 });
});

t.test('history › what is no time is refused, and so is an unknown session', async (t) => {
  const { ask } = await bench(t);
  const path = '/v1/sessions/{name}/history';
  for (const after of ['-1', 'x', '1e3', ''])
    described(
      t,
      await ask('status', 'GET', `/v1/sessions/pppoe0/history?after=${after}`),
      400,
      path,
    );
  described(t, await ask('status', 'GET', '/v1/sessions/other/history'), 404, path);
});

t.test('status › what is not there is 404, what is not taken 405', async (t) => {
  const { ask } = await bench(t);
  const path = '/v1/sessions/{name}';
  const unknown = await ask('status', 'GET', '/v1/sessions/other');
  t.match(described(t, unknown, 404, path), { error: 'no session other' });
  for (const odd of ['/', '/v2/status', '/v1/status/', '//', '/v1/sessions/a/b', '/v1/?']) {
    t.match(await ask('status', 'GET', odd), { code: 404, body: '"error"' }, odd);
  }
  t.match(await ask('status', 'GET', '/v1/sessions/%'), { code: 400, body: 'not a path' });
  t.match(await ask('status', 'DELETE', '/v1/status'), { code: 405, allow: 'GET' });
  t.match(await ask('status', 'GET', '/v1/log'), { code: 405, allow: 'POST' });
  t.match(await ask('control', 'GET', '/v1/sessions/pppoe0/handoff'), { code: 405 });
  t.match(await ask('control', 'POST', '/v1/sessions/pppoe0/explode'), { code: 404 });
});

t.test('health › 200 while this router is fit to be MASTER', async (t) => {
  const { ask, notice } = await holding(t);
  const answer = await ask('status', 'GET', '/v1/health');
  t.strictSame(described(t, answer, 200, '/v1/health'), {
    healthy: true,
    troubles: [],
    warnings: [],
  });
  notice({ notice: 'carrier', session: 'pppoe0', up: false });
  let broken = answer;
  while (broken.code === 200) broken = await ask('status', 'GET', '/v1/health');
  t.match(described(t, broken, 503, '/v1/health'), { troubles: ['pppoe0: the line has no'] });
});

t.test('health › a session that is down is no reason to move the role', async (t) => {
  const { ask, until, supervisor } = await bench(t, { stored: NO_SNAPSHOT });
  await until(() => supervisor.session('pppoe0')?.status.state === 'Holding');
  const answer = await ask('status', 'GET', '/v1/health');
  t.match(described(t, answer, 200, '/v1/health'), { warnings: ['pppoe0: the session is not up'] });
});

t.test('health › 503 while the helper is away', async (t) => {
  const { ask } = await bench(t, { helper: false });
  const answer = await ask('status', 'GET', '/v1/health');
  t.match(described(t, answer, 503, '/v1/health'), { troubles: ['pppoe0: the helper is away'] });
});

t.test('metrics › Prometheus text: types, and samples of every kind', async (t) => {
  const { ask } = await holding(t);
  const { code, body } = await ask('status', 'GET', '/v1/metrics');
  t.equal(code, 200);
  const lines = body.split('\n');
  for (const line of [
    '# TYPE ppp_thing_role gauge',
    '# TYPE ppp_thing_frames_total counter',
    'ppp_thing_info{version="0.1.0"} 1',
    'ppp_thing_helper_connected 1',
    'ppp_thing_role{session="pppoe0",role="MASTER"} 1',
    'ppp_thing_role{session="pppoe0",role="BACKUP"} 0',
    'ppp_thing_state{session="pppoe0",state="Holding"} 1',
    'ppp_thing_epoch{session="pppoe0"} 43',
    'ppp_thing_traffic_octets_total{session="pppoe0",direction="in"} 1500',
    'ppp_thing_traffic_packets_total{session="pppoe0",direction="out"} 2',
    'ppp_thing_kernel_refusals_total{session="pppoe0",verb="attach"} 0',
    'ppp_thing_echoes_lost_total{session="pppoe0"} 0',
  ]) {
    t.ok(lines.includes(line), line);
  }
});

t.test('metrics › everything else comes between their parts', async (t) => {
  const { supervisor } = await holding(t);
  const tally = new EventTally(supervisor);
  t.teardown(() => tally.close());
  let turns = 0;
  let isOver = false;
  const turn = (): void => {
    turns += 1;
    if (!isOver) setImmediate(turn);
  };
  turn();
  const text = await metricsText(supervisor, tally);
  isOver = true;
  const metrics = text.match(/^# TYPE /gm)?.length ?? 0;
  t.ok(turns > metrics * 0.8, `${turns} turns for ${metrics} metrics`);
});

t.test('metrics › no name can end a line or a label', async (t) => {
  const { supervisor } = await holding(t);
  const tally = new EventTally(supervisor);
  t.teardown(() => tally.close());
  const version = 'a"b\\c\nd';
  const odd = new Proxy<Supervisor>(supervisor, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name, target);
      if (name === 'version') return version;
      return typeof value === 'function' ? value.bind(target) : value;
    },
  });
  const text = await metricsText(odd, tally);
  t.ok(text.split('\n').includes('ppp_thing_info{version="a\\"b\\\\c\\nd"} 1'), 'escaped');
});

t.test('control › the reading socket takes no verb, and says where to go', async (t) => {
  const { ask } = await bench(t);
  const handoff = '/v1/sessions/{name}/handoff';
  const answer = await ask('status', 'POST', '/v1/sessions/pppoe0/handoff');
  const refused = described(t, answer, 403, handoff, 'post');
  t.match(refused, { error: 'this socket only reads; use control.sock' });
  described(t, await ask('status', 'POST', '/v1/log', 'debug'), 403, '/v1/log', 'post');
});

t.test('control › a verb that cannot be is 409 with the reason', async (t) => {
  const { ask } = await holding(t);
  const path = '/v1/sessions/{name}/handoff';
  const answer = await ask('control', 'POST', '/v1/sessions/pppoe0/handoff');
  const refused = described(t, answer, 409, path, 'post');
  t.match(refused, { error: 'handoff pppoe0: refused: no partner is configured' });
  const unknown = await ask('control', 'POST', '/v1/sessions/other/handoff');
  described(t, unknown, 404, path, 'post');
});

t.test('control › a verb that is taken is 202, and happens', async (t) => {
  const { ask, until, supervisor } = await holding(t);
  const path = '/v1/sessions/{name}/disconnect';
  const answer = await ask('control', 'POST', '/v1/sessions/pppoe0/disconnect');
  const taken = described(t, answer, 202, path, 'post');
  t.strictSame(taken, { accepted: 'disconnect', session: 'pppoe0' });
  await until(() => supervisor.session('pppoe0')?.status.state === 'Off');
});

t.test('control › the log level changes at run time', async (t) => {
  const { ask, log } = await bench(t);
  const post = (body: string): Promise<Answer> => ask('control', 'POST', '/v1/log', body);
  t.match(described(t, await post('debug\n'), 200, '/v1/log', 'post'), { level: 'debug' });
  t.equal(log.level, 'debug');
  t.match(described(t, await post('loud'), 400, '/v1/log', 'post'), { error: 'expected one of' });
  described(t, await post('x'.repeat(5000)), 413, '/v1/log', 'post');
  t.equal(log.level, 'debug');
});

t.test('sockets › the modes of the documentation', async (t) => {
  const { directory } = await bench(t);
  const mode = (name: string): string => (statSync(join(directory, name)).mode & 0o777).toString(8);
  t.equal(mode('status.sock'), '666');
  t.equal(mode('control.sock'), '660');
});

t.test('sockets › one that is answered is left alone, one left over is replaced', async (t) => {
  const { directory, supervisor, ask } = await bench(t);
  await t.rejects(startStatusServers(supervisor, directory), { message: /EADDRINUSE/ });
  t.match(await ask('status', 'GET', '/v1/status'), { code: 200 });
  const next = join(directory, 'db');
  const first = await startStatusServers(supervisor, next);
  // The name of a socket outlives a process that is killed; here a second name does.
  linkSync(join(next, 'status.sock'), join(next, 'left-over'));
  first.close();
  renameSync(join(next, 'left-over'), join(next, 'status.sock'));
  const second = await startStatusServers(supervisor, next);
  second.close();
});

t.test('openapi.json › every path of it is served, with its methods', async (t) => {
  const { ask } = await bench(t);
  for (const [template, methods] of Object.entries(description.paths)) {
    const path = template.replace('{name}', 'pppoe0');
    const { code, allow } = await ask('control', 'PATCH', path);
    t.equal(code, 405, path);
    t.strictSame(Object.keys(methods), [allow?.toLowerCase()], path);
  }
});
