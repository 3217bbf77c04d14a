/**
 * What the sim backend and the lab say to each other: the wire between a helper and its router's simulated kernel. It
 * has no data packets: those flow in the lab, from kernel to kernel, whether or not a helper lives.
 *
 * Theory of operation. Each simulated router has a kernel of its own in the lab and a Unix stream socket of its own; the
 * socket's path is all that tells which router is meant. The kernel outlives every helper: it holds the session, its
 * gate, addresses, routes and demotion, forwards IPv4 between the session and the router's LAN, and so is adopted by
 * the next helper as FreeBSD's kernel is.
 *
 * Frames are those of `@ppp-thing/protocol/ipc/framing`: `encodeMessage` and `Deframer`. A helper connects twice:
 *
 * - **calls**: first `{ channel: 'calls', version: 1 }`, then one `Call` at a time. Each is answered at once with
 *   `{ done: value }` or `{ failed: { code, reason } }`; the first message is answered too, with `{ done: null }`. The
 *   helper reads the answer blocking, so the lab must answer without waiting for anything, and from another thread or
 *   process than the helper's.
 * - **events**: first `{ channel: 'events', version: 1 }`, answered with `{ done: null }`; then the lab sends an `Event`
 *   whenever there is one. It does not repeat the present state: a helper asks with `inspect`.
 *
 * The newest connection of each channel replaces the one before it. A connection that ends changes nothing in the kernel.
 */
import {
  anything,
  boolean,
  integer,
  nullable,
  octets,
  oneOf,
  record,
  text,
  type Shape,
  type TypeOf,
} from '@ppp-thing/protocol/ipc/schema';
import { INFORMATION, U32_MAX } from '@ppp-thing/protocol/snapshot-limits';

export const LINE_VERSION = 1;

const u16 = integer(0, 0xffff);
const u32 = integer(0, U32_MAX);
const information = integer(INFORMATION.min, INFORMATION.max);
const mac = octets(6);
const session = text(15);
const role = oneOf('INIT', 'BACKUP', 'MASTER');
const key = record({ sessionId: integer(1, 0xfffe), acMac: mac });
const count = integer(0, Number.MAX_SAFE_INTEGER);

export const OPENING = record({ channel: oneOf('calls', 'events'), version: u16 });
export type Opening = TypeOf<typeof OPENING>;

/** What may be asked of the kernel; on the wire each also has `call`, its name. A verb means what `Backend` says of it. */
export const CALLS = {
  /**
   * Make the session's port on the line, or adopt it unchanged. The port receives frames to `mac` and to broadcast.
   * `vhid` numbers the CARP group that gives the role; null means that the role is always MASTER.
   */
  start: record({ session, mac, vhid: nullable(integer(0, 255)), stub: nullable(text(15)) }),
  inspect: record({ session }),
  /** A whole Ethernet frame of EtherType 0x8863 or 0x8035, source `mac`. Carrier down: lost, as on a wire. */
  transmit: record({ session, frame: octets(14, 1514) }),
  /** Gate closed afterwards, unless this very key is attached already: then nothing changes. */
  attach: record({ session, key, maxPayload: information }),
  /** ENOTCONN: opened without an attached session. */
  gate: record({ session, open: boolean }),
  /** The kernel writes the Ethernet, PPPoE and PPP headers. ENETDOWN: gate closed or nothing attached. */
  'ppp-send': record({ session, protocol: u16, packet: octets(0, 9000) }),
  configure: record({
    session,
    mtu: information,
    up: boolean,
    ourAddress: nullable(octets(4)),
    theirAddress: nullable(octets(4)),
    interfaceIds: nullable(record({ ours: octets(8), theirs: octets(8) })),
  }),
  deconfigure: record({ session }),
  route: record({ session, via: oneOf('session', 'partner', 'none') }),
  /** Silent on the line: the sim kernel has no PADT of its own to hold back. */
  detach: record({ session }),
  /** Put `amount` of demotion in force for this session, or take it back. Idempotent. */
  demote: record({ session, on: boolean, amount: integer(0, 0xffff) }),
  counters: record({ session }),
  /** An IPv6 address of any interface of the router's; lifetimes of 0 take it away. */
  address6: record({
    interface: text(15),
    address: octets(16),
    bits: integer(0, 128),
    preferred: u32,
    valid: u32,
  }),
  unreachable6: record({ prefix: octets(16), length: integer(0, 128), on: boolean }),
  /** Forget the session, its port and everything configured. */
  remove: record({ session }),
} as const satisfies Record<string, Shape<unknown>>;

