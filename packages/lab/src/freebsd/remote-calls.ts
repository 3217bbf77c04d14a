/**
 * A `Libc` over a stream: the messages between the process that has none and the one that has it. It moves nothing;
 * `remote.ts` asks and `remote-door.ts` answers.
 *
 * Frames are those of `@ppp-thing/protocol/ipc/framing`, with a limit of their own. A process connects twice:
 *
 * - **calls**: first `{ channel: 'calls', version }`, answered with the system's platform and a number for this process;
 *   then one call at a time, each answered at once with `{ done, buffers }` or `{ failed }`. The asker reads the answer
 *   blocking.
 * - **poll**: first `{ channel: 'poll', version, process }`, not answered; then one `Poll` at a time, answered when a
 *   descriptor is ready or the time is up.
 *
 * The end of the first is the end of the process: its descriptors are closed, as after kill -9.
 */
import type { Libc } from '@ppp-thing/helper/libc';
import {
  anything,
  integer,
  list,
  octets,
  oneOf,
  record,
  text,
} from '@ppp-thing/protocol/ipc/schema';

export const VERSION = 2;
/** Octets of one message: the largest buffer of the helper, a netgraph control socket's, and room to spare. */
export const LIMIT = 1024 * 1024;

const int = integer(-0x8000_0000, 0xffff_ffff);
const several = 1024;

export const OPEN_CALLS = record({ channel: oneOf('calls'), version: int });
export const OPEN_POLL = record({ channel: oneOf('poll'), version: int, process: int });
export const WELCOME = record({ platform: oneOf('linux', 'freebsd'), process: int });

/** `getsockname` is of Linux alone. */
export type CallName = Exclude<keyof Libc, 'platform' | 'poll' | 'getsockname'>;

/**
 * Every call, with the arguments that it only fills: the asker sends their length, and gets as much of each as the call
 * gave. Any other buffer is sent, and comes back as the call has left it.
 */
export const CALLS: Readonly<Record<CallName, readonly number[]>> = {
  open: [],
  close: [],
  read: [1],
  write: [],
  socket: [],
  bind: [],
  listen: [],
  accept: [],
  connect: [],
  sendto: [],
  recvfrom: [1, 3],
  getsockopt: [],
  setsockopt: [],
  ioctl: [],
  fcntl: [],
  pipe: [],
  sysctl: [],
  getpeereid: [],
  kldload: [],
  unlink: [],
};

/** In the place of a buffer that the call only fills. */
export const ROOM = record({ room: integer(0, LIMIT / 2) });
/** An absent argument is null. */
export const CALL = record({ call: text(16), args: list(anything, 8) });
/** What `recvfrom` gives. */
export const RECEIVED = record({ length: int, fromLength: int });
/** `buffers`: those among the arguments, in their order, with those that an argument points to. */
export const DONE = record({ done: anything, buffers: list(octets(0, LIMIT / 2), several) });
/** A `SystemError`. */
export const FAILED = record({
  failed: record({ call: text(64), code: text(32), errno: int }),
});

export const POLL = record({
  entries: list(record({ fd: integer(-1, 0x7fff_ffff), events: int }), several),
  timeoutMs: integer(0, 0x7fff_ffff),
});
/** `revents` of each entry, in their order. */
export const POLLED = record({ found: integer(0, several), revents: list(int, several) });

export const isCallName = (name: string): name is CallName => Object.hasOwn(CALLS, name);

/** The buffers among the arguments of a call, in their order. */
export const buffersOf = (args: readonly unknown[]): Uint8Array[] =>
  args.flatMap((each) => {
    if (each instanceof Uint8Array) return [each];
    const pointers: readonly { readonly to: Uint8Array }[] = Array.isArray(each) ? each : [];
    return pointers.map(({ to }) => to);
  });
