import t from 'tap';
import { encodeLcpOption, LCP_OPTION, type LcpOption } from '@ppp-thing/protocol/wire/lcp';
import { decodePpp, encodePpp, PROTOCOL, type PppPacket } from '@ppp-thing/protocol/wire/ppp';
import * as fixture from '../fixtures/ppp.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const decode = (octets: Uint8Array): PppPacket => decodePpp(PROTOCOL.LCP, octets);

/** The options of a Configure packet. */
function optionsOf(octets: Uint8Array): readonly LcpOption[] {
  const ppp = decode(octets);
  return ppp.protocol === 'LCP' && 'options' in ppp.packet ? ppp.packet.options : [];
}

/** Every Code, its octets and its value (RFC 1661 §5, RFC 1570 §2, RFC 2153 §2). */
const PACKETS: readonly (readonly [octets: Uint8Array, packet: object])[] = [
  [
    fixture.LCP_REQUEST,
    {
      code: 'Configure-Request',
      identifier: 7,
      options: [
        { kind: 'mru', mru: 1492, raw: hex`01 04 05d4` },
        { kind: 'authentication', method: 'CHAP-MD5', raw: hex`03 05 c223 05` },
        { kind: 'magic', magic: 0xdeadbeef, raw: hex`05 06 deadbeef` },
      ],
    },
  ],
  [
    fixture.LCP_ACK,
    {
      code: 'Configure-Ack',
      identifier: 7,
      options: [{ kind: 'mru', mru: 1492, raw: hex`01 04 05d4` }],
    },
  ],
  [
    fixture.LCP_NAK,
    {
      code: 'Configure-Nak',
      identifier: 7,
      options: [{ kind: 'mru', mru: 1488, raw: hex`01 04 05d0` }],
    },
  ],
  [
    fixture.LCP_REJECT,
    {
      code: 'Configure-Reject',
      identifier: 7,
      options: [{ kind: 'magic', magic: 0xdeadbeef, raw: hex`05 06 deadbeef` }],
    },
  ],
  [fixture.LCP_TERMINATE, { code: 'Terminate-Request', identifier: 9, data: hex`627965` }],
  [fixture.LCP_TERMINATED, { code: 'Terminate-Ack', identifier: 9, data: hex`` }],
  [fixture.LCP_CODE_REJECT, { code: 'Code-Reject', identifier: 10, rejected: hex`63010004` }],
  [
    fixture.LCP_PROTOCOL_REJECT,
    { code: 'Protocol-Reject', identifier: 11, protocol: 0x80fd, rejected: hex`01010004` },
  ],
  [
    fixture.LCP_ECHO,
    { code: 'Echo-Request', identifier: 12, magic: 0xdeadbeef, data: hex`01020304` },
  ],
  [fixture.LCP_ECHO_REPLY, { code: 'Echo-Reply', identifier: 12, magic: 0, data: hex`` }],
  [
    fixture.LCP_DISCARD,
    { code: 'Discard-Request', identifier: 13, magic: 0xdeadbeef, data: hex`00` },
  ],
  [
    fixture.LCP_IDENTIFICATION,
    { code: 'Identification', identifier: 14, magic: 0xdeadbeef, message: hex`76312e` },
  ],
  [
    fixture.LCP_TIME_REMAINING,
    {
      code: 'Time-Remaining',
      identifier: 15,
      magic: 0xdeadbeef,
      seconds: 3600,
      message: hex`21`,
    },
  ],
  [
    fixture.LCP_VENDOR,
    { code: 'Vendor-Specific', identifier: 16, magic: 0xdeadbeef, data: hex`00005e01` },
  ],
  [fixture.LCP_UNKNOWN, { code: 'unknown', number: 99, identifier: 17, raw: fixture.LCP_UNKNOWN }],
];

for (const [octets, packet] of PACKETS) {
  const name = 'code' in packet ? String(packet.code) : '';
  t.test(`lcp › ${name} decodes`, async (t) => {
    t.strictSame(decode(octets), { protocol: 'LCP', packet });
  });

  t.test(`lcp › ${name} encodes and mirrors`, async (t) => {
    t.strictSame(encodePpp(decode(octets)), { protocol: 0xc021, packet: octets });
  });

  t.test(`lcp › ${name} is refused at every truncation`, async (t) => {
    t.same(acceptedTruncations(decode, octets), []);
  });

  t.test(`lcp › ${name} with padding after Length is the same packet (L14)`, async (t) => {
    t.strictSame(decode(Uint8Array.of(...octets, 1, 1, 0, 0xff)), { protocol: 'LCP', packet });
  });

  t.test(`lcp › ${name} with a Length beyond the packet is refused (L14)`, async (t) => {
    t.equal(attempt(decode, changed(octets, 3, +1)), REFUSED);
    t.equal(attempt(decode, changed(octets, 2, +1)), REFUSED, '256 too many');
  });

  t.test(`lcp › ${name} with a Length of 0 … 3 is refused (L14)`, async (t) => {
    for (let length = 0; length < 4; length++) {
      t.equal(attempt(decode, changed(octets, 3, length - octets.length)), REFUSED, `${length}`);
    }
  });
}

