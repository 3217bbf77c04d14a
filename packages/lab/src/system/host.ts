/**
 * The rest of a simulated machine's operating system: pipes, Unix stream sockets and poll(2), on the virtual clock. It has
 * no files; a path names a listening socket or nothing.
 */
import type { PollEntry } from '@ppp-thing/helper/libc';
import type { Stream } from '@ppp-thing/supervisor/system';
import type { Chance } from '../campaign/random.ts';
import type { Schedule } from '../campaign/schedule.ts';
import { POLLIN, POLLOUT } from '@ppp-thing/helper/unix';
import { fail } from '../freebsd/abi.ts';
import { cstring } from '../freebsd/octets.ts';
import type { HostSystem } from '../freebsd/process.ts';

const POLLHUP = 0x10;
const POLLNVAL = 0x20;
/** Octets that a stream holds until its reader takes them. */
const ROOM = 64 * 1024;
/** What a stream's read fills; each piece is copied out before the next. */
const READ = new Uint8Array(4096);

/** One end of a pipe or of a connected stream. */
class End {
  readonly queue: Uint8Array[] = [];
  length = 0;
  peer: End | undefined;
  isClosed = false;
  /** Something came, or the other end has gone. */
  changed: () => void = () => undefined;

  get isReadable(): boolean {
    return this.length > 0 || this.peer?.isClosed !== false;
  }

  /** Octets taken; -1 if there is no room. */
  send(octets: Uint8Array): number {
    const { peer } = this;
    if (peer === undefined || peer.isClosed) return fail('EPIPE');
    if (peer.length >= ROOM) return -1;
    const taken = octets.slice(0, ROOM - peer.length);
    peer.queue.push(taken);
    peer.length += taken.length;
    peer.changed();
    return taken.length;
  }

  /** Octets read; 0 at the end; -1 if nothing has come. */
  take(into: Uint8Array): number {
    let at = 0;
    for (
      let first = this.queue[0];
      first !== undefined && at < into.length;
      first = this.queue[0]
    ) {
      const part = first.subarray(0, into.length - at);
      into.set(part, at);
      at += part.length;
      if (part.length === first.length) this.queue.shift();
      else this.queue[0] = first.subarray(part.length);
    }
    this.length -= at;
    if (at > 0) {
      this.peer?.changed();
      return at;
    }
    return this.peer?.isClosed === false ? -1 : 0;
  }

  close(): void {
    this.isClosed = true;
    this.peer?.changed();
  }
}

interface Listener {
  readonly path: string;
  readonly waiting: End[];
  isListening: boolean;
}

type Thing = End | Listener | 'socket';

interface Waiter {
  readonly entries: readonly PollEntry[];
  readonly wake: () => void;
}

const joined = (): readonly [End, End] => {
  const [a, b] = [new End(), new End()];
  a.peer = b;
  b.peer = a;
  return [a, b];
};

/** struct sockaddr_un of FreeBSD. */
const pathOf = (address: Uint8Array): string => cstring(address, 2, address.length - 2);

interface Around {
  readonly schedule: Schedule;
  readonly chance: Chance;
  /** A promise has been settled: what waits for it is to run before time goes on. */
  settling(): void;
}

export class SimHost {
  readonly #around: Around;
  readonly #things = new Map<number, Thing>();
  readonly #listeners = new Map<string, Listener>();
  readonly #waiters = new Set<Waiter>();
  #next = 3;

  constructor(around: Around) {
    this.#around = around;
  }

