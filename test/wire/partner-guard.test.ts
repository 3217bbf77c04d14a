import assert from 'node:assert/strict';
import t from 'tap';
import * as fc from 'fast-check';
import { NO_NONCE } from '@ppp-thing/protocol/wire/partner';
import {
  accept,
  echoOf,
  isExhausted,
  MAX_RETIRED,
  newGuard,
  renew,
  type GuardHeader,
  type GuardState,
  type Verdict,
} from '@ppp-thing/protocol/wire/partner-guard';
import { hex } from '../hex.ts';

const OURS = hex`a0a0a0a0a0a0a0a0`;
const THEIRS = hex`b0b0b0b0b0b0b0b0`;

/** A nonce that no other number gives. */
function nonceOf(number: number): Uint8Array {
  const nonce = hex`c000000000000000`;
  new DataView(nonce.buffer).setUint32(4, number);
  return nonce;
}

const from2 = (counter: number, nonce = THEIRS, echo = OURS): GuardHeader => ({
  sender: 2,
  receiver: 1,
  nonce,
  counter: BigInt(counter),
  echo,
});

/** The verdicts on `headers`, one after the other, and the state after them. */
function run(start: GuardState, ...headers: readonly GuardHeader[]): [Verdict[], GuardState] {
  let state = start;
  const verdicts = headers.map((header) => {
    const accepted = accept(state, header);
    state = accepted.state;
    return accepted.verdict;
  });
  return [verdicts, state];
}

const guard = newGuard(1, 2, OURS);
const verdicts = (...headers: readonly GuardHeader[]): Verdict[] => run(guard, ...headers)[0];

t.test('guard › what echoes our nonce, with a rising counter, is fresh', async (t) => {
  t.same(verdicts(from2(5), from2(6), from2(900)), ['fresh', 'fresh', 'fresh']);
});

t.test('guard › the same datagram again is replayed, an earlier one stale (S10)', async (t) => {
  t.same(verdicts(from2(5), from2(5), from2(4), from2(6), from2(5)), [
    'fresh',
    'replayed',
    'stale',
    'fresh',
    'stale',
  ]);
});

t.test('guard › what does not echo our nonce is a hello, and changes nothing', async (t) => {
  const [heard, state] = run(guard, from2(5, THEIRS, NO_NONCE), from2(6, THEIRS, THEIRS));
  t.same(heard, ['hello', 'hello']);
  t.equal(state, guard);
  t.same(verdicts(from2(9, THEIRS, NO_NONCE), from2(1)), ['hello', 'fresh']);
});

t.test('guard › a hello of a partner that was heard uses up its counter', async (t) => {
  const forgetful = from2(6, THEIRS, NO_NONCE);
  t.same(verdicts(from2(5), forgetful, forgetful, from2(7)), [
    'fresh',
    'hello',
    'replayed',
    'fresh',
  ]);
});

t.test('guard › our own datagrams are reflected', async (t) => {
  t.same(verdicts({ ...from2(1), sender: 1, receiver: 2, nonce: OURS }), ['reflected']);
  t.same(verdicts({ ...from2(1), sender: 1, receiver: 2 }), ['reflected'], 'of a life before');
  t.same(verdicts(from2(1, OURS)), ['reflected'], 'whoever put a name to them');
});

t.test('guard › other routers’ datagrams are not for us', async (t) => {
  for (const [sender, receiver] of [
    [3, 1],
    [2, 3],
    [3, 2],
    [2, 2],
    [1, 1],
  ] as const) {
    t.same(verdicts({ ...from2(1), sender, receiver }), ['not-for-us'], `${sender} to ${receiver}`);
  }
});

t.test('guard › a partner that restarts is fresh again, and its life before is over', async (t) => {
  const after = nonceOf(1);
  t.same(verdicts(from2(5), from2(1, after), from2(6), from2(7, THEIRS), from2(2, after)), [
    'fresh',
    'fresh',
    'replayed',
    'replayed',
    'fresh',
  ]);
});

t.test('guard › what was said before we started is not believed after it', async (t) => {
  const recorded = [from2(5), from2(6)];
  t.same(run(newGuard(1, 2, nonceOf(9)), ...recorded)[0], ['hello', 'hello']);
});

