/**
 * The line: two routers and the Access Concentrator on one learning switch, which knows where our one MAC was last
 * heard. It loses, delays and repeats frames; what is in them it does not look at.
 */
import type { RouterIndex } from './faults.ts';
import type { Chance } from './random.ts';
import type { Schedule } from './schedule.ts';

export type Way = 'in' | 'out';

export class ValueLine {
  /** The share of frames that is lost, either way. */
  loss = 0;
  /** Added to what the AC sends. */
  acLateMs = 0;
  /** Whether each router's cable is in. */
  readonly up: [boolean, boolean] = [true, true];
  /** What does not pass, though the cable is in. */
  readonly lost: readonly [Set<Way>, Set<Way>] = [new Set(), new Set()];
  /** The switch's port for our MAC. */
  #port: RouterIndex | undefined;
  #lastFromAc = 0;
  readonly #schedule: Schedule;
  readonly #chance: Chance;

  constructor(schedule: Schedule, chance: Chance) {
    this.#schedule = schedule;
    this.#chance = chance;
  }

  reaches(router: RouterIndex, way: Way): boolean {
    return this.up[router] && !this.lost[router].has(way);
  }

  /** @param arrive called when the frame is past the switch */
  send(router: RouterIndex, arrive: () => void): void {
    if (!this.reaches(router, 'out') || this.#chance.is(this.loss)) return;
    this.#schedule.in(this.#chance.between(0.2, 2), () => {
      this.#port = router;
      arrive();
    });
  }

  /** @param arrive called with the router that the switch sends the frame to, once for each copy */
  fromAc(arrive: (router: RouterIndex) => void): void {
    if (this.#chance.is(this.loss)) return;
    // Ethernet does not reorder; a line that loses frames does here, and repeats some.
    const arrives = this.#schedule.now + this.acLateMs + this.#chance.between(0.2, 2);
    const at = this.loss > 0 ? arrives : Math.max(arrives, this.#lastFromAc);
    this.#lastFromAc = at;
    const deliver = (): void => {
      const port = this.#port;
      if (port !== undefined && this.reaches(port, 'in')) arrive(port);
    };
    if (this.#chance.is(this.loss / 4)) this.#schedule.at(at + 1, deliver);
    this.#schedule.at(at, deliver);
  }
}
