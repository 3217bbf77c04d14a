/**
 * A disk that forgets what was not fsynced: files and directories in memory, with the calls of node:fs that the two
 * processes make. A process's death costs it nothing; a power cut costs what POSIX allows, torn files among it.
 */
import type { Chance } from '../campaign/random.ts';
import { dirname } from 'node:path';

interface File {
  octets: Uint8Array;
  /** What the last fsync left. */
  durable: Uint8Array;
  /** It has been cut to nothing since: a crash may leave less than that. What was only added to keeps it. */
  isCut?: boolean;
}

/** A change of a directory's names that no fsync of it has made durable. */
type Change =
  | { readonly kind: 'link'; readonly path: string; readonly file: File }
  | { readonly kind: 'rename'; readonly from: string; readonly to: string }
  | { readonly kind: 'unlink'; readonly path: string };

interface Open {
  readonly path: string;
  /** Undefined for a directory. */
  readonly file: File | undefined;
  at: number;
}

/** An error as node:fs throws them. */
function refuse(code: string, syscall: string, path: string): never {
  throw Object.assign(new Error(`${code}: ${syscall} '${path}'`), { code, syscall, path });
}

export class SimDisk {
  /** Writes fail with this. */
  refusal: string | undefined;
  /** Octets that one write takes at most. */
  most = Infinity;
  /** Counts what may have changed what a crash would leave. */
  version = 0;
  #files = new Map<string, File>();
  #durable = new Map<string, File>();
  #changes: Change[] = [];
  readonly #directories = new Set<string>();
  readonly #open = new Map<number, Open>();
  #next = 3;

  /** The calls, as one process makes them. @param before each call; it may throw. @param synced how long an fsync lasts is its business */
  calls(before: () => void, synced: () => void) {
    const call = <T>(run: () => T): T => {
      before();
      return run();
    };
    return {
      mkdirSync: (path: string) => call(() => void this.#directories.add(path)),
      openSync: (path: string, flags: string) => call(() => this.#openFile(path, flags)),
      readFileSync: (path: string): string =>
        call(() => new TextDecoder().decode(this.#named(path, 'open').octets)),
      writeSync: (fd: number, octets: Uint8Array, from = 0): number =>
        call(() => this.#write(fd, octets.subarray(from))),
      writeFileSync: (fd: number, text: string): void =>
        call(() => void this.#write(fd, new TextEncoder().encode(text))),
      fsyncSync: (fd: number): void =>
        call(() => {
          synced();
          this.#sync(fd);
        }),
      closeSync: (fd: number): void => call(() => void this.#open.delete(fd)),
      renameSync: (from: string, to: string): void => call(() => this.#rename(from, to)),
      unlinkSync: (path: string): void =>
        call(() => {
          this.#named(path, 'unlink');
          this.#change({ kind: 'unlink', path });
        }),
    };
  }

  /** What a crash now would leave at the least: every change that was not fsynced is gone. */
  remains(): SimDisk {
    const left = new SimDisk();
    for (const directory of this.#directories) left.#directories.add(directory);
    for (const [path, { durable }] of this.#durable)
      left.#files.set(path, { octets: durable, durable });
    left.#durable = new Map(left.#files);
    return left;
  }

  /** The power goes: of what was not fsynced some has come to the platter, in order, and the last write is torn. */
  cutPower(chance: Chance): void {
    const kept = this.#changes.slice(0, chance.next() % (this.#changes.length + 1));
    for (const change of kept) apply(this.#durable, change);
    for (const file of new Set(this.#durable.values())) {
      if (chance.is(0.5)) continue;
      const least = file.isCut === true ? 0 : Math.min(file.durable.length, file.octets.length);
      const more = file.octets.length - least;
      const length = least + (chance.is(0.5) ? more : chance.next() % (more + 1));
      if (file.octets !== file.durable) file.durable = file.octets.slice(0, length);
    }
    for (const file of this.#durable.values()) file.octets = file.durable;
    this.#files = new Map(this.#durable);
    this.#changes = [];
    this.#open.clear();
    this.version++;
  }

  /** A new one in its place. */
  erase(): void {
    this.#files.clear();
    this.#durable.clear();
    this.#changes = [];
    this.#open.clear();
    this.version++;
  }

  #named(path: string, syscall: string): File {
    return this.#files.get(path) ?? refuse('ENOENT', syscall, path);
  }

  #mayWrite(syscall: string, path: string): void {
    if (this.refusal !== undefined) refuse(this.refusal, syscall, path);
  }

  #openFile(path: string, flags: string): number {
    const fd = this.#next++;
    if (flags === 'r') {
      const isDirectory = this.#directories.has(path);
      const file = isDirectory ? undefined : this.#named(path, 'open');
      this.#open.set(fd, { path, file, at: 0 });
      return fd;
    }
    this.#mayWrite('open', path);
    if (flags.includes('x') && this.#files.has(path)) refuse('EEXIST', 'open', path);
    let file = this.#files.get(path);
    if (file === undefined) {
      file = { octets: new Uint8Array(0), durable: new Uint8Array(0) };
      this.#change({ kind: 'link', path, file });
    }
    const isAppended = flags.includes('a');
    if (!isAppended) Object.assign(file, { octets: new Uint8Array(0), isCut: true });
    this.version++;
    this.#open.set(fd, { path, file, at: isAppended ? file.octets.length : 0 });
    return fd;
  }

  #opened(fd: number, syscall: string): Open {
    return this.#open.get(fd) ?? refuse('EBADF', syscall, String(fd));
  }

  #write(fd: number, octets: Uint8Array): number {
    const opened = this.#opened(fd, 'write');
    const { file, path } = opened;
    if (file === undefined) return refuse('EISDIR', 'write', path);
    this.#mayWrite('write', path);
    const taken = octets.subarray(0, this.most);
    const whole = new Uint8Array(opened.at + taken.length);
    whole.set(file.octets.subarray(0, opened.at));
    whole.set(taken, opened.at);
    file.octets = whole;
    opened.at += taken.length;
    this.version++;
    return taken.length;
  }

  #sync(fd: number): void {
    const { file, path } = this.#opened(fd, 'fsync');
    this.#mayWrite('fsync', path);
    this.version++;
    if (file !== undefined) {
      file.durable = file.octets;
      file.isCut = false;
      return;
    }
    const isHere = (change: Change): boolean =>
      dirname(change.kind === 'rename' ? change.to : change.path) === path;
    for (const change of this.#changes) if (isHere(change)) apply(this.#durable, change);
    this.#changes = this.#changes.filter((change) => !isHere(change));
  }

  #rename(from: string, to: string): void {
    this.#named(from, 'rename');
    this.#mayWrite('rename', from);
    this.#change({ kind: 'rename', from, to });
  }

  #change(change: Change): void {
    apply(this.#files, change);
    this.#changes.push(change);
    this.version++;
  }
}

function apply(names: Map<string, File>, change: Change): void {
  if (change.kind === 'link') names.set(change.path, change.file);
  else if (change.kind === 'unlink') names.delete(change.path);
  else {
    const file = names.get(change.from);
    if (file === undefined) return;
    names.delete(change.from);
    names.set(change.to, file);
  }
}
