/**
 * A router with a fake FreeBSD kernel for tests of a whole helper: it has a directory and a policy, and lets helpers in
 * that are in this process or in one of their own.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Role } from '@ppp-thing/helper/backend';
import type { Libc } from '@ppp-thing/helper/libc';
import type { HelperPolicy, SessionPolicy } from '@ppp-thing/helper/policy';
import { RemoteDoor } from '@ppp-thing/lab/freebsd/remote-door';
import { HELPER, Router, SESSION, VHID } from '../freebsd/world.ts';

export { SESSION };

/** The helper's own command, on the kernel that its environment names. */
const HELPER_MAIN = fileURLToPath(import.meta.resolve('@ppp-thing/lab/freebsd/helper'));

export class Machine {
  readonly router: Router;
  readonly folder = mkdtempSync(join(tmpdir(), 'ppp-thing-machine-'));
  readonly policy: HelperPolicy;
  readonly #door: RemoteDoor;

  private constructor(router: Router, session: Partial<SessionPolicy>) {
    this.router = router;
    this.policy = {
      ...HELPER,
      socketPath: join(this.folder, 'helper.sock'),
      stateDirectory: join(this.folder, 'state'),
      sessions: [{ ...SESSION, ...session }],
    };
    this.#door = new RemoteDoor({
      admit: () => {
        const process = router.waitingProcess();
        return { libc: process.libc, kill: () => process.kill() };
      },
    });
  }

  static async boot(session: Partial<SessionPolicy> = {}): Promise<Machine> {
    return new Machine(await Router.make(), session);
  }

  /** The program of a helper in a process of its own, and what its environment needs beside ours. */
  async open(): Promise<{ readonly main: string; readonly env: NodeJS.ProcessEnv }> {
    const kernel = join(this.folder, 'kernel.sock');
    await this.#door.open(kernel);
    return { main: HELPER_MAIN, env: { PPP_THING_KERNEL: kernel } };
  }

  /** Of a helper in this process: each is a process of the router's. */
  get libc(): Libc {
    return this.router.waitingProcess().libc;
  }

  /** Frames that the router sent on the line. */
  get heard(): readonly Uint8Array[] {
    return this.router.heard;
  }

  setRole(role: Role): void {
    this.router.kernel.carp.set(VHID, role);
  }

  inject(frame: Uint8Array): void {
    this.router.inject(frame);
  }

  /** The helper, in this process, has read every frame that its kernel holds for it. */
  async untilRead(): Promise<void> {
    while ([...this.router.kernel.bpfs].some(({ isReadable }) => isReadable))
      await new Promise(setImmediate);
  }

  async close(): Promise<void> {
    await this.#door.close();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
