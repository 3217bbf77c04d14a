import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  existsSync,
} from 'node:fs';
import * as fs from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHash } from 'node:crypto';
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import { utf8 } from '@ppp-thing/protocol/printable';
import { NO_SNAPSHOT, type Snapshot } from '@ppp-thing/protocol/session';
import { parseLegacyState } from '@ppp-thing/supervisor/legacy-state';
import { CorruptSnapshot, type Fields } from '@ppp-thing/supervisor/json-fields';
import { decodeLeaseFields, encodeLeaseFields } from '@ppp-thing/supervisor/lease-text';
import { Log } from '@ppp-thing/supervisor/log';
import { decodeSnapshotText, encodeSnapshotText } from '@ppp-thing/supervisor/snapshot-text';
import { Store, StoreError } from '@ppp-thing/supervisor/store';
import { limits } from '../fixtures/limits.ts';
import { FACTS, LEASE, SNAPSHOT } from '../fixtures/partner.ts';
import { hex } from '../hex.ts';

interface Bench {
  readonly directory: string;
  readonly lines: string[];
  readonly path: string;
  /** A store as a new process would open it. */
  open(): Store;
}

function bench(t: Test): Bench {
  const parent = mkdtempSync(join(tmpdir(), 'ppp-thing-store-'));
  t.teardown(() => rmSync(parent, { recursive: true }));
  const directory = join(parent, 'state');
  const lines: string[] = [];
  const log = new Log(
    'info',
    (line) => lines.push(line),
    () => 0,
  );
  const path = join(directory, 'pppoe0.json');
  return { directory, lines, path, open: () => new Store(directory, log) };
}

const at = (epoch: number): Snapshot => ({ ...SNAPSHOT, epoch });

t.test('store › what is stored can be loaded, and what could not be is not stored', async (t) => {
  for (const [name, snapshot, fits] of limits({ ...SNAPSHOT, lease: LEASE })) {
    const text = encodeSnapshotText('pppoe0', snapshot);
    if (fits) t.strictSame(decodeSnapshotText('pppoe0', text), snapshot, name);
    else t.throws(() => decodeSnapshotText('pppoe0', text), CorruptSnapshot, name);
    const { open } = bench(t);
    const store = open();
    if (!fits) t.throws(() => store.save('pppoe0', snapshot), Error, name);
    else store.save('pppoe0', snapshot);
    t.equal(open().load('pppoe0') !== undefined, fits, name);
  }
});

/** What a disk that has lost its memory gives: the last known epoch, with nobody as its holder. */
const lostAt = (epoch: number): Snapshot => ({ ...SNAPSHOT, epoch, generation: 0, holder: 0 });

function refused(run: () => void): { code: string; message: string } {
  try {
    run();
  } catch (error) {
    if (error instanceof StoreError) return { code: error.code, message: error.message };
    throw error;
  }
  return { code: 'none', message: 'not refused' };
}

t.test('store › what was saved is what a new process loads', async (t) => {
  const { open } = bench(t);
  t.equal(open().load('pppoe0'), undefined);
  for (const snapshot of [NO_SNAPSHOT, SNAPSHOT, { ...at(43), facts: null }]) {
    open().save('pppoe0', snapshot);
    t.strictSame(open().load('pppoe0'), snapshot);
  }
  t.equal(open().load('pppoe1'), undefined, 'each session has its own');
});

t.test('store › what is on the disk already is not written again', async (t) => {
  const { open, path } = bench(t);
  const store = open();
  store.save('pppoe0', at(41));
  store.save('pppoe0', at(42));
  const { ino } = statSync(path);
  store.save('pppoe0', at(42));
  t.equal(statSync(path).ino, ino);
  t.equal(open().load('pppoe0')?.epoch, 42);
  unlinkSync(path);
  t.strictSame(open().load('pppoe0')?.facts, SNAPSHOT.facts, 'and the one before is still there');
});

t.test('store › a file that somebody removes costs the one before, and nothing more', async (t) => {
  const { open, path } = bench(t);
  const store = open();
  store.save('pppoe0', at(41));
  store.save('pppoe0', at(42));
  unlinkSync(path);
  store.save('pppoe0', at(43));
  t.equal(open().load('pppoe0')?.epoch, 43);
  store.save('pppoe0', at(44));
  t.equal(open().load('pppoe0')?.epoch, 44);
  unlinkSync(path);
  t.strictSame(open().load('pppoe0'), lostAt(44), 'the one before is kept again');
});

