import * as fc from 'fast-check';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import t from 'tap';
import {
  Deframer,
  FramingError,
  decodeHelperMessage,
  decodeReplyBody,
  decodeRequest,
  encodeMessage,
  encodeNotice,
  encodeReply,
  isReply,
} from '@ppp-thing/protocol/ipc/framing';
import { MAX_MESSAGE, type Notice, type Request } from '@ppp-thing/protocol/ipc/messages';
import { hex } from '../hex.ts';

const MAC = Uint8Array.of(2, 0, 0, 0, 0, 0xac);
const session = 'pppoe0';

const REQUESTS: readonly Request[] = [
  { id: 1, verb: 'hello', version: 1 },
  { id: 2, verb: 'discovery-send', session, destination: MAC, payload: new Uint8Array(6) },
  {
    id: 3,
    verb: 'attach',
    session,
    key: { sessionId: 0xfffe, acMac: MAC },
    maxPayload: 1492,
    autoOpen: true,
    settings: null,
  },
  { id: 4, verb: 'gate', session, open: true },
  { id: 5, verb: 'ppp-send', session, protocol: 0xc021, packet: Uint8Array.of(9, 1, 0, 8) },
  {
    id: 6,
    verb: 'configure',
    session,
    mtu: 1492,
    up: true,
    ourAddress: Uint8Array.of(192, 0, 2, 1),
    theirAddress: Uint8Array.of(192, 0, 2, 2),
    interfaceIds: { ours: new Uint8Array(8), theirs: new Uint8Array(8) },
  },
  { id: 7, verb: 'deconfigure', session },
  { id: 8, verb: 'route', session, via: 'partner' },
  { id: 9, verb: 'announce', session, epoch: 0xffff_ffff, proof: NO_PROOF },
  { id: 10, verb: 'detach', session },
  { id: 11, verb: 'demote', session, on: false },
  { id: 0xffff_ffff, verb: 'counters', session },
];

const NOTICES: readonly Notice[] = [
  { notice: 'discovery-frame', session, source: MAC, payload: new Uint8Array(1500) },
  { notice: 'ppp-frame', session, protocol: 0x8021, packet: new Uint8Array(0) },
  { notice: 'role', session, role: 'MASTER', gateOpen: true },
  { notice: 'forwarded', session, gate: 0, up: 1, route: 2, told: 0xffff_ffff },
  { notice: 'carrier', session, up: false },
  { notice: 'own-mac-heard', session, epoch: 7, proof: NO_PROOF },
  { notice: 'session-closed', session },
  { notice: 'dropped', session, frames: 3 },
];

const all = (deframer: Deframer, octets: Uint8Array): unknown[] => [...deframer.push(octets)];
const join = (parts: readonly Uint8Array[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => [...part]));

/** A message with this body, framed by hand. */
const framed = (body: Uint8Array): Uint8Array => {
  const octets = new Uint8Array(4 + body.length);
  new DataView(octets.buffer).setUint32(0, body.length);
  octets.set(body, 4);
  return octets;
};

t.test('framing › every request comes back as it was sent', async (t) => {
  const [...messages] = new Deframer().push(join(REQUESTS.map((each) => encodeMessage(each))));
  t.strictSame(messages.map(decodeRequest), REQUESTS);
});

t.test('framing › every notice comes back as it was sent, and is not a reply', async (t) => {
  const messages = all(new Deframer(), join(NOTICES.map(encodeNotice))).map(decodeHelperMessage);
  t.strictSame(messages, NOTICES);
  t.notOk(messages.some(isReply));
});

t.test('framing › replies come back, their bodies checked by verb', async (t) => {
  const counters = { octetsIn: 2 ** 40, octetsOut: 0, packetsIn: 1, packetsOut: 2 };
  const failed = { code: 'ENXIO', verb: 'attach', subject: session, reason: 'gone' };
  const sent = [
    { id: 1, done: null },
    { id: 2, done: counters },
    { id: 3, failed },
  ];
  const messages = all(new Deframer(), join(sent.map(encodeReply))).map(decodeHelperMessage);
  t.strictSame(messages, sent);
  t.ok(messages.every(isReply));
  t.strictSame(decodeReplyBody('counters', counters), counters);
  t.equal(decodeReplyBody('gate', null), null);
  t.throws(() => decodeReplyBody('gate', counters), FramingError);
  t.throws(() => decodeReplyBody('counters', null), FramingError);
  t.throws(() => decodeReplyBody('counters', { ...counters, octetsIn: -1 }), FramingError);
});

