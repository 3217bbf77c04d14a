/** Epochs and generations have no end: whatever a partner says, there is a next one, and it can be said and stored. */
import t from 'tap';
import {
  changed,
  isLater,
  isLaterEpoch,
  isNewer,
  taken,
  type Snapshot,
} from '@ppp-thing/protocol/session';
import { flawOf, U32_MAX } from '@ppp-thing/protocol/snapshot-limits';
import { SNAPSHOT } from '../fixtures/partner.ts';

const at = (epoch: number): Snapshot => ({ ...SNAPSHOT, epoch });

t.test('epoch › after the highest comes 1, which is later', async (t) => {
  for (const epoch of [0, 1, 2 ** 31 - 1, 2 ** 31, U32_MAX - 1, U32_MAX]) {
    const next = taken(at(epoch), 2);
    t.ok(isLaterEpoch(next.epoch, epoch), `${epoch} → ${next.epoch}`);
    t.notOk(isLaterEpoch(epoch, next.epoch));
    t.ok(isNewer(next, at(epoch)));
    t.notOk(isNewer(at(epoch), next));
    t.equal(flawOf(next), undefined, 'it can be stored and said');
  }
  t.equal(taken(at(U32_MAX), 2).epoch, 1);
});

t.test('epoch › 0 is before all others, however far round they are', async (t) => {
  for (const epoch of [1, 2 ** 31, 2 ** 31 + 1, U32_MAX]) {
    t.ok(isLaterEpoch(epoch, 0), `${epoch}`);
    t.notOk(isLaterEpoch(0, epoch), `${epoch}`);
  }
  t.notOk(isLaterEpoch(0, 0));
});

t.test('generation › after the highest comes 0, which is later', async (t) => {
  const last = { ...SNAPSHOT, generation: U32_MAX };
  const next = changed(last, { facts: null });
  t.equal(next.generation, 0);
  t.ok(isNewer(next, last));
  t.notOk(isNewer(last, next));
  t.equal(flawOf(next), undefined);
});

t.test('counters › of two different ones one is later, and only one', async (t) => {
  for (const a of [0, 1, 5, 2 ** 31 - 1, U32_MAX]) {
    for (const b of [0, 1, 5, 2 ** 31 + 7, U32_MAX]) {
      if (a !== b && (a - b) >>> 0 !== 2 ** 31) t.not(isLater(a, b), isLater(b, a), `${a} ${b}`);
    }
  }
});
