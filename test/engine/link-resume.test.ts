/** A session that moved here: proven without negotiation, or given up in good order. */
import t from 'tap';
import { LinkPair, name } from './link-pair.ts';
import { AC_MAGIC, AC_MAC, ADDRESS, SESSION_ID } from './scripted-ac.ts';

const FACTS = new LinkPair({ ipv6: true }).up().facts;
const names = (pair: LinkPair): string[] => pair.sent.map(name);

void t.test(
  'link › resume › one Echo-Request goes out at once, with the Magic-Number that was agreed',
  (t) => {
    const pair = new LinkPair({ ipv6: true }).resume(FACTS);
    t.match(pair.lcpSent, [
      {
        code: 'Echo-Request',
        magic: FACTS.ourMagic,
        // Far from those that the router before may have used.
        identifier: (FACTS.identifiers.lcp + 129) & 0xff,
      },
    ]);
    t.equal(pair.link.status().phase, 'Network');
    t.notOk(
      pair.outputs.some(({ kind }) => kind === 'attach' || kind === 'gate'),
      'ownership did that',
    );
    t.end();
  },
);

void t.test('link › resume › the Echo-Reply proves the session, and nothing is negotiated', (t) => {
  const pair = new LinkPair({ ipv6: true }).resume(FACTS).run(60_000);
  t.same(pair.outcomes, [{ kind: 'proven', rtt: 5 }]);
  t.ok(names(pair).every((n) => n === 'LCP Echo-Request'));
  t.end();
});

void t.test(
  'link › resume › without an answer: probes at their interval, one PADT, detach, closed',
  (t) => {
    const pair = new LinkPair();
    pair.deaf();
    pair.resume(FACTS).run(60_000);
    t.same(names(pair), [...Array.from({ length: 4 }, () => 'LCP Echo-Request'), 'PADT']);
    t.match(pair.discoverySent('PADT'), [{ at: 3000, packet: { sessionId: SESSION_ID } }]);
    t.match(pair.sent.at(-1), { destination: AC_MAC });
    t.match(pair.closed, [/answers no Echo-Request/]);
    t.equal(pair.link.status().phase, 'Dead', 'until ownership says dial');
    pair.forget().dial(FACTS);
    t.same(names(pair), ['PADI'], 'at once: the session had lived');
    t.end();
  },
);

void t.test(
  'link › resume › an AC that lost its state renegotiates on the same SESSION_ID (L12)',
  (t) => {
    const pair = new LinkPair({ ipv6: true });
    pair.intercept = (sent) => (name(sent) === 'LCP Echo-Request' ? [] : undefined);
    pair.resume(FACTS).renegotiate().run(2000);
    t.match(pair.outcomes, [
      { kind: 'opened', facts: { key: FACTS.key, ourAddress: ADDRESS, ourMagic: FACTS.ourMagic } },
      { kind: 'opened', facts: { interfaceIds: FACTS.interfaceIds ?? {} } },
    ]);
    t.equal(pair.facts.startedAt, FACTS.startedAt);
    const request = pair.sent.find((sent) => name(sent) === 'IPCP Configure-Request');
    t.match(request, { packet: { packet: { options: [{ address: ADDRESS }] } } });
    t.notOk(names(pair).some((n) => n.startsWith('PAD')));
    t.end();
  },
);

void t.test(
  'link › resume › a PADT in answer means that the session is gone, and nothing more is sent',
  (t) => {
    const pair = new LinkPair().resume(FACTS).forget().padt().run(10_000);
    t.match(pair.closed, [/sent PADT/]);
    t.same(names(pair), []);
    t.end();
  },
);

void t.test('link › resume › a re-challenge is answered', (t) => {
  const pair = new LinkPair().resume(FACTS).run(100).forget();
  pair.hear(pair.ac.challenge(99)).run(100);
  t.same(names(pair), ['CHAP Response']);
  t.same(pair.closed, []);
  t.end();
});

void t.test(
  'link › resume › a session of ppp_thing has no Magic-Number: 0 is sent and 0 expected',
  (t) => {
    const pair = new LinkPair({ magicNumber: false });
    pair.resume({ ...FACTS, ourMagic: 0, theirMagic: 0 }).run(100);
    t.match(pair.lcpSent, [{ magic: 0 }]);
    t.match(pair.outcomes, [{ kind: 'proven' }]);
    const other = new LinkPair().resume({ ...FACTS, ourMagic: 0, theirMagic: 0 });
    other
      .forget()
      .lcp({ code: 'Echo-Request', identifier: 1, magic: AC_MAGIC, data: new Uint8Array(0) });
    t.match(
      other.lcpSent,
      [{ code: 'Echo-Reply', magic: 0 }],
      'whatever the configuration says now',
    );
    t.end();
  },
);

void t.test(
  'link › resume › where IPV6CP was not yet Opened, it is tried once the session is proven',
  (t) => {
    const { interfaceIds: _, ...facts } = FACTS;
    const pair = new LinkPair({ ipv6: true }).resume(facts);
    t.same(names(pair), ['LCP Echo-Request']);
    pair.run(1000);
    t.match(pair.outcomes, [{ kind: 'proven' }, { kind: 'opened', facts: { interfaceIds: {} } }]);
    t.end();
  },
);

void t.test(
  'link › resume › may be asked for again while it runs: one more Echo-Request, nothing else',
  (t) => {
    const pair = new LinkPair({ ipv6: true }).resume(FACTS).run(1000).forget().resume(FACTS);
    t.same(names(pair), ['LCP Echo-Request']);
    pair.run(1000);
    t.match(pair.outcomes, [{ kind: 'proven' }]);
    t.end();
  },
);

void t.test(
  'link › resume › without carrier nothing is asked or given up until it is back',
  (t) => {
    const pair = new LinkPair().feed({ kind: 'carrier', up: false }).resume(FACTS).run(100_000);
    t.same(names(pair), []);
    t.same(pair.outcomes, []);
    pair.feed({ kind: 'carrier', up: true }).run(1000);
    t.match(pair.outcomes, [{ kind: 'proven' }]);
    t.end();
  },
);

void t.test('link › resume › suspend forgets the session and is silent', (t) => {
  const pair = new LinkPair().resume(FACTS).run(1000).forget().suspend().run(100_000);
  t.same(
    pair.outputs.filter(({ kind }) => kind !== 'note'),
    [],
  );
  pair
    .lcp({ code: 'Echo-Request', identifier: 1, magic: AC_MAGIC, data: new Uint8Array(0) })
    .padt();
  t.same(
    pair.outputs.filter(({ kind }) => kind !== 'note'),
    [],
  );
  t.equal(pair.link.deadline(), undefined);
  t.end();
});

void t.test(
  'link › resume › a Magic-Number that was never learned, as of a session of ppp_thing, is not compared',
  (t) => {
    const pair = new LinkPair({ magicNumber: false }, { echo: { magic: AC_MAGIC } });
    pair.resume({ ...FACTS, ourMagic: 0, theirMagic: 0 }).run(600_000);
    t.match(pair.outcomes, [{ kind: 'proven' }], 'and it lives on');
    t.notOk(pair.notes.some(({ level }) => level === 'warn'));
    t.end();
  },
);

void t.test(
  'link › suspend › why the last session ended is no longer this router’s to say',
  (t) => {
    const pair = new LinkPair();
    pair.deaf().resume(FACTS).run(60_000);
    t.match(pair.link.status().lastError, /answers no Echo-Request/);
    t.equal(pair.suspend().link.status().lastError, undefined);
    t.end();
  },
);
