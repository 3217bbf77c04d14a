/**
 * An enemy that has taken the supervisor over: requests of every verb with hostile fields, and octets that are none, from
 * a seed. It does not judge; the tests do.
 */
import { connect, type Socket } from 'node:net';
import { Deframer, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { MAX_MESSAGE, MAX_REPLY, PROTOCOL_VERSION } from '@ppp-thing/protocol/ipc/messages';

const PATIENCE_MS = 300_000;
const OWN = 'pppoe0';
const NAMES = [
  '../../etc/passwd',
  '../etc/passwd',
  '/dev/bpf',
  'igb0',
  'igb1',
  'em0',
  'eth1',
  'lo',
  'lo0',
  'pppoe0x',
  'PPPOE0',
  'pppoe0 ',
  'pppoe0\0',
  'pppoe0:',
  'ngeth0:',
  '[1]:',
  '__proto__',
  'constructor',
  'toString',
  '',
  '%s%n',
  '$(reboot)',
  'pppoe0\nhelper:',
  'pppoe0\nhelper: ok it is',
  'x'.repeat(15),
] as const;
/** Those that are no breach of the protocol by their length alone. */
const SHORT_NAMES = NAMES.filter((name) => name.length <= 15);
const NUMBERS = [
  -1,
  0,
  1,
  63,
  64,
  0x21,
  0x57,
  1492,
  1500,
  1501,
  0x7fff,
  0x8000,
  0x8021,
  9000,
  9001,
  0xc021,
  0xfffe,
  0xffff,
  0x1_0000,
  0xffff_ffff,
  0x1_0000_0000,
  2 ** 53,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
] as const;

/** mulberry32: the same seed gives the same enemy. */
export function numbersFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b_79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Fields = Record<string, unknown>;

export class Enemy {
  readonly #random: () => number;
  readonly #own: string;
  /** Drawn once: a payload is a piece of it. */
  readonly #noise: Uint8Array;
  #id = 0;

  constructor(seed: number, own = OWN) {
    this.#random = numbersFrom(seed);
    this.#own = own;
    this.#noise = Uint8Array.from({ length: 32 * 1024 }, () => this.below(256));
  }

  below(limit: number): number {
    return Math.floor(this.#random() * limit);
  }

  #one<T>(values: readonly T[]): T {
    return values[this.below(values.length)] as T;
  }

  #often(likely: number): boolean {
    return this.#random() < likely;
  }

  #octets(length: number): Uint8Array {
    const at = this.below(this.#noise.length - length);
    return this.#noise.subarray(at, at + length);
  }

  #session(): string {
    return this.#often(0.8) ? this.#own : this.#one(SHORT_NAMES);
  }

  #mac(): Uint8Array {
    return this.#one([
      Uint8Array.of(2, 0, 0, 0, 0, 0xac),
      new Uint8Array(6).fill(0xff),
      Uint8Array.of(1, 0, 0x5e, 0, 0, 1),
      new Uint8Array(6),
      this.#octets(6),
    ]);
  }

  #address(): Uint8Array {
    return this.#one([
      Uint8Array.of(10, 67, 15, 1),
      Uint8Array.of(192, 168, 7, 2),
      Uint8Array.of(192, 168, 7, 1),
      Uint8Array.of(127, 0, 0, 1),
      Uint8Array.of(224, 0, 0, 18),
      Uint8Array.of(255, 255, 255, 255),
      new Uint8Array(4),
      this.#octets(4),
    ]);
  }

  /** What a supervisor could say, in any order, with the worst that the shapes allow. */
  request(): Fields {
    const id = (this.#id = (this.#id + 1) >>> 0);
    const session = this.#session();
    const coin = this.#often(0.5);
    const size = this.#one([64, 576, 1492, 1500, 9000]);
    const ids = { ours: this.#octets(8), theirs: this.#octets(8) };
    const settings = {
      mtu: size,
      ourAddress: this.#address(),
      theirAddress: this.#address(),
      interfaceIds: this.#often(0.5) ? null : ids,
    };
    const bodies: readonly (() => Fields)[] = [
      () => ({
        verb: 'hello',
        version: this.#often(0.8) ? PROTOCOL_VERSION : this.below(0x1_0000),
      }),
      () => ({
        verb: 'discovery-send',
        session,
        destination: this.#mac(),
        payload: this.#octets(this.#one([6, 7, 60, 1499, 1500])),
      }),
      () => ({
        verb: 'attach',
        session,
        key: { sessionId: this.#one([1, 0x1234, 0xfffe]), acMac: this.#mac() },
        maxPayload: size,
        autoOpen: coin,
        settings: coin ? null : settings,
      }),
      () => ({ verb: 'gate', session, open: coin }),
      () => ({
        verb: 'ppp-send',
        session,
        protocol: this.#one([0x8000, 0x8021, 0x8057, 0xc021, 0xc223, 0xffff]),
        packet: this.#octets(this.#one([4, 8, 64, 1500])),
      }),
      () => ({
        verb: 'configure',
        session,
        up: coin,
        ...settings,
      }),
      () => ({ verb: 'deconfigure', session }),
      () => ({ verb: 'route', session, via: this.#one(['session', 'partner', 'none']) }),
      () => ({
        verb: 'announce',
        session,
        epoch: this.#one([0, 1, 0xffff_ffff, this.below(2 ** 31)]),
        proof: this.#octets(17),
      }),
      () => ({
        verb: 'delegate',
        session,
        prefixes: [
          {
            prefix: this.#octets(16),
            length: this.#one([32, 48, 56, 64, 128]),
            preferred: this.#one([0, 1, 3600, 0xffff_ffff]),
            valid: this.#one([0, 7200, 0xffff_ffff]),
            exclude: null,
          },
        ],
        addresses: [],
      }),
      () => ({ verb: 'detach', session }),
      () => ({ verb: 'demote', session, on: coin }),
      () => ({ verb: 'counters', session }),
    ];
    return { id, ...this.#one(bodies)() };
  }

  /** Octets that must end a connection and do nothing else. */
  broken(): Uint8Array {
    const request = this.request();
    return this.#one<() => Uint8Array>([
      () => encodeMessage(this.#spoilt(request)),
      () => encodeMessage(this.#spoilt(request)),
      () => encodeMessage(this.#spoilt(request)),
      () => encodeMessage({ ...request, [this.#one(['force', '__proto_', 'path', 'sudo'])]: 1 }),
      () => encodeMessage({ ...request, verb: this.#one([...NAMES, 'exec', 'open', 'ioctl']) }),
      () => encodeMessage([request, request]),
      () => encodeMessage(this.#nested(request)),
      // The map is said to be longer than it is.
      () => framed(Uint8Array.of(0xdf, 0xff, 0xff, 0xff, 0xff, 0xa1, 0x61)),
      () => framed(Uint8Array.of(0xdd, 0x7f, 0xff, 0xff, 0xff)),
      () => framed(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff)),
      () => framed(new Uint8Array(MAX_MESSAGE).fill(0x91)),
      () => framed(Uint8Array.of(0xc7, 4, this.below(256), 1, 2, 3, 4)),
      () => framed(Uint8Array.of(0xc1, ...this.#octets(this.below(64)))),
      () => framed(new Uint8Array(0)),
      () => lengthOf(MAX_MESSAGE + 1 + this.below(2 ** 31)),
      () => lengthOf(0xffff_ffff),
      // Two maps in one frame.
      () => framed(Uint8Array.of(0x80, 0x80)),
    ])();
  }

  /** One field is not what it should be. */
  #spoilt(request: Fields): Fields {
    const name = this.#one(Object.keys(request));
    const worse: Fields = { ...request };
    const value = this.#one<unknown>([
      undefined,
      null,
      [],
      {},
      this.#one(NAMES.filter((each) => each.length > 15)),
      this.#octets(9001),
      -1,
      2 ** 53,
      Number.NaN,
      0.5,
      this.#one(NUMBERS) + 0.25,
      { sessionId: 0, acMac: this.#octets(6) },
      { sessionId: 0xffff, acMac: this.#octets(6) },
      [this.request()],
    ]);
    if (value === undefined) delete worse[name];
    // What is right in one place is spoilt by something else.
    else if (NULLABLE.has(name) && value === null) worse[name] = 0;
    else worse[name] = Array.isArray(request[name]) && Array.isArray(value) ? 0 : value;
    return worse;
  }

  #nested(inner: unknown): unknown {
    let value = inner;
    for (let depth = 9 + this.below(500); depth > 0; depth--) value = { key: value };
    return value;
  }
}

/** Fields that null is a value of. */
const NULLABLE: ReadonlySet<string> = new Set(['interfaceIds', 'settings']);

const lengthOf = (length: number): Uint8Array => {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, length);
  return octets;
};

const framed = (body: Uint8Array): Uint8Array => Buffer.concat([lengthOf(body.length), body]);

/** A connection that counts what it is answered and checks nothing else. */
export class Line {
  readonly #socket: Socket;
  readonly #deframer = new Deframer(MAX_REPLY);
  #waiting: (() => void) | undefined;
  answers = 0;
  refused = 0;
  done = 0;
  closed = false;

  constructor(path: string) {
    this.#socket = connect(path);
    this.#socket.on('data', (chunk) => {
      for (const message of this.#deframer.push(chunk)) this.#count(message);
      this.#waiting?.();
    });
    this.#socket.on('error', () => {});
    this.#socket.on('close', () => {
      this.closed = true;
      this.#waiting?.();
    });
  }

  #count(message: unknown): void {
    if (typeof message !== 'object' || message === null || !('id' in message)) return;
    this.answers += 1;
    if ('failed' in message) this.refused += 1;
    else this.done += 1;
  }

  say(octets: Uint8Array): void {
    if (!this.closed) this.#socket.write(octets);
  }

  hello(): void {
    this.say(encodeMessage({ id: 0, verb: 'hello', version: PROTOCOL_VERSION }));
  }

  deaf(): void {
    this.#socket.pause();
  }

  end(): void {
    this.#socket.destroy();
  }

  /** Until so much has been answered, or the helper has hung up. */
  async until(answers: number): Promise<void> {
    const end = performance.now() + PATIENCE_MS;
    while (!this.closed && this.answers < answers) {
      if (performance.now() > end) throw new Error(`${this.answers} of ${answers} answers`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, PATIENCE_MS);
        this.#waiting = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}

export interface Tally {
  requests: number;
  done: number;
  refused: number;
  broken: number;
  connections: number;
}

/** Attack until `count` requests more have been answered or have ended their connection. */
export async function attack(path: string, enemy: Enemy, count: number): Promise<Tally> {
  const tally: Tally = { requests: 0, done: 0, refused: 0, broken: 0, connections: 0 };
  while (tally.requests < count) {
    if (enemy.below(100) === 0) await crowd(path, enemy, tally);
    const line = new Line(path);
    line.hello();
    const size = 1 + enemy.below(Math.min(60, count - tally.requests));
    const octets = Array.from({ length: size }, () => encodeMessage(enemy.request()));
    // In pieces, so that no message begins where a read does.
    const all = Buffer.concat(octets);
    const cut = enemy.below(all.length);
    line.say(all.subarray(0, cut));
    line.say(all.subarray(cut));
    await line.until(size + 1);
    if (line.answers < size + 1) throw new Error('hung up on a valid request');
    const breaks = enemy.below(3) > 0;
    if (breaks) {
      const { done } = line;
      line.say(enemy.broken());
      // A verb that is known is refused; at anything else the helper hangs up.
      await line.until(size + 2);
      if (line.done > done) throw new Error('did a broken request');
    }
    line.end();
    tally.requests += size + (breaks ? 1 : 0);
    tally.broken += breaks ? 1 : 0;
    tally.done += line.done - 1;
    tally.refused += line.refused;
    tally.connections += 1;
  }
  return tally;
}

/** Many at once: half a message, nothing at all, no hello, and some who never read. */
async function crowd(path: string, enemy: Enemy, tally: Tally): Promise<void> {
  const lines = Array.from({ length: 8 }, () => new Line(path));
  for (const [i, line] of lines.entries()) {
    const octets = encodeMessage(enemy.request());
    if (i % 4 === 0) line.say(octets.subarray(0, enemy.below(octets.length)));
    if (i % 4 === 1) line.say(encodeMessage({ id: 1, verb: 'gate', session: OWN, open: true }));
    if (i % 4 === 2) {
      line.deaf();
      line.hello();
      for (let each = 0; each < 50; each++) line.say(octets);
    }
  }
  // The newest is served, so all before it have been let go of.
  const last = new Line(path);
  last.hello();
  await last.until(1);
  for (const line of [...lines, last]) line.end();
  tally.connections += lines.length + 1;
}
