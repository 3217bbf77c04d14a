/** What a client can do to the status sockets, and what it cannot: malformed requests, and readers who do not read. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { KEPT, MAX_READERS } from '@ppp-thing/supervisor/event-streams';
import type { EventJson } from '@ppp-thing/supervisor/api';
import { ctl } from '../ctl/bench.ts';
import { bench, holding, type Bench } from './status-bench.ts';

const EVENTS = 'GET /v1/events HTTP/1.1\r\nhost: localhost\r\n';

/** Say `octets` to the socket and give back everything that comes until it is closed. */
async function exchange(directory: string, socket: string, octets: string): Promise<string> {
  const client = connect(join(directory, `${socket}.sock`));
  client.setEncoding('utf8');
  client.on('error', () => undefined);
  client.write(octets);
  return rest(client);
}

async function rest(client: Socket): Promise<string> {
  let text = '';
  client.on('data', (chunk) => (text += String(chunk)));
  await once(client, 'close');
  return text;
}

/** Someone who asks for the events and reads nothing but the beginning of the answer. */
async function openReader(t: Pick<Test, 'teardown'>, directory: string): Promise<Socket> {
  const reader = connect(join(directory, 'status.sock'));
  reader.setEncoding('utf8');
  reader.on('error', () => undefined);
  t.teardown(() => reader.destroy());
  reader.write(`${EVENTS}\r\n`);
  await once(reader, 'readable');
  return reader;
}

/** As many things happen as were asked for, and some more: the role goes to and fro. */
async function happen({ notice, until, supervisor }: Bench, count: number): Promise<void> {
  const happened: number[] = [];
  const stop = supervisor.subscribe(({ sequence }) => void happened.push(sequence));
  while (happened.length < count) {
    for (const role of ['BACKUP', 'MASTER'] as const) {
      notice({ notice: 'role', session: 'pppoe0', role, gateOpen: role === 'MASTER' });
      const state = role === 'MASTER' ? 'Holding' : 'Standby';
      await until(() => supervisor.session('pppoe0')?.status.state === state);
    }
  }
  stop();
}

const idsIn = (text: string): string[] =>
  Array.from(text.matchAll(/^id: (.*)$/gm), ([, id]) => `${id}`);
const eventsIn = (text: string): EventJson[] =>
  Array.from(text.matchAll(/^data: (.*"sequence".*)$/gm), ([, data]) => JSON.parse(`${data}`));

t.test('requests › what is not HTTP, or too much of it, is refused', async (t) => {
  const { directory, ask, reports } = await bench(t);
  const close = 'connection: close\r\n\r\n';
  for (const [octets, expected] of [
    ['\u0000\u0001\u0002\r\n\r\n', /^HTTP\/1\.1 400/],
    [`GET /v1/status HTTP/1.1\r\nhost: x\r\nx: ${'y'.repeat(9000)}\r\n\r\n`, /^HTTP\/1\.1 431/],
    [`GET http://%/v1/status HTTP/1.1\r\nhost: x\r\n${close}`, /^HTTP\/1\.1 404/],
    [`GET /v1/sessions/%ff HTTP/1.1\r\nhost: x\r\n${close}`, /^HTTP\/1\.1 400/],
    [`GET /v1/status HTTP/1.1\r\nhost: x\r\n${close}`, /^HTTP\/1\.1 200/],
  ] as const) {
    t.match(await exchange(directory, 'status', octets), expected, octets.slice(0, 30));
  }
  t.match(await ask('status', 'GET', '/v1/status'), { code: 200 });
  t.strictSame(reports, []);
});

t.test('requests › a client that goes away in the middle harms nobody', async (t) => {
  const { directory, ask, reports } = await bench(t);
  const client = connect(join(directory, 'control.sock'));
  client.write(
    'POST /v1/log HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\nexpect: 100-continue\r\n\r\n',
  );
  // The server has read the headers, and waits for the body.
  await once(client, 'data');
  client.destroy();
  t.match(await ask('control', 'POST', '/v1/log', 'info'), { code: 200 });
  t.strictSame(reports, []);
});