t.test('lcp › a Length short of the fixed fields is refused', async (t) => {
  for (const [octets, least] of [
    [fixture.LCP_PROTOCOL_REJECT, 6],
    [fixture.LCP_ECHO, 8],
    [fixture.LCP_ECHO_REPLY, 8],
    [fixture.LCP_DISCARD, 8],
    [fixture.LCP_IDENTIFICATION, 8],
    [fixture.LCP_TIME_REMAINING, 12],
    [fixture.LCP_VENDOR, 8],
  ] as const) {
    const withLength = (length: number): Uint8Array => changed(octets, 3, length - octets.length);
    t.equal(attempt(decode, withLength(least - 1)), REFUSED, `Code ${octets[0]}: ${least - 1}`);
    t.not(attempt(decode, withLength(least)), REFUSED, `Code ${octets[0]}: ${least}`);
  }
});

t.test('lcp › a Length that cuts the last option is refused', async (t) => {
  for (const octets of [
    fixture.LCP_REQUEST,
    fixture.LCP_ACK,
    fixture.LCP_NAK,
    fixture.LCP_REJECT,
  ]) {
    t.equal(attempt(decode, changed(octets, 3, -1)), REFUSED);
  }
});

t.test('lcp › an option Length of 0, of 1 or beyond the packet is refused (L14)', async (t) => {
  for (const length of [0, 1, 5, 255]) {
    t.equal(attempt(decode, changed(fixture.LCP_ACK, 5, length - 4)), REFUSED, `Length ${length}`);
  }
  t.equal(attempt(decode, hex`01 01 0005 01`), REFUSED, 'a Type without a Length');
});

t.test('lcp › an option Length off by one is refused', async (t) => {
  // The list must still end with Length, so a lie about one option is a lie about the next.
  for (const at of [5, 9, 14]) {
    t.equal(attempt(decode, changed(fixture.LCP_REQUEST, at, +1)), REFUSED, `octet ${at} + 1`);
    t.equal(attempt(decode, changed(fixture.LCP_REQUEST, at, -1)), REFUSED, `octet ${at} - 1`);
  }
});

t.test('lcp › options keep their octets and their order (RFC 1661 §5.2)', async (t) => {
  t.match(decode(fixture.LCP_ODD_REQUEST), {
    packet: { code: 'Configure-Request', identifier: 8 },
  });
  t.strictSame(optionsOf(fixture.LCP_ODD_REQUEST), [
    { kind: 'unknown', type: 1, raw: hex`01 03 ff` },
    { kind: 'unknown', type: 2, raw: hex`02 06 000a0000` },
    { kind: 'authentication', method: 'PAP', raw: hex`03 04 c023` },
    { kind: 'authentication', method: 'MS-CHAPv2', raw: hex`03 05 c223 81` },
    { kind: 'authentication', method: 'unknown', raw: hex`03 05 c223 80` },
    { kind: 'magic', magic: 0, raw: hex`05 06 00000000` },
    { kind: 'unknown', type: 7, raw: hex`07 02` },
    { kind: 'unknown', type: 8, raw: hex`08 02` },
    { kind: 'unknown', type: 13, raw: hex`0d 03 06` },
    { kind: 'unknown', type: 0xee, raw: hex`ee 03 01` },
  ]);
  t.same(encodePpp(decode(fixture.LCP_ODD_REQUEST)).packet, fixture.LCP_ODD_REQUEST);
});

/** The option of a Configure-Request that holds only `option`. */
const only = (option: Uint8Array): LcpOption | undefined =>
  optionsOf(Uint8Array.of(1, 1, 0, 4 + option.length, ...option))[0];

t.test('lcp › a known option of another Length is unknown, and so will be rejected', async (t) => {
  for (const raw of [
    hex`01 02`,
    hex`01 03 05`,
    hex`01 05 05d400`,
    hex`05 05 deadbe`,
    hex`05 07 deadbeef00`,
    hex`03 02`,
    hex`03 03 c0`,
  ]) {
    t.same(only(raw), { kind: 'unknown', type: raw[0], raw });
  }
});

t.test('lcp › a method we lack is Nakable, so it is an authentication (§6.2)', async (t) => {
  for (const raw of [
    hex`03 04 c025            # Link Quality Report is no authentication`,
    hex`03 05 c023 00         # PAP has no Data`,
    hex`03 04 c223            # CHAP without an Algorithm`,
    hex`03 06 c223 05 00      # CHAP with MD5 and more: an algorithm that is not ours`,
    hex`03 05 c223 80         # MS-CHAPv1`,
    hex`03 04 c227            # EAP`,
  ]) {
    t.same(only(raw), { kind: 'authentication', method: 'unknown', raw });
  }
});

