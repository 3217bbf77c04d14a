/**
 * A process on the fake kernel: a `Libc` with its own descriptors. What the fake does not have (Unix stream sockets, pipes,
 * files) is a real system's, so that a whole helper runs here.
 */
import { SystemError, type Libc, type Pointer, type PollEntry } from '@ppp-thing/helper/libc';
import { POLLIN, POLLNVAL, POLLOUT } from '@ppp-thing/helper/unix';
import { Errno, c, fail } from './abi.ts';
import { BpfDescriptor } from './bpf-device.ts';
import { DevdClient } from './carp.ts';
import type { NetInterface } from './interfaces.ts';
import type { FakeKernel } from './kernel.ts';
import { cstring, i32, long, set64 } from './octets.ts';
import { RouteSocket } from './routes.ts';
import { ControlSocket, DataSocket } from './socket.ts';

/** A socket for ioctl alone. */
class InetSocket {
  readonly kind = 'inet';
}

type Thing = ControlSocket | DataSocket | BpfDescriptor | RouteSocket | DevdClient | InetSocket;

/** Descriptors of the fake's own; below are the real system's. */
const FIRST = 100_000;
const DEVD = '/var/run/devd.seqpacket.pipe';
const TYPE_MASK = 0xff;

/** The system behind a fake process: what is not the fake kernel's. Numbers and layouts are FreeBSD's. */
export interface HostSystem {
  readonly libc: Pick<
    Libc,
    | 'open'
    | 'close'
    | 'read'
    | 'write'
    | 'listen'
    | 'accept'
    | 'recvfrom'
    | 'getsockopt'
    | 'pipe'
    | 'getpeereid'
    | 'unlink'
  >;
  socket(domain: number, type: number, protocol: number): number;
  bind(fd: number, address: Uint8Array): void;
  connect(fd: number, address: Uint8Array): void;
  send(fd: number, data: Uint8Array, flags: number, to?: Uint8Array): number;
  setsockopt(fd: number, level: number, option: number, value: Uint8Array): void;
  fcntl(fd: number, command: number, argument: number): number;
  /**
   * Wait for one of `entries`, or to be woken, or for the time to pass.
   *
   * @param onWake takes what is to be called when something of the fake kernel's is ready
   */
  poll(
    entries: readonly PollEntry[],
    timeoutMs: number,
    onWake: (wake: () => void) => void,
  ): Promise<number>;
}

export interface ProcessOptions {
  /** The system for what is not the fake's; without one those calls are ENOSYS. */
  readonly real?: HostSystem;
  readonly isRoot?: boolean;
  /** Called before each call, with its name, and an ioctl's number; what it throws is the call's answer. */
  readonly before?: (call: string, request?: number) => void;
  /** A test's own time: called instead of waiting, when nothing is ready. */
  readonly idle?: (timeoutMs: number) => void;
}

export class FakeProcess {
  readonly libc: Libc;
  readonly #kernel: FakeKernel;
  readonly #real: HostSystem | undefined;
  readonly #isRoot: boolean;
  readonly #idle: ((timeoutMs: number) => void) | undefined;
  readonly #before: (call: string, request?: number) => void;
  readonly #things = new Map<number, Thing>();
  /** Descriptors of the real system that end with the process. */
  readonly #realFds = new Set<number>();
  #isDead = false;
  #next = FIRST;
  #wake: () => void = () => {};

  constructor(kernel: FakeKernel, options: ProcessOptions = {}) {
    this.#kernel = kernel;
    this.#real = options.real;
    this.#isRoot = options.isRoot ?? true;
    this.#idle = options.idle;
    this.#before = options.before ?? (() => {});
    this.libc = this.#makeLibc();
  }

  /** kill -9: the kernel closes the descriptors, and nothing else is done. A poll that waits never returns. */
  kill(): void {
    this.#isDead = true;
    for (const fd of this.#things.keys()) this.#close(fd);
    for (const fd of this.#realFds) this.#real?.libc.close(fd);
    this.#realFds.clear();
  }

  get openDescriptors(): number {
    return this.#things.size;
  }

  #add(thing: Thing): number {
    const fd = this.#next++;
    this.#things.set(fd, thing);
    return fd;
  }

  #get<T extends Thing>(fd: number, kind: abstract new (...args: never[]) => T): T {
    const thing = this.#things.get(fd);
    return thing instanceof kind ? thing : fail('EBADF');
  }

