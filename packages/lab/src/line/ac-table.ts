/**
 * The Access Concentrator's table of sessions: which exist, whose they are, which address each has, and which clients
 * are locked out for having let one go too soon. It sends nothing and speaks no protocol.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Random } from '@ppp-thing/protocol/engine/hashes';
import type { Instant } from '@ppp-thing/protocol/time';
import { formatMac } from '@ppp-thing/protocol/wire/ethernet';
import { isSessionId } from '@ppp-thing/protocol/wire/pppoe';
import type { AcSession } from './ac-session.ts';

export interface Entry {
  readonly id: number;
  readonly mac: Uint8Array;
  readonly session: AcSession;
  readonly born: Instant;
  /** When the PADI came that led here. */
  readonly dialled: Instant;
  address: Uint8Array | undefined;
  user: string | undefined;
  wasUp: boolean;
}

/** A session that lived less than this, milliseconds, makes a client suspicious. */
const SHORT = 60_000;
const LONGEST_LOCKOUT = 300_000;
/** SESSION_IDs drawn before none counts as free. */
const DRAWS = 64;

export class SessionTable {
  readonly #entries = new Map<number, Entry>();
  readonly #lockouts = new Map<string, { readonly until: number; readonly count: number }>();
  readonly #pool: readonly Uint8Array[];
  readonly #random: Random;

  constructor(pool: readonly Uint8Array[], random: Random) {
    this.#pool = pool;
    this.#random = random;
  }

  all(): Entry[] {
    return [...this.#entries.values()];
  }

  add(entry: Entry): void {
    this.#entries.set(entry.id, entry);
  }

  /** The session `id` of the client at `mac`; another client's is none. */
  find(id: number, mac: Uint8Array): Entry | undefined {
    const entry = this.#entries.get(id);
    return entry !== undefined && sameOctets(entry.mac, mac) ? entry : undefined;
  }

  ofMac(mac: Uint8Array): Entry[] {
    return this.all().filter((entry) => sameOctets(entry.mac, mac));
  }

  clear(): void {
    this.#entries.clear();
  }

  /** @param lockoutMs how long the client of a short session stays unheard, the first time; 0: not at all */
  remove(entry: Entry, lockoutMs: number, now: Instant): void {
    this.#entries.delete(entry.id);
    const key = formatMac(entry.mac);
    if (lockoutMs === 0 || now - entry.born >= SHORT) {
      this.#lockouts.delete(key);
      return;
    }
    const count = this.#lockouts.get(key)?.count ?? 0;
    const until = now + Math.min(lockoutMs * 2 ** count, LONGEST_LOCKOUT);
    this.#lockouts.set(key, { until, count: count + 1 });
  }

  isLockedOut(mac: Uint8Array, now: Instant): boolean {
    return now < (this.#lockouts.get(formatMac(mac))?.until ?? 0);
  }

  /** A SESSION_ID that nobody has; undefined if chance finds none. */
  freeId(): number | undefined {
    for (let draw = 0; draw < DRAWS; draw++) {
      const [high = 0, low = 0] = this.#random(2);
      const id = (high << 8) | low;
      if (isSessionId(id) && !this.#entries.has(id)) return id;
    }
    return undefined;
  }

  /** The address it asks for if that is free, else the one it has, else the first that is free. */
  assign(entry: Entry, asked: Uint8Array): Uint8Array {
    const others = this.all().filter((other) => other !== entry);
    const free = this.#pool.filter((address) =>
      others.every((other) => other.address === undefined || !sameOctets(other.address, address)),
    );
    const wanted = free.find((address) => sameOctets(address, asked));
    entry.address = wanted ?? entry.address ?? free[0] ?? asked;
    return entry.address;
  }

  /** Whether another session belongs to `user`. */
  isUserElsewhere(entry: Entry, user: string): boolean {
    return this.all().some((other) => other !== entry && other.user === user);
  }
}
