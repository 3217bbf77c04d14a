import t from 'tap';
import * as fc from 'fast-check';
import { decodeLegacy, encodeLegacy, LEGACY_PORT } from '@ppp-thing/protocol/wire/legacy';
import { NO_SESSION, QUERY, RECORD } from '../fixtures/legacy.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const record = {
  kind: 'record',
  acMac: hex`0200000000ac`,
  sessionId: 0x1234,
  ourAddress: hex`cb007107`,
  theirAddress: hex`c0000201`,
} as const;

t.test('legacy › decodes a query, a record and "no session"', async (t) => {
  t.strictSame(decodeLegacy(QUERY), { kind: 'query' });
  t.strictSame(decodeLegacy(RECORD), record);
  t.match(decodeLegacy(NO_SESSION), { kind: 'record', sessionId: 0 });
  t.equal(LEGACY_PORT, 75);
});

t.test('legacy › encodes a query of 1 octet and a record of 17', async (t) => {
  t.same(encodeLegacy({ kind: 'query' }), QUERY);
  t.same(encodeLegacy(record), RECORD);
  t.equal(RECORD.length, 17);
  t.throws(() => encodeLegacy({ ...record, acMac: hex`02` }), RangeError);
  t.throws(() => encodeLegacy({ ...record, ourAddress: hex`02` }), RangeError);
  t.throws(() => encodeLegacy({ ...record, sessionId: 0x1_0000 }), RangeError);
});

t.test('legacy › whatever decodes mirrors', async (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (rest) => {
      const octets = Uint8Array.of(0x21, ...rest);
      const message = attempt(decodeLegacy, octets);
      return message === REFUSED || Buffer.compare(encodeLegacy(message), octets) === 0;
    }),
  );
  t.same(encodeLegacy(decodeLegacy(NO_SESSION)), NO_SESSION);
});

t.test('legacy › refuses other lengths and kinds', async (t) => {
  t.same(acceptedTruncations(decodeLegacy, RECORD), []);
  t.equal(attempt(decodeLegacy, hex``), REFUSED);
  for (const octets of [QUERY, RECORD]) {
    t.equal(attempt(decodeLegacy, Uint8Array.of(...octets, 0)), REFUSED, 'an octet too many');
  }
  for (let kind = 0; kind < 256; kind++) {
    const octets = changed(RECORD, 0, kind - 0x21);
    t.equal(attempt(decodeLegacy, octets) !== REFUSED, kind === 0x21, `kind ${kind}`);
  }
});

t.test('legacy › refuses a session that cannot be', async (t) => {
  t.equal(attempt(decodeLegacy, hex`21 0200000000ac ffff cb007107 c0000201`), REFUSED);
  t.equal(attempt(decodeLegacy, hex`21 ffffffffffff 1234 cb007107 c0000201`), REFUSED);
  t.not(attempt(decodeLegacy, hex`21 ffffffffffff 0000 cb007107 c0000201`), REFUSED);
});

t.test('legacy › any octets give a message or a DecodeError', async () => {
  fuzz(decodeLegacy, [QUERY, RECORD, NO_SESSION]);
});
