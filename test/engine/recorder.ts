/** What one machine of the engine wrote to its `Out`, together with what it signalled. */
import type { Action } from '@ppp-thing/protocol/engine/events';
import type { Out } from '@ppp-thing/protocol/engine/out';

export class Recorder {
  #actions: Action[] = [];

  readonly out: Out = (...actions) => void this.#actions.push(...actions);

  /** What was written since the last call, then the signals of a call that has just returned. */
  take<Signal = never>(signals?: Signal | readonly Signal[]): (Action | Signal)[] {
    const all = signals === undefined ? [] : isList(signals) ? signals : [signals];
    return [...this.#actions.splice(0), ...all];
  }
}

const isList = <T>(value: T | readonly T[]): value is readonly T[] => Array.isArray(value);