t.test('store › octets that are not text come back as they were', async (t) => {
  const odd = Uint8Array.from({ length: 256 }, (_, i) => i);
  const facts = { ...FACTS, acName: odd, serviceName: hex`5c785c5c`, dns: [] };
  const { interfaceIds: _, ...without } = facts;
  for (const each of [facts, without]) {
    const snapshot = { ...SNAPSHOT, facts: each };
    t.strictSame(decodeSnapshotText('pppoe0', encodeSnapshotText('pppoe0', snapshot)), snapshot);
  }
});

t.test('store › an Access Concentrator may have any name, and any language', async (t) => {
  const names = fc.oneof(
    fc.string({ unit: 'grapheme', maxLength: 100 }).map((text) => utf8(text)),
    fc.uint8Array({ maxLength: 400 }),
    fc.constantFrom('Köln-BRAS', 'Αθήνα', '東京', '🦊', '\\x41', '\u2028\u202e').map(utf8),
  );
  fc.assert(
    fc.property(names, names, (acName, serviceName) => {
      const snapshot = { ...SNAPSHOT, facts: { ...FACTS, acName, serviceName } };
      const text = encodeSnapshotText('pppoe0', snapshot);
      t.strictSame(decodeSnapshotText('pppoe0', text), snapshot, text);
    }),
    { seed: 1, numRuns: 100 },
  );
  // Written by an earlier release, which left visible characters as they were.
  const { checksum: _, ...body } = JSON.parse(encodeSnapshotText('pppoe0', SNAPSHOT)) as Fields;
  const earlier = { ...body, facts: { ...(body['facts'] as Fields), acName: 'Köln \\x01\\\\' } };
  const checksum = createHash('sha256').update(JSON.stringify(earlier)).digest('hex');
  const found = decodeSnapshotText('pppoe0', JSON.stringify({ ...earlier, checksum }));
  t.strictSame(found.facts?.acName, Uint8Array.of(0x4b, 0xc3, 0xb6, 0x6c, 0x6e, 0x20, 1, 0x5c));
});

t.test('store › an epoch that the disk refused is the one that the next one follows', async (t) => {
  const { directory } = bench(t);
  let isFull = false;
  const disk = {
    ...fs,
    openSync: (...args: Parameters<typeof fs.openSync>): number => {
      if (isFull) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
      return fs.openSync(...args);
    },
  };
  const log = new Log(
    'error',
    () => undefined,
    () => 0,
  );
  const store = new Store(directory, log, disk);
  // A partner with a bug goes on by a third of the range each time.
  const third = Math.floor(2 ** 32 / 3);
  store.save('pppoe0', at(1));
  isFull = true;
  t.equal(refused(() => store.save('pppoe0', at(1 + third))).code, 'ENOSPC');
  isFull = false;
  store.save('pppoe0', at(1 + 2 * third));
  t.equal(new Store(directory, log).load('pppoe0')?.epoch, 1 + 2 * third);
  t.throws(() => store.save('pppoe0', at(1 + third)), /falls/);
});

t.test('store › a lease comes back as it was, and a damaged one is refused', async (t) => {
  for (const lease of [LEASE, null]) {
    const snapshot = { ...SNAPSHOT, lease };
    const text = encodeSnapshotText('pppoe0', snapshot);
    t.strictSame(decodeSnapshotText('pppoe0', text), snapshot);
  }
  const { open, path } = bench(t);
  open().save('pppoe0', { ...SNAPSHOT, facts: null, lease: LEASE });
  const text = readFileSync(path, 'utf8');
  for (const seen of ['2001:db8:ab00::/56', '"t1": 1800', 'aftr.isp.example'])
    t.ok(text.includes(seen), seen);
  for (const wrong of [
    { duid: '00' },
    { t1: -1 },
    { dns: ['::g'] },
    { aftr: 'a b' },
    { former: [{ prefix: '::/0', valid: 1 }] },
    { prefixes: [{ prefix: '2001:db8::/56', preferred: 2, valid: 1 }] },
  ])
    t.throws(
      () => decodeLeaseFields({ ...encodeLeaseFields(LEASE), ...wrong }),
      CorruptSnapshot,
      JSON.stringify(wrong),
    );
});

t.test('store › the file is the owner’s alone, and a person can read it', async (t) => {
  const { open, path, directory } = bench(t);
  open().save('pppoe0', SNAPSHOT);
  t.equal(statSync(path).mode & 0o777, 0o600);
  t.equal(statSync(directory).mode & 0o777, 0o700);
  const text = readFileSync(path, 'utf8');
  for (const seen of [
    '"epoch": 42',
    '"acMac": "02:00:00:00:00:ac"',
    '"acName": "bras"',
    '203.0.113.7',
  ])
    t.ok(text.includes(seen), seen);
  t.strictSame(readdirSync(directory), ['pppoe0.epoch', 'pppoe0.json'], 'and its record');
});

