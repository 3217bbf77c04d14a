/** A service manager's descriptor store in our own process, for backends that come and go in it. */
import type { Keeper } from '@ppp-thing/helper/backend';
import type { Libc } from '@ppp-thing/helper/libc';

export interface Store {
  /** By session, descriptors of the store's own. */
  readonly kept: Map<string, readonly number[]>;
  /** For the next helper: it finds what is kept, and the store is empty. */
  next(): Keeper;
  clear(): void;
}

export function makeStore(libc: Libc): Store {
  const kept = new Map<string, readonly number[]>();
  const F_DUPFD = 0;
  const forget = (session: string): void => {
    for (const fd of kept.get(session) ?? []) libc.close(fd);
    kept.delete(session);
  };
  return {
    kept,
    next() {
      const found = new Map(kept);
      kept.clear();
      return {
        found,
        keep(session, fds) {
          forget(session);
          kept.set(
            session,
            fds.map((fd) => libc.fcntl(fd, F_DUPFD, 0)),
          );
          return true;
        },
        forget,
      };
    },
    clear: () => [...kept.keys()].forEach(forget),
  };
}
