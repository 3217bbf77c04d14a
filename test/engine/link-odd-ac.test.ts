/** ACs that want what they cannot have: the dial ends with the true reason, and nothing is lost for a detail. */
import t from 'tap';
import { utf8 } from '@ppp-thing/protocol/printable';
import type { Event } from '@ppp-thing/protocol/engine/events';
import { decodeLcpOption, type LcpOption } from '@ppp-thing/protocol/wire/lcp';
import type { IpcpOption } from '@ppp-thing/protocol/wire/ncp';
import { TAG, type DiscoveryPacket } from '@ppp-thing/protocol/wire/pppoe';
import type { PppPacket } from '@ppp-thing/protocol/wire/ppp';
import { LinkPair, name } from './link-pair.ts';
import { AC_MAGIC, ADDRESS, at, type Temperament } from './scripted-ac.ts';

const event = (packet: PppPacket): Event => ({ kind: 'ppp', packet });
const unknown = (type: number, ...data: number[]) =>
  ({ kind: 'unknown', type, raw: Uint8Array.of(type, data.length + 2, ...data) }) as const;
const method = (...data: number[]): LcpOption => ({
  kind: 'authentication',
  method: 'unknown',
  raw: Uint8Array.of(3, data.length + 2, ...data),
});

/** An AC each of whose packets is changed on its way. */
function changed(
  change: (packet: PppPacket) => PppPacket | undefined,
  temperament: Partial<Temperament> = {},
  config: ConstructorParameters<typeof LinkPair>[0] = {},
): LinkPair {
  const pair = new LinkPair(config, temperament);
  const { ac } = pair;
  const each = (events: Event[]): Event[] =>
    events.flatMap((one) => {
      if (one.kind !== 'ppp') return [one];
      const packet = change(one.packet);
      return packet === undefined ? [] : [event(packet)];
    });
  const [answer, expire] = [ac.answer.bind(ac), ac.expire.bind(ac)];
  ac.answer = (sent, now) => each(answer(sent, now));
  ac.expire = (now) => each(expire(now));
  return pair;
}

/** The AC's LCP Configure-Requests have these options. */
const asking = (
  options: (usual: readonly LcpOption[]) => readonly LcpOption[],
  ...others: [Partial<Temperament>?, ConstructorParameters<typeof LinkPair>[0]?]
): LinkPair =>
  changed(
    (ppp) => {
      if (ppp.protocol !== 'LCP' || ppp.packet.code !== 'Configure-Request') return ppp;
      return { ...ppp, packet: { ...ppp.packet, options: options(ppp.packet.options) } };
    },
    ...others,
  );

void t.test('link › odd AC › the end names the option that the AC insists on', (t) => {
  for (const [option, named] of [
    [unknown(8), /it insists on option 8 \(address and control field compression\)$/],
    [unknown(13, 6), /it insists on option 13 \(callback\)$/],
    [unknown(17, 5, 220), /it insists on option 17 \(multilink\)$/],
    [unknown(200), /it insists on option 200$/],
  ] as const) {
    const pair = asking((usual) => [...usual, option])
      .dial()
      .run(35_000);
    t.match(pair.closed[0], named);
  }
  const vj = unknown(2, 0, 0x2d, 15, 1);
  const pair = changed((ppp) => {
    if (ppp.protocol !== 'IPCP' || ppp.packet.code !== 'Configure-Request') return ppp;
    const options: IpcpOption[] = [...ppp.packet.options, vj];
    return { ...ppp, packet: { ...ppp.packet, options } };
  });
  t.match(pair.dial().run(35_000).closed[0], /the AC insists on option 2 of IPCP/);
  t.end();
});

