import t from 'tap';
import { DecodeError, fromHex, Reader, sameOctets, toHex, Writer } from '@ppp-thing/protocol/bytes';
import { printable } from '@ppp-thing/protocol/printable';
import { hex, octetsOf } from '../hex.ts';

t.test('hex › digits, spaces and comments spell octets', async (t) => {
  t.same(octetsOf('01 0203 # ff\n04'), Uint8Array.of(1, 2, 3, 4));
  t.same(hex`01 02`, Uint8Array.of(1, 2));
  t.same(octetsOf(''), new Uint8Array());
  t.throws(() => octetsOf('01 2'), /2: not whole octets/, 'half an octet is refused');
  t.throws(() => octetsOf('0x01'), /0x01/);
});

t.test('bytes › numbers read back as they were written', async (t) => {
  const written = new Writer().u8(0xff).u16(0x0102).u32(0xfffefdfc).u64(0xfedc_ba98_7654_3210n);
  const reader = new Reader(written.finish());
  t.equal(written.length, 15);
  t.equal(reader.u8('a'), 0xff);
  t.equal(reader.u16('b'), 0x0102);
  t.equal(reader.u32('c'), 0xfffefdfc);
  t.equal(reader.u64('d'), 0xfedc_ba98_7654_3210n);
  t.equal(reader.remaining, 0);
});

t.test('bytes › the smallest and the largest numbers fit', async (t) => {
  const written = new Writer().u8(0).u16(0).u16(0xffff).u32(0).u32(0xffff_ffff).u64(0n);
  t.same(
    written.u64(0xffff_ffff_ffff_ffffn).finish(),
    hex`
    00 0000 ffff 00000000 ffffffff 0000000000000000 ffffffffffffffff
  `,
  );
  const long = new Writer().counted16((into) => into.octets(new Uint8Array(0xffff))).finish();
  t.same(long.subarray(0, 2), hex`ffff`);
  t.same(new Reader(hex``).take(0, 'nothing'), hex``);
  t.throws(() => new Reader(hex``).u8('first'), /first: 1 octets wanted, 0 left at octet 0/);
});

t.test('bytes › numbers that do not fit are refused', async (t) => {
  for (const value of [-1, 256, 0.5, Number.NaN])
    t.throws(() => new Writer().u8(value), RangeError);
  t.throws(() => new Writer().u16(0x1_0000), RangeError);
  t.throws(() => new Writer().u32(0x1_0000_0000), RangeError);
  t.throws(() => new Writer().u64(-1n), RangeError);
  t.throws(() => new Writer().u64(0x1_0000_0000_0000_0000n), RangeError);
  const tooLong = new Uint8Array(0x1_0000);
  t.throws(() => new Writer().counted16((into) => into.octets(tooLong)), RangeError);
});

t.test('bytes › a writer grows, and what it gave away does not change', async (t) => {
  const writer = new Writer().octets(new Uint8Array(63)).u8(7);
  const first = writer.finish();
  writer.octets(new Uint8Array(500).fill(9));
  t.equal(first.length, 64);
  t.equal(writer.finish().length, 564);
  t.equal(writer.finish()[63], 7);
});

t.test(
  'bytes › counted16 writes the length of what follows, and what is added to it',
  async (t) => {
    const written = new Writer().counted16((into) => into.u8(1).counted16(() => {}, 4), 2).finish();
    t.same(written, hex`0005 01 0004`);
  },
);

t.test('bytes › a reader that runs past its end says what, and where', async (t) => {
  const reader = new Reader(hex`010203`, 40);
  reader.u8('first');
  t.throws(() => reader.u32('second'), {
    name: 'DecodeError',
    message: 'second: 2 octets wanted, 0 left at octet 43',
  });
  const sub = new Reader(hex`0a0b0c0d`, 10);
  sub.u8('skipped');
  const inner = sub.sub(2, 'inner');
  t.equal(inner.offset, 11, 'offsets count from the outermost octets');
  t.throws(() => inner.take(-1, 'negative'), DecodeError);
  t.equal(inner.fork().u16('both'), 0x0b0c);
  t.equal(inner.remaining, 2, 'a fork does not move it');
});

t.test('bytes › a copying reader does not see later changes', async (t) => {
  const octets = Buffer.from([1, 2]);
  const taken = Reader.copy(octets).rest();
  octets[0] = 9;
  t.same(taken, Uint8Array.of(1, 2));
  t.equal(taken.constructor, Uint8Array, 'plain, whatever came in');
});

t.test('bytes › hexadecimal reads back as it was written', async (t) => {
  t.equal(toHex(hex`00ff10`), '00ff10');
  t.same(fromHex('00FF10'), hex`00ff10`);
  t.same(fromHex(''), new Uint8Array());
  for (const text of ['0', '000', '0g', ' 00', '00\n']) t.equal(fromHex(text), undefined);
  t.ok(sameOctets(hex`0102`, hex`0102`));
  t.notOk(sameOctets(hex`0102`, hex`0103`));
  t.notOk(sameOctets(hex`0102`, hex`010203`));
});

t.test(
  'printable › nothing but printable characters comes out (S12; UTF-8: RFC 2516, appendix A)',
  async (t) => {
    t.equal(printable(Buffer.from('bras-1')), 'bras-1');
    t.equal(printable(Buffer.from('a\n\u001b[31m\\n\u007f\u00e9')), 'a\\x0a\\x1b[31m\\\\n\\x7fé');
    const every = printable(
      Uint8Array.from({ length: 256 }, (_, i) => i),
      2000,
    );
    t.match(every, /^[ -~]+$/);
  },
);

t.test('printable › what is shown is bounded, and says that it was', async (t) => {
  t.equal(printable(new Uint8Array(5000).fill(0x41), 8), 'AAAAAAAA…');
  t.equal(printable(new Uint8Array(8).fill(0x41), 8), 'AAAAAAAA');
  t.ok(printable(new Uint8Array(65_535)).length <= 4 * 128 + 1, 'without being asked, too');
});
