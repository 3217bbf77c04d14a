/** One DHCPv6 client and a scripted server under a virtual clock: values in, values out. */
import { Dhcp6Client, type Dhcp6Signal } from '@ppp-thing/protocol/engine/dhcp6/client';
import type { Dhcp6Config } from '@ppp-thing/protocol/engine/session-config';
import type { Note } from '@ppp-thing/protocol/engine/events';
import type { Lease } from '@ppp-thing/protocol/lease';
import { WallClock, type Instant } from '@ppp-thing/protocol/time';
import {
  decodeDhcp6,
  encodeDhcp6,
  findOption,
  type Dhcp6Message,
  type Dhcp6Option,
  type Dhcp6Type,
} from '@ppp-thing/protocol/wire/dhcpv6';
import { formatIpv6, parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { hex } from '../hex.ts';
import { counterRandom } from './link-pair.ts';
import { Recorder } from './recorder.ts';

export const DUID = hex`0003 0001 02005e105301`;
export const SERVER = hex`0003 0001 0200000000ac`;
export const OTHER_SERVER = hex`0003 0001 0200000000bb`;
export const WALL_CLOCK = 1_790_000_000_000;
export const CONFIG: Dhcp6Config = { duid: DUID, iaid: 7, prefix: true, address: false };

export const ip = (text: string): Uint8Array => {
  const address = parseIpv6(text);
  if (address === undefined) throw new Error(`no address: ${text}`);
  return address;
};

/** `2001:db8:ab00::/56`, for comparing. */
export const shown = (lease: Lease | null | undefined): string[] =>
  (lease?.prefixes ?? []).map(({ prefix, length }) => `${formatIpv6(prefix)}/${length}`);

export interface Delegation {
  readonly prefix?: string;
  readonly length?: number;
  readonly preferred?: number;
  readonly valid?: number;
}

/** An IA_PD as a server grants it. */
export const delegation = (
  each: Delegation = {},
  { t1 = 1800, t2 = 2880, iaid = CONFIG.iaid }: { t1?: number; t2?: number; iaid?: number } = {},
  more: readonly Dhcp6Option[] = [],
): Dhcp6Option => {
  const { prefix = '2001:db8:ab00::', length = 56, preferred = 3600, valid = 7200 } = each;
  const iaPrefix = { kind: 'iaPrefix', prefix: ip(prefix), length, preferred, valid } as const;
  return { kind: 'iaPd', iaid, t1, t2, options: [{ ...iaPrefix, options: [] }, ...more] };
};

export const status = (number: number, text = ''): Dhcp6Option => ({
  kind: 'statusCode',
  status: number,
  text: Uint8Array.from(text, (character) => character.charCodeAt(0)),
});

let sessions = 1_790_000_000;

export class Dhcp6World {
  now = 1000 as Instant;
  readonly client: Dhcp6Client;
  readonly #recorder = new Recorder();
  readonly sent: { readonly at: Instant; readonly message: Dhcp6Message }[] = [];
  readonly leases: (Lease | null)[] = [];
  readonly notes: Note[] = [];
  released = 0;

  constructor(config: Partial<Dhcp6Config> = {}, wallClock = WALL_CLOCK, seed = 1) {
    const { out } = this.#recorder;
    this.client = new Dhcp6Client(
      { ...CONFIG, ...config },
      counterRandom(seed),
      new WallClock(wallClock),
      out,
    );
  }

  /** @param isNew the session is another than the lease was got on */
  start(lease: Lease | null = null, isNew = true): this {
    const session = isNew || lease === null ? ++sessions : lease.session;
    return this.take(this.client.start(lease, session, this.now));
  }

  stop(): this {
    return this.take(this.client.stop(this.now));
  }

  release(): this {
    return this.take(this.client.release(this.now));
  }

  /** The last message, as the wire has it. */
  get last(): Dhcp6Message {
    const last = this.sent.at(-1);
    if (last === undefined) throw new Error('nothing was sent');
    return decodeDhcp6(encodeDhcp6(last.message));
  }

  get lease(): Lease | null | undefined {
    return this.leases.at(-1);
  }

  /** Message types in the order they were sent. */
  get types(): Dhcp6Type[] {
    return this.sent.map(({ message }) => message.type);
  }

  /** The server answers the last message. */
  answer(
    type: 'Advertise' | 'Reply',
    options: readonly Dhcp6Option[],
    { server = SERVER, duid = DUID, transactionId = this.last.transactionId } = {},
  ): this {
    const identifiers = [
      { kind: 'clientId', duid },
      { kind: 'serverId', duid: server },
    ] as const;
    const message = { type, transactionId, options: [...identifiers, ...options] };
    return this.hear(decodeDhcp6(encodeDhcp6(message)));
  }

  hear(message: Dhcp6Message): this {
    return this.take(this.client.receive(message, this.now));
  }

  /** Let time pass: deadlines expire in order, each at its instant. */
  run(span: number): this {
    const end = (this.now + span) as Instant;
    for (let steps = 0; steps < 10_000; steps++) {
      const next = this.client.deadline();
      if (next === undefined || next > end) {
        this.now = end;
        return this;
      }
      this.now = next;
      this.take(this.client.expire(this.now));
    }
    throw new Error('it never waits');
  }

  /** Solicit, Advertise, Request, Reply. */
  bind(...options: readonly Dhcp6Option[]): this {
    const given = options.length === 0 ? [delegation()] : options;
    this.start();
    this.answer('Advertise', [{ kind: 'preference', value: 255 }, ...given]);
    return this.answer('Reply', given);
  }

  take(signals: readonly Dhcp6Signal[]): this {
    for (const output of this.#recorder.take(signals)) {
      if (output.kind === 'send-dhcp6') this.sent.push({ at: this.now, message: output.message });
      else if (output.kind === 'lease') this.leases.push(output.lease);
      else if (output.kind === 'released') this.released += 1;
      else if (output.kind === 'note') this.notes.push(output.note);
    }
    return this;
  }

  /** Notes of a level, as `on reason-or-problem`. */
  lines(level: Note['level']): string[] {
    return this.notes
      .filter((note) => note.level === level)
      .map(({ on, facts }) => `${on} ${facts?.['reason'] ?? facts?.['problem'] ?? ''}`.trim());
  }
}

/** The prefix that a message asks for, and nothing if it asks for any. */
export const asksFor = (message: Dhcp6Message): string[] =>
  (findOption(message.options, 'iaPd')?.options ?? [])
    .filter((option) => option.kind === 'iaPrefix')
    .map(({ prefix, length }) => `${formatIpv6(prefix)}/${length}`);
