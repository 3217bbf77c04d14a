/** The router's simulated kernel: what passes its gate, in which direction, and what survives its helper. */
import t from 'tap';
import type { Call } from '@ppp-thing/helper/sim/line';
import { decodeEcho, encodeEcho } from '@ppp-thing/lab/line/icmp';
import { RouterKernel, type KernelOutput } from '@ppp-thing/lab/line/router';
import { BROADCAST, decodeEthernet, encodeEthernet } from '@ppp-thing/protocol/wire/ethernet';
import { decodeSession, encodeSession } from '@ppp-thing/protocol/wire/pppoe';
import { AC_ADDRESS, AC_MAC, ipv4, mac, PUBLIC, SESSION_MAC } from './addresses.ts';

const session = 'pppoe0';
const SESSION_ID = 0x1234;
const KEY = { sessionId: SESSION_ID, acMac: AC_MAC };
const ATTACH: Call = { call: 'attach', session, key: KEY, maxPayload: 1492 };
const OPEN: Call = { call: 'gate', session, open: true };
const UP: Call = {
  call: 'configure',
  session,
  mtu: 1492,
  up: true,
  ourAddress: PUBLIC,
  theirAddress: AC_ADDRESS,
  interfaceIds: null,
};
const LCP = 0xc021;
const ECHO_REQUEST = Uint8Array.of(9, 1, 0, 8, 0, 0, 0, 0);

/** A kernel with the session's port, after `calls`. */
function kernel(...calls: readonly Call[]): RouterKernel {
  const it = new RouterKernel();
  const start: Call = { call: 'start', session, mac: SESSION_MAC, vhid: 1, stub: null };
  for (const call of [start, ...calls]) it.handle({ kind: 'call', call });
  return it;
}

const answerOf = (outputs: readonly KernelOutput[]): unknown =>
  outputs.flatMap((output) => (output.kind === 'answer' ? [output.answer] : []))[0];

interface Addressed {
  readonly source?: Uint8Array;
  readonly destination?: Uint8Array;
  readonly sessionId?: number;
}

function inSession(protocol: number, packet: Uint8Array, addressed: Addressed = {}): Uint8Array {
  const { source = AC_MAC, destination = SESSION_MAC, sessionId = SESSION_ID } = addressed;
  const payload = encodeSession({ sessionId, protocol, packet });
  return encodeEthernet({ source, destination, etherType: 0x8864, payload });
}

const ping = encodeEcho({
  kind: 'request',
  source: AC_ADDRESS,
  destination: PUBLIC,
  identifier: 7,
  sequence: 42,
});

t.test('an echo request to our address is answered through an open gate', async (t) => {
  const outputs = kernel(ATTACH, OPEN, UP).handle({ kind: 'frame', frame: inSession(0x21, ping) });
  const [output] = outputs;
  if (output?.kind !== 'transmit') throw new Error('nothing was transmitted');
  const frame = decodeEthernet(output.frame);
  t.same(frame.destination, AC_MAC);
  t.same(frame.source, SESSION_MAC);
  const { sessionId, protocol, packet } = decodeSession(frame.payload);
  t.same([sessionId, protocol], [SESSION_ID, 0x21]);
  const echo = decodeEcho(packet);
  t.same([echo?.kind, echo?.source, echo?.destination], ['reply', PUBLIC, AC_ADDRESS]);
  t.equal(echo?.sequence, 42);
});

t.test('nothing of the session passes', async (t) => {
  const cases: readonly [string, RouterKernel, Uint8Array][] = [
    ['a closed gate', kernel(ATTACH, UP), inSession(0x21, ping)],
    [
      'a gate whose session was detached',
      kernel(ATTACH, OPEN, UP, { call: 'detach', session }),
      inSession(0x21, ping),
    ],
    [
      'an interface that is down',
      kernel(ATTACH, OPEN, { ...UP, up: false }),
      inSession(0x21, ping),
    ],
    ['an interface without addresses', kernel(ATTACH, OPEN), inSession(0x21, ping)],
    [
      'from another AC',
      kernel(ATTACH, OPEN, UP),
      inSession(0x21, ping, { source: mac('02:00:00:00:00:ad') }),
    ],
    [
      'of another SESSION_ID',
      kernel(ATTACH, OPEN, UP),
      inSession(0x21, ping, { sessionId: 0x1235 }),
    ],
    [
      'to another station',
      kernel(ATTACH, OPEN, UP),
      inSession(0x21, ping, { destination: mac('02:00:5e:10:53:02') }),
    ],
    ['to broadcast', kernel(ATTACH, OPEN, UP), inSession(0x21, ping, { destination: BROADCAST })],
    ['LCP at a closed gate', kernel(ATTACH, UP), inSession(LCP, ECHO_REQUEST)],
    ['a frame cut short', kernel(ATTACH, OPEN, UP), inSession(0x21, ping).subarray(0, 24)],
  ];
  for (const [name, it, frame] of cases) t.same(it.handle({ kind: 'frame', frame }), [], name);
});

t.test(
  'control packets of the session go to the helper, without the padding of their frame',
  async (t) => {
    const frame = inSession(LCP, ECHO_REQUEST);
    t.equal(frame.length, 60);
    t.same(kernel(ATTACH, OPEN).handle({ kind: 'frame', frame }), [
      { kind: 'event', event: { event: 'ppp', session, protocol: LCP, packet: ECHO_REQUEST } },
    ]);
  },
);

