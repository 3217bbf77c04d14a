/** Inputs from inputs: octets changed, cut, repeated, spliced, and numbers that programs stumble over. It runs none. */
import type { Chance } from '../campaign/random.ts';

const MAX_LENGTH = 4096;
const ODD_OCTETS = [0, 1, 0x7f, 0x80, 0xfe, 0xff];
const ODD_NUMBERS = [0, 1, 4, 0x7f, 0x80, 0xff, 0x100, 0x7fff, 0x8000, 0xffff];

/** One input made from `from` and another one. */
export function mutate(from: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  let octets: Uint8Array = from.slice();
  for (let i = 1 + (chance.next() % 4); i > 0; i--) octets = step(octets, other, chance);
  return octets.subarray(0, MAX_LENGTH);
}

function step(from: Uint8Array, other: Uint8Array, chance: Chance): Uint8Array {
  const octets = from.slice();
  const at = octets.length === 0 ? 0 : chance.next() % octets.length;
  const length = 1 + (chance.next() % 8);
  switch (chance.next() % 9) {
    case 0:
      octets[at] = (octets[at] ?? 0) ^ (1 << (chance.next() % 8));
      return octets;
    case 1:
      octets[at] = chance.pick(ODD_OCTETS);
      return octets;
    case 2:
      octets[at] = chance.next() & 0xff;
      return octets;
    case 3: {
      if (octets.length < 2) return chance.octets(8);
      const number = chance.pick([...ODD_NUMBERS, octets.length, octets.length - at]);
      new DataView(octets.buffer).setUint16(Math.min(at, octets.length - 2), number);
      return octets;
    }
    case 4:
      return splice(octets, at, length, new Uint8Array(0));
    case 5:
      return splice(octets, at, 0, chance.octets(length));
    case 6:
      return splice(octets, at, 0, octets.subarray(at, at + length * 4));
    case 7: {
      const begin = other.length === 0 ? 0 : chance.next() % other.length;
      return splice(
        octets,
        at,
        chance.is(0.5) ? length : 0,
        other.subarray(begin, begin + length * 4),
      );
    }
    default:
      return octets.subarray(0, at);
  }
}

function splice(octets: Uint8Array, at: number, removed: number, added: Uint8Array): Uint8Array {
  const rest = octets.subarray(at + removed);
  const result = new Uint8Array(at + added.length + rest.length);
  result.set(octets.subarray(0, at));
  result.set(added, at);
  result.set(rest, at + added.length);
  return result;
}
