/**
 * The contract between a protocol and its negotiation: what to request and how to judge; and how to compare options. It
 * contains no option of any protocol.
 */
import { sameOctets } from '../../bytes.ts';
import type { OptionOctets } from '../../wire/control.ts';

export type AnyOption = { readonly kind: string } & OptionOctets;

/** Our answer to one option of theirs; the answer to a Configure-Request is its worst verdict. */
export type Verdict<Option> = 'ack' | 'reject' | { readonly nak: Option };

/** What one protocol asks for and how it judges (the contract of a protocol with its automaton). */
export interface Options<Option> {
  /** A new negotiation begins: options that the peer rejected in the last one may be requested again. */
  restart(): void;
  /** What our next Configure-Request asks, in order. */
  request(): readonly Option[];
  judge(option: Option): Verdict<Option>;
  /** What their request lacks and a Configure-Nak should ask for (RFC 1661 §5.3). */
  missing(theirs: readonly Option[]): readonly Option[];
  /** We acknowledge their request. */
  accept(theirs: readonly Option[]): void;
  naked(options: readonly Option[]): void;
  /** The peer Naks every request: leave out the options that the link can do without. */
  giveUp(options: readonly Option[]): void;
  rejected(options: readonly Option[]): void;
}

/** The same options in the same order, by value: what we built has no raw octets (RFC 1661 §5.2). */
export function sameOptions<Option extends AnyOption>(
  a: readonly Option[],
  b: readonly Option[],
): boolean {
  return a.length === b.length && a.every((option, i) => isSame(option, b[i]));
}

/** For people: each name once. */
export const namesOf = <Option>(
  options: readonly Option[],
  nameOf: (option: Option) => string,
): string => [...new Set(options.map(nameOf))].join(', ');

/** Whether `some` are among `all`, in that order (RFC 1661 §5.4). */
export function isSubset<Option extends AnyOption>(
  some: readonly Option[],
  all: readonly Option[],
): boolean {
  let at = 0;
  for (const option of all) if (at < some.length && isSame(option, some[at])) at += 1;
  return at === some.length;
}

function isSame<Option extends AnyOption>(a: Option, b: Option | undefined): boolean {
  if (b === undefined || a.kind !== b.kind) return false;
  const other = new Map<string, unknown>(Object.entries(b));
  return Object.entries(a).every(([field, value]) => {
    if (field === 'raw') return true;
    const theirs = other.get(field);
    return value instanceof Uint8Array && theirs instanceof Uint8Array
      ? sameOctets(value, theirs)
      : value === theirs;
  });
}
