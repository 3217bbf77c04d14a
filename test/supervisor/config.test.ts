import { readFileSync } from 'node:fs';
import t from 'tap';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { parseConfig, type Config } from '@ppp-thing/supervisor/config';
import { DEFAULT_PORT } from '@ppp-thing/supervisor/config-schema';
import { decodeText, UnreadableError } from '@ppp-thing/supervisor/errors';
import {
  HELPER_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
} from '@ppp-thing/supervisor/config-schema';

const noSecrets = (path: string): string => {
  throw new UnreadableError(path, Object.assign(new Error(path), { code: 'ENOENT' }));
};

const read = (text: string, secrets = noSecrets): Config => parseConfig(text, 'test.conf', secrets);

/** Every problem of a text as `line message`. */
function problems(text: string): string[] {
  try {
    read(text);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, message }) => `${line ?? '-'} ${message}`);
  }
}

const MINIMAL = `
[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "someone"
password = "hunter2"
carp_interface = "igb1"
carp_vhid = 1
carp_address = "192.168.7.1"
`;

const EIGHT = `igb0
02:00:5e:10:53:01
someone@example.net
hunter2
1492
192.168.7.1
192.168.7.2
192.168.7.3
`;

t.test('config › the least that works has the defaults of the reference', async (t) => {
  const { sessions, partner, ...rest } = read(MINIMAL);
  t.equal(partner, undefined, 'a single router');
  t.match(rest, { user: 'ppp_thing', group: 'ppp_thing', logLevel: 'info' });
  t.match(rest.helperSocket, /\/run\/ppp_thing_helper\/helper\.sock$/);
  const [session] = sessions;
  t.match(session, { interface: 'igb0', engine: { name: 'pppoe0' } });
  t.match(session?.engine.link, {
    user: 'someone',
    auth: ['MS-CHAPv2', 'CHAP-MD5'],
    serviceName: '',
    mtu: 1492,
    magicNumber: true,
    echo: { interval: 5000, failures: 2, probeInterval: 500, probeFailures: 30 },
  });
  t.match(session?.engine.owner, {
    policy: 'follow-carp',
    hasPartner: false,
    holdDown: 5000,
    partnerTimeout: 3000,
    downDemotion: 10_000,
  });
});

t.test('config › the password is kept from every way of showing it', async (t) => {
  const config = read(MINIMAL);
  t.equal(config.sessions[0]?.engine.link.password.reveal(), 'hunter2');
  t.notMatch(JSON.stringify(config), /hunter2/);
  t.notMatch(String(config.sessions[0]?.engine.link.password), /hunter2/);
});

t.test('config › a password_file is read to its first line', async (t) => {
  const text = MINIMAL.replace('password = "hunter2"', 'password_file = "/etc/secret"');
  const config = read(text, (path) => (path === '/etc/secret' ? 'hunter3\n' : ''));
  t.equal(config.sessions[0]?.engine.link.password.reveal(), 'hunter3');
  t.strictSame(problems(text), [
    '6 session.pppoe0.password_file: read /etc/secret: ENOENT: there is no such file',
  ]);
});

t.test(
  'config › a partner has this end’s address as its number, and a port of our own',
  async (t) => {
    const partner = '[partner]\nlocal_address = "10.99.0.2"\naddress = "10.99.0.3"\n';
    const config = read(`${partner}${MINIMAL}`);
    t.match(config.partner, {
      protocol: 'ppp-thing',
      port: DEFAULT_PORT,
      partnerPort: DEFAULT_PORT,
      routerId: 0x0a63_0002,
      partnerId: 0x0a63_0003,
      keyFile: undefined,
    });
    t.ok(config.sessions[0]?.engine.owner.hasPartner);
    t.equal(config.sessions[0]?.engine.owner.routerId, 0x0a63_0002);
    t.equal(read(`${partner}protocol = "none"\n${MINIMAL}`).partner, undefined);
  },
);

