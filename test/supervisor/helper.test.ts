import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { decodeRequest, Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { PROTOCOL_VERSION, type Notice, type Request } from '@ppp-thing/protocol/ipc/messages';
import { HelperClient } from '@ppp-thing/supervisor/helper';
import type { Instant } from '@ppp-thing/protocol/time';
import { Log } from '@ppp-thing/supervisor/log';
import { thisSystem, type Stream, type System } from '@ppp-thing/supervisor/system';
import { serve } from '@ppp-thing/helper/serve';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { Machine } from '../helper/machine.ts';
import { friendly, Happenings, Script, STATE } from './script.ts';

interface Bench {
  readonly path: string;
  readonly client: HelperClient;
  readonly happened: Happenings;
  readonly notices: Notice[];
  readonly lines: string[];
}

function bench(t: Test, path: string, patience?: number): Bench {
  const happened = new Happenings();
  const notices: Notice[] = [];
  const lines: string[] = [];
  const client = new HelperClient({
    path,
    log: new Log(
      'debug',
      (line) => {
        lines.push(line);
        happened.tell('line');
      },
      () => 0,
    ),
    events: {
      up: (sessions) => happened.tell(`up ${sessions.map(({ session }) => session).join(' ')}`),
      down: () => happened.tell('down'),
      notice: (notice) => {
        notices.push(notice);
        happened.tell(notice.notice);
      },
    },
    ...(patience === undefined ? {} : { patience }),
  });
  t.teardown(() => client.close());
  return { path, client, happened, notices, lines };
}

async function scripted(
  t: Test,
  answer: (request: Request) => readonly unknown[] = friendly,
  patience?: number,
): Promise<Bench & { script: Script }> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-client-'));
  const made = bench(t, join(folder, 'helper.sock'), patience);
  const script = new Script(answer);
  await script.listen(made.path);
  t.teardown(async () => {
    await script.die();
    rmSync(folder, { recursive: true });
  });
  made.client.start();
  return { ...made, script };
}

const unexpected = (): never => {
  throw new Error('not expected');
};

t.test('helper client › it says hello first, and its sessions are told', async (t) => {
  const { client, happened, script, lines } = await scripted(t);
  client.ask('detach', { session: 'pppoe0' }, unexpected);
  await happened.until('up pppoe0');
  t.strictSame(
    script.requests,
    [{ id: 1, verb: 'hello', version: PROTOCOL_VERSION }],
    'nothing goes before it',
  );
  t.match(client.view(), { connected: true, platform: 'freebsd', pid: 4711, reconnects: 0 });
  t.strictSame(lines, ['helper: connected: freebsd, pid 4711']);
});

t.test('helper client › answers go to who asked, refusals too', async (t) => {
  const { client, happened, script } = await scripted(t);
  await happened.until('up pppoe0');
  const failed = { code: 'EPERM', verb: 'gate', subject: 'pppoe0', reason: 'role BACKUP' };
  const counters = { octetsIn: 1, octetsOut: 2, packetsIn: 3, packetsOut: 4 };
  script.answer = ({ id, verb }) => [
    verb === 'gate' ? { id, failed } : { id, done: verb === 'counters' ? counters : null },
  ];
  const answers: unknown[] = [];
  const session = 'pppoe0';
  client.ask('gate', { session, open: true }, (failure) => answers.push(failure));
  client.ask('detach', { session }, unexpected, (done) => answers.push(done));
  t.strictSame(await client.counters(session), counters);
  t.strictSame(answers, [failed, null], 'in order');
  script.answer = ({ id }) => [{ id, failed }];
  t.equal(await client.counters(session), undefined);
});

