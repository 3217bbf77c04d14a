/**
 * A `Libc` over a socket: what comes out of it is what went in, with the fake FreeBSD kernel at the other end and a real
 * process at this one. The backend's whole contract runs through it.
 */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { EventEmitter, once } from 'node:events';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import t, { type Test } from 'tap';
import { FakeKernel } from '@ppp-thing/lab/freebsd/kernel';
import { FakeProcess } from '@ppp-thing/lab/freebsd/process';
import { RealSystem } from '@ppp-thing/lab/freebsd/real';
import { VERSION } from '@ppp-thing/lab/freebsd/remote-calls';
import { RemoteDoor } from '@ppp-thing/lab/freebsd/remote-door';
import { encodeMessage } from '@ppp-thing/protocol/ipc/framing';

const directory = mkdtempSync(join(tmpdir(), 'ppp-remote-'));
t.teardown(() => rmSync(directory, { recursive: true }));
const CLIENT = fileURLToPath(new URL('remote-client.js', import.meta.url));
const MODULE = fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/remote-module'));
const SERVE = fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/remote-serve'));
const NATIVE = fileURLToPath(new URL('../freebsd/native.test.js', import.meta.url));

interface Let {
  readonly kernel: FakeKernel;
  readonly path: string;
  /** Settles when a process has ended. */
  readonly ended: Promise<unknown>;
}

/** A kernel let at `NAME.sock`. */
async function letKernel(t: Test, name: string): Promise<Let> {
  const real = await RealSystem.load();
  const kernel = new FakeKernel({ bootedAt: 1_700_000_000 });
  const path = join(directory, `${name}.sock`);
  const events = new EventEmitter();
  const ended = once(events, 'ended');
  const door = new RemoteDoor({
    admit() {
      const process = new FakeProcess(kernel, { real });
      return {
        libc: process.libc,
        kill() {
          process.kill();
          events.emit('ended');
        },
      };
    },
  });
  await door.open(path);
  t.teardown(async () => door.close());
  return { kernel, path, ended };
}

t.test('buffers, numbers and errors arrive as they are', async (t) => {
  const { path } = await letKernel(t, 'calls');
  const { stdout, stderr, exitCode } = await execa(process.execPath, [CLIENT, path, 'calls'], {
    reject: false,
  });
  t.equal(exitCode, 0, stderr);
  t.strictSame(JSON.parse(stdout), {
    platform: 'freebsd',
    bootedAt: 1_700_000_000,
    missing: { call: 'ioctl', code: 'ENXIO', errno: 6 },
    unread: -1,
    idle: 0,
    ready: { found: 1, revents: 1 },
    read: { length: 70_000, last: 69_999 % 251 },
    bpfBuffer: 16_384,
    programRefused: 'EINVAL',
  });
});

t.test('a process that is killed has its descriptors closed', async (t) => {
  const { kernel, path, ended } = await letKernel(t, 'kill');
  const child = execa(process.execPath, [CLIENT, path, 'hold'], { reject: false });
  await once(child.stdout, 'data');
  t.equal(kernel.bpfs.size, 1);
  t.equal(kernel.netgraph.nodes().filter(({ type }) => type === 'socket').length, 1);
  child.kill('SIGKILL');
  await child;
  await ended;
  t.equal(kernel.bpfs.size, 0);
  t.same(kernel.netgraph.nodes(), []);
});

t.test('what is no call ends the connection', async (t) => {
  const { path } = await letKernel(t, 'strangers');
  const opening = { channel: 'calls', version: VERSION };
  for (const messages of [
    [{ channel: 'calls', version: VERSION + 1 }],
    [{ channel: 'poll', version: VERSION, process: 99 }],
    [opening, { call: 'fork', args: [] }],
    [opening, { call: 'close', args: 'all' }],
  ]) {
    const stranger = connect(path);
    stranger.resume();
    for (const message of messages) stranger.write(encodeMessage(message));
    await once(stranger, 'close');
    t.pass(JSON.stringify(messages.at(-1)));
  }
});

t.test("a system's own libc is let, and what a process left open is closed", async (t) => {
  const path = join(directory, 'own.sock');
  const door = execa(process.execPath, [SERVE, path], { reject: false });
  t.teardown(() => door.kill());
  const lines = door.iterable();
  t.match((await lines.next()).value, /^let the libc of (linux|freebsd) at /);
  t.equal(statSync(path).mode & 0o777, 0o700);
  const args = [CLIENT, path, 'pipes'];
  const { stdout, stderr } = await execa(process.execPath, args, { reject: false });
  t.strictSame(JSON.parse(stdout || '{}'), { read: [7, 8, 9], refused: 'EBADF' }, stderr);
  t.equal((await lines.next()).value, 'process 1: connected');
  t.equal((await lines.next()).value, 'process 1: ended, 2 descriptors closed');
  door.kill('SIGTERM');
  await lines.return?.();
  t.equal((await door).exitCode, 0);
});

t.test("the backend's contract holds through it", { timeout: 600_000 }, async (t) => {
  await letKernel(t, 'r1');
  const env = { PPP_THING_TEST_LIBC: MODULE, PPP_THING_REMOTE: directory };
  const { stdout, exitCode } = await execa(process.execPath, [NATIVE], { reject: false, env });
  t.equal(exitCode, 0, stdout.slice(-2000));
  t.match(stdout, /ok \d+ - backend freebsd on a real kernel › gate › opens and closes, and again/);
});
