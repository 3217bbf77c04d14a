import t from 'tap';
import * as fc from 'fast-check';
import { decodeConfigDigest, encodeConfigDigest } from '@ppp-thing/protocol/wire/config-digest';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, fuzz, REFUSED } from './total.ts';

const DIGESTS = new Map([
  ['mtu', hex`01020304`],
  ['partner.protocol', hex`a1a2a3a4`],
]);
const OCTETS = hex`03 6d7475 01020304  10 706172746e65722e70726f746f636f6c a1a2a3a4`;

t.test('config digest › names and digests in the order given', async (t) => {
  t.same(encodeConfigDigest(DIGESTS), OCTETS);
  t.same(decodeConfigDigest(OCTETS), DIGESTS);
  t.equal(decodeConfigDigest(new Uint8Array(0)).size, 0);
});

t.test('config digest › every list mirrors', async () => {
  const digest = fc.uint8Array({ minLength: 4, maxLength: 4 });
  const list = fc.dictionary(fc.stringMatching(/^[!-~]{1,63}$/), digest, { maxKeys: 40 });
  fc.assert(
    fc.property(list, (fields) => {
      const digests = new Map(Object.entries(fields));
      return (
        JSON.stringify([...decodeConfigDigest(encodeConfigDigest(digests))]) ===
        JSON.stringify([...digests])
      );
    }),
  );
});

t.test('config digest › whatever else is refused', async (t) => {
  // Cut between two entries, a list is a list.
  t.strictSame(acceptedTruncations(decodeConfigDigest, OCTETS), [0, 8]);
  t.equal(attempt(decodeConfigDigest, hex`00 01020304`), REFUSED, 'no name');
  t.equal(attempt(decodeConfigDigest, hex`01 20 01020304`), REFUSED, 'a space');
  t.equal(attempt(decodeConfigDigest, hex`01 61 00000000 01 61 00000000`), REFUSED, 'a name twice');
  fuzz(decodeConfigDigest, [OCTETS]);
  t.throws(() => encodeConfigDigest(new Map([['a b', hex`00000000`]])), RangeError);
  t.throws(() => encodeConfigDigest(new Map([['a', hex`00`]])), RangeError);
});
