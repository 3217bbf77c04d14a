/**
 * Finds the keys that differ between the two routers' configurations, without sending secrets: each value becomes a few
 * octets of an HMAC under the partner key. `pppthingctl doctor` decides what a difference means.
 */
import { DecodeError, sameOctets } from '@ppp-thing/protocol/bytes';
import { utf8 } from '@ppp-thing/protocol/printable';
import {
  decodeConfigDigest,
  DIGEST_LENGTH,
  encodeConfigDigest,
} from '@ppp-thing/protocol/wire/config-digest';
import type { SessionSettings } from './config.ts';
import { hmacSha256 } from './hashes.ts';

/**
 * The values that must be the same on both routers, by key. They include the password, so pass them only to the HMAC.
 */
type Values = ReadonlyMap<string, string>;

const valuesOf = ({ shared, engine }: SessionSettings): Values =>
  new Map([...Object.entries(shared), ['password', engine.link.password.reveal()]]);

function digestsOf(values: Values, key: Uint8Array): ReadonlyMap<string, Uint8Array> {
  const digest = (name: string, value: string): Uint8Array =>
    hmacSha256(key, utf8(`config\0${name}\0${value}`)).subarray(0, DIGEST_LENGTH);
  return new Map(Array.from(values, ([name, value]) => [name, digest(name, value)]));
}

/** The digest for the partner, made with the key that authenticates the datagram. */
export const configDigest = (settings: SessionSettings, key: Uint8Array): Uint8Array =>
  encodeConfigDigest(digestsOf(valuesOf(settings), key));

/** The keys whose values differ, or that only one router has; undefined if the digest cannot be read. */
export function differences(
  settings: SessionSettings,
  theirs: Uint8Array,
  key: Uint8Array,
): readonly string[] | undefined {
  try {
    const its = decodeConfigDigest(theirs);
    const ours = digestsOf(valuesOf(settings), key);
    const isAlike = (name: string): boolean => {
      const [one, other] = [ours.get(name), its.get(name)];
      return one !== undefined && other !== undefined && sameOctets(one, other);
    };
    return [...new Set([...ours.keys(), ...its.keys()])].filter((name) => !isAlike(name)).sort();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
