/**
 * The operating system in octets and numbers: every foreign function, and the only FFI import. All of it is synchronous
 * but `poll`. Buffers are the caller's; layouts belong to the caller too (`linux/`, `freebsd/`).
 */

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

/** Each function throws `SystemError`, except that where it says so would-block is a value. */
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
  /** Octets sent; -1 if it would block. */
  sendto(fd: number, data: Uint8Array, flags: number, address?: Uint8Array): number;
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
  /** The uid and gid of the process at the other end of a connected Unix socket. */
  getpeereid(fd: number): { readonly uid: number; readonly gid: number };
  kldload(name: string): void;
  chmod(path: string, mode: number): void;
  chown(path: string, uid: number, gid: number): void;
  unlink(path: string): void;
  /** How many entries have `revents`; 0 after `timeoutMs`. The only function that waits; never with a negative timeout. */
  poll(entries: readonly PollEntry[], timeoutMs: number): Promise<number>;
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
