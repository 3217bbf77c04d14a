/** What two routers with many sessions say to each other while nothing changes, and how a change that is lost is found. */
import { after, millis, type Instant } from '@ppp-thing/protocol/time';
import { NO_SNAPSHOT, type PartnerMessage, type Snapshot } from '@ppp-thing/protocol/session';
import { decodePartner } from '@ppp-thing/protocol/wire/partner';
import { FACTS } from '../fixtures/partner.ts';
import { configText, keys, supervisorConfig } from '@ppp-thing/lab/system/setting';
import { hmacSha256 } from '@ppp-thing/supervisor/hashes';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner, SUMMARIES_FROM } from '@ppp-thing/supervisor/partner';
import t from 'tap';

const TIMEOUT = millis(3000);
const KEYS = keys([1], 1);
const NAMES = Array.from({ length: SUMMARIES_FROM }, (_, i) => `wan${i}`);
const nothing = (): void => undefined;

const message = (sender: number, snapshot: Snapshot): PartnerMessage => ({
  sender,
  role: sender === 1 ? 'MASTER' : 'BACKUP',
  healthy: true,
  armed: false,
  open: sender === 1,
  proven: false,
  yielding: false,
  hearing: true,
  snapshot,
});

interface Router {
  partner: Partner;
  /** The last that was heard of each session, and when. */
  readonly heard: Map<string, { readonly message: PartnerMessage; readonly at: number }>;
  readonly told: Map<string, PartnerMessage>;
}

/** Two routers that tell each other of every session each second, over a network that can lose. */
class Pair {
  now = 1000;
  octets = 0;
  loses: (octets: Uint8Array, from: number) => boolean = () => false;
  readonly sent: { readonly from: number; readonly octets: Uint8Array }[] = [];
  readonly #timers: { readonly at: number; readonly wake: () => void }[] = [];
  readonly #receivers: ((octets: Uint8Array) => void)[] = [];
  readonly #names: readonly string[][];
  readonly routers: Router[] = [];
  #octet = 0;

  constructor(...names: readonly string[][]) {
    this.#names = names;
  }

