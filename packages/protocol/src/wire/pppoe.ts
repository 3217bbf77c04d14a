/**
 * PPPoE Discovery Stage packets and their tags (RFC 2516 §4, §5, appendix A; RFC 4638). The Ethernet header is not
 * part of a packet here: the helper writes and reads it. Session Stage framing is the kernel's.
 */

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
  /** TAG_TYPE: one of TAG, or a number we do not know and ignore. */
  readonly type: number;
  readonly value: Uint8Array;
}

export interface DiscoveryPacket {
  readonly code: DiscoveryCode;
  /** 0 but in PADS and PADT. */
  readonly sessionId: number;
  readonly tags: readonly Tag[];
}

/** SESSION_ID 0 means none; 0xffff is reserved (RFC 2516 §4). */
export const isSessionId = (id: number): boolean => id > 0 && id < 0xffff;

/** The first tag of `type`, or undefined. */
export const findTag = (packet: DiscoveryPacket, type: number): Tag | undefined =>
  packet.tags.find((tag) => tag.type === type);
