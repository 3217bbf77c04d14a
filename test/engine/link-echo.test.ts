/** Whether the AC still lives: Echo-Requests, their answers, and every other sign of life. */
import t from 'tap';
import { seconds } from '@ppp-thing/protocol/time';
import { CONFIG, LinkPair, name } from './link-pair.ts';
import { AC_MAGIC, at } from './scripted-ac.ts';
import { NOTHING, echo, fromAc, names, said } from './link-bench.ts';

void t.test(
  'link › L9: an Echo-Request is answered with our Magic-Number and its data, cut to the peer’s MRU',
  (t) => {
    const pair = new LinkPair().up();
    const magic = pair.facts.ourMagic;
    const data = Uint8Array.of(1, 2, 3);
    pair.forget().lcp(echo(9, AC_MAGIC, data));
    t.same(pair.lcpSent, [{ code: 'Echo-Reply', identifier: 9, magic, data }]);
    pair.forget().lcp(echo(10, AC_MAGIC, new Uint8Array(4000)));
    t.match(pair.lcpSent, [{ data: { length: 1484 } }]);
    t.end();
  },
);

void t.test('link › L9: an Echo-Request before LCP is Opened is not answered', (t) => {
  const pair = new LinkPair({}, { pppDelay: 1e9 }).dial().run(100).forget();
  pair.lcp(echo(9, AC_MAGIC));
  t.same(names(pair), []);
  t.end();
});

void t.test(
  'link › L10, S6: our own Magic-Number coming back ends the session after a few, not before',
  (t) => {
    const pair = new LinkPair().up();
    const { ourMagic } = pair.facts;
    // Each of our Echo-Requests comes back, and nothing else.
    pair.intercept = (each) => {
      const isEcho = each.kind === 'send-ppp' && name(each) === 'LCP Echo-Request';
      return isEcho ? [{ kind: 'ppp', packet: each.packet }] : undefined;
    };
    pair.forget().run(16_000);
    t.same(pair.closed, []);
    t.notOk(names(pair).includes('LCP Echo-Reply'), 'it is never answered');
    pair.run(10_000);
    t.match(pair.closed, [/line is looped/]);
    t.not(ourMagic, 0);
    t.end();
  },
);

void t.test('link › an AC whose own Echo-Requests carry our Magic-Number is no loop', (t) => {
  const pair = new LinkPair().up();
  const { ourMagic } = pair.facts;
  for (let i = 0; i < 20; i++) pair.run(1000).lcp(echo(200 + i, ourMagic));
  t.same(pair.closed, []);
  t.equal(names(pair).filter((each) => each === 'LCP Echo-Reply').length, 20);
  t.end();
});

void t.test(
  'link › an Echo-Reply to the outstanding Identifier is a sign of life, whatever its Magic-Number; one line says so',
  (t) => {
    for (const magic of [0, AC_MAGIC + 1, 'ours'] as const) {
      const pair = new LinkPair();
      pair.up();
      pair.ac.temperament = {
        ...pair.ac.temperament,
        echo: { magic: magic === 'ours' ? pair.facts.ourMagic : magic },
      };
      pair.forget().run(600_000);
      t.same(pair.outcomes, [], `Magic-Number ${magic}`);
      t.equal(pair.notes.filter(({ level }) => level === 'warn').length, 1);
    }
    t.end();
  },
);

/** Each Echo-Request is answered with these, instead of by the AC. */
const answered = (...replies: readonly { readonly away: number; readonly magic: number }[]) =>
  ((sent) => {
    if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
    const { packet } = sent.packet;
    if (packet.code !== 'Echo-Request') return undefined;
    return replies.map(({ away, magic }) => {
      const identifier = (packet.identifier + away) & 0xff;
      return fromAc({ code: 'Echo-Reply', identifier, magic, data: NOTHING });
    });
  }) satisfies LinkPair['intercept'];

void t.test('link › an AC that counts its Echo-Replies by itself lives; one line says so', (t) => {
  for (const failures of [2, 3]) {
    const echo = { ...CONFIG.echo, failures };
    const pair = new LinkPair({ echo }).up();
    pair.intercept = answered({ away: 100, magic: AC_MAGIC });
    pair.forget().run(600_000);
    t.same(pair.outcomes, []);
    t.equal(pair.notes.filter(({ level }) => level === 'warn').length, 1);
  }
  t.end();
});

