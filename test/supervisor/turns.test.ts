/** Of many lines some dial at a time; who waits says so, and a line without an AC holds nobody up. */
import type { Instant } from '@ppp-thing/protocol/time';
import { Dialler } from '@ppp-thing/protocol/engine/link/dialler';
import type { Out } from '@ppp-thing/protocol/engine/out';
import { Timers } from '@ppp-thing/protocol/engine/timers';
import type { Turn } from '@ppp-thing/protocol/engine/link/turn';
import type { LinkTimers } from '@ppp-thing/protocol/engine/link/waits';
import { AT_ONCE, Turns } from '@ppp-thing/supervisor/turns';
import t from 'tap';

class Clock {
  time = 0;
  #timers: { readonly at: number; readonly wake: () => void }[] = [];
  #soon: (() => void)[] = [];

  readonly now = (): Instant => this.time as Instant;
  readonly soon = (run: () => void): void => void this.#soon.push(run);
  readonly wakeAt = (at: Instant, wake: () => void): (() => void) => {
    const timer = { at, wake };
    this.#timers.push(timer);
    return () => (this.#timers = this.#timers.filter((each) => each !== timer));
  };

  pass(ms: number): void {
    this.time += ms;
    for (const { wake } of this.#timers.filter(({ at }) => at <= this.time)) wake();
    this.#timers = this.#timers.filter(({ at }) => at > this.time);
    this.settle();
  }

  settle(): void {
    while (this.#soon.length > 0) for (const run of this.#soon.splice(0)) run();
  }
}

interface Line {
  readonly turn: Turn;
  has: boolean;
}

function lines(clock: Clock, count: number): Line[] {
  const turns = new Turns(clock);
  return Array.from({ length: count }, () => {
    const line: Line = {
      turn: turns.of(() => (line.has = line.turn.take())),
      has: false,
    };
    return line;
  });
}

const having = (all: readonly Line[]): number => all.filter(({ has }) => has).length;

t.test('turns › so many lines dial at a time, first come, first served', async (t) => {
  const clock = new Clock();
  const all = lines(clock, 100);
  for (const line of all) line.has = line.turn.take();
  t.equal(having(all), AT_ONCE);
  t.equal(all[99]?.turn.ahead(), 99);
  for (let left = 0; left < 100; left++) {
    const line = all[left];
    t.ok(line?.has, `line ${left} has its turn`);
    line?.turn.leave();
    if (line !== undefined) line.has = false;
    clock.settle();
    t.equal(having(all), Math.min(AT_ONCE, 99 - left));
  }
});

t.test('turns › each says how many come first, whoever comes and goes', async (t) => {
  const clock = new Clock();
  const all = lines(clock, 100);
  const told = (): number[] => all.map(({ turn }) => turn.ahead());
  for (const { turn } of all.slice(0, 80)) turn.take();
  t.equal(told()[79], 79);
  for (const { turn } of all.slice(80)) turn.take();
  t.equal(told()[99], 99, 'those that came after one had asked');
  all[50]?.turn.leave();
  t.equal(told()[99], 98);
  t.equal(told()[49], 49);
  all[0]?.turn.leave();
  clock.settle();
  t.equal(told()[99], 97, 'one dials in its place');
});

t.test('turns › one that has left comes after those that waited', async (t) => {
  const clock = new Clock();
  const all = lines(clock, AT_ONCE + 1);
  for (const line of all) line.has = line.turn.take();
  const [first] = all;
  const last = all.at(-1);
  first?.turn.leave();
  t.notOk(first?.turn.take());
  clock.settle();
  t.ok(last?.has);
});

t.test('turns › lines whose AC is dead go on, and hold nobody up', async (t) => {
  const clock = new Clock();
  const all = lines(clock, 2 * AT_ONCE);
  for (const line of all) line.has = line.turn.take();
  clock.pass(10_000);
  t.equal(having(all), all.length);
  t.ok(all[0]?.turn.take(), 'it goes on dialling');
  clock.pass(10_000);
});

t.test('dialler › a line that waits for its turn says so, and dials when it comes', async (t) => {
  let isFree = false;
  let left = 0;
  let counted = 0;
  const ahead = (): number => {
    counted += 1;
    return 40;
  };
  const turn = { take: () => isFree, leave: () => void (left += 1), ahead };
  const settings = {
    ourMac: Uint8Array.of(2, 0, 0, 0, 0, 1),
    serviceName: '',
    mtu: 1492,
  };
  const said: string[] = [];
  const out: Out = (...actions) => void said.push(...actions.map(({ kind }) => kind));
  const timers: LinkTimers = new Timers();
  const dialler = new Dialler(settings, (length) => new Uint8Array(length), timers, out, turn);
  const at = (ms: number): Instant => ms as Instant;
  const kinds = (): string[] => {
    dialler.expire(at(5));
    return said.splice(0);
  };
  dialler.dial('Dead', 'dial', at(0));
  said.length = 0;
  t.match(dialler.trouble, /waits for its turn: 40 lines first/);
  t.equal(dialler.phase, 'Wait');
  t.equal(timers.next(), undefined);
  const before = counted;
  t.strictSame(kinds(), []);
  t.equal(counted, before, 'the queue is not counted for a line that is woken in it');
  isFree = true;
  t.ok(kinds().includes('send-discovery'));
  t.equal(dialler.phase, 'Discovery');
  const leavings = left;
  dialler.stop();
  t.equal(left, leavings + 1);
});