t.test(
  'config › the original’s eight lines are one session and the original’s partner',
  async (t) => {
    const { sessions, partner } = read(EIGHT);
    t.match(partner, {
      protocol: 'ppp_thing',
      localAddress: '192.168.7.2',
      address: '192.168.7.3',
      port: 75,
      partnerPort: 75,
    });
    t.match(sessions, [
      {
        interface: 'igb0',
        stub: 'pppoe0x',
        engine: {
          name: 'pppoe0',
          link: { user: 'someone@example.net', mtu: 1492, magicNumber: false },
          // It speaks every 6 s: the 3 s of our own protocol would find it silent each time.
          owner: { policy: 'follow-carp', hasPartner: true, partnerTimeout: 20_000 },
        },
      },
    ]);
    t.equal(sessions[0]?.engine.link.password.reveal(), 'hunter2');
  },
);

t.test('config › mistakes in the eight lines are reported by line', async (t) => {
  const wrong = EIGHT.replace('02:00:5e:10:53:01', '03:00:5e:10:53:01')
    .replace('1492', 'many')
    .replace('192.168.7.1', '192.168.7')
    .replace('192.168.7.3', '192.168.7.2');
  t.strictSame(problems(wrong), [
    '2 session.pppoe0.mac: expected a unicast MAC address such as 02:00:5e:10:53:01',
    '5 session.pppoe0.mtu: expected a whole number from 576 to 9000',
    '6 session.pppoe0.carp_address: expected an IPv4 address such as 192.168.7.1',
    '8 partner.address: is this router itself',
  ]);
});

t.test('config › a partner with the number of this router is refused', async (t) => {
  const session = `[session.pppoe0]
interface = "igb0"
mac = "02:00:5e:10:53:01"
user = "alice"
password = "secret"
carp_address = "192.168.7.1"
`;
  const partner = (keys: string): string =>
    `[partner]\nlocal_address = "10.99.0.2"\n${keys}\n${session}`;
  t.strictSame(problems(partner('address = "10.99.0.3"\nrouter_id = 7\npartner_id = 7')), [
    '5 partner.partner_id: 7 is this router’s own number, its router_id',
  ]);
  t.match(problems(partner('address = "10.99.0.2"\npartner_port = 9999')), [
    /partner.partner_id: \d+ is this router’s own number/,
  ]);
  t.match(problems(partner('address = "10.99.0.3"\nrouter_id = 174260227')), [/own number/]);
});

t.test(
  'config › every mistake is reported at once, with its line and what was expected',
  async (t) => {
    const text = `[partner]
local_adress = "10.99.0.2"
address = "10.99.0"
port = "many"
protocol = "carrier pigeon"

[supervisor]
log_level = "loud"
user = ""

[helper]
socket = "helper.sock"

[elsewhere]
x = 1

[session.pppoe0]
interface = "an interface with a long name"
mac = "01:00:5e:10:53:01"
user = 7
password = "hunter2"
password_file = "/etc/secret"
auth = ["chap"]
mtu = 9001
default_route = "yes"
echo_interval_seconds = 0.5
pasword = "hunter2"
carp_vhid = 300

[session.pppoe1]
stub = { x = 1 }
default_route = 1979-05-27
`;
    t.strictSame(problems(text), [
      '2 partner.local_adress: unknown key; did you mean local_address?',
      '3 partner.address: expected the IPv4 address of a router such as 10.0.0.1',
      '4 partner.port: expected a whole number from 1 to 65535',
      '5 partner.protocol: expected "ppp-thing", "ppp_thing", "none"',
      '8 supervisor.log_level: expected "error", "warn", "info", "debug", "trace"',
      '9 supervisor.user: expected a user name',
      '12 helper.socket: expected an absolute path',
      '14 elsewhere: unknown; expected [helper], [supervisor], [partner], [hooks] or [session.NAME]',
      '18 session.pppoe0.interface: expected an interface name of at most 15 characters',
      '19 session.pppoe0.mac: expected a unicast MAC address such as 02:00:5e:10:53:01',
      '20 session.pppoe0.user: expected a user name of at most 255 octets',
      '23 session.pppoe0.auth: expected a list of "pap", "chap-md5", "ms-chap-v2"',
      '24 session.pppoe0.mtu: expected a whole number from 576 to 9000',
      '25 session.pppoe0.default_route: expected true or false',
      '26 session.pppoe0.echo_interval_seconds: expected 0, or seconds from 1 to 300',
      '27 session.pppoe0.pasword: unknown key; did you mean password?',
      '28 session.pppoe0.carp_vhid: expected a whole number from 1 to 255',
      '30 session.pppoe1.interface: missing; expected an interface name of at most 15 characters',
      '30 session.pppoe1.mac: missing; expected a unicast MAC address such as 02:00:5e:10:53:01',
      '30 session.pppoe1.user: missing; expected a user name of at most 255 octets',
      '31 session.pppoe1.stub: expected an interface name of at most 15 characters',
      '32 session.pppoe1.default_route: expected true or false',
    ]);
  },
);

