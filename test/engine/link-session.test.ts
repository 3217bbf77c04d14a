/** A session that is up: what it answers, what ends it, and what does not. */
import t from 'tap';
import type { Event } from '@ppp-thing/protocol/engine/events';
import { utf8 } from '@ppp-thing/protocol/printable';
import { TAG } from '@ppp-thing/protocol/wire/pppoe';
import type { LcpPacket } from '@ppp-thing/protocol/wire/ppp';
import { LinkPair, name } from './link-pair.ts';
import { AC_MAC, AC_MAGIC, ADDRESS, at, OTHER_MAC, PEER, SESSION_ID } from './scripted-ac.ts';
import { NOTHING, echo, fromAc, names, said } from './link-bench.ts';

void t.test('link › an AC that restarts IPV6CP for ever loses IPv6, and nothing else', (t) => {
  const pair = new LinkPair({ ipv6: true }).up();
  const interfaceId = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xac);
  const options = [{ kind: 'interfaceId', interfaceId }] as const;
  for (let i = 0; i < 200; i++)
    pair
      .feed({
        kind: 'ppp',
        packet: {
          protocol: 'IPV6CP',
          packet: { code: 'Configure-Request', identifier: i, options },
        },
      })
      .run(100);
  t.same(pair.closed, []);
  const changes = pair.outcomes.filter(({ kind }) => kind === 'opened').length;
  t.ok(changes < 20, `the snapshot changes ${changes} times`);
  t.notOk('interfaceIds' in pair.facts);
  t.match(said(pair, 'no IPv6'), [{ level: 'warn' }]);
  t.end();
});

void t.test(
  'link › a protocol that the AC rejects, or asks for, again and again is one warning',
  (t) => {
    const pair = new LinkPair().up();
    for (let i = 0; i < 30; i++) {
      pair.lcp({ code: 'Protocol-Reject', identifier: i, protocol: 0x0021, rejected: NOTHING });
      pair.feed({
        kind: 'ppp',
        packet: { protocol: 'unknown', number: 0x80fd, information: NOTHING },
      });
      pair.run(200);
    }
    for (const on of ['Protocol-Reject', 'unknown protocol'])
      t.equal(said(pair, on).filter(({ level }) => level === 'warn').length, 1, on);
    t.equal(names(pair).filter((each) => each === 'LCP Protocol-Reject').length, 30);
    t.end();
  },
);

void t.test('link › IPV6CP, or Echo, that the AC rejects again and again is said once', (t) => {
  const pair = new LinkPair({ ipv6: true }).up();
  for (let i = 0; i < 200; i++) {
    pair.lcp({ code: 'Protocol-Reject', identifier: i, protocol: 0x8057, rejected: NOTHING });
    pair.lcp({ code: 'Code-Reject', identifier: i, rejected: Uint8Array.of(9, 1, 0, 8) });
    pair.run(50);
  }
  t.equal(pair.outcomes.length, 2, 'opened, and opened without IPv6');
  t.equal(said(pair, 'the AC has no Echo').filter(({ level }) => level === 'warn').length, 1);
  t.end();
});

void t.test('link › the end says what the AC rejected, or said when it ended IPCP', (t) => {
  const rejected = Uint8Array.of(1, 1, 0, 4);
  const code = new LinkPair().up().lcp({ code: 'Code-Reject', identifier: 1, rejected });
  t.match(code.run(10_000).closed, [/^the AC rejects code 1 of LCP$/]);
  const lcp = new LinkPair().up();
  lcp.lcp({ code: 'Protocol-Reject', identifier: 1, protocol: 0xc021, rejected: NOTHING });
  t.match(lcp.run(10_000).closed, [/^the AC rejects LCP$/]);
  const ipcp = new LinkPair().up();
  const packet = {
    code: 'Terminate-Request',
    identifier: 1,
    data: utf8('pool exhausted'),
  } as const;
  ipcp.feed({ kind: 'ppp', packet: { protocol: 'IPCP', packet } }).run(10_000);
  t.match(ipcp.closed, [/^the AC ended IPCP: pool exhausted$/]);
  t.end();
});

