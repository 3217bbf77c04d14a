/**
 * The messages between the two routers: one authenticated datagram with the whole snapshot of one session
 * (docs/partner-protocol.md). It proves who wrote a datagram. `partner-guard.ts` decides whether it is new, and the
 * engine what it means.
 *
 * It imports only the types of the engine's data: a second definition here would have to be kept in step by hand.
 */
import { DecodeError, Reader, Writer } from '../bytes.ts';
import type { PartnerMessage, Role, RouterId } from '../session.ts';
import { decodeSnapshot, encodeSnapshot } from './partner-snapshot.ts';
import { decodeSections, encodeSections, type Section } from './sections.ts';

/** Versions of the body, both ends included. The header and the HMAC are the same in all of them. */
interface VersionRange {
  readonly min: number;
  readonly max: number;
}

/** The versions that this file reads and writes. */
export const VERSIONS: VersionRange = { min: 1, max: 1 };

/**
 * The highest version that both routers support. Undefined if there is none: the operator must upgrade the older
 * router.
 */
export function commonVersion(a: VersionRange, b: VersionRange): number | undefined {
  const version = Math.min(a.max, b.max);
  return version >= Math.max(a.min, b.min) ? version : undefined;
}

/** Octets of a nonce. All zero means "none received yet"; no router chooses it. */
export const NONCE_LENGTH = 8;
export const NO_NONCE: Uint8Array = new Uint8Array(NONCE_LENGTH);

/** The part that is the same in every version. */
export interface PartnerHeader {
  /** Version of the body. */
  readonly version: number;
  /** The versions that the sender supports. */
  readonly versions: VersionRange;
  /** Number of the shared key that made the HMAC, 0 … 255. */
  readonly keyId: number;
  readonly sender: RouterId;
  readonly receiver: RouterId;
  /** The session's name in the configuration of both routers, 1 … 15 characters of ASCII. */
  readonly session: string;
  /** Chosen at random by the sender when it started. */
  readonly nonce: Uint8Array;
  /** Rises by at least 1 with every datagram under one nonce. The engine also orders messages by it. */
  readonly counter: bigint;
  /** The last nonce that the sender received from the receiver, or NO_NONCE. */
  readonly echo: Uint8Array;
}

export interface PartnerBody {
  /** Its sender is the one in the header. */
  readonly message: PartnerMessage;
  /** Digests of the sender's configuration, 0 … 1024 octets, for `doctor` to compare. Opaque here. */
  readonly configDigest?: Uint8Array;
  /** Every later announce frame of the sender has a counter above this one (announce-proof.ts). */
  readonly announced?: bigint;
  /** The sender's wall clock, milliseconds since 1970-01-01 UTC. The times of a lease are by it. */
  readonly clock?: bigint;
  /** The sender understands summaries, so an unchanged session may be sent to it as an entry of one (§11). */
  readonly summaries?: boolean;
}

/** An unchanged session, named by the last datagram that described it in full. */
export interface Still {
  readonly session: string;
  readonly nonce: Uint8Array;
  readonly counter: bigint;
}

/** One datagram for many sessions of a pair. */
export interface Summary {
  /** Sessions that have not changed since the datagram named here. */
  readonly stills: readonly Still[];
  /** Sessions that the partner must send in full, because the sender has not accepted the datagram named by a still. */
  readonly wants: readonly string[];
  /** As in the datagram of one session. */
  readonly announced?: bigint;
  readonly clock?: bigint;
}

/** Replaces the session's name in the header of a summary; no session has this name. */
export const SUMMARY = '*';

/** HMAC-SHA256 (RFC 2104, FIPS 180-4): 32 octets. */
export type Hmac = (key: Uint8Array, data: Uint8Array) => Uint8Array;

/** The key with this number, or undefined. */
export type KeyOf = (keyId: number) => Uint8Array | undefined;

/**
 * The result of decoding a datagram. Only the holder of a key can write an `authentic`, `summary` or `other-version`
 * one.
 */
export type Received =
  | { readonly kind: 'authentic'; readonly header: PartnerHeader; readonly body: PartnerBody }
  /** Also authentic; the header's session is SUMMARY. */
  | { readonly kind: 'summary'; readonly header: PartnerHeader; readonly summary: Summary }
  /** Authentic, but this router cannot read the version of its body. See commonVersion. */
  | { readonly kind: 'other-version'; readonly header: PartnerHeader }
  /** No such key here: a key rotation is half done, or the sender is a stranger. */
  | { readonly kind: 'unknown-key'; readonly keyId: number }
  /** The HMAC does not match the key: the keys differ, or somebody else made or altered the datagram. */
  | { readonly kind: 'forged'; readonly keyId: number };

