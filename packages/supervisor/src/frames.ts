/**
 * Turns the helper's messages into events: the one place that decodes the AC's octets. The engine decides what follows
 * from an event.
 */
import { toHex } from '@ppp-thing/protocol/bytes';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { Notice } from '@ppp-thing/protocol/ipc/messages';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import { decodePpp, encodePpp, type PppPacket } from '@ppp-thing/protocol/wire/ppp';
import { decodeDiscovery, encodeDiscovery } from '@ppp-thing/protocol/wire/pppoe';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export type Heard = Exclude<Notice, { notice: 'dropped' | 'forwarded' }>;

/** @throws DecodeError for octets that violate their format */
export function eventOf(notice: Heard): Event {
  switch (notice.notice) {
    case 'discovery-frame': {
      const { source, payload } = notice;
      return { kind: 'discovery', source, packet: decodeDiscovery(payload) };
    }
    case 'ppp-frame':
      return { kind: 'ppp', packet: decodePpp(notice.protocol, notice.packet) };
    case 'role':
      return { kind: 'role', role: notice.role };
    case 'carrier':
      return { kind: 'carrier', up: notice.up };
    case 'own-mac-heard':
      return { kind: 'own-mac-heard', epoch: notice.epoch };
    case 'session-closed':
      return { kind: 'session-closed' };
    default:
      return unreachable(notice);
  }
}

/** The octets of a received frame; undefined if the notice is not a frame. */
export function octetsOf(notice: Heard): Uint8Array | undefined {
  if (notice.notice === 'discovery-frame') return notice.payload;
  if (notice.notice === 'ppp-frame') return notice.packet;
  return undefined;
}

/** One line for a received frame: `<- LCP Echo-Request | 09010008…`. Undefined if it is not a frame. */
export function receivedLine(event: Event, octets: Uint8Array | undefined): string | undefined {
  if (octets === undefined) return undefined;
  if (event.kind === 'discovery') {
    return `<- ${event.packet.code} from ${formatMac(event.source)} | ${toHex(octets)}`;
  }
  return event.kind === 'ppp' ? `<- ${nameOf(event.packet)} | ${toHex(octets)}` : undefined;
}

/** One line for a frame to send: `-> LCP Echo-Request | 09010008…`. Undefined if it is not a frame. */
export function sentLine(action: Action): string | undefined {
  if (action.kind === 'send-discovery') {
    const { destination, packet } = action;
    return `-> ${packet.code} to ${formatMac(destination)} | ${toHex(encodeDiscovery(packet))}`;
  }
  if (action.kind !== 'send-ppp') return undefined;
  const { packet } = action;
  // PAP carries the password in clear, so never log its octets.
  const octets = packet.protocol === 'PAP' ? '(not shown)' : toHex(encodePpp(packet).packet);
  return `-> ${nameOf(packet)} | ${octets}`;
}

const nameOf = (ppp: PppPacket): string =>
  'packet' in ppp && 'code' in ppp.packet ? `${ppp.protocol} ${ppp.packet.code}` : ppp.protocol;
