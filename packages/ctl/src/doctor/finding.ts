/** The result of a check: findings, each with a remedy. It decides nothing. */
import type { Facts, Known } from './facts.ts';

export type Severity = 'ok' | 'unknown' | 'warn' | 'error';

export interface Finding {
  readonly severity: Severity;
  /** The subject checked: `pppoe0`, `carp`, a file. */
  readonly subject: string;
  readonly what: string;
  /** The remedy; empty for `ok`. */
  readonly fix: string;
}

/**
 * Pure: the same facts give the same findings. Returns at least one where the check applies, so a passed check is
 * listed too.
 */
export type Check = (facts: Facts) => readonly Finding[];

const of =
  (severity: Severity) =>
  (subject: string, what: string, fix: string): Finding => ({ severity, subject, what, fix });

export const ok = (subject: string, what: string): Finding => of('ok')(subject, what, '');
export const warn = of('warn');
export const error = of('error');

/** Judges a known fact, and reports `right` if nothing is wrong. For an unknown fact, reports why it is unknown. */
export function judge<T>(
  subject: string,
  fact: Known<T>,
  right: string,
  look: (value: T) => readonly Finding[],
): readonly Finding[] {
  if (!fact.known) {
    return [of('unknown')(subject, `not known: ${fact.why}`, '')];
  }
  const found = look(fact.value);
  return found.length > 0 ? found : [ok(subject, right)];
}
