/** One automaton with its counters and identifiers, over IPCP's options because they are the simplest. */
import t from 'tap';
import { IpcpOptions, Ipv6cpOptions } from '@ppp-thing/protocol/engine/ppp/ncp';
import {
  MAX_CONFIGURE,
  Negotiation,
  type LayerSignal,
} from '@ppp-thing/protocol/engine/ppp/negotiation';
import type { AnyOption, Options } from '@ppp-thing/protocol/engine/ppp/options';
import type { Note } from '@ppp-thing/protocol/engine/events';
import { RestartTimer } from '@ppp-thing/protocol/engine/ppp/restart-timer';
import type { Layer, PppTimers } from '@ppp-thing/protocol/engine/ppp/waits';
import { Timers } from '@ppp-thing/protocol/engine/timers';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import type { ControlPacket } from '@ppp-thing/protocol/wire/ppp';
import { UNSPECIFIED_V4, type IpcpOption, type Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import { counterRandom } from './link-pair.ts';
import { AC_INTERFACE_ID, ADDRESS, at, PEER } from './scripted-ac.ts';

type Output<Option = IpcpOption> =
  | { readonly kind: 'send'; readonly packet: ControlPacket<Option> }
  | { readonly kind: 'note'; readonly note: Note }
  | { readonly kind: 'layer'; readonly signal: LayerSignal };

/** A Negotiation whose methods return what it wrote, then what it signalled. */
class Heard<Option extends AnyOption> {
  #outputs: Output<Option>[] = [];
  readonly #timers: PppTimers = new Timers();
  readonly machine: Negotiation<Option>;

  constructor(machine: Layer, options: Options<Option>, peerMru: number, pace: RestartTimer) {
    this.machine = new Negotiation(
      machine,
      options,
      () => peerMru,
      {
        restartTimer: pace,
        timers: this.#timers,
        out: (...actions) => {
          for (const each of actions) if (each.kind === 'note') this.#outputs.push(each);
        },
      },
      (packet) => this.#outputs.push({ kind: 'send', packet }),
    );
  }

  get state() {
    return this.machine.state;
  }

  deadline(): Instant | undefined {
    return this.#timers.next();
  }

  fire(event: Parameters<Negotiation<Option>['fire']>[0], now: Instant): Output<Option>[] {
    return this.#take(this.machine.fire(event, now));
  }

  expire(now: Instant): Output<Option>[] {
    return this.#take(this.machine.expire(now));
  }

  receive(packet: ControlPacket<Option>, now: Instant): Output<Option>[] {
    return this.#take(this.machine.receive(packet, now));
  }

  #take(signal: LayerSignal | undefined): Output<Option>[] {
    const outputs = this.#outputs.splice(0);
    return signal === undefined ? outputs : [...outputs, { kind: 'layer', signal }];
  }
}

function setUp(peerMru = 1492) {
  const options = new IpcpOptions({ dns: false }, UNSPECIFIED_V4);
  const pace = new RestartTimer();
  return { options, pace, negotiation: new Heard('ipcp', options, peerMru, pace) };
}

function begun() {
  const { options, pace, negotiation } = setUp();
  negotiation.fire('Open', at(0));
  const request = packets(negotiation.fire('Up', at(0)))[0];
  if (request?.code !== 'Configure-Request') throw new Error('no Configure-Request');
  return { options, pace, negotiation, request };
}

const packets = (outputs: readonly Output[]): ControlPacket<IpcpOption>[] =>
  outputs.flatMap((output) => (output.kind === 'send' ? [output.packet] : []));
const codes = (outputs: readonly Output[]): string[] => packets(outputs).map(({ code }) => code);
const signals = (outputs: readonly Output[]): string[] =>
  outputs.flatMap((output) => (output.kind === 'layer' ? [output.signal] : []));

const theirs = (identifier: number, ...options: IpcpOption[]): ControlPacket<IpcpOption> => ({
  code: 'Configure-Request',
  identifier,
  options,
});
const peer: IpcpOption = { kind: 'address', address: PEER, raw: Uint8Array.of(3, 6, ...PEER) };
const vj: IpcpOption = { kind: 'unknown', type: 2, raw: Uint8Array.of(2, 6, 0, 0x2d, 15, 1) };

/** Both ends agreed. */
function opened() {
  const all = begun();
  const { negotiation, request } = all;
  negotiation.receive({ ...request, code: 'Configure-Ack' }, at(1));
  negotiation.receive(theirs(1, peer), at(2));
  if (negotiation.state !== 'Opened') throw new Error('no agreement');
  return all;
}

