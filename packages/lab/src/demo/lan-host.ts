/**
 * A host on the LAN that sends one packet after the other through the router that is MASTER, and the account of those
 * that pass the link between the routers: once is a detour, twice is a loop (docs/failover.md, rule R13). It knows no route.
 */
import { encodeEcho } from '../line/icmp.ts';
import { ADDRESSES } from './setting.ts';

const IDENTIFIER = 0x1a4;
const ROUND = 0x1_0000;
/** Packets remembered: more than are ever under way. */
const MEMORY = 1000;

export class LanHost {
  /** By the octets of a packet: how often it has gone from one router to the other. */
  readonly #crossings = new Map<string, number>();
  #next = 0;
  #looped = 0;

  /** The next packet to the Internet, with its translated source as the routers' firewall would write it. */
  packet(): Uint8Array {
    const sequence = this.#next;
    this.#next = (sequence + 1) % ROUND;
    return encodeEcho({
      kind: 'request',
      source: ADDRESSES.public,
      destination: ADDRESSES.ac,
      identifier: IDENTIFIER,
      sequence,
    });
  }

  /** `packet` goes from one router to the other. Returns whether it has not done so before. */
  crosses(packet: Uint8Array): boolean {
    const key = packet.join();
    const crossings = (this.#crossings.get(key) ?? 0) + 1;
    this.#crossings.set(key, crossings);
    for (const oldest of this.#crossings.keys()) {
      if (this.#crossings.size <= MEMORY) break;
      this.#crossings.delete(oldest);
    }
    if (crossings > 1) this.#looped += 1;
    return crossings === 1;
  }

  /** Packets that passed the link between the routers twice. */
  get looped(): number {
    return this.#looped;
  }
}
