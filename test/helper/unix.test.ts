import { chmodSync, closeSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { loadLibc } from '@ppp-thing/helper/libc';
import { listenAt } from '@ppp-thing/helper/unix';

const GID = 12_345;

/** On FreeBSD every directory gives its group to what is made in it; on Linux one with the setgid bit does. */
t.test(
  "unix › a socket has the group it is given to, also in another group's directory",
  { skip: process.getuid?.() === 0 ? false : 'only root may give a file to any group' },
  async (t) => {
    const libc = await loadLibc();
    const folder = mkdtempSync('/tmp/ppp-thing-unix-');
    t.teardown(() => rmSync(folder, { recursive: true }));
    for (const mode of [0o755, 0o2755]) {
      chmodSync(folder, mode);
      const path = join(folder, `${mode}.sock`);
      closeSync(listenAt(libc, path, GID));
      const { gid, uid, mode: found } = statSync(path);
      t.strictSame({ gid, uid, mode: found & 0o777 }, { gid: GID, uid: 0, mode: 0o660 });
    }
  },
);
