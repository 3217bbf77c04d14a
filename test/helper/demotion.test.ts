import { existsSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { rmdirSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import { DISK, type Disk } from '@ppp-thing/helper/files';
import type { Backend } from '@ppp-thing/helper/backend';
import {
  openDemotions,
  type Demotable,
  type Demotions,
  type RecordPlaces,
} from '@ppp-thing/helper/demotion';

const AMOUNT = 240;
const AMOUNTS = new Map(['pppoe0', 'pppoe1'].map((name) => [name, AMOUNT]));
/** Seconds. */
const UPTIME = 5000;

type Part = Demotable['verbs'] & Pick<Backend, 'returnDemotion'>;

/** The demotions of one helper, whose sessions are named. */
interface Named extends Pick<Demotions, 'has' | 'settle'> {
  adopt(name: string): void;
  set(name: string, on: boolean): void;
}

function open(
  directory: string,
  verbs: Part,
  uptime = UPTIME,
  amounts: ReadonlyMap<string, number> = AMOUNTS,
  log: (line: string) => void = noLog,
  disk: Disk = DISK,
): Named {
  const demotions = openDemotions(places(directory), verbs, () => uptime, amounts, log, disk);
  return {
    ...demotions,
    adopt: (name) => demotions.adopt({ policy: { name }, verbs }),
    set: (name, on) => demotions.set({ policy: { name }, verbs }, on),
  };
}

const noLog = (): void => undefined;

/** A kernel that shows only the sum, as FreeBSD's does. `fails` stands for sysctl's refusal. */
class SumKernel {
  sum = 0;
  fails = false;

  backend(): Part {
    return {
      inspect: () => {
        throw new Error('a kernel with a sum cannot say whose it is');
      },
      demote: (on) => {
        if (this.fails) throw new BackendError('demote', 'pppoe0', 'EPERM', 'jail');
        this.sum += on ? AMOUNT : -AMOUNT;
      },
      adoptDemotion: () => this.sum >= AMOUNT,
    };
  }
}

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'ppp-thing-demotion-'));
  t.teardown(() => rmSync(path, { recursive: true }));
  return join(path, 'state');
}

const places = (run: string): RecordPlaces => ({ run, state: `${run}-before` });

/** A helper begins: it reads the record and adopts its session. */
function begin(directory: string, kernel: SumKernel, uptime = UPTIME): Named {
  const demotions = open(directory, kernel.backend(), uptime);
  demotions.adopt('pppoe0');
  return demotions;
}

t.test('demotion › is added once and taken back once, however often it is asked', async (t) => {
  const kernel = new SumKernel();
  const demotions = begin(folder(t), kernel);
  for (const on of [true, true, false, false, true, false]) {
    demotions.set('pppoe0', on);
    t.equal(kernel.sum, on ? AMOUNT : 0);
    t.equal(demotions.has('pppoe0'), on);
  }
});

t.test('demotion › is given back once by the helper after the one that was killed', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  begin(directory, kernel).set('pppoe0', true);
  for (let restart = 0; restart < 3; restart++) {
    const next = begin(directory, kernel);
    t.equal(next.has('pppoe0'), true);
    next.set('pppoe0', true);
    t.equal(kernel.sum, AMOUNT, 'not added twice');
  }
  begin(directory, kernel).set('pppoe0', false);
  t.equal(kernel.sum, 0);
  begin(directory, kernel).set('pppoe0', false);
  t.equal(kernel.sum, 0, 'not taken back twice');
});

t.test('demotion › is written down before it is in force', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  const demotions = open(directory, {
    ...kernel.backend(),
    demote() {
      // Killed here, the helper leaves a record of what is in force already.
      kernel.sum += AMOUNT;
      const after = begin(directory, kernel);
      t.equal(after.has('pppoe0'), true);
    },
  });
  demotions.adopt('pppoe0');
  demotions.set('pppoe0', true);
});