t.test('config › no secret is in an error, whatever is wrong with it', async (t) => {
  for (const line of [
    'password = ["hunter2"]',
    'password = "hunter2" x',
    'password = 7',
    'p = "hunter2"',
  ])
    t.notMatch(problems(MINIMAL.replace('password = "hunter2"', line)).join('\n'), /hunter2/, line);
});

t.test('config › text that is not TOML is reported with its line', async (t) => {
  const [problem = '', ...more] = problems(`${MINIMAL}mtu = \n`);
  t.match(problem, /^10 mtu: Invalid TOML document/);
  t.strictSame(more, []);
});

t.test('config › fast_takeover_ms needs CARP, and a partner that can be heard', async (t) => {
  const said = (text: string): string => problems(text).join('\n');
  const alone = said(`${MINIMAL}fast_takeover_ms = 300\n`);
  t.match(alone, /fast_takeover_ms: needs a partner with key_file/);
  t.equal(/is for carp\(4\); on Linux keepalived/.test(alone), process.platform === 'linux');
  t.match(said(`${MINIMAL}fast_takeover_ms = 20\n`), /a whole number from 100 to 2500/);
  t.match(said(`${MINIMAL}policy = "pinned"\nfast_takeover_ms = 300\n`), /needs policy/);
  const section = MINIMAL.slice(MINIMAL.indexOf('[session'));
  const many = Array.from({ length: 16 }, (_, i) => section.replace('pppoe0', `pppoe${i}`));
  t.match(said(`${many.join('')}fast_takeover_ms = 300\n`), /at most 15 sessions, found 16/);
});

t.test('config › keys that contradict each other are reported', async (t) => {
  const withoutAddress = MINIMAL.replace(/^carp_address.*\n/m, '');
  t.strictSame(problems(withoutAddress.replace('carp_vhid = 1\n', '')), [
    '2 session.pppoe0.carp_address: missing; expected carp_address or carp_vhid, or another policy',
  ]);
  t.strictSame(problems(withoutAddress.replace('carp_vhid = 1', 'policy = "pinned"')), []);
  t.strictSame(
    problems(withoutAddress),
    process.platform === 'linux'
      ? [
          '2 session.pppoe0.carp_address: missing; on Linux the role is read from this address, not from carp_vhid',
        ]
      : [],
  );
  t.strictSame(problems(MINIMAL.replace('password = "hunter2"\n', '')), [
    '2 session.pppoe0.password: expected exactly one of password and password_file',
  ]);
  t.strictSame(problems(`${MINIMAL}echo_failures = 100\n`), [
    '2 session.pppoe0.probe_failures: expected at most 120 s of silence with the echo_ and probe_ keys, found 515 s',
  ]);
  t.strictSame(problems(`${MINIMAL}ipv4 = false\n`), [
    '10 session.pppoe0.ipv4: false, and ipv6 too: expected one of them',
  ]);
  t.strictSame(problems(`${MINIMAL}ipv4 = false\nipv6 = true\n`), []);
  t.strictSame(problems(`[partner]\naddress = "10.99.0.3"\n${MINIMAL}`), [
    '1 partner.local_address: missing; expected the address of this end and of the other',
  ]);
  const legacy =
    '[partner]\nprotocol = "ppp_thing"\nlocal_address = "10.0.0.1"\naddress = "10.0.0.2"\n';
  const two = `${legacy}${MINIMAL}${MINIMAL.replace('pppoe0', 'pppoe1').replace('igb0', 'igb0.1')}`;
  t.strictSame(problems(two), [
    '2 partner.protocol: its datagrams carry no name: expected one session only',
  ]);
  t.strictSame(problems(`${legacy}${MINIMAL}ipv4 = false\nipv6 = true\n`), [
    '14 session.pppoe0.ipv4: false: a ppp_thing partner knows no session without IPv4',
  ]);
});

