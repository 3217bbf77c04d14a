/**
 * CARP as carp(4) of FreeBSD does it: one station, and a pair of them on a LAN that can be cut. It reports the roles'
 * edges; what they mean is the helper's business. No packets: an advertisement is its two numbers.
 *
 * Theory of operation. A BACKUP that hears no advertisement for 3 × advbase + advskew/256 s becomes MASTER. A MASTER
 * advertises every advbase + advskew/256 s and steps down for one that advertises as often or more often; a BACKUP that
 * preempts takes over from one that advertises less often. A demotion adds to the skew that is advertised and compared,
 * up to 240, and a MASTER advertises at once when it changes: that is what makes a planned move immediate.
 */
import type { Role } from '@ppp-thing/protocol/session';
import type { Engine } from '@ppp-thing/protocol/engine/events';
import { after, earliest, type Instant, type Millis } from '@ppp-thing/protocol/time';
import { unreachable } from '@ppp-thing/protocol/unreachable';

/** carp(4): the skew that is advertised never exceeds this. */
const MAX_SKEW = 240;
/** net.inet.carp.ifdown_demotion_factor. */
const IFDOWN_DEMOTION = 240;

interface StationConfig {
  /** CARP seconds. */
  readonly advbase: number;
  /** 0 … 254, in 256ths of a CARP second. */
  readonly advskew: number;
  readonly preempt: boolean;
  /** How long one of CARP's seconds lasts: 1000 but in a test that is in a hurry. */
  readonly secondMs: number;
}

interface Advert {
  readonly advbase: number;
  /** With the sender's demotion in it. */
  readonly advskew: number;
}

type StationEvent =
  | { readonly kind: 'link'; readonly up: boolean }
  | { readonly kind: 'advert'; readonly advert: Advert }
  /** The sum of everything that demotes this router now, without the link's part. */
  | { readonly kind: 'demotion'; readonly amount: number }
  | { readonly kind: 'deadline' };

type StationOutput =
  | { readonly kind: 'advertise'; readonly advert: Advert }
  | { readonly kind: 'role'; readonly role: Role; readonly reason: string };

/** One router's end of one vhid. Its interface is down at first. */
class CarpStation implements Engine<StationEvent, StationOutput> {
  readonly #config: StationConfig;
  #role: Role = 'INIT';
  #isUp = false;
  #demotion = 0;
  /** BACKUP: when the master counts as dead. MASTER: when to advertise next. */
  #at: Instant | undefined;

  constructor(config: StationConfig) {
    this.#config = config;
  }

  get role(): Role {
    return this.#role;
  }

