/**
 * Our own CARP demotion, put in force once and given back once, even by the helper after the one that was killed. It
 * remembers; the backend acts.
 *
 * The kernel may show only the sum of everybody's demotion, so what is ours stands in a file, written before it is put
 * in force and forgotten after it is taken back. A crash in between leaves a record of something that is not in force:
 * `adoptDemotion` tells. A reboot clears the kernel's sum, and the record says which boot it belongs to. A disk that takes
 * no record refuses a demotion and nothing else: the helper goes on without.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { BackendError } from './errors.ts';
import type { Backend } from './backend.ts';

/** When this boot was, in seconds since 1970, and how long ago, in seconds. */
export interface Boot {
  readonly at: number;
  readonly uptime: number;
}

/** The calls of node:fs that keep the record. */
export interface Disk {
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode: number }): unknown;
  openSync(path: string, flags: 'w', mode: number): number;
  readFileSync(path: string, encoding: 'utf8'): string;
  writeFileSync(fd: number, text: string): void;
  fsyncSync(fd: number): void;
  closeSync(fd: number): void;
  renameSync(from: string, to: string): void;
}

/** The clock may be set while the machine runs; a reboot moves the boot by more than this, or shortens the uptime. */
const BOOT_TOLERANCE_SECONDS = 120;

/** By how much each session demotes this router. */
export type Amounts = ReadonlyMap<string, number>;

export type DemotionBackend = Pick<
  Backend,
  'inspect' | 'demote' | 'adoptDemotion' | 'returnDemotion'
>;

export interface Demotions {
  /** Once for each session, after the backend has started it: take over what an earlier helper left in force. */
  adopt(session: string): void;
  /** Whether ours is in force for `session`. */
  has(session: string): boolean;
  /**
   * Give back what is on record for sessions that will not be adopted, once: those that `isAwaited` does not name. After
   * the others have been adopted. Throws what the backend throws, and keeps the record of what is still in force.
   */
  settle(isAwaited: (session: string) => boolean): void;
  /**
   * Put in force or take back; no effect if it is so already. Throws what the backend throws, and BackendError when it
   * cannot be written down before it is put in force; then nothing changed.
   */
  set(session: string, on: boolean): void;
}

/**
 * Read what is remembered in `directory`, which is made if it is missing, for its owner alone.
 *
 * @param boot    asked at every write
 * @param amounts by how much each session demotes, as it is configured now
 * @param log     one line, when what is in force no more cannot be forgotten: `adoptDemotion` judges it next time
 * @param disk    this machine's unless given
 */
export function openDemotions(
  directory: string,
  backend: DemotionBackend,
  boot: () => Boot,
  amounts: Amounts,
  log: (line: string) => void,
  disk: Disk = fs,
): Demotions {
  makeDirectory(disk, directory);
  const path = join(directory, 'demotion.json');
  const recorded = readRecord(disk, path, boot());
  const inForce = new Map<string, number>();
  // A session that has not been adopted yet keeps its record: it may only be late.
  const remember = (): void => {
    try {
      writeRecord(disk, path, new Map([...recorded, ...inForce]), boot());
    } catch (cause) {
      throw diskError('record', path, 'look at the disk; no demotion without it', cause);
    }
  };
  const rememberIfPossible = (): void => {
    try {
      remember();
    } catch (error) {
      if (!(error instanceof BackendError)) throw error;
      log(error.message);
    }
  };
  const configured = (session: string): number => amounts.get(session) ?? 0;

  return {
    adopt(session) {
      const amount = recorded.get(session) ?? configured(session);
      const held =
        backend.adoptDemotion === undefined
          ? backend.inspect(session).demoted
          : recorded.has(session) && backend.adoptDemotion(session, amount);
      recorded.delete(session);
      if (held) inForce.set(session, amount);
      rememberIfPossible();
    },
    has: (session) => inForce.has(session),
    settle(isAwaited) {
      for (const [session, amount] of recorded) {
        if (isAwaited(session)) continue;
        // Given back and not forgotten, it would be given back again: a disk that takes nothing comes first.
        remember();
        if (amount !== undefined) backend.returnDemotion?.(amount);
        recorded.delete(session);
        rememberIfPossible();
      }
    },
    set(session, on) {
      if (inForce.has(session) === on) return;
      if (!on) {
        backend.demote(session, false);
        inForce.delete(session);
        return rememberIfPossible();
      }
      inForce.set(session, configured(session));
      try {
        remember();
        backend.demote(session, true);
      } catch (error) {
        inForce.delete(session);
        rememberIfPossible();
        throw error;
      }
    },
  };
}

function makeDirectory(disk: Disk, path: string): void {
  try {
    disk.mkdirSync(path, { recursive: true, mode: 0o700 });
  } catch (cause) {
    throw diskError('make', path, 'look at the disk; demotions are recorded there', cause);
  }
}

function diskError(verb: string, path: string, reason: string, cause: unknown): BackendError {
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'EIO';
  return new BackendError(verb, path, code, reason, { cause });
}

/** A helper before this one may have written no amount. */
type Recorded = Map<string, number | undefined>;

/** The sessions demoted since this boot. A file that is missing, damaged or of another boot holds none. */
function readRecord(disk: Disk, path: string, now: Boot): Recorded {
  const record = parse(disk, path);
  if (record === undefined) return new Map();
  const sameBoot =
    now.uptime >= record.uptime && Math.abs(now.at - record.bootedAt) < BOOT_TOLERANCE_SECONDS;
  const { demoted, amounts } = record;
  const amountAt = (i: number): number | undefined => {
    const amount = amounts?.[i];
    return typeof amount === 'number' ? amount : undefined;
  };
  return new Map(sameBoot ? demoted.map((session, i) => [session, amountAt(i)]) : []);
}

interface DemotionRecord {
  readonly bootedAt: number;
  readonly uptime: number;
  readonly demoted: readonly string[];
  /** Of each of `demoted`; null is not known. */
  readonly amounts?: readonly unknown[];
}

const isRecord = (value: unknown): value is DemotionRecord =>
  typeof value === 'object' &&
  value !== null &&
  'bootedAt' in value &&
  typeof value.bootedAt === 'number' &&
  'uptime' in value &&
  typeof value.uptime === 'number' &&
  'demoted' in value &&
  Array.isArray(value.demoted) &&
  value.demoted.every((name) => typeof name === 'string') &&
  (!('amounts' in value) || Array.isArray(value.amounts));

function parse(disk: Disk, path: string): DemotionRecord | undefined {
  try {
    const value: unknown = JSON.parse(disk.readFileSync(path, 'utf8'));
    return isRecord(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Whole or not at all: written aside, synced, renamed over. */
function writeRecord(disk: Disk, path: string, all: Recorded, boot: Boot): void {
  const record: DemotionRecord = {
    bootedAt: boot.at,
    uptime: boot.uptime,
    demoted: [...all.keys()],
    amounts: Array.from(all.values(), (amount) => amount ?? null),
  };
  const aside = `${path}.new`;
  const fd = disk.openSync(aside, 'w', 0o600);
  try {
    disk.writeFileSync(fd, `${JSON.stringify(record)}\n`);
    disk.fsyncSync(fd);
  } finally {
    disk.closeSync(fd);
  }
  disk.renameSync(aside, path);
}
