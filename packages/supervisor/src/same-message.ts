/** Whether a message to the partner has changed since the last one. It sends nothing. */
import type { PartnerMessage, Snapshot } from '@ppp-thing/protocol/session';

/** How far the LCP Identifier may advance before the partner is told: a successor begins 128 after the last one it knows. */
const UNSAID_IDENTIFIERS = 32;

/** Whether each field is the same value or the same object; `except` is not compared. */
const sameFields = <T extends object>(a: T, b: T, except: keyof T): boolean =>
  Object.keys({ ...a, ...b }).every((key) => {
    const field = key as keyof T;
    return field === except || a[field] === b[field];
  });

/** A holder's snapshot is a new object each second, for the Identifier in it. Every other change replaces its part. */
const sameSnapshot = (a: Snapshot, b: Snapshot): boolean => {
  if (a === b) return true;
  if (!sameFields(a, b, 'facts') || a.facts === null || b.facts === null) return false;
  const [one, other] = [a.facts.identifiers, b.facts.identifiers];
  return (
    sameFields(a.facts, b.facts, 'identifiers') &&
    sameFields(one, other, 'lcp') &&
    ((other.lcp - one.lcp) & 0xff) < UNSAID_IDENTIFIERS
  );
};

/** Whether the partner may keep `a` in place of `b`. */
export const saysTheSame = (a: PartnerMessage, b: PartnerMessage): boolean =>
  sameSnapshot(a.snapshot, b.snapshot) &&
  a.role === b.role &&
  a.healthy === b.healthy &&
  a.armed === b.armed &&
  a.open === b.open &&
  a.proven === b.proven &&
  a.yielding === b.yielding &&
  a.hearing === b.hearing;