  /**
   * The system as one process has it.
   *
   * @param uid   of whoever connects to it
   * @param ready when the process may go on that could at the earliest go on `soon`
   */
  system(uid: number, ready: (soon: number) => number): HostSystem {
    const end = (fd: number): End => {
      const thing = this.#things.get(fd);
      return thing instanceof End ? thing : fail('EBADF');
    };
    const listener = (fd: number): Listener => {
      const thing = this.#things.get(fd);
      return typeof thing === 'object' && 'waiting' in thing ? thing : fail('EBADF');
    };
    return {
      libc: {
        open: () => fail('ENOENT'),
        close: (fd) => this.#close(fd),
        read: (fd, into) => end(fd).take(into),
        write: (fd, octets) => end(fd).send(octets),
        listen: (fd) => void (listener(fd).isListening = true),
        accept: (fd) => {
          const next = listener(fd).waiting.shift();
          return next === undefined ? -1 : this.#add(next);
        },
        recvfrom: (fd, into) => ({ length: end(fd).take(into), fromLength: 0 }),
        getsockopt: () => fail('ENOPROTOOPT'),
        pipe: () => {
          const [read, write] = joined();
          return [this.#add(read), this.#add(write)];
        },
        getpeereid: () => ({ uid, gid: uid, pid: 1 }),
        unlink: (path) => void (this.#listeners.delete(path) || fail('ENOENT')),
      },
      socket: () => this.#add('socket'),
      bind: (fd, address) => {
        const path = pathOf(address);
        if (this.#listeners.has(path)) fail('EADDRINUSE');
        const bound = { path, waiting: [], isListening: false };
        this.#listeners.set(path, bound);
        this.#things.set(fd, bound);
      },
      connect: (fd, address) => {
        this.#things.set(fd, this.#call(pathOf(address)));
      },
      send: (fd, octets) => end(fd).send(octets),
      setsockopt: () => undefined,
      fcntl: () => 0,
      poll: (entries, timeoutMs, onWake) => this.#poll(entries, timeoutMs, onWake, ready),
    };
  }

  /**
   * A stream of the supervisor's to the socket at `path`.
   *
   * @param enter runs a piece of the process
   * @param call  before each of its calls
   * @returns the stream, and how the kernel closes it when the process dies
   */
  stream(
    path: string,
    enter: (at: number, run: () => void) => void,
    call: () => void,
  ): Stream & { abandon(): void } {
    const { schedule } = this.#around;
    const listeners: Record<string, ((argument: never) => void)[]> = {};
    const emit = (event: string, argument?: unknown): void => {
      for (const each of listeners[event] ?? []) each(argument as never);
    };
    let mine: End | undefined;
    let isDestroyed = false;
    let isEnded = false;
    const backlog: Uint8Array[] = [];
    /** Node keeps what the socket does not take. */
    const flush = (end: End): void => {
      for (let first = backlog[0]; first !== undefined; first = backlog[0]) {
        if (end.peer?.isClosed !== false) return;
        const sent = end.send(first);
        if (sent === -1) return;
        if (sent === first.length) backlog.shift();
        else backlog[0] = first.subarray(sent);
      }
    };
    const over = (): void => {
      if (isEnded) return;
      isEnded = true;
      mine?.close();
      emit('close');
    };
    const read = (end: End): void => {
      for (;;) {
        if (isDestroyed || isEnded) return;
        const length = end.take(READ);
        if (length === -1) return;
        if (length === 0) return over();
        emit('data', READ.slice(0, length));
      }
    };
    enter(this.#soon(), () => {
      if (isDestroyed) return;
      try {
        const end = this.#call(path);
        mine = end;
        let isDue = false;
        end.changed = () => {
          if (isDue) return;
          isDue = true;
          enter(this.#soon(), () => {
            isDue = false;
            flush(end);
            read(end);
          });
        };
        emit('connect');
      } catch (error) {
        emit('error', error);
        over();
      }
    });
    return {
      on: (event: string, listener: (argument: never) => void) =>
        (listeners[event] ??= []).push(listener),
      write: (octets: Uint8Array) => {
        call();
        backlog.push(octets.slice());
        if (mine !== undefined) flush(mine);
      },
      destroy: () => {
        call();
        isDestroyed = true;
        mine?.close();
        enter(schedule.now, over);
      },
      abandon: () => {
        isDestroyed = true;
        mine?.close();
      },
    };
  }

  /** Connect to who listens at `path`. */
  #call(path: string): End {
    const found = this.#listeners.get(path) ?? fail('ENOENT');
    if (!found.isListening) fail('ECONNREFUSED');
    const [ours, theirs] = joined();
    theirs.changed = () => this.#wake();
    found.waiting.push(theirs);
    this.#wake();
    return ours;
  }

  #soon(): number {
    const { schedule, chance } = this.#around;
    return schedule.now + chance.between(0.02, 0.3);
  }

  #add(thing: Thing): number {
    const fd = this.#next++;
    this.#things.set(fd, thing);
    if (thing instanceof End) thing.changed = () => this.#wake();
    return fd;
  }

  #close(fd: number): void {
    const thing = this.#things.get(fd) ?? fail('EBADF');
    this.#things.delete(fd);
    if (thing instanceof End) thing.close();
    else if (typeof thing === 'object') {
      thing.isListening = false;
      for (const each of thing.waiting) each.close();
    }
  }

  #ready({ fd, events }: PollEntry): number {
    const thing = this.#things.get(fd);
    if (thing === undefined) return POLLNVAL;
    if (thing === 'socket') return POLLHUP;
    if (!(thing instanceof End)) return events & (thing.waiting.length > 0 ? POLLIN : 0);
    const hasRoom = (thing.peer?.length ?? 0) < ROOM;
    return events & ((thing.isReadable ? POLLIN : 0) | (hasRoom ? POLLOUT : 0));
  }

  #look(entries: readonly PollEntry[]): number {
    for (const entry of entries) entry.revents = this.#ready(entry);
    return entries.filter(({ revents }) => revents !== 0).length;
  }

  #wake(): void {
    for (const waiter of this.#waiters)
      if (waiter.entries.some((entry) => this.#ready(entry) !== 0)) waiter.wake();
  }

  #poll(
    entries: readonly PollEntry[],
    timeoutMs: number,
    onWake: (wake: () => void) => void,
    ready: (soon: number) => number,
  ): Promise<number> {
    const { schedule } = this.#around;
    return new Promise((resolve) => {
      let isOver = false;
      let dueAt = Infinity;
      const finish = (): void => {
        if (isOver) return;
        const at = ready(schedule.now);
        if (at > schedule.now) return void schedule.at(at, finish);
        isOver = true;
        this.#waiters.delete(waiter);
        this.#around.settling();
        resolve(this.#look(entries));
      };
      const wakeAt = (at: number): void => {
        if (isOver || at >= dueAt) return;
        dueAt = at;
        schedule.at(at, finish);
      };
      const waiter: Waiter = { entries, wake: () => wakeAt(this.#soon()) };
      this.#waiters.add(waiter);
      onWake(waiter.wake);
      if (timeoutMs === 0 || entries.some((entry) => this.#ready(entry) !== 0)) waiter.wake();
      else wakeAt(schedule.now + timeoutMs);
    });
  }
}