t.test('demotion › killed between the record and the kernel, nothing is given back', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  const demotions = begin(directory, kernel);
  const { sum } = kernel;
  demotions.set('pppoe0', true);
  kernel.sum = sum;
  const next = begin(directory, kernel);
  t.equal(next.has('pppoe0'), false);
  next.set('pppoe0', false);
  t.equal(kernel.sum, 0, 'not below zero, which would promote this router for ever');
});

t.test("demotion › after a reboot the kernel's sum is not ours, whatever it is", async (t) => {
  const reboots: readonly ((run: string) => number)[] = [
    // The system empties the run directory at boot.
    (run) => (rmSync(run, { recursive: true }), 9000),
    // Where it does not, a boot that is younger than the record tells.
    () => 20,
  ];
  for (const reboot of reboots) {
    const kernel = new SumKernel();
    const directory = folder(t);
    begin(directory, kernel).set('pppoe0', true);
    kernel.sum = AMOUNT; // pfsync's, until its bulk update is through
    const next = begin(directory, kernel, reboot(directory));
    t.equal(next.has('pppoe0'), false);
    next.set('pppoe0', false);
    t.equal(kernel.sum, AMOUNT);
  }
});

t.test('demotion › a wall clock that is set does not make a reboot', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  begin(directory, kernel).set('pppoe0', true);
  const text = readFileSync(join(directory, 'demotion.json'), 'utf8');
  t.notMatch(text, /1[0-9]{9}/, 'no time of day is in the record');
  t.equal(begin(directory, kernel, UPTIME + 60).has('pppoe0'), true);
});

t.test('demotion › the record of a previous release is taken over once', async (t) => {
  const kernel = new SumKernel();
  kernel.sum = AMOUNT;
  const directory = folder(t);
  const before = join(places(directory).state, 'demotion.json');
  mkdirSync(places(directory).state, { recursive: true });
  const record = { bootedAt: 1, uptime: UPTIME, demoted: ['pppoe0'], amounts: [AMOUNT] };
  writeFileSync(before, JSON.stringify(record));
  begin(directory, kernel).set('pppoe0', false);
  t.equal(kernel.sum, 0);
  t.notOk(existsSync(before));
  t.equal(begin(directory, kernel).has('pppoe0'), false);
});

t.test('demotion › a link in the place of the record, or beside it, is not followed', async (t) => {
  for (const name of ['demotion.json', 'demotion.json.new']) {
    const kernel = new SumKernel();
    const directory = folder(t);
    begin(directory, kernel);
    const victim = join(directory, 'victim');
    writeFileSync(victim, 'as it was');
    rmSync(join(directory, name), { force: true });
    symlinkSync(victim, join(directory, name));
    begin(directory, kernel).set('pppoe0', true);
    t.equal(readFileSync(victim, 'utf8'), 'as it was', name);
    t.ok(lstatSync(join(directory, 'demotion.json')).isFile());
  }
});

t.test('demotion › what the kernel refuses is not remembered', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  const demotions = begin(directory, kernel);
  kernel.fails = true;
  t.throws(() => demotions.set('pppoe0', true), { code: 'EPERM' });
  t.equal(demotions.has('pppoe0'), false);
  kernel.fails = false;
  demotions.set('pppoe0', true);
  kernel.fails = true;
  t.throws(() => demotions.set('pppoe0', false), { code: 'EPERM' });
  t.equal(begin(directory, kernel).has('pppoe0'), true, 'still in force, and known to be');
});

/** What rc.d/ppp_thing_early writes. */
const BOOT = '{"uptime":0,"demoted":["*"],"amounts":[100]}\n';

/** A kernel that was demoted before the helper came, and counts what is added. */
class BootKernel extends SumKernel {
  readonly steps: number[] = [];
  override sum = 100;

  override backend(): Part {
    let held = AMOUNT;
    const add = (amount: number): void => {
      this.steps.push(amount);
      this.sum += amount;
    };
    return {
      ...super.backend(),
      demote: (on) => add(on ? AMOUNT : -held),
      adoptDemotion: (amount) => {
        if (this.sum < amount) return false;
        held = amount;
        return true;
      },
      returnDemotion: (amount) => add(-amount),
    };
  }
}