  async open(index: 0 | 1): Promise<void> {
    const config = supervisorConfig(
      configText(index, { sessions: 1, ipv6: false, echoSeconds: 5 }),
    );
    const [settings] = config.sessions;
    if (config.partner === undefined || settings === undefined) throw new Error('no partner');
    const heard: Router['heard'] = new Map();
    const partner = await Partner.open({
      ...config.partner,
      keys: KEYS,
      sessions: (this.#names[index] ?? []).map((name) => ({ name, timeout: TIMEOUT, settings })),
      log: new Log('error', nothing, () => 0),
      random: (length) => {
        this.#octet += 1;
        return Uint8Array.from({ length }, (_, i) => (i === 0 ? this.#octet >> 8 : this.#octet));
      },
      now: () => this.now as Instant,
      wakeAt: (at, wake) => {
        this.#timers.push({ at, wake });
        return nothing;
      },
      heard: (name, said) => heard.set(name, { message: said, at: this.now }),
      openUdp: async (options) => {
        this.#receivers[index] = (octets) => options.receive(octets, 0);
        return {
          send: (octets) => {
            this.octets += octets.length;
            this.sent.push({ from: index, octets });
            if (!this.loses(octets, index)) this.#receivers[1 - index]?.(octets);
          },
          trouble: () => undefined,
          close: nothing,
        };
      },
    });
    const told = new Map(
      (this.#names[index] ?? []).map((name) => [name, message(index + 1, NO_SNAPSHOT)]),
    );
    this.routers[index] = { partner, heard, told };
  }

  /** Something that was recorded reaches a router. */
  replay(to: number, octets: Uint8Array): void {
    this.#receivers[to]?.(octets);
  }

  second(): void {
    for (const { partner, told } of this.routers)
      for (const [name, said] of told) partner.tell(name, said);
    this.now += 500;
    for (const { wake } of this.#timers.splice(0)) wake();
    for (const { wake } of this.#timers.splice(0)) wake();
    this.now += 500;
  }

  seconds(count: number): void {
    for (let i = 0; i < count; i++) this.second();
  }
}

async function pair(...names: readonly string[][]): Promise<Pair> {
  const made = new Pair(...names);
  await made.open(0);
  await made.open(1);
  made.seconds(5);
  return made;
}

const isFresh = ({ routers, now }: Pair, index: number, name: string): boolean => {
  const heard = routers[index]?.heard.get(name);
  return heard !== undefined && now < after(heard.at as Instant, TIMEOUT);
};

t.test(
  'partner › a session in use is told in few octets too, and whole before its Identifier is old news',
  async (t) => {
    const pair = new Pair(NAMES, NAMES);
    for (const index of [0, 1] as const) await pair.open(index);
    let lcp = 250;
    const facts = { ...FACTS };
    // As the engine tells it: a new object each time, with the Identifier used last.
    const tell = (): void => {
      lcp = (lcp + 1) & 0xff;
      const used = { ...facts, identifiers: { ...facts.identifiers, lcp } };
      const snapshot = { ...NO_SNAPSHOT, epoch: 3, holder: 1, facts: used };
      for (const name of NAMES) pair.routers[0]?.told.set(name, message(1, snapshot));
      pair.second();
    };
    for (let i = 0; i < 10; i++) tell();
    const from = pair.octets;
    for (let i = 0; i < 60; i++) tell();
    const each = (pair.octets - from) / 60 / NAMES.length;
    t.ok(each < 100, `${Math.round(each)} octets a second for each session`);
    for (const name of NAMES) {
      const heard = pair.routers[1]?.heard.get(name)?.message.snapshot.facts?.identifiers.lcp ?? 0;
      t.ok(((lcp - heard) & 0xff) < 40, `${name}: ${heard} was heard last, ${lcp} is in use`);
    }
  },
);

t.test('partner › many sessions that do not change are told in few octets', async (t) => {
  const made = await pair(NAMES, NAMES);
  made.octets = 0;
  made.seconds(10);
  const each = made.octets / 10 / NAMES.length;
  t.ok(each < 100, `${each} octets a second for each session, both ways`);
  for (const name of NAMES) t.ok(isFresh(made, 0, name) && isFresh(made, 1, name), name);
  t.ok(made.sent.every(({ octets }) => octets.length < 1472));
});

t.test('partner › with few sessions each is told whole, as ever', async (t) => {
  const few = NAMES.slice(1);
  const made = await pair(few, few);
  t.ok(made.sent.every(({ octets }) => kind(octets) === 'authentic'));
});

const kind = (octets: Uint8Array): string =>
  decodePartner(octets, () => KEYS.byId.get(1), hmacSha256).kind;

t.test('partner › a change is told at once, and again if it was lost', async (t) => {
  const made = await pair(NAMES, NAMES);
  const [first, second] = made.routers;
  if (first === undefined || second === undefined) throw new Error('no routers');
  const changed = { ...NO_SNAPSHOT, epoch: 9, holder: 1 };
  first.told.set('wan3', message(1, changed));
  made.loses = (octets, from) => from === 0 && kind(octets) === 'authentic';
  first.partner.tell('wan3', message(1, changed));
  t.equal(second.heard.get('wan3')?.message.snapshot.epoch, 0, 'lost');
  made.loses = () => false;
  made.second();
  t.equal(second.heard.get('wan3')?.message.snapshot.epoch, 9, 'asked for');
  // While it is lost time and again, what the partner knows of it grows old: nothing vouches for the old message.
  first.told.set('wan3', message(1, { ...changed, epoch: 10 }));
  made.loses = (octets, from) => from === 0 && kind(octets) === 'authentic';
  made.seconds(4);
  t.notOk(isFresh(made, 1, 'wan3'));
  t.ok(isFresh(made, 1, 'wan4'));
});

t.test('partner › one that starts again is told everything', async (t) => {
  const made = await pair(NAMES, NAMES);
  const snapshot = { ...NO_SNAPSHOT, epoch: 5, holder: 1 };
  for (const name of NAMES) made.routers[0]?.told.set(name, message(1, snapshot));
  made.seconds(3);
  await made.open(1);
  made.seconds(3);
  for (const name of NAMES)
    t.equal(made.routers[1]?.heard.get(name)?.message.snapshot.epoch, 5, name);
  made.octets = 0;
  made.seconds(5);
  t.ok(made.octets / 5 / NAMES.length < 100, `${made.octets / 5} octets a second`);
});

t.test(
  'partner › silence makes every session old, and a recorded summary none young',
  async (t) => {
    const made = await pair(NAMES, NAMES);
    const recorded = made.sent.filter(
      ({ from, octets }) => from === 0 && kind(octets) === 'summary',
    );
    t.ok(recorded.length > 0);
    made.loses = () => true;
    made.seconds(5);
    for (const { octets } of recorded) made.replay(1, octets);
    for (const name of NAMES) t.notOk(isFresh(made, 1, name), name);
    made.loses = () => false;
    made.seconds(3);
    for (const name of NAMES) t.ok(isFresh(made, 1, name) && isFresh(made, 0, name), name);
  },
);

t.test('partner › a recorded summary vouches for nobody', async (t) => {
  const made = await pair(NAMES, NAMES);
  const recorded = made.sent
    .filter(({ from, octets }) => from === 0 && kind(octets) === 'summary')
    .at(-1);
  if (recorded === undefined) throw new Error('no summary');
  made.loses = () => true;
  for (let i = 0; i < 5; i++) {
    made.second();
    made.replay(1, recorded.octets);
  }
  t.notOk(isFresh(made, 1, 'wan3'));
  t.ok((made.routers[1]?.partner.refused()['replayed'] ?? 0) >= 5);
});

t.test('partner › a session that only one router has disturbs no other', async (t) => {
  const made = await pair([...NAMES, 'extra'], NAMES);
  made.seconds(3);
  t.notOk(made.routers[1]?.heard.has('extra'));
  for (const name of NAMES) t.ok(isFresh(made, 1, name) && isFresh(made, 0, name), name);
});

t.test('partner › a router with fewer sessions is told whole, and tells whole', async (t) => {
  const made = await pair(NAMES, NAMES.slice(1));
  t.ok(made.sent.every(({ octets }) => kind(octets) === 'authentic'));
  for (const name of NAMES.slice(1)) t.ok(isFresh(made, 0, name) && isFresh(made, 1, name), name);
});
