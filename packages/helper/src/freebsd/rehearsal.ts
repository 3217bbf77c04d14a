/**
 * Runs the real code of the edge to MASTER and back against a fake kernel. A runtime compiles a function at its
 * first call, and discards compiled code that has not run for some seconds. Without a rehearsal, the takeover of a router
 * that has been standby for weeks would wait for the compiler. The real kernel is not touched.
 */
import type { Libc } from '../libc.ts';
import type { SessionPolicy } from '../policy.ts';
import { encodeAnnounce, PRESENCE } from '../announce.ts';
import { route, setUp } from './addressing.ts';
import { Bpf } from './bpf.ts';
import { Gate } from './gate.ts';
import { Interfaces } from './interface.ts';
import { NetgraphSocket } from './netgraph.ts';

const NODE = 'nowhere';
const INTERFACE_ID = 8;

/** A fake kernel: every call succeeds or finds nothing, and there is no default route. */
export function nowhere(): Libc {
  let written: Uint8Array = new Uint8Array();
  const nothing = (): void => undefined;
  const zero = (): number => 0;
  const wouldBlock = (): number => -1;
  return {
    platform: 'freebsd',
    open: zero,
    close: nothing,
    // A request on a routing socket comes back as it was, without an answer in it.
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

/** @returns a function that runs it once */
export function rehearsal(policy: SessionPolicy, libc = nowhere()): () => void {
  const interfaces = new Interfaces(libc);
  const gate = new Gate(new NetgraphSocket(libc, NODE), NODE, NODE, policy.mac);
  const line = new Bpf(libc, policy.interface, policy.mac);
  const way = {
    theirs: new Uint8Array(INTERFACE_ID),
    isShared: () => false,
    beside: () => undefined,
    log: () => undefined,
  };
  gate.join();
  return () => {
    gate.open();
    line.write(encodeAnnounce(policy.mac, PRESENCE));
    setUp(interfaces, policy.name, true);
    route(libc, interfaces, policy, { ...way, via: 'session' });
    gate.close();
    gate.join();
    route(libc, interfaces, policy, { ...way, via: 'none' });
  };
}