t.test('store › a file cut anywhere gives way to the one before, and says so', async (t) => {
  const { open, path, lines } = bench(t);
  const store = open();
  store.save('pppoe0', at(41));
  store.save('pppoe0', at(42));
  const whole = readFileSync(path);
  for (let length = 0; length < whole.length - 1; length += 7) {
    truncateSync(path, length);
    t.strictSame(open().load('pppoe0'), lostAt(42), `cut to ${length}`);
    writeFileSync(path, whole);
  }
  t.match(lines[0], /read .*pppoe0\.json: damaged: it is not JSON/);
  t.match(lines[1], /memory lost, epoch 42: the partner is asked/);
});

t.test('store › any digit changed is noticed', async (t) => {
  const { open, path } = bench(t);
  open().save('pppoe0', SNAPSHOT);
  const text = readFileSync(path, 'utf8');
  const digits = Array.from(text.matchAll(/[0-9]/g), ({ index }) => index);
  for (const index of digits) {
    const changed = text[index] === '7' ? '8' : '7';
    writeFileSync(path, text.slice(0, index) + changed + text.slice(index + 1));
    t.match(open().load('pppoe0'), { epoch: 42, holder: 0, facts: null }, `at ${index}`);
  }
  t.ok(digits.length > 50);
});

t.test('store › the one before survives a damaged one', async (t) => {
  const { open, path } = bench(t);
  const store = open();
  store.save('pppoe0', at(41));
  store.save('pppoe0', at(42));
  writeFileSync(path, 'garbage');
  const next = open();
  t.strictSame(next.load('pppoe0'), lostAt(42));
  next.save('pppoe0', at(43));
  t.equal(open().load('pppoe0')?.epoch, 43);
  unlinkSync(path);
  t.strictSame(open().load('pppoe0'), lostAt(43), 'garbage never became the one before');
});

t.test(
  'store › a crash before, between or after the renames loses nothing that was stored',
  async (t) => {
    const { open, path } = bench(t);
    const store = open();
    store.save('pppoe0', at(41));
    store.save('pppoe0', at(42));
    writeFileSync(`${path}.new`, encodeSnapshotText('pppoe0', at(43)).slice(0, 100));
    t.equal(open().load('pppoe0')?.epoch, 42, 'torn while it was written');
    renameSync(path, `${path}.last`);
    t.strictSame(open().load('pppoe0'), at(42), 'between the two renames');
  },
);

t.test('store › the snapshot of another session, or of a later schema, is refused', async (t) => {
  const { open, path, lines } = bench(t);
  open().save('pppoe0', SNAPSHOT);
  writeFileSync(path.replace('pppoe0', 'pppoe1'), readFileSync(path));
  t.match(open().load('pppoe1'), { epoch: 1, holder: 0, facts: null });
  t.match(lines[0], /it is of session pppoe0/);
  t.match(lines[1], /memory lost, epoch unknown: the partner is asked/);
  unlinkSync(path.replace('.json', '.epoch'));
  const { checksum: _, ...body } = JSON.parse(readFileSync(path, 'utf8')) as object & {
    checksum: string;
  };
  const later = { ...body, schema: 3, epoch: 77, generation: 'of another kind' };
  const checksum = createHash('sha256').update(JSON.stringify(later)).digest('hex');
  writeFileSync(path, JSON.stringify({ ...later, checksum }));
  t.match(open().load('pppoe0'), { epoch: 77, holder: 0, facts: null }, 'its epoch is known');
  t.match(lines[2], /schema 3, this program reads 2/);
});

t.test('store › R6: whatever becomes of the files, no lower epoch is ever stored', async (t) => {
  const { open, path, directory } = bench(t);
  const store = open();
  for (const epoch of [41, 42, 43]) store.save('pppoe0', at(epoch));
  const files = readdirSync(directory).filter((name) => name.startsWith('pppoe0'));
  t.strictSame(files.sort(), ['pppoe0.epoch', 'pppoe0.json', 'pppoe0.json.last']);
  const whole = new Map(files.map((name) => [name, readFileSync(join(directory, name))]));
  const garbage = Buffer.from('garbage');
  const kinds = [
    undefined,
    garbage,
    Buffer.from(encodeSnapshotText('pppoe0', at(12))),
    Buffer.from(encodeSnapshotText('other', at(99))),
  ];
  // Each file damaged, put back from an old copy or of another session; of the three that tell the epoch one is left alone.
  for (const spared of ['pppoe0.epoch', 'pppoe0.json']) {
    const others = files.filter((name) => name !== spared);
    for (const first of kinds) {
      for (const second of kinds) {
        for (const [name, octets] of whole) writeFileSync(join(directory, name), octets);
        for (const [i, name] of others.entries()) {
          const octets = i === 0 ? first : second;
          if (octets !== undefined) writeFileSync(join(directory, name), octets);
        }
        const next = open();
        const found = next.load('pppoe0');
        t.equal(found?.epoch, 43, `${spared} spared`);
        t.throws(() => next.save('pppoe0', at(42)), /falls/);
        next.save('pppoe0', at(44));
        t.strictSame(open().load('pppoe0'), at(44));
        rmSync(directory, { recursive: true });
        mkdirSync(directory);
      }
    }
  }
  t.notOk(existsSync(path));
});

