/**
 * The life of one simulated process: it may be killed between any two of its calls to the outside, and it may stand still
 * for a while. What it was doing it does not know.
 */

/** kill -9, as the process sees it: no call returns any more. */
export class Killed extends Error {
  override readonly name = 'Killed';
}

export class Life {
  isOver = false;
  /** World time until which it does nothing: it waits for a disk. */
  busyUntil = -Infinity;
  /** Calls until it is killed at one. */
  left = Infinity;
  readonly #died: () => void;

  /** @param died it was killed at one of its own calls */
  constructor(died: () => void) {
    this.#died = died;
  }

  /** Each call to the outside comes by here first. @throws Killed */
  call(): void {
    if (!this.isOver && --this.left < 0) {
      this.isOver = true;
      this.#died();
    }
    if (this.isOver) throw new Killed();
  }
}
