/**
 * The answer to the event in hand. It is where the disk's refusal is enforced (rule R5): until the snapshot is stored,
 * whatever depends on it does not leave. It decides nothing else.
 */
import { onlyLastTell } from './actions.ts';
import type { Action } from '../events.ts';

export class Outbox {
  #actions: Action[] = [];
  /** `Refused`: the disk has not taken the snapshot. */
  #disk: 'Ready' | 'Refused' = 'Ready';

  get isBarred(): boolean {
    return this.#disk === 'Refused';
  }

  /** The disk refused the snapshot. */
  bar(): void {
    this.#disk = 'Refused';
  }

  /** The disk is about to be asked again. */
  unbar(): void {
    this.#disk = 'Ready';
  }

  emit(...actions: readonly Action[]): void {
    this.#actions.push(...(this.isBarred ? actions.filter(isSayableUnsaved) : actions));
  }

  /** How much has been emitted, for `insert`. */
  get length(): number {
    return this.#actions.length;
  }

  /** A note is told before what it caused. */
  insert(at: number, note: Action): void {
    this.#actions.splice(at, 0, note);
  }

  /** The whole answer; the next begins. */
  flush(): readonly Action[] {
    const actions = onlyLastTell(this.#actions);
    this.#actions = [];
    return actions;
  }
}

/** What is safe whatever the disk holds. */
const isSayableUnsaved = (action: Action): boolean =>
  action.kind === 'note' ||
  action.kind === 'demote' ||
  action.kind === 'store' ||
  (action.kind === 'gate' && !action.open);
