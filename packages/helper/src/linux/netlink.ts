/**
 * Netlink messages (netlink(7)): header, attributes, errors; built and taken apart as octets. It opens no socket and
 * knows no message's meaning: that is `rtnetlink.ts`.
 *
 * Every number is in the host's own order. Lengths do not include padding; the next item begins at a multiple of 4.
 */
import { endianness } from 'node:os';

const LITTLE = endianness() === 'LE';

export const NLM_F = {
  REQUEST: 0x01,
  MULTI: 0x02,
  ACK: 0x04,
  DUMP: 0x300,
  REPLACE: 0x100,
  EXCL: 0x200,
  CREATE: 0x400,
  APPEND: 0x800,
} as const;

export const NLMSG = { ERROR: 2, DONE: 3 } as const;

/** Octets of `struct nlmsghdr`. */
const HEADER = 16;

const aligned = (length: number): number => (length + 3) & ~3;

const viewOf = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

/** Numbers in host order at an offset; what lies outside the octets reads as 0. */
export const u16At = (octets: Uint8Array, at: number): number =>
  at + 2 <= octets.length ? viewOf(octets).getUint16(at, LITTLE) : 0;
export const u32At = (octets: Uint8Array, at: number): number =>
  at + 4 <= octets.length ? viewOf(octets).getUint32(at, LITTLE) : 0;
export const i32At = (octets: Uint8Array, at: number): number => u32At(octets, at) | 0;
/** A 64-bit counter as a number: exact below 2^53. */
export const u64At = (octets: Uint8Array, at: number): number =>
  at + 8 <= octets.length ? Number(viewOf(octets).getBigUint64(at, LITTLE)) : 0;

export function putU16(octets: Uint8Array, at: number, value: number): void {
  viewOf(octets).setUint16(at, value, LITTLE);
}
export function putU32(octets: Uint8Array, at: number, value: number): void {
  viewOf(octets).setUint32(at, value >>> 0, LITTLE);
}

/** Four octets holding `value`, which may be negative. */
export function u32(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  putU32(octets, 0, value);
  return octets;
}

const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
};

/** One attribute, padded. A list of attributes as the value makes it a nest. */
export function attribute(type: number, value: Uint8Array | readonly Uint8Array[]): Uint8Array {
  const body = value instanceof Uint8Array ? value : concat(value);
  const octets = new Uint8Array(aligned(4 + body.length));
  putU16(octets, 0, 4 + body.length);
  putU16(octets, 2, type);
  octets.set(body, 4);
  return octets;
}

/** A text attribute, with the terminating zero the kernel expects. */
export const textAttribute = (type: number, text: string): Uint8Array =>
  attribute(type, new TextEncoder().encode(`${text}\0`));

/** A request without its sequence number, which `withSequence` sets. `fixed` is the family's own header. */
export function message(
  type: number,
  flags: number,
  fixed: Uint8Array,
  attributes: readonly Uint8Array[] = [],
): Uint8Array {
  const header = new Uint8Array(HEADER);
  const octets = concat([header, fixed, ...attributes]);
  putU32(octets, 0, octets.length);
  putU16(octets, 4, type);
  putU16(octets, 6, flags | NLM_F.REQUEST);
  return octets;
}

/** Sets the sequence number in place, so that the answer can be matched. Returns the same octets. */
export function withSequence(request: Uint8Array, sequence: number): Uint8Array {
  putU32(request, 8, sequence);
  return request;
}

export interface Message {
  readonly type: number;
  readonly flags: number;
  readonly sequence: number;
  /** After the netlink header. */
  readonly body: Uint8Array;
}

/** The messages in what one receive returned. A length that does not fit ends the list. */
export function decodeMessages(octets: Uint8Array): Message[] {
  const messages: Message[] = [];
  for (let at = 0; at + HEADER <= octets.length;) {
    const length = u32At(octets, at);
    if (length < HEADER || at + length > octets.length) break;
    messages.push({
      type: u16At(octets, at + 4),
      flags: u16At(octets, at + 6),
      sequence: u32At(octets, at + 8),
      body: octets.subarray(at + HEADER, at + length),
    });
    at += aligned(length);
  }
  return messages;
}

/** The errno of an NLMSG_ERROR, or of the NLMSG_DONE that ends a dump; 0 is an acknowledgement. */
export const errorOf = (message: Message): number => -i32At(message.body, 0);

/** Attributes by type; of two of one type the later. A length that does not fit ends the list. */
export function decodeAttributes(octets: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  for (let at = 0; at + 4 <= octets.length;) {
    const length = u16At(octets, at);
    if (length < 4 || at + length > octets.length) break;
    // The two highest bits say "nested" and "network order"; the type is the rest.
    found.set(u16At(octets, at + 2) & 0x3fff, octets.subarray(at + 4, at + length));
    at += aligned(length);
  }
  return found;
}

/** Text up to its terminating zero. */
export function textOf(octets: Uint8Array | undefined): string {
  if (octets === undefined) return '';
  const end = octets.indexOf(0);
  return new TextDecoder().decode(end < 0 ? octets : octets.subarray(0, end));
}