/** Octets of the HMAC at the end. */
const HMAC_LENGTH = 32;
/** Larger datagrams are dropped unread; ours have about 700 octets. */
export const MAX_DATAGRAM = 8192;
const MAGIC = 0x7070_7468; // "ppth"
const SECTION = {
  status: 1,
  snapshot: 2,
  configDigest: 3,
  announced: 4,
  summaries: 5,
  stills: 6,
  wants: 7,
  clock: 8,
} as const;
const ROLES: readonly Role[] = ['INIT', 'BACKUP', 'MASTER'];
const FLAGS = ['healthy', 'armed', 'open', 'proven', 'yielding', 'hearing'] as const;
/** A name in its field of 16 octets, padded with zeros. */
const NAME_FIELD = /^[!-~]{1,15}\0+$/;
const NAME_LENGTH = 16;
const MAX_DIGEST = 1024;

/**
 * Encodes a datagram of version 1, with its HMAC under the key `header.keyId`.
 *
 * @throws RangeError for a value that does not fit its field: a bug of ours
 */
export function encodePartner(
  header: PartnerHeader,
  body: PartnerBody,
  key: Uint8Array,
  hmac: Hmac,
): Uint8Array {
  if (body.message.sender !== header.sender) throw new RangeError('sender is not the header’s');
  if (body.configDigest !== undefined && body.configDigest.length > MAX_DIGEST) {
    throw new RangeError(`config digest of ${body.configDigest.length} octets`);
  }
  const sections: Section[] = [
    [SECTION.status, encodeStatus(body.message)],
    [SECTION.snapshot, encodeSnapshot(body.message.snapshot)],
    [SECTION.configDigest, body.configDigest],
    [SECTION.announced, u64Octets(body.announced)],
    [SECTION.summaries, body.summaries === true ? new Uint8Array(0) : undefined],
    [SECTION.clock, u64Octets(body.clock)],
  ];
  return seal(header, sections, key, hmac);
}

/** Octets that a still or a want adds to a summary. */
export const stillLength = ({ session }: Pick<Still, 'session'>): number =>
  1 + session.length + NONCE_LENGTH + 8;

/** Encodes a summary with its HMAC; `header.session` is SUMMARY. Throws RangeError like `encodePartner`. */
export function encodeSummary(
  header: PartnerHeader,
  { stills, wants, announced, clock }: Summary,
  key: Uint8Array,
  hmac: Hmac,
): Uint8Array {
  const said = new Writer();
  for (const still of stills)
    said.octets(shortName(still.session)).octets(nonce(still.nonce)).u64(still.counter);
  const wanted = new Writer();
  for (const session of wants) wanted.octets(shortName(session));
  const sections: Section[] = [
    [SECTION.announced, u64Octets(announced)],
    [SECTION.stills, said.finish()],
    [SECTION.wants, wanted.finish()],
    [SECTION.clock, u64Octets(clock)],
  ];
  return seal(header, sections, key, hmac);
}

function seal(
  header: PartnerHeader,
  sections: readonly Section[],
  key: Uint8Array,
  hmac: Hmac,
): Uint8Array {
  if (header.version !== 1) throw new RangeError(`partner version ${header.version} is not 1`);
  const writer = new Writer()
    .u32(MAGIC)
    .u8(header.version)
    .u8(header.versions.min)
    .u8(header.versions.max)
    .u8(header.keyId)
    .u32(header.sender)
    .u32(header.receiver)
    .octets(encodeName(header.session))
    .octets(nonce(header.nonce))
    .u64(header.counter)
    .octets(nonce(header.echo));
  encodeSections(writer, sections);
  const signed = writer.finish();
  const mac = hmac(key, signed);
  if (mac.length !== HMAC_LENGTH) throw new RangeError(`HMAC of ${mac.length} octets`);
  if (signed.length + HMAC_LENGTH > MAX_DATAGRAM) {
    throw new RangeError(`datagram of ${signed.length + HMAC_LENGTH} octets`);
  }
  return new Writer().octets(signed).octets(mac).finish();
}

/**
 * Decodes a datagram; checks the HMAC before it reads the body.
 *
 * @param keyOf every key accepted now, by number
 * @throws DecodeError for octets that are not such a datagram; if their HMAC is good, the partner's software has a bug
 */
export function decodePartner(octets: Uint8Array, keyOf: KeyOf, hmac: Hmac): Received {
  if (octets.length > MAX_DATAGRAM) {
    throw new DecodeError(`datagram of ${octets.length} octets`, MAX_DATAGRAM);
  }
  const reader = Reader.copy(octets);
  const signed = reader.fork().take(Math.max(0, octets.length - HMAC_LENGTH), 'datagram');
  const header = decodeHeader(reader);
  const body = reader.sub(reader.remaining - HMAC_LENGTH, 'HMAC');
  const key = keyOf(header.keyId);
  if (key === undefined) return { kind: 'unknown-key', keyId: header.keyId };
  if (!equalInConstantTime(hmac(key, signed), reader.rest())) {
    return { kind: 'forged', keyId: header.keyId };
  }
  if (header.version !== 1) return { kind: 'other-version', header };
  return header.session === SUMMARY
    ? { kind: 'summary', header, summary: decodeSummary(body) }
    : { kind: 'authentic', header, body: decodeBody(body, header.sender) };
}

