/**
 * The witness on the line: what every router sends into the switch, held against its role. It sees the Ethernet and
 * PPPoE headers, as a capture would, and stops nothing.
 */
import type { Role } from '@ppp-thing/protocol/session';
import { DecodeError } from '@ppp-thing/protocol/bytes';
import type { Instant, Millis } from '@ppp-thing/protocol/time';
import { decodeEthernet, ETHERTYPE, formatMac } from '@ppp-thing/protocol/wire/ethernet';
import { decodeDiscovery } from '@ppp-thing/protocol/wire/pppoe';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export type WitnessEvent =
  | { readonly kind: 'frame'; readonly port: string; readonly frame: Uint8Array }
  | { readonly kind: 'role'; readonly port: string; readonly role: Role }
  | { readonly kind: 'gate'; readonly port: string; readonly open: boolean };

interface Testimony {
  readonly kind: 'violation';
  readonly text: string;
}

interface Station {
  role: Role;
  /** When it last stopped being MASTER. */
  left: Instant | undefined;
  isOpen: boolean;
}

export class Witness {
  readonly #stations = new Map<string, Station>();
  readonly #grace: Millis;
  #both: Instant | undefined;
  #overlap = 0;
  #padis = 0;
  #padts = 0;

  /**
   * @param grace how long a router that has just left MASTER may still be heard: the new master's edge comes up to
   *        17 ms before the old one's, and each has a helper to wake
   */
  constructor(grace: Millis) {
    this.#grace = grace;
  }

  /** PADI and PADT frames that routers sent. */
  get padis(): number {
    return this.#padis;
  }

  get padts(): number {
    return this.#padts;
  }

  /** Milliseconds for which more than one gate has been open, in all. */
  overlap(now: Instant): number {
    return this.#overlap + (this.#both === undefined ? 0 : now - this.#both);
  }

  handle(event: WitnessEvent, now: Instant): Testimony[] {
    const station = this.#station(event.port);
    switch (event.kind) {
      case 'role':
        if (station.role === 'MASTER' && event.role !== 'MASTER') station.left = now;
        station.role = event.role;
        return [];
      case 'gate':
        station.isOpen = event.open;
        this.#compare(now);
        return [];
      case 'frame':
        return this.#see(event.port, station, event.frame, now);
      default:
        return unreachable(event);
    }
  }

  #station(port: string): Station {
    const known = this.#stations.get(port);
    if (known !== undefined) return known;
    const fresh: Station = { role: 'INIT', left: undefined, isOpen: false };
    this.#stations.set(port, fresh);
    return fresh;
  }

  #compare(now: Instant): void {
    const open = [...this.#stations.values()].filter(({ isOpen }) => isOpen).length;
    if (open > 1) this.#both ??= now;
    else if (this.#both !== undefined) {
      this.#overlap += now - this.#both;
      this.#both = undefined;
    }
  }

  #see(port: string, station: Station, octets: Uint8Array, now: Instant): Testimony[] {
    const { etherType, source, payload } = decodeEthernet(octets);
    const what = etherType === ETHERTYPE.PPPOE_SESSION ? 'session frame' : this.#name(payload);
    if (etherType === ETHERTYPE.RARP) return this.#judge(port, station, 'announce frame', now);
    if (what === 'PADI') this.#padis += 1;
    if (what === 'PADT') this.#padts += 1;
    return this.#judge(port, station, `${what} from ${formatMac(source)}`, now);
  }

  #name(payload: Uint8Array): string {
    try {
      return decodeDiscovery(payload).code;
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return 'malformed discovery frame';
    }
  }

  #judge(port: string, station: Station, what: string, now: Instant): Testimony[] {
    const isRecent = station.left !== undefined && now - station.left <= this.#grace;
    if (station.role === 'MASTER' || isRecent) return [];
    return [{ kind: 'violation', text: `${what} at ${port}, which is ${station.role}` }];
  }
}