void t.test('link › M4: such an AC shows by the length that a full-size one arrived', (t) => {
  const pair = new LinkPair({ mtu: 1500 }, { maxPayload: 1500 });
  pair.intercept = (sent, ac) =>
    ac.answer(sent, pair.now).map((event) => {
      const { packet } = event.kind === 'ppp' ? event : { packet: undefined };
      if (packet?.protocol !== 'LCP' || packet.packet.code !== 'Echo-Reply') return event;
      return fromAc({ ...packet.packet, identifier: (packet.packet.identifier + 100) & 0xff });
    });
  pair.up().run(60_000);
  t.equal(pair.outcomes.length, 1, 'it is not narrowed');
  t.equal(pair.facts.maxPayload, 1500);
  t.equal(said(pair, 'full-size Echo-Request answered').length, 1);
  t.end();
});

void t.test('link › L11: an Echo-Reply to the former holder proves no path of ours', (t) => {
  const { facts } = new LinkPair().up();
  const stale = fromAc({ code: 'Echo-Reply', identifier: 3, magic: AC_MAGIC, data: NOTHING });
  const pair = new LinkPair().deaf().resume(facts);
  pair.feed(stale).run(10).feed(stale);
  t.same(pair.outcomes, []);
  t.match(pair.run(60_000).outcomes, [{ kind: 'closed' }]);
  t.end();
});

void t.test('link › L11: our own Echo-Reply coming back is no sign of life', (t) => {
  const pair = new LinkPair().up();
  pair.intercept = answered({ away: 100, magic: pair.facts.ourMagic });
  pair.run(60_000);
  t.match(pair.outcomes.slice(1), [{ kind: 'silent' }, { kind: 'closed' }]);
  t.end();
});

void t.test(
  'link › with no Magic-Number agreed, an answer with 0 is a sign of life (§5.8)',
  (t) => {
    const pair = new LinkPair({ magicNumber: false });
    pair.intercept = (sent) => {
      if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
      const { packet } = sent.packet;
      return packet.code === 'Echo-Request' && packet.magic !== 0 ? [] : undefined;
    };
    pair.up().run(60_000);
    t.equal(pair.facts.ourMagic, 0);
    t.equal(pair.outcomes.length, 1, 'neither silent nor closed');
    t.end();
  },
);

void t.test('link › Echo-Requests go out at the interval, and their answers are timed', (t) => {
  const pair = new LinkPair().up().forget().run(25_000);
  t.equal(pair.lcpSent.length, 5);
  t.same(pair.outcomes, []);
  t.match(pair.link.status(), { echoRtt: 5, unansweredEchoes: 0, lostEchoes: 0 });
  t.end();
});

void t.test(
  'link › a silent AC is probed after three failures, told PADT after four more, and left',
  (t) => {
    const pair = new LinkPair().up().forget();
    const since = pair.now;
    pair.deaf();
    pair.run(60_000);
    t.match(pair.outcomes, [
      { kind: 'silent' },
      { kind: 'closed', reason: /answers no Echo-Request/ },
    ]);
    t.equal(pair.lcpSent.filter(({ code }) => code === 'Echo-Request').length, 7);
    t.same(names(pair).slice(7), ['PADT'], 'one PADT and nothing after');
    t.match(
      pair.outputs.slice(-4).map(({ kind }) => kind),
      ['send-discovery', 'detach', 'note', 'outcome'],
    );
    const closedAt = pair.log.at(-1)?.at ?? at(0);
    t.ok(closedAt - since <= 5000 * 4 + 500 * 4, `${closedAt - since} ms`);
    t.match(pair.link.status(), { phase: 'Dead', lostEchoes: 7 }, 'and all of them are counted');
    t.end();
  },
);

void t.test('link › an AC that answers a probe is live again', (t) => {
  const pair = new LinkPair().up().forget();
  pair.deaf();
  while (pair.outcomes.length === 0) pair.run(100);
  pair.hearing();
  const { unansweredEchoes, lostEchoes } = pair.link.status();
  t.strictSame([unansweredEchoes, lostEchoes], [1, 3], 'the probe may still be answered');
  pair.run(30_000);
  t.match(pair.link.status(), { unansweredEchoes: 0, lostEchoes: 3 + 1 }, 'it was not');
  t.match(pair.outcomes, [{ kind: 'silent' }, { kind: 'proven', rtt: 5 }]);
  t.end();
});

void t.test(
  'link › carrier › echoes are paused without it, not counted, and asked at once when it is back',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.feed({ kind: 'carrier', up: false }).run(600_000);
    t.same(names(pair), []);
    t.same(pair.outcomes, []);
    pair.feed({ kind: 'carrier', up: true });
    t.same(names(pair), ['LCP Echo-Request']);
    pair.run(60_000);
    t.same(pair.outcomes, [{ kind: 'proven', rtt: 5 }], 'and the owner hears once that it lives');
    t.end();
  },
);

