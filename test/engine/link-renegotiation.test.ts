/** LCP goes down under a session: what stops with it, and what may not be mistaken for a sign of life after it. */
import t from 'tap';
import type { Event } from '@ppp-thing/protocol/engine/events';
import type { LcpPacket } from '@ppp-thing/protocol/wire/ppp';
import { LinkPair, name } from './link-pair.ts';
import { AC_MAGIC, PEER } from './scripted-ac.ts';

const names = (pair: LinkPair): string[] => pair.sent.map(name);
const lcp = (packet: LcpPacket): Event => ({ kind: 'ppp', packet: { protocol: 'LCP', packet } });

void t.test('link › renegotiation › no Echo-Request goes out while LCP is not Opened', (t) => {
  const pair = new LinkPair().up().run(4900).forget();
  pair.deaf();
  pair.renegotiate().run(20_000);
  t.notOk(names(pair).includes('LCP Echo-Request'));
  t.same(pair.outcomes, [], 'and nobody is called silent');
  t.end();
});

void t.test(
  'link › renegotiation › an AC that begins it and vanishes is left within the counters’ time',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.deaf();
    pair.renegotiate().run(31_000);
    t.match(pair.closed, [/no LCP agreement/]);
    t.equal(names(pair).at(-1), 'PADT');
    t.end();
  },
);

void t.test('link › renegotiation › an answer to an Echo-Request of before is stale', (t) => {
  const pair = new LinkPair().up();
  pair.intercept = (sent) => (name(sent) === 'LCP Echo-Request' ? [] : undefined);
  pair.run(5000);
  const echo = pair.lcpSent.filter(({ code }) => code === 'Echo-Request').at(-1);
  pair.renegotiate().run(100);
  const data = new Uint8Array(0);
  const identifier = echo?.identifier ?? 0;
  pair.forget().feed(lcp({ code: 'Echo-Reply', identifier, magic: AC_MAGIC, data }));
  t.match(pair.notes, [{ on: 'ignored stale Echo-Reply' }]);
  t.end();
});

void t.test('link › renegotiation › PAP is not repeated once LCP is down', (t) => {
  const pair = new LinkPair({}, { auth: 'PAP' });
  pair.intercept = (sent) => (name(sent).startsWith('PAP') ? [] : undefined);
  pair.dial().run(100);
  t.equal(names(pair).at(-1), 'PAP Authenticate-Request');
  pair.deaf();
  pair.forget().renegotiate().run(10_000);
  t.notOk(names(pair).some((one) => one.startsWith('PAP')));
  t.end();
});

void t.test(
  'link › renegotiation › without carrier a session that opens again is not probed',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.feed({ kind: 'carrier', up: false }).renegotiate().run(100);
    t.match(pair.outcomes, [{ kind: 'opened' }]);
    pair.forget().run(100_000);
    t.same(pair.outputs, []);
    t.end();
  },
);

void t.test('link › authentication › IPCP before its end is not answered (RFC 1661 §3.5)', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent) => (name(sent) === 'CHAP Response' ? [] : undefined);
  pair.dial().run(100).forget();
  const options = [{ kind: 'address', address: PEER }] as const;
  pair.hear({ protocol: 'IPCP', packet: { code: 'Configure-Request', identifier: 1, options } });
  t.same(names(pair), []);
  t.end();
});

void t.test(
  'link › M4: a full-size Echo-Request is answered if its reply comes back cut, or empty: the way out is proven',
  (t) => {
    for (const length of [0, 100, 1484]) {
      const pair = new LinkPair({ mtu: 1500 }, { maxPayload: 1500 });
      pair.intercept = (sent) => {
        if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
        const { packet } = sent.packet;
        if (packet.code !== 'Echo-Request' || packet.data.length === 0) return undefined;
        const data = packet.data.subarray(0, length);
        return [lcp({ code: 'Echo-Reply', identifier: packet.identifier, magic: AC_MAGIC, data })];
      };
      pair.dial().run(3000);
      t.equal(pair.facts.maxPayload, 1500, `${length} octets of data`);
    }
    t.end();
  },
);

/** The AC begins `layer` anew each time that it has come as far as `at`. */
function restless(layer: 'LCP' | 'IPCP', when: string): LinkPair {
  const pair = new LinkPair();
  pair.intercept = (sent, ac) => {
    const answers = ac.answer(sent, pair.now);
    const done = answers.some(
      (event) =>
        event.kind === 'ppp' &&
        event.packet.protocol !== 'unknown' &&
        `${event.packet.protocol} ${event.packet.packet.code}` === when,
    );
    if (!done) return answers;
    if (layer === 'LCP')
      return [
        ...answers,
        ...ac.forgets(pair.now).map((packet): Event => ({ kind: 'ppp', packet })),
      ];
    const options = [{ kind: 'address', address: PEER }] as const;
    const packet = { code: 'Configure-Request', identifier: 200, options } as const;
    return [...answers, { kind: 'ppp', packet: { protocol: 'IPCP', packet } }];
  };
  return pair;
}

for (const [layer, when] of [
  ['LCP', 'CHAP Success'],
  ['IPCP', 'IPCP Configure-Ack'],
] as const) {
  void t.test(
    `link › renegotiation › an AC that begins ${layer} anew after each ${when} is a failing one: counted, named and backed off`,
    (t) => {
      const pair = restless(layer, when).dial();
      for (let s = 0; s < 600; s++) {
        if (pair.link.status().phase === 'Dead') pair.dial();
        pair.run(1000);
      }
      t.match(pair.closed[0], /restarts the negotiation again and again/);
      const opened = pair.outcomes.filter(({ kind }) => kind === 'opened').length;
      const dials = pair.discoverySent('PADI').length;
      t.ok(dials > 2 && dials < 14, `${dials} dials in ten minutes`);
      t.ok(opened <= dials * 8, `${opened} times opened`);
      t.ok(pair.link.status().attempts > 0 || layer === 'IPCP');
      t.end();
    },
  );
}

void t.test(
  'link › renegotiation › an AC that begins anew every 25 s and never opens is left after 90 s',
  (t) => {
    const pair = new LinkPair();
    pair.intercept = (sent) => (name(sent) === 'CHAP Response' ? [] : undefined);
    pair.dial();
    for (let i = 0; i < 5; i++) pair.run(25_000).renegotiate();
    t.match(pair.closed[0], /no session after 90 s/);
    t.end();
  },
);

void t.test('link › renegotiation › one a minute is borne', (t) => {
  const pair = new LinkPair().up();
  for (let i = 0; i < 30; i++) pair.run(61_000).renegotiate();
  t.same(pair.closed, []);
  t.end();
});

void t.test(
  'link › renegotiation › an AC that begins it every twenty seconds keeps its session',
  (t) => {
    for (const span of [20_000, 50_000, 300_000]) {
      const pair = new LinkPair().up();
      while (pair.now < 4 * 3_600_000) pair.renegotiate().run(span);
      t.same(pair.closed, [], `every ${span / 1000} s`);
      t.equal(pair.link.status().phase, 'Network');
    }
    t.end();
  },
);
