/** Reads uids and gids from the files of local accounts. Does not ask a directory service. */
import { readFileSync } from 'node:fs';

/** The uid of a user name, or of a number written out; undefined if there is none. */
export const uidOf = (name: string, file = '/etc/passwd'): number | undefined =>
  numberOf(name, file);

/** The gid of a group name, or of a number written out; undefined if there is none. */
export const gidOf = (name: string, file = '/etc/group'): number | undefined =>
  numberOf(name, file);

/** Both files: name, password, number, … between colons. */
function numberOf(name: string, file: string): number | undefined {
  if (/^\d{1,9}$/.test(name)) return Number(name);
  for (const line of readFileSync(file, 'utf8').split('\n')) {
    const [entry, , number] = line.split(':');
    if (entry === name && number !== undefined && /^\d+$/.test(number)) return Number(number);
  }
  return undefined;
}
