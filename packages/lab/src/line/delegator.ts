/**
 * The DHCPv6 server behind the Access Concentrator: one prefix for the line, on decoded values. It gives another
 * prefix to whoever does not name the one that is bound, as many ISPs do, so that a forgotten lease is seen. It shares no code
 * with our client.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { findOption, type Dhcp6Message, type Dhcp6Option } from '@ppp-thing/protocol/wire/dhcpv6';

/** Lifetimes of a lease, seconds; T1 and T2 follow. */
export interface Delegating {
  readonly preferredSeconds: number;
  readonly validSeconds: number;
}

const SERVER = Uint8Array.of(0, 3, 0, 1, 2, 0, 0, 0, 0, 0xac);
const LENGTH = 56;
const NO_BINDING = 3;
/** A client counts in whole seconds. */
const SECOND_MS = 1000;

export class Delegator {
  /** Prefixes that were given, the last one first. */
  given = 0;
  /** Messages of a client, by type. */
  readonly heard = new Map<string, number>();
  readonly #terms: Delegating;
  readonly #line: number;
  #bound: { readonly prefix: Uint8Array; readonly until: number } | undefined;

  /** @param line a number that is in its prefixes */
  constructor(terms: Delegating, line = 0) {
    this.#terms = terms;
    this.#line = line;
  }

  /** Whether the line has a prefix that is still valid. */
  isBound(now: number): boolean {
    return this.#bound !== undefined && this.#bound.until > now;
  }

  /** T1 of the lease has come, or there is none. */
  isDue(now: number): boolean {
    if (this.#bound === undefined) return true;
    const granted = this.#bound.until - this.#terms.validSeconds * 1000;
    return now >= granted + this.#t1 * 1000 - SECOND_MS;
  }

  /** What it answers at `now`, milliseconds of the world. */
  answer(message: Dhcp6Message, now: number): Dhcp6Message | undefined {
    const { type, options } = message;
    this.heard.set(type, (this.heard.get(type) ?? 0) + 1);
    const client = findOption(options, 'clientId');
    const ia = findOption(options, 'iaPd');
    const server = findOption(options, 'serverId');
    if (client === undefined || ia === undefined) return undefined;
    if (server !== undefined && !sameOctets(server.duid, SERVER)) return undefined;
    if (!this.isBound(now)) this.#bound = undefined;
    const asked = findOption(ia.options, 'iaPrefix')?.prefix;
    const isBound =
      this.#bound !== undefined && asked !== undefined && sameOctets(asked, this.#bound.prefix);
    const reply = (kind: 'Advertise' | 'Reply', inside: readonly Dhcp6Option[]): Dhcp6Message => ({
      type: kind,
      transactionId: message.transactionId,
      options: [
        { kind: 'clientId', duid: client.duid },
        { kind: 'serverId', duid: SERVER },
        ...inside,
      ],
    });
    switch (type) {
      case 'Solicit':
        if (!isBound) this.#bind(now);
        return reply('Advertise', [this.#lease(ia.iaid)]);
      case 'Renew':
      case 'Rebind':
        if (!isBound)
          return reply('Reply', [
            {
              ...ia,
              options: [{ kind: 'statusCode', status: NO_BINDING, text: new Uint8Array() }],
            },
          ]);
        break;
      case 'Request':
        if (!isBound) this.#bind(now);
        break;
      case 'Release':
        if (isBound) this.#bound = undefined;
        return reply('Reply', []);
      default:
        return undefined;
    }
    if (this.#bound !== undefined) this.#bound = { ...this.#bound, until: this.#end(now) };
    return reply('Reply', [this.#lease(ia.iaid)]);
  }

  #bind(now: number): void {
    this.given += 1;
    const which = [this.given & 0xff, this.#line];
    const prefix = Uint8Array.of(0x20, 1, 0x0d, 0xb8, ...which, ...new Uint8Array(10));
    this.#bound = { prefix, until: this.#end(now) };
  }

  get #t1(): number {
    return Math.floor(this.#terms.preferredSeconds / 2);
  }

  #end(now: number): number {
    return now + this.#terms.validSeconds * 1000;
  }

  #lease(iaid: number): Dhcp6Option {
    const { preferredSeconds: preferred, validSeconds: valid } = this.#terms;
    const prefix = this.#bound?.prefix ?? new Uint8Array(16);
    const t2 = Math.floor((preferred * 4) / 5);
    const leased = {
      kind: 'iaPrefix',
      prefix,
      length: LENGTH,
      preferred,
      valid,
      options: [],
    } as const;
    return { kind: 'iaPd', iaid, t1: this.#t1, t2, options: [leased] };
  }
}
