/**
 * Reading values out of a parsed configuration while collecting every error, each with its line. It knows no key by
 * name.
 */
import type { LineOf, Problem } from '@ppp-thing/protocol/config-text';

export type Values = Readonly<Record<string, unknown>>;

export const isTable = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** Converts a value, or returns undefined if it has the wrong type. */
export type Parse<T> = (value: unknown) => T | undefined;

/** One table of the file: its values, its name in errors, and where the errors go. */
export class Section {
  readonly #values: Values;
  readonly #name: string;
  readonly #lineOf: LineOf;
  readonly #problems: Problem[];

  constructor(values: Values, name: string, lineOf: LineOf, problems: Problem[]) {
    this.#values = values;
    this.#name = name;
    this.#lineOf = lineOf;
    this.#problems = problems;
  }

  /** The value of `key`, or undefined if it is absent or wrong. Records a wrong value as a problem. */
  optional<T>(key: string, expected: string, parse: Parse<T>): T | undefined {
    const value = this.#values[key];
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) this.problem(key, `expected ${expected}`);
    return parsed;
  }

  /** As `optional`, of a value that another call judges. */
  quiet<T>(key: string, parse: Parse<T>): T | undefined {
    return parse(this.#values[key]);
  }

  required<T>(key: string, expected: string, parse: Parse<T>): T | undefined {
    if (this.#values[key] === undefined) this.problem(key, `missing; expected ${expected}`);
    return this.optional(key, expected, parse);
  }

  /** The table at `key`, or an empty one. Records a value that is not a table as a problem. */
  section(key: string): Section {
    const values = this.#values[key] ?? {};
    if (!isTable(values)) this.problem(key, 'expected a table');
    const name = `${this.#name}.${key}`;
    return new Section(isTable(values) ? values : {}, name, this.#lineOf, this.#problems);
  }

  has(key: string): boolean {
    return this.#values[key] !== undefined;
  }

  keys(): readonly string[] {
    return Object.keys(this.#values);
  }

  problem(key: string, message: string): void {
    const path = `${this.#name}.${key}`;
    this.#problems.push({
      line: this.#lineOf(path) ?? this.#lineOf(this.#name),
      message: `${path}: ${message}`,
    });
  }
}
