/**
 * MD4 (RFC 1320). OpenSSL 3 no longer loads it, and MS-CHAPv2 still needs it for the hash of a password. The hash is
 * broken: use it for nothing else.
 */

type Words = readonly [number, number, number, number];

/** RFC 1320 §3.3. */
const INITIAL: Words = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476];

interface Round {
  readonly mix: (x: number, y: number, z: number) => number;
  readonly constant: number;
  /** The order of the sixteen words of a block. */
  readonly order: readonly number[];
  /** Bits to rotate by, in turn. */
  readonly shifts: Words;
}

/** RFC 1320 §3.4: three rounds of sixteen steps. */
const ROUNDS: readonly Round[] = [
  {
    mix: (x, y, z) => (x & y) | (~x & z),
    constant: 0,
    order: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15],
    shifts: [3, 7, 11, 19],
  },
  {
    mix: (x, y, z) => (x & y) | (x & z) | (y & z),
    constant: 0x5a827999,
    order: [0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15],
    shifts: [3, 5, 9, 13],
  },
  {
    mix: (x, y, z) => x ^ y ^ z,
    constant: 0x6ed9eba1,
    order: [0, 8, 4, 12, 2, 10, 6, 14, 1, 9, 5, 13, 3, 11, 7, 15],
    shifts: [3, 9, 11, 15],
  },
];

/** The digest of `data`, 16 octets. */
export function md4(data: Uint8Array): Uint8Array {
  const padded = pad(data);
  let state = INITIAL;
  for (let at = 0; at < padded.byteLength; at += 64) state = block(state, padded, at);
  const result = new DataView(new ArrayBuffer(16));
  state.forEach((word, i) => result.setUint32(4 * i, word, true));
  return new Uint8Array(result.buffer);
}

/** RFC 1320 §3.1, §3.2: a one, zeros, and the length in bits, least significant octet first. */
function pad(data: Uint8Array): DataView {
  const blocks = Math.ceil((data.length + 9) / 64);
  const octets = new Uint8Array(64 * blocks);
  octets.set(data);
  octets[data.length] = 0x80;
  const view = new DataView(octets.buffer);
  view.setBigUint64(octets.length - 8, BigInt(data.length) * 8n, true);
  return view;
}

function block(state: Words, view: DataView, at: number): Words {
  let [a, b, c, d] = state;
  for (const { mix, constant, order, shifts } of ROUNDS) {
    order.forEach((word, step) => {
      const sum = (a + mix(b, c, d) + view.getUint32(at + 4 * word, true) + constant) | 0;
      const shift = shifts[step % 4] ?? 0;
      [a, b, c, d] = [d, (sum << shift) | (sum >>> (32 - shift)), b, c];
    });
  }
  return [(state[0] + a) | 0, (state[1] + b) | 0, (state[2] + c) | 0, (state[3] + d) | 0];
}
