/** What a dial asks of the AC and agrees to: authentication, MRU, addresses, name servers, IPv6. */
import t from 'tap';
import { Secret } from '@ppp-thing/protocol/engine/hashes';
import { TAG } from '@ppp-thing/protocol/wire/pppoe';
import { LinkPair, name } from './link-pair.ts';
import { AC_INTERFACE_ID, ADDRESS, DNS1, SESSION_ID } from './scripted-ac.ts';

for (const auth of ['PAP', 'CHAP-MD5', 'MS-CHAPv2', 'none'] as const) {
  void t.test(`link › dial › an AC that asks for ${auth} is satisfied`, (t) => {
    const pair = new LinkPair({}, { auth }).up();
    t.equal(pair.facts.auth, auth);
    t.end();
  });

  if (auth === 'none') continue;
  void t.test(
    `link › dial › a wrong password with ${auth} is one line with user and words, then back-off`,
    (t) => {
      const pair = new LinkPair({ password: new Secret('hunter2') }, { auth }).dial().run(900);
      t.match(pair.closed, [/refused user alice: .*go away/]);
      t.equal(pair.notes.filter(({ level }) => level === 'error').length, 1);
      t.notMatch(pair.text, /hunter2/);
      t.same(pair.sent.map(name).slice(-2), ['LCP Terminate-Request', 'PADT']);
      t.match(pair.link.status(), { phase: 'Wait', attempts: 1, lastError: /refused user alice/ });
      t.ok((pair.link.status().nextDial ?? 0) > pair.now);
      pair.run(600_000);
      const dials = pair.closed.length;
      t.ok(dials > 3 && dials < 9, `${dials} dials in ten minutes`);
      t.end();
    },
  );
}

void t.test(
  'link › dial › S3: an AC that asks for less than is allowed is told our best, and refused if it insists',
  (t) => {
    const pair = new LinkPair({ auth: ['CHAP-MD5'] }, { auth: 'PAP' });
    // It asks for PAP again and again, whatever we say.
    pair.intercept = (sent, ac) => {
      if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
      const { code } = sent.packet.packet;
      if (code !== 'Configure-Nak' && code !== 'Configure-Reject') return undefined;
      return [{ kind: 'ppp', packet: ac.lcpRequest() }];
    };
    pair.dial().run(10_000);
    const naks = pair.lcpSent.filter(({ code }) => code === 'Configure-Nak');
    t.match(naks[0], { options: [{ kind: 'authentication', method: 'CHAP-MD5' }] });
    t.match(
      pair.closed[0],
      /insists on an authentication that is not allowed: PAP; allowed: CHAP-MD5/,
    );
    t.notOk(
      pair.sent.some((sent) => name(sent).startsWith('PAP')),
      'the password never leaves',
    );
    t.end();
  },
);

void t.test('link › dial › an AC that takes our better method after a Nak is used with it', (t) => {
  const pair = new LinkPair({ auth: ['CHAP-MD5'] }, { auth: 'PAP' });
  pair.intercept = (sent, ac) => {
    if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
    if (sent.packet.packet.code !== 'Configure-Nak') return undefined;
    ac.temperament = { ...ac.temperament, auth: 'CHAP-MD5' };
    return undefined;
  };
  t.equal(pair.up().facts.auth, 'CHAP-MD5');
  t.end();
});

void t.test(
  'link › dial › the address of the last session is asked for again (RFC 1332 §3.3)',
  (t) => {
    const previous = new LinkPair({ ipv6: true }).up().facts;
    const pair = new LinkPair({ ipv6: true }).dial(previous).run(1000);
    const request = pair.sent.find((sent) => name(sent) === 'IPCP Configure-Request');
    t.match(request, { packet: { packet: { options: [{ kind: 'address', address: ADDRESS }] } } });
    t.same(pair.facts.interfaceIds, previous.interfaceIds, 'and the interface identifier stays');
    t.end();
  },
);

void t.test(
  'link › dial › DNS is asked for only when wanted, and not again once rejected (RFC 1877)',
  (t) => {
    const without = new LinkPair({ dns: false }).up();
    t.same(without.facts.dns, []);
    t.notMatch(JSON.stringify(without.sent), /dns/);
    t.same(new LinkPair({}, { dns: 'reject' }).up().facts.dns, []);
    t.end();
  },
);

void t.test('link › dial › IPV6CP gives both interface identifiers, and waits for IPCP', (t) => {
  const pair = new LinkPair({ ipv6: true }).up();
  t.same(pair.facts.interfaceIds?.theirs, AC_INTERFACE_ID);
  const first = pair.outcomes[0];
  t.equal(first?.kind, 'opened');
  t.end();
});

