/**
 * What an administrator reads when the FreeBSD backend cannot do its work, and that nothing half-built is left when it could
 * not, whichever call it was that failed or died.
 */
import t from 'tap';
import { BackendError } from '@ppp-thing/helper/errors';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { Errno } from '@ppp-thing/lab/freebsd/abi';
import type { KernelOptions } from '@ppp-thing/lab/freebsd/kernel';
import type { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { FakeProcess, ProcessOptions } from '@ppp-thing/lab/freebsd/process';
import { LAN, Router, SESSION } from './world.ts';

const ALL_MODULES = ['ether', 'socket', 'hub', 'bpf', 'etf', 'pppoe', 'ppp', 'iface'];
const MODULES = ALL_MODULES.map((name) => `ng_${name}`);

/** Why `act` fails, in full. */
function failure(act: () => void): string {
  try {
    act();
  } catch (error) {
    if (error instanceof BackendError) return error.message;
    throw error;
  }
  return '';
}

interface Case {
  readonly expected: string;
  readonly kernel?: KernelOptions;
  readonly process?: ProcessOptions;
  readonly policy?: Partial<SessionPolicy>;
  readonly prepare?: (router: Router) => void;
}

/** Another program's interface with this name. */
const takeName = (name: string) => (router: Router) => {
  const { kernel } = router;
  kernel.kldload('ng_iface', 'again');
  kernel.interfaces.makeNg(() => {}).name = name;
};

const CASES: Readonly<Record<string, Case>> = {
  'a module that is not loaded, in a jail': {
    expected:
      'open netgraph pt_sweeper: EAFNOSUPPORT: the module ng_socket is not loaded; run kldload ng_socket',
    kernel: { isJail: true },
  },
  'no ng_ether, in a jail': {
    expected: 'find node of igb0: ENOENT: the module ng_ether is not loaded; run kldload ng_ether',
    kernel: { isJail: true, loaded: MODULES.filter((name) => name !== 'ng_ether') },
  },
  'a node type that is missing, in a jail': {
    expected:
      'build graph of pppoe0: EPERM: root only; in a jail the modules must be loaded beforehand',
    kernel: { isJail: true, loaded: MODULES.filter((name) => name !== 'ng_pppoe') },
  },
  'another user than root': {
    expected: 'open netgraph pt_sweeper: EPERM: only root may use netgraph',
    kernel: { loaded: MODULES },
    process: { isRoot: false },
  },
  'an interface that is missing': {
    expected: 'open bpf on igb9: ENXIO: there is no such interface',
    policy: { interface: 'igb9' },
  },
  'the hook orphans in other hands': {
    expected: 'connect hook igb0:orphans: EEXIST: hub node other holds it; see ngctl show igb0:',
    kernel: { loaded: MODULES },
    prepare(router) {
      const { libc } = router.process();
      const socket = libc.socket(32, 2, 2);
      libc.sendto(socket, mkpeer('hub', 'orphans', 'eth'), 0, address('igb0:'));
      libc.sendto(socket, rename('other'), 0, address('igb0:orphans'));
    },
  },
  'an interface name that is taken': {
    expected:
      'name interface pppoe0: EEXIST: another interface has this name; destroy or rename it, or rename the session',
    prepare: takeName('pppoe0'),
  },
  "the stub's name taken": {
    expected:
      'name interface pppoe0x: EEXIST: another interface has this name; destroy or rename it, or rename the session',
    prepare: takeName('pppoe0x'),
  },
  'a vhid that is missing': {
    expected: 'read vhid 7@igb1: ENOENT: there is no such vhid on this interface; see ifconfig',
    policy: { carp: { interface: LAN, vhid: 7 } },
  },
  'several vhids, and no word which': {
    expected: 'read vhid of igb1: EINVAL: it has several; name one with carp_vhid',
    policy: { carp: { interface: LAN } },
    prepare: ({ kernel }) => kernel.carp.add(kernel.interfaces.get(LAN), 2, 'BACKUP'),
  },
  'no carp in the kernel': {
    expected: 'read vhid 1@igb1: EPROTONOSUPPORT: the module carp is not loaded; run kldload carp',
    prepare: ({ kernel }) => void (kernel.carp.isLoaded = false),
  },
  'too few BPF devices': {
    expected: 'open /dev/bpf: EBUSY: not enough BPF devices: all are in use',
    kernel: { bpfDevices: 0 },
  },
  'another helper that serves the session': {
    expected: 'open netgraph for pppoe0: EADDRINUSE: another helper serves this session',
    prepare: (router) => router.helper([SESSION]).backend.start(SESSION),
  },
};

for (const [name, { expected, kernel, process, policy, prepare }] of Object.entries(CASES)) {
  t.test(`freebsd › start › ${name}: is said, and nothing is left behind`, async (t) => {
    const router = await Router.make(kernel);
    prepare?.(router);
    const before = router.leftovers();
    const session = { ...SESSION, ...policy };
    const { backend } = router.helper([session], undefined, router.process(process));
    t.equal(
      failure(() => backend.start(session)),
      expected,
    );
    backend.leave();
    t.strictSame(router.leftovers(), before);
  });
}

t.test('freebsd › configure › an address that another interface leads to is said', async (t) => {
  const router = await Router.make();
  const verbs = router.helper([SESSION]).backend.start(SESSION);
  const other = router.kernel.interfaces.makeNg(() => {});
  const theirs = Uint8Array.of(198, 51, 100, 1);
  const mask = new Uint8Array(4).fill(0xff);
  other.addresses.push({ address: Uint8Array.of(10, 0, 0, 1), destination: theirs, mask });
  other.isUp = true;
  router.kernel.interfaces.noSamePrefix = true;
  const settings = {
    mtu: 1492,
    up: true,
    ourAddress: Uint8Array.of(198, 51, 100, 7),
    theirAddress: theirs,
    interfaceIds: null,
  };
  t.equal(
    failure(() => verbs.configure(settings)),
    'set address of pppoe0: EEXIST: address in use: 198.51.100.1 is reached by another interface',
  );
});

interface Start {
  readonly router: Router;
  readonly process: FakeProcess;
  readonly backend: FreebsdBackend;
}

/** A helper in a process in which `act` is asked before every call that changes something. */
async function startWith(act: (count: number) => void): Promise<Start> {
  const router = await Router.make({ lag: 2 });
  let count = 0;
  const process = router.process({
    before(call) {
      if (['socket', 'bind', 'connect', 'open', 'sendto', 'ioctl'].includes(call)) act(++count);
    },
  });
  return { router, process, backend: router.helper([SESSION], undefined, process).backend };
}

/** How many calls a start is. */
async function callsOfStart(): Promise<number> {
  let calls = 0;
  const { backend } = await startWith((count) => void (calls = count));
  backend.start(SESSION);
  return calls;
}

t.test('freebsd › start › whichever call fails, nothing is left behind', async (t) => {
  const calls = await callsOfStart();
  t.ok(calls > 50, `${calls} calls`);
  let survived = 0;
  for (let failing = 1; failing <= calls; failing++) {
    const { router, process, backend } = await startWith((count) => {
      if (count === failing) throw new Errno('ENOBUFS');
    });
    const said = failure(() => backend.start(SESSION));
    if (said === '') survived++;
    else t.match(said, /: ENOBUFS: /, `call ${failing}`);
    if (said === '') backend.remove();
    else backend.leave();
    t.strictSame(router.leftovers(), [], `call ${failing}: ${said}`);
    t.equal(process.openDescriptors, 0, `call ${failing}: ${said}`);
  }
  // devd is a convenience.
  t.ok(survived <= 2, `${survived} calls may fail`);
});

class Killed extends Error {
  override readonly name = 'Killed';
}

t.test('freebsd › start › wherever a helper is killed, the next one starts', async (t) => {
  const calls = await callsOfStart();
  for (let dying = 1; dying <= calls; dying++) {
    const { router, process, backend } = await startWith((count) => {
      if (count >= dying) throw new Killed();
    });
    t.throws(() => backend.start(SESSION), { name: 'Killed' });
    process.kill();
    const next = router.helper([SESSION]).backend;
    t.match(next.start(SESSION).inspect(), { attached: null, gateOpen: false });
    next.remove();
    t.strictSame(router.leftovers(), [], `killed at call ${dying}`);
  }
});

const bytes = (text: string, room: number): Uint8Array => {
  const octets = new Uint8Array(room);
  octets.set(new TextEncoder().encode(text));
  return octets;
};
const message = (command: number, ...fields: readonly Uint8Array[]): Uint8Array => {
  const body = fields.reduce((sum, { length }) => sum + length, 0);
  const octets = new Uint8Array(56 + body);
  const view = new DataView(octets.buffer);
  octets[0] = 8;
  view.setUint32(4, body, true);
  view.setUint32(8, command, true);
  view.setUint32(20, 1137070366, true);
  let at = 56;
  for (const field of fields) {
    octets.set(field, at);
    at += field.length;
  }
  return octets;
};
const mkpeer = (...names: readonly string[]): Uint8Array =>
  message(2, ...names.map((name) => bytes(name, 32)));
const rename = (name: string): Uint8Array => message(4, bytes(name, 32));
const address = (path: string): Uint8Array => {
  const octets = bytes(path, path.length + 1);
  return Uint8Array.of(octets.length + 2, 32, ...octets);
};
