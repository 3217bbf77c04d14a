/** Work for strangers takes its share of the time and no more, however much there is of it. */
import t from 'tap';
import type { Instant } from '@ppp-thing/protocol/time';
import { Pace, REST, SLICE_MS } from '@ppp-thing/supervisor/pace';
import { Readings } from '@ppp-thing/supervisor/readings';

/** A clock that moves when it is told to, and fires what has become due. */
class Clock {
  at = 0;
  readonly #due: { at: number; wake: () => void }[] = [];

  readonly now = (): Instant => this.at as Instant;

  readonly wakeAt = (at: Instant, wake: () => void): (() => void) => {
    const entry = { at, wake };
    this.#due.push(entry);
    return () => void this.#due.splice(this.#due.indexOf(entry), 1);
  };

  /** One turn of a loop: whatever is due by now. Returns whether anything was. */
  turn(): boolean {
    const due = this.#due.filter(({ at }) => at <= this.at);
    for (const entry of due) this.#due.splice(this.#due.indexOf(entry), 1);
    for (const { wake } of due) wake();
    return due.length > 0;
  }
}

t.test('pace › a task is run in its turn, and not within the call', async (t) => {
  const clock = new Clock();
  const pace = new Pace(clock);
  const ran: number[] = [];
  pace.run(() => ran.push(1));
  t.strictSame(ran, []);
  clock.turn();
  t.strictSame(ran, [1]);
});

t.test('pace › a turn does one slice, however many tasks wait', async (t) => {
  const clock = new Clock();
  const pace = new Pace(clock);
  let ran = 0;
  for (let i = 0; i < 10_000; i++) {
    pace.run(() => {
      ran += 1;
      clock.at += 0.5;
    });
  }
  clock.turn();
  t.equal(ran, SLICE_MS / 0.5);
  t.notOk(clock.turn(), 'it rests');
  clock.at += SLICE_MS * REST;
  clock.turn();
  t.equal(ran, (2 * SLICE_MS) / 0.5);
});

t.test('pace › of a long time it takes a fifth, whatever a task costs', async (t) => {
  for (const cost of [0.01, 0.7, 3, 40]) {
    const clock = new Clock();
    const pace = new Pace(clock);
    let worked = 0;
    const again = (): void => {
      clock.at += cost;
      worked += cost;
      pace.run(again);
    };
    pace.run(again);
    while (clock.at < 20_000) if (!clock.turn()) clock.at += 1;
    t.ok(worked / clock.at <= 1 / (1 + REST) + 0.01, `${cost} ms each: ${worked / clock.at}`);
  }
});

t.test('pace › a rest is kept also when there is nothing to do in it', async (t) => {
  const clock = new Clock();
  const pace = new Pace(clock);
  let ran = 0;
  const task = (): void => {
    ran += 1;
    clock.at += 10;
  };
  pace.run(task);
  clock.turn();
  pace.run(task);
  clock.at += 10 * REST - 1;
  clock.turn();
  t.equal(ran, 1);
  clock.at += 1;
  clock.turn();
  t.equal(ran, 2);
});

t.test('readings › one serves everybody who asked before it began', async (t) => {
  const clock = new Clock();
  let read = 0;
  let finish: (text: string) => void = () => undefined;
  const readings = new Readings(new Pace(clock), () => {
    read += 1;
    return new Promise((resolve) => (finish = resolve));
  });
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  const first = Promise.all(Array.from({ length: 1000 }, () => readings.ask()));
  await settled();
  clock.turn();
  await settled();
  t.equal(read, 1);
  const late = readings.ask();
  clock.at += 100;
  finish('one');
  t.strictSame(new Set(await first), new Set(['one']));
  await settled();
  clock.turn();
  await settled();
  t.equal(read, 1, 'what the first took is rested for');
  clock.at += 100 * REST;
  clock.turn();
  await settled();
  t.equal(read, 2);
  finish('two');
  t.equal(await late, 'two');
});
