/** Any history of one router's engine: events in any order, and the time between them. It judges none. */
import * as fc from 'fast-check';
import type { Event } from '@ppp-thing/protocol/engine/events';
import { FACTS, PARTNER, US } from './router.ts';

export type History = readonly { readonly event: Event; readonly pause: number }[];

const anyEvent: fc.Arbitrary<Event> = fc.oneof(
  fc.constantFrom<Event>(
    { kind: 'role', role: 'MASTER' },
    { kind: 'role', role: 'BACKUP' },
    { kind: 'role', role: 'INIT' },
    { kind: 'helper-down' },
    { kind: 'carrier', up: true },
    { kind: 'carrier', up: false },
    { kind: 'session-closed' },
    { kind: 'failed', action: 'attach', code: 'EBUSY', message: 'busy' },
    { kind: 'failed', action: 'store', code: 'ENOSPC', message: 'full' },
    { kind: 'admin', verb: 'handoff' },
    { kind: 'admin', verb: 'connect' },
    { kind: 'admin', verb: 'disconnect' },
    { kind: 'admin', verb: 'reconnect' },
  ),
  fc
    .record({
      role: fc.constantFrom('MASTER' as const, 'BACKUP' as const, 'INIT' as const),
      gateOpen: fc.boolean(),
      attached: fc.constantFrom(null, FACTS.key),
    })
    .map((found): Event => ({
      kind: 'helper-up',
      state: { carrier: true, demoted: false, ...found },
    })),
  fc.nat(60).map((epoch): Event => ({ kind: 'own-mac-heard', epoch })),
  fc
    .record({
      role: fc.constantFrom('MASTER' as const, 'BACKUP' as const),
      healthy: fc.boolean(),
      armed: fc.boolean(),
      open: fc.boolean(),
      proven: fc.boolean(),
      yielding: fc.boolean(),
      hearing: fc.boolean(),
      epoch: fc.nat(60),
      generation: fc.nat(3),
      holder: fc.constantFrom(US, PARTNER),
      facts: fc.constantFrom(null, FACTS),
    })
    .map(({ epoch, generation, holder, facts, ...said }): Event => {
      const snapshot = { epoch, generation, holder, facts };
      return { kind: 'partner', message: { sender: PARTNER, ...said, snapshot } };
    }),
);

export const anyHistory: fc.Arbitrary<History> = fc.array(
  fc.record({ event: anyEvent, pause: fc.nat(8000) }),
  { maxLength: 40 },
);