t.test('lcp › every value of an MRU is one, and every Magic-Number', async (t) => {
  t.match(only(hex`01 04 0000`), { kind: 'mru', mru: 0 });
  t.match(only(hex`01 04 ffff`), { kind: 'mru', mru: 65535 });
  t.match(only(hex`05 06 00000001`), { kind: 'magic', magic: 1 });
  t.match(only(hex`05 06 ffffffff`), { kind: 'magic', magic: 0xffffffff });
  // Illegal, which is the engine's to judge (§6.4).
  t.match(only(hex`05 06 00000000`), { kind: 'magic', magic: 0 });
});

t.test('lcp › an option of our own making is written from its value', async (t) => {
  const options: LcpOption[] = [
    { kind: 'mru', mru: 1492 },
    { kind: 'magic', magic: 0x01020304 },
    { kind: 'authentication', method: 'PAP' },
    { kind: 'authentication', method: 'CHAP-MD5' },
    { kind: 'authentication', method: 'MS-CHAPv2' },
  ];
  const packet = { code: 'Configure-Request', identifier: 1, options } as const;
  t.same(
    encodePpp({ protocol: 'LCP', packet }).packet,
    hex`
      01 01 001c                  # Configure-Request 1, Length 28
      01 04 05d4  05 06 01020304  # Maximum-Receive-Unit, Magic-Number
      03 04 c023                  # PAP
      03 05 c223 05               # CHAP-MD5
      03 05 c223 81               # MS-CHAPv2
    `,
  );
});

t.test('lcp › octets as received win over the value', async (t) => {
  const option: LcpOption = { kind: 'mru', mru: 1, raw: hex`01 04 05d4` };
  t.same(encodeLcpOption(option), hex`01 04 05d4`);
});

t.test('lcp › a value that has no octets is our own mistake', async (t) => {
  const request = (option: LcpOption): PppPacket => ({
    protocol: 'LCP',
    packet: { code: 'Configure-Request', identifier: 1, options: [option] },
  });
  t.throws(() => encodePpp(request({ kind: 'mru', mru: 65536 })), RangeError);
  t.throws(() => encodePpp(request({ kind: 'authentication', method: 'unknown' })), RangeError);
  const data = new Uint8Array(0x1_0000);
  const packet = { code: 'Echo-Request', identifier: 1, magic: 0, data } as const;
  t.throws(() => encodePpp({ protocol: 'LCP', packet }), RangeError);
});

t.test('ppp › a protocol we do not speak keeps its number and information', async (t) => {
  const information = hex`01 01 0004`;
  const ppp = { protocol: 'unknown', number: PROTOCOL.CCP, information } as const;
  t.strictSame(decodePpp(PROTOCOL.CCP, information), ppp);
  t.strictSame(encodePpp(ppp), { protocol: PROTOCOL.CCP, packet: information });
  t.same(decodePpp(0x8281, hex``), { protocol: 'unknown', number: 0x8281, information: hex`` });
});

t.test('ppp › the Protocol field has the assigned numbers', async (t) => {
  t.same(PROTOCOL, {
    IPv4: 0x0021,
    IPv6: 0x0057,
    IPCP: 0x8021,
    IPV6CP: 0x8057,
    CCP: 0x80fd,
    LCP: 0xc021,
    PAP: 0xc023,
    CHAP: 0xc223,
  });
  const numbers = Object.values(PROTOCOL);
  t.same(
    numbers.map((number) => decodePpp(number, hex`03 01 0004`).protocol),
    ['unknown', 'unknown', 'IPCP', 'IPV6CP', 'unknown', 'LCP', 'PAP', 'CHAP'],
  );
});

t.test('lcp › options that we only reject have the assigned numbers too', async (t) => {
  t.match(LCP_OPTION, { accm: 2, quality: 4, pfc: 7, acfc: 8, fcsAlternatives: 9, callback: 13 });
});

t.test('ppp › what is decoded outlives the memory it came in', async (t) => {
  const frame = Buffer.from(fixture.LCP_REQUEST);
  const ppp = decode(frame);
  frame.fill(0);
  t.same(encodePpp(ppp).packet, fixture.LCP_REQUEST);
});

t.test('lcp › any octets give a packet or a DecodeError (S7)', async () => {
  fuzz(decode, [...PACKETS.map(([octets]) => octets), fixture.LCP_ODD_REQUEST]);
});

t.test('lcp › whatever decodes is written back as it came, without its padding', async (t) => {
  for (const [octets] of PACKETS) {
    for (let at = 0; at < octets.length; at++) {
      const other = changed(octets, at, 1);
      const ppp = attempt(decode, other);
      if (ppp === REFUSED) continue;
      const back = encodePpp(ppp).packet;
      t.same(back, other.subarray(0, back.length), `octet ${at}`);
    }
  }
});
