/**
 * The text of a configuration file: the lines of its keys, a check for the original's eight-line format, and an error
 * that reports every mistake at once. It knows the original's keys and no others.
 */
import { isHost } from './addresses.ts';
import { toHex } from './bytes.ts';

export interface Problem {
  /** 1 is the first; undefined if the problem has no line. */
  readonly line: number | undefined;
  /** The place and the expected value: `session.pppoe0.mtu: expected a whole number from 64 to 9000`. */
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

/** Finds the line of a table or key by its dotted path. */
export type LineOf = (path: string) => number | undefined;

/** What a parser complains of, and what it should have found. */
const HINTS: readonly (readonly [string, string])[] = [
  ['invalid value', 'text in quotes, a number, true or false'],
  ['illegal character in key', 'KEY = VALUE, [TABLE], or # and a comment'],
  ['end-of-line', 'nothing after the value but # and a comment'],
  ['redefine', 'it once in the file'],
  ['in strings', 'the closing quote on the same line'],
  ['unfinished string', 'the closing quote on the same line'],
];

/**
 * A TOML parser's complaint as a problem, with the key of its line. It quotes no more of the line, which may hold a password.
 *
 * @param complaint its first line is kept: the others are an excerpt of the file
 */
export function notToml(text: string, line: number, complaint: string): Problem {
  const [words = ''] = complaint.split('\n', 1);
  const key = /^\s*([A-Za-z0-9_.-]+)\s*=/.exec(text.split('\n')[line - 1] ?? '')?.[1];
  const [, expected] = HINTS.find(([sign]) => words.includes(sign)) ?? [];
  const place = key === undefined ? '' : `${key}: `;
  return {
    line,
    message: `${place}${words}${expected === undefined ? '' : `; expected ${expected}`}`,
  };
}

/** The lines of the tables and keys of a TOML text. Finds only those on a line of their own. */
export function tomlLines(text: string): LineOf {
  const lines = new Map<string, number>();
  let table = '';
  text.split('\n').forEach((line, i) => {
    const trimmed = line.trim();
    const header = headerOf(trimmed);
    const key = /^[A-Za-z0-9_.-]+(?=\s*=)/.exec(trimmed)?.[0];
    if (header !== undefined) table = header.replaceAll(/["'\s]/g, '');
    const path = header === undefined ? key && (table === '' ? key : `${table}.${key}`) : table;
    if (path !== undefined)
      for (const each of withParents(path)) if (!lines.has(each)) lines.set(each, i + 1);
  });
  return (path) => lines.get(path);
}

/** `a.b.c`, `a.b` and `a`: a table may have no header of its own. */
const withParents = (path: string): string[] =>
  path.split('.').map((_, i, parts) => parts.slice(0, parts.length - i).join('.'));

/**
 * The name in the brackets of a table's header. No regular expression: backtracking over a line of blanks must not take
 * a second.
 */
function headerOf(trimmed: string): string | undefined {
  const end = trimmed.indexOf(']');
  if (!trimmed.startsWith('[') || end < 2) return undefined;
  return trimmed.slice(trimmed.startsWith('[[') ? 2 : 1, end);
}

/** The original's file begins with a bare interface name; a TOML file with a table, a key or a comment. */
export const isEightLines = (text: string): boolean =>
  /^\s*[A-Za-z][A-Za-z0-9_.-]*[ \t]*\r?\n/.test(text);

/** The key on each line, in order. */
const EIGHT_LINES = [
  'interface',
  'mac',
  'user',
  'password',
  'mtu',
  'carp_address',
  'local_address',
  'partner_address',
] as const;

/** The single session of the original's file, by key, and the line of each key. */
export function eightLines(text: string): { values: Record<string, unknown>; lineOf: LineOf } {
  const lines = text.split(/\r?\n/);
  // A final line end does not begin another line.
  if (lines.at(-1) === '') lines.pop();
  const values: Record<string, unknown> = { stub: 'pppoe0x' };
  EIGHT_LINES.forEach((key, i) => {
    const line = lines[i];
    // A password may be empty, and may begin or end with a blank.
    const value = key === 'password' ? line : line?.trim();
    if (value === undefined || (value === '' && key !== 'password' && key !== 'mtu')) return;
    // Digits alone: `Number` reads hexadecimal, exponents and nothing, too.
    values[key] = key !== 'mtu' ? value : /^\d+$/.test(value) ? Number(value) : NaN;
  });
  const lineOf: LineOf = (path) => {
    const at = EIGHT_LINES.findIndex((key) => path.endsWith(`.${key}`));
    return at === -1 ? undefined : at + 1;
  };
  return { values, lineOf };
}

/** Keys of a session whose addresses belong to three different hosts, and keys that name interfaces. */
const HOSTS = ['carp_address', 'local_address', 'partner_address'] as const;
const INTERFACES = ['interface', 'carp_interface'] as const;
type Named = (typeof HOSTS)[number] | (typeof INTERFACES)[number] | 'stub';

/**
 * What is wrong with the values of one session together, by key. A router whose own address is the virtual one is MASTER
 * for ever, and so is its partner; an interface that is the line cannot be the session's as well.
 */
export function clashes(
  name: string,
  value: (key: Named) => string | undefined,
): { readonly key: Named; readonly message: string }[] {
  const hosts = HOSTS.flatMap((key, i) => {
    const text = value(key);
    // Another check reports a value that is no address at all.
    if (text === undefined || !/^\d+(\.\d+){3}$/.test(text)) return [];
    if (!isHost(Uint8Array.from(text.split('.'), Number)))
      return [{ key, message: `${text} is not the address of a host` }];
    const other = HOSTS.slice(0, i).find((each) => value(each) === text);
    return other === undefined ? [] : [{ key, message: `${text} is ${other} as well` }];
  });
  const interfaces = INTERFACES.flatMap((key) => {
    const own = [
      [name, 'the session itself'],
      [value('stub'), 'the stub'],
    ] as const;
    const [, found] = own.find(([each]) => each !== undefined && each === value(key)) ?? [];
    return found === undefined ? [] : [{ key, message: `${value(key)} is ${found}` }];
  });
  return [...hosts, ...interfaces];
}

/** What `clashesAmong` compares. */
interface Place {
  readonly name: string;
  /** '' if it had a mistake. */
  readonly interface: string;
  readonly mac: Uint8Array;
  readonly stub?: string | undefined;
}

/** What is wrong with several sessions together: no two may use the same name, or the same interface and MAC. */
export function clashesAmong(
  sessions: readonly Place[],
): { readonly name: string; readonly key: 'stub' | 'mac'; readonly message: string }[] {
  const names = new Map(sessions.map(({ name }) => [name, name]));
  const stubs = sessions.flatMap(({ name, stub }) => {
    if (stub === undefined) return [];
    const other = names.get(stub);
    names.set(stub, name);
    const message = `${stub} is in use by session ${other}`;
    return other === undefined ? [] : [{ name, key: 'stub' as const, message }];
  });
  const lines = new Map<string, string>();
  const macs = sessions.flatMap(({ name, interface: line, mac }) => {
    const place = `${line} ${toHex(mac)}`;
    const other = lines.get(place);
    lines.set(place, name);
    const message = `session ${other} has the same interface and mac`;
    return other === undefined || line === '' ? [] : [{ name, key: 'mac' as const, message }];
  });
  return [...stubs, ...macs];
}

/** Why an interface is no LAN of a session; undefined if it can be one. */
export function lanClash(
  lan: string,
  session: string,
  stub: string | undefined,
): string | undefined {
  if (lan === session) return 'is the session itself';
  return lan === stub ? 'is the stub' : undefined;
}
