/** What the Access Concentrator checks in a Host's discovery packets, and what it repeats of them. It keeps no state. */
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';

/** RFC 2516 §5.1: room for a relay's tag, PPPoE header included. */
const MAX_PADI = 1484;

/** What RFC 2516 §5.1, §5.3 and §5.5 ask of a Host's packet and `packet` lacks; undefined if nothing. */
export function faultOf(
  packet: DiscoveryPacket,
  isBroadcast: boolean,
  octets: number,
): string | undefined {
  const { code, sessionId, tags } = packet;
  if (code === 'PADO' || code === 'PADS') return `${code} from a Host`;
  if (isBroadcast !== (code === 'PADI'))
    return `${code} sent ${isBroadcast ? 'to broadcast' : 'to one station'}`;
  if (code === 'PADT') return undefined;
  const services = tags.filter(({ type }) => type === TAG['Service-Name']).length;
  if (services !== 1) return `${code} with ${services} Service-Name tags`;
  if (sessionId !== 0) return `${code} with SESSION_ID ${sessionId}`;
  if (code === 'PADI' && octets > MAX_PADI) return `PADI of ${octets} octets`;
  return undefined;
}

/** The tags that every answer returns unchanged. */
export function repeated(packet: DiscoveryPacket): Tag[] {
  return [TAG['Host-Uniq'], TAG['Relay-Session-Id']].flatMap((type) => findTag(packet, type) ?? []);
}

/** RFC 4638 §4: returned if the Host asks for no more than `largest`, which at 1492 means that we do not know the tag. */
export function maxPayloadTag(packet: DiscoveryPacket, largest: number): Tag[] {
  const asked = findTag(packet, TAG['PPP-Max-Payload']);
  if (asked === undefined || asked.value.length !== 2 || largest <= 1492) return [];
  const [high = 0, low = 0] = asked.value;
  return ((high << 8) | low) <= largest ? [asked] : [];
}
