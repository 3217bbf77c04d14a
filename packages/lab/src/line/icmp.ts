/**
 * The probe's packets: ICMP echo over IPv4 (RFC 791, RFC 792), as small as a kernel's own answer to a ping. No options,
 * no fragments, and of other IPv4 packets only the addresses.
 */
import { Reader, Writer, type DecodeError } from '@ppp-thing/protocol/bytes';

const ICMP = 1;
const ECHO = { reply: 0, request: 8 } as const;
const IP_HEADER = 20;

export interface Echo {
  readonly kind: 'request' | 'reply';
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly identifier: number;
  /** 0 … 0xffff. */
  readonly sequence: number;
}

/** A whole IPv4 packet with correct checksums. */
export function encodeEcho(echo: Echo): Uint8Array {
  const icmp = new Writer().u8(ECHO[echo.kind]).u8(0).u16(0);
  icmp.u16(echo.identifier).u16(echo.sequence);
  const body = withChecksum(icmp.finish(), 2);
  const header = new Writer()
    .u8(0x45)
    .u8(0)
    .u16(IP_HEADER + body.length);
  header.u16(0).u16(0).u8(64).u8(ICMP).u16(0).octets(echo.source).octets(echo.destination);
  return new Writer().octets(withChecksum(header.finish(), 10)).octets(body).finish();
}

/** The echo in an IPv4 packet; undefined if it is a good packet of another kind. @throws DecodeError */
export function decodeEcho(packet: Uint8Array): Echo | undefined {
  const { source, destination, protocol, body } = decodeIpv4(packet);
  if (protocol !== ICMP) return undefined;
  const octets = body.fork().rest();
  const type = body.u8('ICMP type');
  const kind = type === ECHO.request ? 'request' : type === ECHO.reply ? 'reply' : undefined;
  if (kind === undefined) return undefined;
  if (checksum(octets) !== 0) throw body.error('ICMP checksum');
  body.take(3, 'code and checksum');
  const identifier = body.u16('identifier');
  return { kind, source, destination, identifier, sequence: body.u16('sequence') };
}

interface Ipv4 {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly protocol: number;
  readonly body: Reader;
}

/** @throws DecodeError for another version, options, a length that does not fit or a wrong checksum */
export function decodeIpv4(packet: Uint8Array): Ipv4 {
  const reader = Reader.copy(packet);
  const fail = (what: string): DecodeError => reader.error(what);
  const header = reader.fork().take(IP_HEADER, 'IPv4 header');
  if (reader.u8('version') !== 0x45) throw fail('version and header length');
  if (checksum(header) !== 0) throw fail('IPv4 checksum');
  reader.u8('type of service');
  const length = reader.u16('total length');
  if (length < IP_HEADER) throw fail(`total length ${length}`);
  reader.take(5, 'identification, fragment and time to live');
  const protocol = reader.u8('protocol');
  reader.u16('checksum');
  const source = reader.take(4, 'source');
  const destination = reader.take(4, 'destination');
  return { source, destination, protocol, body: reader.sub(length - IP_HEADER, 'packet') };
}

/** RFC 1071: over octets with their checksum in place, zero. */
export function checksum(octets: Uint8Array): number {
  let sum = 0;
  octets.forEach((octet, i) => (sum += i % 2 === 0 ? octet << 8 : octet));
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

/** `octets` with their checksum at this offset, where they have zeros. */
export function withChecksum(octets: Uint8Array, at: number): Uint8Array {
  const sum = checksum(octets);
  octets[at] = sum >> 8;
  octets[at + 1] = sum & 0xff;
  return octets;
}