t.test(
  'config › a file without a session is refused, as is a session that is no table',
  async (t) => {
    t.strictSame(problems('# nothing\n'), ['- session: missing; expected [session.NAME]']);
    t.match(problems('[session]\npppoe0 = 1\n')[0], /session\.pppoe0: expected a table/);
    t.match(problems('session = 1\n')[0], /session: expected a table/);
    t.match(
      problems(MINIMAL.replace('pppoe0', '"a session"'))[0],
      /session\.a session: expected an interface name/,
    );
  },
);

t.test('config › a thousand sessions are read in a moment', async (t) => {
  const text = Array.from({ length: 1000 }, (_, i) =>
    MINIMAL.replace('pppoe0', `pppoe${i}`).replace('igb0', `igb0.${i}`),
  );
  t.equal(read(text.join('')).sessions.length, 1000);
});

t.test('config › the sample is right for both programs, and names every key', async (t) => {
  const sample = readFileSync('etc/ppp_thing.conf.sample', 'utf8');
  t.strictSame(problems(sample), []);
  const host = { platform: 'linux', uid: 0 } as const;
  t.equal(parsePolicy(sample, 'sample', host).sessions[0]?.name, 'pppoe0');
  // Every line that shows a default or an example is itself right.
  const all = sample.replaceAll(/^#([a-z0-9_]+ = )/gm, '$1');
  t.strictSame(problems(all), []);
  t.equal(parsePolicy(all, 'sample', host).sessions.length, 1);
  const own = new Set(['password_file', 'partner_port', 'fast_takeover_ms']);
  for (const keys of [HELPER_KEYS, SUPERVISOR_KEYS, PARTNER_KEYS, SESSION_KEYS])
    for (const key of Object.keys(keys))
      if (!own.has(key)) t.match(all, new RegExp(`^${key} = `, 'm'), key);
});

t.test('config › every key says what it is for', async (t) => {
  for (const keys of [HELPER_KEYS, SUPERVISOR_KEYS, PARTNER_KEYS, SESSION_KEYS])
    for (const [key, { doc }] of Object.entries(keys)) t.match(doc, /^[A-Z].*\.$/, key);
});

// --- one secret, three readers, one rule --------------------------------------------------------------------------

const revealed = (text: string, secrets = noSecrets): string | undefined =>
  read(text, secrets).sessions[0]?.engine.link.password.reveal();

for (const [what, password] of [
  ['empty', ''],
  ['with a blank at each end', ' hunter2 '],
  ['of UTF-8', 'pässwörd–秘密'],
  ['of what TOML and shells read otherwise', `"#'=[$\\`],
  ['of 255 octets', 'x'.repeat(255)],
] as const) {
  t.test(
    `config › a password ${what} is the same in TOML, in eight lines and in a file`,
    async (t) => {
      const toml = MINIMAL.replace('"hunter2"', JSON.stringify(password));
      t.equal(revealed(toml), password);
      t.equal(revealed(EIGHT.replace('hunter2', password.replaceAll('$', '$$$$'))), password);
      const file = MINIMAL.replace('password = "hunter2"', 'password_file = "/secret"');
      for (const end of ['', '\n', '\r\n', '\nsecond line\n'])
        t.equal(
          revealed(file, () => `${password}${end}`),
          password,
        );
    },
  );
}

t.test('config › a password longer than any protocol carries is an error in each', async (t) => {
  const long = 'x'.repeat(256);
  t.match(problems(MINIMAL.replace('hunter2', long)), [/at most 255 octets/]);
  t.match(problems(EIGHT.replace('hunter2', long)), [/^4 .*at most 255 octets/]);
  const file = MINIMAL.replace('password = "hunter2"', 'password_file = "/secret"');
  t.throws(() => read(file, () => long), /at most 255 octets/);
  t.throws(() => read(file, () => '\ufeffhunter2'), /byte order mark/);
});

t.test('config › octets that are not UTF-8 are an error, not another character', async (t) => {
  t.throws(() => decodeText(Uint8Array.of(0x70, 0xff)), { code: 'EILSEQ' });
  t.equal(decodeText(Uint8Array.of(0xef, 0xbb, 0xbf, 0x70)), '\ufeffp');
});

t.test('config › an eight-line file that ends before its password lacks one', async (t) => {
  t.match(problems(EIGHT.split('\n').slice(0, 3).join('\n')), [/password/]);
});

t.test(
  'config › a MAC address may have octets of one digit, as ether_aton(3) takes them',
  async (t) => {
    const eight = read(EIGHT.replace('02:00:5e:10:53:01', '2:0:5e:1:2:3'));
    t.equal(eight.sessions[0]?.mac, '02:00:5e:01:02:03');
    const toml = read(MINIMAL.replace('02:00:5e:10:53:01', '2:0:5E:10:53:1'));
    t.equal(toml.sessions[0]?.mac, '02:00:5e:10:53:01');
    t.equal(
      toml.sessions[0]?.shared['mac'],
      read(MINIMAL).sessions[0]?.shared['mac'],
      'and both routers are alike, however each writes it',
    );
    const host = { platform: 'freebsd', uid: 1 } as const;
    const policy = parsePolicy(EIGHT.replace('02:00:5e:10:53:01', '2:0:5e:1:2:3'), 'test', host);
    t.same(
      policy.sessions[0]?.mac,
      Uint8Array.of(2, 0, 0x5e, 1, 2, 3),
      'the helper reads the same',
    );
  },
);

// --- keys that people cannot do without ---------------------------------------------------------------------------

t.test('config › host_uniq is octets in hexadecimal digits, else text', async (t) => {
  const uniq = (text: string) =>
    read(`${MINIMAL}host_uniq = ${JSON.stringify(text)}`).sessions[0]?.engine.link.hostUniq;
  t.same(uniq('0xC0ffee'), Uint8Array.of(0xc0, 0xff, 0xee));
  t.same(uniq('c0ffee'), Uint8Array.of(0xc0, 0xff, 0xee));
  t.same(uniq('c0ffe'), Uint8Array.of(0x63, 0x30, 0x66, 0x66, 0x65), 'an odd number of digits');
  t.same(uniq('line-1'), Uint8Array.of(0x6c, 0x69, 0x6e, 0x65, 0x2d, 0x31));
  t.match(problems(`${MINIMAL}host_uniq = ""`), [/host_uniq: expected text or an even number/]);
  t.match(problems(`${MINIMAL}host_uniq = "${'x'.repeat(129)}"`), [/at most 128 octets/]);
});

t.test('config › echo 0, longest_redial_seconds and peer_address reach the engine', async (t) => {
  const text = `${MINIMAL}echo_interval_seconds = 0
longest_redial_seconds = 1200
peer_address = "198.51.100.9"
`;
  t.match(read(text).sessions[0]?.engine.link, {
    echo: { interval: 0 },
    longestRedial: 1_200_000,
    peerAddress: Uint8Array.of(198, 51, 100, 9),
  });
  t.match(read(`${MINIMAL}echo_failures = 0`).sessions[0]?.engine.link, { echo: { failures: 0 } });
});

t.test('config › the other router is a gateway if it has an address for that', async (t) => {
  const may = (lines: string): unknown =>
    read(`${MINIMAL}${lines}\n`).sessions[0]?.engine.owner.routesViaPartner;
  t.equal(may(''), false);
  t.equal(may('partner_address = "192.168.7.3"'), true);
  t.equal(may('ipv6 = true\npartner_address6 = "fd00::3"'), true);
});

t.test(
  'config › every address of the file and of the router is the AC’s to have no more',
  async (t) => {
    const text = `[partner]
local_address = "10.99.0.1"
address = "10.99.0.2"
${MINIMAL}local_address = "192.168.7.2"
partner_address = "192.168.7.3"
stub = "pppoe0x"
`;
    const own = [
      { interface: 'igb2', address: '172.16.0.1' },
      { interface: 'pppoe0', address: '203.0.113.7' },
      { interface: 'pppoe0x', address: '203.0.113.7' },
    ];
    const { sessions } = parseConfig(text, 'test.conf', noSecrets, own);
    const reserved = sessions[0]?.engine.link.reserved?.map((address) => address.join('.'));
    t.strictSame(reserved?.sort(), [
      '10.99.0.1',
      '10.99.0.2',
      '172.16.0.1',
      '192.168.7.1',
      '192.168.7.2',
      '192.168.7.3',
    ]);
  },
);

t.test('config › values that cannot all be true, and keys that no object may have', async (t) => {
  const found = problems(`${MINIMAL}
local_address = "192.168.7.1"
partner_address = "224.0.0.18"
stub = "igb1"
constructor = 1
service_name = "${'x'.repeat(1025)}"
`);
  t.strictSame(found, [
    '14 session.pppoe0.constructor: unknown key',
    '15 session.pppoe0.service_name: expected text of at most 1024 octets',
  ]);
  const together = problems(`${MINIMAL}
local_address = "192.168.7.1"
partner_address = "224.0.0.18"
stub = "igb1"
`);
  t.strictSame(together, [
    '7 session.pppoe0.carp_interface: igb1 is the stub',
    '11 session.pppoe0.local_address: 192.168.7.1 is carp_address as well',
    '12 session.pppoe0.partner_address: 224.0.0.18 is not the address of a host',
  ]);
});

t.test('config › eight lines › an MTU left empty is a mistake to both readers', async (t) => {
  const text = EIGHT.replace('\n1492\n', '\n\n');
  t.not(text, EIGHT);
  t.match(problems(text), [/^5 session.pppoe0.mtu: expected a whole number/]);
  t.throws(() => parsePolicy(text, 'test.conf', { platform: 'freebsd', uid: 0 }), {
    message: /:5: EINVAL: session.pppoe0.mtu: expected a whole number/,
  });
});

/** The helper's problems with a text, as `line message`. */
function helperProblems(text: string): string[] {
  try {
    parsePolicy(text, 'test.conf', { platform: 'freebsd', uid: 0 });
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, message }) => `${line ?? '-'} ${message}`);
  }
}

