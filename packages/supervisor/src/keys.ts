/**
 * Reads the keys shared by the two routers: a file of lines, each a number and hexadecimal digits. The partner channel
 * decides which key to use.
 */
import { ConfigError, type Problem } from '@ppp-thing/protocol/config-text';
import { fromHex } from '@ppp-thing/protocol/bytes';
import { readText } from './errors.ts';

export interface Keys {
  /** Every accepted key, by its number 0 … 255. */
  readonly byId: ReadonlyMap<number, Uint8Array>;
  /** Number of the key that authenticates our datagrams. */
  readonly active: number;
}

/** Octets of a key: at least as many as the HMAC. More, up to a block of SHA-256, are allowed but gain nothing. */
const LENGTH = { min: 32, max: 64 } as const;

/**
 * Read and check a key file. Empty lines and lines that begin with `#` are ignored.
 *
 * @param active the configured active key; by default the first of the file
 * @throws ConfigError with every problem, without a digit of a key; UnreadableError
 */
export function readKeys(path: string, active: number | undefined): Keys {
  const missing = `make a key on one router: pppthingctl keygen > ${path}; then copy it to the other`;
  return parseKeys(readText(path, missing), path, active);
}

export function parseKeys(text: string, path: string, active: number | undefined): Keys {
  const problems: Problem[] = [];
  const byId = new Map<number, Uint8Array>();
  text.split('\n').forEach((line, i) => {
    const problem = (message: string): void => void problems.push({ line: i + 1, message });
    if (/^\s*(?:#|$)/.test(line)) return;
    const [, digits, hex = ''] = /^\s*(\d{1,3})\s+([0-9A-Fa-f]+)\s*$/.exec(line) ?? [];
    const id = Number(digits);
    const key = fromHex(hex);
    if (digits === undefined || key === undefined || id > 255)
      problem('expected a number from 0 to 255, a space, and whole octets in hexadecimal');
    else if (key.length < LENGTH.min || key.length > LENGTH.max)
      problem(`key ${id}: expected ${LENGTH.min} to ${LENGTH.max} octets, found ${key.length}`);
    else if (byId.has(id)) problem(`key ${id}: is in the file twice`);
    else byId.set(id, key);
  });
  const [first] = byId.keys();
  const chosen = active ?? first;
  if (problems.length === 0 && first === undefined)
    problems.push({ line: undefined, message: 'expected a key; pppthingctl keygen makes one' });
  else if (active !== undefined && problems.length === 0 && !byId.has(active))
    problems.push({ line: undefined, message: `expected the active key ${active}` });
  if (problems.length > 0 || chosen === undefined) throw new ConfigError(path, problems);
  return { byId, active: chosen };
}
