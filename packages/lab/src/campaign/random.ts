/** Chance from a seed: the same seed gives the same run. */

export class Chance {
  #state: number;

  constructor(seed: number) {
    this.#state = (seed ^ 0x9e37_79b9) >>> 0 || 1;
    for (let i = 0; i < 4; i++) this.next();
  }

  /** A whole number 0 … 0xffffffff (xorshift, 32 bits). */
  next(): number {
    let x = this.#state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.#state = x >>> 0;
    return this.#state;
  }

  /** 0 ≤ x < 1. */
  share(): number {
    return this.next() / 0x1_0000_0000;
  }

  /** True with probability `p`. */
  is(p: number): boolean {
    return p > 0 && this.share() < p;
  }

  between(low: number, high: number): number {
    return low + this.share() * (high - low);
  }

  pick<T>(from: readonly T[]): T {
    const chosen = from[this.next() % from.length];
    if (chosen === undefined) throw new Error('nothing to pick from');
    return chosen;
  }

  octets(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.next() >>> 24);
  }
}
