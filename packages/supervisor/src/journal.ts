/**
 * The snapshots of many sessions in one append-only file. An edge of the role changes many sessions: they become one
 * record, one write, and one fsync. It decides nothing about their content.
 *
 * Theory of operation. A line is JSON: the number of its batch, and the text of one snapshot with its checksum. The
 * last line of a session counts. `append` returns when its batch is on the disk. A crash leaves a torn tail, on which
 * nothing has relied yet; a bad line before a later batch is damage, and is logged. Three kinds of batch rewrite the
 * file, rename it over the old one, and fsync the directory: the first of a process, one after a failed write, and one
 * that finds the file much larger than its content. So nothing is ever written after a torn line.
 */
import { join } from 'node:path';
import type { Snapshot } from '@ppp-thing/protocol/session';
import { syncDirectory, writeDurably, type Disk } from './disk.ts';
import { codeOf } from './errors.ts';
import { CorruptSnapshot, decodeSnapshotText } from './snapshot-text.ts';

/** Octets that the file may have beyond twice its content. */
const SPARE = 1024 * 1024;

interface JournalLine {
  readonly batch: number;
  readonly session: string;
  readonly text: string;
  readonly snapshot: Snapshot;
}

export class Journal {
  readonly #path: string;
  readonly #directory: string;
  readonly #disk: Disk;
  /** The last line of each session. */
  readonly #lines = new Map<string, string>();
  readonly #snapshots = new Map<string, Snapshot>();
  #batch = 0;
  /** Octets of the file, and of the last lines; undefined: the next batch rewrites it. */
  #size: number | undefined;
  #held = 0;
  /** A line that was once on the disk is lost. */
  readonly isDamaged: boolean;

  /** Throws the disk's errors except ENOENT. */
  constructor(directory: string, disk: Disk) {
    this.#directory = directory;
    this.#path = join(directory, 'journal');
    this.#disk = disk;
    this.isDamaged = this.#read();
  }

  /** The last known snapshot of a session. */
  find(session: string): Snapshot | undefined {
    return this.#snapshots.get(session);
  }

  /** Durable when it returns. Throws the disk's errors; the file's earlier content then still counts. */
  append(texts: ReadonlyMap<string, string>): void {
    this.#batch += 1;
    let added = '';
    for (const [session, text] of texts) {
      const line = `${JSON.stringify([this.#batch, session, text])}\n`;
      added += line;
      this.#held += line.length - (this.#lines.get(session)?.length ?? 0);
      this.#lines.set(session, line);
    }
    const size = this.#size;
    this.#size = undefined;
    if (size === undefined || size + added.length > 2 * this.#held + SPARE) {
      const all = [...this.#lines.values()].join('');
      writeDurably(this.#disk, `${this.#path}.new`, all);
      this.#disk.renameSync(`${this.#path}.new`, this.#path);
      syncDirectory(this.#disk, this.#directory);
      this.#size = all.length;
    } else {
      writeDurably(this.#disk, this.#path, added, 'a');
      this.#size = size + added.length;
    }
  }

  /** @returns whether the file is damaged */
  #read(): boolean {
    let text: string;
    try {
      text = this.#disk.readFileSync(this.#path, 'utf8');
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return false;
      throw error;
    }
    let isTorn = false;
    let isDamaged = false;
    for (const each of text.split('\n')) {
      if (each === '') continue;
      const line = decodeLine(each);
      if (line === undefined) isTorn = true;
      else {
        isDamaged ||= isTorn && line.batch > this.#batch;
        this.#batch = Math.max(this.#batch, line.batch);
        this.#lines.set(line.session, `${each}\n`);
        this.#snapshots.set(line.session, line.snapshot);
      }
    }
    for (const line of this.#lines.values()) this.#held += line.length;
    return isDamaged;
  }
}

/** Undefined if the line is not whole. */
function decodeLine(line: string): JournalLine | undefined {
  try {
    const value: unknown = JSON.parse(line);
    if (!Array.isArray(value)) return undefined;
    const [batch, session, text]: unknown[] = value;
    if (typeof batch !== 'number' || typeof session !== 'string' || typeof text !== 'string')
      return undefined;
    return { batch, session, text, snapshot: decodeSnapshotText(session, text) };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof CorruptSnapshot) return undefined;
    throw error;
  }
}
