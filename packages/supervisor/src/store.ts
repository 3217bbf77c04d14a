/**
 * Snapshots on disk: one JSON file a session, replaced whole or not at all, with the previous one kept. It decides
 * nothing about their content, except that the epoch never falls.
 *
 * Theory of operation. `save` returns when the snapshot is on the disk: written beside the old one, fsynced, renamed
 * over it, the directory fsynced. So a crash at any instant leaves the old file or the new one, whole. NAME.json.last
 * is the previous snapshot, which serves after a crash between the two renames. NAME.epoch is the epoch alone, written
 * when the epoch changes and renamed after the snapshot. It survives damage to the snapshot, and reveals a snapshot
 * that was restored from a copy.
 *
 * A supervisor of many sessions writes a journal instead, so that all changes of one edge of the role are one write and
 * one fsync: `later` gathers them, and `commit` makes them durable. If a session is in both places, the newer snapshot
 * counts.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { isLaterEpoch, isNewer, NO_SNAPSHOT, type Snapshot } from '@ppp-thing/protocol/session';
import { flawOf } from '@ppp-thing/protocol/snapshot-limits';
import { syncDirectory, writeDurably, type Disk } from './disk.ts';
import { codeOf } from './errors.ts';
import { Journal } from './journal.ts';
import type { Log } from './log.ts';
import {
  decodeEpochText,
  decodeSnapshotText,
  encodeEpochText,
  encodeSnapshotText,
  NewerSnapshot,
} from './snapshot-text.ts';
import { CorruptSnapshot } from './json-fields.ts';

/** The disk refused. `message` is `verb subject: CODE: remedy`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: string;

  constructor(verb: string, subject: string, cause: unknown) {
    const code = codeOf(cause);
    super(`${verb} ${subject}: ${code}: ${ADVICE[code] ?? 'check the disk'}`, { cause });
    this.code = code;
  }
}

const ADVICE: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full: free some space',
  EDQUOT: 'the quota is used up: free some space',
  EROFS: 'the disk is read-only: mount it for writing',
  EACCES: 'the directory must be owned by the user the supervisor runs as',
  EPERM: 'the directory must be owned by the user the supervisor runs as',
  ENOENT: 'the directory is gone: make it again',
  EFBIG: 'a limit on the size of files is in force: raise it',
  EIO: 'the disk is failing: replace it',
};

/** With this many sessions or more, the store is a journal. */
export const JOURNAL_FROM = 16;

interface Later {
  readonly session: string;
  readonly snapshot: Snapshot;
  readonly text: string;
  readonly done: (refused: StoreError | undefined) => void;
}

export class Store {
  readonly #directory: string;
  readonly #log: Log;
  readonly #disk: Disk;
  readonly #epochs = new Map<string, number>();
  /** Of the last snapshot, even if the disk refused it: what follows it may be half the range after what is on the disk. */
  readonly #asked = new Map<string, number>();
  /** Contents of NAME.epoch. */
  readonly #records = new Map<string, number>();
  /** Contents of NAME.json: a repeated snapshot needs no write. */
  readonly #texts = new Map<string, string>();
  /** Sessions whose NAME.json is whole, and so worth keeping as NAME.json.last. */
  readonly #whole = new Set<string>();

  /** In the order of arrival. */
  #waiting: Later[] = [];
  readonly #journal: Journal;
  /** Whether snapshots are saved to the journal. */
  readonly isJournal: boolean;

