/**
 * Shapes: one value that is both the type of a message and its check. Strict: a missing or an extra field fails. It
 * knows no message.
 */

export interface Shape<T> {
  /** Whether `value` matches exactly; narrows its type. */
  is(value: unknown): value is T;
}

export type TypeOf<S> = S extends Shape<infer T> ? T : never;

const shape = <T>(is: (value: unknown) => boolean): Shape<T> => ({
  is: (value): value is T => is(value),
});

/** Any value; the caller checks it. */
export const anything: Shape<unknown> = shape(() => true);

export const boolean: Shape<boolean> = shape((value) => typeof value === 'boolean');

/** A whole number from `low` to `high`, both included. */
export const integer = (low: number, high: number): Shape<number> =>
  shape(
    (value) =>
      typeof value === 'number' && Number.isInteger(value) && value >= low && value <= high,
  );

export const text = (maxLength: number): Shape<string> =>
  shape((value) => typeof value === 'string' && value.length <= maxLength);

export const octets = (low: number, high = low): Shape<Uint8Array> =>
  shape((value) => value instanceof Uint8Array && value.length >= low && value.length <= high);

export const oneOf = <const T extends string | number>(...values: readonly T[]): Shape<T> =>
  shape((value) => (values as readonly unknown[]).includes(value));

export const nullable = <T>(inner: Shape<T>): Shape<T | null> =>
  shape((value) => value === null || inner.is(value));

export const list = <T>(inner: Shape<T>, maxLength: number): Shape<readonly T[]> =>
  shape(
    (value) =>
      Array.isArray(value) && value.length <= maxLength && value.every((item) => inner.is(item)),
  );

/** An object with exactly these fields. */
export function record<F extends Record<string, Shape<unknown>>>(
  fields: F,
): Shape<{ readonly [K in keyof F]: TypeOf<F[K]> }> {
  const names = Object.keys(fields);
  return shape((value) => {
    if (
      typeof value !== 'object' ||
      value === null ||
      Object.getPrototypeOf(value) !== Object.prototype
    )
      return false;
    if (Object.keys(value).length !== names.length) return false;
    const entries = value as Record<string, unknown>;
    return names.every(
      (name) => Object.hasOwn(entries, name) && (fields[name] as Shape<unknown>).is(entries[name]),
    );
  });
}