t.test('config › both readers refuse what cannot be, with the same line and words', async (t) => {
  const second = MINIMAL.replace('pppoe0', 'pppoe1').replace('02:00:5e:10:53:01', '2:0:5E:10:53:1');
  const cases: Readonly<Record<string, string>> = {
    [`${MINIMAL}${second}`]: '13 session.pppoe1.mac: session pppoe0 has the same interface and mac',
    [`${MINIMAL}stub = "pppoe1"\n${second.replace('53:1"', '53:2"')}`]:
      '10 session.pppoe0.stub: pppoe1 is in use by session pppoe1',
    [`${MINIMAL}[session.pppoe0.lan.pppoe0]\nsubnet = 1\n`]:
      '10 session.pppoe0.lan.pppoe0: is the session itself',
    [`${MINIMAL}stub = "pppoe0x"\n[session.pppoe0.lan.pppoe0x]\nsubnet = 1\n`]:
      '11 session.pppoe0.lan.pppoe0x: is the stub',
    '[[session.pppoe0]]\ninterface = "igb0"\n': '1 session.pppoe0: expected a table',
    ...Object.fromEntries(
      ['::', '::1', 'ff02::1'].map((gateway) => [
        `${MINIMAL}partner_address6 = "${gateway}"\n`,
        '10 session.pppoe0.partner_address6: expected an IPv6 address such as fd00::3 or fe80::3%igb1',
      ]),
    ),
    ...Object.fromEntries(
      ['0x5d4', '1e3', '1492.0', '+1492', '1492 # usual'].map((mtu) => [
        EIGHT.replace('\n1492\n', `\n${mtu}\n`),
        '5 session.pppoe0.mtu: expected a whole number',
      ]),
    ),
  };
  for (const [text, problem] of Object.entries(cases)) {
    const isThere = (found: readonly string[]): boolean =>
      found.some((each) => each.startsWith(problem));
    t.ok(isThere(problems(text)), `${problem}: ${problems(text).join('; ')}`);
    t.ok(isThere(helperProblems(text)), `the helper: ${helperProblems(text).join('; ')}`);
  }
});

