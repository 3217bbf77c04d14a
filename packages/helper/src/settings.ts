/** Compares the present key and settings of a session with the wanted ones. */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Key, SessionSettings } from './backend.ts';

export const sameKey = (a: Key, b: Key): boolean =>
  a.sessionId === b.sessionId && sameOctets(a.acMac, b.acMac);

const sameOptional = (a: Uint8Array | null, b: Uint8Array | null): boolean =>
  a === null || b === null ? a === b : sameOctets(a, b);

export function sameSettings(a: SessionSettings, b: SessionSettings): boolean {
  const sameIds =
    a.interfaceIds === null || b.interfaceIds === null
      ? a.interfaceIds === b.interfaceIds
      : sameOctets(a.interfaceIds.ours, b.interfaceIds.ours) &&
        sameOctets(a.interfaceIds.theirs, b.interfaceIds.theirs);
  return (
    a.mtu === b.mtu &&
    sameOptional(a.ourAddress, b.ourAddress) &&
    sameOptional(a.theirAddress, b.theirAddress) &&
    sameIds
  );
}
