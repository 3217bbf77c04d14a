/**
 * UDP over IPv6 (RFC 768, RFC 8200 §8.1), as far as DHCPv6 needs it: no extension headers, no fragments. What is in a
 * datagram is not read here.
 */
import { Reader, Writer } from '@ppp-thing/protocol/bytes';
import { checksum, withChecksum } from './icmp.ts';

const UDP = 17;
const UDP_HEADER = 8;
const PSEUDO_HEADER = 40;

export interface Udp6 {
  readonly source: Uint8Array;
  readonly destination: Uint8Array;
  readonly sourcePort: number;
  readonly destinationPort: number;
  readonly octets: Uint8Array;
}

/** A whole IPv6 packet with its checksum. */
export function encodeUdp6({ octets, ...to }: Udp6): Uint8Array {
  const length = UDP_HEADER + octets.length;
  const ports = new Writer().u16(to.sourcePort).u16(to.destinationPort);
  const udp = ports.u16(length).u16(0).octets(octets).finish();
  const summed = withChecksum(pseudo(to, udp), PSEUDO_HEADER + 6);
  const header = new Writer().u32(0x6000_0000).u16(length).u8(UDP).u8(1);
  header.octets(to.source).octets(to.destination);
  return header.octets(summed.subarray(PSEUDO_HEADER)).finish();
}

/** The datagram in an IPv6 packet; undefined if it is a packet of another kind. @throws DecodeError */
export function decodeUdp6(packet: Uint8Array): Udp6 | undefined {
  const reader = Reader.copy(packet);
  if (reader.u32('version') >>> 28 !== 6) return undefined;
  const length = reader.u16('payload length');
  const next = reader.u8('next header');
  reader.u8('hop limit');
  const source = reader.take(16, 'source');
  const destination = reader.take(16, 'destination');
  if (next !== UDP) return undefined;
  const body = reader.sub(length, 'payload');
  if (checksum(pseudo({ source, destination }, body.fork().rest())) !== 0)
    throw body.error('UDP checksum');
  const sourcePort = body.u16('source port');
  const destinationPort = body.u16('destination port');
  body.take(4, 'length and checksum');
  return { source, destination, sourcePort, destinationPort, octets: body.rest() };
}

/** What the checksum is of. */
const pseudo = (ends: Pick<Udp6, 'source' | 'destination'>, udp: Uint8Array): Uint8Array => {
  const header = new Writer().octets(ends.source).octets(ends.destination);
  return header.u32(udp.length).u32(UDP).octets(udp).finish();
};