t.test("demotion › that of the boot becomes the first session's, without a pause", async (t) => {
  const kernel = new BootKernel();
  const directory = folder(t);
  mkdirSync(directory, { recursive: true });
  const path = join(directory, 'demotion.json');
  writeFileSync(path, BOOT);
  const demotions = begin(directory, kernel);
  demotions.adopt('pppoe1');
  demotions.settle((name) => AMOUNTS.has(name));
  t.ok(demotions.has('pppoe0'));
  t.notOk(demotions.has('pppoe1'));
  t.same(kernel.steps, [], 'nothing was given back, and nothing added');
  t.notMatch(readFileSync(path, 'utf8'), /\*/, 'the script of the boot sees that it is taken over');
  t.equal(begin(directory, kernel).has('pppoe0'), true, 'also by the helper after this one');
  demotions.set('pppoe0', false);
  demotions.set('pppoe0', false);
  t.same(kernel.steps, [-100]);
});

t.test('demotion › that of the boot is given back where there is no session', async (t) => {
  const kernel = new BootKernel();
  const directory = folder(t);
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'demotion.json'), BOOT);
  const next = (): Named => open(directory, kernel.backend(), UPTIME, new Map());
  next().settle(() => false);
  next().settle(() => false);
  t.same(kernel.steps, [-100]);
});

t.test('demotion › a session that is late keeps its record until it has come', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  begin(directory, kernel).set('pppoe0', true);
  const first = open(directory, kernel.backend());
  first.adopt('pppoe1');
  first.set('pppoe1', true);
  const next = begin(directory, kernel);
  t.equal(next.has('pppoe0'), true);
});

t.test('demotion › a damaged record holds nothing and stops nobody', async (t) => {
  const damage = ['', '{', 'null', '[]', '{"demoted":["pppoe0"]}', '{"bootedAt":1,"uptime":1}'];
  for (const text of damage) {
    const kernel = new SumKernel();
    kernel.sum = AMOUNT;
    const directory = folder(t);
    begin(directory, kernel);
    writeFileSync(join(directory, 'demotion.json'), text);
    t.equal(begin(directory, kernel).has('pppoe0'), false, text);
  }
});

t.test('demotion › only its owner can write the record', async (t) => {
  const directory = folder(t);
  begin(directory, new SumKernel()).set('pppoe0', true);
  t.equal(statSync(directory).mode & 0o022, 0);
  t.equal(statSync(join(directory, 'demotion.json')).mode & 0o777, 0o600);
});

t.test('demotion › a kernel that shows ours is believed, record or none', async (t) => {
  let shown = true;
  const backend: Part = {
    inspect: () => ({
      role: 'BACKUP',
      carrier: true,
      attached: null,
      gateOpen: false,
      demoted: shown,
    }),
    demote: (on) => void (shown = on),
  };
  const demotions = open(folder(t), backend);
  demotions.adopt('pppoe0');
  t.equal(demotions.has('pppoe0'), true);
  demotions.set('pppoe0', false);
  t.equal(shown, false);
});

/** What is on record for sessions that nobody adopts is given back, with the amounts it was given back by. */
function settled(directory: string, refuses = false): number[] {
  const returned: number[] = [];
  const backend: Part = {
    ...new SumKernel().backend(),
    returnDemotion(amount) {
      if (refuses) throw new BackendError('demote', 'an earlier session', 'EPERM', 'jail');
      returned.push(amount);
    },
  };
  open(directory, backend, UPTIME, new Map()).settle(() => false);
  return returned;
}

t.test('demotion › what nobody adopts is given back once, with its own amount', async (t) => {
  const directory = folder(t);
  begin(directory, new SumKernel()).set('pppoe0', true);
  const late = open(directory, new SumKernel().backend());
  late.settle((session) => session === 'pppoe0');
  t.throws(() => settled(directory, true), { code: 'EPERM' });
  t.strictSame(settled(directory), [AMOUNT], 'one that is awaited, or refused, stays on record');
  t.strictSame(settled(directory), []);
});