function decodeSummary(reader: Reader): Summary {
  const sections = decodeSections(reader);
  const stills = decodeEach(sections.get(SECTION.stills), (said) => ({
    session: decodeShortName(said),
    nonce: said.take(NONCE_LENGTH, 'nonce of a still'),
    counter: said.u64('counter of a still'),
  }));
  const wants = decodeEach(sections.get(SECTION.wants), decodeShortName);
  return { stills, wants, ...decodeTimes(sections) };
}

function decodeEach<T>(reader: Reader | undefined, decode: (reader: Reader) => T): T[] {
  const found: T[] = [];
  if (reader !== undefined) while (reader.remaining > 0) found.push(decode(reader));
  return found;
}

function decodeHeader(reader: Reader): PartnerHeader {
  if (reader.u32('magic') !== MAGIC) throw reader.error('not a partner datagram');
  return {
    version: reader.u8('version'),
    versions: { min: reader.u8('least version'), max: reader.u8('highest version') },
    keyId: reader.u8('key identifier'),
    sender: reader.u32('sender'),
    receiver: reader.u32('receiver'),
    session: decodeName(reader),
    nonce: reader.take(NONCE_LENGTH, 'nonce'),
    counter: reader.u64('counter'),
    echo: reader.take(NONCE_LENGTH, 'echoed nonce'),
  };
}

function decodeBody(reader: Reader, sender: RouterId): PartnerBody {
  const sections = decodeSections(reader);
  const section = (type: number, what: string): Reader => {
    const found = sections.get(type);
    if (found === undefined) throw reader.error(`datagram without ${what}`);
    return found;
  };
  const status = section(SECTION.status, 'status');
  const role = ROLES[status.u8('role')];
  if (role === undefined) throw status.error('role');
  const flags = status.u8('flags');
  const has = (flag: (typeof FLAGS)[number]): boolean => (flags & bit(flag)) !== 0;
  const message: PartnerMessage = {
    sender,
    role,
    healthy: has('healthy'),
    armed: has('armed'),
    open: has('open'),
    proven: has('proven'),
    yielding: has('yielding'),
    hearing: has('hearing'),
    snapshot: decodeSnapshot(section(SECTION.snapshot, 'snapshot').rest()),
  };
  const summaries = sections.has(SECTION.summaries) ? { summaries: true } : {};
  const digest = sections.get(SECTION.configDigest);
  if (digest !== undefined && digest.remaining > MAX_DIGEST)
    throw digest.error('config digest too long');
  return {
    message,
    ...(digest && { configDigest: digest.rest() }),
    ...decodeTimes(sections),
    ...summaries,
  };
}

const u64Octets = (value: bigint | undefined): Uint8Array | undefined =>
  value === undefined ? undefined : new Writer().u64(value).finish();

/** The sections that a datagram of one session and a summary share. */
function decodeTimes(
  sections: ReturnType<typeof decodeSections>,
): Pick<PartnerBody, 'announced' | 'clock'> {
  const announced = sections.get(SECTION.announced)?.u64('announce counter');
  const clock = sections.get(SECTION.clock)?.u64('clock');
  return {
    ...(announced !== undefined && { announced }),
    ...(clock !== undefined && { clock }),
  };
}

function encodeStatus(message: PartnerMessage): Uint8Array {
  const flags = FLAGS.reduce((sum, flag) => (message[flag] ? sum | bit(flag) : sum), 0);
  return new Writer().u8(ROLES.indexOf(message.role)).u8(flags).finish();
}

const bit = (flag: (typeof FLAGS)[number]): number => 1 << FLAGS.indexOf(flag);

export function encodeName(name: string): Uint8Array {
  const field = name.padEnd(NAME_LENGTH, '\0');
  if (!NAME_FIELD.test(field)) throw new RangeError(`session name of ${name.length} characters`);
  return Uint8Array.from(field, (character) => character.charCodeAt(0));
}

function decodeName(reader: Reader): string {
  const field = String.fromCharCode(...reader.take(NAME_LENGTH, 'session name'));
  if (!NAME_FIELD.test(field)) throw reader.error('session name');
  return field.replaceAll('\0', '');
}

/** A name preceded by its length. */
function shortName(name: string): Uint8Array {
  const field = encodeName(name);
  return Uint8Array.of(name.length, ...field.subarray(0, name.length));
}

function decodeShortName(reader: Reader): string {
  const length = reader.u8('length of a session name');
  const name = String.fromCharCode(...reader.take(length, 'session name'));
  if (!NAME_FIELD.test(name.padEnd(NAME_LENGTH, '\0'))) throw reader.error('session name');
  return name;
}

function nonce(octets: Uint8Array): Uint8Array {
  if (octets.length !== NONCE_LENGTH) throw new RangeError(`nonce of ${octets.length} octets`);
  return octets;
}

/** Takes the same time wherever the octets differ. */
export function equalInConstantTime(a: Uint8Array, b: Uint8Array): boolean {
  let difference = a.length ^ b.length;
  for (let i = 0; i < HMAC_LENGTH; i++) difference |= (a[i] ?? 0) ^ (b[i] ?? 0);
  return difference === 0;
}
