/**
 * What the helper's act at an edge costs with many lines: a whole helper on the fake FreeBSD kernel, every line armed, and
 * one vhid that moves. Times are this machine's; calls of the kernel are the product's own, and the same everywhere.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { Libc } from '@ppp-thing/helper/libc';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve } from '@ppp-thing/helper/serve';
import type { Failure, Notice } from '@ppp-thing/protocol/ipc/messages';
import { HelperClient } from '@ppp-thing/supervisor/helper';
import { Log } from '@ppp-thing/supervisor/log';
import { FakeProcess } from '../freebsd/process.ts';
import { RealSystem } from '../freebsd/real.ts';
import { LAN, makeKernel, VHID } from './wire.ts';

const LINE = 'line0';
const SETTLE_MS = 2000;
const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);

export interface EdgeFigures {
  readonly lines: number;
  /** Until every line is armed, milliseconds. */
  readonly armMs: number;
  /** Of each edge to MASTER, milliseconds from the helper's wait: the last gate open, the last default route set. */
  readonly gateMs: readonly number[];
  readonly routeMs: readonly number[];
  /** System calls of one edge to MASTER, all lines together. */
  readonly calls: number;
  /** System calls of one second in which nothing happens. */
  readonly idleCalls: number;
}

/** A libc that counts its calls. */
function counting(libc: Libc): { readonly libc: Libc; count(): number } {
  let calls = 0;
  const wrapped = new Proxy(libc, {
    get(target, name, receiver) {
      const value: unknown = Reflect.get(target, name, receiver);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        calls += 1;
        return Reflect.apply(value, target, args);
      };
    },
  });
  return { libc: wrapped, count: () => calls };
}

const policyOf = (i: number): SessionPolicy => ({
  name: `wan${i}`,
  interface: LINE,
  mac: Uint8Array.of(2, 0, 0x5e, 0x10, i >> 8, i & 0xff),
  policy: 'follow-carp',
  carp: { interface: LAN, vhid: VHID },
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
});

const settingsOf = (i: number) => ({
  mtu: 1492,
  ourAddress: Uint8Array.of(100, 64, i >> 8, i & 0xff),
  theirAddress: Uint8Array.of(100, 80, i >> 8, i & 0xff),
  interfaceIds: null,
});

/** A supervisor that arms and listens. */
class Bench {
  readonly client: HelperClient;
  #notices: Notice[] = [];
  #wake: () => void = () => {};
  #isUp = false;

  constructor(path: string) {
    this.client = new HelperClient({
      path,
      log: new Log(
        'error',
        () => {},
        () => 0,
      ),
      events: {
        up: () => {
          this.#isUp = true;
          this.#wake();
        },
        down: () => {},
        notice: (notice) => {
          this.#notices.push(notice);
          this.#wake();
        },
      },
    });
    this.client.start();
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await new Promise<void>((resolve) => (this.#wake = resolve));
  }

  async up(): Promise<void> {
    await this.until(() => this.#isUp);
  }

  /** Every answer of `lines` lines, each asked `asks`. */
  async all(lines: number, asks: (i: number, done: () => void) => void): Promise<void> {
    let answers = 0;
    for (let i = 0; i < lines; i++)
      asks(i, () => {
        answers += 1;
        this.#wake();
      });
    await this.until(() => answers === lines);
  }

  /** The notices of the edge that `act` makes, once every line has told its role. */
  async edge(lines: number, act: () => void): Promise<readonly Notice[]> {
    this.#notices = [];
    act();
    await this.until(
      () => this.#notices.filter(({ notice }) => notice === 'role').length === lines,
    );
    return this.#notices;
  }
}

/** Calls a second while nothing happens. The work of the last edge continues for a while after its notices. */
async function countIdle(count: () => number, idleMs: number): Promise<number> {
  await pause(SETTLE_MS);
  const before = { calls: count(), at: performance.now() };
  await pause(idleMs);
  return Math.round(((count() - before.calls) * 1000) / (performance.now() - before.at));
}

const refused = (failure: Failure): never => {
  throw new Error(`${failure.verb} ${failure.subject}: ${failure.code}: ${failure.reason}`);
};

/**
 * @param edges  to MASTER and back, so often
 * @param idleMs  how long to watch while nothing happens; 0: not at all
 */
export async function measureEdge(
  lines: number,
  edges: number,
  idleMs: number,
): Promise<EdgeFigures> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-bench-'));
  const socketPath = join(folder, 'helper.sock');
  const kernel = makeKernel();
  kernel.addEther(LINE, Uint8Array.of(0, 0, 0x5e, 0, 0x53, 1), () => {});
  const { libc, count } = counting(new FakeProcess(kernel, { real: await RealSystem.load() }).libc);
  const policy = {
    socketPath,
    stateDirectory: join(folder, 'state'),
    user: 'root',
    group: 'root',
    sessions: Array.from({ length: lines }, (_, i) => policyOf(i)),
  };
  const makeBackend = (context: ConstructorParameters<typeof FreebsdBackend>[0]) =>
    new FreebsdBackend(context);
  const serving = serve({ libc, policy, uid: process.getuid?.() ?? 0, makeBackend, log: () => {} });
  const bench = new Bench(socketPath);
  try {
    await bench.up();
    const began = performance.now();
    await bench.all(lines, (i, done) => {
      const session = `wan${i}`;
      const key = { sessionId: i + 1, acMac: AC_MAC };
      const settings = settingsOf(i);
      const attach = { session, key, maxPayload: 1492, autoOpen: true, settings };
      bench.client.ask('attach', attach, refused);
      bench.client.ask('configure', { session, up: false, ...settings }, refused, done);
    });
    const armMs = performance.now() - began;
    const gateMs: number[] = [];
    const routeMs: number[] = [];
    let calls = 0;
    for (let i = 0; i < edges; i++) {
      const before = count();
      const notices = await bench.edge(lines, () => kernel.carp.set(VHID, 'MASTER'));
      calls = count() - before;
      const acts = notices.flatMap((each) => (each.notice === 'forwarded' ? [each] : []));
      gateMs.push(Math.max(...acts.map(({ gate }) => gate)) / 1000);
      routeMs.push(Math.max(...acts.map(({ route }) => route)) / 1000);
      await bench.edge(lines, () => kernel.carp.set(VHID, 'BACKUP'));
    }
    const idleCalls = idleMs > 0 ? await countIdle(count, idleMs) : 0;
    return { lines, armMs, gateMs, routeMs, calls, idleCalls };
  } finally {
    bench.client.close();
    serving.stop('remove');
    await serving.stopped;
    rmSync(folder, { recursive: true, force: true });
  }
}