t.test('config › text that is not TOML is told with its key, and what to write', async (t) => {
  const cases: Readonly<Record<string, RegExp>> = {
    'stub = hunter2': /^10 stub: .*invalid value; expected text in quotes, a number, true or/,
    'user: "hunter2"': /^10 .*illegal character in key; expected KEY = VALUE, \[TABLE\]/,
    'stub = "hunter2" ; my stub': /^10 stub: .*; expected nothing after the value but #/,
    'user = "hunter2"': /^10 user: .*redefine.*; expected it once in the file$/,
    'stub = "hunter2': /^10 stub: .*; expected the closing quote on the same line$/,
    '[session.pppoe0]\nuser = "hunter2"': /^10 .*redefine.*; expected it once in the file$/,
  };
  for (const [line, problem] of Object.entries(cases)) {
    const text = `${MINIMAL}${line}\n`;
    t.match(problems(text), [problem], line);
    t.strictSame(helperProblems(text), problems(text), 'and the helper says the same');
    t.notMatch(problems(text).join(), /hunter2/);
  }
});

t.test(
  'config › every problem has a line; a partner is an address that a router has',
  async (t) => {
    t.match(problems(`${MINIMAL}[sesion.wan2]\nmtu = 1492\n`), [/^10 sesion: unknown; expected/]);
    for (const address of ['0.0.0.0', '255.255.255.255', '224.0.0.18'])
      t.match(
        problems(`[partner]\nlocal_address = "${address}"\naddress = "10.0.0.2"\n${MINIMAL}`),
        [/^2 partner.local_address: expected the IPv4 address of a router/],
      );
  },
);

t.test('config › an unknown key is told what it may have meant', async (t) => {
  for (const [line, problem] of [
    ['MTU = 1492', 'session.pppoe0.MTU: unknown key; did you mean mtu?'],
    ['Service-Name = "x"', 'session.pppoe0.Service-Name: unknown key; did you mean service_name?'],
    ['vlan = 7', 'session.pppoe0.vlan: unknown key; the interface is the VLAN, such as igb0.7'],
    [
      'vlan_id = 7',
      'session.pppoe0.vlan_id: unknown key; the interface is the VLAN, such as igb0.7',
    ],
  ] as const)
    t.strictSame(problems(`${MINIMAL}${line}\n`), [`10 ${problem}`]);
});