t.test('demotion › what could not be forgotten is not given back, and so not twice', async (t) => {
  const directory = folder(t);
  begin(directory, new SumKernel()).set('pppoe0', true);
  const aside = join(directory, 'demotion.json.new');
  mkdirSync(aside);
  const returned: number[] = [];
  const returnDemotion = (amount: number): void => void returned.push(amount);
  const backend: Part = { ...new SumKernel().backend(), returnDemotion };
  const demotions = open(directory, backend, UPTIME, new Map());
  t.throws(() => demotions.settle(() => false), { code: 'EISDIR' });
  t.strictSame(returned, [], 'the disk takes nothing');
  rmdirSync(aside);
  t.strictSame(settled(directory), [AMOUNT], 'it stayed on record');
});

t.test(
  'demotion › a directory that cannot be made is said, and is nobody’s configuration',
  async (t) => {
    const directory = folder(t);
    mkdirSync(directory, { recursive: true });
    writeFileSync(join(directory, 'file'), '');
    const inFile = join(directory, 'file', 'state');
    const fails = (): unknown => open(inFile, new SumKernel().backend());
    t.throws(fails, { name: 'BackendError', code: 'ENOTDIR' });
  },
);

t.test('demotion › a record without amounts, of an older helper, is adopted', async (t) => {
  const directory = folder(t);
  const kernel = new SumKernel();
  begin(directory, kernel).set('pppoe0', true);
  const record = { uptime: UPTIME, demoted: ['pppoe0'] };
  const path = join(directory, 'demotion.json');
  writeFileSync(path, JSON.stringify(record));
  t.equal(begin(directory, kernel).has('pppoe0'), true);
  writeFileSync(path, JSON.stringify(record));
  t.strictSame(settled(directory), [], 'and how much it was is not guessed');
});

t.test('demotion › a disk that takes no record refuses a demotion, and nothing else', async (t) => {
  const kernel = new SumKernel();
  const directory = folder(t);
  begin(directory, kernel).set('pppoe0', true);
  // What is written aside cannot be: as on a full disk.
  const aside = join(directory, 'demotion.json.new');
  mkdirSync(aside);
  const lines: string[] = [];
  const log = (line: string): void => void lines.push(line);
  const demotions = open(directory, kernel.backend(), UPTIME, AMOUNTS, log);
  demotions.adopt('pppoe0');
  t.equal(demotions.has('pppoe0'), true, 'what an earlier helper put in force is adopted');
  demotions.set('pppoe0', false);
  t.equal(kernel.sum, 0, 'and can be taken back');
  t.throws(() => demotions.set('pppoe0', true), { name: 'BackendError', code: 'EISDIR' });
  t.equal(kernel.sum, 0, 'what cannot be remembered is not put in force');
  t.equal(demotions.has('pppoe0'), false);
  t.match(lines[0], /^record .*demotion\.json: EISDIR: the demotion is not set/);
  rmdirSync(aside);
  demotions.set('pppoe0', true);
  t.equal(kernel.sum, AMOUNT);
  t.equal(begin(directory, kernel).has('pppoe0'), true);
});

t.test('demotion › a start writes only what the record does not say already', async (t) => {
  const directory = folder(t);
  const writes: string[] = [];
  const counting: Disk = {
    ...DISK,
    replace(path, text, mode) {
      writes.push(text);
      DISK.replace(path, text, mode);
    },
  };
  const kernel = new SumKernel();
  const start = (): Named => open(directory, kernel.backend(), UPTIME, AMOUNTS, noLog, counting);
  const first = start();
  for (const name of AMOUNTS.keys()) first.adopt(name);
  t.strictSame(writes, [], 'nothing is in force, and nothing is on record');
  first.set('pppoe0', true);
  t.equal(writes.length, 1);
  const second = start();
  for (const name of AMOUNTS.keys()) second.adopt(name);
  t.ok(second.has('pppoe0'));
  t.equal(writes.length, 1, 'it is on record');
  kernel.sum = 0;
  const third = start();
  third.adopt('pppoe0');
  t.equal(writes.length, 2, 'forgotten, since it is not in force');
});
