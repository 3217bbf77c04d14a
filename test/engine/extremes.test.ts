/**
 * An engine that hears only extremes: a partner that lies in every field, a clock that is set by decades, a disk and a kernel
 * that refuse now and then. Whatever it wants stored must be readable again, its partner and its helper must understand what it
 * says, and it must not throw. The campaigns judge what it decides.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import { decodeRequest, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { unpack } from '@ppp-thing/protocol/ipc/msgpack';
import type { Lease } from '@ppp-thing/protocol/lease';
import { isLaterEpoch, type SessionFacts, type Snapshot } from '@ppp-thing/protocol/session';
import { flawOf } from '@ppp-thing/protocol/snapshot-limits';
import { decodePartner, encodePartner } from '@ppp-thing/protocol/wire/partner';
import { perform, type Effects } from '@ppp-thing/supervisor/perform';
import { decodeSnapshotText, encodeSnapshotText } from '@ppp-thing/supervisor/snapshot-text';
import t from 'tap';
import { hmac, LEASE } from '../fixtures/partner.ts';
import { CONFIG, FACTS, PARTNER, Router, seeded, US } from './router.ts';

const SEEDS = 8;
const EVENTS = 40;
const KEY = new Uint8Array(32).fill(7);
const NONCE = new Uint8Array(8).fill(1);
const U32 = [0, 1, 2, 127, 576, 1492, 2 ** 31 - 1, 2 ** 31, 2 ** 31 + 1, 2 ** 32 - 2, 2 ** 32 - 1];
const SECONDS = [0, 1, FACTS.startedAt, 2 ** 31, 2 ** 32, 253_402_300_799];
/** The last one is the year 2255: no kernel has a later clock than FreeBSD's 9964. */
const CLOCKS = [0, 1, FACTS.startedAt, 2 ** 31, 2 ** 32, 9e9];
const ROLES = ['INIT', 'BACKUP', 'MASTER'] as const;

/** Draws from a seed. */
class Draw {
  readonly #random: (length: number) => Uint8Array;

  constructor(seed: number) {
    this.#random = seeded(seed);
  }

  octets = (length: number): Uint8Array => this.#random(length);
  below = (limit: number): number => {
    const [high = 0, low = 0] = this.#random(2);
    return (high * 256 + low) % limit;
  };
  one = <T>(values: readonly T[]): T => values[this.below(values.length)] as T;
  is = (percent = 50): boolean => this.below(100) < percent;

  lease(): Lease {
    const lifetimes = (): { preferred: number; valid: number } => {
      const preferred = this.one(U32);
      return { preferred, valid: Math.max(preferred, this.one(U32)) };
    };
    const prefix = (): Uint8Array =>
      Uint8Array.of(this.one([0x20, 0xfc, 0, 0xff]), ...this.octets(3), ...new Uint8Array(12));
    return {
      ...LEASE,
      grantedAt: this.one(SECONDS),
      session: this.one([FACTS.startedAt, 0, 2 ** 53 - 1]),
      t1: this.one(U32),
      t2: this.one(U32),
      prefixes: [{ prefix: prefix(), length: 32 + this.below(97), ...lifetimes() }],
      addresses: [{ address: this.octets(16), ...lifetimes() }],
      former: [{ prefix: prefix(), length: 32 + this.below(97), valid: this.one(U32) }],
    };
  }

  facts(): SessionFacts {
    const ids = { ours: this.octets(8), theirs: this.octets(8) };
    const { ourAddress: _ours, theirAddress: _theirs, ...common } = FACTS;
    return {
      ...common,
      key: { ...FACTS.key, sessionId: this.one([1, 0x1234, 0xfffe]) },
      acName: this.octets(this.one([0, 7, 1400])),
      theirMru: this.one([128, 1492, 9000]),
      maxPayload: this.one([128, 1492, 9000]),
      theirMagic: this.one(U32),
      startedAt: this.one(SECONDS),
      identifiers: { lcp: this.below(256), ipcp: this.below(256), ipv6cp: this.below(256) },
      ...(this.is(70)
        ? { ourAddress: this.octets(4), theirAddress: this.octets(4) }
        : { interfaceIds: ids }),
    };
  }

  /** @param near its epochs and generations come often */
  snapshot({ epoch, generation }: Snapshot): Snapshot {
    const around = [0, 1, -1, 2 ** 31, 2 ** 31 - 1].map((step) => (epoch + step) >>> 0);
    return {
      epoch: this.one([...U32, ...around, ...around]),
      generation: this.one([...U32, generation, (generation + 1) >>> 0]),
      holder: this.one([0, US, PARTNER]),
      facts: this.is(75) ? this.facts() : null,
      ...(this.is(70) && { lease: this.is(70) ? this.lease() : null }),
    };
  }

