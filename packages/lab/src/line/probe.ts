/**
 * The probe: one echo request every ten milliseconds, and the account of those that were not answered. It knows
 * sequence numbers and instants, nothing of packets.
 */
import type { Engine } from '@ppp-thing/protocol/engine/events';
import { after, type Instant, type Millis } from '@ppp-thing/protocol/time';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export type ProbeEvent =
  | { readonly kind: 'start' }
  | { readonly kind: 'stop' }
  | { readonly kind: 'pong'; readonly sequence: number }
  | { readonly kind: 'deadline' };

export interface Ping {
  readonly kind: 'ping';
  /** 0 … 0xffff, and round again. */
  readonly sequence: number;
}

interface Sent {
  readonly at: Instant;
  isAnswered: boolean;
}

/** Probes remembered: a little less than one round of the sequence numbers. */
const MEMORY = 60_000;
const ROUND = 0x1_0000;

export interface Account {
  readonly sent: number;
  readonly lost: number;
  /** From the first lost probe to the first answered one after it, of the longest run of lost ones. Milliseconds. */
  readonly outageMs: number;
}

export class Probe implements Engine<ProbeEvent, Ping> {
  readonly #interval: Millis;
  readonly #sent = new Map<number, Sent>();
  #next = 0;
  #at: Instant | undefined;

  constructor(interval: Millis) {
    this.#interval = interval;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  handle(event: ProbeEvent, now: Instant): Ping[] {
    switch (event.kind) {
      case 'start':
        this.#at = now;
        return this.#ping(now);
      case 'stop':
        this.#at = undefined;
        return [];
      case 'pong': {
        const sent = this.#sent.get(event.sequence);
        if (sent !== undefined) sent.isAnswered = true;
        return [];
      }
      case 'deadline':
        return this.#at === undefined || now < this.#at ? [] : this.#ping(now);
      default:
        return unreachable(event);
    }
  }

  /** What became of the probes sent from `from` up to, not including, `to`. */
  account(from: Instant, to: Instant): Account {
    const within = [...this.#sent.values()].filter(({ at }) => at >= from && at < to);
    let outageMs = 0;
    let since: Instant | undefined;
    for (const { at, isAnswered } of within) {
      if (!isAnswered) since ??= at;
      if (since !== undefined) outageMs = Math.max(outageMs, at - since);
      if (isAnswered) since = undefined;
    }
    const lost = within.filter(({ isAnswered }) => !isAnswered).length;
    return { sent: within.length, lost, outageMs };
  }

  /** The pace is kept: a late call does not shift the probes after it, but missed ones are not made up for. */
  #ping(now: Instant): Ping[] {
    const due = after(this.#at ?? now, this.#interval);
    this.#at = due > now ? due : after(now, this.#interval);
    const sequence = this.#next;
    this.#next = (sequence + 1) % ROUND;
    this.#sent.set(sequence, { at: now, isAnswered: false });
    for (const oldest of this.#sent.keys()) {
      if (this.#sent.size <= MEMORY) break;
      this.#sent.delete(oldest);
    }
    return [{ kind: 'ping', sequence }];
  }
}
