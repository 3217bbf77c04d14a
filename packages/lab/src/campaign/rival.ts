/**
 * A second Access Concentrator on the line: the first to offer, and of no use. It keeps no session and sends nothing of
 * its own accord.
 */
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';
import type { MacAddress } from '@ppp-thing/protocol/wire/ethernet';

/** What a PADR gets from it: nothing, or an error. */
export type Rival = 'dead' | 'refusing';

export const RIVAL_MAC: MacAddress = Uint8Array.of(2, 0, 0, 0, 0, 0xad);

const text = (octets: string): Uint8Array => Uint8Array.from(octets, (char) => char.charCodeAt(0));

/** Its answer; undefined if there is none. */
export function rivalAnswer(manner: Rival, packet: DiscoveryPacket): DiscoveryPacket | undefined {
  const hostUniq = findTag(packet, TAG['Host-Uniq']);
  const tags: Tag[] = [{ type: TAG['Service-Name'], value: new Uint8Array() }];
  if (hostUniq !== undefined) tags.push(hostUniq);
  if (packet.code === 'PADI') {
    const name = { type: TAG['AC-Name'], value: text('rival') };
    return { code: 'PADO', sessionId: 0, tags: [...tags, name] };
  }
  if (packet.code !== 'PADR' || manner === 'dead') return undefined;
  const error = { type: TAG['AC-System-Error'], value: text('full') };
  return { code: 'PADS', sessionId: 0, tags: [...tags, error] };
}
