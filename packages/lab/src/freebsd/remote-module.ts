/**
 * A remote `Libc` as a module for `PPP_THING_TEST_LIBC`: the router's name and `.sock`, in the directory that
 * `PPP_THING_REMOTE` names, is the socket at which it is let.
 */
import { join } from 'node:path';
import type { Libc } from '@ppp-thing/helper/libc';
import { connectLibc } from './remote.ts';

export default async function router(name: string): Promise<Libc> {
  const { PPP_THING_REMOTE: directory } = process.env;
  if (directory === undefined) throw new Error('PPP_THING_REMOTE: missing; expected a directory');
  return connectLibc(join(directory, `${name}.sock`));
}
