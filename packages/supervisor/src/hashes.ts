/** The hashes for the engine and the partner channel, from OpenSSL where it still has them. It knows no protocol. */
import { createCipheriv, createHash, createHmac, createSecretKey } from 'node:crypto';
import type { KeyObject } from 'node:crypto';
import type { Hashes } from '@ppp-thing/protocol/engine/hashes';
import { md4 } from './md4.ts';

const digest = (algorithm: string, data: Uint8Array): Uint8Array =>
  new Uint8Array(createHash(algorithm).update(data).digest());

/**
 * OpenSSL 3 keeps single DES in a provider that is not loaded, but triple DES in the default one. Triple DES with the
 * same key three times is single DES, and the first block of CBC after a zero vector is that block.
 */
function des(key: Uint8Array, clear: Uint8Array): Uint8Array {
  if (key.length !== 8 || clear.length !== 8) throw new RangeError('DES takes 8 octets and 8');
  const cipher = createCipheriv('des-ede3-cbc', Buffer.concat([key, key, key]), new Uint8Array(8));
  cipher.setAutoPadding(false);
  return new Uint8Array(Buffer.concat([cipher.update(clear), cipher.final()]));
}

export const systemHashes: Hashes = {
  md5: (data) => digest('md5', data),
  md4,
  sha1: (data) => digest('sha1', data),
  des,
};

/** Keys as OpenSSL objects: creating one costs as much as using it. */
const secrets = new WeakMap<Uint8Array, KeyObject>();

/** HMAC-SHA256 (RFC 2104): 32 octets. Do not change a key's octets after its first use. */
export function hmacSha256(key: Uint8Array, data: Uint8Array): Uint8Array {
  let secret = secrets.get(key);
  if (secret === undefined) secrets.set(key, (secret = createSecretKey(key)));
  return new Uint8Array(createHmac('sha256', secret).update(data).digest());
}