// --- life without Echo-Replies -----------------------------------------------------------------------------------

const ECHO = { interval: seconds(5), failures: 3, probeInterval: seconds(0.5), probeFailures: 4 };

void t.test('link › an AC that answers no Echo-Request and asks its own lives', (t) => {
  const pair = new LinkPair({}, { echo: 'none' }).up().forget();
  for (let i = 0; i < 60; i++) pair.lcp(echo(i, AC_MAGIC)).run(10_000);
  t.same(pair.outcomes, []);
  t.end();
});

void t.test('link › a control packet of any protocol proves a session that was silent', (t) => {
  const pair = new LinkPair({}, { echo: 'none' }).up().forget();
  while (pair.outcomes.length === 0) pair.run(100);
  pair.hear(pair.ac.challenge(9));
  t.match(pair.outcomes, [{ kind: 'silent' }, { kind: 'proven' }]);
  t.end();
});

void t.test(
  'link › octets that the kernel receives are life: they are counted before silence is spoken of',
  (t) => {
    const pair = new LinkPair({}, { echo: 'none' }).up().forget();
    let octetsIn = 1000;
    let counts = 0;
    pair.onOutput = (output) => {
      if (output.kind !== 'count') return;
      counts += 1;
      octetsIn += 60;
      pair.line.push({ at: at(pair.now + 1), event: { kind: 'counted', octetsIn } });
    };
    pair.run(600_000);
    t.same(pair.outcomes, [], 'neither silent nor closed in ten minutes');
    t.ok(counts > 10);
    pair.onOutput = (output) => {
      if (output.kind === 'count')
        pair.line.push({ at: at(pair.now + 1), event: { kind: 'counted', octetsIn } });
    };
    pair.run(60_000);
    t.match(
      pair.outcomes,
      [{ kind: 'silent' }, { kind: 'closed' }],
      'the same count again is none',
    );
    t.end();
  },
);

void t.test('link › an AC that answers is never counted', (t) => {
  const pair = new LinkPair().up().run(600_000);
  t.notOk(pair.outputs.some(({ kind }) => kind === 'count'));
  t.end();
});

void t.test(
  'link › an AC that Code-Rejects Echo has none, and is asked no more (RFC 1661 §5.6)',
  (t) => {
    const pair = new LinkPair();
    pair.intercept = (sent) => {
      if (name(sent) !== 'LCP Echo-Request') return undefined;
      return [fromAc({ code: 'Code-Reject', identifier: 1, rejected: Uint8Array.of(9, 1, 0, 8) })];
    };
    pair.up().run(600_000);
    t.equal(pair.outcomes.length, 1, 'opened, and neither silent nor closed');
    t.equal(names(pair).filter((n) => n === 'LCP Echo-Request').length, 1);
    const resumed = new LinkPair();
    resumed.intercept = pair.intercept;
    resumed.resume(pair.facts).run(60_000);
    t.match(resumed.outcomes, [{ kind: 'proven' }], 'and the one who takes over learns it as well');
    t.end();
  },
);

for (const off of [{ interval: seconds(0) }, { failures: 0 }]) {
  void t.test(
    `link › with ${JSON.stringify(off)} no Echo-Request goes out, not even on resuming`,
    (t) => {
      const pair = new LinkPair({ echo: { ...ECHO, ...off } }, { echo: 'none' }).up();
      pair.feed({ kind: 'carrier', up: false }).run(1000).feed({ kind: 'carrier', up: true });
      pair.run(600_000);
      t.match(pair.outcomes, [{ kind: 'opened' }, { kind: 'proven' }], 'back with the carrier');
      const other = new LinkPair({ echo: { ...ECHO, ...off } }).resume(pair.facts).run(600_000);
      t.match(other.outcomes, [{ kind: 'proven' }]);
      t.notOk([...names(pair), ...names(other)].includes('LCP Echo-Request'));
      t.end();
    },
  );
}

void t.test(
  'link › an AC that has answered is held to it: silent whatever comes in, and given up only when nothing does',
  (t) => {
    const pair = new LinkPair().up().run(10_000).forget();
    pair.intercept = (sent) => (name(sent) === 'LCP Echo-Request' ? [] : undefined);
    for (let i = 0; i < 120; i++) pair.lcp(echo(i, AC_MAGIC)).run(1000);
    t.same(pair.outcomes, [{ kind: 'silent' }], 'what comes in says nothing of the way out');
    pair.run(10_000);
    t.match(pair.outcomes, [{ kind: 'silent' }, { kind: 'closed' }]);
    t.end();
  },
);
