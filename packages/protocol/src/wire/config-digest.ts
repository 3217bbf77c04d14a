/**
 * What two routers say of their configuration so that a person can be told where it differs: the name of each key and a
 * few octets that stand for its value (docs/partner-protocol.md §3). What the octets are made of is not known here.
 */
import { Reader, Writer } from '../bytes.ts';

/** Octets that stand for a value. */
export const DIGEST_LENGTH = 4;

const NAME = /^[!-~]{1,63}$/;

/** @throws RangeError for a name or a digest that its field cannot hold: a mistake of ours */
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

/** @throws DecodeError for octets that are no such list */
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
