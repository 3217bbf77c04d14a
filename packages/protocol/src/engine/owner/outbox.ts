/**
 * The answer to the event in hand: the `Out` of all machines. It is where the disk's refusal is enforced (rule R5): until the
 * snapshot is stored, whatever depends on it does not leave. It decides nothing else.
 */
import type { Snapshot } from '../../session.ts';
import { withoutRepeats } from './actions.ts';
import type { Action } from '../events.ts';
import type { Out } from '../out.ts';

export class Outbox {
  /** The partner was seen on the line and may hold the session: a PADT would end it. */
  isContested = false;
  #actions: Action[] = [];
  /** `Refused`: the disk has not taken the snapshot. `LeaseRefused`: it lacks only the newest lease, or a half-made session. */
  #disk: 'Ready' | 'Refused' | 'LeaseRefused' = 'Ready';
  /** The last stored snapshot, and the one before it, which is on the disk. */
  #asked: Snapshot;
  #taken: Snapshot;

  constructor(stored: Snapshot) {
    this.#asked = stored;
    this.#taken = stored;
  }

  /** The disk lacks the session itself. */
  get isBarred(): boolean {
    return this.#disk === 'Refused';
  }

  /**
   * The disk refused the snapshot of the last answer: the driver reports that before any other event.
   *
   * @returns what has to be stored again
   */
  bar(): 'session' | 'lease' {
    const isLease = differInLease(this.#taken, this.#asked);
    this.#asked = this.#taken;
    this.#disk = isLease ? 'LeaseRefused' : 'Refused';
    return isLease ? 'lease' : 'session';
  }

  /** Before the disk is tried again. */
  unbar(): void {
    this.#disk = 'Ready';
  }

  readonly emit: Out = (...actions) => {
    const isSayable = SAYABLE[this.#disk];
    for (const action of actions)
      if (isSayable(action) && !(this.isContested && isPadt(action))) this.#actions.push(action);
  };

  /** The number of actions so far, for `insert`. */
  get length(): number {
    return this.#actions.length;
  }

  /** Put a note before the actions that it caused. */
  insert(at: number, note: Action): void {
    this.#actions.splice(at, 0, note);
  }

  /** Returns the whole answer, and begins the next one. */
  flush(): readonly Action[] {
    if (this.#actions.length === 0) return NOTHING;
    const actions = withoutRepeats(this.#actions);
    this.#actions = [];
    let stored: Snapshot | undefined;
    for (const action of actions) if (action.kind === 'store') stored = action.snapshot;
    if (stored !== undefined) {
      this.#taken = this.#asked;
      this.#asked = stored;
    }
    return actions;
  }
}

const NOTHING: readonly Action[] = [];

const SAYABLE: Record<'Ready' | 'Refused' | 'LeaseRefused', (action: Action) => boolean> = {
  Ready: () => true,
  // Actions that are safe whatever the disk holds.
  Refused: (action) =>
    action.kind === 'note' ||
    action.kind === 'demote' ||
    action.kind === 'store' ||
    (action.kind === 'gate' && !action.open),
  // Neither the LANs nor the partner may learn of a lease that is not stored.
  LeaseRefused: ({ kind }) =>
    kind !== 'delegate' && kind !== 'tell-partner' && kind !== 'send-dhcp6',
};

const differInLease = (one: Snapshot, other: Snapshot): boolean =>
  one.epoch === other.epoch && one.holder === other.holder && one.facts === other.facts;

const isPadt = (action: Action): boolean =>
  action.kind === 'send-discovery' && action.packet.code === 'PADT';