void t.test('link › odd AC › the end names the authentication that the AC insists on', (t) => {
  for (const [data, named] of [
    [[0xc2, 0x27], /not allowed: EAP; allowed: /],
    [[0xc2, 0x23, 0x80], /not allowed: MS-CHAP; allowed: /],
    [[0xc0, 0x27], /not allowed: SPAP; allowed: /],
    [[0xc2, 0x23, 6], /not allowed: c22306; allowed: /],
  ] as const) {
    const pair = asking((usual) =>
      usual.map((option) => (option.kind === 'authentication' ? method(...data) : option)),
    );
    t.match(pair.dial().run(35_000).closed[0], named);
  }
  const pap = new LinkPair({ auth: ['CHAP-MD5'] }, { auth: 'PAP' }).dial().run(35_000);
  t.match(pap.closed[0], /not allowed: PAP; allowed: CHAP-MD5/);
  t.end();
});

void t.test(
  'link › odd AC › a Challenge of a size that cannot be is the reason of the end',
  (t) => {
    const pair = changed(
      (ppp) =>
        ppp.protocol === 'CHAP' && ppp.packet.code === 'Challenge'
          ? { ...ppp, packet: { ...ppp.packet, value: new Uint8Array(8) } }
          : ppp,
      { auth: 'MS-CHAPv2' },
    );
    pair.dial().run(35_000);
    t.match(pair.closed[0], /the AC’s Challenge has 8 octets, and MS-CHAPv2 needs 16/);
    t.end();
  },
);

void t.test('link › odd AC › what the AC Naks for ever is the reason of the end', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent, ac) => {
    if (name(sent) !== 'LCP Configure-Request' || sent.kind !== 'send-ppp') return undefined;
    if (sent.packet.protocol !== 'LCP') return undefined;
    const { identifier } = sent.packet.packet;
    const others = ac
      .answer(sent, pair.now)
      .filter((one) => one.kind !== 'ppp' || !JSON.stringify(one.packet).includes('-Ack'));
    const nak = { code: 'Configure-Nak', identifier, options: [unknown(13, 6)] } as const;
    return [...others, event({ protocol: 'LCP', packet: nak })];
  };
  pair.dial().run(35_000);
  t.match(pair.closed[0], /it insists on option 13 \(callback\)/);
  t.end();
});

void t.test('link › odd AC › a countdown of Time-Remaining is a few lines', (t) => {
  const pair = new LinkPair().up().forget();
  for (let i = 0; i < 3600; i++) {
    const seconds = 3600 - i;
    const message = utf8(`${seconds} left`);
    pair.lcp({ code: 'Time-Remaining', identifier: i & 0xff, magic: AC_MAGIC, seconds, message });
    pair.run(1000);
  }
  const lines = pair.notes.filter(({ on, level }) => on === 'Time-Remaining' && level === 'info');
  t.ok(lines.length > 5 && lines.length < 20, `${lines.length} lines in an hour`);
  t.end();
});

void t.test('link › odd AC › an address that the AC rejects is none', (t) => {
  const pair = new LinkPair();
  const { facts } = new LinkPair().up();
  pair.intercept = (sent) => {
    if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'IPCP') return undefined;
    const { packet } = sent.packet;
    if (packet.code !== 'Configure-Request') return undefined;
    const { identifier } = packet;
    const addresses = packet.options.filter(({ kind }) => kind === 'address');
    const answer =
      addresses.length > 0
        ? ({ code: 'Configure-Reject', identifier, options: addresses } as const)
        : ({ ...packet, code: 'Configure-Ack' } as const);
    const asks = { code: 'Configure-Request', identifier: 1, options: [] } as const;
    return [event({ protocol: 'IPCP', packet: asks }), event({ protocol: 'IPCP', packet: answer })];
  };
  pair.dial(facts).run(3000);
  t.same(facts.ourAddress, ADDRESS, 'which it asks for again');
  t.match(pair.closed[0], /the AC gave us no address/);
  t.end();
});

void t.test('link › odd AC › of two ACs with one MAC, the one that confirms is taken', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent, ac) => {
    if (sent.kind !== 'send-discovery' || sent.packet.code !== 'PADR') return undefined;
    // The other one does not know the cookie, and is quicker.
    const error = { type: TAG['AC-System-Error'], value: utf8('bad cookie') };
    return [ac.confirm(sent.packet, 0, [error]), ...ac.answer(sent, pair.now)];
  };
  pair.dial().run(3000);
  t.ok(pair.facts);
  t.notOk(pair.sent.some((each) => name(each) === 'PADT'));
  pair.run(600_000);
  t.equal(pair.discoverySent('PADI').length, 1, 'the back-off is over with it');
  t.equal(pair.link.status().lastError, 'bras refused: AC-System-Error: bad cookie');
  t.end();
});