void t.test(
  'negotiation › a request is repeated after 450 ms, each second, then every three, ten times in all (§4.6)',
  (t) => {
    const { negotiation, request } = begun();
    const spans: number[] = [];
    let now = 0;
    for (let i = 1; i < MAX_CONFIGURE; i++) {
      const deadline = negotiation.deadline() ?? NaN;
      t.same(negotiation.expire(at(deadline - 1)), [], 'never early');
      t.same(
        packets(negotiation.expire(at(deadline))),
        [request],
        'the same Identifier: nobody answered',
      );
      spans.push(deadline - now);
      now = deadline;
    }
    t.same(spans, [450, 550, 1000, 1000, 3000, 3000, 3000, 3000, 3000]);
    t.same(signals(negotiation.expire(at(negotiation.deadline() ?? NaN))), ['tlf'], 'TO-');
    t.equal(negotiation.state, 'Stopped');
    t.equal(negotiation.deadline(), undefined);
    t.end();
  },
);

void t.test(
  'negotiation › L2: an Ack counts only with the Identifier and the options of the last request (§5.2)',
  (t) => {
    const { negotiation, request } = begun();
    const ack = { ...request, code: 'Configure-Ack' } as const;
    const other: IpcpOption = { kind: 'address', address: ADDRESS };
    for (const wrong of [
      { ...ack, identifier: request.identifier + 1 },
      { ...ack, options: [other] },
      { ...ack, options: [] },
      { ...ack, options: [...request.options, ...request.options] },
    ]) {
      negotiation.receive(wrong, at(1));
      t.equal(negotiation.state, 'Req-Sent');
    }
    const raw = Uint8Array.of(3, 6, 0, 0, 0, 0);
    negotiation.receive({ ...ack, options: request.options.map((o) => ({ ...o, raw })) }, at(1));
    t.equal(negotiation.state, 'Ack-Rcvd', 'raw octets make no difference');
    t.end();
  },
);

void t.test('negotiation › a second answer to one request counts for nothing', (t) => {
  const { negotiation, request } = opened();
  for (const code of ['Configure-Ack', 'Configure-Nak', 'Configure-Reject'] as const)
    t.same(packets(negotiation.receive({ ...request, code }, at(3))), []);
  t.equal(negotiation.state, 'Opened');
  t.end();
});

void t.test('negotiation › L3: a Reject of what was not asked is ignored (§5.4)', (t) => {
  const { negotiation, request } = begun();
  const reject = {
    code: 'Configure-Reject',
    identifier: request.identifier,
    options: [vj],
  } as const;
  t.same(packets(negotiation.receive(reject, at(1))), []);
  t.same(packets(negotiation.receive({ ...reject, options: [] }, at(1))), [], 'nor an empty one');
  const asked = negotiation.receive({ ...reject, options: request.options }, at(1));
  t.match(packets(asked), [{ code: 'Configure-Request', options: [] }]);
  t.end();
});

void t.test('negotiation › L3: changed content has a new Identifier (§5.1)', (t) => {
  const { negotiation, request } = begun();
  const { identifier } = request;
  const options: IpcpOption[] = [{ kind: 'address', address: ADDRESS }];
  const [next] = packets(
    negotiation.receive({ code: 'Configure-Nak', identifier, options }, at(1)),
  );
  t.match(next, { code: 'Configure-Request', options });
  t.not(next?.identifier, identifier);
  t.end();
});

void t.test(
  'negotiation › an answered request that must be repeated has a new Identifier (§5.1)',
  (t) => {
    const { negotiation, request } = begun();
    negotiation.receive({ ...request, code: 'Configure-Ack' }, at(1));
    const [again] = packets(negotiation.expire(at(negotiation.deadline() ?? NaN)));
    t.match(again, { code: 'Configure-Request', options: request.options });
    t.not(again?.identifier, request.identifier);
    t.end();
  },
);

void t.test('negotiation › an Ack returns the options as received, in order (§5.2)', (t) => {
  const { negotiation, options } = begun();
  const [ack] = packets(negotiation.receive(theirs(9, peer), at(1)));
  t.strictSame(ack, { code: 'Configure-Ack', identifier: 9, options: [peer] });
  t.same(options.agreement.theirAddress, PEER);
  t.end();
});

void t.test(
  'negotiation › L4: a Reject holds every unknown option as received, and nothing else (§5.4)',
  (t) => {
    const { negotiation } = begun();
    const [reject] = packets(negotiation.receive(theirs(9, vj, peer, vj), at(1)));
    t.strictSame(reject, { code: 'Configure-Reject', identifier: 9, options: [vj, vj] });
    t.end();
  },
);

