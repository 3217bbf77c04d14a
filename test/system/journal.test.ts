/** The store of many sessions: one write and one fsync for all that an edge changes, and the promise of one session's. */
import { NO_SNAPSHOT, type Snapshot } from '@ppp-thing/protocol/session';
import { Chance } from '@ppp-thing/lab/campaign/random';
import { SimDisk } from '@ppp-thing/lab/system/disk';
import { Log } from '@ppp-thing/supervisor/log';
import { Store, type StoreError } from '@ppp-thing/supervisor/store';
import t from 'tap';

const SNAPSHOT = { ...NO_SNAPSHOT, epoch: 7, holder: 1 };
const NAMES = Array.from({ length: 20 }, (_, i) => `wan${i}`);
const nothing = (): void => undefined;

function open(disk: SimDisk, lines: string[] = [], synced = nothing, isJournal = true): Store {
  const log = new Log(
    'info',
    (line) => lines.push(line),
    () => 0,
  );
  return new Store('/state', log, disk.calls(nothing, synced), isJournal);
}

/** One edge of the role: every session is stored at once. @returns what each was told */
function edge(store: Store, snapshot: Snapshot, names = NAMES): (StoreError | undefined)[] {
  const told: (StoreError | undefined)[] = [];
  for (const name of names) store.later(name, snapshot, (refused) => told.push(refused));
  store.commit();
  return told;
}

void t.test('journal › an edge is one fsync, however many sessions it moves', async (t) => {
  const disk = new SimDisk();
  let fsyncs = 0;
  const store = open(disk, [], () => (fsyncs += 1));
  edge(store, SNAPSHOT);
  fsyncs = 0;
  t.same(edge(store, { ...SNAPSHOT, epoch: 8 }), Array(NAMES.length).fill(undefined));
  t.equal(fsyncs, 1);
  const again = open(disk.remains());
  for (const name of NAMES) t.equal(again.load(name)?.epoch, 8, name);
});

void t.test(
  'journal › what an edge has been told is stored outlives a crash at any call',
  async (t) => {
    for (let call = 0; call < 40; call++) {
      for (let seed = 1; seed <= 10; seed++) {
        const disk = new SimDisk();
        let left = Infinity;
        const calls = disk.calls(() => {
          if (--left < 0) throw new Error('the power is gone');
        }, nothing);
        disk.most = 700;
        const store = new Store('/state', new Log('error', nothing, () => 0), calls, true);
        const durable = new Map<string, number>();
        left = call;
        try {
          for (let epoch = 1; epoch < 6; epoch++)
            for (const names of [NAMES.slice(0, 3), NAMES.slice(2, 5)]) {
              for (const name of names)
                store.later(name, { ...SNAPSHOT, epoch }, (refused) => {
                  if (refused === undefined) durable.set(name, epoch);
                });
              store.commit();
            }
        } catch (error) {
          t.match(error, /power/);
        }
        disk.cutPower(new Chance(seed * 41 + call));
        const lines: string[] = [];
        const again = open(disk, lines);
        for (const [name, epoch] of durable)
          if ((again.load(name)?.epoch ?? 0) < epoch)
            t.fail(`call ${call}, seed ${seed}: ${name} has lost epoch ${epoch}`);
        if (lines.length > 0) t.fail(`call ${call}, seed ${seed}: ${lines.join()}`);
      }
    }
  },
);

void t.test(
  'journal › a refused edge is told to all, and stored when it is asked again',
  async (t) => {
    const disk = new SimDisk();
    const store = open(disk);
    edge(store, SNAPSHOT);
    disk.most = 100;
    const next = { ...SNAPSHOT, epoch: 8 };
    disk.refusal = 'ENOSPC';
    t.same(
      edge(store, next).map((refused) => refused?.code),
      Array(NAMES.length).fill('ENOSPC'),
    );
    disk.refusal = undefined;
    t.equal(open(disk.remains()).load('wan0')?.epoch, 7);
    t.same(edge(store, next), Array(NAMES.length).fill(undefined));
    t.equal(open(disk.remains()).load('wan0')?.epoch, 8);
  },
);

void t.test(
  'journal › what follows a write that failed midway is not lost behind it',
  async (t) => {
    const disk = new SimDisk();
    let left = Infinity;
    const calls = disk.calls(() => {
      if (--left === 0) disk.refusal = 'ENOSPC';
    }, nothing);
    const store = new Store('/state', new Log('error', nothing, () => 0), calls, true);
    edge(store, SNAPSHOT);
    disk.most = 100;
    // It opens the file, and writes once.
    left = 3;
    t.equal(edge(store, { ...SNAPSHOT, epoch: 8 }, ['wan0'])[0]?.code, 'ENOSPC');
    disk.refusal = undefined;
    t.same(edge(store, { ...SNAPSHOT, epoch: 9 }, ['wan1']), [undefined]);
    t.equal(open(disk.remains()).load('wan1')?.epoch, 9);
  },
);

void t.test('journal › a line that was damaged is memory lost, and is said', async (t) => {
  const disk = new SimDisk();
  const store = open(disk);
  edge(store, SNAPSHOT);
  edge(store, { ...SNAPSHOT, epoch: 8 }, ['wan1']);
  const calls = disk.calls(nothing, nothing);
  const text = calls.readFileSync('/state/journal');
  const fd = calls.openSync('/state/journal', 'w');
  calls.writeSync(fd, new TextEncoder().encode(text.replace('"wan0"', '"wan#"')));
  const lines: string[] = [];
  const again = open(disk, lines);
  t.match(lines.join('\n'), /journal: damaged/);
  t.match(again.load('wan1'), { epoch: 8, holder: 0 }, 'the partner is believed');
});

void t.test(
  'journal › it is written anew before it is much larger than what it holds',
  async (t) => {
    const disk = new SimDisk();
    const store = open(disk);
    for (let epoch = 1; epoch < 400; epoch++) edge(store, { ...SNAPSHOT, epoch });
    const { length } = disk.calls(nothing, nothing).readFileSync('/state/journal');
    t.ok(length < 1.2 * 1024 * 1024, `${length} octets`);
    t.equal(open(disk.remains()).load('wan7')?.epoch, 399);
  },
);

void t.test('journal › of a session in both places the newer counts, either way', async (t) => {
  const disk = new SimDisk();
  const alone = open(disk, [], nothing, false);
  alone.save('wan0', SNAPSHOT);
  const many = open(disk);
  t.same(many.load('wan0'), SNAPSHOT);
  edge(many, { ...SNAPSHOT, epoch: 8 }, ['wan0']);
  const later = open(disk, [], nothing, false);
  t.equal(later.load('wan0')?.epoch, 8, 'few sessions again');
  later.save('wan0', { ...SNAPSHOT, epoch: 9 });
  t.equal(open(disk).load('wan0')?.epoch, 9);
});
