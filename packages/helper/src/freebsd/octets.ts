/**
 * Octets as FreeBSD's structures have them: little-endian, as every machine is that FreeBSD's binaries of koffi exist for,
 * and names ended by a NUL. It knows no structure.
 */

const view = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export const u16At = (octets: Uint8Array, at: number): number => view(octets).getUint16(at, true);
export const u32At = (octets: Uint8Array, at: number): number => view(octets).getUint32(at, true);
export const i32At = (octets: Uint8Array, at: number): number => view(octets).getInt32(at, true);
/** A counter; beyond 2^53 it would lose precision, which takes a century at 10 Gbit/s. */
export const u64At = (octets: Uint8Array, at: number): number =>
  Number(view(octets).getBigUint64(at, true));

export const putU16 = (octets: Uint8Array, at: number, value: number): void =>
  view(octets).setUint16(at, value, true);
export const putU32 = (octets: Uint8Array, at: number, value: number): void =>
  view(octets).setUint32(at, value >>> 0, true);

/** Four octets, as an int argument of ioctl or a value of sysctl. */
export function int(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  view(octets).setInt32(0, value, true);
  return octets;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const textOctets = (text: string): Uint8Array => encoder.encode(text);

/** Write `text` at `at`. The octets after it are expected to be zero. */
export const putText = (octets: Uint8Array, at: number, text: string): void =>
  octets.set(encoder.encode(text), at);

/** The text at `at`, up to a NUL or `room` octets. */
export function textAt(octets: Uint8Array, at: number, room: number): string {
  const field = octets.subarray(at, at + room);
  const end = field.indexOf(0);
  return decoder.decode(end === -1 ? field : field.subarray(0, end));
}
