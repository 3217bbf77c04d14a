/**
 * Limits how often the supervisor may claim the role of a vhid; each claim doubles the pause. A compromised supervisor
 * cannot hold the role by claiming it, because a living MASTER takes the role back with its next advertisement.
 */

/** Between the first two claims; each further one doubles it. */
const FIRST_MS = 10_000;
const LONGEST_MS = 3_600_000;

export class ClaimPace {
  readonly #last = new Map<string, { readonly at: number; readonly waitMs: number }>();

  /** @param now monotonic milliseconds; @returns whether it may be claimed now; it counts as claimed if so */
  mayClaim(vhid: string, now: number): boolean {
    const last = this.#last.get(vhid);
    const since = last === undefined ? Number.POSITIVE_INFINITY : now - last.at;
    if (last !== undefined && since < last.waitMs) return false;
    // An hour without a claim resets the pause.
    const waitMs =
      last === undefined || since > LONGEST_MS + last.waitMs
        ? FIRST_MS
        : Math.min(LONGEST_MS, 2 * last.waitMs);
    this.#last.set(vhid, { at: now, waitMs });
    return true;
  }
}
