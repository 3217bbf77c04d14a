/** When the next dial may begin. */
import t from 'tap';
import {
  LONGEST_DELAY,
  Redial,
  REFUSED_DELAY,
  REFUSED_STRETCH,
} from '@ppp-thing/protocol/engine/link/redial';
import { seconds, type Millis } from '@ppp-thing/protocol/time';
import { counterRandom } from './link-pair.ts';
import { at } from './scripted-ac.ts';

const NEVER_UP = { lasted: undefined, refused: false };

/** The waits after each of `count` endings in a row, each seen at the instant the last wait was over. */
function waits(count: number, ending: { lasted: Millis | undefined; refused: boolean }): number[] {
  const redial = new Redial(counterRandom());
  let now = at(0);
  return Array.from({ length: count }, () => {
    redial.ended(ending, now);
    const next = redial.next(now);
    const wait = next - now;
    now = next;
    return wait;
  });
}

void t.test('redial › the first dial waits for nothing', (t) => {
  t.equal(new Redial(counterRandom()).next(at(77)), 77);
  t.end();
});

void t.test(
  'redial › waits double from one second to five minutes, up to a quarter longer',
  (t) => {
    for (const [i, wait] of waits(14, NEVER_UP).entries()) {
      const base = Math.min(LONGEST_DELAY, 1000 * 2 ** i);
      t.ok(wait >= base && wait <= Math.min(LONGEST_DELAY, base * 1.25), `${wait} ms`);
    }
    t.end();
  },
);

void t.test(
  'redial › after refusals the first is prompt, then they double from fifteen seconds to twenty minutes',
  (t) => {
    const [first, ...rest] = waits(12, { lasted: undefined, refused: true });
    t.ok((first ?? 0) <= 1250);
    for (const [i, wait] of rest.entries()) {
      const longest = LONGEST_DELAY * REFUSED_STRETCH;
      const base = Math.min(longest, REFUSED_DELAY * 2 ** i);
      t.ok(wait >= base && wait <= Math.min(longest, base * 1.25), `${wait} ms`);
    }
    t.end();
  },
);

void t.test(
  'redial › a session shorter than a minute is a failure: ACs lock such lines out',
  (t) => {
    const short = waits(8, { lasted: seconds(59), refused: false });
    t.ok((short.at(-1) ?? 0) >= 128_000);
    t.end();
  },
);

void t.test(
  'redial › a session of a minute or more is dialled again at once, and failures are forgotten',
  (t) => {
    const redial = new Redial(counterRandom());
    for (let i = 0; i < 9; i++) redial.ended(NEVER_UP, at(0));
    t.equal(redial.failures, 9);
    redial.ended({ lasted: seconds(60), refused: false }, at(1000));
    t.equal(redial.next(at(1000)), 1000);
    t.equal(redial.failures, 0);
    redial.ended(NEVER_UP, at(2000));
    t.ok(redial.next(at(2000)) <= 3250);
    t.end();
  },
);

void t.test('redial › time that passes anyway counts', (t) => {
  const redial = new Redial(counterRandom());
  for (let i = 0; i < 6; i++) redial.ended(NEVER_UP, at(0));
  t.equal(redial.next(at(3_600_000)), 3_600_000);
  t.end();
});

void t.test('redial › a hundred thousand failures are no longer a wait than fifty', (t) => {
  const redial = new Redial(counterRandom());
  for (let i = 0; i < 100_000; i++)
    redial.ended({ lasted: undefined, refused: i % 2 === 0 }, at(0));
  redial.ended(NEVER_UP, at(0));
  t.equal(redial.next(at(0)), LONGEST_DELAY);
  t.end();
});

void t.test('redial › the longest wait is the configuration’s, also of refusals', (t) => {
  const redial = new Redial(counterRandom(), seconds(60));
  for (let i = 0; i < 20; i++) redial.ended(NEVER_UP, at(0));
  t.equal(redial.next(at(0)), 60_000);
  redial.ended({ lasted: undefined, refused: true }, at(0));
  t.equal(redial.next(at(0)), 60_000 * REFUSED_STRETCH);
  t.end();
});

for (const minutes of [10, 15]) {
  void t.test(
    `redial › an AC that bans a line for ${minutes} min, anew at each try, is outwaited`,
    (t) => {
      const redial = new Redial(counterRandom());
      let banned = minutes * 60_000;
      let now = at(0);
      let tries = 0;
      while (now < banned && tries < 12) {
        tries += 1;
        redial.ended({ lasted: undefined, refused: true }, now);
        banned = now + minutes * 60_000;
        now = redial.next(now);
      }
      t.ok(now >= banned && tries < 12, `${tries} tries`);
      t.ok(now < 3_600_000, `up after ${Math.round(now / 60_000)} min`);
      t.end();
    },
  );
}
