/**
 * What the bench and its routers say to each other: frames of a line, and a role. A length and a line before each. And the
 * kernel of such a router.
 */
import { FakeKernel } from '../freebsd/kernel.ts';

export const LAN = 'lan0';
export const VHID = 1;
export const ROLES = ['INIT', 'BACKUP', 'MASTER'] as const;
/** In a line's place: CARP's role. */
export const CARP = 0xffff;

export const lineName = (i: number): string => `vlan${i}`;
export const sessionName = (i: number): string => `wan${i}`;
export const sessionMac = (i: number): Uint8Array =>
  Uint8Array.of(2, 0, 0x5e, 0x10, i >> 8, i & 0xff);

/** A kernel with a LAN and its vhid, and no line yet. */
export function makeKernel(): FakeKernel {
  const kernel = new FakeKernel({ bpfDevices: 4096 });
  const lan = kernel.addEther(LAN, Uint8Array.of(0, 0, 0x5e, 0, 0x53, 2), () => {});
  const [address, mask] = [Uint8Array.of(192, 168, 7, 2), Uint8Array.of(255, 255, 255, 0)];
  lan.addresses.push({ address, mask });
  kernel.carp.add(lan, VHID, 'BACKUP');
  return kernel;
}

export interface Piece {
  /** The line's number, or `CARP`. */
  readonly to: number;
  readonly octets: Uint8Array;
}

export function piece(to: number, octets: Uint8Array): Uint8Array {
  const whole = new Uint8Array(4 + octets.length);
  whole.set([octets.length >> 8, octets.length & 0xff, to >> 8, to & 0xff]);
  whole.set(octets, 4);
  return whole;
}

/** A stream of pieces, cut anywhere. */
export class Pieces {
  #held: Uint8Array = new Uint8Array(0);

  push(chunk: Uint8Array): Piece[] {
    const all = this.#held.length === 0 ? chunk : Buffer.concat([this.#held, chunk]);
    const found: Piece[] = [];
    const u16 = (at: number): number => ((all[at] ?? 0) << 8) | (all[at + 1] ?? 0);
    let at = 0;
    while (at + 4 <= all.length && at + 4 + u16(at) <= all.length) {
      const end = at + 4 + u16(at);
      found.push({ to: u16(at + 2), octets: all.slice(at + 4, end) });
      at = end;
    }
    this.#held = all.slice(at);
    return found;
  }
}
