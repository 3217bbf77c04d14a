/**
 * The digest of a router's configuration, sent to the partner so that doctor can name the keys that differ: each key's
 * name and a few octets derived from its value (docs/partner-protocol.md §3). It does not derive those octets.
 */
import { Reader, Writer } from '../bytes.ts';

/** Octets per value. */
export const DIGEST_LENGTH = 4;

const NAME = /^[!-~]{1,63}$/;

/** @throws RangeError for a name or a digest that does not fit its field: a bug of ours */
export function encodeConfigDigest(digests: ReadonlyMap<string, Uint8Array>): Uint8Array {
  const writer = new Writer();
  for (const [name, digest] of digests) {
    if (!NAME.test(name)) throw new RangeError(`config key of ${name.length} characters`);
    if (digest.length !== DIGEST_LENGTH) throw new RangeError(`digest of ${digest.length} octets`);
    writer.u8(name.length);
    writer.octets(Uint8Array.from(name, (character) => character.charCodeAt(0))).octets(digest);
  }
  return writer.finish();
}

/** @throws DecodeError for octets that are not such a list */
export function decodeConfigDigest(octets: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const reader = Reader.copy(octets);
  const digests = new Map<string, Uint8Array>();
  while (reader.remaining > 0) {
    const name = String.fromCharCode(...reader.take(reader.u8('key length'), 'key'));
    if (!NAME.test(name) || digests.has(name)) throw reader.error('config key');
    digests.set(name, reader.take(DIGEST_LENGTH, 'digest'));
  }
  return digests;
}
