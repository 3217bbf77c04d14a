/**
 * A helper to be attacked, in a process of its own, on a fake FreeBSD kernel. It writes down what
 * the helper does to its system, and answers questions over the channel to its parent. It does not attack.
 */
import { readFileSync, readdirSync, statSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import type { MakeBackend } from '@ppp-thing/helper/backend';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { Libc } from '@ppp-thing/helper/libc';
import type { HelperPolicy } from '@ppp-thing/helper/policy';
import { serve } from '@ppp-thing/helper/serve';
import { FakeKernel } from '@ppp-thing/lab/freebsd/kernel';
import { FakeProcess } from '@ppp-thing/lab/freebsd/process';
import { RealSystem } from '@ppp-thing/lab/freebsd/real';
import { SESSION } from '../freebsd/world.ts';

export interface Measured {
  /** Octets that the runtime holds after a collection, and octets of the whole process. */
  readonly held: number;
  readonly resident: number;
}

export interface Seen {
  /** What is there beside the session's own: must never change. */
  readonly world: unknown;
  /** What a session may change, and must be able to take back. */
  readonly session: unknown;
  /** Calls that name a thing of the system, since the last question. */
  readonly touched: readonly string[];
  /** Frames that must not have been sent, since the start. */
  readonly wrongFrames: readonly string[];
  readonly frames: number;
  readonly descriptors: number;
}

/** Whose session frame is legal only as MASTER. */
type Question = 'measure' | 'look' | 'log' | 'BACKUP' | 'MASTER';

interface System {
  readonly libc: Libc;
  readonly policy: HelperPolicy;
  readonly makeBackend: MakeBackend;
  setRole(role: 'BACKUP' | 'MASTER'): Promise<void>;
  world(): unknown;
  session(): unknown;
}

const LINE = 'igb0';
const LAN = 'igb1';
const hex = (octets: Uint8Array): string => Buffer.from(octets).toString('hex');

let role: 'BACKUP' | 'MASTER' = 'BACKUP';
let frames = 0;
const wrongFrames: string[] = [];
const touched = new Set<string>();

/** Only the session's MAC speaks; control packets only as MASTER; and never IP. */
function judge(frame: Uint8Array): void {
  frames += 1;
  const type = hex(frame.subarray(12, 14));
  const protocol = ((frame[20] ?? 0) << 8) | (frame[21] ?? 0);
  const isOurs = hex(frame.subarray(6, 12)) === hex(SESSION.mac);
  const isSession = type === '8864' && role === 'MASTER' && protocol >= 0x8000;
  if (isOurs && (type === '8863' || type === '8035' || isSession)) return;
  wrongFrames.push(`${role} ${hex(frame.subarray(0, 22))}`);
}

/** The calls by which a process reaches a thing by its name. */
function recorded(libc: Libc): Libc {
  const name = (octets: Uint8Array): string =>
    Buffer.from(octets.subarray(0, 16)).toString('latin1').replace(/\0.*$/s, '');
  const wrapped: Libc = Object.create(libc);
  const calls: Partial<Libc> = {
    open: (path, flags, mode) => (touched.add(`open ${path}`), libc.open(path, flags, mode)),
    unlink: (path) => (touched.add(`unlink ${path}`), libc.unlink(path)),
    kldload: (module) => (touched.add(`kldload ${module}`), libc.kldload(module)),
    sysctl(variable, room, value) {
      if (value !== undefined) touched.add(`sysctl ${variable}`);
      return libc.sysctl(variable, room, value);
    },
    ioctl(fd, request, argument, pointers) {
      // FreeBSD's group 'i': the argument begins with an interface's name.
      if (((request >>> 8) & 0xff) === 0x69 && argument instanceof Uint8Array)
        touched.add(`interface ${name(argument)}`);
      return libc.ioctl(fd, request, argument, pointers);
    },
  };
  return Object.assign(wrapped, calls);
}

async function freebsd(folder: string): Promise<System> {
  const kernel = new FakeKernel();
  kernel.addEther(LINE, Uint8Array.of(0, 0x1b, 0x21, 0, 0, 1), judge);
  const lan = kernel.addEther(LAN, Uint8Array.of(0, 0x1b, 0x21, 0, 0, 2), judge);
  const mask = Uint8Array.of(255, 255, 255, 0);
  lan.addresses.push({ address: Uint8Array.of(192, 168, 7, 2), mask });
  kernel.carp.add(lan, 1, 'BACKUP');
  const { libc } = new FakeProcess(kernel, { real: await RealSystem.load() });
  const shown = (names: readonly string[]): unknown =>
    kernel.interfaces
      .all()
      .filter(({ name }) => names.includes(name))
      .map((each) => {
        const addresses = each.addresses.map(({ address }) => hex(address));
        const { name, kind, isUp, mtu, flags, mac } = each;
        const v6 = each.addresses6.map(hex);
        return { name, kind, isUp, mtu, flags, mac: hex(mac), addresses, v6 };
      });
  const own = ['pppoe0', 'pppoe0x'];
  return {
    libc: recorded(libc),
    policy: {
      socketPath: join(folder, 'helper.sock'),
      stateDirectory: join(folder, 'state'),
      user: 'nobody',
      group: 'nogroup',
      sessions: [
        {
          ...SESSION,
          interface: LINE,
          stub: 'pppoe0x',
          carp: { interface: LAN, vhid: 1 },
          delegation: { prefixes: {}, address: true },
        },
      ],
    },
    makeBackend: (context) => new FreebsdBackend(context),
    setRole: async (to) => kernel.carp.set(1, to),
    world: () => ({
      interfaces: shown([LINE, LAN]),
      names: kernel.interfaces.all().map(({ name }) => name),
      modules: [...kernel.modules],
    }),
    session() {
      kernel.netgraph.settle();
      const route = [kernel.routes.default(), kernel.routes.default(0, 'AF_INET6')];
      return {
        own: own.map((name) => kernel.interfaces.all().some((each) => each.name === name)),
        addresses: kernel.interfaces
          .all()
          .filter(({ name }) => own.includes(name))
          .map(({ name, addresses }) => [name, addresses.map(({ address }) => hex(address))]),
        routes: [kernel.routes.count(), ...route.map((each) => each && hex(each))],
        nodes: kernel.madeNodes(),
        demotion: kernel.carp.demotion,
        bpf: kernel.bpfs.size,
      };
    },
  };
}

/** Of the machine that all of this runs on. */
function host(folder: string): unknown {
  const children = (): string =>
    readdirSync('/proc/self/task')
      .map((task) => readFileSync(`/proc/self/task/${task}/children`, 'latin1'))
      .join('');
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).sort();
  return {
    interfaces: networkInterfaces(),
    folder: files.map((file) => `${file} ${statSync(join(folder, file)).mode.toString(8)}`),
    ...(process.platform === 'linux' && {
      routes: readFileSync('/proc/net/route', 'latin1'),
      children: children(),
    }),
    cwd: process.cwd(),
    ids: [process.getuid?.(), process.getgid?.(), process.geteuid?.(), process.getegid?.()],
    environment: Object.keys(process.env).length,
  };
}

