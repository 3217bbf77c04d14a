/** The hash functions of the tests. MD4 and single DES are not offered by every runtime's library, so they are made here. */
import { createCipheriv, createHash } from 'node:crypto';
import type { Hashes } from '@ppp-thing/protocol/engine/hashes';

const digest = (name: string) => (data: Uint8Array) =>
  new Uint8Array(createHash(name).update(data).digest());

export const HASHES: Hashes = {
  md5: digest('md5'),
  sha1: digest('sha1'),
  md4,
  // Three times the same key is single DES.
  des: (key, clear) => {
    const cipher = createCipheriv('des-ede3-ecb', Buffer.concat([key, key, key]), null);
    cipher.setAutoPadding(false);
    return new Uint8Array(Buffer.concat([cipher.update(clear), cipher.final()]));
  },
};

/** RFC 1320 §3. */
function md4(data: Uint8Array): Uint8Array {
  const length = data.length;
  const padded = new Uint8Array((Math.floor((length + 8) / 64) + 1) * 64);
  padded.set(data);
  padded[length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, length * 8, true);
  let [a, b, c, d] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];
  const rotate = (x: number, s: number): number => (x << s) | (x >>> (32 - s));
  const rounds = [
    { add: 0, shifts: [3, 7, 11, 19], f: (x: number, y: number, z: number) => (x & y) | (~x & z) },
    {
      add: 0x5a827999,
      shifts: [3, 5, 9, 13],
      f: (x: number, y: number, z: number) => (x & y) | (x & z) | (y & z),
    },
    { add: 0x6ed9eba1, shifts: [3, 9, 11, 15], f: (x: number, y: number, z: number) => x ^ y ^ z },
  ];
  const orders = [
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
  ];
  for (let at = 0; at < padded.length; at += 64) {
    const before = [a, b, c, d] as const;
    for (const [r, { add, shifts, f }] of rounds.entries()) {
      for (const [i, word] of (orders[r] ?? []).entries()) {
        const sum = (a + f(b, c, d) + view.getUint32(at + word * 4, true) + add) | 0;
        [a, d, c, b] = [d, c, b, rotate(sum, shifts[i % 4] ?? 0)];
      }
    }
    a = (a + before[0]) | 0;
    b = (b + before[1]) | 0;
    c = (c + before[2]) | 0;
    d = (d + before[3]) | 0;
  }
  const out = new DataView(new ArrayBuffer(16));
  for (const [i, word] of [a, b, c, d].entries()) out.setInt32(i * 4, word, true);
  return new Uint8Array(out.buffer);
}
