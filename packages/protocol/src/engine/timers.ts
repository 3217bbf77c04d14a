/** Named deadlines; the earliest one is the machine's. There is no clock here: every instant is an argument. */
import type { Instant } from '../time.ts';

/** A deadline by name. */
export interface Wait<Name extends string = string> {
  readonly name: Name;
  readonly at: Instant;
}

const NONE: readonly never[] = [];

export class Timers<Name extends string> {
  readonly #at = new Map<Name, Instant>();
  /** The earliest deadline, kept because it is read after every event and changes after few. */
  #first: Instant | undefined;
  #isFirstKnown = true;

  /** Set a deadline, or move it. */
  set(name: Name, at: Instant): void {
    const before = this.#at.get(name);
    this.#at.set(name, at);
    if (!this.#isFirstKnown) return;
    if (this.#first === undefined || at <= this.#first) this.#first = at;
    else if (before === this.#first) this.#isFirstKnown = false;
  }

  clear(...names: readonly Name[]): void {
    for (const name of names) if (this.#at.delete(name)) this.#isFirstKnown = false;
  }

  clearAll(): void {
    this.#at.clear();
    this.#first = undefined;
    this.#isFirstKnown = true;
  }

  isSet(name: Name): boolean {
    return this.#at.has(name);
  }

  at(name: Name): Instant | undefined {
    return this.#at.get(name);
  }

  /** Whether this deadline has come. It is cleared then, so it fires once. */
  isDue(name: Name, now: Instant): boolean {
    const at = this.#at.get(name);
    if (at === undefined || now < at) return false;
    this.clear(name);
    return true;
  }

  /** The earliest deadline, or undefined if nothing is awaited. */
  next(): Instant | undefined {
    if (this.#isFirstKnown) return this.#first;
    let first: Instant | undefined;
    for (const at of this.#at.values()) if (first === undefined || at < first) first = at;
    this.#isFirstKnown = true;
    this.#first = first;
    return first;
  }

  all(): readonly Wait<Name>[] {
    return Array.from(this.#at, ([name, at]) => ({ name, at }));
  }

  /** The names that are due, earliest first; each is cleared, so it fires once. */
  expired(now: Instant): readonly Name[] {
    const first = this.next();
    if (first === undefined || first > now) return NONE;
    const due: (readonly [Name, Instant])[] = [];
    this.#at.forEach((at, name) => {
      if (at <= now) due.push([name, at]);
    });
    if (due.length > 1) due.sort(([, a], [, b]) => a - b);
    for (const [name] of due) this.#at.delete(name);
    this.#isFirstKnown = false;
    return due.map(([name]) => name);
  }
}
