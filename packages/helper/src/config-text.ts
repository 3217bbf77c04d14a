/**
 * Reading values out of a parsed configuration while collecting every error, each with its line. It knows no key by
 * name.
 */

export interface Problem {
  /** 1 is the first; undefined where the text has no such place. */
  readonly line: number | undefined;
  /** Where and what was expected: `session.pppoe0.mtu: expected a whole number from 64 to 9000`. */
  readonly message: string;
}

/** The operator's mistake: every problem of one file, reported together. The process exits with 78 (EX_CONFIG). */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly file: string;
  readonly problems: readonly Problem[];

  constructor(file: string, problems: readonly Problem[], options?: ErrorOptions) {
    const lines = problems.map(({ line, message }) => {
      const place = line === undefined ? file : `${file}:${line}`;
      return `read ${place}: EINVAL: ${message}`;
    });
    super(lines.join('\n'), options);
    this.file = file;
    this.problems = problems;
  }
}

export type Values = Readonly<Record<string, unknown>>;

export const isTable = (value: unknown): value is Values =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Date);

/** Turns a value into what is wanted, or undefined if it is not that. */
export type Parse<T> = (value: unknown) => T | undefined;

/** One table of the file: its values, its name in errors, and where the errors go. */
export class Section {
  readonly #values: Values;
  readonly #name: string;
  readonly #lineOf: (path: string) => number | undefined;
  readonly #problems: Problem[];

  constructor(
    values: Values,
    name: string,
    lineOf: (path: string) => number | undefined,
    problems: Problem[],
  ) {
    this.#values = values;
    this.#name = name;
    this.#lineOf = lineOf;
    this.#problems = problems;
  }

  /** The value of `key`, or undefined if it is absent or wrong; wrong is a problem. */
  optional<T>(key: string, expected: string, parse: Parse<T>): T | undefined {
    const value = this.#values[key];
    if (value === undefined) return undefined;
    const parsed = parse(value);
    if (parsed === undefined) this.problem(key, `expected ${expected}`);
    return parsed;
  }

  required<T>(key: string, expected: string, parse: Parse<T>): T | undefined {
    if (this.#values[key] === undefined) this.problem(key, `missing; expected ${expected}`);
    return this.optional(key, expected, parse);
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

/** The lines of the tables and keys of a TOML text, by dotted path. Only what stands on a line of its own is found. */
export function tomlLines(text: string): (path: string) => number | undefined {
  const lines = new Map<string, number>();
  let table = '';
  text.split('\n').forEach((line, i) => {
    const header = /^\s*\[\s*([^[\]]+?)\s*\]/.exec(line)?.[1];
    const key = /^\s*([A-Za-z0-9_.-]+)\s*=/.exec(line)?.[1];
    if (header !== undefined) table = header.replaceAll(/["'\s]/g, '');
    const path = header === undefined ? key && (table === '' ? key : `${table}.${key}`) : table;
    if (path !== undefined && !lines.has(path)) lines.set(path, i + 1);
  });
  return (path) => lines.get(path);
}