t.test('framing › messages may arrive in any pieces', async (t) => {
  const stream = join(REQUESTS.map((each) => encodeMessage(each)));
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: stream.length })), (cuts) => {
      const deframer = new Deframer();
      const bounds = [0, ...[...cuts].sort((a, b) => a - b), stream.length];
      const got = bounds.flatMap((end, i) =>
        all(deframer, stream.subarray(bounds[Math.max(0, i - 1)], end)),
      );
      return got.length === REQUESTS.length && deframer.pending === 0;
    }),
    { numRuns: 200 },
  );
  t.pass('200 ways to cut the stream');
});

t.test('framing › a chunk may be reused by its owner once it is pushed', async (t) => {
  const deframer = new Deframer();
  const octets = encodeMessage(REQUESTS[4] as Request);
  const chunk = octets.slice(0, 9);
  t.strictSame(all(deframer, chunk), []);
  chunk.fill(0);
  t.strictSame(all(deframer, octets.subarray(9)).map(decodeRequest), [REQUESTS[4]]);
});

t.test('framing › no truncation of a message is a message', async (t) => {
  for (const request of REQUESTS) {
    const whole = encodeMessage(request);
    for (let length = 0; length < whole.length; length++)
      t.strictSame(all(new Deframer(), whole.subarray(0, length)), [], `${length} octets`);
    const body = whole.subarray(4);
    for (let length = 0; length < body.length; length++) {
      const cut = framed(body.subarray(0, length));
      t.throws(() => all(new Deframer(), cut), FramingError, `body of ${length} octets`);
    }
  }
});

t.test('framing › a length beyond 64 KiB is refused before its octets come', async (t) => {
  const octets = new Uint8Array(4);
  new DataView(octets.buffer).setUint32(0, MAX_MESSAGE + 1);
  t.throws(() => all(new Deframer(), octets), FramingError);
  new DataView(octets.buffer).setUint32(0, MAX_MESSAGE);
  t.strictSame(all(new Deframer(), octets), [], 'the limit itself is awaited');
  t.throws(() => encodeMessage(new Uint8Array(MAX_MESSAGE)), RangeError, 'nor do we send one');
});

t.test('framing › what came before a broken message is given', async (t) => {
  const stream = join([encodeMessage(REQUESTS[0] as Request), framed(hex`c1`)]);
  const got: unknown[] = [];
  t.throws(() => {
    for (const message of new Deframer().push(stream)) got.push(message);
  }, FramingError);
  t.strictSame(got, [REQUESTS[0]]);
});

const HOSTILE: Readonly<Record<string, Uint8Array>> = {
  'nothing at all': hex``,
  'the octet that msgpack never uses': hex`c1`,
  'two values': hex`c0 c0`,
  'a list of 4,294,967,295 items': hex`dd ffffffff`,
  'a list of 30 million items, in a list': hex`92 dd 01c9c380 dd 01c9c380`,
  'a map of 2,147,483,648 pairs': hex`df 80000000`,
  'text of 4 GiB': hex`db ffffffff 61`,
  'octets of 4 GiB': hex`c6 ffffffff 00`,
  'a timestamp': hex`d6 ff 00000000`,
  'a record of msgpackr': hex`d4 72 40 91 a1 61 01`,
  'a Set': hex`d4 73 00 90`,
  'a RegExp': hex`d4 78 00 92 a1 61 a0`,
  'an Error': hex`d4 65 00 93 a1 61 a1 62 c0`,
  'a structured clone': hex`d6 69 00000001 90`,
  'a typed array': hex`c7 05 74 01 00000000`,
  'undefined as an extension': hex`d4 00 00`,
  'a large integer': hex`c7 02 42 0001`,
  'lists 65,000 deep': new Uint8Array(65_000).fill(0x91),
  'maps 30,000 deep': Uint8Array.from({ length: 60_000 }, (_, i) => (i % 2 === 0 ? 0x81 : 0xc0)),
};

