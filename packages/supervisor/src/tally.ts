/** Counts datagrams sent, received, and refused by reason. It only counts. */

export class Tally {
  in = 0;
  out = 0;
  readonly #refused = new Map<string, number>();

  /** @param reason one of a closed set of words, so that the map cannot grow without end */
  refuse(reason: string): void {
    this.#refused.set(reason, (this.#refused.get(reason) ?? 0) + 1);
  }

  read(): {
    readonly datagramsIn: number;
    readonly datagramsOut: number;
    readonly datagramsRefused: Readonly<Record<string, number>>;
  } {
    return {
      datagramsIn: this.in,
      datagramsOut: this.out,
      datagramsRefused: Object.fromEntries(this.#refused),
    };
  }
}
