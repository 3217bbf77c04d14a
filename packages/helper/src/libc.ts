/**
 * The operating system in octets and numbers: every foreign function, and the only FFI import, which is loaded by
 * `loadLibc` alone so that another `Libc` needs none. Buffers are the caller's; layouts belong to the caller too
 * (`linux/`, `freebsd/`).
 */
import { endianness } from 'node:os';

/** A pointer inside an argument: the address of `to` is written at octet `at` before the call. `to` is updated by it. */
export interface Pointer {
  readonly at: number;
  readonly to: Uint8Array;
}

export interface PollEntry {
  readonly fd: number;
  /** POLL bits wanted. */
  readonly events: number;
  /** POLL bits found; written by `poll`. */
  revents: number;
}

/** Each function throws `SystemError`. Those that return -1 if they would block say so. */
export interface Libc {
  /** `process.platform` of the system behind these calls. */
  readonly platform: 'linux' | 'freebsd';
  open(path: string, flags: number, mode?: number): number;
  close(fd: number): void;
  /** Octets read; 0 at the end; -1 if it would block. */
  read(fd: number, into: Uint8Array): number;
  /** Octets written; -1 if it would block. */
  write(fd: number, data: Uint8Array): number;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): void;
  listen(fd: number, backlog: number): void;
  /** The new descriptor, or -1 if none is waiting. */
  accept(fd: number): number;
  connect(fd: number, address: Uint8Array): void;
  /**
   * Octets sent; -1 if it would block.
   *
   * @param descriptors  the receiver gets its own of each (SCM_RIGHTS). Linux only
   */
  sendto(
    fd: number,
    data: Uint8Array,
    flags: number,
    address?: Uint8Array,
    descriptors?: readonly number[],
  ): number;
  /** The socket's own address. Linux only. */
  getsockname?(fd: number, into: Uint8Array): void;
  /** Octets received, -1 if it would block. `from`, if given, receives the sender's address. */
  recvfrom(
    fd: number,
    into: Uint8Array,
    flags: number,
    from?: Uint8Array,
  ): { readonly length: number; readonly fromLength: number };
  getsockopt(fd: number, level: number, option: number, into: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void;
  /** `argument` is updated in place. A plain number is passed by value. Returns what ioctl returned. */
  ioctl(
    fd: number,
    request: number,
    argument: Uint8Array | number,
    pointers?: readonly Pointer[],
  ): number;
  fcntl(fd: number, command: number, argument: number): number;
  /** Both ends of a pipe: read, write. */
  pipe(): readonly [number, number];
  /** sysctlbyname: the old value, up to `room` octets; sets `value` if given. FreeBSD only. */
  sysctl(name: string, room: number, value?: Uint8Array): Uint8Array;
  /** The uid, gid and, where the system says it, the process identifier of the other end of a connected Unix socket. */
  getpeereid(fd: number): { readonly uid: number; readonly gid: number; readonly pid?: number };
  kldload(name: string): void;
  unlink(path: string): void;
  /**
   * How many entries have `revents`; 0 after `timeoutMs`. The only function that waits; never with a negative timeout. The
   * same array is taken to hold the same entries as before: it is not read again.
   *
   * @param here the calling thread may wait: no signal is handled meanwhile, and no other thread is woken for it
   */
  poll(entries: readonly PollEntry[], timeoutMs: number, here?: boolean): number | Promise<number>;
}

/** An errno, by name and number, of one call. */
export class SystemError extends Error {
  override readonly name = 'SystemError';
  readonly code: string;
  readonly errno: number;
  readonly call: string;

  constructor(call: string, code: string, errno: number) {
    super(`${call}: ${code}`);
    this.call = call;
    this.code = code;
    this.errno = errno;
  }
}

/** The system this process runs on, through koffi. Throws Error on one that is neither Linux nor FreeBSD. */
export async function loadLibc(): Promise<Libc> {
  const { platform } = process;
  if (platform !== 'linux' && platform !== 'freebsd')
    throw new Error(`load libc: ENOSYS: no backend for ${platform}`);
  const { default: koffi } = await import('koffi');
  return bindLibc(koffi, platform);
}

type Koffi = (typeof import('koffi'))['default'];
type Foreign = (...args: unknown[]) => number;

