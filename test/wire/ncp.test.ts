import t from 'tap';
import {
  formatIpv4,
  parseIpv4,
  UNSPECIFIED_V4,
  type IpcpOption,
} from '@ppp-thing/protocol/wire/ncp';
import { decodePpp, encodePpp, PROTOCOL, type PppPacket } from '@ppp-thing/protocol/wire/ppp';
import * as fixture from '../fixtures/ppp.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const ipcp = (octets: Uint8Array): PppPacket => decodePpp(PROTOCOL.IPCP, octets);
const ipv6cp = (octets: Uint8Array): PppPacket => decodePpp(PROTOCOL.IPV6CP, octets);

t.test('ipcp › a Configure-Request decodes (RFC 1332 §3, RFC 1877 §1)', async (t) => {
  t.strictSame(ipcp(fixture.IPCP_REQUEST), {
    protocol: 'IPCP',
    information: fixture.IPCP_REQUEST,
    packet: {
      code: 'Configure-Request',
      identifier: 1,
      options: [
        { kind: 'address', address: UNSPECIFIED_V4, raw: hex`03 06 00000000` },
        { kind: 'dns1', address: UNSPECIFIED_V4, raw: hex`81 06 00000000` },
        { kind: 'dns2', address: UNSPECIFIED_V4, raw: hex`83 06 00000000` },
      ],
    },
  });
});

t.test('ipcp › options of our own making are written from their values', async (t) => {
  const options: IpcpOption[] = [
    { kind: 'address', address: hex`cb007107` },
    { kind: 'dns1', address: hex`c0000235` },
  ];
  const packet = { code: 'Configure-Nak', identifier: 1, options } as const;
  t.same(encodePpp({ protocol: 'IPCP', packet }), {
    protocol: 0x8021,
    packet: fixture.IPCP_NAK,
  });
  const short: IpcpOption = { kind: 'address', address: hex`cb0071` };
  t.throws(
    () => encodePpp({ protocol: 'IPCP', packet: { ...packet, options: [short] } }),
    RangeError,
  );
});

t.test('ipcp › what we always reject stays unknown, in its place', async (t) => {
  t.match(ipcp(fixture.IPCP_ODD_REQUEST), {
    packet: {
      options: [
        { kind: 'unknown', type: 1, raw: hex`01 0a c0000201 c0000202` },
        { kind: 'unknown', type: 2, raw: hex`02 06 002d0f01` },
        { kind: 'unknown', type: 3, raw: hex`03 05 c00002` },
      ],
    },
  });
});

t.test('ipcp › codes that only LCP has are unknown, with all of their octets', async (t) => {
  for (const code of [0, 8, 9, 10, 11, 12, 13, 14, 255]) {
    const raw = changed(fixture.IPCP_ECHO, 0, code - 9);
    const packet = { code: 'unknown', number: code, identifier: 3, raw };
    t.strictSame(ipcp(raw), { protocol: 'IPCP', packet, information: raw });
    t.match(ipv6cp(raw), { protocol: 'IPV6CP', packet: { code: 'unknown', number: code } });
    t.same(encodePpp(ipcp(raw)).packet, raw);
  }
});

t.test('ipv6cp › a Configure-Request decodes and encodes (RFC 5072 §4.1)', async (t) => {
  const interfaceId = hex`02005efffe105301`;
  t.strictSame(ipv6cp(fixture.IPV6CP_REQUEST), {
    protocol: 'IPV6CP',
    information: fixture.IPV6CP_REQUEST,
    packet: {
      code: 'Configure-Request',
      identifier: 1,
      options: [{ kind: 'interfaceId', interfaceId, raw: fixture.IPV6CP_REQUEST.subarray(4) }],
    },
  });
  const ours = {
    code: 'Configure-Request',
    identifier: 1,
    options: [{ kind: 'interfaceId', interfaceId }],
  } as const;
  t.same(encodePpp({ protocol: 'IPV6CP', packet: ours }), {
    protocol: 0x8057,
    packet: fixture.IPV6CP_REQUEST,
  });
  const short = { ...ours, options: [{ kind: 'interfaceId', interfaceId: hex`01` }] } as const;
  t.throws(() => encodePpp({ protocol: 'IPV6CP', packet: short }), RangeError);
});

t.test('ipv6cp › another Length, or another option, is unknown', async (t) => {
  t.match(ipv6cp(fixture.IPV6CP_ODD_REQUEST), {
    packet: {
      options: [
        { kind: 'unknown', type: 1, raw: hex`01 08 02005e105301` },
        { kind: 'unknown', type: 2, raw: hex`02 04 004f` },
      ],
    },
  });
});

for (const [name, decode, examples] of [
  ['ipcp', ipcp, [fixture.IPCP_REQUEST, fixture.IPCP_NAK, fixture.IPCP_ODD_REQUEST]],
  ['ipv6cp', ipv6cp, [fixture.IPV6CP_REQUEST, fixture.IPV6CP_ODD_REQUEST]],
] as const) {
  t.test(`${name} › every packet mirrors, and is refused at every truncation`, async (t) => {
    for (const octets of examples) {
      t.same(encodePpp(decode(octets)).packet, octets);
      t.same(acceptedTruncations(decode, octets), []);
    }
  });

  t.test(`${name} › a Length or an option Length off by one is refused (L14)`, async (t) => {
    const [octets] = examples;
    for (const by of [-1, +1]) {
      t.equal(attempt(decode, changed(octets, 3, by)), REFUSED, `Length ${by}`);
      t.equal(attempt(decode, changed(octets, 5, by)), REFUSED, `option Length ${by}`);
    }
  });

  t.test(`${name} › any octets give a packet or a DecodeError (S7)`, async () => {
    fuzz(decode, [...examples, fixture.IPCP_ECHO]);
  });
}

t.test('ipv4 › an address reads back as it was written', async (t) => {
  t.equal(formatIpv4(hex`c0000207`), '192.0.2.7');
  t.same(parseIpv4('192.0.2.7'), hex`c0000207`);
  t.same(parseIpv4('255.255.255.255'), hex`ffffffff`);
  for (const text of [
    '192.0.2',
    '192.0.2.256',
    '192.0.2.07',
    '1.2.3.4.5',
    '1.2.3.',
    '',
    '1.2.3.4 ',
  ]) {
    t.equal(parseIpv4(text), undefined, `"${text}"`);
  }
});
