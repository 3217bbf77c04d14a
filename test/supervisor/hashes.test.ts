import t from 'tap';
import { hmacSha256, systemHashes } from '@ppp-thing/supervisor/hashes';
import { fromHex, toHex } from '@ppp-thing/protocol/bytes';

const text = (value: string): Uint8Array => new TextEncoder().encode(value);
const octets = (digits: string): Uint8Array => fromHex(digits) ?? new Uint8Array();

t.test('hashes › MD4 gives the digests of RFC 1320 §A.5', async (t) => {
  const suite: readonly [string, string][] = [
    ['', '31d6cfe0d16ae931b73c59d7e0c089c0'],
    ['a', 'bde52cb31de33e46245e05fbdbd6fb24'],
    ['abc', 'a448017aaf21d8525fc10ae87aa6729d'],
    ['message digest', 'd9130a8164549fe818874806e1c7014b'],
    ['abcdefghijklmnopqrstuvwxyz', 'd79e1c308aa5bbcdeea8ed63df412da9'],
    [
      'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
      '043f8582f241db351ce627e153e7f0e4',
    ],
    [
      '12345678901234567890123456789012345678901234567890123456789012345678901234567890',
      'e33b4ddc9c38f2199c3e7b164fcc0536',
    ],
  ];
  for (const [message, digest] of suite)
    t.equal(toHex(systemHashes.md4(text(message))), digest, message);
});

t.test('hashes › MD4 pads at every length around a block', async (t) => {
  // The length field must fit behind the data, or take a block of its own. Digests of zeros, from OpenSSL.
  const digests: readonly [number, string][] = [
    [55, '2df5a83f688f18c0866c64173be82a8f'],
    [56, '7b9b4593cd9322ea492cf0bcdd84f0ae'],
    [63, '594697fc0810937e0e899a65911293b5'],
    [64, '2f6f7b10c5cadca6d5770f428c899ba7'],
    [65, '4fc27bbf517522311018663e59ced7a5'],
  ];
  for (const [length, digest] of digests)
    t.equal(toHex(systemHashes.md4(new Uint8Array(length))), digest, `${length}`);
});

t.test('hashes › MD5 and SHA-1 are those of RFC 1321 §A.5 and RFC 3174 §7.3', async (t) => {
  t.equal(toHex(systemHashes.md5(text('abc'))), '900150983cd24fb0d6963f7d28e17f72');
  t.equal(toHex(systemHashes.sha1(text('abc'))), 'a9993e364706816aba3e25717850c26c9cd0d89d');
});

t.test('hashes › DES encrypts one block as single DES, whatever the parity bits', async (t) => {
  // SP 800-20's known answers: weak for secrecy, exact for the algorithm.
  t.equal(
    toHex(systemHashes.des(octets('0123456789abcdef'), octets('4e6f772069732074'))),
    '3fa40e8a984d4815',
  );
  t.equal(
    toHex(systemHashes.des(octets('8001010101010101'), octets('0000000000000000'))),
    '95a8d72813daa94d',
  );
  t.equal(
    toHex(systemHashes.des(octets('8000000000000000'), octets('0000000000000000'))),
    '95a8d72813daa94d',
  );
  t.throws(() => systemHashes.des(new Uint8Array(7), new Uint8Array(8)), RangeError);
});

t.test('hashes › HMAC-SHA256 is that of RFC 4231 §4.3', async (t) => {
  t.equal(
    toHex(hmacSha256(text('Jefe'), text('what do ya want for nothing?'))),
    '5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843',
  );
});
