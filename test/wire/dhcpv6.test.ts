import t from 'tap';
import {
  allOptions,
  decodeDhcp6,
  encodeDhcp6,
  findOption,
  INFINITY,
  type Dhcp6Message,
} from '@ppp-thing/protocol/wire/dhcpv6';
import { formatIpv6, networkOf, parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import * as fixture from '../fixtures/dhcpv6.ts';
import { hex } from '../hex.ts';
import { acceptedTruncations, attempt, changed, fuzz, REFUSED } from './total.ts';

const text = (name: readonly Uint8Array[]): string =>
  name.map((label) => String.fromCharCode(...label)).join('.');

t.test('dhcpv6 › a Reply decodes', async (t) => {
  const { type, transactionId, options } = decodeDhcp6(fixture.REPLY);
  t.equal(type, 'Reply');
  t.equal(transactionId, 0xa1b2c3);
  t.same(findOption(options, 'clientId')?.duid, hex`0003 0001 02005e105301`);
  t.same(findOption(options, 'serverId')?.duid, hex`0001 0001 2a5b6c7d 0200000000ac`);
  const [delegation, ...others] = allOptions(options, 'iaPd');
  t.same(others, []);
  t.match(delegation, { iaid: 1, t1: 1800, t2: 2880 });
  const prefix = findOption(delegation?.options ?? [], 'iaPrefix');
  t.match(prefix, { preferred: 3600, valid: 7200, length: 56 });
  t.same(prefix?.prefix, hex`20010db8ab0000000000000000000000`);
  t.match(findOption(prefix?.options ?? [], 'pdExclude'), { length: 64, subnetId: hex`0700` });
  t.match(findOption(delegation?.options ?? [], 'statusCode'), { status: 0 });
  const address = findOption(findOption(options, 'iaNa')?.options ?? [], 'iaAddress');
  t.match(address, { preferred: 3600, valid: 7200 });
  t.equal(address && formatIpv6(address.address), '2001:db8::7');
  t.same(findOption(options, 'dns')?.servers.map(formatIpv6), ['2001:db8::53', '2001:db8::54']);
  t.same(findOption(options, 'domainSearch')?.names.map(text), ['isp.example']);
  t.equal(text(findOption(options, 'aftrName')?.name ?? []), 'aftr.isp.ex');
  t.equal(findOption(options, 'preference')?.value, 255);
  t.ok(findOption(options, 'rapidCommit'));
  t.equal(findOption(options, 'solMaxRt')?.seconds, 3600);
  t.strictSame(allOptions(options, 'unknown'), [
    { kind: 'unknown', code: 17, raw: hex`00001234 0001` },
  ]);
});

t.test('dhcpv6 › a message of our own making is written from its values', async (t) => {
  const solicit: Dhcp6Message = {
    type: 'Solicit',
    transactionId: 0xa1b2c3,
    options: [
      { kind: 'clientId', duid: hex`0003 0001 02005e105301` },
      { kind: 'oro', codes: [23, 24, 64, 67, 82] },
      { kind: 'elapsedTime', hundredths: 0 },
      {
        kind: 'iaPd',
        iaid: 1,
        t1: 0,
        t2: 0,
        options: [
          {
            kind: 'iaPrefix',
            preferred: 0,
            valid: 0,
            length: 56,
            prefix: new Uint8Array(16),
            options: [],
          },
        ],
      },
    ],
  };
  t.same(encodeDhcp6(solicit), fixture.SOLICIT);
  const bad = (options: Dhcp6Message['options'], transactionId = 1): void => {
    t.throws(() => encodeDhcp6({ type: 'Solicit', transactionId, options }), RangeError);
  };
  bad([{ kind: 'dns', servers: [hex`01`] }]);
  bad([{ kind: 'aftrName', name: [new Uint8Array(64)] }]);
  bad([{ kind: 'aftrName', name: [new Uint8Array()] }]);
  bad([{ kind: 'solMaxRt', seconds: INFINITY + 1 }]);
  bad([], 0x100_0000);
});

/** The same without the octets each option came with. */
const withoutRaw = (value: unknown): unknown =>
  value instanceof Uint8Array || typeof value !== 'object' || value === null
    ? value
    : Array.isArray(value)
      ? value.map(withoutRaw)
      : Object.fromEntries(
          Object.entries(value)
            .filter(([name]) => name !== 'raw' || ('kind' in value && value.kind === 'unknown'))
            .map(([name, each]) => [name, withoutRaw(each)]),
        );

t.test('dhcpv6 › every option mirrors, with and without the octets it came with', async (t) => {
  for (const octets of [fixture.SOLICIT, fixture.REPLY, fixture.NESTED]) {
    const message = decodeDhcp6(octets);
    t.same(encodeDhcp6(message), octets);
    t.same(encodeDhcp6(withoutRaw(message) as Dhcp6Message), octets);
  }
});

t.test('dhcpv6 › what a real server said decodes, and encodes to itself', async (t) => {
  for (const octets of fixture.RECORDED) {
    const message = decodeDhcp6(octets);
    t.same(encodeDhcp6(message), octets, message.type);
    t.same(encodeDhcp6(withoutRaw(message) as Dhcp6Message), octets, 'from its values too');
  }
  const [, , , reply] = fixture.RECORDED;
  t.match(findOption(decodeDhcp6(reply).options, 'iaPd'), { t1: 45, t2: 80 });
});

t.test('dhcpv6 › options nest only as deep as they mean something', async (t) => {
  const [outer] = allOptions(decodeDhcp6(fixture.NESTED).options, 'iaPd');
  t.match(outer?.options, [{ kind: 'unknown', code: 25 }, { kind: 'iaPrefix' }]);
  t.match(findOption(outer?.options ?? [], 'iaPrefix')?.options, [{ kind: 'unknown', code: 26 }]);
  // An option that holds itself, as deep as a datagram allows, costs one level.
  const deep = new Uint8Array(4 + 1000 * 16);
  deep.set([7, 0, 0, 1]);
  for (let at = 4; at < deep.length; at += 16) {
    const left = deep.length - at - 4;
    deep.set([0, 25, left >> 8, left & 0xff], at);
  }
  t.match(decodeDhcp6(deep).options, [{ kind: 'iaPd', options: [{ kind: 'unknown', code: 25 }] }]);
});

t.test('dhcpv6 › every truncation within an option is refused', async (t) => {
  for (const octets of [fixture.SOLICIT, fixture.REPLY, fixture.NESTED]) {
    const ends = [4];
    for (let at = 4; at < octets.length; ends.push(at))
      at += 4 + (((octets[at + 2] ?? 0) << 8) | (octets[at + 3] ?? 0));
    // A message may end after any option, and then is a whole message.
    t.same(
      acceptedTruncations(decodeDhcp6, octets),
      ends.filter((end) => end < octets.length),
    );
  }
});

t.test('dhcpv6 › a length off by one is refused', async (t) => {
  const { REPLY } = fixture;
  const ia = 4 + 14 + 18;
  const lengths = { 'Client Identifier': 7, IA_PD: ia + 3, IAPREFIX: ia + 19 };
  for (const [name, at] of Object.entries(lengths)) {
    for (const by of [-1, +1]) {
      t.equal(attempt(decodeDhcp6, changed(REPLY, at, by)), REFUSED, `${name} ${by}`);
    }
  }
});

t.test('dhcpv6 › values that their option cannot have are refused', async (t) => {
  const refused = {
    'msg-type 12, of a relay': hex`0c 000001`,
    'msg-type 0': hex`00 000001`,
    'a DUID of two octets': hex`07 000001 0001 0002 0003`,
    'a DUID of 131 octets': Uint8Array.of(7, 0, 0, 1, 0, 1, 0, 131, ...new Uint8Array(131)),
    'a prefix of 129 bits': hex`
      07 000001 0019 0029 00000001 00000000 00000000
      001a 0019 00000001 00000001 81 20010db8000000000000000000000000`,
    'an IAPREFIX longer than its IA': hex`
      07 000001 0019 0028 00000001 00000000 00000000
      001a 0019 00000001 00000001 38 20010db80000000000000000000000`,
    'a DNS server of 15 octets': hex`07 000001 0017 000f 000102030405060708090a0b0c0d0e`,
    'half an option code': hex`07 000001 0006 0003 001700`,
    'a label of 64 octets': hex`07 000001 0040 0002 4000`,
    'a compressed name': hex`07 000001 0040 0002 c000`,
    'a name without its root': hex`07 000001 0040 0002 0161`,
    'octets after a name': hex`07 000001 0040 0004 0161 00 00`,
    'a Rapid Commit with something in it': hex`07 000001 000e 0001 00`,
    'a Preference of two octets': hex`07 000001 0007 0002 0000`,
  };
  for (const [name, octets] of Object.entries(refused))
    t.equal(attempt(decodeDhcp6, octets), REFUSED, name);
  const long = Uint8Array.of(
    0,
    64,
    1,
    5,
    ...Array.from({ length: 4 }, () => [63, ...new Uint8Array(63).fill(97)]).flat(),
    3,
  );
  t.equal(
    attempt(decodeDhcp6, Uint8Array.of(7, 0, 0, 1, ...long, 97, 97, 97, 0)),
    REFUSED,
    'a domain name of 261 octets',
  );
});

t.test('dhcpv6 › any octets give a message or a DecodeError', async () => {
  fuzz(decodeDhcp6, [fixture.SOLICIT, fixture.REPLY, fixture.NESTED]);
});

t.test('ipv6 › an address reads back as it was written (RFC 5952)', async (t) => {
  for (const [canonical, ...others] of [
    ['::'],
    ['::1', '0:0:0:0:0:0:0:1', '0::1'],
    ['2001:db8::', '2001:DB8:0:0:0:0:0:0'],
    ['2001:db8::1:0:0:1', '2001:db8:0:0:1:0:0:1'],
    ['2001:0:0:1::1', '2001:0:0:1:0:0:0:1'],
    ['1:2:3:4:5:6:7:8'],
    ['1:0:3:4:5:6:7:8'],
    ['fe80::200:5eff:fe10:5301'],
  ] as const) {
    for (const each of [canonical, ...others]) {
      const address = parseIpv6(each);
      t.equal(address && formatIpv6(address), canonical, each);
    }
  }
  for (const wrong of [
    '',
    ':',
    ':::',
    '1',
    '1::2::3',
    '::12345',
    '1:2:3:4:5:6:7',
    '::1%lo',
    '::1/64',
  ])
    t.equal(parseIpv6(wrong), undefined, `"${wrong}"`);
  t.equal(parseIpv6('1:2:3:4:5:6:7:8:9'), undefined);
  t.equal(parseIpv6('1::2:3:4:5:6:7:8'), undefined);
  t.equal(parseIpv6('::192.0.2.1'), undefined);
});

t.test('ipv6 › a prefix keeps its bits and no other', async (t) => {
  const all = new Uint8Array(16).fill(0xff);
  t.equal(formatIpv6(networkOf(all, 0)), '::');
  t.equal(formatIpv6(networkOf(all, 57)), 'ffff:ffff:ffff:ff80::');
  t.equal(formatIpv6(networkOf(all, 64)), 'ffff:ffff:ffff:ffff::');
  t.same(networkOf(all, 128), all);
});
