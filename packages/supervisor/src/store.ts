/**
 * Snapshots on disk: one JSON file a session, replaced whole or not at all, with the one before it kept. It decides
 * nothing about their content, but that the epoch never falls.
 *
 * Theory of operation. `save` returns when the snapshot is on the disk: written beside the old one, fsynced, renamed
 * over it, the directory fsynced. So a crash at any instant leaves the old file or the new one, whole. NAME.json.last is
 * the one before; it serves when NAME.json turns out to be damaged, or when the crash was between the two renames.
 */
import * as fs from 'node:fs';
import { join } from 'node:path';
import { isLaterEpoch, type Snapshot } from '@ppp-thing/protocol/session';
import { flawOf } from '@ppp-thing/protocol/snapshot-limits';
import { codeOf } from './errors.ts';
import type { Log } from './log.ts';
import { CorruptSnapshot, decodeSnapshotText, encodeSnapshotText } from './snapshot-text.ts';

/** The calls of node:fs that a store makes. */
export interface Disk {
  mkdirSync(path: string, options: { readonly recursive: true; readonly mode: number }): unknown;
  openSync(path: string, flags: 'r' | 'w', mode?: number): number;
  readFileSync(path: string, encoding: 'utf8'): string;
  /** @returns how many octets were written, from `at` on */
  writeSync(fd: number, octets: Uint8Array, at: number): number;
  fsyncSync(fd: number): void;
  closeSync(fd: number): void;
  renameSync(from: string, to: string): void;
}

/** The disk said no. `message` is `verb subject: CODE: what to do`. */
export class StoreError extends Error {
  override readonly name = 'StoreError';
  readonly code: string;

  constructor(verb: string, subject: string, cause: unknown) {
    const code = codeOf(cause);
    super(`${verb} ${subject}: ${code}: ${ADVICE[code] ?? 'look at the disk'}`, { cause });
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

export class Store {
  readonly #directory: string;
  readonly #log: Log;
  readonly #disk: Disk;
  readonly #epochs = new Map<string, number>();
  /** What NAME.json holds: an engine that says everything again costs no disk its time. */
  readonly #texts = new Map<string, string>();
  /** Sessions whose NAME.json is whole, and so worth keeping as the one before. */
  readonly #whole = new Set<string>();

  /**
   * Makes the directory if it is not there. Throws StoreError.
   *
   * @param disk this machine's unless given
   */
  constructor(directory: string, log: Log, disk: Disk = fs) {
    this.#directory = directory;
    this.#log = log;
    this.#disk = disk;
    try {
      disk.mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (cause) {
      throw new StoreError('make', directory, cause);
    }
  }

  /**
   * The newest whole snapshot of a session, or undefined if none was ever stored. A damaged file is passed over, and
   * said so. Throws StoreError for one that is there and cannot be read: going on without it would be to forget.
   */
  load(session: string): Snapshot | undefined {
    const path = this.#path(session);
    const current = this.#read(session, path);
    const found = current ?? this.#read(session, `${path}.last`);
    if (current !== undefined) this.#whole.add(session);
    else if (found !== undefined) {
      this.#log.line('error', `read ${path}: went back to epoch ${found.epoch} in ${path}.last`);
    }
    if (found !== undefined) this.#epochs.set(session, found.epoch);
    return found;
  }

  /** Durable when it returns. Throws StoreError; what was stored before then still stands. */
  save(session: string, snapshot: Snapshot): void {
    const flaw = flawOf(snapshot);
    if (flaw !== undefined)
      throw new Error(`store ${session}: ${flaw}: it could not be read again`);
    const before = this.#epochs.get(session) ?? 0;
    if (isLaterEpoch(before, snapshot.epoch)) {
      throw new Error(`epoch of ${session} falls from ${before} to ${snapshot.epoch}`);
    }
    const path = this.#path(session);
    const text = encodeSnapshotText(session, snapshot);
    if (this.#texts.get(session) === text) return;
    this.#texts.delete(session);
    try {
      this.#writeDurably(`${path}.new`, text);
      if (this.#whole.delete(session)) this.#keep(path);
      this.#disk.renameSync(`${path}.new`, path);
      this.#syncDirectory();
    } catch (cause) {
      throw new StoreError('store', path, cause);
    }
    this.#whole.add(session);
    this.#texts.set(session, text);
    this.#epochs.set(session, snapshot.epoch);
  }

  #path(session: string): string {
    return join(this.#directory, `${session}.json`);
  }

  #read(session: string, path: string): Snapshot | undefined {
    try {
      return decodeSnapshotText(session, this.#disk.readFileSync(path, 'utf8'));
    } catch (error) {
      if (error instanceof CorruptSnapshot) {
        this.#log.line('error', `read ${path}: damaged: ${error.message}`);
        return undefined;
      }
      if (codeOf(error) === 'ENOENT') return undefined;
      throw new StoreError('read', path, error);
    }
  }

  #writeDurably(path: string, text: string): void {
    const disk = this.#disk;
    const fd = disk.openSync(path, 'w', 0o600);
    try {
      const octets = Buffer.from(text);
      for (let at = 0; at < octets.length;) at += disk.writeSync(fd, octets, at);
      disk.fsyncSync(fd);
    } finally {
      disk.closeSync(fd);
    }
  }

  /** As the one before. Somebody may have removed it: then there is none. */
  #keep(path: string): void {
    try {
      this.#disk.renameSync(path, `${path}.last`);
    } catch (error) {
      if (codeOf(error) !== 'ENOENT') throw error;
    }
  }

  /** The renames themselves are durable only with the directory that holds them. */
  #syncDirectory(): void {
    const fd = this.#disk.openSync(this.#directory, 'r');
    try {
      this.#disk.fsyncSync(fd);
    } finally {
      this.#disk.closeSync(fd);
    }
  }
}
