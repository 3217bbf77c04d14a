/** Text at the edge: nothing a peer sends can end a line or move a cursor. */
import * as fc from 'fast-check';
import t from 'tap';
import { concat, printable, utf16le, utf8 } from '@ppp-thing/protocol/printable';

void t.test('printable › any octets become one bounded line of visible characters', (t) => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), (octets) => {
      const text = printable(octets);
      return /^[\p{L}\p{M}\p{N}\p{P}\p{S}\p{Zs}]*$/u.test(text) && text.length <= 128 * 4 + 1;
    }),
  );
  t.equal(printable(utf8('a\\b\n')), 'a\\\\b\\x0a', 'and two texts never read alike');
  t.equal(printable(utf8('x'.repeat(10)), 4), 'xxxx…');
  t.end();
});

void t.test(
  'printable › UTF-8 is shown as it is (RFC 2516 appendix A), what moves a cursor is not',
  (t) => {
    t.equal(
      printable(utf8('Zugang gesperrt: Gebühr offen — 停止 🚫')),
      'Zugang gesperrt: Gebühr offen — 停止 🚫',
    );
    t.equal(printable(utf8('a\u202eb')), 'a\\xe2\\x80\\xaeb', 'right-to-left override');
    t.equal(printable(utf8('a\u2028b')), 'a\\xe2\\x80\\xa8b', 'line separator');
    t.equal(printable(utf8('a\u0085b')), 'a\\xc2\\x85b', 'next line');
    t.equal(printable(Uint8Array.of(0xc1, 0x81)), '\\xc1\\x81', 'another spelling of A');
    t.equal(printable(Uint8Array.of(0xed, 0xa0, 0x80)), '\\xed\\xa0\\x80', 'a surrogate');
    t.equal(printable(Uint8Array.of(0x61, 0xc3)), 'a\\xc3', 'cut in the middle');
    t.equal(printable(utf8('ééé'), 5), 'éé…', 'and not cut in the middle by us');
    t.end();
  },
);

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
