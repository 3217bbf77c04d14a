/** Numbers made from random octets. The only source is the `Random` of the caller. */
import { millis, type Millis } from '../time.ts';
import type { Random } from './hashes.ts';

/** A span drawn evenly between `low` and `high`, whole milliseconds. */
export function randomSpan(random: Random, low: Millis, high: Millis): Millis {
  const [a = 0, b = 0] = random(2);
  return millis(low + Math.round(((high - low) * (a * 256 + b)) / 0xffff));
}

/** 1 … 0xffffffff: zero is no Magic-Number (RFC 1661 §6.4). */
export function randomMagic(random: Random): number {
  const [a = 0, b = 0, c = 0, d = 0] = random(4);
  return a * 0x100_0000 + b * 0x1_0000 + c * 0x100 + d || 1;
}

/** Eight octets, not all zero, with the universal/local bit clear because nothing makes them unique (RFC 5072 §4.1). */
export function randomInterfaceId(random: Random): Uint8Array {
  const id = Uint8Array.from(random(8));
  id[0] = (id[0] ?? 0) & ~0x02;
  if (id.every((octet) => octet === 0)) id[7] = 1;
  return id;
}