void t.test('link › a peer that insists on what we refuse is not answered for ever', (t) => {
  const pair = new LinkPair().dial();
  pair.intercept = (each) => (each.kind === 'send-ppp' ? [] : undefined);
  for (let i = 0; i < 50; i++)
    pair
      .run(100)
      .lcp({ code: 'Configure-Request', identifier: i, options: [{ kind: 'mru', mru: 0 }] });
  const answers = names(pair).filter((each) => /Configure-(?:Nak|Reject)/.test(each));
  t.ok(answers.length <= 20, `${answers.length} answers`);
  t.match(pair.run(20_000).closed[0], /it insists on mru/);
  t.end();
});

void t.test('link › P7, S1: a PADT counts only from the AC’s MAC with our SESSION_ID', (t) => {
  const pair = new LinkPair().up().forget();
  pair.padt(SESSION_ID, OTHER_MAC).padt(SESSION_ID + 1);
  t.same(pair.closed, []);
  t.same(names(pair), []);
  pair.padt(SESSION_ID, undefined, [{ type: TAG['Generic-Error'], value: utf8('bye\r\n') }]);
  t.same(pair.closed, ['the AC sent PADT: Generic-Error: bye\\x0d\\x0a']);
  t.same(names(pair), [], 'nothing is sent after it, not even a Terminate-Request (RFC 2516 §5.5)');
  t.ok(pair.outputs.some(({ kind }) => kind === 'detach'));
  pair.forget().run(100_000).lcp(echo(1, AC_MAGIC));
  t.same(pair.outputs, []);
  t.end();
});

void t.test('link › S2: PADT on PADT makes the dials rarer', (t) => {
  const pair = new LinkPair();
  for (let i = 0; i < 6; i++) {
    pair.dial();
    for (let s = 0; s < 400 && pair.outcomes.at(-1)?.kind !== 'opened'; s++) pair.run(1000);
    pair.padt();
  }
  const times = pair.discoverySent('PADI').map(({ at }) => at);
  const spans = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  t.ok((spans.at(-1) ?? 0) > 8 * (spans[0] ?? 0), spans.join(' '));
  t.end();
});

void t.test('link › a session that served for a minute is dialled again at once', (t) => {
  const pair = new LinkPair().up().run(61_000);
  pair.padt().forget().dial();
  t.same(names(pair), ['PADI']);
  t.end();
});

void t.test(
  'link › L5: an unknown protocol is Protocol-Rejected when LCP is Opened, and dropped before',
  (t) => {
    const information = Uint8Array.from({ length: 2000 }, () => 7);
    const ccp = { protocol: 'unknown', number: 0x80fd, information } as const;
    const early = new LinkPair({}, { pppDelay: 1e9 }).dial().run(100).forget().hear(ccp);
    t.same(names(early), []);
    const pair = new LinkPair().up().forget().hear(ccp);
    t.match(pair.lcpSent, [
      { code: 'Protocol-Reject', protocol: 0x80fd, rejected: { length: 1486 } },
    ]);
    t.end();
  },
);

void t.test('link › L5: without IPv6 configured, IPV6CP is Protocol-Rejected', (t) => {
  const pair = new LinkPair().up().forget();
  const packet = { code: 'Configure-Request', identifier: 1, options: [] } as const;
  const information = Uint8Array.of(1, 1, 0, 4);
  pair.hear({ protocol: 'IPV6CP', packet, information });
  t.match(pair.lcpSent, [{ code: 'Protocol-Reject', protocol: 0x8057, rejected: information }]);
  t.end();
});

void t.test(
  'link › L6: an unknown Code is Code-Rejected, and a rejection of ours is not answered',
  (t) => {
    const pair = new LinkPair().up().forget();
    const raw = Uint8Array.of(99, 3, 0, 4);
    pair.lcp({ code: 'unknown', number: 99, identifier: 3, raw });
    t.match(pair.lcpSent, [{ code: 'Code-Reject', rejected: raw }]);
    pair.forget().lcp({ code: 'Code-Reject', identifier: 1, rejected: Uint8Array.of(12, 1, 0, 8) });
    t.same(names(pair), []);
    t.equal(pair.link.status().phase, 'Network');
    t.end();
  },
);