void t.test(
  'negotiation › L6: an unknown Code is rejected, cut to what the peer takes; a rejection never is (§5.6)',
  (t) => {
    const { negotiation } = setUp(20);
    negotiation.fire('Open', at(0));
    negotiation.fire('Up', at(0));
    const raw = Uint8Array.from({ length: 100 }, (_, i) => i);
    const [reject] = packets(
      negotiation.receive({ code: 'unknown', number: 42, identifier: 5, raw }, at(1)),
    );
    t.match(reject, { code: 'Code-Reject', rejected: raw.slice(0, 16) });
    const harmless = { code: 'Code-Reject', identifier: 5, rejected: Uint8Array.of(12) } as const;
    t.same(packets(negotiation.receive(harmless, at(2))), []);
    t.equal(negotiation.state, 'Req-Sent', 'RXJ+');
    const fatal = { ...harmless, rejected: Uint8Array.of(1) };
    t.same(signals(negotiation.receive(fatal, at(3))), ['tlf'], 'RXJ-: it cannot negotiate');
    t.end();
  },
);

void t.test(
  'negotiation › L8: a Terminate-Request is acknowledged, the layer goes down, and 3 s pass (§4.4 zrc)',
  (t) => {
    const { negotiation } = opened();
    const data = new Uint8Array(0);
    const outputs = negotiation.receive(
      { code: 'Terminate-Request', identifier: 77, data },
      at(1000),
    );
    t.same(signals(outputs), ['tld']);
    t.match(packets(outputs), [{ code: 'Terminate-Ack', identifier: 77 }]);
    t.equal(negotiation.deadline(), 4000);
    t.same(signals(negotiation.expire(at(4000))), ['tlf']);
    t.equal(negotiation.state, 'Stopped');
    t.end();
  },
);

void t.test(
  'negotiation › Close sends two Terminate-Requests, then gives up (§4.6 Max-Terminate)',
  (t) => {
    const { negotiation } = opened();
    t.same(codes(negotiation.fire('Close', at(0))), ['Terminate-Request']);
    t.same(codes(negotiation.expire(at(negotiation.deadline() ?? NaN))), ['Terminate-Request']);
    t.same(signals(negotiation.expire(at(negotiation.deadline() ?? NaN))), ['tlf']);
    t.equal(negotiation.state, 'Closed');
    t.end();
  },
);

void t.test(
  'negotiation › L12: a Configure-Request in Opened takes the layer down and renegotiates (§4.3 RCR+)',
  (t) => {
    const { negotiation, request } = opened();
    const outputs = negotiation.receive(theirs(2, peer), at(5));
    t.same(signals(outputs), ['tld']);
    t.same(codes(outputs), ['Configure-Request', 'Configure-Ack']);
    t.not(packets(outputs)[0]?.identifier, request.identifier);
    t.equal(negotiation.state, 'Ack-Sent');
    t.end();
  },
);

void t.test('negotiation › a resumed automaton is Opened, and no old Ack moves it', (t) => {
  const { negotiation } = setUp();
  negotiation.machine.resume(200);
  t.equal(negotiation.state, 'Opened');
  const ack = { code: 'Configure-Ack', identifier: 200, options: [] } as const;
  t.same(packets(negotiation.receive(ack, at(1))), []);
  t.equal(negotiation.state, 'Opened');
  t.equal(negotiation.machine.nextIdentifier(), 201);
  t.end();
});

void t.test('negotiation › a resumed automaton has all its transmissions (§4.6)', (t) => {
  const { negotiation } = begun();
  for (let i = 0; i < 4; i++) negotiation.expire(at(negotiation.deadline() ?? NaN));
  negotiation.machine.resume(200);
  let sent = codes(negotiation.receive(theirs(1, peer), at(60_000)));
  while (negotiation.deadline() !== undefined)
    sent = [...sent, ...codes(negotiation.expire(at(negotiation.deadline() ?? NaN)))];
  t.equal(sent.filter((code) => code === 'Configure-Request').length, MAX_CONFIGURE);
  t.end();
});

void t.test(
  'negotiation › a peer that Naks for ever is left without an answer, and the counter runs out',
  (t) => {
    const { negotiation } = begun();
    let sent = 0;
    for (let i = 0; i < 1000; i++) {
      const address = Uint8Array.of(10, 0, i >> 8, i & 0xff);
      const nak: ControlPacket<IpcpOption> = {
        code: 'Configure-Nak',
        identifier: negotiation.machine.identifier,
        options: [{ kind: 'address', address }],
      };
      sent += packets(negotiation.receive(nak, at(i))).length;
    }
    t.equal(sent, MAX_CONFIGURE);
    let expiries = 0;
    while (negotiation.deadline() !== undefined && expiries < 100) {
      negotiation.expire(at(negotiation.deadline() ?? 0));
      expiries += 1;
    }
    t.equal(negotiation.state, 'Stopped');
    t.end();
  },
);

