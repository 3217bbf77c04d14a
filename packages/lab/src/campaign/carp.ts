/**
 * Two routers' CARP on one LAN, with the timings and preemption of carp(4). It reports edges; the helper decides what they
 * mean.
 *
 * `line/carp.ts` is the model for real processes. This one schedules its own advertisements, each with a random delay: the
 * plans in test/transcripts count on the edges that this model makes.
 */
import type { Role } from '@ppp-thing/protocol/session';
import type { Chance } from './random.ts';
import type { Schedule } from './schedule.ts';

const ADVBASE_MS = 1000;
const MAX_SKEW = 240;

class Station {
  role: Role = 'INIT';
  isUp = false;
  demotion = 0;
  /** Raised to forget the pending advertisement. */
  round = 0;
  /** When a backup takes the master for dead; undefined while it does not wait for one. */
  masterDownAt: number | undefined;
  /** When `masterDownAt` is looked at next. */
  watchedAt = Infinity;
  readonly advskew: number;

  constructor(advskew: number) {
    this.advskew = advskew;
  }

  /** Between advertisements: advbase + advskew / 256 s. */
  get interval(): number {
    return ADVBASE_MS + (Math.min(this.advskew + this.demotion, MAX_SKEW) * 1000) / 256;
  }

  get masterDown(): number {
    return 2 * ADVBASE_MS + this.interval;
  }
}

export class Carp {
  readonly #stations: readonly [Station, Station];
  /** Whether what the one sends reaches the other. */
  readonly reaches: [boolean, boolean] = [true, true];
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #edge: (station: number, role: Role) => void;

  /** @param advskews of the two; the lower one is preferred, and both preempt */
  constructor(
    schedule: Schedule,
    chance: Chance,
    advskews: readonly [number, number],
    edge: (station: number, role: Role) => void,
  ) {
    this.#schedule = schedule;
    this.#chance = chance;
    this.#stations = [new Station(advskews[0]), new Station(advskews[1])];
    this.#edge = edge;
  }

  role(station: number): Role {
    return this.#station(station).role;
  }

  up(station: number): void {
    const it = this.#station(station);
    if (it.isUp) return;
    it.isUp = true;
    this.#become(station, 'BACKUP');
    this.#awaitMaster(station);
  }

  down(station: number): void {
    const it = this.#station(station);
    it.isUp = false;
    it.round++;
    it.masterDownAt = undefined;
    this.#become(station, 'INIT');
  }

  /** The router lost power: nobody is told. */
  vanish(station: number): void {
    const it = this.#station(station);
    it.isUp = false;
    it.round++;
    it.masterDownAt = undefined;
    it.role = 'INIT';
    it.demotion = 0;
  }

  /** The sum of all demotions; a master advertises at once (carp(4), net.inet.carp.demotion). */
  demote(station: number, demotion: number): void {
    const it = this.#station(station);
    if (it.demotion === demotion) return;
    it.demotion = demotion;
    if (it.role === 'MASTER') this.#advertise(station);
  }

  /** ifconfig(8), or the helper, makes a BACKUP MASTER: it advertises at once. */
  claim(station: number): void {
    const { isUp, role } = this.#station(station);
    if (isUp && role === 'BACKUP') this.#master(station);
  }

  #station(station: number): Station {
    return station === 0 ? this.#stations[0] : this.#stations[1];
  }

  #become(station: number, role: Role): void {
    const it = this.#station(station);
    if (it.role === role) return;
    it.role = role;
    this.#edge(station, role);
  }

  #awaitMaster(station: number): void {
    const it = this.#station(station);
    it.round++;
    it.masterDownAt = this.#schedule.now + it.masterDown;
    if (it.masterDownAt < it.watchedAt) this.#watchMaster(station, it.masterDownAt);
  }

  /** Every advertisement puts the time off: a look that comes too early looks again when it is due. */
  #watchMaster(station: number, at: number): void {
    const it = this.#station(station);
    it.watchedAt = at;
    this.#schedule.at(at, () => {
      if (it.watchedAt !== at) return;
      it.watchedAt = Infinity;
      if (it.masterDownAt === at) this.#master(station);
      else if (it.masterDownAt !== undefined) this.#watchMaster(station, it.masterDownAt);
    });
  }

  #master(station: number): void {
    this.#station(station).masterDownAt = undefined;
    this.#become(station, 'MASTER');
    this.#advertise(station);
  }

  #advertise(station: number): void {
    const it = this.#station(station);
    const round = ++it.round;
    const { interval } = it;
    if (station === 0 ? this.reaches[0] : this.reaches[1]) {
      this.#schedule.in(this.#chance.between(0.1, 2), () => this.#hear(1 - station, interval));
    }
    this.#schedule.in(interval, () => {
      if (it.round === round && it.role === 'MASTER') this.#advertise(station);
    });
  }

  #hear(station: number, interval: number): void {
    const it = this.#station(station);
    if (!it.isUp) return;
    // A master that hears a more frequent, or equal, advertisement steps down.
    if (it.role === 'MASTER' && interval <= it.interval) {
      this.#become(station, 'BACKUP');
      this.#awaitMaster(station);
    } else if (it.role === 'BACKUP' && it.interval < interval) this.#master(station);
    else if (it.role === 'BACKUP') this.#awaitMaster(station);
  }
}
