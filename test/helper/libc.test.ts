import {
  closeSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { SystemError, loadLibc } from '@ppp-thing/helper/libc';
import {
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  listenAt,
  refuseSecond,
  setNonblocking,
} from '@ppp-thing/helper/unix';
import { connectTo } from '@ppp-thing/lab/freebsd/remote';

const libc = await loadLibc();
const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-libc-'));
t.teardown(() => rmSync(folder, { recursive: true }));

const octets = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (from: Uint8Array): string => new TextDecoder().decode(from);
const code = (run: () => unknown): string => {
  try {
    run();
    return 'no error';
  } catch (error) {
    if (error instanceof SystemError) return `${error.call} ${error.code}`;
    throw error;
  }
};

/** Both ends of a connected Unix socket. */
function pair(name: string): readonly [number, number] {
  const listener = listenAt(libc, join(folder, name));
  const near = connectTo(libc, join(folder, name));
  const far = libc.accept(listener);
  libc.close(listener);
  return [near, far];
}

t.test('libc › a pipe carries octets, says would-block and end as values', async (t) => {
  const [read, write] = libc.pipe();
  const into = new Uint8Array(16);
  setNonblocking(libc, read);
  t.equal(libc.read(read, into), -1, 'empty');
  t.equal(libc.write(write, octets('hello')), 5);
  t.equal(libc.read(read, into), 5);
  t.equal(text(into.subarray(0, 5)), 'hello');
  libc.close(write);
  t.equal(libc.read(read, into), 0, 'the end');
  libc.close(read);
});

t.test('libc › views into larger buffers are read and written where they are', async (t) => {
  const [read, write] = libc.pipe();
  const room = new Uint8Array(12);
  libc.write(write, octets('..hello..').subarray(2, 7));
  t.equal(libc.read(read, room.subarray(3, 8)), 5);
  t.equal(text(room.subarray(3, 8)), 'hello');
  t.equal(room[2], 0);
  t.equal(room[8], 0);
  libc.close(read);
  libc.close(write);
});

t.test('libc › a refusal is a SystemError with the errno by name and number', async (t) => {
  t.equal(
    code(() => libc.open('/nonexistent/file', 0)),
    'open ENOENT',
  );
  t.equal(
    code(() => libc.close(-1)),
    'close EBADF',
  );
  t.equal(
    code(() => libc.socket(255, 1, 0)),
    'socket EAFNOSUPPORT',
  );
  t.equal(
    code(() => libc.ioctl(0, 0xffff_ffff, 0)),
    'ioctl ENOTTY',
  );
  t.throws(() => libc.unlink('/nonexistent'), { code: 'ENOENT', errno: 2 });
});

t.test('libc › open creates with a mode; unlink acts on the path', async (t) => {
  const path = join(folder, 'made');
  const O_CREAT = libc.platform === 'linux' ? 0o100 : 0x200;
  const fd = libc.open(path, O_CREAT | 1, 0o600);
  t.equal(libc.write(fd, octets('x')), 1);
  libc.close(fd);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(readFileSync(path, 'utf8'), 'x');
  libc.unlink(path);
  t.throws(() => statSync(path), { code: 'ENOENT' });
});

t.test('libc › a Unix socket is connected, identified, and ends', async (t) => {
  const [near, far] = pair('sock');
  const peer = libc.getpeereid(far);
  t.equal(peer.uid, process.getuid?.());
  t.equal(peer.gid, process.getgid?.());
  t.equal(peer.pid, process.pid);
  t.equal(libc.sendto(near, octets('ping'), 0), 4);
  const into = new Uint8Array(16);
  t.equal(libc.recvfrom(far, into, 0).length, 4);
  libc.close(near);
  t.equal(libc.recvfrom(far, into, 0).length, 0);
  libc.close(far);
});

t.test('libc › accept without a caller is -1, and a dead socket file is replaced', async (t) => {
  const path = join(folder, 'listen');
  const first = listenAt(libc, path);
  t.equal(libc.accept(first), -1);
  t.throws(() => refuseSecond(libc, path), { code: 'EADDRINUSE' }, 'a live one is another helper');
  libc.close(first);
  const second = listenAt(libc, path);
  t.equal(statSync(path).mode & 0o777, 0o660);
  libc.close(second);
  const modes: number[] = [];
  const watched = {
    ...libc,
    bind(fd: number, address: Uint8Array) {
      libc.bind(fd, address);
      modes.push(statSync(path).mode & 0o777);
    },
  };
  libc.close(listenAt(watched, path));
  t.strictSame(modes, [0o660], 'from the moment that it is there');
  t.throws(() => connectTo(libc, path), { code: 'ECONNREFUSED', call: 'connect' });
  t.throws(() => connectTo(libc, `/${'x'.repeat(120)}`), { code: 'ENAMETOOLONG' });
});

t.test('libc › sendto a socket that is gone is EPIPE and no signal', async (t) => {
  const [near, far] = pair('gone');
  libc.close(far);
  t.equal(
    code(() => libc.sendto(near, octets('x'), libc.platform === 'linux' ? 0x4000 : 0x20000)),
    'sendto EPIPE',
  );
  libc.close(near);
});

t.test('libc › poll finds what is ready, and writes nothing else', async (t) => {
  const [read, write] = libc.pipe();
  const entries = [
    { fd: read, events: POLLIN, revents: 99 },
    { fd: write, events: POLLOUT, revents: 99 },
    { fd: 9999, events: POLLIN, revents: 99 },
  ];
  t.equal(await libc.poll(entries, 1000), 2);
  t.strictSame(
    entries.map(({ revents }) => revents),
    [0, POLLOUT, POLLNVAL],
  );
  libc.close(write);
  t.equal(await libc.poll(entries.slice(0, 1), 1000), 1);
  t.equal(entries[0]?.revents, POLLHUP);
  libc.close(read);
});

t.test('libc › poll ends at its timeout with nothing found', async (t) => {
  const [read, write] = libc.pipe();
  const entry = { fd: read, events: POLLIN, revents: 99 };
  t.equal(await libc.poll([entry], 5), 0);
  t.equal(entry.revents, 0);
  t.equal(await libc.poll([], 0), 0, 'with nothing to poll');
  libc.close(read);
  libc.close(write);
});

t.test('libc › an ioctl fills its argument', async (t) => {
  const FIONREAD = libc.platform === 'linux' ? 0x541b : 0x4004667f;
  const [read, write] = libc.pipe();
  libc.write(write, octets('seven!!'));
  const argument = new Uint8Array(4);
  libc.ioctl(read, FIONREAD, argument);
  t.equal(argument[0], 7);
  libc.close(read);
  libc.close(write);
});

t.test(
  'libc › an ioctl follows the pointers in its argument',
  { skip: libc.platform === 'linux' ? false : 'SIOCGIFCONF is laid out for Linux here' },
  async (t) => {
    const SIOCGIFCONF = 0x8912;
    const fd = libc.socket(2, 2, 0);
    const list = new Uint8Array(40 * 32);
    const argument = new Uint8Array(16);
    new DataView(argument.buffer).setInt32(0, list.length, true);
    libc.ioctl(fd, SIOCGIFCONF, argument, [{ at: 8, to: list }]);
    const length = new DataView(argument.buffer).getInt32(0, true);
    t.ok(length >= 40 && length % 40 === 0, `${length} octets of struct ifreq`);
    t.match(text(list.subarray(0, length)), /lo/);
    libc.close(fd);
  },
);

t.test('libc › descriptors are the ones of this process', async (t) => {
  const path = join(folder, 'shared');
  const fd = openSync(path, 'w+');
  writeSync(fd, 'from node');
  const again = libc.open(path, 0);
  const into = new Uint8Array(32);
  t.equal(text(into.subarray(0, libc.read(again, into))), 'from node');
  libc.close(again);
  closeSync(fd);
});