void t.test(
  'link › L7: a Protocol-Reject of LCP or IPCP is fatal, of anything else it is not',
  (t) => {
    const reject = (protocol: number): LcpPacket => ({
      code: 'Protocol-Reject',
      identifier: 1,
      protocol,
      rejected: NOTHING,
    });
    for (const protocol of [0xc021, 0x8021]) {
      const pair = new LinkPair().up().forget().lcp(reject(protocol)).run(5000);
      t.equal(pair.closed.length, 1);
    }
    for (const protocol of [0x8057, 0x80fd, 0xc223, 0x1234]) {
      const pair = new LinkPair({ ipv6: true }).up().forget().lcp(reject(protocol)).run(5000);
      t.same(pair.closed, []);
    }
    t.end();
  },
);

void t.test('link › a Protocol-Reject of IPV6CP takes only IPv6 away', (t) => {
  const pair = new LinkPair({ ipv6: true }).up();
  t.ok('interfaceIds' in pair.facts);
  pair.lcp({ code: 'Protocol-Reject', identifier: 1, protocol: 0x8057, rejected: NOTHING });
  t.notOk('interfaceIds' in pair.facts);
  t.same(pair.facts.ourAddress, ADDRESS);
  t.end();
});

void t.test('link › L8: a Terminate-Request is acknowledged; the PADT is the AC’s', (t) => {
  const pair = new LinkPair().up().forget();
  pair.lcp({ code: 'Terminate-Request', identifier: 3, data: utf8('maintenance\u0007') });
  t.match(pair.lcpSent, [{ code: 'Terminate-Ack', identifier: 3 }]);
  t.equal(pair.link.status().phase, 'Terminate');
  t.same(pair.closed, [], 'a restart period passes first');
  pair.run(3000);
  t.same(pair.closed, ['the AC terminated the link: maintenance\\x07']);
  t.same(names(pair), ['LCP Terminate-Ack']);
  t.ok(pair.outputs.some(({ kind }) => kind === 'detach'));
  t.end();
});

void t.test('link › P8: hanging up says Terminate-Request first, then PADT', (t) => {
  const pair = new LinkPair().up().forget().hangUp();
  t.same(names(pair), ['LCP Terminate-Request']);
  pair.run(100);
  t.same(names(pair), ['LCP Terminate-Request', 'PADT']);
  t.same(pair.closed, ['disconnected by the operator']);
  t.equal(pair.link.deadline(), undefined);
  t.end();
});

void t.test('link › hanging up on a dead AC ends after two Terminate-Requests', (t) => {
  const pair = new LinkPair().up().forget();
  pair.deaf();
  pair.hangUp().run(10_000);
  t.same(names(pair), ['LCP Terminate-Request', 'LCP Terminate-Request', 'PADT']);
  t.equal(pair.closed.length, 1);
  t.end();
});

void t.test('link › hanging up while dialling, waiting or dead ends at once', (t) => {
  const dialling = new LinkPair().dial().forget().hangUp();
  t.same(dialling.closed, ['disconnected by the operator']);
  t.same(names(dialling), []);
  t.equal(dialling.link.deadline(), undefined);
  t.equal(new LinkPair().hangUp().closed.length, 1);
  t.end();
});

void t.test('link › a dial asked for while hanging up begins when that is done', (t) => {
  const pair = new LinkPair().up().forget().hangUp().dial();
  t.same(names(pair), ['LCP Terminate-Request']);
  pair.run(1000);
  t.equal(pair.outcomes.at(-1)?.kind, 'opened');
  t.end();
});

void t.test(
  'link › L12: a Configure-Request in Opened renegotiates on the same session, with our address',
  (t) => {
    const pair = new LinkPair().up();
    const before = pair.facts;
    pair.forget().renegotiate();
    t.equal(pair.link.status().phase, 'Establish');
    pair.run(1000);
    t.same(pair.closed, []);
    t.same(pair.facts.key, before.key);
    t.same(pair.facts.ourAddress, before.ourAddress);
    t.equal(pair.facts.ourMagic, before.ourMagic);
    t.equal(pair.facts.startedAt, before.startedAt);
    t.notOk(pair.outputs.some(({ kind }) => kind === 'detach' || kind === 'send-discovery'));
    t.end();
  },
);

