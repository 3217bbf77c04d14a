/** Fields of a stored JSON object, each checked as it is read. It knows no snapshot. */
import { fromHex } from '@ppp-thing/protocol/bytes';

/** The text is not a snapshot of `session`, or has changed since it was written. */
export class CorruptSnapshot extends Error {
  override readonly name = 'CorruptSnapshot';
}

export type Fields = Readonly<Record<string, unknown>>;

export function fields(value: unknown, name: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new CorruptSnapshot(`${name} is not an object`);
  }
  return Object.fromEntries(Object.entries(value));
}

/** @param most largest number of items */
export function list(from: Fields, name: string, most: number): readonly unknown[] {
  const value = from[name];
  if (!Array.isArray(value) || value.length > most)
    throw new CorruptSnapshot(`${name} is not a list of at most ${most}`);
  return value;
}

export function whole(from: Fields, name: string, high: number): number {
  const value = from[name];
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0 || value > high) {
    throw new CorruptSnapshot(`${name} is not a whole number up to ${high}`);
  }
  return value;
}

export function octets(from: Fields, name: string, length?: number): Uint8Array {
  const value = from[name];
  const found = typeof value === 'string' ? fromHex(value) : undefined;
  if (found === undefined || (length !== undefined && found.length !== length)) {
    throw new CorruptSnapshot(`${name} is not octets in hexadecimal`);
  }
  return found;
}