  #close(fd: number): void {
    const thing = this.#things.get(fd) ?? fail('EBADF');
    this.#things.delete(fd);
    if (thing instanceof BpfDescriptor) this.#kernel.closeBpf(thing);
    else if (thing instanceof RouteSocket) this.#kernel.routes.sockets.delete(thing);
    else if (thing instanceof DevdClient) this.#kernel.carp.clients.delete(thing);
    else if (thing instanceof ControlSocket || thing instanceof DataSocket) thing.close();
  }

  #root(code: 'EPERM' | 'EACCES'): void {
    if (!this.#isRoot) fail(code);
  }

  #socket(domain: number, type: number, protocol: number): Thing | undefined {
    const plain = type & TYPE_MASK;
    const ready = (): void => this.#wake();
    switch (domain) {
      case c('AF_NETGRAPH'): {
        if (!this.#kernel.modules.has('ng_socket')) fail('EAFNOSUPPORT');
        this.#root('EPERM');
        if (plain !== c('SOCK_DGRAM')) fail('EPROTONOSUPPORT');
        const { netgraph } = this.#kernel;
        if (protocol === c('NG_CONTROL')) return new ControlSocket(netgraph, ready);
        return new DataSocket(netgraph, ready);
      }
      case c('AF_ROUTE'): {
        const socket = new RouteSocket();
        socket.ready = ready;
        this.#kernel.routes.sockets.add(socket);
        return socket;
      }
      case c('AF_INET'):
      case c('AF_INET6'):
        return new InetSocket();
      case c('AF_UNIX'):
        if (plain !== c('SOCK_SEQPACKET')) return undefined;
        return Object.assign(new DevdClient(), { ready });
      default:
        fail('EAFNOSUPPORT');
    }
  }

  #open(path: string): Thing | undefined {
    if (path !== '/dev/bpf') return undefined;
    this.#root('EACCES');
    const bpf = this.#kernel.openBpf();
    bpf.ready = () => this.#wake();
    return bpf;
  }

  #connect(fd: number, address: Uint8Array): void {
    const thing = this.#things.get(fd);
    if (thing instanceof DataSocket) return thing.connect(pathOf(address));
    if (!(thing instanceof DevdClient)) fail('EINVAL');
    if (cstring(address, 2, 104) !== DEVD) fail('ENOENT');
    if (!this.#kernel.carp.isDevdRunning) fail('ECONNREFUSED');
    this.#kernel.carp.clients.add(thing);
  }

  #read(fd: number, into: Uint8Array): number {
    const thing = this.#things.get(fd);
    if (thing instanceof BpfDescriptor) return thing.read(into);
    if (!(thing instanceof RouteSocket || thing instanceof DevdClient)) fail('EBADF');
    const message = thing.queue.shift();
    if (message === undefined) return thing instanceof DevdClient && thing.isClosed ? 0 : -1;
    into.set(message.subarray(0, into.length));
    return Math.min(message.length, into.length);
  }

  #write(fd: number, data: Uint8Array): number {
    const thing = this.#things.get(fd);
    if (thing instanceof BpfDescriptor) return thing.write(data);
    const socket = this.#get(fd, RouteSocket);
    this.#root('EPERM');
    return this.#kernel.routes.request(socket, data);
  }

  #sendto(fd: number, data: Uint8Array, address: Uint8Array | undefined): number {
    const thing = this.#things.get(fd);
    if (thing instanceof ControlSocket) return thing.send(pathOf(address ?? fail('EINVAL')), data);
    const socket = this.#get(fd, DataSocket);
    return socket.send(address === undefined ? undefined : pathOf(address), data);
  }

  #recvfrom(fd: number, into: Uint8Array, from: Uint8Array | undefined): Received {
    const thing = this.#things.get(fd);
    if (!(thing instanceof ControlSocket || thing instanceof DataSocket)) fail('EBADF');
    const message = thing.queue.shift();
    if (message === undefined) return { length: -1, fromLength: 0 };
    into.set(message.octets.subarray(0, into.length));
    from?.set(message.from.subarray(0, from.length));
    return {
      length: Math.min(message.octets.length, into.length),
      fromLength: message.from.length,
    };
  }

  #setsockopt(fd: number, level: number, option: number, value: Uint8Array): void {
    if (level !== c('SOL_SOCKET')) fail('ENOPROTOOPT');
    if (option === c('SO_RCVBUF')) return;
    if (option !== c('SO_SETFIB')) fail('ENOPROTOOPT');
    const fib = i32(value, 0);
    if (fib < 0 || fib >= this.#kernel.routes.fibs) fail('EINVAL');
    this.#get(fd, RouteSocket).fib = fib;
  }

  #ioctl(
    fd: number,
    request: number,
    argument: Uint8Array | number,
    pointers: readonly Pointer[],
  ): void {
    const thing = this.#things.get(fd);
    const octets = typeof argument === 'number' ? new Uint8Array(0) : argument;
    // _IOR, _IOW and _IOWR carry the size of their argument.
    const size = (request >>> 16) & 0x1fff;
    if (octets.length !== size) fail('EFAULT');
    const pointed = pointers[0]?.to;
    if (thing instanceof BpfDescriptor) return thing.ioctl(request, octets, pointed);
    this.#get(fd, InetSocket);
    const { interfaces, carp } = this.#kernel;
    const isRead = (request & 0x40000000) !== 0;
    if (!isRead) this.#root('EPERM');
    const line = (): NetInterface => interfaces.get(cstring(octets, 0, 16));
    if (request === c('SIOCGVH')) return carp.read(line(), pointed ?? fail('EFAULT'));
    if (request === c('SIOCSVH')) return carp.write(line(), pointed ?? fail('EFAULT'));
    if (interfaces.ioctl(request, octets, pointed) === undefined) fail('ENOTTY');
  }

  #sysctl(name: string, room: number, value: Uint8Array | undefined): Uint8Array {
    if (name === 'kern.boottime') return timeval(this.#kernel.bootedAt).subarray(0, room);
    if (name !== 'net.inet.carp.demotion') fail('ENOENT');
    const { carp } = this.#kernel;
    if (!carp.isLoaded) fail('ENOENT');
    const old = long(carp.demotion).subarray(0, room);
    if (value !== undefined) {
      this.#root('EPERM');
      // Writing adds.
      carp.demotion += i32(value, 0);
    }
    return old;
  }

  #ready({ fd, events }: PollEntry): number {
    const thing = this.#things.get(fd);
    if (thing === undefined) return POLLNVAL;
    if (thing instanceof InetSocket) return events & POLLOUT;
    const readable =
      thing instanceof BpfDescriptor
        ? thing.isReadable
        : thing.queue.length > 0 || (thing instanceof DevdClient && thing.isClosed);
    return events & ((readable ? POLLIN : 0) | POLLOUT);
  }

  async #poll(entries: readonly PollEntry[], timeoutMs: number): Promise<number> {
    const isOurs = ({ fd }: PollEntry): boolean => fd >= FIRST;
    const ours = entries.filter(isOurs);
    const others = entries.filter((entry) => !isOurs(entry));
    const look = (): number => {
      for (const entry of ours) entry.revents = this.#ready(entry);
      return ours.filter(({ revents }) => revents !== 0).length;
    };
    let found = look();
    const wait = found > 0 || this.#idle !== undefined ? 0 : timeoutMs;
    const real =
      this.#real?.poll(others, wait, (wake) => (this.#wake = wake)) ?? Promise.resolve(0);
    const foundThere = await real;
    if (this.#isDead) return new Promise<never>(() => {});
    found = look();
    if (found + foundThere === 0) this.#idle?.(timeoutMs);
    return found + foundThere;
  }

  #makeLibc(): Libc {
    const real = (): HostSystem => this.#real ?? fail('ENOSYS');
    const isOurs = (fd: number): boolean => fd >= FIRST;
    const keep = (fd: number): number => {
      if (fd !== -1) this.#realFds.add(fd);
      return fd;
    };
    /** An Errno of the fake's as the system's error of this call. */
    const call = <T>(name: string, run: () => T, request?: number): T => {
      try {
        this.#before(name, request);
        return run();
      } catch (error) {
        if (!(error instanceof Errno)) throw error;
        throw new SystemError(name, error.code, error.number);
      }
    };
    return {
      platform: 'freebsd',
      open: (path, flags, mode) =>
        call('open', () => {
          const thing = this.#open(path);
          return thing === undefined ? keep(real().libc.open(path, flags, mode)) : this.#add(thing);
        }),
      close: (fd) =>
        call('close', () => {
          if (isOurs(fd)) return this.#close(fd);
          this.#realFds.delete(fd);
          real().libc.close(fd);
        }),
      read: (fd, into) =>
        call('read', () => (isOurs(fd) ? this.#read(fd, into) : real().libc.read(fd, into))),
      write: (fd, data) =>
        call('write', () => (isOurs(fd) ? this.#write(fd, data) : real().libc.write(fd, data))),
      socket: (domain, type, protocol) =>
        call('socket', () => {
          const thing = this.#socket(domain, type, protocol);
          return thing === undefined
            ? keep(real().socket(domain, type, protocol))
            : this.#add(thing);
        }),
      bind: (fd, address) =>
        call('bind', () => {
          if (!isOurs(fd)) return real().bind(fd, address);
          this.#get(fd, ControlSocket).bind(pathOf(address));
        }),
      listen: (fd, backlog) => call('listen', () => real().libc.listen(fd, backlog)),
      accept: (fd) => call('accept', () => keep(real().libc.accept(fd))),
      connect: (fd, address) =>
        call('connect', () =>
          isOurs(fd) ? this.#connect(fd, address) : real().connect(fd, address),
        ),
      sendto: (fd, data, flags, address) =>
        call('sendto', () =>
          isOurs(fd) ? this.#sendto(fd, data, address) : real().send(fd, data, flags, address),
        ),
      recvfrom: (fd, into, flags, from) =>
        call('recvfrom', () =>
          isOurs(fd) ? this.#recvfrom(fd, into, from) : real().libc.recvfrom(fd, into, flags, from),
        ),
      getsockopt: (fd, level, option, into) =>
        call('getsockopt', () => real().libc.getsockopt(fd, level, option, into)),
      setsockopt: (fd, level, option, value) =>
        call('setsockopt', () =>
          isOurs(fd)
            ? this.#setsockopt(fd, level, option, value)
            : real().setsockopt(fd, level, option, value),
        ),
      ioctl: (fd, request, argument, pointers = []) =>
        call(
          'ioctl',
          () => {
            this.#ioctl(fd, request, argument, pointers);
            return 0;
          },
          request,
        ),
      fcntl: (fd, command, argument) =>
        call('fcntl', () => (isOurs(fd) ? 0 : real().fcntl(fd, command, argument))),
      pipe: () =>
        call('pipe', () => {
          const [read, write] = real().libc.pipe();
          return [keep(read), keep(write)];
        }),
      sysctl: (name, room, value) => call('sysctlbyname', () => this.#sysctl(name, room, value)),
      getpeereid: (fd) => call('getpeereid', () => real().libc.getpeereid(fd)),
      kldload: (name) =>
        call('kldload', () => {
          this.#root('EPERM');
          this.#kernel.kldload(name);
        }),
      unlink: (path) => call('unlink', () => real().libc.unlink(path)),
      poll: (entries, timeoutMs) => this.#poll(entries, timeoutMs),
    };
  }
}

interface Received {
  readonly length: number;
  readonly fromLength: number;
}

function timeval(seconds: number): Uint8Array {
  const octets = new Uint8Array(16);
  set64(octets, 0, seconds);
  return octets;
}

/** sockaddr_ng: at most 31 characters and a NUL. */
function pathOf(address: Uint8Array): string {
  if (address[1] !== c('AF_NETGRAPH') || address[0] !== address.length) fail('EINVAL');
  const end = address.indexOf(0, 2);
  if (end === -1 || end - 2 > 31) fail('EINVAL');
  return cstring(address, 2, address.length - 2);
}