t.test(
  'discovery frames go to the helper whatever the gate does, and those to others do not',
  async (t) => {
    const discovery = (destination: Uint8Array): Uint8Array =>
      encodeEthernet({
        source: AC_MAC,
        destination,
        etherType: 0x8863,
        payload: new Uint8Array(46),
      });
    const it = kernel();
    for (const destination of [SESSION_MAC, BROADCAST]) {
      const frame = discovery(destination);
      t.same(it.handle({ kind: 'frame', frame }), [
        { kind: 'event', event: { event: 'frame', session, frame } },
      ]);
    }
    t.same(it.handle({ kind: 'frame', frame: discovery(mac('02:00:5e:10:53:02')) }), []);
  },
);

t.test('a control packet leaves only through an open gate', async (t) => {
  const send: Call = { call: 'ppp-send', session, protocol: LCP, packet: ECHO_REQUEST };
  const refused = kernel(ATTACH).handle({ kind: 'call', call: send });
  t.match(answerOf(refused), { failed: { code: 'ENETDOWN' } });
  t.equal(refused.length, 1, 'nothing was transmitted');
  const [sent, answer] = kernel(ATTACH, OPEN).handle({ kind: 'call', call: send });
  t.equal(sent?.kind, 'transmit');
  t.same(answer, { kind: 'answer', answer: { done: null } });
});

t.test('a gate without a session does not open', async (t) => {
  const it = kernel();
  t.match(answerOf(it.handle({ kind: 'call', call: OPEN })), { failed: { code: 'ENOTCONN' } });
  t.equal(it.gateOpen(session), false);
});

t.test('another session closes the gate, the same one leaves it', async (t) => {
  const it = kernel(ATTACH, OPEN);
  it.handle({ kind: 'call', call: ATTACH });
  t.equal(it.gateOpen(session), true);
  const other = { ...KEY, sessionId: 0x1235 };
  it.handle({ kind: 'call', call: { call: 'attach', session, key: other, maxPayload: 1492 } });
  t.equal(it.gateOpen(session), false);
});

t.test('a helper that starts again finds everything as it was', async (t) => {
  const it = kernel(ATTACH, OPEN, UP, { call: 'demote', session, on: true, amount: 240 });
  it.handle({ kind: 'role', role: 'MASTER' });
  it.handle({
    kind: 'call',
    call: { call: 'start', session, mac: SESSION_MAC, vhid: 1, stub: null },
  });
  const found = answerOf(it.handle({ kind: 'call', call: { call: 'inspect', session } }));
  t.same(found, {
    done: { role: 'MASTER', carrier: true, attached: KEY, gateOpen: true, demoted: true },
  });
});

t.test('a session that was not started is ENXIO', async (t) => {
  const answer = answerOf(new RouterKernel().handle({ kind: 'call', call: OPEN }));
  t.match(answer, { failed: { code: 'ENXIO' } });
});

t.test('demotions of the sessions add up, and are given back', async (t) => {
  const it = kernel();
  const call = { call: 'start', session: 'other', mac: mac('02:00:5e:10:53:02') } as const;
  it.handle({ kind: 'call', call: { ...call, vhid: 1, stub: null } });
  const demote = (name: string, on: boolean): KernelOutput | undefined =>
    it.handle({ kind: 'call', call: { call: 'demote', session: name, on, amount: 240 } })[0];
  t.same(demote(session, true), { kind: 'demotion', amount: 240 });
  t.same(demote('other', true), { kind: 'demotion', amount: 480 });
  t.same(demote(session, true), { kind: 'demotion', amount: 480 }, 'twice is once');
  t.same(demote(session, false), { kind: 'demotion', amount: 240 });
  t.same(demote('other', false), { kind: 'demotion', amount: 0 });
});

t.test('without carrier nothing is sent or received', async (t) => {
  const it = kernel(ATTACH, OPEN, UP);
  t.same(it.handle({ kind: 'carrier', up: false }), [
    { kind: 'event', event: { event: 'carrier', session, up: false } },
  ]);
  t.same(it.handle({ kind: 'frame', frame: inSession(0x21, ping) }), []);
  const send: Call = { call: 'ppp-send', session, protocol: LCP, packet: ECHO_REQUEST };
  t.same(it.handle({ kind: 'call', call: send }), [{ kind: 'answer', answer: { done: null } }]);
});

t.test('the LAN’s packets follow the default route', async (t) => {
  const packet = encodeEcho({
    kind: 'request',
    source: PUBLIC,
    destination: ipv4('198.51.100.1'),
    identifier: 1,
    sequence: 1,
  });
  const lan = { kind: 'lan', session, packet } as const;
  const via = (target: 'session' | 'partner' | 'none'): Call => ({
    call: 'route',
    session,
    via: target,
  });
  t.same(kernel(ATTACH, OPEN, UP).handle(lan), [], 'no route yet');
  t.equal(kernel(ATTACH, OPEN, UP, via('session')).handle(lan)[0]?.kind, 'transmit');
  t.same(kernel(ATTACH, UP, via('session')).handle(lan), [], 'the gate is closed');
  t.equal(kernel(via('partner')).handle(lan)[0]?.kind, 'to-partner');
});

t.test('packets and octets of the session are counted, from each attach on', async (t) => {
  const it = kernel(ATTACH, OPEN, UP);
  it.handle({ kind: 'frame', frame: inSession(0x21, ping) });
  const counters = (): unknown =>
    answerOf(it.handle({ kind: 'call', call: { call: 'counters', session } }));
  const octets = ping.length;
  t.same(counters(), {
    done: { octetsIn: octets, octetsOut: octets, packetsIn: 1, packetsOut: 1 },
  });
  it.handle({ kind: 'call', call: { call: 'detach', session } });
  it.handle({ kind: 'call', call: ATTACH });
  t.same(counters(), { done: { octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 } });
});