void t.test('link › odd AC › a Magic-Number of zero costs no session', (t) => {
  const zero = decodeLcpOption(5, Uint8Array.of(5, 6, 0, 0, 0, 0));
  const pair = asking((usual) => usual.map((option) => (option.kind === 'magic' ? zero : option)));
  t.equal(pair.dial().run(35_000).facts.theirMagic, 0);
  t.end();
});

/** An AC each of whose discovery packets has its tags changed. */
function tagged(change: (packet: DiscoveryPacket) => DiscoveryPacket): LinkPair {
  const pair = new LinkPair();
  const { ac } = pair;
  const answer = ac.answer.bind(ac);
  ac.answer = (sent, now) =>
    answer(sent, now).map((one) =>
      one.kind === 'discovery' ? { ...one, packet: change(one.packet) } : one,
    );
  return pair;
}

void t.test('link › odd AC › a Host-Uniq that a relay adds does not hide ours', (t) => {
  const relay = { type: TAG['Host-Uniq'], value: Uint8Array.of(1, 2, 3) };
  const pair = tagged((packet) => ({ ...packet, tags: [relay, ...packet.tags] })).up();
  t.same(pair.facts.ourAddress, ADDRESS);
  const none = tagged((packet) =>
    packet.code === 'PADO'
      ? packet
      : { ...packet, tags: packet.tags.filter(({ type }) => type !== TAG['Host-Uniq']) },
  );
  t.match(none.dial().run(10_000).closed[0], /after 3 PADR: no Host-Uniq, which RFC 2516 asks/);
  t.end();
});

void t.test('link › odd AC › an end without words says what we had refused', (t) => {
  const pap = new LinkPair({ auth: ['CHAP-MD5'] }, { auth: 'PAP' });
  pap.intercept = (sent) => {
    if (name(sent) === 'LCP Configure-Nak') pap.padt();
    return undefined;
  };
  pap.dial().run(1000);
  t.equal(
    pap.closed[0],
    'the AC sent PADT after we refused an authentication that is not allowed: PAP; allowed: CHAP-MD5',
  );
  const acfc = asking((usual) => [...usual, unknown(8)]);
  acfc.intercept = (sent) => {
    if (name(sent) === 'LCP Configure-Reject') acfc.padt();
    return undefined;
  };
  acfc.dial().run(1000);
  t.match(acfc.closed[0], /^the AC sent PADT after we refused option 8/);
  const mppe = new LinkPair();
  mppe.intercept = (sent) => {
    if (name(sent) === 'IPCP Configure-Request')
      return [
        event({ protocol: 'unknown', number: 0x80fd, information: Uint8Array.of(1, 1, 0, 4) }),
        event({
          protocol: 'LCP',
          packet: { code: 'Terminate-Request', identifier: 9, data: new Uint8Array(0) },
        }),
      ];
    return undefined;
  };
  mppe.dial().run(1000).padt();
  t.equal(
    mppe.closed[0],
    'the AC terminated the link after we rejected CCP (compression or encryption)',
  );
  t.end();
});

void t.test(
  'link › odd AC › an operator who connects again does not wait for the back-off',
  (t) => {
    const pair = new LinkPair({}, { password: 'another' }).dial().run(60_000);
    t.equal(pair.link.status().phase, 'Wait');
    pair.ac.temperament = { ...pair.ac.temperament, password: 'open sesame' };
    pair.hangUp().dial().run(1000);
    t.same(pair.facts.ourAddress, ADDRESS);
    t.end();
  },
);

