/** Octets of structures, for the fake kernel: little-endian numbers, NUL-padded names. It knows no structure. */

const view = (octets: Uint8Array): DataView =>
  new DataView(octets.buffer, octets.byteOffset, octets.byteLength);

export const u16 = (o: Uint8Array, at: number): number => view(o).getUint16(at, true);
export const u32 = (o: Uint8Array, at: number): number => view(o).getUint32(at, true);
export const i32 = (o: Uint8Array, at: number): number => view(o).getInt32(at, true);
export const be16 = (o: Uint8Array, at: number): number => ((o[at] ?? 0) << 8) | (o[at + 1] ?? 0);
export const be32 = (o: Uint8Array, at: number): number => view(o).getUint32(at, false);
export const set16 = (o: Uint8Array, at: number, value: number): void =>
  view(o).setUint16(at, value, true);
export const set32 = (o: Uint8Array, at: number, value: number): void =>
  view(o).setUint32(at, value >>> 0, true);
export const set64 = (o: Uint8Array, at: number, value: number): void =>
  view(o).setBigUint64(at, BigInt(value), true);

export function long(value: number): Uint8Array {
  const octets = new Uint8Array(4);
  set32(octets, 0, value);
  return octets;
}

export const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

/** `text` in a field of `room` octets, cut so that a NUL remains. */
export function field(text: string, room: number): Uint8Array {
  const octets = new Uint8Array(room);
  octets.set(ascii(text).subarray(0, room - 1));
  return octets;
}

/** The text at `at`, up to a NUL or one octet less than `room`. */
export function cstring(octets: Uint8Array, at: number, room: number): string {
  const text = octets.subarray(at, at + room);
  const end = text.indexOf(0);
  return new TextDecoder().decode(text.subarray(0, end === -1 ? room - 1 : end));
}
