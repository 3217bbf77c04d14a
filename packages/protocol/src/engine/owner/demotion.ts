/** Why this router is demoted in CARP. The kernel's counter moves only when the first reason comes or the last one goes. */
import type { Out } from '../out.ts';

export type DemotionReason =
  /** Just started; no snapshot received from the partner. */
  | 'hold-down'
  /** The session has been down while the partner is healthy. */
  | 'watchdog'
  /** The operator asked for a handoff. */
  | 'handoff'
  /** The role cannot be read, while CARP may go on without us. */
  | 'no-role';

export class Demotion {
  readonly #out: Out;
  #reasons: readonly DemotionReason[] = [];

  constructor(out: Out) {
    this.#out = out;
  }

  /** The reasons in force, in the order they came. */
  reasons(): readonly DemotionReason[] {
    return this.#reasons;
  }

  has(reason: DemotionReason): boolean {
    return this.#reasons.includes(reason);
  }

  add(reason: DemotionReason): void {
    if (this.has(reason)) return;
    this.#reasons = [...this.#reasons, reason];
    if (this.#reasons.length === 1) this.restate();
  }

  drop(reason: DemotionReason): void {
    if (!this.has(reason)) return;
    this.#reasons = this.#reasons.filter((each) => each !== reason);
    if (this.#reasons.length === 0) this.restate();
  }

  /** The kernel's counter as it must be, for a helper that has just started. */
  restate(): void {
    this.#out({ kind: 'demote', on: this.#reasons.length > 0 });
  }
}
