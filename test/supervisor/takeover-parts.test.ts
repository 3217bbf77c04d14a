import t from 'tap';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { Instant } from '@ppp-thing/protocol/time';
import { PartsOfTakeover } from '@ppp-thing/supervisor/takeover-parts';
import { SNAPSHOT } from '../fixtures/partner.ts';

const at = (ms: number): Instant => ms as Instant;
const echo = (code: 'Echo-Request' | 'Echo-Reply') =>
  ({
    protocol: 'LCP',
    packet: { code, identifier: 1, magic: 0, data: new Uint8Array(0) },
  }) as const;
const FORWARDED = {
  notice: 'forwarded',
  session: 'pppoe0',
  gate: 200,
  up: 300,
  route: 450,
  told: 500,
} as const;
const STORE: Action = { kind: 'store', snapshot: SNAPSHOT };
const ANNOUNCE: Action = { kind: 'announce', epoch: 2 };
const ASK: Action = { kind: 'send-ppp', packet: echo('Echo-Request') };
const ANSWER: Event = { kind: 'ppp', packet: echo('Echo-Reply') };

t.test('takeover parts › each step counts from the edge as the helper read it', async (t) => {
  const parts = new PartsOfTakeover();
  parts.performed(STORE, () => at(900));
  parts.forwarded(FORWARDED, at(1000.5));
  parts.performed(STORE, () => at(1003));
  parts.performed(ANNOUNCE, () => at(1004));
  parts.performed(ASK, () => at(1005));
  parts.heard(ANSWER, () => at(1012));
  t.strictSame(parts.of(at(1001)), {
    gate: 0.2,
    up: 0.3,
    route: 0.45,
    stored: 3,
    announced: 4,
    asked: 5,
    answered: 12,
  });
  parts.performed(ASK, () => at(6000));
  parts.heard(ANSWER, () => at(6010));
  t.match(parts.of(at(1001)), { asked: 5, answered: 12 }, 'only the first of a kind');
});

t.test('takeover parts › a takeover without an edge that forwarded has none', async (t) => {
  const parts = new PartsOfTakeover();
  t.equal(parts.of(at(1)), undefined);
  parts.forwarded(FORWARDED, at(1000));
  t.equal(parts.of(at(20_000)), undefined, 'that edge was of another one');
  parts.forwarded(FORWARDED, at(20_000));
  t.strictSame(parts.of(at(20_000)), { gate: 0.2, up: 0.3, route: 0.45 }, 'begun anew');
});
