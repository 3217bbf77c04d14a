/** Text at the edge: nothing a peer sends can end a line or move a cursor. */
import * as fc from 'fast-check';
import t from 'tap';
import { concat, printable, utf16le, utf8 } from '@ppp-thing/protocol/printable';

void t.test('printable › any octets become one bounded line of visible ASCII', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
      const text = printable(octets);
      return /^[\x20-\x7e]*…?$/.test(text) && text.length <= 128 * 4 + 1;
    }),
  );
  t.equal(printable(utf8('a\\b\n')), 'a\\\\b\\x0a', 'and two texts never read alike');
  t.equal(printable(utf8('x'.repeat(10)), 4), 'xxxx…');
  t.end();
});

void t.test('utf8 › agrees with the platform on every string', (t) => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) =>
      Buffer.from(text).equals(Buffer.from(utf8(text))),
    ),
  );
  t.same(utf8('\ud800'), Uint8Array.of(0xef, 0xbf, 0xbd), 'a lone surrogate is U+FFFD');
  t.end();
});

void t.test('utf16le › least significant octet first', (t) => {
  t.same(utf16le('a€'), Uint8Array.of(0x61, 0, 0xac, 0x20));
  t.end();
});

void t.test('concat › keeps order and length', (t) => {
  t.same(concat(Uint8Array.of(1), new Uint8Array(0), Uint8Array.of(2, 3)), Uint8Array.of(1, 2, 3));
  t.same(concat(), new Uint8Array(0));
  t.end();
});
