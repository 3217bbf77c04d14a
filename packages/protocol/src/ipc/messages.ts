/**
 * The helper's vocabulary: every sentence the two processes can say. A request names a session, never an interface, a
 * path, an ioctl or a node. One shape per message is the source of both its type and its check.
 */
import { INFORMATION, PROOF_LENGTH, U32_MAX } from '../snapshot-limits.ts';
import {
  anything,
  boolean,
  integer,
  list,
  nullable,
  octets,
  oneOf,
  record,
  text,
  type Shape,
  type TypeOf,
} from './schema.ts';

/** Raised when a message changes incompatibly; `hello` refuses another one. */
export const PROTOCOL_VERSION = 2;

/** Octets of one message, without its length prefix. */
export const MAX_MESSAGE = 64 * 1024;

/** Octets of one message of the helper's: its answer to `hello` names every session, about 110 octets each. */
export const MAX_REPLY = 1024 * 1024;

const u16 = integer(0, 0xffff);
const u32 = integer(0, U32_MAX);
const information = integer(INFORMATION.min, INFORMATION.max);
const mac = octets(6);
/** Zeros prove nothing. */
const proof = octets(PROOF_LENGTH);
/** The session's name in the configuration, which is its interface's name too. */
const session = text(15);
const role = oneOf('INIT', 'BACKUP', 'MASTER');

const key = record({ sessionId: integer(1, 0xfffe), acMac: mac });

/** What an interface of the session is given. */
const settings = {
  mtu: information,
  /** Both, or null without IPv4. */
  ourAddress: nullable(octets(4)),
  theirAddress: nullable(octets(4)),
  /** Ours and the AC's IPv6 interface identifiers, or null without IPv6. */
  interfaceIds: nullable(record({ ours: octets(8), theirs: octets(8) })),
} as const;

/** Request bodies by verb. On the wire each also has `id` (u32) and `verb`. */
export const REQUESTS = {
  /** First on every connection. Answered with what the helper is and what it found. */
  hello: record({ version: u16 }),
  /** Send a Discovery Stage payload; the helper writes the Ethernet header, its source is the session's MAC. */
  'discovery-send': record({ session, destination: mac, payload: octets(6, 1500) }),
  /**
   * Join SESSION_ID and AC MAC to the prepared interface, gate closed. Repeating it with the same key only sets autoOpen
   * and the settings: with those the opening of the gate also brings up the interface and the default route into the
   * session, by the edge to MASTER or by `gate`, in one act. Null: not known yet.
   */
  attach: record({
    session,
    key,
    maxPayload: information,
    autoOpen: boolean,
    settings: nullable(record(settings)),
  }),
  /** Open or close the wire. Opening is refused unless the interlock allows it. */
  gate: record({ session, open: boolean }),
  /** Send one PPP control packet, Protocol 0x8000 … 0xffff; `packet` begins after the Protocol field. */
  'ppp-send': record({ session, protocol: integer(0x8000, 0xffff), packet: octets(4, 1500) }),
  /** Addresses, MTU and up or down of the session's interface and of its stub. */
  configure: record({ session, up: boolean, ...settings }),
  deconfigure: record({ session }),
  /** The session's default routes, IPv4 and IPv6, in its FIB. A router that is MASTER has none via its partner: EPERM. */
  route: record({ session, via: oneOf('session', 'partner', 'none') }),
  /**
   * What DHCPv6 gave: every address of the LANs that the policy names, out of these prefixes and no other, and the
   * session's own. What an earlier request set and this one does not is removed. Lifetimes are seconds.
   */
  delegate: record({
    session,
    prefixes: list(
      record({
        prefix: octets(16),
        length: integer(32, 128),
        preferred: u32,
        valid: u32,
        exclude: nullable(record({ prefix: octets(16), length: integer(33, 128) })),
      }),
      8,
    ),
    addresses: list(record({ address: octets(16), preferred: u32, valid: u32 }), 2),
  }),
  /** Broadcast one frame from the session's MAC that teaches switches its port, and carries the epoch and its proof. */
  announce: record({ session, epoch: u32, proof }),
  /** Remove the session from the kernel without a PADT on the wire. */
  detach: record({ session }),
  /** Put the helper's own CARP demotion in force for this session, or take it back. Idempotent. */
  demote: record({ session, on: boolean }),
  counters: record({ session }),
  /**
   * FreeBSD: make this router MASTER of the session's vhid, as ifconfig(8) does. Only where the configuration has
   * fast_takeover_ms, the session is joined and the role is BACKUP; seldom: EAGAIN. A living MASTER takes it back.
   */
  claim: record({ session }),
} as const satisfies Record<string, Shape<unknown>>;