void t.test('link › IPCP alone may be renegotiated, and a new address is reported', (t) => {
  const pair = new LinkPair().up().forget();
  const other = Uint8Array.of(203, 0, 113, 99);
  pair.ac.temperament = { ...pair.ac.temperament, address: other };
  const options = [{ kind: 'address', address: PEER }] as const;
  pair.hear({ protocol: 'IPCP', packet: { code: 'Configure-Request', identifier: 50, options } });
  pair.run(1000);
  t.match(pair.outcomes, [{ kind: 'opened', facts: { ourAddress: other } }]);
  t.end();
});

void t.test(
  'link › L13: Identification, Time-Remaining and Vendor-Specific are noted, escaped, and change nothing',
  (t) => {
    const pair = new LinkPair().up().forget();
    const message = utf8('hello\n\u001b[2J');
    pair.lcp({ code: 'Identification', identifier: 1, magic: AC_MAGIC, message });
    pair.lcp({ code: 'Time-Remaining', identifier: 2, magic: AC_MAGIC, seconds: 60, message });
    pair.lcp({ code: 'Vendor-Specific', identifier: 3, magic: AC_MAGIC, data: message });
    pair.lcp({ code: 'Discard-Request', identifier: 4, magic: AC_MAGIC, data: message });
    t.same(
      pair.outputs.filter(({ kind }) => kind !== 'note'),
      [],
    );
    t.equal(pair.notes.length, 3);
    t.match(pair.notes[0]?.facts, { message: 'hello\\x0a\\x1b[2J' });
    t.end();
  },
);

void t.test('link › S12: a long text from the AC is cut in the log', (t) => {
  const pair = new LinkPair().up().forget();
  pair.padt(SESSION_ID, undefined, [{ type: TAG['Generic-Error'], value: utf8('x'.repeat(5000)) }]);
  t.ok((pair.closed[0]?.length ?? 1e9) < 200);
  t.end();
});

void t.test(
  'link › a CHAP Challenge in an open session is answered, and its refusal ends the session',
  (t) => {
    const pair = new LinkPair().up().forget().hear(new LinkPair().ac.challenge(7));
    t.same(names(pair), ['CHAP Response']);
    pair.run(100);
    t.same(pair.closed, []);
    pair.ac.temperament = { ...pair.ac.temperament, password: 'changed' };
    pair.hear(pair.ac.challenge(8)).run(5000);
    t.match(pair.closed, [/refused user alice/]);
    t.end();
  },
);

void t.test('link › session-closed › with a PADT on its heels it is the AC’s doing', (t) => {
  const pair = new LinkPair().up().forget();
  pair.feed({ kind: 'session-closed' }).run(20).padt();
  t.match(pair.closed, [/sent PADT/]);
  t.same(names(pair), []);
  pair.run(10_000);
  t.notOk(pair.outputs.some(({ kind }) => kind === 'attach'));
  t.end();
});

void t.test(
  'link › session-closed › without a PADT the session is joined again and probed',
  (t) => {
    const pair = new LinkPair().up().forget().feed({ kind: 'session-closed' }).run(5000);
    const kinds = pair.outputs.map(({ kind }) => kind).filter((kind) => kind !== 'note');
    t.same(kinds.slice(0, 3), ['attach', 'gate', 'send-ppp']);
    t.match(pair.outcomes, [{ kind: 'proven' }]);
    t.same(pair.closed, []);
    t.end();
  },
);

void t.test(
  'link › session-closed › a kernel that gives it up again and again is believed in the end',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.deaf();
    for (let i = 0; i < 5 && pair.closed.length === 0; i++)
      pair.feed({ kind: 'session-closed' }).run(600);
    t.same(pair.closed, ['the kernel keeps giving the session up']);
    t.end();
  },
);

