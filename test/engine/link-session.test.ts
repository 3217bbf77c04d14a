/** A session that is up: what it answers, what ends it, and what does not. */
import t from 'tap';
import type { Event, Note } from '@ppp-thing/protocol/engine/events';
import { seconds } from '@ppp-thing/protocol/time';
import { utf8 } from '@ppp-thing/protocol/printable';
import { TAG } from '@ppp-thing/protocol/wire/pppoe';
import type { LcpPacket } from '@ppp-thing/protocol/wire/ppp';
import { CONFIG, LinkPair, name } from './link-pair.ts';
import { AC_MAC, AC_MAGIC, ADDRESS, at, OTHER_MAC, PEER, SESSION_ID } from './scripted-ac.ts';

const NOTHING = new Uint8Array(0);
/** The lines of the log about `on`. */
const said = (pair: LinkPair, on: string): Note[] =>
  pair.outputs.flatMap((output) =>
    output.kind === 'note' && output.note.on === on ? [output.note] : [],
  );
const names = (pair: LinkPair): string[] => pair.sent.map(name);
const fromAc = (packet: LcpPacket): Event => ({
  kind: 'ppp',
  packet: { protocol: 'LCP', packet },
});
const echo = (identifier: number, magic: number, data = NOTHING): LcpPacket => ({
  code: 'Echo-Request',
  identifier,
  magic,
  data,
});

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
