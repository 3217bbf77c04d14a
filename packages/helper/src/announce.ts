/**
 * The announce frame, the same on every backend. With the session's MAC as its source, a router announces where that MAC
 * is now, at which epoch, and with a proof. This module neither sends nor receives frames, and does not check the proof.
 */
import { PROOF_LENGTH } from '@ppp-thing/protocol/snapshot-limits';

export const ETHERTYPE_ANNOUNCE = 0x8035;
const HEADER = 14;

/** Reverse ARP (RFC 903): Ethernet, IPv4, lengths 6 and 4, "request reverse". Hosts no longer answer one. */
const RARP_REQUEST = Uint8Array.of(0, 1, 8, 0, 6, 4, 0, 3);
const LENGTH = 28;
const SENDER_MAC = 8;
/** The sender's IPv4 address, which a RARP request leaves empty. */
const EPOCH = 14;
const TARGET_MAC = 18;

export interface Announced {
  readonly epoch: number;
  /** PROOF_LENGTH octets. */
  readonly proof: Uint8Array;
}

/** The helper's own announce at an edge: it shows switches the port of the MAC, and claims nothing. */
export const PRESENCE: Announced = { epoch: 0, proof: new Uint8Array(PROOF_LENGTH) };

/** The whole frame, to broadcast. Switches learn the port from its source. The proof takes the place of the padding. */
export function encodeAnnounce(mac: Uint8Array, { epoch, proof }: Announced): Uint8Array {
  const frame = new Uint8Array(HEADER + LENGTH + PROOF_LENGTH);
  frame.fill(0xff, 0, 6);
  frame.set(mac, 6);
  const view = new DataView(frame.buffer);
  view.setUint16(12, ETHERTYPE_ANNOUNCE);
  frame.set(RARP_REQUEST, HEADER);
  frame.set(mac, HEADER + SENDER_MAC);
  view.setUint32(HEADER + EPOCH, epoch);
  frame.set(mac, HEADER + TARGET_MAC);
  frame.set(proof, HEADER + LENGTH);
  return frame;
}

/** Decodes an announce that another station sent with our `mac`; undefined for a presence, and any other frame. */
export function decodeAnnounce(frame: Uint8Array, mac: Uint8Array): Announced | undefined {
  if (frame.length < HEADER + LENGTH) return undefined;
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const ours =
    view.getUint16(12) === ETHERTYPE_ANNOUNCE &&
    holds(frame, 6, mac) &&
    holds(frame, HEADER, RARP_REQUEST) &&
    holds(frame, HEADER + SENDER_MAC, mac);
  const epoch = view.getUint32(HEADER + EPOCH);
  if (!ours || epoch === PRESENCE.epoch) return undefined;
  const proof = new Uint8Array(PROOF_LENGTH);
  proof.set(frame.subarray(HEADER + LENGTH, HEADER + LENGTH + PROOF_LENGTH));
  return { epoch, proof };
}

const holds = (frame: Uint8Array, at: number, octets: Uint8Array): boolean =>
  octets.every((octet, i) => frame[at + i] === octet);