void t.test('link › a failed attach ends the session with the kernel’s words', (t) => {
  const pair = new LinkPair().up().forget();
  pair.feed({ kind: 'failed', action: 'attach', code: 'EEXIST', message: 'session in use' });
  t.same(pair.closed, ['attach session: EEXIST: session in use']);
  t.same(names(pair), ['PADT']);
  t.end();
});

// --- how the AC says that it is over ------------------------------------------------------------------------------

void t.test(
  'link › the AC’s last words are the reason, also when a PADT follows on their heels',
  (t) => {
    const pair = new LinkPair().up().forget();
    pair.lcp({ code: 'Terminate-Request', identifier: 3, data: utf8('Session timeout') }).padt();
    t.same(pair.closed, ['the AC terminated the link: Session timeout']);
    const early = new LinkPair({}, { pppDelay: 1e9 }).dial().run(100).forget();
    early.lcp({ code: 'Terminate-Request', identifier: 3, data: utf8('MPPE required') }).padt();
    t.same(early.closed, ['the AC terminated the link: MPPE required'], 'in any state of LCP');
    t.end();
  },
);

void t.test(
  'link › an AC that refuses us by Terminate-Request or PADT is waited for as after a Failure',
  (t) => {
    const dialsOf = (refuse: (pair: LinkPair) => void): number => {
      const pair = new LinkPair();
      pair.intercept = (sent) => {
        if (name(sent) !== 'CHAP Response') return undefined;
        refuse(pair);
        return [];
      };
      return pair.dial().run(600_000).discoverySent('PADI').length;
    };
    const data = utf8('');
    const terminate = fromAc({ code: 'Terminate-Request', identifier: 9, data });
    const byTerminate = dialsOf((pair) =>
      pair.line.push({ at: at(pair.now + 5), event: terminate }),
    );
    const padt = { code: 'PADT', sessionId: SESSION_ID, tags: [] } as const;
    const byPadt = dialsOf((pair) =>
      pair.line.push({
        at: at(pair.now + 5),
        event: { kind: 'discovery', source: AC_MAC, packet: padt },
      }),
    );
    const wrong = new LinkPair({}, { password: 'another' }).dial().run(600_000);
    const byFailure = wrong.discoverySent('PADI').length;
    t.ok(Math.abs(byTerminate - byFailure) <= 1, `${byTerminate} and ${byFailure} dials`);
    t.ok(Math.abs(byPadt - byFailure) <= 1, `${byPadt} and ${byFailure} dials`);
    t.end();
  },
);

void t.test('link › 1,000 frames a second of a stranger take nothing from the session', (t) => {
  const uniq = utf8('whatever');
  for (const code of ['PADO', 'PADS', 'PADT', 'PADI', 'PADR'] as const) {
    const pair = new LinkPair().up().forget();
    const junk: Event = {
      kind: 'discovery',
      source: OTHER_MAC,
      packet: {
        code,
        sessionId: SESSION_ID,
        tags: [{ type: TAG['Host-Uniq'], value: uniq }],
      },
    };
    let answered = 0;
    for (let ms = 0; ms < 10_000; ms++) {
      pair.feed(junk).run(1);
      if (ms % 1000 !== 0) continue;
      pair.lcp(echo(ms & 0xff, AC_MAGIC));
      answered += 1;
    }
    t.equal(pair.lcpSent.filter((p) => p.code === 'Echo-Reply').length, answered, code);
    t.same(pair.outcomes, [], 'and our own Echo-Requests are answered as well');
    pair.padt();
    t.equal(pair.closed.length, 1, 'the AC’s PADT is heard in the middle of it');
  }
  t.end();
});

void t.test('link › a flood of PADOs does not keep the dial from its AC', (t) => {
  const pair = new LinkPair();
  const junk: Event = {
    kind: 'discovery',
    source: OTHER_MAC,
    packet: { code: 'PADO', sessionId: 0, tags: [] },
  };
  for (let i = 0; i < 5000; i++) pair.feed(junk);
  pair.dial();
  for (let ms = 0; ms < 100; ms++) {
    for (let i = 0; i < 10; i++) pair.feed(junk);
    pair.run(1);
  }
  t.match(pair.outcomes, [{ kind: 'opened' }]);
  t.end();
});
