/**
 * Plays the edge to MASTER and back on a kernel that is not there, with the code that will play it on the real one. A
 * runtime compiles a function at its first call, and throws away what has not run for seconds: on a standby of weeks
 * the takeover itself would wait for that. Nothing of the real kernel is touched.
 */
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { route, setUp } from './addressing.ts';
import { Gate } from './gate.ts';
import { Interfaces } from './interface.ts';
import { NetgraphSocket } from './netgraph.ts';

const NODE = 'nowhere';
const INTERFACE_ID = 8;

/** A kernel that does whatever it is told, and has no default route. */
export function nowhere(): Libc {
  let written: Uint8Array = new Uint8Array();
  const nothing = (): void => undefined;
  const zero = (): number => 0;
  const wouldBlock = (): number => -1;
  return {
    platform: 'freebsd',
    open: zero,
    close: nothing,
    // On a routing socket a question comes back, with no answer in it.
    read(_fd, into) {
      into.set(written);
      return written.length;
    },
    write(_fd, data) {
      written = data;
      return data.length;
    },
    socket: zero,
    bind: nothing,
    listen: nothing,
    accept: wouldBlock,
    connect: nothing,
    sendto: (_fd, data) => data.length,
    recvfrom: () => ({ length: -1, fromLength: 0 }),
    getsockopt: zero,
    setsockopt: nothing,
    ioctl: zero,
    fcntl: zero,
    pipe: () => [0, 0],
    sysctl: () => new Uint8Array(),
    getpeereid: () => ({ uid: 0, gid: 0 }),
    kldload: nothing,
    unlink: nothing,
    poll: zero,
  };
}

/** @returns what plays it once */
export function rehearsal(policy: SessionPolicy, libc = nowhere()): () => void {
  const interfaces = new Interfaces(libc);
  const gate = new Gate(new NetgraphSocket(libc, NODE), NODE, NODE, policy.mac);
  const way = {
    theirs: new Uint8Array(INTERFACE_ID),
    isShared: () => false,
    beside: () => undefined,
    log: () => undefined,
  };
  gate.join();
  return () => {
    gate.open();
    setUp(interfaces, policy.name, true);
    route(libc, interfaces, policy, { ...way, via: 'session' });
    gate.close();
    gate.join();
    route(libc, interfaces, policy, { ...way, via: 'none' });
  };
}