  event(ours: Snapshot): Event {
    const flags = { healthy: this.is(), armed: this.is(), open: this.is(), proven: this.is() };
    const sender = PARTNER;
    const carrier = this.is(80);
    const state = { carrier, gateOpen: this.is(), demoted: this.is(), role: this.one(ROLES) };
    return this.one<() => Event>([
      () => ({ kind: 'role', role: this.one(ROLES) }),
      () => ({ kind: 'carrier', up: carrier }),
      () => ({ kind: 'own-mac-heard', epoch: this.snapshot(ours).epoch }),
      () => ({ kind: 'admin', verb: this.one(['connect', 'disconnect', 'reconnect', 'handoff']) }),
      () => ({ kind: 'clock-set', wallClockAtZero: this.one(CLOCKS) * 1000 }),
      () =>
        this.is(80)
          ? { kind: 'helper-up', state: { ...state, attached: this.is() ? FACTS.key : null } }
          : { kind: 'helper-down' },
      ...Array.from({ length: 5 }, () => (): Event => {
        const says = { yielding: this.is(30), hearing: this.is(70), role: this.one(ROLES) };
        const snapshot = this.snapshot(ours);
        return { kind: 'partner', message: { sender, ...flags, ...says, snapshot } };
      }),
    ])();
  }
}

function play(seed: number): { stores: number; tells: number; requests: number } {
  const draw = new Draw(seed);
  const counts = { stores: 0, tells: 0, requests: 0 };
  const dhcp6 = { duid: LEASE.duid, iaid: LEASE.iaid, prefix: true, address: true };
  const owner = { ...CONFIG.owner, policy: draw.one(['follow-carp', 'pinned', 'manual'] as const) };
  const config: SessionConfig = { ...CONFIG, link: { ...CONFIG.link, ipv6: true }, dhcp6, owner };
  const first = { epoch: draw.one(U32), generation: 1, holder: US, facts: null };
  const router = new Router(draw.snapshot(first), config, seed);
  let { epoch } = router.engine.ownerStatus(router.now).snapshot;
  let isRefusing = false;
  const refusals: Event[] = [];
  const effects: Effects = {
    session: 'pppoe0',
    store(snapshot) {
      counts.stores += 1;
      if (isLaterEpoch(epoch, snapshot.epoch)) throw new Error('the epoch falls');
      epoch = snapshot.epoch;
      const text = encodeSnapshotText('pppoe0', snapshot);
      const found = encodeSnapshotText('pppoe0', decodeSnapshotText('pppoe0', text));
      if (found !== text) throw new Error('it is stored as something else');
      return undefined;
    },
    ask(verb, body, action) {
      counts.requests += 1;
      decodeRequest(unpack(encodeMessage({ id: 1, verb, ...body }).subarray(4)));
      if (isRefusing && draw.is(30))
        refusals.push({ kind: 'failed', action, code: 'EPERM', message: 'refused' });
    },
    tell(message) {
      counts.tells += 1;
      const names = { keyId: 7, sender: US, receiver: PARTNER, session: 'pppoe0' };
      const versions = { version: 1, versions: { min: 1, max: 1 } };
      const header = { ...versions, ...names, nonce: NONCE, counter: 1n, echo: NONCE };
      const octets = encodePartner(header, { message }, KEY, hmac);
      decodePartner(octets, () => KEY, hmac);
    },
    count: () => undefined,
    proof: () => new Uint8Array(17),
    dhcp6: () => undefined,
    delegated: () => undefined,
    note: () => undefined,
  };
  const feed = (event: Event): void => {
    for (const action of router.feed(event)) if (!refusedBy(action)) perform(action, effects);
  };
  const refusedBy = (action: Action): boolean => {
    if (action.kind !== 'store' || !isRefusing) return false;
    epoch = action.snapshot.epoch;
    refusals.push({ kind: 'failed', action: 'store', code: 'ENOSPC', message: 'no room' });
    return true;
  };
  for (let i = 0; i < EVENTS; i++) {
    if (draw.is(10)) isRefusing = !isRefusing;
    const event = draw.event(router.engine.ownerStatus(router.now).snapshot);
    // What the partner's decoder and the disk's refuse never comes this far.
    if (event.kind !== 'partner' || flawOf(event.message.snapshot) === undefined) feed(event);
    for (const refusal of refusals.splice(0)) feed(refusal);
    for (const action of router.pass(draw.one([1, 100, 3000])))
      if (!refusedBy(action)) perform(action, effects);
  }
  return counts;
}

t.test('extremes › what an engine stores and says can be read, whatever it hears', async (t) => {
  const sums = { stores: 0, tells: 0, requests: 0 };
  for (let seed = 1; seed <= SEEDS; seed++)
    await t.resolves(async () => {
      const { stores, tells, requests } = play(seed);
      sums.stores += stores;
      sums.tells += tells;
      sums.requests += requests;
    }, `seed ${seed}`);
  t.ok(Math.min(...Object.values(sums)) > 10, JSON.stringify(sums));
});
