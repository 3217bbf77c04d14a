/** Named deadlines: the earliest is the machine's. It keeps no clock; it compares instants it is given. */
import type { Instant } from '../time.ts';

export class Timers<Name extends string> {
  readonly #at = new Map<Name, Instant>();

  /** Set, or set anew. */
  set(name: Name, at: Instant): void {
    this.#at.set(name, at);
  }

  clear(...names: readonly Name[]): void {
    for (const name of names) this.#at.delete(name);
  }

  clearAll(): void {
    this.#at.clear();
  }

  isSet(name: Name): boolean {
    return this.#at.has(name);
  }

  /** The earliest deadline, or undefined if nothing is awaited. */
  next(): Instant | undefined {
    let first: Instant | undefined;
    this.#at.forEach((at) => {
      if (first === undefined || at < first) first = at;
    });
    return first;
  }

  /** What is awaited, earliest first. */
  all(): readonly { readonly name: Name; readonly at: Instant }[] {
    return Array.from(this.#at, ([name, at]) => ({ name, at })).sort((a, b) => a.at - b.at);
  }

  /** The names that are due, earliest first; each is cleared, so it fires once. */
  expired(now: Instant): readonly Name[] {
    const due: (readonly [Name, Instant])[] = [];
    this.#at.forEach((at, name) => {
      if (at <= now) due.push([name, at]);
    });
    if (due.length > 1) due.sort(([, a], [, b]) => a - b);
    for (const [name] of due) this.#at.delete(name);
    return due.map(([name]) => name);
  }
}
