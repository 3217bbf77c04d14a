/**
 * systemd's file descriptor store, and nothing else of systemd (sd_pid_notify_with_fds(3), sd_listen_fds(3)): keeps the
 * descriptors that a service sends with its notifications, and passes them to the next process of that service.
 */
import koffi from 'koffi';
import type { Libc } from '@ppp-thing/helper/libc';
import { setCloseOnExec, unixAddress } from '@ppp-thing/helper/unix';

const AF_UNIX = 1;
const SOCK_DGRAM_NONBLOCK = 0x802;

const octets = 'void *';
const piece = koffi.struct({ data: octets, length: 'size_t' });
const message = koffi.struct({
  from: octets,
  fromLength: 'uint32_t',
  pieces: koffi.pointer(piece),
  count: 'size_t',
  rights: octets,
  rightsLength: 'size_t',
  flags: 'int',
});
type Recvmsg = (fd: number, into: { rightsLength: number }, flags: number) => number;

/** Not before a store is made: the module is loaded on systems without this library too. */
const bindRecvmsg = (): Recvmsg =>
  koffi
    .load('libc.so.6')
    .func('recvmsg', 'long', ['int', koffi.inout(koffi.pointer(message)), 'int']) as Recvmsg;

interface Kept {
  readonly name: string;
  readonly fd: number;
}

export class DescriptorStore {
  /** Every notification, oldest first. */
  readonly heard: string[] = [];
  readonly #libc: Libc;
  readonly #path: string;
  readonly #socket: number;
  readonly #recvmsg = bindRecvmsg();
  #kept: Kept[] = [];

  constructor(libc: Libc, path: string) {
    this.#libc = libc;
    this.#path = path;
    this.#socket = libc.socket(AF_UNIX, SOCK_DGRAM_NONBLOCK, 0);
    setCloseOnExec(libc, this.#socket);
    libc.bind(this.#socket, unixAddress(libc, path));
  }

  /** What is kept, after every notification that has come. A queue that is full loses some, so call it now and then. */
  kept(): readonly Kept[] {
    for (;;) {
      const data = new Uint8Array(512);
      const rights = new Uint8Array(256);
      const into = {
        from: null,
        fromLength: 0,
        pieces: {
          data,
          length: data.length,
        },
        count: 1,
        rights,
        rightsLength: rights.length,
        flags: 0,
      };
      const length = this.#recvmsg(this.#socket, into, 0);
      if (length < 0) return this.#kept;
      this.#take(
        new TextDecoder().decode(data.subarray(0, length)),
        new Int32Array(rights.buffer, 16, Math.max(0, into.rightsLength - 16) / 4),
      );
    }
  }

  #take(text: string, fds: Iterable<number>): void {
    this.heard.push(text);
    const fields = new Map(text.split('\n').map((line) => line.split('=') as [string, string]));
    const name = fields.get('FDNAME') ?? 'stored';
    for (const fd of fds) {
      setCloseOnExec(this.#libc, fd);
      if (fields.has('FDSTORE')) this.#kept.push({ name, fd });
      else this.#libc.close(fd);
    }
    if (!fields.has('FDSTOREREMOVE')) return;
    for (const each of this.#kept) if (each.name === name) this.#libc.close(each.fd);
    this.#kept = this.#kept.filter((each) => each.name !== name);
  }

  /** How to start the next process of the service: what goes before its command, and what it gets, from descriptor 3 on. */
  next(): {
    readonly command: readonly string[];
    readonly env: Readonly<Record<string, string>>;
    readonly fds: readonly number[];
  } {
    const kept = this.kept();
    return {
      command: ['sh', '-c', 'LISTEN_PID=$$ exec "$@"', 'sh'],
      env: {
        NOTIFY_SOCKET: this.#path,
        LISTEN_FDS: String(kept.length),
        LISTEN_FDNAMES: kept.map(({ name }) => name).join(':'),
      },
      fds: kept.map(({ fd }) => fd),
    };
  }

  /** Put in a descriptor of the caller's, as only the service itself could. */
  put(name: string, fd: number): void {
    this.#kept.push({ name, fd });
  }

  /** The service is stopped: what is kept is closed. */
  close(): void {
    for (const { fd } of this.kept()) this.#libc.close(fd);
    this.#kept = [];
    this.#libc.close(this.#socket);
  }
}
