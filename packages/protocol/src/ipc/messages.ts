/**
 * Every message between the helper and the supervisor. A request names a session, never an interface, a path, an ioctl
 * or a node. One shape per message defines both its type and its check. It does no I/O.
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

/** Raised when a message changes incompatibly; the helper refuses a `hello` with another version. */
export const PROTOCOL_VERSION = 2;

/** Octets of one message, without its length prefix. */
export const MAX_MESSAGE = 64 * 1024;

/** Octets of one message from the helper: its reply to `hello` lists every session, about 110 octets each. */
export const MAX_REPLY = 1024 * 1024;

/** Octets of a discovery payload and of a PPP packet, at most. The helper drops longer ones: some lines carry jumbo frames. */
export const MAX_PAYLOAD = 1500;
export const MAX_PACKET = 9000;

const u16 = integer(0, 0xffff);
const u32 = integer(0, U32_MAX);
const information = integer(INFORMATION.min, INFORMATION.max);
const mac = octets(6);
/** All zeros is no proof. */
const proof = octets(PROOF_LENGTH);
/** The session's name in the configuration, and the name of its interface. */
const session = text(15);
const role = oneOf('INIT', 'BACKUP', 'MASTER');

const key = record({ sessionId: integer(1, 0xfffe), acMac: mac });

/** Settings of the session's interface. */
const settings = {
  mtu: information,
  /** Both addresses, or null without IPv4. */
  ourAddress: nullable(octets(4)),
  theirAddress: nullable(octets(4)),
  /** Ours and the AC's IPv6 interface identifiers, or null without IPv6. */
  interfaceIds: nullable(record({ ours: octets(8), theirs: octets(8) })),
} as const;

/** Request bodies by verb. On the wire each also has `id` (u32) and `verb`. */
export const REQUESTS = {
  /** First on every connection. The reply describes the helper and the state it found. */
  hello: record({ version: u16 }),
  /** Send a Discovery Stage payload. The helper writes the Ethernet header, with the session's MAC as source. */
  'discovery-send': record({ session, destination: mac, payload: octets(6, 1500) }),
  /**
   * Attach SESSION_ID and AC MAC to the prepared interface, gate closed. Repeating it with the same key only sets
   * autoOpen and the settings. If it has settings, opening the gate (at the edge to MASTER, or by `gate`) also brings
   * up the interface and sets the default route into the session, in one step. Null settings: not known yet.
   */
  attach: record({
    session,
    key,
    maxPayload: information,
    autoOpen: boolean,
    settings: nullable(record(settings)),
  }),
  /** Open or close the gate. The helper refuses to open it unless the interlock allows it. */
  gate: record({ session, open: boolean }),
  /** Send one PPP control packet, Protocol 0x8000 … 0xffff; `packet` begins after the Protocol field. */
  'ppp-send': record({ session, protocol: integer(0x8000, 0xffff), packet: octets(4, 1500) }),
  /** Set addresses, MTU and up or down of the session's interface and of its stub. */
  configure: record({ session, up: boolean, ...settings }),
  deconfigure: record({ session }),
  /** Set the session's default routes, IPv4 and IPv6, in its FIB. The helper refuses `partner` to a MASTER: EPERM. */
  route: record({ session, via: oneOf('session', 'partner', 'none') }),
  /**
   * Set the addresses from DHCPv6: those of the LANs in the policy, from these prefixes only, and the session's own.
   * The helper removes addresses that an earlier request set and this one does not. Lifetimes are seconds.
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
  /** Broadcast one frame from the session's MAC. It teaches switches the port, and contains the epoch and its proof. */
  announce: record({ session, epoch: u32, proof }),
  /** Remove the session from the kernel without a PADT on the wire. */
  detach: record({ session }),
  /** Set or remove the helper's own CARP demotion for this session. Idempotent. */
  demote: record({ session, on: boolean }),
  counters: record({ session }),
  /**
   * FreeBSD: make this router MASTER of the session's vhid, as ifconfig(8) does. Allowed only if the configuration has
   * fast_takeover_ms, the session is attached and the role is BACKUP. Rate-limited: EAGAIN. A living MASTER takes the
   * role back.
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

/** Reply bodies by verb; every verb not listed here replies with null. */
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

/** `verb subject: CODE: reason`: the failed action, its subject, and the errno or refusal. `code` is stable. */
const failure = record({ code: text(32), verb: text(64), subject: text(128), reason: text(256) });
export type Failure = TypeOf<typeof failure>;

/** The helper answers every request once, in order. `done` is null for a verb without a reply body. */
export const DONE = record({ id: u32, done: anything });
export const FAILED = record({ id: u32, failed: failure });
export type Reply = TypeOf<typeof DONE> | TypeOf<typeof FAILED>;

/** Messages that the helper sends unasked. */
export const NOTICES = {
  /** A frame of EtherType 0x8863 addressed to the session's MAC, or broadcast. `payload` begins after the Ethernet header. */
  'discovery-frame': record({ session, source: mac, payload: octets(0, MAX_PAYLOAD) }),
  /** A control packet of the session; `packet` begins after the Protocol field. */
  'ppp-frame': record({ session, protocol: u16, packet: octets(0, MAX_PACKET) }),
  /** The role of the session's vhid has changed. Under follow-carp the gate has already followed it. */
  role: record({ session, role, gateOpen: boolean }),
  /**
   * Timing of the helper's own actions at the edge to MASTER, sent before `role`: microseconds from the poll that
   * returned the edge until the gate was open, the interface up, the route set, and this notice written.
   */
  forwarded: record({ session, gate: u32, up: u32, route: u32, told: u32 }),
  carrier: record({ session, up: boolean }),
  /** Another station sent our announce frame: EtherType 0x8035 with the session's MAC as source. */
  'own-mac-heard': record({ session, epoch: u32, proof }),
  /** The kernel closed the session. */
  'session-closed': record({ session }),
  /** Frames dropped since the last such notice, because the supervisor read too slowly or a limit was reached. */
  dropped: record({ session, frames: u32 }),
} as const satisfies Record<string, Shape<unknown>>;

export type NoticeKind = keyof typeof NOTICES;
export type Notice = {
  [K in NoticeKind]: { readonly notice: K } & TypeOf<(typeof NOTICES)[K]>;
}[NoticeKind];
