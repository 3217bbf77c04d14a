/**
 * The datagrams of the original ppp_thing, so that an operator can upgrade one router of a pair at a time: a query of
 * one octet and a record of 17. They are not authenticated; the receiver decides whom to believe.
 */
import { Reader, Writer } from '../bytes.ts';
import { isMulticast, type MacAddress } from './ethernet.ts';
import type { Ipv4Address } from './ncp.ts';
import { isSessionId } from './pppoe.ts';

/** UDP, at both ends. */
export const LEGACY_PORT = 75;

export type LegacyMessage =
  /** Requests the record; a router answers only if it knows a session. */
  | { readonly kind: 'query' }
  | {
      readonly kind: 'record';
      readonly acMac: MacAddress;
      /** 0 means no session. */
      readonly sessionId: number;
      /** The router's and the AC's address, from IPCP. */
      readonly ourAddress: Ipv4Address;
      readonly theirAddress: Ipv4Address;
    };

const QUERY = 0x3f; // "?"
const RECORD = 0x21; // "!"

/** @throws DecodeError for another kind or length, SESSION_ID 0xffff, or a session with a group MAC address */
export function decodeLegacy(octets: Uint8Array): LegacyMessage {
  const reader = Reader.copy(octets);
  const kind = reader.u8('kind');
  if (kind !== QUERY && kind !== RECORD) throw reader.error(`kind ${kind}`);
  const message: LegacyMessage = kind === QUERY ? { kind: 'query' } : decodeRecord(reader);
  if (reader.remaining > 0) throw reader.error(`${reader.remaining} octets too many`);
  return message;
}

export function encodeLegacy(message: LegacyMessage): Uint8Array {
  if (message.kind === 'query') return Uint8Array.of(QUERY);
  const { acMac, sessionId, ourAddress, theirAddress } = message;
  if (acMac.length !== 6 || ourAddress.length !== 4 || theirAddress.length !== 4) {
    throw new RangeError('an address of the wrong length');
  }
  return new Writer()
    .u8(RECORD)
    .octets(acMac)
    .u16(sessionId)
    .octets(ourAddress)
    .octets(theirAddress)
    .finish();
}

function decodeRecord(reader: Reader): LegacyMessage {
  const acMac = reader.take(6, 'AC MAC');
  const sessionId = reader.u16('SESSION_ID');
  if (sessionId !== 0 && (!isSessionId(sessionId) || isMulticast(acMac))) {
    throw reader.error(`SESSION_ID ${sessionId} with its AC MAC`);
  }
  const ourAddress = reader.take(4, 'our address');
  const theirAddress = reader.take(4, 'their address');
  return { kind: 'record', acMac, sessionId, ourAddress, theirAddress };
}
