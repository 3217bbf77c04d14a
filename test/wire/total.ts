/**
 * What every decoder must withstand. A decoder is total when octets of any kind give a value or a DecodeError, and
 * nothing else.
 */
import * as fc from 'fast-check';
import { DecodeError } from '@ppp-thing/protocol/bytes';

/** For fc.record: objects like those a decoder makes, which strict comparison wants. */
export const PLAIN = { noNullPrototype: true } as const;

export type Decoder = (octets: Uint8Array) => unknown;

/** Marks octets that a decoder refused. */
export const REFUSED = Symbol('refused');

/** The value, or REFUSED. Any error but a DecodeError that points into the octets is thrown on. */
export function attempt<Value>(
  decode: (octets: Uint8Array) => Value,
  octets: Uint8Array,
): Value | typeof REFUSED {
  try {
    return decode(octets);
  } catch (error) {
    if (error instanceof DecodeError && error.offset >= 0 && error.offset <= octets.length) {
      return REFUSED;
    }
    throw error;
  }
}

/** How many octets each truncation that a decoder accepts has left. */
export const acceptedTruncations = (decode: Decoder, octets: Uint8Array): number[] =>
  Array.from({ length: octets.length }, (_, length) => length).filter(
    (length) => attempt(decode, octets.subarray(0, length)) !== REFUSED,
  );

/** `octets` with the one at `offset` changed by `by`. */
export function changed(octets: Uint8Array, offset: number, by: number): Uint8Array {
  const copy = octets.slice();
  copy[offset] = (copy[offset] ?? 0) + by;
  return copy;
}

/** Random octets, and `examples` with random octets changed, cut off or added; throws at the first surprise. */
export function fuzz(decode: Decoder, examples: readonly Uint8Array[]): void {
  const anything = fc.uint8Array({ maxLength: 96 });
  fc.assert(fc.property(anything, (octets) => void attempt(decode, octets)));
  const edit = fc.record({ at: fc.nat(), to: fc.nat(255) });
  const edited = fc
    .tuple(fc.constantFrom(...examples), fc.array(edit, { maxLength: 4 }), fc.nat(), anything)
    .map(([example, edits, keep, tail]) => {
      const copy = example.slice();
      for (const { at, to } of edits) copy[at % copy.length] = to;
      return keep % 4 === 0
        ? Uint8Array.of(...copy.subarray(0, keep % copy.length), ...tail)
        : copy;
    });
  fc.assert(
    fc.property(edited, (octets) => void attempt(decode, octets)),
    { numRuns: 1000 },
  );
  for (const example of examples) {
    for (let at = 0; at < example.length; at++) {
      for (let by = 1; by < 256; by++) attempt(decode, changed(example, at, by));
    }
  }
}
