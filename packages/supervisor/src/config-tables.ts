/**
 * The tables of a configuration file with the defaults of each session filled in, for `pppthingctl doctor`. It reads no
 * file, and reports no mistakes: `config.ts` does.
 */
import { parse } from 'smol-toml';
import { eightLines, isEightLines } from '@ppp-thing/protocol/config-text';
import { checkTable, SESSION_KEYS, type SessionTable } from './config-schema.ts';

/** @param text of a file that `readConfig` has accepted */
export function sessionTables(text: string): ReadonlyMap<string, SessionTable> {
  const values = isEightLines(text) ? { pppoe0: eightLines(text).values } : parse(text)['session'];
  const tables = Object.entries(values ?? {}).flatMap(([name, table]) => {
    const checked = checkTable(SESSION_KEYS, name, { ...table }, () => undefined);
    return checked === undefined ? [] : [[name, checked] as const];
  });
  return new Map(tables);
}
