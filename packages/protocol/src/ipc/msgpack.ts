/**
 * One msgpack value to octets and back. Plain values only: null, boolean, number, text, octets, list, and map by text.
 * It knows no extension type, and it allocates no more than the octets hold, whatever lengths they claim.
 */
import { Reader, toHex, Writer } from '../bytes.ts';
import { utf8 } from '../printable.ts';

/** Nesting of lists and maps, at most; our deepest message has four levels. */
const MAX_DEPTH = 8;
/** Names of the reads of a length or a number, by how many octets it has. */
const WIDTHS = ['u8', 'u16', 'u32'] as const;

/** A value that is none of the plain ones: TypeError, a bug of ours. */
export function pack(value: unknown, into = new Writer()): Writer {
  if (value === null) return into.u8(0xc0);
  if (typeof value === 'boolean') return into.u8(value ? 0xc3 : 0xc2);
  if (typeof value === 'number') return packNumber(value, into);
  if (typeof value === 'string') {
    const octets = utf8(value);
    return packLength(octets.length, 0xa0, 31, 0xda, into).octets(octets);
  }
  if (value instanceof Uint8Array)
    return packLength(value.length, 0xc4, -1, 0xc5, into).octets(value);
  if (Array.isArray(value)) {
    packLength(value.length, 0x90, 15, 0xdc, into);
    for (const item of value) pack(item, into);
    return into;
  }
  if (typeof value !== 'object') throw new TypeError(`${typeof value} is no value of a message`);
  const entries = Object.entries(value);
  packLength(entries.length, 0x80, 15, 0xde, into);
  for (const [name, item] of entries) pack(item, pack(name, into));
  return into;
}

function packNumber(value: number, into: Writer): Writer {
  if (Number.isInteger(value) && value >= 0 && value < 0x80) return into.u8(value);
  if (Number.isInteger(value) && value >= 0 && value < 2 ** 32) return into.u8(0xce).u32(value);
  const octets = new Uint8Array(8);
  new DataView(octets.buffer).setFloat64(0, value);
  return into.u8(0xcb).octets(octets);
}

/** `short` holds lengths to `most` by itself; `wide` has two octets of length, and the type after it four. */
function packLength(
  length: number,
  short: number,
  most: number,
  wide: number,
  into: Writer,
): Writer {
  if (length <= most) return into.u8(short + length);
  return length > 0xffff ? into.u8(wide + 1).u32(length) : into.u8(wide).u16(length);
}

/** The one value that `octets` hold; octets in it are views. Throws for anything else. */
export function unpack(octets: Uint8Array): unknown {
  const from = new Reader(octets);
  const value = read(from, 0);
  if (from.remaining > 0) throw from.error('more than one value');
  return value;
}

function read(from: Reader, depth: number): unknown {
  if (depth > MAX_DEPTH) throw from.error('nested too deeply');
  const type = from.u8('type');
  const number = (narrow: number): number => from[WIDTHS[type - narrow] ?? 'u32']('number');
  if (type < 0x80) return type;
  if (type < 0x90) return readMap(from, type & 0x0f, depth);
  if (type < 0xa0) return readList(from, type & 0x0f, depth);
  if (type < 0xc0) return readText(from, type & 0x1f);
  if (type === 0xc0) return null;
  if (type === 0xc2 || type === 0xc3) return type === 0xc3;
  if (type >= 0xc4 && type <= 0xc6) return from.take(number(0xc4), 'octets');
  if (type === 0xcb) return new DataView(from.take(8, 'number').slice().buffer).getFloat64(0);
  if (type >= 0xcc && type <= 0xce) return number(0xcc);
  if (type >= 0xd9 && type <= 0xdb) return readText(from, number(0xd9));
  if (type === 0xdc || type === 0xdd) return readList(from, number(0xdb), depth);
  if (type === 0xde || type === 0xdf) return readMap(from, number(0xdd), depth);
  throw from.error(`type 0x${type.toString(16)}`);
}

/** Throws URIError for octets that are not UTF-8. */
function readText(from: Reader, length: number): string {
  const octets = from.take(length, 'text');
  if (length < 256 && octets.every((octet) => octet < 0x80)) return String.fromCharCode(...octets);
  return decodeURIComponent(toHex(octets).replaceAll(/../g, '%$&'));
}

/** A count that is too high fails at the first missing item. */
function readList(from: Reader, count: number, depth: number): unknown[] {
  const items: unknown[] = [];
  for (let i = 0; i < count; i++) items.push(read(from, depth + 1));
  return items;
}

function readMap(from: Reader, count: number, depth: number): object {
  const entries: [string, unknown][] = [];
  for (let i = 0; i < count; i++) {
    const name = read(from, depth + 1);
    if (typeof name !== 'string') throw from.error('a name that is no text');
    entries.push([name, read(from, depth + 1)]);
  }
  return Object.fromEntries(entries);
}