/** The functions of libc we call, as C declares them. Those of FreeBSD alone are bound there alone. */
const PROTOTYPES = {
  open: 'int open(const char *path, int flags, ...)',
  close: 'int close(int fd)',
  read: 'long read(int fd, void *into, size_t size)',
  write: 'long write(int fd, const void *data, size_t size)',
  socket: 'int socket(int domain, int type, int protocol)',
  bind: 'int bind(int fd, const void *address, uint32_t length)',
  listen: 'int listen(int fd, int backlog)',
  accept: 'int accept(int fd, void *address, void *length)',
  connect: 'int connect(int fd, const void *address, uint32_t length)',
  sendto:
    'long sendto(int fd, const void *data, size_t size, int flags, const void *to, uint32_t length)',
  recvfrom: 'long recvfrom(int fd, void *into, size_t size, int flags, void *from, void *length)',
  getsockname: 'int getsockname(int fd, void *into, void *length)',
  getsockopt: 'int getsockopt(int fd, int level, int option, void *into, void *length)',
  setsockopt: 'int setsockopt(int fd, int level, int option, const void *value, uint32_t length)',
  ioctl: 'int ioctl(int fd, unsigned long request, ...)',
  fcntl: 'int fcntl(int fd, int command, ...)',
  pipe: 'int pipe(void *ends)',
  unlink: 'int unlink(const char *path)',
};
const FREEBSD_PROTOTYPES = {
  sysctlbyname:
    'int sysctlbyname(const char *name, void *old, void *room, const void *value, size_t size)',
  kldload: 'int kldload(const char *name)',
};
/** Where EAGAIN is the value -1 and not an error. */
const MAY_BLOCK = new Set(['read', 'write', 'accept', 'sendto', 'sendmsg', 'recvfrom']);

/** Where the peer's credentials are found: option of getsockopt, its room, and the offsets of its u32 fields. */
const PEER = {
  linux: { level: 1, option: 17, room: 12, pid: 0, uid: 4, gid: 8 },
  freebsd: { level: 0, option: 1, room: 88, pid: 80, uid: 4, gid: 12 },
} as const;

/** struct pollfd: int fd, short events, short revents. */
const POLLFD = 8;

const littleEndian = endianness() === 'LE';
const view = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);
const u32At = (octets: Uint8Array, at: number): number => view(octets).getUint32(at, littleEndian);
const u32 = (value: number): Uint8Array => {
  const octets = new Uint8Array(4);
  view(octets).setUint32(0, value, littleEndian);
  return octets;
};

/** Names by number. Where two names share one, the older comes first in the table or is asked for here. */
function errnoNames(numbers: Readonly<Record<string, number>>): Map<number, string> {
  const names = new Map<number, string>();
  for (const [name, number] of Object.entries(numbers))
    if (!names.has(number)) names.set(number, name);
  for (const name of ['EAGAIN', 'EOPNOTSUPP']) names.set(numbers[name] ?? -1, name);
  return names;
}

