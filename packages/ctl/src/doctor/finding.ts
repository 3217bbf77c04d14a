/** What a check says: one finding, with its remedy. It decides nothing. */
import type { Facts, Known } from './facts.ts';

export type Severity = 'ok' | 'unknown' | 'warn' | 'error';

export interface Finding {
  readonly severity: Severity;
  /** What was looked at: `pppoe0`, `carp`, a file. */
  readonly subject: string;
  readonly what: string;
  /** What to do; empty for `ok`. */
  readonly fix: string;
}

/** Pure: the same facts give the same findings. At least one, so that nothing is passed over in silence. */
export type Check = (facts: Facts) => readonly Finding[];

export const ok = (subject: string, what: string): Finding => ({
  severity: 'ok',
  subject,
  what,
  fix: '',
});
export const warn = (subject: string, what: string, fix: string): Finding => ({
  severity: 'warn',
  subject,
  what,
  fix,
});
export const error = (subject: string, what: string, fix: string): Finding => ({
  severity: 'error',
  subject,
  what,
  fix,
});

/** Judge a fact that is known; say of one that is not why. What is found right is said in one line. */
export function judge<T>(
  subject: string,
  fact: Known<T>,
  right: string,
  look: (value: T) => readonly Finding[],
): readonly Finding[] {
  if (!fact.known) {
    return [{ severity: 'unknown', subject, what: `not known: ${fact.why}`, fix: '' }];
  }
  const found = look(fact.value);
  return found.length > 0 ? found : [ok(subject, right)];
}
