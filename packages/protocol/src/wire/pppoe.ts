/**
 * PPPoE packets: the Discovery Stage with its tags, and the header of the Session Stage (RFC 2516 §4–§6, appendix A;
 * RFC 4638). The helper, not this file, writes and reads the Ethernet header.
 */
import { Reader, sameOctets, Writer } from '../bytes.ts';

/** Octets of an Ethernet frame left for PPP (RFC 2516 §7). */
export const PLAIN_PAYLOAD = 1492;
/** VER 1, TYPE 1 (RFC 2516 §4). */
const VER_TYPE = 0x11;
/** CODE of the Session Stage (RFC 2516 §6). */
const SESSION_DATA = 0x00;

/** CODE values (RFC 2516 §5). */
export const CODE = { PADI: 0x09, PADO: 0x07, PADR: 0x19, PADS: 0x65, PADT: 0xa7 } as const;
export type DiscoveryCode = keyof typeof CODE;

/** TAG_TYPE values (RFC 2516 appendix A, RFC 4638 §4). */
export const TAG = {
  'End-Of-List': 0x0000,
  'Service-Name': 0x0101,
  'AC-Name': 0x0102,
  'Host-Uniq': 0x0103,
  'AC-Cookie': 0x0104,
  'Vendor-Specific': 0x0105,
  'Relay-Session-Id': 0x0110,
  'PPP-Max-Payload': 0x0120,
  'Service-Name-Error': 0x0201,
  'AC-System-Error': 0x0202,
  'Generic-Error': 0x0203,
} as const;

export interface Tag {
  /** TAG_TYPE: one of TAG, or an unknown number, which the engine ignores. */
  readonly type: number;
  readonly value: Uint8Array;
}

export interface DiscoveryPacket {
  readonly code: DiscoveryCode;
  /** 0 except in PADS and PADT. */
  readonly sessionId: number;
  readonly tags: readonly Tag[];
}

/** SESSION_ID 0 means none; 0xffff is reserved (RFC 2516 §4). */
export const isSessionId = (id: number): boolean => id > 0 && id < 0xffff;

/** For people: in hexadecimal, as tcpdump and Wireshark show it. */
export const formatSessionId = (id: number): string => `0x${id.toString(16).padStart(4, '0')}`;

/** The first tag of `type`, or undefined. */
export const findTag = (packet: DiscoveryPacket, type: number): Tag | undefined =>
  packet.tags.find((tag) => tag.type === type);

/** Whether one of the tags of `type` is `value`: a relay may have put a tag of its own beside it. */
export const hasTag = (packet: DiscoveryPacket, type: number, value: Uint8Array): boolean =>
  packet.tags.some((tag) => tag.type === type && sameOctets(tag.value, value));

/**
 * A Discovery Stage packet (RFC 2516 §4, §5). Octets after LENGTH are Ethernet padding and are ignored. An End-Of-List
 * tag ends the list and is not part of it; so do one to three zero octets, which an AC has padded with and counted in
 * LENGTH. Tags of unknown types are kept; the engine ignores them.
 *
 * @param payload the octets after the Ethernet header
 * @throws DecodeError for another VER or TYPE, a CODE not in §5, a LENGTH beyond the octets received, or a tag beyond
 * LENGTH
 */
export function decodeDiscovery(payload: Uint8Array): DiscoveryPacket {
  const { code: number, sessionId, body } = decodeHeader(payload);
  const code = CODE_NAMES.get(number);
  if (code === undefined) throw body.error(`CODE ${number} of a discovery packet`);
  const tags: Tag[] = [];
  while (body.remaining > 0 && !isPadding(body.fork().rest())) {
    const type = body.u16('TAG_TYPE');
    const length = body.u16('TAG_LENGTH');
    if (type === TAG['End-Of-List']) break;
    tags.push({ type, value: body.take(length, 'TAG_VALUE') });
  }
  return { code, sessionId, tags };
}

/** Octets of TAG_TYPE and TAG_LENGTH. */
const TAG_HEADER = 4;
const isPadding = (rest: Uint8Array): boolean =>
  rest.length < TAG_HEADER && rest.every((octet) => octet === 0);

/** Encodes `packet` without padding, and without an End-Of-List tag, which appendix A makes optional. */
export function encodeDiscovery(packet: DiscoveryPacket): Uint8Array {
  const writer = new Writer().u8(VER_TYPE).u8(CODE[packet.code]).u16(packet.sessionId);
  writer.counted16((into) => {
    for (const { type, value } of packet.tags) {
      into.u16(type).counted16((tag) => tag.octets(value));
    }
  });
  return writer.finish();
}

/** A Session Stage packet (RFC 2516 §6): one PPP packet of a session. */
interface SessionPacket {
  readonly sessionId: number;
  /** PPP Protocol field; two octets, since Protocol-Field-Compression is not negotiated (§7). */
  readonly protocol: number;
  /** The octets after the Protocol field. */
  readonly packet: Uint8Array;
}

/**
 * A Session Stage packet, trimmed to LENGTH. In the product the kernel decodes these; a simulated line has no kernel.
 *
 * @param payload the octets after the Ethernet header
 * @throws DecodeError for another VER, TYPE or CODE, or a LENGTH beyond the octets received or too short for a Protocol
 * field
 */
export function decodeSession(payload: Uint8Array): SessionPacket {
  const { code, sessionId, body } = decodeHeader(payload);
  if (code !== SESSION_DATA) throw body.error(`CODE ${code} of a session packet`);
  return { sessionId, protocol: body.u16('Protocol'), packet: body.rest() };
}

export function encodeSession({ sessionId, protocol, packet }: SessionPacket): Uint8Array {
  return new Writer()
    .u8(VER_TYPE)
    .u8(SESSION_DATA)
    .u16(sessionId)
    .counted16((into) => into.u16(protocol).octets(packet))
    .finish();
}

const CODE_NAMES: ReadonlyMap<number, DiscoveryCode> = new Map(
  Object.entries(CODE).map(([name, number]) => [number, name as DiscoveryCode]),
);

function decodeHeader(payload: Uint8Array): { code: number; sessionId: number; body: Reader } {
  const reader = Reader.copy(payload);
  if (reader.u8('VER and TYPE') !== VER_TYPE) throw reader.error('VER and TYPE are not 1 and 1');
  const code = reader.u8('CODE');
  const sessionId = reader.u16('SESSION_ID');
  return { code, sessionId, body: reader.sub(reader.u16('LENGTH'), 'payload of LENGTH') };
}
