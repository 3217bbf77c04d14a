/**
 * A router with a fake FreeBSD kernel and the whole helpers that serve it one after the other, as the tests of a helper's
 * life need them. It claims nothing itself.
 */
import { concat } from '@ppp-thing/protocol/printable';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Test } from 'tap';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import { DISK, type Disk } from '@ppp-thing/helper/files';
import type { MakeBackend } from '@ppp-thing/helper/backend';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve, type Serving } from '@ppp-thing/helper/serve';
import type { FakeProcess } from '@ppp-thing/lab/freebsd/process';
import { be16 } from '@ppp-thing/lab/freebsd/octets';
import { Client, HELLO, type Wish } from '../helper/client.ts';
import { HELPER, Router, SESSION, VHID } from './world.ts';

export const session = SESSION.name;
export const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
export const KEY = { sessionId: 0x1234, acMac: AC_MAC };
export const OURS = Uint8Array.of(198, 51, 100, 7);
export const THEIRS = Uint8Array.of(198, 51, 100, 1);
export const ECHO = Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0);
export const ATTACH = {
  verb: 'attach',
  session,
  key: KEY,
  maxPayload: 1492,
  autoOpen: true,
  settings: null,
} as const satisfies Wish;
const settings = {
  mtu: 1492,
  ourAddress: OURS,
  theirAddress: THEIRS,
  interfaceIds: null,
} as const;
export const CONFIGURE = {
  verb: 'configure',
  session,
  up: true,
  ...settings,
} as const satisfies Wish;
/** Everything that the edge to MASTER needs. */
export const ARM: Wish = { ...ATTACH, settings };
export const DISCOVERY = 0x8863;
export const SESSION_STAGE = 0x8864;

export interface Helper {
  readonly serving: Serving;
  readonly process: FakeProcess;
  readonly path: string;
  readonly lines: string[];
}

interface StartOptions {
  readonly process?: FakeProcess;
  readonly removing?: boolean;
  readonly makeBackend?: MakeBackend;
  readonly now?: () => number;
  readonly disk?: Disk;
}

/** A router and the helpers that serve it one after the other. */
export class Life {
  readonly router: Router;
  readonly #folder = mkdtempSync(join(tmpdir(), 'ppp-thing-freebsd-'));

  static async make(t: Test): Promise<Life> {
    const life = new Life(await Router.make({ lag: 2 }));
    life.router.kernel.routes.fibs = 2;
    t.teardown(() => rmSync(life.#folder, { recursive: true, force: true }));
    return life;
  }

  constructor(router: Router) {
    this.router = router;
  }

  /** Of every helper's socket. */
  get path(): string {
    return join(this.#folder, 'helper.sock');
  }

  start(
    sessions: readonly SessionPolicy[] = [SESSION],
    {
      process = this.router.waitingProcess(),
      removing = false,
      makeBackend = (context) => new FreebsdBackend(context),
      now = () => performance.now(),
      disk = DISK,
    }: StartOptions = {},
  ): Helper {
    const lines: string[] = [];
    const path = this.path;
    const serving = serve({
      libc: process.libc,
      policy: {
        ...HELPER,
        socketPath: path,
        stateDirectory: join(this.#folder, 'state'),
        sessions,
      },
      uid: globalThis.process.getuid?.() ?? 0,
      makeBackend,
      now,
      disk,
      log: (line) => lines.push(line),
      removing,
    });
    return { serving, process, path, lines };
  }

  get padts(): Uint8Array[] {
    return this.router.heard.filter((frame) => be16(frame, 12) === DISCOVERY && frame[15] === 0xa7);
  }

  count(etherType: number): number {
    return this.router.heard.filter((frame) => be16(frame, 12) === etherType).length;
  }

  /** A packet of the session as the AC sends it, with its Protocol. */
  fromAc(...packet: readonly number[]): void {
    const header = Uint8Array.of(0x88, 0x64, 0x11, 0, 0x12, 0x34, 0, packet.length);
    const frame = concat(SESSION.mac, AC_MAC, header, Uint8Array.from(packet));
    this.router.inject(frame);
  }
}

/** A helper that has become MASTER since it started, its session attached and configured, and its supervisor. */
export async function live(life: Life): Promise<{ helper: Helper; client: Client }> {
  const helper = life.start();
  const client = await Client.greet(helper.path);
  life.router.kernel.carp.set(VHID, 'MASTER');
  await client.until('the edge', () => client.notices.find(({ notice }) => notice === 'role'));
  await client.ask(ATTACH);
  await client.ask(CONFIGURE);
  return { helper, client };
}

export async function stop({ serving }: Helper, how: 'leave' | 'remove' = 'leave'): Promise<void> {
  serving.stop(how);
  await serving.stopped;
}

export const role = (client: Client, wanted: string): Promise<boolean> =>
  client.until(`role ${wanted}`, () => {
    const roles = client.notices.filter((each) => each.notice === 'role');
    const told = roles.at(-1);
    return told?.role === wanted ? told.gateOpen : undefined;
  });

export const say = (client: Client): Promise<string> =>
  client.outcome({ verb: 'ppp-send', session, protocol: 0xc021, packet: ECHO });

/** What hello says of the session. */
export async function state(client: Client): Promise<unknown> {
  const reply = (await client.ask(HELLO)) as {
    readonly done?: { readonly sessions?: readonly unknown[] };
  };
  return reply.done?.sessions?.[0];
}
