/**
 * The link between the partners: it loses, delays, repeats and lets overtake. The guard of the real channel is here too,
 * as far as a run can tell: what was overtaken or repeated is dropped. What is said is none of its business.
 */
import type { Chance } from './random.ts';
import type { Schedule } from './schedule.ts';

/** Datagrams that may be under way at once, replays included. */
const MAX_UNDER_WAY = 64;

export class PartnerLink {
  /** The share that is lost of what each router sends. */
  readonly loss: [number, number] = [0, 0];
  /** Datagrams take up to this much longer than they must. */
  lateMs = 0;
  #underWay = 0;
  readonly #told: [number, number] = [0, 0];
  readonly #heard: [number, number] = [0, 0];
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #delayMs: number;

  constructor(schedule: Schedule, chance: Chance, delayMs: number) {
    this.#schedule = schedule;
    this.#chance = chance;
    this.#delayMs = delayMs;
  }

  /** Whether all that is said arrives, and at once. */
  get isWhole(): boolean {
    return this.loss[0] === 0 && this.loss[1] === 0 && this.lateMs === 0;
  }

  /** @param arrive called when the datagram is there, at most once */
  tell(from: 0 | 1, arrive: () => void): void {
    if (this.#chance.is(this.loss[from]) || this.#underWay >= MAX_UNDER_WAY) return;
    const copies = this.#chance.is(this.lateMs > 0 ? 0.3 : 0.01) ? 2 : 1;
    const order = ++this.#told[from];
    for (let i = 0; i < copies; i++) {
      this.#underWay++;
      const late = this.lateMs > 0 ? this.#chance.between(0, this.lateMs) : 0;
      this.#schedule.in(this.#delayMs * this.#chance.between(0.5, 1.5) + late, () => {
        this.#underWay--;
        if (order <= this.#heard[from]) return;
        this.#heard[from] = order;
        arrive();
      });
    }
  }
}