  /**
   * Creates the directory if needed. Throws StoreError.
   *
   * @param disk this machine's by default
   * @param isJournal there are many sessions
   */
  constructor(directory: string, log: Log, disk: Disk = fs, isJournal = false) {
    this.#directory = directory;
    this.#log = log;
    this.#disk = disk;
    this.isJournal = isJournal;
    try {
      disk.mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new StoreError('make', directory, cause);
    }
    this.#settle();
    try {
      this.#journal = new Journal(directory, disk);
    } catch (cause) {
      throw new StoreError('read', join(directory, 'journal'), cause);
    }
    if (this.#journal.isDamaged)
      log.line('error', `read ${directory}/journal: damaged: the partner is asked`);
  }

  /**
   * Make durable what an earlier process changed last: it may have been killed before its fsync, and this process relies
   * on what it reads. If the disk refuses that, the session is worth more than the doubt.
   */
  #settle(): void {
    for (const path of [join(this.#directory, 'journal'), this.#directory])
      try {
        syncDirectory(this.#disk, path);
      } catch (cause) {
        const code = codeOf(cause);
        if (code !== 'ENOENT') this.#log.line('error', `sync ${path}: ${code}`);
      }
  }

  /**
   * The newest whole snapshot of a session, or undefined if none was ever stored. Throws StoreError for a file that
   * exists and cannot be read: continuing would lose the session.
   *
   * The disk has lost data if the newest file is damaged, was written by a later release, or is older than the record
   * of its epoch. `load` logs that. It then returns the last known facts in the last known epoch, without a holder. So
   * the partner's snapshot, which may be newer, outranks it, and the epoch never falls.
   */
  load(session: string): Snapshot | undefined {
    const path = this.#path(session);
    const lost: { epoch: number }[] = [];
    const alone = this.#read(path, (text) => decodeSnapshotText(session, text), lost);
    const journaled = this.#journal.find(session);
    if (this.#journal.isDamaged) lost.push({ epoch: 0 });
    const isAlone = journaled === undefined || (alone !== undefined && isNewer(alone, journaled));
    const current = isAlone ? alone : journaled;
    const last =
      current ?? this.#read(`${path}.last`, (text) => decodeSnapshotText(session, text), lost);
    const record = this.#read(
      this.#recordPath(session),
      (text) => decodeEpochText(session, text),
      [],
    );
    const epochs = [last?.epoch, record, ...lost.map(({ epoch }) => epoch)];
    const epoch = epochs.reduce<number>((a, b = 0) => (isLaterEpoch(b, a) ? b : a), 0);
    if (alone !== undefined) this.#whole.add(session);
    this.#epochs.set(session, epoch);
    if (record !== undefined) this.#records.set(session, record);
    if (last?.epoch === epoch && lost.length === 0) return last;
    if (epoch === 0 && lost.length === 0) return undefined;
    const place = `epoch ${epoch || 'unknown'}`;
    this.#log.line('error', `read ${path}: memory lost, ${place}: the partner is asked`);
    return { ...NO_SNAPSHOT, ...last, epoch: epoch || 1, generation: 0, holder: 0 };
  }

  /** Durable when it returns. Throws StoreError; the previous snapshot then still counts. */
  save(session: string, snapshot: Snapshot): void {
    const text = this.#textOf(session, snapshot);
    if (this.#texts.get(session) === text) return;
    if (this.isJournal) this.#append([{ session, snapshot, text, done: () => undefined }]);
    else this.#replace(session, snapshot, text);
  }

  /**
   * Save with the next `commit`, which calls `done`, with the error if there was one.
   *
   * @returns whether there is something to wait for; false if it is stored already
   */
  later(session: string, snapshot: Snapshot, done: Later['done']): boolean {
    const text = this.#textOf(session, snapshot);
    if (this.#texts.get(session) === text) return false;
    this.#waiting.push({ session, snapshot, text, done });
    return true;
  }

  /** Make the waiting snapshots durable, in one write and one fsync; then call each `done`. */
  commit(): void {
    const waiting = this.#waiting;
    this.#waiting = [];
    let refused: StoreError | undefined;
    try {
      if (waiting.length > 0) this.#append(waiting);
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
      refused = error;
    }
    for (const { done } of waiting) done(refused);
  }

  #append(all: readonly Later[]): void {
    for (const { session } of all) this.#texts.delete(session);
    try {
      this.#journal.append(new Map(all.map(({ session, text }) => [session, text])));
    } catch (cause) {
      throw new StoreError('store', join(this.#directory, 'journal'), cause);
    }
    for (const { session, snapshot, text } of all) {
      this.#texts.set(session, text);
      this.#epochs.set(session, snapshot.epoch);
    }
  }

  /** Throws Error for a snapshot that must not be stored: a bug of ours. */
  #textOf(session: string, snapshot: Snapshot): string {
    const flaw = flawOf(snapshot);
    if (flaw !== undefined)
      throw new Error(`store ${session}: ${flaw}: it could not be read again`);
    const { epoch } = snapshot;
    const before = this.#epochs.get(session) ?? 0;
    const asked = this.#asked.get(session) ?? before;
    if (isLaterEpoch(before, epoch) && isLaterEpoch(asked, epoch))
      throw new Error(`epoch of ${session} falls from ${before} to ${epoch}`);
    this.#asked.set(session, epoch);
    return encodeSnapshotText(session, snapshot);
  }

  #replace(session: string, snapshot: Snapshot, text: string): void {
    const path = this.#path(session);
    this.#texts.delete(session);
    const record = this.#recordPath(session);
    const isRecorded = this.#records.get(session) === snapshot.epoch;
    try {
      writeDurably(this.#disk, `${path}.new`, text);
      if (!isRecorded) {
        writeDurably(this.#disk, `${record}.new`, encodeEpochText(session, snapshot.epoch));
      }
      if (this.#whole.delete(session)) this.#keep(path);
      this.#disk.renameSync(`${path}.new`, path);
      if (!isRecorded) this.#disk.renameSync(`${record}.new`, record);
      syncDirectory(this.#disk, this.#directory);
    } catch (cause) {
      throw new StoreError('store', path, cause);
    }
    this.#whole.add(session);
    this.#records.set(session, snapshot.epoch);
    this.#texts.set(session, text);
    this.#epochs.set(session, snapshot.epoch);
  }

  #path(session: string): string {
    return join(this.#directory, `${session}.json`);
  }

  #recordPath(session: string): string {
    return join(this.#directory, `${session}.epoch`);
  }

  /** @param lost receives the epoch of a useless file, 0 if unknown */
  #read<T>(path: string, decode: (text: string) => T, lost: { epoch: number }[]): T | undefined {
    try {
      return decode(this.#disk.readFileSync(path, 'utf8'));
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return undefined;
      if (!(error instanceof CorruptSnapshot)) throw new StoreError('read', path, error);
      const isNewer = error instanceof NewerSnapshot;
      this.#log.line('error', `read ${path}: ${isNewer ? '' : 'damaged: '}${error.message}`);
      lost.push({ epoch: isNewer ? error.epoch : 0 });
      return undefined;
    }
  }

  /** Keep the file as NAME.json.last. If somebody has removed it, there is nothing to keep. */
  #keep(path: string): void {
    try {
      this.#disk.renameSync(path, `${path}.last`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }
}