  /** net.inet.carp.demotion. */
  get demotion(): number {
    return this.#demotion + (this.#isUp ? 0 : IFDOWN_DEMOTION);
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  handle(event: StationEvent, now: Instant): StationOutput[] {
    switch (event.kind) {
      case 'link':
        return this.#link(event.up, now);
      case 'advert':
        return this.#hear(event.advert, now);
      case 'demotion':
        if (event.amount === this.#demotion) return [];
        this.#demotion = event.amount;
        return this.#role === 'MASTER' ? this.#advertise(now) : [];
      case 'deadline':
        if (this.#at === undefined || now < this.#at) return [];
        return this.#role === 'MASTER'
          ? this.#advertise(now)
          : this.#masterDown('master timed out', now);
      default:
        return unreachable(event);
    }
  }

  #link(up: boolean, now: Instant): StationOutput[] {
    if (up === this.#isUp) return [];
    this.#isUp = up;
    if (!up) {
      this.#at = undefined;
      return this.#become('INIT', 'hardware interface down');
    }
    this.#awaitMaster(now);
    return this.#become('BACKUP', 'hardware interface up');
  }

  #hear(advert: Advert, now: Instant): StationOutput[] {
    const theirs = this.#span(advert.advbase, advert.advskew);
    const ours = this.#interval();
    if (this.#role === 'MASTER' && ours >= theirs) {
      this.#awaitMaster(now);
      return this.#become('BACKUP', 'more frequent advertisement received');
    }
    if (this.#role !== 'BACKUP') return [];
    if (this.#config.preempt && ours < theirs)
      return this.#masterDown('preempting a slower master', now);
    this.#awaitMaster(now);
    return [];
  }

  #masterDown(reason: string, now: Instant): StationOutput[] {
    return [...this.#become('MASTER', reason), ...this.#advertise(now)];
  }

  #advertise(now: Instant): StationOutput[] {
    this.#at = after(now, this.#interval());
    const { advbase } = this.#config;
    return [{ kind: 'advertise', advert: { advbase, advskew: this.#skew() } }];
  }

  /** The master's time is counted with the skew as configured, whatever our demotion. */
  #awaitMaster(now: Instant): void {
    const { advbase, advskew } = this.#config;
    this.#at = after(now, this.#span(3 * advbase, advskew));
  }

  #become(role: Role, reason: string): StationOutput[] {
    if (role === this.#role) return [];
    this.#role = role;
    return [{ kind: 'role', role, reason }];
  }

  #skew(): number {
    return Math.min(this.#config.advskew + this.demotion, MAX_SKEW);
  }

  #interval(): Millis {
    return this.#span(this.#config.advbase, this.#skew());
  }

  #span(base: number, skew: number): Millis {
    return ((base + skew / 256) * this.#config.secondMs) as Millis;
  }
}

export type PairEvent =
  /** The LAN cable of one router. */
  | { readonly kind: 'link'; readonly station: number; readonly up: boolean }
  | { readonly kind: 'demotion'; readonly station: number; readonly amount: number }
  /** Whether what `from` sends reaches the others. */
  | { readonly kind: 'reach'; readonly from: number; readonly reaches: boolean }
  /** The router lost power: no edge is reported, and everything it knew is gone. */
  | { readonly kind: 'power-cut'; readonly station: number }
  | { readonly kind: 'deadline' };

export interface RoleEdge {
  readonly kind: 'role';
  readonly station: number;
  readonly role: Role;
  readonly reason: string;
}

interface Flight {
  readonly to: number;
  readonly at: Instant;
  readonly advert: Advert;
}

/** Stations on one LAN that takes `delay` to carry an advertisement. */
export class CarpPair implements Engine<PairEvent, RoleEdge> {
  readonly #configs: readonly StationConfig[];
  readonly #stations: CarpStation[];
  readonly #delay: Millis;
  readonly #mute = new Set<number>();
  #flights: Flight[] = [];

  constructor(configs: readonly StationConfig[], delay: Millis) {
    this.#configs = configs;
    this.#stations = configs.map((config) => new CarpStation(config));
    this.#delay = delay;
  }

  role(station: number): Role {
    return this.#stations[station]?.role ?? 'INIT';
  }

  demotion(station: number): number {
    return this.#stations[station]?.demotion ?? 0;
  }

  deadline(): Instant | undefined {
    const flights = this.#flights.map(({ at }) => at);
    return earliest(...flights, ...this.#stations.map((station) => station.deadline()));
  }

  handle(event: PairEvent, now: Instant): RoleEdge[] {
    switch (event.kind) {
      case 'reach':
        if (event.reaches) this.#mute.delete(event.from);
        else this.#mute.add(event.from);
        return [];
      case 'power-cut': {
        const config = this.#configs[event.station];
        if (config !== undefined) this.#stations[event.station] = new CarpStation(config);
        this.#flights = this.#flights.filter(({ to }) => to !== event.station);
        return [];
      }
      case 'link':
      case 'demotion':
        return this.#feed(event.station, event, now);
      case 'deadline':
        return this.#expire(now);
      default:
        return unreachable(event);
    }
  }

  #expire(now: Instant): RoleEdge[] {
    const due = this.#flights.filter(({ at }) => at <= now);
    this.#flights = this.#flights.filter(({ at }) => at > now);
    return [
      ...due.flatMap(({ to, advert }) => this.#feed(to, { kind: 'advert', advert }, now)),
      ...this.#stations.flatMap((_, station) => this.#feed(station, { kind: 'deadline' }, now)),
    ];
  }

  #feed(station: number, event: StationEvent, now: Instant): RoleEdge[] {
    const edges: RoleEdge[] = [];
    for (const output of this.#stations[station]?.handle(event, now) ?? []) {
      if (output.kind === 'role') edges.push({ ...output, station });
      else this.#carry(station, output.advert, now);
    }
    return edges;
  }

  #carry(from: number, advert: Advert, now: Instant): void {
    if (this.#mute.has(from)) return;
    this.#stations.forEach((_, to) => {
      if (to !== from) this.#flights.push({ to, at: after(now, this.#delay), advert });
    });
  }
}