export type Verb = keyof typeof REQUESTS;
export type RequestBody<V extends Verb> = TypeOf<(typeof REQUESTS)[V]>;
export type Request = {
  [V in Verb]: { readonly id: number; readonly verb: V } & RequestBody<V>;
}[Verb];

const sessionState = record({
  session,
  role,
  carrier: boolean,
  attached: nullable(key),
  gateOpen: boolean,
  demoted: boolean,
  ourMac: mac,
});
export type SessionState = TypeOf<typeof sessionState>;

/** 64-bit counters travel as numbers: exact below 2^53 octets. */
const count = integer(0, Number.MAX_SAFE_INTEGER);

/** Reply bodies by verb; every verb not named here answers with null. */
export const REPLIES = {
  hello: record({
    version: u16,
    platform: oneOf('linux', 'freebsd'),
    pid: u32,
    sessions: list(sessionState, 4096),
  }),
  counters: record({ octetsIn: count, octetsOut: count, packetsIn: count, packetsOut: count }),
} as const satisfies Partial<Record<Verb, Shape<unknown>>>;

export type ReplyBody<V extends Verb> = V extends keyof typeof REPLIES
  ? TypeOf<(typeof REPLIES)[V]>
  : null;

/** `verb subject: CODE: reason`: what failed, on what, and which errno or refusal. `code` is the contract. */
const failure = record({ code: text(32), verb: text(64), subject: text(128), reason: text(256) });
export type Failure = TypeOf<typeof failure>;

/** Every request is answered once, in order. `done` is null for a verb that answers with nothing. */
export const DONE = record({ id: u32, done: anything });
export const FAILED = record({ id: u32, failed: failure });
export type Reply = TypeOf<typeof DONE> | TypeOf<typeof FAILED>;

/** What the helper says unasked. */
export const NOTICES = {
  /** A frame of EtherType 0x8863 addressed to the session's MAC, or broadcast. `payload` begins after the Ethernet header. */
  'discovery-frame': record({ session, source: mac, payload: octets(0, 1500) }),
  /** A control packet of the session; `packet` begins after the Protocol field. */
  'ppp-frame': record({ session, protocol: u16, packet: octets(0, 9000) }),
  /** An edge of the role of the session's vhid. Under follow-carp the gate has already followed it. */
  role: record({ session, role, gateOpen: boolean }),
  /**
   * What the helper has done by itself at the edge to MASTER, told before the `role`: microseconds from the end of the
   * wait in which the edge came, until the gate was open, the interface up, the route set, and this was written.
   */
  forwarded: record({ session, gate: u32, up: u32, route: u32, told: u32 }),
  carrier: record({ session, up: boolean }),
  /** Another station sent our announce frame: EtherType 0x8035 with the session's MAC as source. */
  'own-mac-heard': record({ session, epoch: u32, proof }),
  /** The kernel gave up the session. */
  'session-closed': record({ session }),
  /** Frames shed because the supervisor read too slowly or a limit was reached, since the last such notice. */
  dropped: record({ session, frames: u32 }),
} as const satisfies Record<string, Shape<unknown>>;

export type NoticeKind = keyof typeof NOTICES;
export type Notice = {
  [K in NoticeKind]: { readonly notice: K } & TypeOf<(typeof NOTICES)[K]>;
}[NoticeKind];