void t.test('link › dial › an AC without IPV6CP is not asked again (§5.7)', (t) => {
  const pair = new LinkPair({ ipv6: true }, { ipv6: false }).up().run(20_000);
  t.notOk('interfaceIds' in pair.facts);
  t.equal(pair.sent.filter((sent) => name(sent) === 'IPV6CP Configure-Request').length, 1);
  t.end();
});

void t.test('link › dial › an AC that gives no address is left', (t) => {
  const pair = new LinkPair({}, { address: new Uint8Array(4) }).dial().run(900);
  t.same(pair.closed, ['the AC gave us no address']);
  t.same(pair.sent.map(name).slice(-2), ['LCP Terminate-Request', 'PADT']);
  t.end();
});

void t.test(
  'link › M1, M2: more than 1492 is asked for in PADI and PADR, and used only if the AC echoes it',
  (t) => {
    const value = Uint8Array.of(1500 >> 8, 1500 & 0xff);
    const jumbo = new LinkPair({ mtu: 1500 }, { maxPayload: 1500 }).up();
    for (const code of ['PADI', 'PADR'] as const) {
      const tags = jumbo.discoverySent(code)[0]?.packet.tags;
      t.match(
        tags?.filter(({ type }) => type === TAG['PPP-Max-Payload']),
        [{ value }],
      );
    }
    t.match(jumbo.facts, { maxPayload: 1500, ourMru: 1500, theirMru: 1500 });
    const plain = new LinkPair({ mtu: 1500 }, { maxPayload: 1492 }).up();
    t.match(plain.facts, { maxPayload: 1492, ourMru: 1492 });
    t.notOk(
      new LinkPair()
        .up()
        .discoverySent('PADI')[0]
        ?.packet.tags.some(({ type }) => type === TAG['PPP-Max-Payload']),
    );
    t.end();
  },
);

void t.test('link › M2: another value than ours in the PADS counts as none', (t) => {
  const pair = new LinkPair({ mtu: 1500 });
  pair.intercept = (sent, ac) =>
    sent.kind === 'send-discovery' && sent.packet.code === 'PADR'
      ? [
          ac.confirm(sent.packet, SESSION_ID, [
            { type: TAG['PPP-Max-Payload'], value: Uint8Array.of(5, 0xd8) },
          ]),
        ]
      : undefined;
  pair.dial().run(100);
  t.match(
    pair.outputs.find(({ kind }) => kind === 'attach'),
    { maxPayload: 1492 },
  );
  t.end();
});

void t.test(
  'link › M4: a full-size Echo-Request that is lost three times falls back to 1492',
  (t) => {
    const pair = new LinkPair({ mtu: 1500 }, { maxPayload: 1500 });
    pair.intercept = (sent) => {
      if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
      const { packet } = sent.packet;
      return packet.code === 'Echo-Request' && packet.data.length > 0 ? [] : undefined;
    };
    pair.dial().run(3000);
    const probes = pair.lcpSent.filter((p) => p.code === 'Echo-Request' && p.data.length > 0);
    t.equal(probes.length, 3);
    t.match(pair.outcomes, [
      { kind: 'opened', facts: { maxPayload: 1500 } },
      { kind: 'opened', facts: { maxPayload: 1492 } },
    ]);
    t.equal(pair.link.status().phase, 'Network');
    t.end();
  },
);

void t.test('link › M4: a full-size Echo-Request that is answered in full is sent once', (t) => {
  const pair = new LinkPair({ mtu: 1500 }, { maxPayload: 1500 }).up();
  const probes = pair.lcpSent.filter((p) => p.code === 'Echo-Request' && p.data.length > 0);
  t.equal(probes.length, 1);
  t.equal(pair.outcomes.length, 1);
  t.end();
});

void t.test(
  'link › dial › an AC that Naks the MRU for ever gets a request without one, and the link opens',
  (t) => {
    const pair = new LinkPair();
    pair.intercept = (sent) => {
      if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'LCP') return undefined;
      const { packet } = sent.packet;
      if (packet.code !== 'Configure-Request') return undefined;
      if (!packet.options.some(({ kind }) => kind === 'mru')) return undefined;
      const { identifier } = packet;
      const options = [{ kind: 'mru', mru: 1500 }] as const;
      const nak = { code: 'Configure-Nak', identifier, options } as const;
      return [{ kind: 'ppp', packet: { protocol: 'LCP', packet: nak } }];
    };
    t.match(pair.up().facts, { ourMru: 1492 });
    t.end();
  },
);