void t.test(
  'negotiation › TO+ in Ack-Sent keeps the Ack sent, in Ack-Rcvd forgets the Ack received (§4.1)',
  (t) => {
    const sent = begun().negotiation;
    sent.receive(theirs(1, peer), at(1));
    sent.expire(at(sent.deadline() ?? NaN));
    t.equal(sent.state, 'Ack-Sent');
    const { negotiation: received, request } = begun();
    received.receive({ ...request, code: 'Configure-Ack' }, at(1));
    received.expire(at(received.deadline() ?? NaN));
    t.equal(received.state, 'Req-Sent');
    t.end();
  },
);

void t.test('negotiation › each transition is one note of the table words', (t) => {
  const { negotiation } = begun();
  const notes = negotiation
    .receive(theirs(1, peer), at(1))
    .flatMap((output) => (output.kind === 'note' ? [output.note] : []));
  t.match(notes, [
    {
      level: 'debug',
      machine: 'ipcp',
      from: 'Req-Sent',
      to: 'Ack-Sent',
      on: 'RCR+',
      actions: ['sca'],
    },
  ]);
  t.end();
});

void t.test(
  'negotiation › after five Naks what is still wrong is rejected, and an Ack begins the count anew (§4.6 Max-Failure)',
  (t) => {
    const options = new Ipv6cpOptions(counterRandom(), AC_INTERFACE_ID);
    const negotiation = new Heard('ipv6cp', options, 1492, new RestartTimer());
    negotiation.fire('Open', at(0));
    negotiation.fire('Up', at(0));
    const ask = (identifier: number, ...options: Ipv6cpOption[]) => {
      const outputs = negotiation.receive(
        { code: 'Configure-Request', identifier, options },
        at(1),
      );
      return outputs.flatMap((output) => (output.kind === 'send' ? [output.packet.code] : []));
    };
    const ours: Ipv6cpOption = { kind: 'interfaceId', interfaceId: AC_INTERFACE_ID };
    const good: Ipv6cpOption = {
      kind: 'interfaceId',
      interfaceId: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 1),
    };
    for (let i = 0; i < 5; i++) t.same(ask(i, ours), ['Configure-Nak']);
    t.same(ask(5, ours), ['Configure-Reject']);
    t.same(ask(6), ['Configure-Ack'], 'and what is missing is asked for no more');
    t.same(ask(7, good), ['Configure-Ack']);
    t.same(ask(8, ours), ['Configure-Nak']);
    t.end();
  },
);

void t.test(
  'negotiation › once we have acknowledged, a copy waits for the RFC’s three seconds: the peer may be Opened (§4.3)',
  (t) => {
    const { negotiation } = begun();
    negotiation.receive(theirs(1, peer), at(100));
    t.equal(negotiation.state, 'Ack-Sent');
    t.equal(negotiation.deadline(), 3100);
    const slow = begun();
    slow.pace.measured(millis(2800));
    slow.negotiation.receive(theirs(1, peer), at(100));
    t.equal(slow.negotiation.deadline(), 4300, 'and longer on a line that is slower than that');
    t.end();
  },
);

void t.test(
  'negotiation › a copy of the request that we acknowledged is acknowledged again, and ends nothing',
  (t) => {
    const { negotiation } = opened();
    t.same(codes(negotiation.receive(theirs(1, peer), at(3002))), ['Configure-Ack']);
    t.equal(negotiation.state, 'Opened');
    t.equal(negotiation.deadline(), undefined);
    for (const [what, packet, when] of [
      ['another Identifier', theirs(2, peer), 3000],
      ['other options', theirs(1), 3000],
      ['too late to be a copy', theirs(1, peer), 3003],
    ] as const)
      t.same(
        codes(opened().negotiation.receive(packet, at(when))),
        ['Configure-Request', 'Configure-Ack'],
        what,
      );
    t.end();
  },
);

