/**
 * The worst that a local user can do to the status sockets, while the AC asks whether the session is alive: it is answered
 * at once, and so are those who may control.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { holding, type Bench } from './status-bench.ts';

/** Says `text` on `width` connections, as fast as the socket takes it, and connects anew whenever it is cut off. */
const ATTACK = `
const [path, text, width] = process.argv.slice(1);
const { connect } = require('node:net');
const chunk = Buffer.from(text.repeat(Math.ceil(65536 / text.length)));
let connected = 0;
const open = () => {
  const socket = connect(path);
  const more = () => { while (!socket.destroyed && socket.write(chunk)); };
  socket.on('connect', () => { if (++connected === Number(width)) process.stdout.write('going'); more(); });
  socket.on('drain', more);
  socket.on('data', () => {});
  socket.on('error', () => {});
  socket.on('close', () => setImmediate(open));
};
for (let i = 0; i < Number(width); i++) open();
`;

async function attack(t: Pick<Test, 'teardown'>, path: string, text: string, width = 100) {
  const env = { ...process.env, NODE_OPTIONS: '' };
  const child: ChildProcess = spawn(process.execPath, ['-e', ATTACK, path, text, `${width}`], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.teardown(() => child.kill('SIGKILL'));
  if (child.stdout !== null) await once(child.stdout, 'data');
  return child;
}

const get = (path: string): string => `GET ${path} HTTP/1.1\r\nhost: a\r\n\r\n`;

/** The AC asks with Identifier `id`; counted are the turns of the supervisor's loop until its reply leaves. */
async function answered({ notice, script }: Bench, id: number): Promise<number> {
  let turns = 0;
  const isReply = (): boolean =>
    script.requests.some(
      (request) =>
        request.verb === 'ppp-send' && request.packet[0] === 10 && request.packet[1] === id,
    );
  notice({
    notice: 'ppp-frame',
    session: 'pppoe0',
    protocol: 0xc021,
    packet: Uint8Array.of(9, id, 0, 8, 1, 2, 3, 4),
  });
  while (!isReply()) {
    turns += 1;
    await new Promise((resolve) => setImmediate(resolve));
  }
  return turns;
}

for (const [name, text] of [
  ['status', get('/v1/status')],
  ['metrics', get('/v1/metrics')],
  ['history', get('/v1/sessions/pppoe0/history')],
  ['events', get('/v1/events?follow=no')],
  ['events that are followed', get('/v1/events')],
  ['what is not there', get('/')],
  ['heads without an end', 'GET /v1/status HTTP/1.1\r\nx: y\r\n'],
  ['what is not HTTP', '\u0001\r\n\r\n'],
] as const) {
  for (const socket of ['status', 'control']) {
    t.test(`flood › ${name} on ${socket}.sock: an Echo-Request is answered`, async (t) => {
      const made = await holding(t);
      const memory = process.memoryUsage().rss;
      const attacker = await attack(t, join(made.directory, `${socket}.sock`), text);
      let worst = 0;
      for (let id = 100; id < 120; id++) {
        const before = process.cpuUsage();
        const turns = await answered(made, id);
        // What this process needed for it: the time would count what else the machine does.
        const { user, system } = process.cpuUsage(before);
        worst = Math.max(worst, (user + system) / 1000);
        t.ok(turns <= 100, `${turns} turns`);
      }
      t.ok(worst < 1000, `the slowest of 20 took ${Math.round(worst)} ms of the processor`);
      const other = socket === 'status' ? 'control' : 'status';
      t.match(await made.ask(other, 'GET', '/v1/status'), { code: 200 });
      const grown = (process.memoryUsage().rss - memory) / 2 ** 20;
      t.ok(grown < 100, `${Math.round(grown)} MiB more`);
      attacker.kill('SIGKILL');
    });
  }
}

t.test('flood › a second request on a connection is not answered', async (t) => {
  const { directory, supervisor } = await holding(t);
  let asked = 0;
  const { sessions } = supervisor;
  supervisor.sessions = () => {
    asked += 1;
    return sessions.call(supervisor);
  };
  const socket = connect(join(directory, 'status.sock'));
  let text = '';
  socket.on('data', (chunk) => (text += String(chunk)));
  socket.on('error', () => undefined);
  socket.write(get('/v1/status').repeat(10));
  await once(socket, 'close');
  t.ok(text.split('HTTP/1.1 200').length - 1 <= 1);
  t.ok(asked <= 2, `${asked} answers made`);
});
