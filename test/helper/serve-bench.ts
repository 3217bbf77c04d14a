/** A helper on a router of its own, and what its tests ask of it. */
import type { Test } from 'tap';
import type { SessionPolicy } from '@ppp-thing/helper/policy';
import { serve, type Serving } from '@ppp-thing/helper/serve';
import { FreebsdBackend } from '@ppp-thing/helper/freebsd/backend';
import type { Wish } from './client.ts';
import { Machine } from './machine.ts';

export const AC_MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
export const session = 'pppoe0';
export const key = { sessionId: 0x1234, acMac: AC_MAC };
export const ATTACH = {
  verb: 'attach',
  session,
  key,
  maxPayload: 1492,
  autoOpen: true,
  settings: null,
} as const satisfies Wish;

export const ECHO = {
  verb: 'ppp-send',
  session,
  protocol: 0xc021,
  packet: Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0),
} as const satisfies Wish;

export const SESSION_ETHERTYPE = 0x8864;
export const uid = process.getuid?.() ?? 0;

export interface Helper {
  readonly router: Machine;
  readonly serving: Serving;
  readonly lines: string[];
  readonly path: string;
}

export function startHelper(router: Machine, policy = router.policy): Helper {
  const lines: string[] = [];
  const { libc } = router;
  const serving = serve({
    libc,
    policy,
    uid,
    makeBackend: (context) => new FreebsdBackend(context),
    log: (line) => lines.push(line),
  });
  return { router, serving, lines, path: policy.socketPath };
}

/** A helper on a router of its own; both end with the test. */
export async function helper(t: Test, policy: Partial<SessionPolicy> = {}): Promise<Helper> {
  const router = await Machine.boot(policy);
  const started = startHelper(router);
  t.teardown(async () => {
    started.serving.stop();
    await started.serving.stopped;
    await router.close();
  });
  return started;
}

export const sessionFrames = (router: Machine): Uint8Array[] =>
  router.heard.filter((frame) => ((frame[12] ?? 0) << 8) + (frame[13] ?? 0) === SESSION_ETHERTYPE);

export const ADDRESSES = {
  ourAddress: Uint8Array.of(198, 51, 100, 7),
  theirAddress: Uint8Array.of(198, 51, 100, 1),
};

export const IDS = { ours: new Uint8Array(8).fill(7), theirs: new Uint8Array(8).fill(1) };
export const CONFIGURE = {
  verb: 'configure',
  session,
  mtu: 1492,
  up: true,
  interfaceIds: null,
} as const;