const descriptors = (): number =>
  process.platform === 'linux' ? readdirSync('/proc/self/fd').length : 0;

const [, , folder = ''] = process.argv;
const system = await freebsd(folder);
let last = '';
const serving = serve({
  libc: system.libc,
  policy: system.policy,
  makeBackend: system.makeBackend,
  uid: process.getuid?.() ?? 0,
  log: (line) => void (last = line),
});

async function answer(question: Question): Promise<unknown> {
  if (question === 'BACKUP' || question === 'MASTER') {
    // What is on its way was sent as MASTER still: BACKUP is judged once the kernel has heard of it.
    if (question === 'MASTER') role = question;
    await system.setRole(question);
    return question;
  }
  if (question === 'log') return last;
  if (question === 'measure') {
    // What has just been let go of is freed a turn later.
    for (let each = 0; each < 3; each++) {
      globalThis.gc?.();
      await new Promise((resolve) => setImmediate(resolve));
    }
    const { heapUsed, external, rss } = process.memoryUsage();
    return { held: heapUsed + external, resident: rss } satisfies Measured;
  }
  const seen: Seen = {
    world: { system: system.world(), host: host(folder) },
    session: system.session(),
    descriptors: descriptors(),
    touched: [...touched],
    wrongFrames,
    frames,
  };
  touched.clear();
  return seen;
}

process.on('message', (question: Question | 'quiet') => {
  if (question === 'quiet') {
    role = 'BACKUP';
    process.send?.('quiet');
    return;
  }
  void answer(question).then((told) => process.send?.(told));
});
process.on('disconnect', () => serving.stop());
process.send?.({ path: system.policy.socketPath });
await serving.stopped;
process.exit(0);
