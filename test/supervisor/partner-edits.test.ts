/** What someone between the two routers can do to their datagrams: real traffic, edited, played back and turned round. */
import { createSocket, type Socket } from 'node:dgram';
import { once } from 'node:events';
import * as fc from 'fast-check';
import t, { type Test } from 'tap';
import type { PartnerMessage } from '@ppp-thing/protocol/session';
import type { Instant } from '@ppp-thing/protocol/time';
import { random } from '@ppp-thing/supervisor/clock';
import { parseKeys } from '@ppp-thing/supervisor/keys';
import { Log } from '@ppp-thing/supervisor/log';
import { Partner } from '@ppp-thing/supervisor/partner';
import { SNAPSHOT, holderSays } from '../fixtures/partner.ts';
import { sessionSettings } from '../fixtures/settings.ts';

const KEY = '7 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f';
const A = { id: 1, address: '127.0.0.1' } as const;
const B = { id: 2, address: '127.0.0.2' } as const;

/** A socket on a port of its own; its datagrams wait until somebody takes them. */
class Tap {
  readonly #socket: Socket;
  readonly #waiting: Buffer[] = [];
  #take: ((octets: Buffer) => void) | undefined;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('message', (octets) => {
      if (this.#take === undefined) this.#waiting.push(octets);
      else this.#take(octets);
      this.#take = undefined;
    });
  }

  static async open(t: Test, address: string): Promise<Tap> {
    const socket = createSocket('udp4');
    socket.bind(0, address);
    await once(socket, 'listening');
    t.teardown(() => socket.close());
    return new Tap(socket);
  }

  get port(): number {
    return this.#socket.address().port;
  }

  async next(): Promise<Buffer> {
    return this.#waiting.shift() ?? new Promise((resolve) => (this.#take = resolve));
  }

  send(octets: Uint8Array, port: number, address: string): void {
    this.#socket.send(octets, port, address);
  }
}

async function freePort(t: Test, address: string): Promise<number> {
  const socket = createSocket('udp4');
  socket.bind(0, address);
  await once(socket, 'listening');
  const { port } = socket.address();
  await new Promise<void>((resolve) => socket.close(() => resolve()));
  t.ok(port > 0);
  return port;
}

interface End {
  readonly partner: Partner;
  readonly heard: PartnerMessage[];
}

async function end(
  t: Test,
  us: typeof A | typeof B,
  them: typeof A | typeof B,
  port: number,
  partnerPort: number,
): Promise<End> {
  const heard: PartnerMessage[] = [];
  const partner = await Partner.open({
    localAddress: us.address,
    address: them.address,
    port,
    partnerPort,
    routerId: us.id,
    partnerId: them.id,
    keys: parseKeys(KEY, 'test.key', undefined),
    sessions: [{ name: 'pppoe0', timeout: 5000, settings: sessionSettings('pppoe0') }],
    log: new Log(
      'error',
      () => undefined,
      () => 0,
    ),
    random,
    now: () => 0 as Instant,
    heard: (_session, message) => heard.push(message),
  });
  t.teardown(() => partner.close());
  return { partner, heard };
}

const message = (sender: number, generation: number): PartnerMessage =>
  holderSays(sender, { ...SNAPSHOT, generation });

/** What the one in the middle does with what has passed so far. */
type Edit =
  | { readonly kind: 'flip'; readonly which: number; readonly at: number; readonly bits: number }
  | { readonly kind: 'cut'; readonly which: number; readonly to: number }
  | { readonly kind: 'add'; readonly which: number; readonly octets: Uint8Array }
  | { readonly kind: 'splice'; readonly which: number; readonly other: number; readonly at: number }
  | { readonly kind: 'replay' | 'reflect'; readonly which: number };