t.test('helper client › a helper with 4096 sessions, all attached, can say so', async (t) => {
  const key = { sessionId: 0xfffe, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
  const sessions = Array.from({ length: 4096 }, (_, i) => ({
    ...STATE,
    session: `interface-${i}`,
    attached: key,
  }));
  const { happened } = await scripted(t, ({ id }) => [
    { id, done: { version: PROTOCOL_VERSION, platform: 'freebsd', pid: 1, sessions } },
  ]);
  await happened.until(`up ${sessions.map(({ session }) => session).join(' ')}`);
  t.pass();
});

t.test('helper client › notices are told as they come', async (t) => {
  const { happened, script, notices } = await scripted(t);
  await happened.until('up pppoe0');
  const notice: Notice = { notice: 'role', session: 'pppoe0', role: 'MASTER', gateOpen: true };
  const octets = encodeMessage(notice);
  for (const octet of octets) script.say(Uint8Array.of(octet));
  await happened.until('role');
  t.strictSame(notices, [notice]);
});

t.test('helper client › a helper that is killed is found again, once it is back', async (t) => {
  const { client, happened, script, path, lines } = await scripted(t);
  await happened.until('up pppoe0');
  const waiting = client.counters('pppoe0');
  script.answer = () => [];
  const asked = client.counters('pppoe0');
  await script.happened.until('counters', 2);
  await script.die();
  await happened.until('down');
  t.equal(await asked, undefined, 'what was asked is not answered any more');
  await waiting;
  t.notOk(client.view().connected);
  client.ask('detach', { session: 'pppoe0' }, unexpected, unexpected);
  const next = new Script(friendly);
  await next.listen(path);
  t.teardown(async () => next.die());
  await happened.until('up pppoe0', 2);
  t.strictSame(
    next.requests.map(({ verb }) => verb),
    ['hello'],
    'what was asked in between is forgotten',
  );
  t.equal(client.view().reconnects, 1);
  t.match(lines[1], /^warn: helper: lost .*: closed by the helper$/);
});

t.test('helper client › a helper that does not answer is one that hangs', async (t) => {
  const { client, happened, script, lines } = await scripted(t, friendly, 50);
  await happened.until('up pppoe0');
  script.answer = (request) => (request.verb === 'hello' ? friendly(request) : []);
  client.ask('detach', { session: 'pppoe0' }, unexpected, unexpected);
  await happened.until('up pppoe0', 2);
  t.equal(happened.count('down'), 1);
  t.match(lines[1], /ETIMEDOUT: no answer for \d+ s to detach/);
});

t.test('helper client › answers that keep coming are no reason to give up', async (t) => {
  const { client, happened } = await scripted(t, friendly, 50);
  await happened.until('up pppoe0');
  const until = performance.now() + 150;
  while (performance.now() < until)
    await new Promise<void>((resolve) => {
      client.ask('detach', { session: 'pppoe0' }, unexpected, () => resolve());
    });
  t.equal(happened.count('down'), 0);
});

/** A stream and a clock in the test's hands. */
class Slow {
  now = 0;
  readonly asked: number[] = [];
  #due: { readonly at: number; readonly wake: () => void }[] = [];
  #say: (octets: Uint8Array) => void = () => undefined;
  readonly system: System = {
    ...thisSystem,
    now: () => this.now as Instant,
    soon: (run) => run(),
    wakeAt: (at, wake) => {
      const due = { at, wake };
      this.#due.push(due);
      return () => void (this.#due = this.#due.filter((each) => each !== due));
    },
    connect: () => this.#stream(),
  };

  #stream(): Stream {
    const deframer = new Deframer();
    const listeners = new Map<string, (...told: never[]) => void>();
    queueMicrotask(() => listeners.get('connect')?.());
    this.#say = (octets) => (listeners.get('data') as (chunk: Uint8Array) => void)(octets);
    return {
      on: (event: string, listener: (...told: never[]) => void) => listeners.set(event, listener),
      write: (octets) => {
        for (const message of deframer.push(octets)) this.asked.push(decodeRequest(message).id);
      },
      destroy: () => undefined,
    };
  }

  /** Answer the request that has waited longest. */
  answer(done: unknown = null): void {
    const id = this.asked.shift();
    if (id !== undefined) this.#say(encodeMessage({ id, done }));
  }

  pass(milliseconds: number): void {
    this.now += milliseconds;
    for (const due of this.#due.filter(({ at }) => at <= this.now)) {
      this.#due = this.#due.filter((each) => each !== due);
      due.wake();
    }
  }
}

t.test('helper client › a helper that is slow is not gone, however long its queue', async (t) => {
  const slow = new Slow();
  const lines: string[] = [];
  let downs = 0;
  const client = new HelperClient({
    path: '/nowhere',
    log: new Log(
      'debug',
      (line) => lines.push(line),
      () => 0,
    ),
    events: { up: () => undefined, down: () => (downs += 1), notice: () => undefined },
    system: slow.system,
  });
  t.teardown(() => client.close());
  client.start();
  await new Promise(setImmediate);
  slow.answer({ version: PROTOCOL_VERSION, platform: 'freebsd', pid: 1, sessions: [STATE] });
  t.ok(client.view().connected);
  for (let i = 0; i < 1000; i++)
    client.ask('demote', { session: 'pppoe0', on: true }, unexpected, () => undefined);
  for (let i = 0; i < 900; i++) {
    slow.pass(1000);
    if (i % 10 === 0) slow.answer();
  }
  t.equal(downs, 0, 'an answer every ten seconds, for a quarter of an hour');
  slow.pass(8000);
  slow.pass(8000);
  t.equal(downs, 1, 'and none for longer than its patience');
  t.match(lines.at(-1), /ETIMEDOUT: no answer for \d+ s to demote$/);
});

for (const [what, octets] of [
  ['a reply nobody asked for', encodeMessage({ id: 99, done: null })],
  ['a notice that is not one', encodeMessage({ notice: 'role', session: 'pppoe0' })],
  ['a message without end', Uint8Array.of(0xff, 0xff, 0xff, 0xff)],
  ['octets that are not msgpack', Uint8Array.of(0, 0, 0, 1, 0xc1)],
] as const) {
  t.test(`helper client › ${what} ends the connection`, async (t) => {
    const { happened, script, lines } = await scripted(t);
    await happened.until('up pppoe0');
    script.say(octets);
    await happened.until('up pppoe0', 2);
    t.equal(happened.count('down'), 1);
    t.match(lines[1], /EPROTO/);
  });
}

t.test('helper client › another protocol is refused, and the line says what to do', async (t) => {
  const reason = 'this helper speaks 99';
  const failed = { code: 'EPROTONOSUPPORT', verb: 'hello', subject: 'helper', reason };
  const { happened, script, lines, client } = await scripted(t, ({ id }) => [{ id, failed }]);
  await script.happened.until('hello', 6);
  await happened.until('line');
  t.match(lines, [
    /^error: helper: connect .*: EPROTONOSUPPORT: this helper speaks 99, this supervisor \d+: install both of one release$/,
  ]);
  t.equal(happened.count('down'), 0);
  t.notOk(client.view().connected);
});

t.test('helper client › no helper at all is said once, with the reason', async (t) => {
  const made = bench(t, join(tmpdir(), 'ppp-thing-no-such-folder', 'helper.sock'));
  made.client.start();
  await made.happened.until('line');
  t.match(made.lines, [/^error: helper: connect .*: ENOENT: is ppp_thing_helper running\?$/]);
});

t.test(
  'helper client › the real helper answers it, and is adopted again after a restart',
  async (t) => {
    const router = await Machine.boot();
    const uid = process.getuid?.() ?? 0;
    const helperLines: string[] = [];
    const start = (): ReturnType<typeof serve> =>
      serve({
        libc: router.libc,
        policy: router.policy,
        makeBackend: (context) => new FreebsdBackend(context),
        uid,
        log: (line) => helperLines.push(line),
      });
    let helper = start();
    const { client, happened, notices } = bench(t, router.policy.socketPath);
    t.teardown(async () => {
      client.close();
      helper.stop();
      await helper.stopped;
      await router.close();
    });
    client.start();
    await happened.until('up pppoe0');
    t.match(client.view(), { platform: 'freebsd', pid: process.pid });
    const session = 'pppoe0';
    const failures: string[] = [];
    const key = { sessionId: 0x1234, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
    client.ask(
      'attach',
      { session, key, maxPayload: 1492, autoOpen: true, settings: null },
      unexpected,
    );
    client.ask('gate', { session, open: true }, ({ code }) => failures.push(code));
    t.match(await client.counters(session), { octetsIn: 0 });
    t.strictSame(failures, ['EPERM'], 'not MASTER');
    router.setRole('MASTER');
    await happened.until('role');
    t.match(notices.at(-1), { notice: 'role', role: 'MASTER', gateOpen: true });
    helper.stop();
    await helper.stopped;
    await happened.until('down');
    helper = start();
    await happened.until('up pppoe0', 2);
    t.match(await client.counters(session), { octetsIn: 0 });
  },
);
