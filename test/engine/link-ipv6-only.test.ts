/** A session without IPv4: by configuration, or because the AC has none, or has it later. */
import t, { type Test } from 'tap';
import type { Event } from '@ppp-thing/protocol/engine/events';
import type { LinkConfig } from '@ppp-thing/protocol/engine/session-config';
import type { IpcpOption } from '@ppp-thing/protocol/wire/ncp';
import { LinkPair, name } from './link-pair.ts';
import { AC_INTERFACE_ID, ADDRESS, PEER, type Sent, type Temperament } from './scripted-ac.ts';

const BOTH: Partial<LinkConfig> = { ipv6: true };
const IPV6_ONLY: Partial<LinkConfig> = { ipv4: false, ipv6: true };
const names = (pair: LinkPair): string[] => pair.sent.map(name);
const isIpcp = (sent: Sent): boolean => name(sent).startsWith('IPCP');

/** The AC’s answers to IPCP are these. */
function answering(
  pair: LinkPair,
  answer: (options: readonly IpcpOption[], id: number) => Event[],
): LinkPair {
  pair.intercept = (sent) => {
    if (!isIpcp(sent) || sent.kind !== 'send-ppp' || sent.packet.protocol !== 'IPCP')
      return undefined;
    const { packet } = sent.packet;
    return packet.code === 'Configure-Request' ? answer(packet.options, packet.identifier) : [];
  };
  return pair;
}

function isUpWithoutIpv4(t: Test, pair: LinkPair, because: string): void {
  t.equal(pair.facts.ourAddress, undefined, because);
  t.same(pair.facts.dns, [], because);
  t.same(pair.facts.interfaceIds?.theirs, AC_INTERFACE_ID, because);
  t.same(pair.closed, [], because);
}

void t.test(
  'link › ipv4 = false: IPV6CP alone opens the session, and IPCP is Protocol-Rejected',
  (t) => {
    const pair = new LinkPair(IPV6_ONLY).up();
    isUpWithoutIpv4(t, pair, 'ipv4 = false');
    t.notOk(pair.sent.some(isIpcp), 'no IPCP is said');
    t.match(
      pair.lcpSent.filter(({ code }) => code === 'Protocol-Reject'),
      [{ protocol: 0x8021 }],
    );
    pair.forget().run(3_600_000);
    t.same(pair.outcomes, [], 'it stays up');
    t.end();
  },
);

void t.test('link › ipv4 = false: an AC without IPV6CP is no AC for this session', (t) => {
  const pair = new LinkPair(IPV6_ONLY, { ipv6: false }).dial().run(3000);
  t.match(pair.closed[0], /^the AC rejects IPV6CP$/);
  t.end();
});

void t.test('link › an AC that Protocol-Rejects IPCP gives a session with IPv6, at once', (t) => {
  const pair = new LinkPair(BOTH, { ipv4: false }).up();
  isUpWithoutIpv4(t, pair, 'Protocol-Reject');
  t.match(pair.text, /no IPv4/);
  pair.forget().run(3_600_000);
  t.same(pair.outcomes, []);
  t.end();
});

void t.test('link › an AC that has neither ends the dial with one reason', (t) => {
  const pair = new LinkPair(BOTH, { ipv4: false, ipv6: false }).dial().run(3000);
  t.match(pair.closed[0], /^the AC rejects IPCP, the AC rejects IPV6CP$/);
  t.end();
});

void t.test('link › packets too small for IPv6 leave the session IPv4, and say so', (t) => {
  const pair = new LinkPair(BOTH, { maxPayload: 1279 }).up();
  t.same(pair.facts.ourAddress, ADDRESS);
  t.notOk('interfaceIds' in pair.facts, 'the kernel would refuse the address, and all with it');
  t.notOk(names(pair).some((each) => each.startsWith('IPV6CP')));
  t.match(pair.text, /at most 1279 octets, and IPv6 needs 1280/);
  t.ok(new LinkPair(BOTH, { maxPayload: 1280 }).up().facts.interfaceIds);
  t.notOk('interfaceIds' in new LinkPair({ ...BOTH, mtu: 1000 }).up().facts, 'by our own MTU');
  const only = new LinkPair(IPV6_ONLY, { maxPayload: 1000 }).dial().run(3000);
  t.match(only.closed[0], /^no IPv6: packets have at most 1000 octets/);
  t.end();
});

void t.test('link › the reason tells an AC that is silent from one that does not agree', (t) => {
  const [silent, nak] = [new LinkPair(), new LinkPair()];
  for (const pair of [silent, nak]) pair.ac.temperament = { ...pair.ac.temperament, ipv4: false };
  answering(silent, () => [])
    .dial()
    .run(60_000);
  t.equal(silent.closed[0], 'the AC says nothing of IPCP');
  answering(nak, (options, identifier) => {
    const packet = { code: 'Configure-Nak', identifier, options } as const;
    return [{ kind: 'ppp', packet: { protocol: 'IPCP', packet } }];
  });
  t.match(nak.dial().run(60_000).closed[0], /: the AC does not agree to IPCP$/);
  const lcp = new LinkPair({}, { pppDelay: 1e9 }).dial().run(40_000);
  t.equal(lcp.closed[0], 'no LCP agreement with the AC: it says nothing');
  t.end();
});

