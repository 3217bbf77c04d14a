/**
 * Session frames that arrive before the kernel knows the session. An AC may send its first Configure-Request right behind
 * its PADS, and repeats it only after three seconds. This module keeps a few frames from the PADR until the gate opens,
 * and then delivers them. It reads the PPPoE header and no PPP.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Key } from './backend.ts';

export const ETHERTYPE_SESSION = 0x8864;
/** More frames than an AC sends before the first answer. */
const MAX_KEPT = 16;
const VER_TYPE_CODE = 0x1100;
/** Offsets in an Ethernet frame. */
const SOURCE = 6;
const ETHERTYPE = 12;
const VERSION = 14;
const SESSION_ID = 16;
const LENGTH = 18;
const PROTOCOL = 20;
const PACKET = 22;
/** Protocol numbers from here on are control packets (RFC 1661 §2). */
const CONTROL = 0x8000;

export class EarlyFrames {
  #frames: Uint8Array[] = [];
  #acMac: Uint8Array | undefined;

  get isKeeping(): boolean {
    return this.#acMac !== undefined;
  }

  /** A discovery frame goes to this one station: drop the frames kept so far, and keep those of this station. */
  keep(acMac: Uint8Array): void {
    this.#frames = [];
    this.#acMac = acMac.slice();
  }

  /** @param frame whole, from the line */
  add(frame: Uint8Array): void {
    if (this.#acMac === undefined || this.#frames.length >= MAX_KEPT || !isControl(frame)) return;
    if (sameOctets(frame.subarray(SOURCE, SOURCE + 6), this.#acMac))
      this.#frames.push(frame.slice());
  }

  /** The control packets of this session, in order. Stops keeping frames. */
  take({ sessionId, acMac }: Key): { protocol: number; packet: Uint8Array }[] {
    const frames = this.#frames;
    this.forget();
    return frames
      .filter((frame) => u16(frame, SESSION_ID) === sessionId)
      .filter((frame) => sameOctets(frame.subarray(SOURCE, SOURCE + 6), acMac))
      .map((frame) => ({
        protocol: u16(frame, PROTOCOL),
        packet: frame.slice(PACKET, PROTOCOL + u16(frame, LENGTH)),
      }));
  }

  forget(): void {
    this.#frames = [];
    this.#acMac = undefined;
  }
}

/** A frame of the Session Stage whose LENGTH fits, with a control packet in it. */
function isControl(frame: Uint8Array): boolean {
  return (
    frame.length >= PACKET &&
    u16(frame, ETHERTYPE) === ETHERTYPE_SESSION &&
    u16(frame, VERSION) === VER_TYPE_CODE &&
    u16(frame, LENGTH) >= PACKET - PROTOCOL &&
    PROTOCOL + u16(frame, LENGTH) <= frame.length &&
    u16(frame, PROTOCOL) >= CONTROL
  );
}

const u16 = (octets: Uint8Array, at: number): number =>
  ((octets[at] ?? 0) << 8) | (octets[at + 1] ?? 0);
