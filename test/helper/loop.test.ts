import t from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import { loadLibc, type Libc } from '@ppp-thing/helper/libc';
import { createLoop } from '@ppp-thing/helper/loop';
import { POLLHUP, POLLIN, setNonblocking } from '@ppp-thing/helper/unix';

const libc = await loadLibc();

/** A loop on the real system with a clock of its own: each wait without an event moves it by the timeout. */
function virtualLoop(): {
  loop: ReturnType<typeof createLoop>;
  lines: string[];
  waits: number[];
  here: boolean[];
} {
  let now = 0;
  const lines: string[] = [];
  const waits: number[] = [];
  const here: boolean[] = [];
  const timed: Libc = {
    ...libc,
    async poll(entries, timeoutMs, isHere = false) {
      waits.push(timeoutMs);
      here.push(isHere);
      const found = await libc.poll(entries, 0);
      if (found === 0) now += timeoutMs;
      return found;
    },
  };
  const loop = createLoop(
    timed,
    () => now,
    (line) => lines.push(line),
  );
  return { loop, lines, waits, here };
}

t.test('loop › a descriptor is served until it is unwatched', async (t) => {
  const { loop } = virtualLoop();
  const [read, write] = libc.pipe();
  setNonblocking(libc, read);
  const found: number[] = [];
  libc.write(write, new Uint8Array(3));
  loop.watch(read, POLLIN, (revents) => {
    found.push(revents);
    libc.read(read, new Uint8Array(1));
    if (found.length === 2) loop.unwatch(read);
  });
  let done = false;
  loop.after(10_000, () => (done = true));
  await loop.run(() => done);
  t.strictSame(found, [POLLIN, POLLIN], 'the third octet was left');
  loop.close();
  for (const fd of [read, write]) libc.close(fd);
});

t.test(
  'loop › in a conversation it waits in its own thread, and signals still have their turns',
  async (t) => {
    const { loop, waits, here } = virtualLoop();
    const [read, write] = libc.pipe();
    setNonblocking(libc, read);
    libc.write(write, new Uint8Array(200));
    let left = 200;
    loop.watch(read, POLLIN, () => (left -= libc.read(read, new Uint8Array(1))));
    let done = false;
    loop.after(5000, () => (done = true));
    await loop.run(() => done);
    t.equal(left, 0);
    t.strictSame(here.slice(0, 3), [false, false, true], 'one event alone is none');
    const gaps = here.flatMap((each, i) => (each ? [] : [i]));
    t.ok(gaps.slice(2).every((at, i) => at - (gaps[i + 1] ?? 0) <= 65));
    t.ok(
      here.every((each, i) => !each || (waits[i] ?? Infinity) <= 20),
      'no signal waits longer for its turn',
    );
    t.equal(here.at(-1), false, 'the conversation is over');
    loop.close();
    for (const fd of [read, write]) libc.close(fd);
  },
);

t.test('loop › timers run at their times, in order, and stop', async (t) => {
  const { loop, waits } = virtualLoop();
  const ran: string[] = [];
  const note = (name: string) => (): void => void ran.push(`${name} ${loop.now()}`);
  loop.after(250, note('once'));
  const stop = loop.every(100, note('each'));
  const never = loop.after(120, note('never'));
  never();
  await loop.run(() => loop.now() >= 300);
  stop();
  loop.after(500, note('last'));
  await loop.run(() => loop.now() >= 800);
  t.strictSame(ran, ['each 100', 'each 200', 'once 250', 'each 300', 'last 800']);
  t.ok(waits.every((wait) => Number.isFinite(wait) && wait >= 0 && wait <= 1000));
  loop.close();
});

t.test('loop › an interval that was missed is run once, not made up for', async (t) => {
  const { loop } = virtualLoop();
  const ran: number[] = [];
  loop.every(100, () => ran.push(loop.now()));
  loop.after(100, () => {});
  await loop.run(() => ran.length === 3);
  t.strictSame(ran, [100, 200, 300]);
  loop.close();
});

t.test('loop › wake ends a wait from outside it', async (t) => {
  const lines: string[] = [];
  const forEver: Libc = { ...libc, poll: (entries) => libc.poll(entries, -1) };
  const loop = createLoop(
    forEver,
    () => 0,
    (line) => lines.push(line),
  );
  let woken = false;
  setImmediate(() => loop.wake(() => (woken = true)));
  await loop.run(() => woken);
  t.same(lines, []);
  loop.close();
});

t.test('loop › a hang-up that its owner ignores does not spin', async (t) => {
  const { loop, lines, waits } = virtualLoop();
  const [read, write] = libc.pipe();
  libc.close(write);
  let calls = 0;
  loop.watch(read, POLLIN, (revents) => {
    t.equal(revents, POLLHUP);
    calls++;
  });
  await loop.run(() => loop.now() >= 5000);
  t.ok(calls <= 16, `${calls} calls`);
  t.ok(waits.length < 40, `${waits.length} waits`);
  t.match(lines, [/^poll descriptor \d+: EIO: no handler for revents 0x10$/]);
  loop.close();
  libc.close(read);
});

t.test('loop › a descriptor closed under it is left alone and said', async (t) => {
  const { loop, lines } = virtualLoop();
  const [read, write] = libc.pipe();
  loop.watch(read, POLLIN, () => t.fail('nothing to serve'));
  libc.close(read);
  libc.close(write);
  await loop.run(() => loop.now() >= 2000);
  t.match(lines, [/^poll descriptor \d+: EBADF: closed while it was watched$/]);
  loop.close();
});

t.test('loop › what the kernel refuses a callback is a line; our own fault ends it', async (t) => {
  const { loop, lines } = virtualLoop();
  loop.after(1, () => {
    throw new BackendError('read', 'em0', 'ENXIO', 'gone');
  });
  loop.after(2, () => libc.close(-1));
  await loop.run(() => loop.now() >= 10);
  t.strictSame(lines, ['read em0: ENXIO: gone', 'run timer: close: EBADF']);
  loop.after(1, () => {
    throw new TypeError('ours');
  });
  await t.rejects(
    loop.run(() => false),
    TypeError,
  );
  loop.close();
});

t.test('loop › what is polled is made anew only when something has come or gone', async (t) => {
  const polled: unknown[] = [];
  let now = 0;
  const counting: Libc = {
    ...libc,
    async poll(entries, timeoutMs) {
      polled.push(entries);
      now += timeoutMs;
      return libc.poll(entries, 0);
    },
  };
  const loop = createLoop(
    counting,
    () => now,
    () => {},
  );
  const [read, write] = libc.pipe();
  loop.watch(read, POLLIN, () => {});
  const stop = loop.every(100, () => {});
  await loop.run(() => polled.length === 5);
  t.equal(new Set(polled).size, 1);
  loop.unwatch(read);
  loop.unwatch(read);
  await loop.run(() => polled.length === 10);
  t.equal(new Set(polled).size, 2);
  stop();
  loop.close();
  for (const fd of [read, write]) libc.close(fd);
});