void t.test('link › odd AC › many ACs that offer and never confirm are a failed dial', (t) => {
  const pair = new LinkPair();
  pair.intercept = (sent, ac) => {
    if (sent.kind !== 'send-discovery' || sent.packet.code !== 'PADI') return [];
    const offer = ac.offer(sent.packet);
    for (let i = 0; i < 20; i++)
      pair.line.push({
        at: at(pair.now + 5),
        event: { ...offer, source: Uint8Array.of(2, 0, 0, 0, 1, i) } as Event,
      });
    return [];
  };
  pair.dial().run(600_000);
  const padrs = pair.discoverySent('PADR').map((one) => one.at);
  const waits = padrs.slice(1).map((time, i) => time - (padrs[i] ?? 0));
  t.ok(Math.max(...waits.slice(0, 20)) <= 5000, 'the second AC is asked as often as the first');
  t.ok(pair.closed.length >= 4, `${pair.closed.length} failed dials in ten minutes`);
  t.ok(pair.link.status().attempts >= 4);
  t.end();
});

void t.test('link › odd AC › a reject of what the session does without costs no session', (t) => {
  const pair = new LinkPair().up();
  // Terminate-Request, Terminate-Ack and Code-Reject: an AC without Code-Reject rejects ours.
  for (const code of [5, 6, 7]) {
    const rejected = Uint8Array.of(code, 1, 0, 4);
    pair.lcp({ code: 'Code-Reject', identifier: code, rejected }).run(1000);
    const packet = { code: 'Code-Reject', identifier: code, rejected } as const;
    pair.hear({ protocol: 'IPCP', packet }).run(1000);
  }
  t.same(pair.closed, []);
  const dial = new LinkPair();
  dial.intercept = (sent) => {
    if (name(sent) === 'CHAP Response') {
      const rejected = Uint8Array.of(1, 1, 0, 4);
      const code = 'Protocol-Reject';
      dial.lcp({ code, identifier: 1, protocol: 0xc023, rejected });
    }
    return undefined;
  };
  t.same(dial.up().closed, [], 'PAP is not what was agreed');
  const ipcp = new LinkPair().up();
  const rejected = Uint8Array.of(1, 1, 0, 4);
  ipcp.hear({ protocol: 'IPCP', packet: { code: 'Code-Reject', identifier: 1, rejected } });
  t.match(ipcp.run(10_000).closed, [/^the AC rejects code 1 of IPCP$/]);
  t.end();
});

void t.test(
  'link › odd AC › an AC that agrees to PAP and asks by CHAP is told from a silent one',
  (t) => {
    const pair = changed(
      (ppp) =>
        ppp.protocol === 'PAP'
          ? {
              protocol: 'CHAP',
              packet: {
                code: 'Challenge',
                identifier: 1,
                value: new Uint8Array(16),
                name: utf8('x'),
              },
            }
          : ppp,
      { auth: 'PAP' },
    );
    pair.dial().run(60_000);
    t.match(pair.closed[0], /did not answer the PAP of alice: it asks by CHAP$/);
    t.end();
  },
);

void t.test('link › odd AC › what we had refused stands beside the words of the AC', (t) => {
  // As pppd does with require-mschap: after our Nak it asks for no authentication, opens, and complains.
  let isNakked = false;
  const pair = asking((usual) =>
    usual.flatMap((option) => {
      if (option.kind !== 'authentication') return [option];
      return isNakked ? [] : [method(0xc2, 0x23, 0x80)];
    }),
  );
  const { ac } = pair;
  pair.intercept = (sent) => {
    if (name(sent) === 'LCP Configure-Nak') {
      isNakked = true;
      ac.temperament = { ...ac.temperament, auth: 'none' };
      return ac.forgets(pair.now).flatMap((packet) => [event(packet)]);
    }
    const data = utf8('peer refused to authenticate');
    const end = { code: 'Terminate-Request', identifier: 9, data } as const;
    return name(sent) === 'IPCP Configure-Request'
      ? [event({ protocol: 'LCP', packet: end })]
      : undefined;
  };
  pair.dial().run(2000).padt();
  t.equal(
    pair.closed[0],
    'the AC terminated the link: peer refused to authenticate, after we refused an authentication that is not allowed: MS-CHAP; allowed: MS-CHAPv2, CHAP-MD5, PAP',
  );
  t.end();
});