t.test('store › R6: the epoch never falls', async (t) => {
  const { open } = bench(t);
  const store = open();
  store.save('pppoe0', at(42));
  t.throws(() => store.save('pppoe0', at(41)), /epoch of pppoe0 falls from 42 to 41/);
  const next = open();
  next.load('pppoe0');
  t.throws(() => next.save('pppoe0', at(41)), /falls/);
  t.equal(open().load('pppoe0')?.epoch, 42);
});

t.test(
  'store › a full disk is refused with what to do, and what was stored stands',
  { skip: existsSync('/dev/full') ? false : 'no /dev/full on this system' },
  async (t) => {
    const { open, path } = bench(t);
    const store = open();
    store.save('pppoe0', at(41));
    symlinkSync('/dev/full', `${path}.new`);
    t.match(
      refused(() => store.save('pppoe0', at(42))),
      {
        code: 'ENOSPC',
        message: /^store .*pppoe0\.json: ENOSPC: the disk is full: free some space$/,
      },
    );
    t.equal(open().load('pppoe0')?.epoch, 41);
    unlinkSync(`${path}.new`);
    store.save('pppoe0', at(42));
    t.equal(open().load('pppoe0')?.epoch, 42, 'there is space again');
  },
);

t.test(
  'store › a directory that cannot be written is refused, and one that cannot be read',
  async (t) => {
    const { open, path, directory } = bench(t);
    const isRoot = process.getuid?.() === 0;
    const as = (uid: number): void => {
      if (isRoot) process.seteuid?.(uid);
    };
    const store = open();
    store.save('pppoe0', at(41));
    chmodSync(directory, 0o555);
    chmodSync(path, 0o444);
    chmodSync(path.replace('.json', '.epoch'), 0o444);
    chmodSync(join(directory, '..'), 0o755);
    as(65_534);
    t.match(
      refused(() => store.save('pppoe0', at(42))),
      {
        code: 'EACCES',
        message: /the directory must be owned by the user the supervisor runs as$/,
      },
    );
    t.equal(open().load('pppoe0')?.epoch, 41, 'it can still be read');
    as(0);
    chmodSync(directory, 0o000);
    as(65_534);
    t.equal(refused(() => void open().load('pppoe0')).code, 'EACCES');
    as(0);
    chmodSync(directory, 0o700);
  },
);

t.test('store › a snapshot that cannot be read is an error, not an absent one', async (t) => {
  const { open, directory } = bench(t);
  mkdirSync(join(directory, 'pppoe0.json'), { recursive: true });
  t.match(
    refused(() => void open().load('pppoe0')),
    { code: 'EISDIR', message: /^read / },
  );
});

t.test('store › a place that is a file is refused at the start', async (t) => {
  const { open, directory } = bench(t);
  writeFileSync(directory, '');
  t.match(
    refused(() => void open()),
    { code: /EEXIST|ENOTDIR/, message: /^make / },
  );
  unlinkSync(directory);
  mkdirSync(directory);
  t.equal(open().load('pppoe0'), undefined);
});

const STATE = `02:00:00:00:00:ac
4660
203.0.113.7
192.0.2.1
9
1
0
`;

t.test(
  'store › the original’s state file is a session to resume, that any partner outranks',
  async (t) => {
    const snapshot = parseLegacyState(STATE, hex`02005e105301`, 1_764_000_000);
    t.match(snapshot, { epoch: 0, generation: 1, holder: 0 });
    t.strictSame(snapshot?.facts?.key, FACTS.key);
    t.strictSame(snapshot?.facts?.theirAddress, FACTS.theirAddress);
    t.equal(snapshot?.facts?.ourMagic, 0);
  },
);

t.test('store › a state file without a session, or that is none, is no snapshot', async (t) => {
  const parse = (text: string): unknown => parseLegacyState(text, hex`02005e105301`, 0);
  for (const text of [
    '',
    STATE.replace('4660', '0'),
    STATE.replace('4660', '65535'),
    STATE.replace('4660', '70000'),
    STATE.replace('4660', 'x'),
    STATE.replace('02:', '03:'),
    STATE.replace('192.0.2.1', ''),
    'garbage',
  ])
    t.equal(parse(text), undefined, text);
});
