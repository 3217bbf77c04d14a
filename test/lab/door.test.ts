/** The socket between a helper and its router's simulated kernel: calls are answered, events come, strangers go. */
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { LINE_VERSION, type LineEvent } from '@ppp-thing/helper/sim/line';
import { Door } from '@ppp-thing/lab/demo/door';
import { Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';

const directory = mkdtempSync(join(tmpdir(), 'ppp-door-'));
t.teardown(() => rmSync(directory, { recursive: true }));

const ROLE: LineEvent = { event: 'role', session: 'pppoe0', role: 'MASTER' };

/** A helper's end of one channel. */
class Channel {
  readonly #deframer = new Deframer();
  readonly #messages: unknown[] = [];
  readonly socket: Socket;

  constructor(path: string) {
    this.socket = connect(path);
    this.socket.on('data', (chunk: Uint8Array) => {
      this.#messages.push(...this.#deframer.push(chunk));
      this.socket.emit('message');
    });
  }

  say(message: unknown): void {
    this.socket.write(encodeMessage(message));
  }

  async next(): Promise<unknown> {
    while (this.#messages.length === 0) await once(this.socket, 'message');
    return this.#messages.shift();
  }

  /** Opened, and greeted. */
  static async open(path: string, channel: 'calls' | 'events'): Promise<Channel> {
    const it = new Channel(path);
    it.say({ channel, version: LINE_VERSION });
    await it.next();
    return it;
  }
}

async function door(t: Test, name: string): Promise<{ door: Door; path: string }> {
  const it = new Door((call) => ({ done: call.call }));
  const path = join(directory, name);
  await it.open(path);
  t.teardown(async () => it.close());
  return { door: it, path };
}

t.test('a call is answered on its channel', async (t) => {
  const { path } = await door(t, 'calls');
  const calls = await Channel.open(path, 'calls');
  calls.say({ call: 'inspect', session: 'pppoe0' });
  calls.say({ call: 'counters', session: 'pppoe0' });
  t.same([await calls.next(), await calls.next()], [{ done: 'inspect' }, { done: 'counters' }]);
});

t.test('events go to the newest that listens, and to nobody before', async (t) => {
  const { door: it, path } = await door(t, 'events');
  it.tell(ROLE);
  const first = await Channel.open(path, 'events');
  it.tell(ROLE);
  t.same(await first.next(), ROLE);
  const closed = once(first.socket, 'close');
  const second = await Channel.open(path, 'events');
  await closed;
  it.tell({ ...ROLE, role: 'BACKUP' });
  t.same(await second.next(), { ...ROLE, role: 'BACKUP' });
});

t.test('what is not the vocabulary ends the connection', async (t) => {
  const { path } = await door(t, 'strangers');
  for (const messages of [
    [{ channel: 'calls', version: LINE_VERSION + 1 }],
    [{ call: 'inspect', session: 'pppoe0' }],
    [
      { channel: 'calls', version: LINE_VERSION },
      { call: 'reboot', session: 'pppoe0' },
    ],
    [
      { channel: 'events', version: LINE_VERSION },
      { call: 'inspect', session: 'pppoe0' },
    ],
  ]) {
    const stranger = new Channel(path);
    for (const message of messages) stranger.say(message);
    await once(stranger.socket, 'close');
    t.pass(JSON.stringify(messages.at(-1)));
  }
});
