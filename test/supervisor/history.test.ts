import t from 'tap';
import type { Instant } from '@ppp-thing/protocol/time';
import { History, Samples, SAMPLES } from '@ppp-thing/supervisor/history';
import { holding } from './status-bench.ts';

const at = (time: number) => ({ time, echoRttMs: 1.25, octetsIn: time * 1e9, octetsOut: null });

t.test('samples › none are told before there is one', async (t) => {
  t.strictSame(new Samples().after(0), []);
});

t.test('samples › the newest are kept, as they came, oldest first', async (t) => {
  const samples = new Samples();
  const times = Array.from({ length: SAMPLES + 7 }, (_, i) => i + 1);
  for (const time of times) samples.add(at(time));
  t.strictSame(samples.after(0), times.slice(7).map(at));
});

t.test('samples › what a reader has had is left out', async (t) => {
  const samples = new Samples();
  for (const time of [10, 20, 30]) samples.add(at(time));
  t.strictSame(samples.after(20), [at(30)]);
  t.strictSame(samples.after(30), []);
});

t.test('samples › what was not known then is null', async (t) => {
  const samples = new Samples();
  const unknown = { time: 1, echoRttMs: null, octetsIn: null, octetsOut: null };
  samples.add(unknown);
  t.strictSame(samples.after(0), [unknown]);
});

/** A clock in the test's hands. */
class Clock {
  #now = 0;
  readonly #due: { readonly at: number; readonly wake: () => void }[] = [];
  now = (): Instant => this.#now as Instant;
  wallClock = (): number => 1e12 + this.#now;
  wakeAt = (at: Instant, wake: () => void): (() => void) => {
    this.#due.push({ at, wake });
    return () => undefined;
  };

  /** One wake-up, and what it began is over. */
  async tick(): Promise<void> {
    const next = this.#due.shift();
    if (next === undefined) return;
    this.#now = next.at;
    next.wake();
    await new Promise(setImmediate);
  }
}

t.test('history › traffic is asked for only while somebody looks', async (t) => {
  const { supervisor } = await holding(t);
  let asked = 0;
  const clock = new Clock();
  const counting = {
    routerId: supervisor.routerId,
    startedAt: supervisor.startedAt,
    session: (name: string) => supervisor.session(name),
    sessions: () => supervisor.sessions(),
    subscribe: (listener: Parameters<typeof supervisor.subscribe>[0]) =>
      supervisor.subscribe(listener),
    traffic: async () => {
      asked += 1;
      return { octetsIn: 1, octetsOut: 2, packetsIn: 3, packetsOut: 4 };
    },
  };
  const history = new History(counting, clock);
  for (let i = 0; i < 100; i++) await clock.tick();
  t.equal(asked, 0);
  const [{ name } = { name: '' }] = supervisor.sessions();
  const before = history.of(name, 0);
  t.equal(before.samples.length, 100, 'all else is kept');
  t.equal(before.samples.at(-1)?.octetsIn, null);
  await clock.tick();
  t.equal(asked, 1);
  t.equal(history.of(name, 0).samples.at(-1)?.octetsIn, 1);
  for (let i = 0; i < 100; i++) await clock.tick();
  t.ok(asked <= 11, `${asked} times: who asked last looks no longer`);
  history.close();
});
