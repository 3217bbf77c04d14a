/** The supervisor's store on a disk that refuses, takes little at a time, and forgets what was not fsynced. */
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { Chance } from '@ppp-thing/lab/campaign/random';
import { SimDisk } from '@ppp-thing/lab/system/disk';
import { Log } from '@ppp-thing/supervisor/log';
import { Store, StoreError } from '@ppp-thing/supervisor/store';
import t from 'tap';

const SNAPSHOT = { ...NO_SNAPSHOT, epoch: 7, holder: 1 };
const nothing = (): void => undefined;
const open = (disk: SimDisk): Store =>
  new Store('/state', new Log('error', nothing, () => 0), disk.calls(nothing, nothing));

void t.test('store › what the disk has refused is written when it is asked again', async (t) => {
  const disk = new SimDisk();
  const store = open(disk);
  store.save('pppoe0', { ...SNAPSHOT, epoch: 6 });
  disk.refusal = 'ENOSPC';
  t.throws(() => store.save('pppoe0', SNAPSHOT), StoreError);
  // Refused, it says again what it had said before.
  t.throws(() => store.save('pppoe0', { ...SNAPSHOT, epoch: 6, generation: 1 }), StoreError);
  disk.refusal = undefined;
  store.save('pppoe0', SNAPSHOT);
  t.equal(open(disk.remains()).load('pppoe0')?.epoch, 7);
});

void t.test(
  'store › a save that failed halfway leaves nothing that is taken for stored',
  async (t) => {
    const disk = new SimDisk();
    const calls = disk.calls(nothing, nothing);
    let isRefusing = false;
    const log = new Log('error', nothing, () => 0);
    const store = new Store('/state', log, {
      ...calls,
      renameSync(from, to) {
        if (isRefusing && to.endsWith('.json'))
          throw Object.assign(new Error('EIO'), { code: 'EIO' });
        calls.renameSync(from, to);
      },
    });
    store.save('pppoe0', SNAPSHOT);
    isRefusing = true;
    t.throws(() => store.save('pppoe0', { ...SNAPSHOT, generation: 1 }), StoreError);
    isRefusing = false;
    store.save('pppoe0', SNAPSHOT);
    t.match(calls.readFileSync('/state/pppoe0.json'), /"epoch": 7/);
  },
);

void t.test('store › a disk that takes little at a time gets it all', async (t) => {
  const disk = new SimDisk();
  disk.most = 16;
  open(disk).save('pppoe0', SNAPSHOT);
  t.same(open(disk.remains()).load('pppoe0'), SNAPSHOT);
});

void t.test('store › what has been saved outlives every loss of power', async (t) => {
  for (let seed = 1; seed < 50; seed++) {
    const disk = new SimDisk();
    const store = open(disk);
    for (let epoch = 1; epoch < 4; epoch++) store.save('pppoe0', { ...SNAPSHOT, epoch });
    disk.cutPower(new Chance(seed));
    t.equal(open(disk).load('pppoe0')?.epoch, 3);
  }
});

for (const isJournal of [false, true])
  void t.test(
    `store › what a killed process left is durable before it is relied on${isJournal ? ', in a journal too' : ''}`,
    async (t) => {
      const log = new Log('error', nothing, () => 0);
      const store = (disk: SimDisk, before = nothing): Store =>
        new Store('/state', log, disk.calls(before, nothing), isJournal);
      let at = 0;
      for (let isKilled = true; isKilled && at < 100; at++) {
        const disk = new SimDisk();
        const first = store(disk);
        first.save('pppoe0', { ...SNAPSHOT, epoch: 2 });
        first.save('pppoe0', { ...SNAPSHOT, epoch: 3 });
        isKilled = false;
        let left = at;
        const call = (): void => {
          if (left-- > 0) return;
          isKilled = true;
          throw new Error('killed');
        };
        try {
          const killed = store(disk, call);
          for (const epoch of [4, 5]) killed.save('pppoe0', { ...SNAPSHOT, epoch });
        } catch (error) {
          if (!(error instanceof StoreError)) throw error;
        }
        const known = store(disk).load('pppoe0')?.epoch;
        t.equal(store(disk.remains()).load('pppoe0')?.epoch, known, `call ${at}`);
      }
      t.ok(at > 10 && at < 100, `${at} calls`);
    },
  );
