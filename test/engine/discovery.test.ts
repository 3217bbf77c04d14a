/** The Host's side of RFC 2516: which offers and confirmations are believed. */
import t from 'tap';
import {
  Discovery,
  type DiscoverySettings,
  type DiscoverySignal,
} from '@ppp-thing/protocol/engine/link/discovery';
import type { Action } from '@ppp-thing/protocol/engine/events';
import { Timers } from '@ppp-thing/protocol/engine/timers';
import type { LinkTimers } from '@ppp-thing/protocol/engine/link/waits';
import type { Instant } from '@ppp-thing/protocol/time';
import { utf8 } from '@ppp-thing/protocol/printable';
import { BROADCAST, type MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';
import { counterRandom } from './link-pair.ts';
import { Recorder } from './recorder.ts';
import { AC_MAC, at, OTHER_MAC } from './scripted-ac.ts';

const COOKIE: Tag = { type: TAG['AC-Cookie'], value: Uint8Array.of(0xc0, 0xff, 0xee) };
const RELAY: Tag = { type: TAG['Relay-Session-Id'], value: Uint8Array.of(1, 2, 3) };

/** A Discovery whose methods return what it wrote, then what it signalled. */
class Heard {
  readonly #recorder = new Recorder();
  readonly timers: LinkTimers = new Timers();
  readonly machine: Discovery;

  constructor(settings: Partial<DiscoverySettings>, seed: number) {
    const all = { serviceName: '', mtu: 1492, ...settings };
    this.machine = new Discovery(all, counterRandom(seed), this.timers, this.#recorder.out);
  }

  start(now: Instant): Outputs {
    this.machine.start(now);
    return this.#recorder.take();
  }

  expire(now: Instant): Outputs {
    return this.#recorder.take(this.machine.expire(now));
  }

  receive(packet: DiscoveryPacket, source: MacAddress, now: Instant): Outputs {
    return this.#recorder.take(this.machine.receive(packet, source, now));
  }
}

function begun(settings: Partial<DiscoverySettings> = {}, seed = 1) {
  const discovery = new Heard(settings, seed);
  const [padi] = sends(discovery.start(at(0)));
  if (padi === undefined) throw new Error('no PADI');
  const uniq = findTag(padi.packet, TAG['Host-Uniq']);
  if (uniq === undefined) throw new Error('no Host-Uniq');
  return { discovery, padi, uniq };
}

type Outputs = (Action | DiscoverySignal)[];
const sends = (outputs: Outputs) =>
  outputs.flatMap((output) => (output.kind === 'send-discovery' ? [output] : []));
const codes = (outputs: Outputs) => sends(outputs).map(({ packet }) => packet.code);

const offer = (uniq: Tag | undefined, ...more: Tag[]): DiscoveryPacket => ({
  code: 'PADO',
  sessionId: 0,
  tags: [
    { type: TAG['AC-Name'], value: utf8('bras') },
    { type: TAG['Service-Name'], value: utf8('') },
    { type: TAG['Service-Name'], value: utf8('gold') },
    ...(uniq === undefined ? [] : [uniq]),
    COOKIE,
    RELAY,
    ...more,
  ],
});
const confirm = (uniq: Tag | undefined, sessionId: number, ...more: Tag[]): DiscoveryPacket => ({
  code: 'PADS',
  sessionId,
  tags: [
    { type: TAG['Service-Name'], value: utf8('') },
    ...(uniq === undefined ? [] : [uniq]),
    ...more,
  ],
});

void t.test(
  'discovery › P2: PADI is broadcast, SESSION_ID 0, one Service-Name, and leaves room for a relay',
  (t) => {
    const { padi } = begun({ serviceName: 'gold', mtu: 1500 });
    t.same(padi.destination, BROADCAST);
    t.match(padi.packet, { code: 'PADI', sessionId: 0 });
    const services = padi.packet.tags.filter(({ type }) => type === TAG['Service-Name']);
    t.same(services, [{ type: TAG['Service-Name'], value: utf8('gold') }]);
    const length = padi.packet.tags.reduce((sum, { value }) => sum + 4 + value.length, 6);
    t.ok(length <= 1484);
    t.end();
  },
);

void t.test('discovery › each dial has a Host-Uniq of its own', (t) => {
  const { discovery, uniq } = begun();
  const [again] = sends(discovery.start(at(5)));
  t.notSame(again && findTag(again.packet, TAG['Host-Uniq']), uniq);
  t.end();
});

void t.test(
  'discovery › P4: PADR goes to the chosen AC with one Service-Name, the cookie and the relay’s tag unchanged',
  (t) => {
    const { discovery, uniq } = begun({ serviceName: 'gold' });
    const [padr] = sends(discovery.receive(offer(uniq), AC_MAC, at(10)));
    t.same(padr?.destination, AC_MAC);
    t.same(padr?.packet, {
      code: 'PADR',
      sessionId: 0,
      tags: [{ type: TAG['Service-Name'], value: utf8('gold') }, uniq, COOKIE, RELAY],
    });
    t.end();
  },
);

const other: Tag = { type: TAG['Host-Uniq'], value: Uint8Array.of(9) };
const error: Tag = { type: TAG['Generic-Error'], value: utf8('busy') };
const refused: readonly [
  string,
  Partial<DiscoverySettings>,
  (uniq: Tag) => DiscoveryPacket,
  Uint8Array,
][] = [
  ['without our Host-Uniq', {}, () => offer(undefined), AC_MAC],
  ['with another Host-Uniq', {}, () => offer(other), AC_MAC],
  ['from a group address', {}, (uniq) => offer(uniq), BROADCAST],
  ['with a SESSION_ID', {}, (uniq) => ({ ...offer(uniq), sessionId: 5 }), AC_MAC],
  ['with an error tag', {}, (uniq) => offer(uniq, error), AC_MAC],
  ['without AC-Name', {}, (uniq) => ({ code: 'PADO', sessionId: 0, tags: [uniq] }), AC_MAC],
  ['from another AC-Name than the pinned one', { acName: 'bras2' }, (uniq) => offer(uniq), AC_MAC],
  ['from another MAC than the pinned one', { acMac: AC_MAC }, (uniq) => offer(uniq), OTHER_MAC],
  ['without the configured service', { serviceName: 'silver' }, (uniq) => offer(uniq), AC_MAC],
];
for (const [what, settings, packet, source] of refused) {
  void t.test(`discovery › P3, S3: a PADO ${what} is ignored`, (t) => {
    const { discovery, uniq } = begun(settings);
    const outputs = discovery.receive(packet(uniq), source, at(10));
    t.same(codes(outputs), []);
    t.match(outputs, [{ kind: 'note', note: { on: 'ignored PADO' } }]);
    t.end();
  });
}

void t.test('discovery › P3: a PADO that satisfies every pin is taken', (t) => {
  const { discovery, uniq } = begun({ acName: 'bras', acMac: AC_MAC, serviceName: 'gold' });
  t.same(codes(discovery.receive(offer(uniq), AC_MAC, at(10))), ['PADR']);
  t.end();
});

void t.test(
  'discovery › P14: of several PADOs the first is taken, and later ones change nothing',
  (t) => {
    const { discovery, uniq } = begun();
    discovery.receive(offer(uniq), AC_MAC, at(10));
    t.same(discovery.receive(offer(uniq), OTHER_MAC, at(11)), []);
    t.same(discovery.machine.ac?.mac, AC_MAC);
    t.end();
  },
);

void t.test(
  'discovery › a PADS without a session is a refusal, with its reason or without',
  (t) => {
    for (const sessionId of [0, 0xffff]) {
      const { discovery, uniq } = begun();
      discovery.receive(offer(uniq), AC_MAC, at(10));
      const outputs = discovery.receive(confirm(uniq, sessionId), AC_MAC, at(11));
      t.match(outputs.at(-1), { kind: 'refused', reason: /refused: SESSION_ID 0x[0f]{4}, and no/ });
    }
    t.end();
  },
);

void t.test('discovery › a lost PADR makes no line slow', (t) => {
  const measured = (lost: number): unknown => {
    const { discovery, uniq } = begun();
    discovery.receive(offer(uniq), AC_MAC, at(200));
    let now = 200;
    for (let i = 0; i < lost; i++) {
      now = Number(discovery.timers.next());
      t.same(codes(discovery.expire(at(now))), ['PADR']);
    }
    const outputs = discovery.receive(confirm(uniq, 7), AC_MAC, at(now + 200));
    return outputs.find(({ kind }) => kind === 'found');
  };
  t.match(measured(0), { roundTrip: 200 });
  t.match(measured(1), { roundTrip: 1000 }, 'no more than the first PADR waits');
  t.match(measured(2), { roundTrip: 1000 });
  t.end();
});

void t.test('discovery › the dial’s failure says why the PADSs that came were not taken', (t) => {
  const { discovery, uniq } = begun();
  discovery.receive(offer(uniq), AC_MAC, at(10));
  const outputs: Outputs = [];
  for (let i = 0; i < 40; i++) {
    discovery.receive(confirm(undefined, 7), AC_MAC, at(20 + i * 1000));
    outputs.push(...discovery.expire(at(30 + i * 1000)));
  }
  t.match(
    outputs.filter(({ kind }) => kind === 'unconfirmed'),
    [
      {
        reason:
          /^no acceptable PADS from bras .* after 3 PADR: no Host-Uniq, which RFC 2516 asks it to repeat$/,
      },
    ],
  );
  t.end();
});

void t.test(
  'discovery › P5, S4, S5: a PADS counts from the chosen MAC, with our Host-Uniq and a real SESSION_ID',
  (t) => {
    const { discovery, uniq } = begun();
    t.match(
      discovery.receive(confirm(uniq, 7), AC_MAC, at(5)),
      [{ kind: 'note', note: { on: 'ignored PADS' } }],
      'before any PADO',
    );
    discovery.receive(offer(uniq), AC_MAC, at(10));
    for (const [packet, source] of [
      [confirm(uniq, 7), OTHER_MAC],
      [confirm(other, 7), AC_MAC],
      [confirm(undefined, 7), AC_MAC],
    ] as const)
      t.match(discovery.receive(packet, source, at(11)), [
        { kind: 'note', note: { on: 'ignored PADS' } },
      ]);
    const outputs = discovery.receive(confirm(uniq, 0xfffe), AC_MAC, at(12));
    t.match(outputs.at(-1), {
      kind: 'found',
      session: { sessionId: 0xfffe, acMac: AC_MAC, maxPayload: 1492 },
    });
    t.equal(discovery.timers.next(), undefined);
    t.same(discovery.receive(confirm(uniq, 8), AC_MAC, at(13)), [], 'once');
    t.end();
  },
);

void t.test('discovery › P6: an error tag refuses even when a SESSION_ID comes with it', (t) => {
  const { discovery, uniq } = begun();
  discovery.receive(offer(uniq), AC_MAC, at(10));
  const outputs = discovery.receive(confirm(uniq, 7, error), AC_MAC, at(11));
  t.match(outputs.at(-1), { kind: 'refused', reason: 'bras refused: Generic-Error: busy' });
  t.end();
});

void t.test(
  'discovery › P15, S12: what an AC calls itself is escaped and cut before anyone reads it',
  (t) => {
    const { discovery, uniq } = begun({ acName: 'bras' });
    const name: Tag = { type: TAG['AC-Name'], value: utf8(`evil\n\u001b]0;${'x'.repeat(2000)}`) };
    const outputs = discovery.receive(
      { code: 'PADO', sessionId: 0, tags: [name, uniq] },
      AC_MAC,
      at(1),
    );
    const text = JSON.stringify(outputs);
    t.match(text, /evil\\\\x0a\\\\x1b/);
    t.ok(text.length < 1000);
    t.end();
  },
);

void t.test('discovery › a PADT or PADI of somebody else means nothing to it', (t) => {
  const { discovery, uniq } = begun();
  for (const code of ['PADT', 'PADI', 'PADR'] as const)
    t.same(discovery.receive({ code, sessionId: 7, tags: [uniq] }, AC_MAC, at(1)), []);
  t.end();
});

void t.test(
  'discovery › people hear once that no AC answers; after that the status says it',
  (t) => {
    const { discovery } = begun();
    const levels: string[] = [];
    for (let i = 0; i < 10; i++) {
      for (const output of discovery.expire(at(discovery.timers.next() ?? NaN)))
        if (output.kind === 'note') levels.push(output.note.level);
    }
    t.same(levels.filter((level) => level === 'warn').length, 1);
    t.match(discovery.machine.trouble, /no PADO from any Access Concentrator after 10 PADI/);
    t.end();
  },
);