for (const [name, body] of Object.entries(HOSTILE)) {
  t.test(`framing › hostile msgpack is refused: ${name}`, async (t) => {
    const before = process.memoryUsage.rss();
    t.throws(() => all(new Deframer(), framed(body)), FramingError);
    t.ok(process.memoryUsage.rss() - before < 32 * 1024 * 1024, 'and nothing was allocated for it');
  });
}

const WRONG: readonly unknown[] = [
  null,
  [],
  'hello',
  { verb: 'hello', version: 1 },
  { id: 1, verb: 'exec', path: '/bin/sh' },
  { id: 1, verb: 'constructor' },
  { id: 1, verb: '__proto__' },
  { id: -1, verb: 'hello', version: 1 },
  { id: 2 ** 32, verb: 'hello', version: 1 },
  { id: 1.5, verb: 'hello', version: 1 },
  { id: 1, verb: 'hello', version: 1, extra: true },
  { id: 1, verb: 'gate', session, open: 1 },
  { id: 1, verb: 'gate', session: 'a name of more than 15', open: true },
  { id: 1, verb: 'ppp-send', session, protocol: 0x0021, packet: new Uint8Array(20) },
  { id: 1, verb: 'ppp-send', session, protocol: 0x0057, packet: new Uint8Array(40) },
  { id: 1, verb: 'ppp-send', session, protocol: 0x7fff, packet: new Uint8Array(4) },
  { id: 1, verb: 'discovery-send', session, destination: MAC, payload: new Uint8Array(1501) },
  {
    id: 1,
    verb: 'attach',
    session,
    key: { sessionId: 0, acMac: MAC },
    maxPayload: 1492,
    autoOpen: false,
    settings: null,
  },
  {
    id: 1,
    verb: 'attach',
    session,
    key: { sessionId: 0xffff, acMac: MAC },
    maxPayload: 1492,
    autoOpen: false,
    settings: null,
  },
  { id: 1, verb: 'route', session, via: '192.0.2.1' },
];

t.test('framing › what is not exactly a request is refused', async (t) => {
  for (const value of WRONG) {
    const name = JSON.stringify(value);
    const [message] = all(new Deframer(), encodeMessage(value));
    t.throws(() => decodeRequest(message), FramingError, name);
  }
});

t.test('framing › a message that comes octet by octet costs only its length', async (t) => {
  // What copies all it holds at each octet would copy half a tebioctet here, and not come back.
  const limit = 1024 * 1024;
  const deframer = new Deframer(limit);
  const values: unknown[] = [];
  for (const octet of encodeMessage(new Uint8Array(limit - 8), limit))
    for (const value of deframer.push(Uint8Array.of(octet))) values.push(value);
  t.equal(values.length, 1);
  t.equal(deframer.pending, 0);
});

t.test('framing › random octets and random edits yield messages or FramingError', async (t) => {
  const request = fc.constantFrom(...REQUESTS);
  const edit = fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 }));
  let refused = 0;
  const total = (body: Uint8Array): boolean => {
    try {
      all(new Deframer(), framed(body)).map(decodeRequest);
    } catch (error) {
      if (!(error instanceof FramingError)) throw error;
      refused++;
    }
    return true;
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), total), { numRuns: 3000 });
  fc.assert(
    fc.property(request, fc.array(edit, { minLength: 1, maxLength: 4 }), (message, edits) => {
      const body = encodeMessage(message).slice(4);
      for (const [at, octet] of edits) body[at % body.length] = octet;
      return total(body);
    }),
    { numRuns: 3000 },
  );
  t.ok(refused > 3000, `${refused} of 6000 refused`);
});

t.test('framing › a message is nested eight deep at most', async (t) => {
  // So many lists of one item each, around a nil.
  const nested = (depth: number): Uint8Array =>
    framed(Uint8Array.of(...Array<number>(depth).fill(0x91), 0xc0));
  t.doesNotThrow(() => all(new Deframer(), nested(8)));
  t.throws(() => all(new Deframer(), nested(9)), FramingError);
});