function bindLibc(koffi: Koffi, platform: 'linux' | 'freebsd'): Libc {
  const library = koffi.load(platform === 'linux' ? 'libc.so.6' : 'libc.so.7');
  const names = errnoNames(koffi.os.errno);
  const { EINTR, EAGAIN } = koffi.os.errno;
  const fail = (call: string, errno: number): SystemError =>
    new SystemError(call, names.get(errno) ?? `errno ${errno}`, errno);

  const foreign =
    (call: string, native: Foreign): Foreign =>
    (...args) => {
      for (;;) {
        const result = native(...args);
        if (result !== -1) return result;
        const errno = koffi.errno();
        if (errno === EAGAIN && MAY_BLOCK.has(call)) return -1;
        if (errno !== EINTR) throw fail(call, errno);
      }
    };
  const bindAll = <Name extends string>(table: Readonly<Record<Name, string>>) =>
    Object.fromEntries(
      Object.entries<string>(table).map(([call, declaration]) => [
        call,
        foreign(call, library.func(declaration) as Foreign),
      ]),
    ) as Record<Name, Foreign>;

  const c = bindAll(PROTOTYPES);
  const bsd = platform === 'freebsd' ? bindAll(FREEBSD_PROTOTYPES) : undefined;
  const linux = platform === 'linux' ? bindSendmsg(koffi, library) : undefined;
  const sendmsg = linux && foreign('sendmsg', linux);
  const poll = library.func('int poll(void *entries, unsigned long count, int timeout)');
  /** The entries of the last poll, as the kernel reads them: of a thousand sessions there are four thousand. */
  let polled: { readonly entries: readonly PollEntry[]; readonly table: Int16Array } | undefined;
  const getsockopt = (fd: number, level: number, option: number, into: Uint8Array): number => {
    const length = u32(into.length);
    c.getsockopt(fd, level, option, into, length);
    return u32At(length, 0);
  };

  return {
    platform,
    open: (path, flags, mode = 0) => c.open(path, flags, 'int', mode),
    close: (fd) => void c.close(fd),
    read: (fd, into) => c.read(fd, into, into.length),
    write: (fd, data) => c.write(fd, data, data.length),
    socket: (domain, type, protocol) => c.socket(domain, type, protocol),
    bind: (fd, address) => void c.bind(fd, address, address.length),
    listen: (fd, backlog) => void c.listen(fd, backlog),
    accept: (fd) => c.accept(fd, null, null),
    connect: (fd, address) => void c.connect(fd, address, address.length),
    sendto(fd, data, flags, address, descriptors) {
      const [to, toLength] = [address ?? null, address?.length ?? 0];
      if (descriptors === undefined || sendmsg === undefined)
        return c.sendto(fd, data, data.length, flags, to, toLength);
      const rights = rightsOf(descriptors);
      const message = {
        to,
        toLength,
        pieces: { data, length: data.length },
        count: 1,
        rights,
        rightsLength: rights.length,
        flags: 0,
      };
      return sendmsg(fd, message, flags);
    },
    getsockname: (fd, into) => void c.getsockname(fd, into, u32(into.length)),
    recvfrom(fd, into, flags, from) {
      const room = u32(from?.length ?? 0);
      const length = c.recvfrom(
        fd,
        into,
        into.length,
        flags,
        from ?? null,
        from === undefined ? null : room,
      );
      return { length, fromLength: length === -1 ? 0 : u32At(room, 0) };
    },
    getsockopt,
    setsockopt: (fd, level, option, value) =>
      void c.setsockopt(fd, level, option, value, value.length),
    ioctl(fd, request, argument, pointers = []) {
      if (typeof argument === 'number') return c.ioctl(fd, request, 'long', argument);
      for (const { at, to } of pointers)
        view(argument).setBigUint64(at, koffi.address(to), littleEndian);
      return c.ioctl(fd, request, 'void *', argument);
    },
    fcntl: (fd, command, argument) => c.fcntl(fd, command, 'long', argument),
    pipe() {
      const ends = new Uint8Array(8);
      c.pipe(ends);
      return [u32At(ends, 0), u32At(ends, 4)];
    },
    sysctl(name, room, value) {
      if (bsd === undefined) throw new SystemError('sysctlbyname', 'ENOSYS', 0);
      const old = new Uint8Array(room);
      const size = new Uint8Array(8);
      view(size).setBigUint64(0, BigInt(room), littleEndian);
      const into = room === 0 ? [null, null] : [old, size];
      bsd.sysctlbyname(name, ...into, value ?? null, value?.length ?? 0);
      return old.subarray(0, Number(view(size).getBigUint64(0, littleEndian)));
    },
    getpeereid(fd) {
      const { level, option, room, pid, uid, gid } = PEER[platform];
      const found = new Uint8Array(room);
      getsockopt(fd, level, option, found);
      return { uid: u32At(found, uid), gid: u32At(found, gid), pid: u32At(found, pid) };
    },
    kldload(name) {
      if (bsd === undefined) throw new SystemError('kldload', 'ENOSYS', 0);
      bsd.kldload(name);
    },
    unlink: (path) => void c.unlink(path),
    poll(entries, timeoutMs, here = false) {
      if (polled?.entries !== entries) polled = { entries, table: packEntries(entries) };
      const { table } = polled;
      const timeout = Math.max(0, Math.trunc(timeoutMs));
      const found = (result: number): number => {
        const errno = koffi.errno();
        if (result === -1 && errno !== EINTR) throw fail('poll', errno);
        takeRevents(entries, table);
        return Math.max(result, 0);
      };
      if (here) return found(poll(table, entries.length, timeout) as number);
      // koffi carries the errno of the waiting thread over to the callback.
      return new Promise<number>((resolve, reject) => {
        poll.async(table, entries.length, timeout, (thrown: unknown, result: number): void => {
          if (thrown !== null) return reject(thrown as Error);
          try {
            resolve(found(result));
          } catch (error) {
            reject(error as Error);
          }
        });
      });
    },
  };
}

/** sendmsg(2) with the structures of Linux: an address, one piece of data and one control message. */
function bindSendmsg(koffi: Koffi, library: ReturnType<Koffi['load']>): Foreign {
  const octets = 'const void *';
  const piece = koffi.struct({ data: octets, length: 'size_t' });
  const message = koffi.struct({
    to: octets,
    toLength: 'uint32_t',
    pieces: koffi.pointer(piece),
    count: 'size_t',
    rights: octets,
    rightsLength: 'size_t',
    flags: 'int',
  });
  return library.func('sendmsg', 'long', ['int', koffi.pointer(message), 'int']) as Foreign;
}

/** struct cmsghdr of Linux: this process's descriptors, for the receiver. */
function rightsOf(descriptors: readonly number[]): Uint8Array {
  const SOL_SOCKET = 1;
  const SCM_RIGHTS = 1;
  const words = [SOL_SOCKET, SCM_RIGHTS, ...descriptors];
  const octets = new Uint8Array(8 + 4 * words.length);
  view(octets).setBigUint64(0, BigInt(octets.length), littleEndian);
  words.forEach((word, i) => octets.set(u32(word), 8 + 4 * i));
  return octets;
}

function packEntries(entries: readonly PollEntry[]): Int16Array {
  const table = new Int16Array((Math.max(1, entries.length) * POLLFD) / 2);
  const fds = new Int32Array(table.buffer);
  entries.forEach(({ fd, events }, i) => {
    fds[i * 2] = fd;
    table[i * 4 + 2] = events;
  });
  return table;
}

function takeRevents(entries: readonly PollEntry[], table: Int16Array): void {
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i];
    if (entry !== undefined) entry.revents = table[i * 4 + 3] ?? 0;
  }
}