t.test('guard › an echo is the nonce that was heard, or none', async (t) => {
  t.same(echoOf(guard), NO_NONCE);
  t.same(echoOf(run(guard, from2(5, THEIRS, NO_NONCE))[1]), NO_NONCE, 'a hello proves nothing');
  t.same(echoOf(run(guard, from2(5))[1]), THEIRS);
  t.same(echoOf(renew(run(guard, from2(5))[1], nonceOf(1))), THEIRS, 'a new nonce of ours or not');
});

t.test(
  'guard › the lives it remembers are bounded, and beyond them it believes none',
  async (t) => {
    const lives = Array.from({ length: MAX_RETIRED + 1 }, (_, i) => from2(1, nonceOf(i)));
    const [heard, state] = run(guard, ...lives);
    t.same(new Set(heard), new Set(['fresh']));
    t.equal(state.retired.length, MAX_RETIRED);
    t.ok(isExhausted(state));
    t.equal(MAX_RETIRED, 64, 'as the document says');
    const another = from2(1, nonceOf(1000));
    t.same(run(state, another, from2(2, nonceOf(MAX_RETIRED)))[0], ['hello', 'fresh']);

    const renewed = renew(state, nonceOf(2000));
    t.notOk(isExhausted(renewed));
    t.same(
      run(renewed, ...lives)[0].slice(0, MAX_RETIRED),
      lives.slice(1).map(() => 'hello'),
    );
    t.same(run(renewed, { ...another, echo: nonceOf(2000) })[0], ['fresh']);
  },
);

t.test('guard › a nonce is eight octets that are not all zero', async (t) => {
  t.throws(() => newGuard(1, 2, NO_NONCE), RangeError);
  t.throws(() => newGuard(1, 2, hex`01`), RangeError);
  t.throws(() => renew(guard, NO_NONCE), RangeError);
  t.throws(() => newGuard(1, 1, OURS), RangeError, 'and a router is not its own partner');
});

/** A router of the model: what the document says a router does with datagrams, and nothing else. */
interface Router {
  state: GuardState;
  counter: bigint;
}

/** A datagram of the model. `sentAt` is its place in the order of everything that was sent. */
type Sent = GuardHeader & { readonly sentAt: number };

/**
 * Two routers and a network that keeps every datagram, and delivers any of them to anybody, any number of times, in any
 * order. It asserts what must hold after each delivery.
 */
class Model {
  readonly routers: readonly [Router, Router];
  readonly sent: Sent[] = [];
  readonly believed = new Set<Sent>();
  readonly #counters = new Map<string, bigint>();
  /** For each router, the lives of its partner that gave way to another since it chose its nonce. */
  readonly #over: readonly [Set<string>, Set<string>] = [new Set(), new Set()];
  readonly #nonceSince: [number, number] = [0, 0];
  #nonces = 0;

