/** The world of the sim backend: a router kernel on a thread, and its line and CARP in the test's hands. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { loadLibc, type Libc } from '@ppp-thing/helper/libc';
import { createLoop, type MainLoop } from '@ppp-thing/helper/loop';
import type { HelperPolicy, SessionPolicy } from '@ppp-thing/helper/policy';
import type { KernelEvent } from '@ppp-thing/lab/line/router';
import type { Order, Report } from './sim-kernel.ts';

export const SESSION: SessionPolicy = {
  name: 'pppoe0',
  interface: 'em0',
  mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
  policy: 'follow-carp',
  carp: { interface: 'em1', vhid: 1 },
  localAddress: Uint8Array.of(192, 168, 7, 2),
  partnerAddress: Uint8Array.of(192, 168, 7, 3),
  mtu: 1492,
  defaultRoute: true,
  fib: 0,
  demotion: 240,
};

/** A simulated router without a helper. */
export interface SimRouter {
  readonly libc: Libc;
  readonly folder: string;
  readonly policy: HelperPolicy;
  /** Frames that the router sent on the line. */
  readonly heard: Uint8Array[];
  /** Called after each of them. */
  changed: () => void;
  /** Do it to the kernel; settles when it is done. */
  order(event: KernelEvent): Promise<void>;
  close(): Promise<void>;
}

export async function startSimRouter(session: Partial<SessionPolicy> = {}): Promise<SimRouter> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-sim-'));
  const path = join(folder, 'lab.sock');
  const thread = new Worker(new URL('sim-kernel.js', import.meta.url), { workerData: path });
  const waiting = new Map<number, () => void>();
  const heard: Uint8Array[] = [];
  let orders = 0;
  const wait = (order: number): Promise<void> =>
    new Promise((resolve) => waiting.set(order, resolve));
  const router: SimRouter = {
    libc: await loadLibc(),
    folder,
    policy: {
      socketPath: join(folder, 'helper.sock'),
      stateDirectory: join(folder, 'state'),
      user: 'nobody',
      group: 'nogroup',
      simSwitch: path,
      sessions: [{ ...SESSION, ...session }],
    },
    heard,
    changed: () => {},
    order(event) {
      const order = ++orders;
      const done = wait(order);
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread is no window
      thread.postMessage({ order, event } satisfies Order);
      return done;
    },
    async close() {
      await thread.terminate();
      rmSync(folder, { recursive: true, force: true });
    },
  };
  thread.on('message', (report: Report) => {
    if ('frame' in report) heard.push(report.frame);
    else waiting.get(report.did)?.();
    router.changed();
  });
  await wait(0);
  await router.order({ kind: 'role', role: 'BACKUP' });
  return router;
}

/** A loop of this process on the real clock; its lines are dropped. */
export const makeLoop = (libc: Libc): MainLoop =>
  createLoop(
    libc,
    () => performance.now(),
    () => {},
  );
