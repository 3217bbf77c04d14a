/**
 * A `Libc` over a stream: what the process that has none asks, and what the one that has it answers, one shape per
 * message. It moves nothing; `remote.ts` asks and `remote-door.ts` answers.
 *
 * Frames are those of `@ppp-thing/protocol/ipc/framing`, with a limit of their own. A process connects twice:
 *
 * - **calls**: first `{ channel: 'calls', version: 1 }`, answered with the system's platform and a number for this process;
 *   then one call at a time, each answered at once with `{ done }` or `{ failed }`. The asker reads the answer blocking.
 * - **poll**: first `{ channel: 'poll', version: 1, process }`, not answered; then one `Poll` at a time, answered when a
 *   descriptor is ready or the time is up.
 *
 * The end of the first is the end of the process: its descriptors are closed, as after kill -9.
 */
import {
  anything,
  integer,
  list,
  nullable,
  octets,
  oneOf,
  record,
  text,
  type Shape,
  type TypeOf,
} from '@ppp-thing/protocol/ipc/schema';

export const VERSION = 1;
/** Octets of one message: the largest buffer of the helper, a netgraph control socket's, and room to spare. */
export const LIMIT = 1024 * 1024;
const LARGEST = LIMIT / 2;

const fd = integer(-1, 0x7fff_ffff);
const int = integer(-0x8000_0000, 0xffff_ffff);
const count = integer(0, LARGEST);
const data = octets(0, LARGEST);
const path = text(1024);
const several = 1024;

export const OPEN_CALLS = record({ channel: oneOf('calls'), version: int });
export const OPEN_POLL = record({ channel: oneOf('poll'), version: int, process: int });
export const WELCOME = record({ platform: oneOf('linux', 'freebsd'), process: int });

/** The arguments, by the names in `Libc`. A buffer that is only filled is told by its size. */
export const CALLS = {
  open: record({ path, flags: int, mode: int }),
  close: record({ fd }),
  read: record({ fd, room: count }),
  write: record({ fd, data }),
  socket: record({ domain: int, type: int, protocol: int }),
  bind: record({ fd, address: data }),
  listen: record({ fd, backlog: int }),
  accept: record({ fd }),
  connect: record({ fd, address: data }),
  sendto: record({ fd, data, flags: int, address: nullable(data) }),
  recvfrom: record({ fd, room: count, flags: int, fromRoom: nullable(count) }),
  getsockopt: record({ fd, level: int, option: int, room: count }),
  setsockopt: record({ fd, level: int, option: int, value: data }),
  ioctl: record({
    fd,
    request: int,
    octets: nullable(data),
    number: nullable(int),
    pointers: list(record({ at: count, to: data }), several),
  }),
  fcntl: record({ fd, command: int, argument: int }),
  pipe: record({}),
  sysctl: record({ name: path, room: count, value: nullable(data) }),
  getpeereid: record({ fd }),
  kldload: record({ name: path }),
  unlink: record({ path }),
} as const satisfies Record<string, Shape<unknown>>;

export type CallName = keyof typeof CALLS;
export type CallBody<C extends CallName> = TypeOf<(typeof CALLS)[C]>;

const nothing: Shape<null> = { is: (value): value is null => value === null };
/** What a buffer was filled with, of it no more than the call gave, and the call's own result. */
const filled = record({ result: int, octets: data });

/** What each call gives. */
export const ANSWERS = {
  open: int,
  close: nothing,
  read: filled,
  write: int,
  socket: int,
  bind: nothing,
  listen: nothing,
  accept: int,
  connect: nothing,
  sendto: int,
  recvfrom: record({ length: int, octets: data, fromLength: int, from: data }),
  getsockopt: filled,
  setsockopt: nothing,
  ioctl: record({ result: int, octets: data, pointers: list(data, several) }),
  fcntl: int,
  pipe: record({ read: fd, write: fd }),
  sysctl: data,
  getpeereid: record({ uid: int, gid: int, pid: nullable(int) }),
  kldload: nothing,
  unlink: nothing,
} as const satisfies Record<CallName, Shape<unknown>>;

export type AnswerBody<C extends CallName> = TypeOf<(typeof ANSWERS)[C]>;

export const CALL = record({ call: text(16), body: anything });
export const DONE = record({ done: anything });
/** A `SystemError`. */
export const FAILED = record({
  failed: record({ call: text(64), code: text(32), errno: int }),
});

export const POLL = record({
  entries: list(record({ fd, events: int }), several),
  timeoutMs: integer(0, 0x7fff_ffff),
});
/** `revents` of each entry, in their order. */
export const POLLED = record({ found: count, revents: list(int, several) });

export const isCallName = (name: string): name is CallName => Object.hasOwn(CALLS, name);
