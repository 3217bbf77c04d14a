/** When a session counts as silent, and what shows that it is not. */
import t from 'tap';
import { Keepalive } from '@ppp-thing/protocol/engine/ppp/keepalive';
import { Timers } from '@ppp-thing/protocol/engine/timers';
import { millis, seconds } from '@ppp-thing/protocol/time';
import { at } from './scripted-ac.ts';

const ECHO = {
  interval: seconds(5),
  failures: 2,
  probeInterval: millis(500),
  probeFailures: 4,
};

/** A session that has just become silent. */
function silent(hasAnswered: boolean): Keepalive {
  const keepalive = new Keepalive(ECHO, new Timers());
  keepalive.watch(at(0));
  if (hasAnswered) keepalive.answered(millis(10), at(1000));
  for (let now = 0; now < 20_000; now += 100)
    if (keepalive.expire(at(now)).includes('silent')) return keepalive;
  throw new Error('never silent');
}

void t.test('keepalive › of an AC that has answered only answers prove anything', (t) => {
  const keepalive = silent(true);
  t.equal(keepalive.heard(at(16_000)), false, 'the way to it is what is in doubt');
  t.equal(keepalive.answered(millis(10), at(16_100)), true);
  t.end();
});

void t.test('keepalive › of an AC that never answers every packet does', (t) => {
  t.equal(silent(false).heard(at(16_000)), true);
  t.end();
});

void t.test('keepalive › an AC that sends and does not answer is not given up', (t) => {
  const keepalive = silent(true);
  for (let now = 15_000; now < 60_000; now += 100) {
    keepalive.heard(at(now));
    t.notOk(keepalive.expire(at(now)).includes('dead'));
  }
  t.end();
});