export type CallName = keyof typeof CALLS;
export type CallBody<C extends CallName> = TypeOf<(typeof CALLS)[C]>;
export type Call = { [C in CallName]: { readonly call: C } & CallBody<C> }[CallName];

/** Answers by call; every call not named here is answered with null. */
export const ANSWERS = {
  inspect: record({
    role,
    carrier: boolean,
    attached: nullable(key),
    gateOpen: boolean,
    demoted: boolean,
  }),
  counters: record({ octetsIn: count, octetsOut: count, packetsIn: count, packetsOut: count }),
} as const satisfies Partial<Record<CallName, Shape<unknown>>>;

export type AnswerBody<C extends CallName> = C extends keyof typeof ANSWERS
  ? TypeOf<(typeof ANSWERS)[C]>
  : null;

/** `code` is an errno name; ENXIO: no such session has been started. */
export const ANSWER_DONE = record({ done: anything });
export const ANSWER_FAILED = record({
  failed: record({ code: text(32), reason: text(256) }),
});
export type Answer = TypeOf<typeof ANSWER_DONE> | TypeOf<typeof ANSWER_FAILED>;

/** What the kernel says unasked; on the wire each also has `event`, its name. */
export const EVENTS = {
  /** A whole Ethernet frame of EtherType 0x8863 or 0x8035 that reached the session's port from another station. */
  frame: record({ session, frame: octets(14, 1514) }),
  /**
   * A PPP packet with Protocol 0x8000 or more that arrived in the attached session's frames: the gate is open, the
   * frame's source is the AC and its destination `mac`. Padding is cut off by PPPoE's own LENGTH.
   */
  ppp: record({ session, protocol: u16, packet: octets(0, 9000) }),
  role: record({ session, role }),
  carrier: record({ session, up: boolean }),
  closed: record({ session }),
  dropped: record({ session, frames: u32 }),
} as const satisfies Record<string, Shape<unknown>>;

export type EventName = keyof typeof EVENTS;
export type LineEvent = {
  [E in EventName]: { readonly event: E } & TypeOf<(typeof EVENTS)[E]>;
}[EventName];

type Fields = Readonly<Record<string, unknown>>;
const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const isCallName = (name: unknown): name is CallName =>
  typeof name === 'string' && Object.hasOwn(CALLS, name);
const isEventName = (name: unknown): name is EventName =>
  typeof name === 'string' && Object.hasOwn(EVENTS, name);

/** Whether a decoded value is exactly a call: for the lab. */
export const isCall = (value: unknown): value is Call => {
  if (!isFields(value) || !isCallName(value['call'])) return false;
  const { call, ...body } = value;
  return CALLS[call].is(body);
};

/** Whether a decoded value is exactly an event: for the helper. */
export const isEvent = (value: unknown): value is LineEvent => {
  if (!isFields(value) || !isEventName(value['event'])) return false;
  const { event, ...body } = value;
  return EVENTS[event].is(body);
};

const answers: Partial<Record<CallName, Shape<unknown>>> = ANSWERS;

/** Whether `done` is what `call` is answered with. */
export const isAnswer = <C extends CallName>(call: C, done: unknown): done is AnswerBody<C> => {
  const shape = answers[call];
  return shape === undefined ? done === null : shape.is(done);
};