const which = fc.nat(0xffff);
const edit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    kind: fc.constant('flip' as const),
    which,
    at: fc.nat(0xffff),
    bits: fc.integer({ min: 1, max: 255 }),
  }),
  fc.record({ kind: fc.constant('cut' as const), which, to: fc.nat(0xffff) }),
  fc.record({
    kind: fc.constant('add' as const),
    which,
    octets: fc.uint8Array({ minLength: 1, maxLength: 40 }),
  }),
  fc.record({
    kind: fc.constant('splice' as const),
    which,
    other: which,
    at: fc.nat(0xffff),
  }),
  fc.record({ kind: fc.constantFrom('replay' as const, 'reflect' as const), which }),
);

/** The datagram that `edit` makes of what B said and of what A said; undefined if that is a datagram unchanged. */
function edited(
  edit: Edit,
  ofB: readonly Uint8Array[],
  ofA: readonly Uint8Array[],
): Uint8Array | undefined {
  const from = edit.kind === 'reflect' ? ofA : ofB;
  const octets = Uint8Array.from(from[edit.which % from.length] ?? []);
  switch (edit.kind) {
    case 'flip': {
      const at = edit.at % octets.length;
      octets[at] = (octets[at] ?? 0) ^ edit.bits;
      return octets;
    }
    case 'cut':
      return octets.slice(0, edit.to % octets.length);
    case 'add':
      return Uint8Array.of(...octets, ...edit.octets);
    case 'splice': {
      const other = ofB[edit.other % ofB.length] ?? octets;
      const at = edit.at % octets.length;
      const made = Uint8Array.of(...octets.subarray(0, at), ...other.subarray(at));
      return made.every((octet, i) => octet === octets[i]) ? undefined : made;
    }
    default:
      return octets;
  }
}

t.test(
  'partner › forged, cut, spliced, replayed and reflected datagrams are counted and change nothing',
  async (t) => {
    const [toA, toB] = [await Tap.open(t, B.address), await Tap.open(t, A.address)];
    const [portA, portB] = [await freePort(t, A.address), await freePort(t, B.address)];
    const a = await end(t, A, B, portA, toA.port);
    const b = await end(t, B, A, portB, toB.port);
    const said = { a: [] as Uint8Array[], b: [] as Uint8Array[] };
    const refused = (): number => {
      const ours = Object.values(a.partner.counters('pppoe0').datagramsRefused);
      const others = Object.values(a.partner.refused());
      return [...ours, ...others].reduce((sum, count) => sum + count, 0);
    };
    /** What `from` says next goes through, untouched. */
    const pass = async (from: 'a' | 'b'): Promise<void> => {
      const octets = await (from === 'a' ? toA : toB).next();
      said[from].push(octets);
      if (from === 'a') toB.send(octets, portB, B.address);
      else toA.send(octets, portA, A.address);
    };
    const until = async (isSo: () => boolean): Promise<void> => {
      while (!isSo()) await new Promise<void>((resolve) => setImmediate(resolve));
    };

    // They get to know each other: a hello each way, and its answer.
    b.partner.tell('pppoe0', message(2, 0));
    a.partner.tell('pppoe0', message(1, 0));
    await pass('b');
    await pass('a');
    await until(() => refused() === 1);
    let generation = 0;
    while (a.heard.length === 0) {
      await pass('a');
      await pass('b');
      await until(() => refused() + a.heard.length > 1);
    }

    await fc.assert(
      fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 12 }), async (edits) => {
        const before = { heard: a.heard.length, refused: refused() };
        let sent = 0;
        for (const one of edits) {
          const octets = edited(one, said.b, said.a);
          if (octets === undefined) continue;
          toA.send(octets, portA, A.address);
          sent++;
        }
        await until(() => refused() + a.heard.length >= before.refused + before.heard + sent);
        if (a.heard.length !== before.heard) throw new Error('something false was believed');
        // And the true word after all that is heard as ever.
        generation += 1;
        b.partner.tell('pppoe0', message(2, generation));
        await pass('b');
        await until(() => a.heard.length > before.heard);
        const last = a.heard.at(-1)?.snapshot.generation;
        if (last !== generation) throw new Error(`heard ${last}, not ${generation}`);
      }),
      { numRuns: 300 },
    );
    t.equal(a.heard.length, 301, 'one for each thing that was said');
  },
);