void t.test(
  'link › an AC that Naks IPCP for ever, or says nothing of it, gives a session with IPv6 after 5 s',
  (t) => {
    const nak = (options: readonly IpcpOption[], identifier: number): Event[] => [
      {
        kind: 'ppp',
        packet: { protocol: 'IPCP', packet: { code: 'Configure-Nak', identifier, options } },
      },
    ];
    for (const [because, answer] of [
      ['Nak', nak],
      ['silence', () => []],
    ] as const) {
      const pair = answering(new LinkPair(BOTH), answer);
      pair.ac.temperament = { ...pair.ac.temperament, ipv4: false };
      pair.dial().run(4900);
      t.same(pair.outcomes, [], `${because}: IPCP may still come`);
      pair.run(200);
      isUpWithoutIpv4(t, pair, because);
      pair.run(120_000);
      t.same(pair.closed, [], `${because}: and stays`);
    }
    t.end();
  },
);

void t.test(
  'link › an AC that acknowledges no address at all gives a session with IPv6; a wrong one is a refusal',
  (t) => {
    const none: Partial<Temperament> = { address: new Uint8Array(4) };
    isUpWithoutIpv4(t, new LinkPair(BOTH, none).up(), '0.0.0.0');
    t.match(new LinkPair({}, none).dial().run(1000).closed[0], /gave us no address/);
    const wrong = new LinkPair(BOTH, { address: Uint8Array.of(127, 0, 0, 1) }).dial().run(1000);
    t.match(wrong.closed[0], /no host can have/);
    t.end();
  },
);

void t.test('link › IPCP that opens late adds IPv4 to the session that is up', (t) => {
  const pair = new LinkPair(BOTH, { ipv4: false }).up();
  pair.run(60_000).forget();
  for (const packet of pair.ac.opensIpcp(pair.now)) pair.hear(packet);
  pair.run(1000);
  t.same([pair.facts.ourAddress, pair.facts.theirAddress], [ADDRESS, PEER]);
  t.ok(pair.facts.interfaceIds);
  t.equal(pair.outcomes.length, 1, 'told once');
  t.notOk(
    names(pair).some((each) => each.startsWith('LCP Configure')),
    'nothing else begins anew',
  );
  t.end();
});

void t.test(
  'link › IPCP that opens late with an address nobody can have leaves the session as it is',
  (t) => {
    const pair = new LinkPair(BOTH, { ipv4: false, address: Uint8Array.of(127, 0, 0, 1) })
      .up()
      .forget();
    for (const packet of pair.ac.opensIpcp(pair.now)) pair.hear(packet);
    pair.run(60_000);
    t.same(pair.outcomes, []);
    t.match(pair.text, /no host can have/);
    t.end();
  },
);

void t.test('link › a session that has had IPv4 is not up without it', (t) => {
  const pair = new LinkPair(BOTH).up().forget();
  pair.ac.temperament = { ...pair.ac.temperament, ipv4: false };
  pair.hear({
    protocol: 'IPCP',
    packet: { code: 'Terminate-Request', identifier: 9, data: new Uint8Array(0) },
  });
  pair.run(40_000);
  t.match(pair.closed[0], /IPCP|phase Network/);
  t.end();
});

void t.test(
  'link › without IPv4, IPV6CP that goes down and does not come back ends the session',
  (t) => {
    const pair = new LinkPair(IPV6_ONLY).up().forget();
    pair.ac.temperament = { ...pair.ac.temperament, ipv6: false };
    pair.hear({
      protocol: 'IPV6CP',
      packet: { code: 'Terminate-Request', identifier: 9, data: new Uint8Array(0) },
    });
    pair.run(40_000);
    t.match(pair.closed[0], /IPV6CP|phase Network/);
    t.end();
  },
);

void t.test(
  'link › a session without IPv4 is taken over as it is, and asks once whether there is IPv4 by now',
  (t) => {
    const { facts } = new LinkPair(BOTH, { ipv4: false }).up();
    const other = new LinkPair(BOTH, { ipv4: false }).resume(facts).run(60_000);
    t.same(other.closed, []);
    t.match(other.outcomes[0], { kind: 'proven' });
    t.equal(
      other.sent.filter(isIpcp).length,
      1,
      'one Configure-Request, which is Protocol-Rejected',
    );
    const late = new LinkPair(BOTH, { ipv4: false }).resume(facts).run(1000);
    for (const packet of late.ac.opensIpcp(late.now)) late.hear(packet);
    late.run(5000);
    t.same(late.facts.ourAddress, ADDRESS, 'an AC that has got IPv4 meanwhile gives it');
    t.end();
  },
);

void t.test('link › an AC that renegotiates LCP may have lost, or got, IPv4', (t) => {
  const pair = new LinkPair(BOTH).up();
  pair.ac.temperament = { ...pair.ac.temperament, ipv4: false };
  pair.renegotiate().run(6000);
  isUpWithoutIpv4(t, pair, 'lost');
  pair.ac.temperament = { ...pair.ac.temperament, ipv4: true };
  pair.run(60_000).renegotiate().run(6000);
  t.same(pair.facts.ourAddress, ADDRESS, 'got');
  t.end();
});