void t.test(
  'negotiation › a peer that asks and has not answered in time has just begun to listen: our request precedes our Ack',
  (t) => {
    const late = begun();
    late.pace.measured(millis(20));
    t.same(codes(late.negotiation.receive(theirs(1, peer), at(250))), [], 'an Ack may follow');
    t.equal(late.negotiation.deadline(), 260);
    const again = packets(late.negotiation.expire(at(260)));
    t.same(
      again.map(({ code }) => code),
      ['Configure-Request', 'Configure-Ack'],
    );
    t.same(again[0], late.request, 'the same Identifier: nobody answered');
    const prompt = begun();
    prompt.pace.measured(millis(20));
    t.same(codes(prompt.negotiation.receive(theirs(1, peer), at(19))), ['Configure-Ack']);
    const busy = begun();
    busy.pace.measured(millis(5));
    busy.pace.crossed = true;
    const own = codes(busy.negotiation.receive(theirs(1, peer), at(150)));
    t.same(own, ['Configure-Ack'], 'a packet that came before ours had left says nothing');
    t.end();
  },
);

void t.test(
  'negotiation › a peer that answers right behind its own request is not asked again',
  (t) => {
    // Its packets need a round trip of 400 ms and a little more.
    const { negotiation, pace, request } = begun();
    pace.measured(millis(400));
    t.same(codes(negotiation.receive(theirs(1, peer), at(403))), []);
    const both = negotiation.receive({ ...request, code: 'Configure-Ack' }, at(404));
    t.same(codes(both), ['Configure-Ack']);
    t.same(signals(both), ['tlu']);
    const refused = begun();
    refused.pace.measured(millis(400));
    refused.negotiation.receive(theirs(1, peer), at(403));
    const nak = { code: 'Configure-Nak', identifier: refused.request.identifier } as const;
    const address = { kind: 'address', address: ADDRESS } as const;
    const then = refused.negotiation.receive({ ...nak, options: [address] }, at(404));
    t.same(codes(then), ['Configure-Request', 'Configure-Ack'], 'the new request alone');
    t.end();
  },
);

void t.test('negotiation › a request that waited is answered before the next packet', (t) => {
  const { negotiation, pace } = begun();
  pace.measured(millis(20));
  negotiation.receive(theirs(1, peer), at(250));
  const both = codes(negotiation.receive(theirs(2, peer), at(255)));
  t.same(both, ['Configure-Request', 'Configure-Ack', 'Configure-Ack']);
  negotiation.fire('Down', at(256));
  t.equal(negotiation.deadline(), undefined);
  const gone = begun();
  gone.pace.measured(millis(20));
  gone.negotiation.receive(theirs(1, peer), at(250));
  gone.negotiation.fire('Down', at(255));
  t.equal(gone.negotiation.deadline(), undefined, 'nor does it outlive the link');
  t.end();
});

void t.test(
  'negotiation › an AC that listens late is met no later than by a peer that repeats each second, with one copy more at most',
  (t) => {
    for (const roundTrip of [0, 20, 100, 400, 800]) {
      const { negotiation, pace } = setUp();
      pace.measured(millis(roundTrip));
      negotiation.fire('Open', at(0));
      negotiation.fire('Up', at(0));
      const sent = [0];
      while (sent.length < 5) {
        const deadline = negotiation.deadline() ?? NaN;
        if (packets(negotiation.expire(at(deadline))).length > 0) sent.push(deadline);
      }
      const spans = sent.slice(1).map((time, i) => time - (sent[i] ?? 0));
      t.ok(
        spans.every((span) => span >= roundTrip * 1.5),
        `${roundTrip} ms: no copy within a round trip`,
      );
      if (roundTrip * 1.5 > 1000) continue;
      for (let listens = 50; listens <= 3000; listens += 50) {
        const met = sent.findIndex((time) => time >= listens);
        const second = Math.ceil(listens / 1000);
        t.ok((sent[met] ?? Infinity) <= second * 1000, `${roundTrip} ms, listens at ${listens}`);
        t.ok(met <= second + 1, `${roundTrip} ms, listens at ${listens}: ${met} copies`);
      }
    }
    t.end();
  },
);

void t.test(
  'negotiation › a peer that acks and never asks is asked again every three seconds, not ten times in three',
  (t) => {
    const { negotiation } = begun();
    let sent = 1;
    for (let now = 0; now < 30_000; now += 50) {
      for (const packet of packets(negotiation.expire(at(now)))) {
        if (packet.code === 'Configure-Request') sent += 1;
      }
      const { identifier } = negotiation.machine;
      const ack = { code: 'Configure-Ack', identifier, options: [] } as const;
      const options = [{ kind: 'address', address: UNSPECIFIED_V4 }] as const;
      negotiation.receive({ ...ack, options }, at(now));
    }
    t.ok(sent <= 11, `${sent} Configure-Requests in 30 s`);
    t.end();
  },
);
