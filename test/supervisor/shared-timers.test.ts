import t from 'tap';
import type { Instant } from '@ppp-thing/protocol/time';
import { SharedTimers } from '@ppp-thing/supervisor/shared-timers';

const LATE = 20;

/** The system's clock in the test's hands; it counts the timers that were set. */
class Clock {
  time = 0;
  set = 0;
  #timers: { readonly at: number; readonly wake: () => void }[] = [];
  now = (): Instant => this.time as Instant;
  wakeAt = (at: Instant, wake: () => void): (() => void) => {
    const timer = { at, wake };
    this.set += 1;
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((each) => each !== timer));
  };

  get waiting(): number {
    return this.#timers.length;
  }

  runTo(time: number): void {
    for (;;) {
      const [next] = this.#timers.sort((a, b) => a.at - b.at);
      if (next === undefined || next.at > time) break;
      this.#timers = this.#timers.filter((each) => each !== next);
      this.time = Math.max(this.time, next.at);
      next.wake();
    }
    this.time = time;
  }
}

t.test(
  'shared timers › a thousand sessions cost no more timers than a second has slots',
  async (t) => {
    const clock = new Clock();
    const timers = new SharedTimers(clock);
    const woken: number[] = [];
    for (let i = 0; i < 1000; i++)
      timers.wakeAt((i + 0.5) as Instant, () => woken.push(clock.time - (i + 0.5)));
    t.ok(clock.set <= 1000 / LATE + 1, `${clock.set} timers`);
    clock.runTo(2000);
    t.equal(woken.length, 1000);
    t.ok(Math.min(...woken) >= 0, 'none early');
    t.ok(Math.max(...woken) <= LATE, 'none later than a slot');
  },
);

t.test(
  'shared timers › one that is called off does not go off, and the last one takes the timer along',
  async (t) => {
    const clock = new Clock();
    const timers = new SharedTimers(clock);
    const woken: string[] = [];
    const first = timers.wakeAt(5 as Instant, () => {
      woken.push('first');
      second();
    });
    const second = timers.wakeAt(6 as Instant, () => woken.push('second'));
    const third = timers.wakeAt(50 as Instant, () => woken.push('third'));
    third();
    t.equal(clock.waiting, 1);
    clock.runTo(100);
    t.strictSame(woken, ['first'], 'nor one that another of the same slot calls off');
    first();
    t.equal(clock.waiting, 0);
  },
);

t.test('shared timers › a time that has passed is a wake-up of its own', async (t) => {
  const clock = new Clock();
  const timers = new SharedTimers(clock);
  let woken = 0;
  const again = (): void => {
    woken += 1;
    if (woken < 3) timers.wakeAt(5 as Instant, again);
  };
  timers.wakeAt(5 as Instant, again);
  clock.runTo(100);
  t.equal(woken, 3);
});