void t.test('link › dial › an AC that Naks name servers for ever gets a request without', (t) => {
  const pair = new LinkPair();
  let last = 0;
  pair.intercept = (sent) => {
    if (sent.kind !== 'send-ppp' || sent.packet.protocol !== 'IPCP') return undefined;
    const { packet } = sent.packet;
    if (packet.code !== 'Configure-Request') return undefined;
    if (!packet.options.some(({ kind }) => kind === 'dns1')) return undefined;
    const { identifier } = packet;
    const options = [{ kind: 'dns1', address: Uint8Array.of(9, 9, 9, ++last) }] as const;
    const nak = { code: 'Configure-Nak', identifier, options } as const;
    return [{ kind: 'ppp', packet: { protocol: 'IPCP', packet: nak } }];
  };
  t.same(pair.up().facts.ourAddress, ADDRESS);
  t.end();
});

void t.test(
  'link › dial › two authentications in one request: the second is rejected, not done',
  (t) => {
    const pair = new LinkPair({ auth: ['CHAP-MD5', 'PAP'] }, { pppDelay: 1e9 }).dial().run(100);
    const options = [
      { kind: 'authentication', method: 'CHAP-MD5', raw: Uint8Array.of(3, 5, 0xc2, 0x23, 5) },
      { kind: 'authentication', method: 'PAP', raw: Uint8Array.of(3, 4, 0xc0, 0x23) },
    ] as const;
    pair.forget().lcp({ code: 'Configure-Request', identifier: 1, options });
    pair.run(20);
    t.match(pair.lcpSent.at(-1), { code: 'Configure-Reject', options: [{ method: 'PAP' }] });
    t.end();
  },
);

const OWN = [
  Uint8Array.of(192, 168, 7, 1),
  Uint8Array.of(192, 168, 7, 2),
  Uint8Array.of(10, 99, 0, 2),
];

const LABEL = Uint8Array.of(10, 64, 64, 64);

for (const [what, peer] of [
  ['no address', undefined],
  ['0.0.0.0', new Uint8Array(4)],
  ['an address of 0/8', Uint8Array.of(0, 1, 2, 3)],
  ['an address of 127/8', Uint8Array.of(127, 0, 0, 1)],
  ['a group address', Uint8Array.of(224, 0, 0, 5)],
  ['the broadcast address', Uint8Array.of(255, 255, 255, 255)],
  ['our own address of the session', ADDRESS],
  ['the virtual address', OWN[0]],
  ['our address in the LAN', OWN[1]],
  ['the partner’s address', OWN[2]],
] as const) {
  void t.test(
    `link › dial › an AC with ${what} is a link with another label (RFC 1332 §3.3)`,
    (t) => {
      const pair = new LinkPair({ reserved: OWN }, { peer }).up();
      t.same(pair.facts.theirAddress, LABEL);
      t.ok(pair.notes.some(({ on }) => on === 'the AC’s address is replaced'));
      t.end();
    },
  );
}

void t.test('link › dial › the label steps aside for an address of ours, and can be given', (t) => {
  const taken = new LinkPair({ reserved: [LABEL] }, { peer: LABEL }).up();
  t.same(taken.facts.theirAddress, Uint8Array.of(10, 64, 64, 65));
  const peerAddress = Uint8Array.of(198, 51, 100, 9);
  t.same(new LinkPair({ peerAddress }).up().facts.theirAddress, peerAddress);
  const plain = new LinkPair({}, { peer: Uint8Array.of(10, 64, 64, 64) }).up();
  t.same(plain.facts.theirAddress, LABEL, 'an AC may well be called so');
  t.end();
});

for (const [address, reason] of [
  [OWN[0], /the AC gave us 192\.168\.7\.1, which this router has or needs elsewhere/],
  [OWN[2], /10\.99\.0\.2, which this router/],
  [Uint8Array.of(127, 0, 0, 1), /127\.0\.0\.1, which no host can have/],
  [Uint8Array.of(0, 0, 0, 9), /which no host can have/],
  [Uint8Array.of(239, 1, 1, 1), /which no host can have/],
] as const) {
  void t.test(`link › dial › an AC that gives us ${address?.join('.')} is left, in words`, (t) => {
    const pair = new LinkPair({ reserved: OWN }, { address: address ?? ADDRESS }).dial().run(900);
    t.match(pair.closed, [reason]);
    t.match(pair.link.status(), { phase: 'Wait', lastError: reason });
    t.end();
  });
}

void t.test('link › dial › a name server that no host can be is none', (t) => {
  const dns = [Uint8Array.of(127, 0, 0, 1), DNS1];
  t.same(new LinkPair({}, { dns }).up().facts.dns, [DNS1]);
  t.same(
    new LinkPair({}, { dns: [Uint8Array.of(224, 0, 0, 1), new Uint8Array(4)] }).up().facts.dns,
    [],
  );
  t.end();
});
