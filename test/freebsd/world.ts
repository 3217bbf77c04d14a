/**
 * A router with a fake FreeBSD kernel, its line and its CARP in the test's hands, on a clock that moves only when nothing
 * else happens.
 */
import type { BackendContext, BackendEvents } from '@ppp-thing/helper/backend';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { createLoop, type MainLoop } from '@ppp-thing/helper/loop';
import type { HelperPolicy, SessionPolicy } from '@ppp-thing/helper/policy';
import type { World } from '../backend-contract.ts';
import { FakeKernel, type KernelOptions } from '@ppp-thing/lab/freebsd/kernel';
import { FakeProcess, type ProcessOptions } from '@ppp-thing/lab/freebsd/process';
import { RealSystem } from '@ppp-thing/lab/freebsd/real';

export const LINE = 'igb0';
export const LAN = 'igb1';
export const VHID = 1;

export const SESSION: SessionPolicy = {
  name: 'pppoe0',
  interface: LINE,
  mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
  policy: 'follow-carp',
  carp: { interface: LAN, vhid: VHID },
  localAddress: Uint8Array.of(192, 168, 7, 2),
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  stub: 'pppoe0x',
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};

/** A helper's process on the router, its loop and its backend. */
export interface Helper {
  readonly process: FakeProcess;
  readonly loop: MainLoop;
  readonly log: string[];
  readonly backend: FreebsdBackend;
}

export class Router {
  readonly kernel: FakeKernel;
  readonly heard: Uint8Array[] = [];
  readonly #real: RealSystem;
  /** Monotonic milliseconds of the test. */
  now = 0;

  static async make(options: KernelOptions = {}): Promise<Router> {
    return new Router(await RealSystem.load(), options);
  }

  constructor(real: RealSystem, options: KernelOptions) {
    this.#real = real;
    this.kernel = new FakeKernel(options);
    const { kernel } = this;
    kernel.addEther(LINE, Uint8Array.of(0, 0x1b, 0x21, 0, 0, 1), (frame) =>
      this.heard.push(frame.slice()),
    );
    const lan = kernel.addEther(LAN, Uint8Array.of(0, 0x1b, 0x21, 0, 0, 2), () => {});
    lan.addresses.push({
      address: Uint8Array.of(192, 168, 7, 2),
      mask: Uint8Array.of(255, 255, 255, 0),
    });
    kernel.carp.add(lan, VHID, 'BACKUP');
  }

  /** A process whose time is the test's. */
  process(options: ProcessOptions = {}): FakeProcess {
    const idle = (ms: number): void => void (this.now += Math.max(1, ms));
    return new FakeProcess(this.kernel, { real: this.#real, idle, ...options });
  }

  /** A process that waits as processes do: for a whole helper with clients. */
  waitingProcess(options: ProcessOptions = {}): FakeProcess {
    return new FakeProcess(this.kernel, { real: this.#real, ...options });
  }

  /** A new helper with a backend that is not started. */
  helper(
    sessions: readonly SessionPolicy[],
    events: BackendEvents = noEvents(),
    process = this.process(),
  ): Helper {
    const log: string[] = [];
    const say = (line: string): void => void log.push(line);
    const loop = createLoop(process.libc, () => this.now, say);
    const { libc } = process;
    const policy: HelperPolicy = { ...HELPER, sessions };
    const context: BackendContext = { libc, loop, policy, events, log: say };
    return { process, loop, log, backend: new FreebsdBackend(context) };
  }

  /** A frame from another station of the line. */
  inject(frame: Uint8Array): void {
    this.kernel.interfaces.get(LINE).receive(frame);
  }

  /** What is in the kernel that was not there at first; empty when all is as it was. */
  leftovers(): string[] {
    this.kernel.netgraph.settle();
    const { interfaces, routes, carp, bpfs } = this.kernel;
    const line = interfaces.get(LINE);
    return [
      ...this.kernel.madeNodes().map((name) => `node ${name}`),
      ...interfaces
        .all()
        .filter(({ kind }) => kind === 'ng')
        .map(({ name }) => `interface ${name}`),
      ...(routes.count() > 0 ? ['a default route'] : []),
      ...(carp.demotion === 0 ? [] : [`demotion ${carp.demotion}`]),
      ...(line.pPromisc || line.setPromisc ? ['promiscuity'] : []),
      ...(bpfs.size > 0 ? ['a BPF descriptor'] : []),
      ...(interfaces.get(LAN).addresses.length === 1 ? [] : ['an address of the LAN']),
    ];
  }
}

export const HELPER = {
  socketPath: '/nonexistent/helper.sock',
  stateDirectory: '/nonexistent',
  user: 'nobody',
  group: 'nogroup',
} as const;

/** The contract's world: a router with one session. */
export async function freebsdWorld(options: KernelOptions = {}): Promise<World> {
  const router = await Router.make(options);
  const { kernel } = router;
  const process = router.process();
  const loop = createLoop(
    process.libc,
    () => router.now,
    () => {},
  );
  const policy: HelperPolicy = { ...HELPER, sessions: [SESSION] };
  return {
    loop,
    policy: SESSION,
    heard: router.heard,
    makeBackend: (events) =>
      new FreebsdBackend({ libc: process.libc, loop, policy, events, log: () => {} }),
    inject: (frame) => router.inject(frame),
    setRole: (role) => kernel.carp.set(VHID, role),
    setCarrier: (up) => kernel.setCarrier(kernel.interfaces.get(LINE), up),
    close: () => loop.close(),
  };
}

export const noEvents = (): BackendEvents => ({
  discoveryFrame() {},
  pppFrame() {},
  roles() {},
  carrier() {},
  ownMacHeard() {},
  sessionClosed() {},
  dropped() {},
});
