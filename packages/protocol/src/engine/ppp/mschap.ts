/**
 * The arithmetic of MS-CHAPv2 (RFC 2759 §8): the response that proves we know the password, and the proof that the
 * authenticator knows it too. It knows no packets.
 */
import { concat, utf16le, utf8 } from '../../printable.ts';
import { sameOctets, fromHex } from '../../bytes.ts';
import type { Hashes } from '../hashes.ts';

/** Octets of a challenge, the authenticator's or ours. */
export const CHALLENGE_LENGTH = 16;

const MAGIC_1 = utf8('Magic server to client signing constant');
const MAGIC_2 = utf8('Pad to make it do more than one iteration');

interface MsChapInputs {
  readonly authenticatorChallenge: Uint8Array;
  readonly peerChallenge: Uint8Array;
  readonly user: string;
  readonly password: string;
}

interface MsChapProof {
  /** 49 octets: the Value of the Response packet (§4). */
  readonly value: Uint8Array;
  /** 20 octets: what the Success packet must carry after `S=` (§5). */
  readonly expected: Uint8Array;
}

/** What we send, and what the authenticator must send back (RFC 2759 §8.1–8.7). */
export function prove(inputs: MsChapInputs, hashes: Hashes): MsChapProof {
  const { authenticatorChallenge, peerChallenge, user, password } = inputs;
  const challenge = hashes
    .sha1(concat(peerChallenge, authenticatorChallenge, utf8(withoutDomain(user))))
    .slice(0, 8);
  const passwordHash = hashes.md4(utf16le(password));
  const response = challengeResponse(challenge, passwordHash, hashes);
  const digest = hashes.sha1(concat(hashes.md4(passwordHash), response, MAGIC_1));
  return {
    // Eight reserved octets between the challenge and the response, a Flags octet after it: all zero (§4).
    value: concat(peerChallenge, new Uint8Array(8), response, new Uint8Array(1)),
    expected: hashes.sha1(concat(digest, challenge, MAGIC_2)),
  };
}

/** Whether a Success message proves what `expected` says: `S=` and forty hexadecimal digits first (RFC 2759 §5). */
export function isProof(message: Uint8Array, expected: Uint8Array): boolean {
  if (message[0] !== 0x53 || message[1] !== 0x3d) return false;
  const digits = String.fromCharCode(...message.subarray(2, 2 + 2 * expected.length));
  const octets = fromHex(digits);
  return octets !== undefined && sameOctets(octets, expected);
}

/** §4: the user's name without the domain in front of it. */
function withoutDomain(user: string): string {
  return user.slice(user.lastIndexOf('\\') + 1);
}

/** §8.5: three DES blocks, keyed by seven octets each of the hash padded to twenty-one. */
function challengeResponse(challenge: Uint8Array, hash: Uint8Array, hashes: Hashes): Uint8Array {
  const padded = concat(hash, new Uint8Array(5));
  const block = (at: number): Uint8Array =>
    hashes.des(spread(padded.subarray(at, at + 7)), challenge);
  return concat(block(0), block(7), block(14));
}

/** Fifty-six key bits, seven to an octet, the lowest left for parity (§8.6). */
function spread(seven: Uint8Array): Uint8Array {
  const key = new Uint8Array(8);
  for (let i = 0; i < 8; i++) {
    const left = i === 0 ? 0 : (seven[i - 1] ?? 0) << (8 - i);
    key[i] = (left | ((seven[i] ?? 0) >> i)) & 0xfe;
  }
  return key;
}
