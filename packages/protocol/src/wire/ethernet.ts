/** MAC addresses, EtherTypes, the Ethernet II header and our announce frame. The kernel handles VLAN tags. */
import { Reader, sameOctets, toHex, Writer } from '../bytes.ts';

/** Six octets. */
export type MacAddress = Uint8Array;

export const ETHERTYPE = { RARP: 0x8035, PPPOE_DISCOVERY: 0x8863, PPPOE_SESSION: 0x8864 } as const;

export const BROADCAST: MacAddress = new Uint8Array(6).fill(0xff);

/** `02:00:5e:10:53:01`, lower case, as logs and configuration show it. */
export const formatMac = (mac: MacAddress): string => (toHex(mac).match(/../g) ?? []).join(':');

/** Parses six hexadecimal numbers of one or two digits between colons, as ether_aton(3) does. */
export function parseMac(text: string): MacAddress | undefined {
  if (!/^([0-9a-f]{1,2}:){5}[0-9a-f]{1,2}$/i.test(text)) return undefined;
  return Uint8Array.from(text.split(':'), (number) => Number.parseInt(number, 16));
}

/** Group addresses (IEEE 802: the first octet's lowest bit); broadcast is one. */
export const isMulticast = (mac: MacAddress): boolean => ((mac[0] ?? 0) & 1) === 1;

/** Octets of the smallest frame, without its checksum (IEEE 802.3). */
const MIN_FRAME = 60;

export interface EthernetFrame {
  readonly destination: MacAddress;
  readonly source: MacAddress;
  readonly etherType: number;
  /** Octets after the header, padding included. */
  readonly payload: Uint8Array;
}

/** @throws DecodeError for fewer than 14 octets */
export function decodeEthernet(frame: Uint8Array): EthernetFrame {
  const reader = Reader.copy(frame);
  return {
    destination: reader.take(6, 'destination'),
    source: reader.take(6, 'source'),
    etherType: reader.u16('EtherType'),
    payload: reader.rest(),
  };
}

/** A frame without checksum, padded with zeros to 60 octets. */
export function encodeEthernet(frame: EthernetFrame): Uint8Array {
  const { destination, source, etherType, payload } = frame;
  if (destination.length !== 6 || source.length !== 6) throw new RangeError('not a MAC address');
  const writer = new Writer().octets(destination).octets(source).u16(etherType).octets(payload);
  return writer.octets(new Uint8Array(Math.max(0, MIN_FRAME - writer.length))).finish();
}

/** The meaning of an announce frame: the holder of `epoch` is on the port that the frame came from. */
interface Announcement {
  /** The session's MAC address. It is the frame's source, so switches learn its port. */
  readonly mac: MacAddress;
  /** 0 … 0xffffffff. */
  readonly epoch: number;
}

/**
 * The payload of an announce frame up to the sender's hardware address, in the format of RFC 903: Ethernet, IPv4,
 * addresses of 6 and 4 octets, request reverse. Every switch forwards this broadcast and learns from it. No host
 * answers, because the line has no RARP server. Hypervisors announce a moved machine the same way.
 */
const REQUEST_REVERSE = Uint8Array.of(0, 1, 0x08, 0, 6, 4, 0, 3);

/** The announce frame, 60 octets. The epoch replaces the sender's protocol address, which is meaningless here. */
export function encodeAnnounce({ mac, epoch }: Announcement): Uint8Array {
  const payload = new Writer().octets(REQUEST_REVERSE).octets(mac).u32(epoch);
  payload.octets(mac).u32(0);
  return encodeEthernet({
    destination: BROADCAST,
    source: mac,
    etherType: ETHERTYPE.RARP,
    payload: payload.finish(),
  });
}

/**
 * Decodes an announce frame; octets after it are padding.
 *
 * @throws DecodeError for any other frame, or one whose hardware addresses differ from its source address
 */
export function decodeAnnounce(frame: Uint8Array): Announcement {
  const { source, etherType, payload } = decodeEthernet(frame);
  const reader = new Reader(payload, 14);
  const sameMac = (what: string): void => {
    if (!sameOctets(reader.take(6, what), source)) throw reader.error(`${what} is not the source`);
  };
  if (etherType !== ETHERTYPE.RARP) throw reader.error(`EtherType ${etherType}`);
  if (!sameOctets(reader.take(8, 'RARP header'), REQUEST_REVERSE))
    throw reader.error('RARP header');
  sameMac('sender hardware address');
  const epoch = reader.u32('sender protocol address');
  sameMac('target hardware address');
  reader.u32('target protocol address');
  return { mac: source, epoch };
}
