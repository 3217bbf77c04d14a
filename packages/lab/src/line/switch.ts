/**
 * The line's Ethernet switch: it learns which port a MAC address is behind and forwards accordingly. It reads nothing
 * after the two addresses.
 */
import { after, type Instant, type Millis } from '@ppp-thing/protocol/time';
import type { Engine } from '@ppp-thing/protocol/engine/events';
import { formatMac, isMulticast } from '@ppp-thing/protocol/wire/ethernet';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export type SwitchEvent =
  | { readonly kind: 'frame'; readonly port: string; readonly frame: Uint8Array }
  | { readonly kind: 'link'; readonly port: string; readonly up: boolean }
  | { readonly kind: 'deadline' };

export type SwitchOutput =
  | { readonly kind: 'send'; readonly port: string; readonly frame: Uint8Array }
  /** A MAC address that was behind one port has spoken from another. */
  | { readonly kind: 'moved'; readonly mac: string; readonly from: string; readonly to: string };

/** How long an address is remembered after it last spoke (IEEE 802.1D's default). */
export const AGEING = 300_000 as Millis;

const HEADER = 14;

interface Entry {
  readonly port: string;
  readonly until: Instant;
}

export class LearningSwitch implements Engine<SwitchEvent, SwitchOutput> {
  readonly #isUp = new Map<string, boolean>();
  readonly #table = new Map<string, Entry>();

  /** @param ports names, all of them up */
  constructor(ports: readonly string[]) {
    for (const port of ports) this.#isUp.set(port, true);
  }

  handle(event: SwitchEvent, now: Instant): SwitchOutput[] {
    switch (event.kind) {
      case 'frame':
        return this.#forward(event.port, event.frame, now);
      case 'link':
        return this.#link(event.port, event.up);
      case 'deadline':
        for (const [mac, entry] of this.#table) if (entry.until <= now) this.#table.delete(mac);
        return [];
      default:
        return unreachable(event);
    }
  }

  /** When the oldest address is forgotten. */
  deadline(): Instant | undefined {
    let first: Instant | undefined;
    for (const { until } of this.#table.values())
      if (first === undefined || until < first) first = until;
    return first;
  }

  /** The port `mac` was last heard from, while that is remembered. */
  portOf(mac: Uint8Array): string | undefined {
    return this.#table.get(formatMac(mac))?.port;
  }

  #link(port: string, up: boolean): SwitchOutput[] {
    this.#isUp.set(port, up);
    // What was behind a port that lost its link is not there any more.
    if (!up)
      for (const [mac, entry] of this.#table) if (entry.port === port) this.#table.delete(mac);
    return [];
  }

  #forward(port: string, frame: Uint8Array, now: Instant): SwitchOutput[] {
    if (this.#isUp.get(port) !== true || frame.length < HEADER) return [];
    const destination = frame.subarray(0, 6);
    const source = frame.subarray(6, 12);
    const moved = isMulticast(source) ? [] : this.#learn(formatMac(source), port, now);
    const known = isMulticast(destination) ? undefined : this.#known(formatMac(destination), now);
    const ports = known === undefined ? [...this.#isUp.keys()] : [known];
    const open = ports.filter((each) => each !== port && this.#isUp.get(each) === true);
    return [...moved, ...open.map((each) => ({ kind: 'send', port: each, frame }) as const)];
  }

  #known(mac: string, now: Instant): string | undefined {
    const entry = this.#table.get(mac);
    return entry !== undefined && entry.until > now ? entry.port : undefined;
  }

  #learn(mac: string, port: string, now: Instant): SwitchOutput[] {
    const from = this.#known(mac, now);
    this.#table.set(mac, { port, until: after(now, AGEING) });
    return from === undefined || from === port ? [] : [{ kind: 'moved', mac, from, to: port }];
  }
}