  constructor() {
    const router = (us: number, partner: number): Router => ({
      state: newGuard(us, partner, this.#nonce()),
      counter: 0n,
    });
    this.routers = [router(1, 2), router(2, 1)];
  }

  #nonce(): Uint8Array {
    this.#nonces += 1;
    return nonceOf(this.#nonces);
  }

  send(who: 0 | 1, echo = echoOf(this.routers[who].state)): Sent {
    const router = this.routers[who];
    router.counter += 1n;
    const { us, partner, nonce } = router.state;
    const datagram: Sent = {
      sender: us,
      receiver: partner,
      nonce,
      counter: router.counter,
      echo,
      sentAt: this.sent.length,
    };
    this.sent.push(datagram);
    return datagram;
  }

  restart(who: 0 | 1): void {
    const { us, partner } = this.routers[who].state;
    this.routers[who].state = newGuard(us, partner, this.#nonce());
    this.routers[who].counter = 0n;
    this.#nonceSince[who] = this.sent.length;
    this.#over[who].clear();
  }

  renew(who: 0 | 1): void {
    this.routers[who].state = renew(this.routers[who].state, this.#nonce());
    this.#nonceSince[who] = this.sent.length;
    this.#over[who].clear();
  }

  /** Deliver, and give back the answer if there is one. */
  deliver(datagram: Sent, who: 0 | 1): Sent | undefined {
    const router = this.routers[who];
    const heardBefore = echoOf(router.state);
    const { verdict, state } = accept(router.state, datagram);
    router.state = state;
    assert.ok(state.retired.length <= MAX_RETIRED, 'what it remembers is bounded');
    if (verdict === 'hello') return this.send(who, datagram.nonce);
    if (verdict !== 'fresh') return undefined;

    const { us, partner } = state;
    const life = Buffer.from(datagram.nonce).toString('hex');
    assert.ok(!this.believed.has(datagram), 'believed once at most');
    assert.deepEqual(
      [datagram.sender, datagram.receiver],
      [partner, us],
      'from the partner, to us',
    );
    assert.ok(datagram.sentAt >= this.#nonceSince[who], 'sent after we chose our nonce');
    assert.ok(datagram.counter > (this.#counters.get(life) ?? 0n), 'counters rise under a nonce');
    assert.ok(!this.#over[who].has(life), 'a life that gave way to another does not come back');
    this.believed.add(datagram);
    this.#counters.set(life, datagram.counter);
    const before = Buffer.from(heardBefore).toString('hex');
    if (before !== life) this.#over[who].add(before);
    return undefined;
  }

  /** One datagram each way, and the answers to them, over a network without faults. Whether both were believed. */
  exchange(): boolean {
    const outcomes = ([0, 1] as const).map((who) => {
      const datagram = this.send(who);
      let [next, to]: [Sent | undefined, 0 | 1] = [datagram, who === 0 ? 1 : 0];
      for (let hops = 0; next !== undefined; hops++) {
        assert.ok(hops < 6, 'answers to answers end');
        next = this.deliver(next, to);
        to = to === 0 ? 1 : 0;
      }
      return this.believed.has(datagram);
    });
    return outcomes.every(Boolean);
  }
}

const who = fc.constantFrom<(0 | 1)[]>(0, 1);
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('send' as const), who }) },
  {
    weight: 12,
    arbitrary: fc.record({ kind: fc.constant('deliver' as const), who, back: fc.nat(40) }),
  },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('exchange' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('restart' as const), who }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('renew' as const), who }) },
);

t.test('guard › drops, doubles, delays and replays: nothing false is believed', async (t) => {
  let believed = 0;
  fc.assert(
    fc.property(fc.array(step, { maxLength: 120, size: 'max' }), (steps) => {
      const model = new Model();
      for (const step of steps) {
        if (step.kind === 'send') model.send(step.who);
        if (step.kind === 'restart') model.restart(step.who);
        if (step.kind === 'renew') model.renew(step.who);
        if (step.kind === 'exchange') model.exchange();
        const chosen = step.kind === 'deliver' ? model.sent.at(-1 - step.back) : undefined;
        if (chosen !== undefined) model.deliver(chosen, step.who);
      }
      // Then the network behaves. At the latest after one silence, which brings new nonces, all is well.
      model.exchange();
      if (!model.exchange()) {
        model.renew(0);
        model.renew(1);
        model.exchange();
        assert.ok(model.exchange(), 'both are believed again');
      }
      believed += model.believed.size;
    }),
    { numRuns: 1000 },
  );
  t.ok(believed > 20_000, `${believed} datagrams were believed`);
});

t.test('guard › the worst that holding a datagram back can do ends with a silence', async (t) => {
  const model = new Model();
  model.deliver(model.send(1), 0); // A hello, whose answer is all that router 2 hears in this life.
  const answer = model.sent.at(-1);
  if (answer !== undefined) model.deliver(answer, 1);
  const held = model.send(1); // It would be believed, but it is held back …
  model.restart(1);
  model.exchange();
  t.ok(model.exchange());
  model.deliver(held, 0); // … until its life is over, and it is taken for a new one.
  t.notOk(model.exchange(), 'so the true one is taken for an old one');
  model.renew(0);
  model.exchange();
  t.ok(model.exchange(), 'until nothing fresh is heard, and a new nonce is chosen');
});

t.test('guard › two routers that start believe each other after one round trip', async (t) => {
  const model = new Model();
  model.exchange();
  t.ok(model.exchange());
  model.restart(0);
  model.exchange();
  t.ok(model.exchange(), 'and so does one that starts again');
});
