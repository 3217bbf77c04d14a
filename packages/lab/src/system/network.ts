/**
 * The link between the partners: UDP datagrams that are lost, late, repeated and overtaken, each way by itself. It keeps
 * old ones to repeat; what is in them it does not look at.
 */
import type { Udp, UdpOptions } from '@ppp-thing/supervisor/udp';
import type { RouterIndex } from '../campaign/faults.ts';
import type { Chance } from '../campaign/random.ts';
import type { Schedule } from '../campaign/schedule.ts';

/** Datagrams of each way that are kept to be repeated. */
const KEPT = 256;

/** What happens to the datagrams of one way. */
export interface Way {
  /** The share that is lost. */
  loss: number;
  /** Each takes up to this much longer than it must. */
  lateMs: number;
}

export class Network {
  readonly ways: readonly [Way, Way] = [
    { loss: 0, lateMs: 0 },
    { loss: 0, lateMs: 0 },
  ];
  readonly #bound: [UdpOptions | undefined, UdpOptions | undefined] = [undefined, undefined];
  readonly #kept: readonly [Uint8Array[], Uint8Array[]] = [[], []];
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #delayMs: readonly [number, number];
  underWay = 0;

  constructor(schedule: Schedule, chance: Chance, delayMs: readonly [number, number]) {
    this.#schedule = schedule;
    this.#chance = chance;
    this.#delayMs = delayMs;
  }

  /** Whether all that is said arrives, and at once. */
  get isWhole(): boolean {
    return this.ways.every(({ loss, lateMs }) => loss === 0 && lateMs === 0);
  }

  /** The socket of one router's supervisor. @param call before each of its calls */
  bind(from: RouterIndex, options: UdpOptions, call: () => void): Udp {
    call();
    this.#bound[from] = options;
    return {
      send: (octets) => {
        call();
        this.send(from, octets.slice());
      },
      trouble: () => undefined,
      close: () => this.unbind(from, options),
    };
  }

  unbind(from: RouterIndex, options = this.#bound[from]): void {
    if (this.#bound[from] === options) this.#bound[from] = undefined;
  }

  send(from: RouterIndex, octets: Uint8Array): void {
    const kept = this.#kept[from];
    kept.push(octets);
    if (kept.length > KEPT) kept.shift();
    this.#carry(from, octets);
    if (this.#chance.is(this.ways[from].lateMs > 0 ? 0.3 : 0.01)) this.#carry(from, octets);
  }

  /** A recorded datagram is sent again. */
  replay(from: RouterIndex): void {
    const kept = this.#kept[from];
    if (kept.length > 0) this.#carry(from, this.#chance.pick(kept));
  }

  /** A recorded datagram with one bit changed. */
  forge(from: RouterIndex): void {
    const kept = this.#kept[from];
    if (kept.length === 0) return;
    const forged = this.#chance.pick(kept).slice();
    const at = this.#chance.next() % forged.length;
    forged[at] = (forged[at] ?? 0) ^ (1 << (this.#chance.next() % 8));
    this.#carry(from, forged);
  }

  #carry(from: RouterIndex, octets: Uint8Array): void {
    const { loss, lateMs } = this.ways[from];
    if (this.#chance.is(loss)) return;
    const late = lateMs > 0 ? this.#chance.between(0, lateMs) : 0;
    this.underWay++;
    this.#schedule.in(this.#delayMs[from] * this.#chance.between(0.5, 1.5) + late, () => {
      this.underWay--;
      const to = this.#bound[1 - from];
      to?.receive(octets.slice(), to.partnerPort ?? to.port);
    });
  }
}
