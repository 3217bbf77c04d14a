/** Why this router is demoted in CARP. The kernel's counter moves only when the first reason comes or the last one goes. */
import type { Action } from '../events.ts';

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
  readonly #reasons = new Set<DemotionReason>();

  /** The reasons in force, in the order they came. */
  reasons(): readonly DemotionReason[] {
    return [...this.#reasons];
  }

  has(reason: DemotionReason): boolean {
    return this.#reasons.has(reason);
  }

  add(reason: DemotionReason): Action[] {
    const first = this.#reasons.size === 0;
    this.#reasons.add(reason);
    return first ? this.restate() : [];
  }

  drop(reason: DemotionReason): Action[] {
    return this.#reasons.delete(reason) && this.#reasons.size === 0 ? this.restate() : [];
  }

  /** The kernel's counter as it must be, for a helper that has just started. */
  restate(): Action[] {
    return [{ kind: 'demote', on: this.#reasons.size > 0 }];
  }
}