t.test('events › what happened, then what happens, each with its id', async (t) => {
  const made = await holding(t);
  const reader = connect(join(made.directory, 'status.sock'));
  t.teardown(() => reader.destroy());
  reader.setEncoding('utf8');
  let text = '';
  reader.on('data', (chunk) => (text += String(chunk)));
  reader.write(`${EVENTS}\r\n`);
  while (!text.includes('on Echo-Reply')) await once(reader, 'data');
  const before = eventsIn(text).length;
  await happen(made, 2);
  while (eventsIn(text).length < before + 2) await once(reader, 'data');
  t.match(text, /^HTTP\/1\.1 200 OK\r\n/);
  t.match(text, /content-type: text\/event-stream/i);
  const events = eventsIn(text);
  t.ok(events.length > before);
  t.strictSame(
    events.map(({ sequence }) => sequence),
    events.map((_, i) => i + 1),
  );
  t.match(
    events.find(({ machine, to }) => machine === 'owner' && to === 'Holding'),
    {
      session: 'pppoe0',
      level: 'info',
      from: 'Standby',
      facts: { epoch: /./ },
    },
  );
});

t.test('events › a reader who comes back goes on where it was', async (t) => {
  const { directory } = await holding(t);
  const get = (path: string, header = ''): Promise<string> =>
    exchange(
      directory,
      'status',
      `GET ${path} HTTP/1.1\r\nhost: localhost\r\n${header}connection: close\r\n\r\n`,
    );
  const all = idsIn(await get('/v1/events?follow=no'));
  t.ok(all.length >= 3);
  const [first = '', ...others] = all;
  t.strictSame(idsIn(await get(`/v1/events?follow=no&after=${first}`)), others);
  t.strictSame(idsIn(await get('/v1/events?follow=no', `last-event-id: ${first}\r\n`)), others);
  t.strictSame(idsIn(await get(`/v1/events?follow=no&after=${all.at(-1)}`)), []);
  // Of another process, whose sequence says nothing here; or of nobody.
  for (const odd of ['zzz-2', 'nonsense', '', '-', `${first}0`]) {
    const told = idsIn(await get(`/v1/events?follow=no&after=${odd}`));
    t.strictSame(told, odd === `${first}0` ? [] : all, odd);
  }
});

t.test('events › a reader who does not read is cut off, and told what it missed', async (t) => {
  const made = await holding(t);
  const reader = await openReader(t, made.directory);
  await happen(made, 2 * KEPT);
  const text = await rest(reader);
  const ids = idsIn(text);
  t.ok(ids.length > 0, 'it was told something');
  t.ok(text.length < 1024 * 1024, `only so much was kept for it: ${text.length}`);
  const again = await exchange(
    made.directory,
    'status',
    `GET /v1/events?follow=no&after=${ids.at(-1)} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`,
  );
  t.match(again, /event: missed\r?\ndata: \{"missed":\d+\}/);
  t.equal(idsIn(again).length, KEPT);
});

t.test('events › 200 readers who do not read hold nobody up', async (t) => {
  const made = await holding(t);
  for (let i = 0; i < 200; i++) await openReader(t, made.directory);
  await happen(made, 100);
  t.match(await made.ask('status', 'GET', '/v1/status'), { code: 200 });
  t.match(await made.ask('control', 'POST', '/v1/log', 'info'), { code: 200 });
});

t.test('pppthingctl › status is answered beside 200 readers', async (t) => {
  const { directory } = await holding(t);
  for (let i = 0; i < 200; i++) await openReader(t, directory);
  t.match(await ctl(directory, 'status'), { code: 0 });
});

t.test('events › one reader too many is 503, and status is still answered', async (t) => {
  const { directory, ask } = await bench(t);
  for (let i = 0; i < MAX_READERS; i++) await openReader(t, directory);
  t.match(await ask('status', 'GET', '/v1/events'), { code: 503, body: 'too many' });
  t.match(await ask('status', 'GET', '/v1/status'), { code: 200 });
});
