import { execFileSync } from 'node:child_process';
import { chmodSync, chownSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import { parsePolicy, readPolicyFile, type Host } from '@ppp-thing/helper/policy-file';

const host: Host = { platform: 'freebsd', uid: 0 };
const linux: Host = { ...host, platform: 'linux' };

/** Every problem of a text as `line message`. */
function problems(text: string, on = host): string[] {
  try {
    parsePolicy(text, 'test.conf', on);
    return [];
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return error.problems.map(({ line, message }) => `${line ?? '-'} ${message}`);
  }
}

const WHOLE = `
[helper]
socket = "/tmp/helper.sock"
state_directory = "/tmp/state"
user = "me"
group = "us"

[supervisor]
anything = ["that", "is", "not", "ours"]

[partner]
key = "secret"

[session.pppoe0]
interface = "igb0.35"
mac = "02:00:5E:10:53:01"
policy = "manual"
carp_interface = "igb1"
carp_vhid = 1
carp_address = "192.168.7.1"
local_address = "192.168.7.2"
partner_address = "192.168.7.3"
stub = "pppoe0x"
mtu = 1500
default_route = false
fib = 2
pcp = 6
demotion = 100
demotion_file = "/run/ppp_thing_helper/demote"
user = "someone"
password = "hunter2"
echo_interval_seconds = 6
`;

t.test('policy › every key of the helper is read, and no key of the supervisor', async (t) => {
  const policy = parsePolicy(WHOLE, 'test.conf', linux);
  t.strictSame(policy, {
    socketPath: '/tmp/helper.sock',
    stateDirectory: '/tmp/state',
    user: 'me',
    group: 'us',
    sessions: [
      {
        name: 'pppoe0',
        interface: 'igb0.35',
        mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
        policy: 'manual',
        carp: { interface: 'igb1', vhid: 1, address: Uint8Array.of(192, 168, 7, 1) },
        localAddress: Uint8Array.of(192, 168, 7, 2),
        partnerAddress: Uint8Array.of(192, 168, 7, 3),
        stub: 'pppoe0x',
        mtu: 1500,
        defaultRoute: false,
        fib: 2,
        pcp: 6,
        demotionFile: '/run/ppp_thing_helper/demote',
        demotion: 100,
      },
    ],
  });
  t.notMatch(JSON.stringify(policy), /hunter2|secret|someone/);
});

t.test('policy › a priority is 0 to 7, and on FreeBSD none that the helper sets', async (t) => {
  const text = '[session.wan]\ninterface="em0.35"\nmac="02:00:00:00:00:01"\npolicy="pinned"\npcp=';
  t.strictSame(problems(`${text}0\n`, linux), []);
  t.match(problems(`${text}8\n`, linux), [
    /^5 session\.wan\.pcp: expected a whole number from 0 to 7/,
  ]);
  const { sessions } = parsePolicy(`${text}6\n`, 'test.conf', host);
  t.equal(sessions[0]?.pcp, undefined);
});

t.test('policy › what is left out has the documented values', async (t) => {
  const text = '[session.wan]\ninterface="em0"\nmac="02:00:00:00:00:01"\npolicy="pinned"\n';
  const onFreebsd = parsePolicy(text, 'test.conf', host);
  t.equal(onFreebsd.socketPath, '/var/run/ppp_thing_helper/helper.sock');
  t.equal(onFreebsd.stateDirectory, '/var/db/ppp_thing_helper');
  t.equal(onFreebsd.user, 'ppp_thing');
  t.equal(onFreebsd.group, 'ppp_thing');
  const onLinux = parsePolicy(text, 'test.conf', linux);
  t.equal(onLinux.socketPath, '/run/ppp_thing_helper/helper.sock');
  t.equal(onLinux.stateDirectory, '/var/lib/ppp_thing_helper');
  t.strictSame(onLinux.sessions, [
    {
      name: 'wan',
      interface: 'em0',
      mac: Uint8Array.of(2, 0, 0, 0, 0, 1),
      policy: 'pinned',
      mtu: 1492,
      defaultRoute: true,
      fib: 0,
      demotion: 240,
    },
  ]);
});

const EIGHT = [
  'igb0',
  '02:00:5e:10:53:01',
  'someone@example.net',
  'hunter2',
  '1492',
  '192.168.7.1',
  '192.168.7.2',
  '192.168.7.3',
];

t.test("policy › the original's eight lines are one session, pppoe0 with its stub", async (t) => {
  const policy = parsePolicy(`${EIGHT.join('\n')}\n`, 'ppp_thing.conf', host);
  t.strictSame(policy.sessions, [
    {
      name: 'pppoe0',
      interface: 'igb0',
      mac: Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1),
      policy: 'follow-carp',
      carp: { address: Uint8Array.of(192, 168, 7, 1) },
      localAddress: Uint8Array.of(192, 168, 7, 2),
      partnerAddress: Uint8Array.of(192, 168, 7, 3),
      stub: 'pppoe0x',
      mtu: 1492,
      defaultRoute: true,
      fib: 0,
      demotion: 240,
    },
  ]);
  t.notMatch(JSON.stringify(policy), /hunter2|someone/);
  const windows = parsePolicy(`${EIGHT.join('\r\n')}\r\n`, 'ppp_thing.conf', host);
  t.strictSame(windows.sessions, policy.sessions, 'carriage returns are nothing');
});

t.test('policy › the mistakes in eight lines are named by line', async (t) => {
  const lines = ['igb0', '02:00:5e:10:53', 'u', 'p', 'many', '10.0.0.300', '', '1.2.3.4'];
  t.strictSame(problems(`${lines.join('\n')}\n`), [
    '7 session.pppoe0.local_address: missing; the file has eight lines',
    '6 session.pppoe0.carp_address: expected an IPv4 address such as 192.168.7.1',
    '2 session.pppoe0.mac: expected a unicast MAC address such as 02:00:5e:10:53:01',
    '5 session.pppoe0.mtu: expected a whole number from 64 to 9000',
  ]);
});

t.test('policy › every mistake in TOML is reported at once, with its line', async (t) => {
  const text = `
[helper]
socket = "relative"
colour = "blue"
[session.pppoe0]
mac = "03:00:00:00:00:01"
policy = "sometimes"
carp_vhid = 256
stub = "a name that is long"
mtu = 63
default_route = "yes"
fib = -1
demotion = 0
`;
  t.strictSame(problems(text), [
    '7 session.pppoe0.policy: expected "follow-carp", "pinned" or "manual"',
    '8 session.pppoe0.carp_vhid: expected a whole number from 1 to 255',
    '5 session.pppoe0.carp_interface: missing; expected the interface of carp_vhid',
    '9 session.pppoe0.stub: expected an interface name of at most 15 characters',
    '5 session.pppoe0.interface: missing; expected an interface name of at most 15 characters',
    '6 session.pppoe0.mac: expected a unicast MAC address such as 02:00:5e:10:53:01',
    '10 session.pppoe0.mtu: expected a whole number from 64 to 9000',
    '11 session.pppoe0.default_route: expected true or false',
    '12 session.pppoe0.fib: expected a whole number from 0 to 65535',
    '13 session.pppoe0.demotion: expected a whole number from 1 to 65535',
    '4 helper.colour: unknown; expected socket, state_directory, user, group',
    '3 helper.socket: expected an absolute path',
  ]);
});

t.test('policy › follow-carp wants to know where the role is', async (t) => {
  const text = '[session.a]\ninterface="em0"\nmac="02:00:00:00:00:01"\n';
  t.strictSame(problems(text), [
    '1 session.a.carp_address: missing; expected carp_address or carp_vhid',
  ]);
  t.strictSame(problems(`${text}policy="pinned"`), []);
  t.strictSame(problems(`${text}policy="manual"`), []);
  t.strictSame(problems(`${text}carp_address="192.168.7.1"`), [], 'whichever interface has it');
});

t.test('policy › a key of the other system is a mistake where it would say nothing', async (t) => {
  const line = '[session.a]\ninterface="em0"\nmac="02:00:00:00:00:01"\ncarp_interface="em1"\n';
  t.strictSame(problems(`${line}carp_vhid=51`, linux), [
    '1 session.a.carp_address: missing; on Linux the role is read from this address, not from carp_vhid',
  ]);
  t.strictSame(problems(`${line}carp_vhid=51\ncarp_address="192.168.7.1"`, linux), []);
  t.strictSame(problems(`${line}carp_vhid=51\ndemotion_file="/run/d"`), [
    '6 session.a.demotion_file: is for Linux; carp(4) is demoted by the key demotion',
  ]);
});

t.test('policy › what is no regular file is refused, and waited for by nobody', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-policy-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  t.throws(() => readPolicyFile(fifo, host), { message: /it is not a regular file/ });
  t.throws(() => readPolicyFile(folder, host), { message: /it is a directory/ });
  const large = join(folder, 'large');
  writeFileSync(large, '#'.repeat(1024 * 1024 + 1));
  t.throws(() => readPolicyFile(large, host), { message: /it has 1048577 octets/ });
});

t.test('policy › two sessions may not want the same name or the same station', async (t) => {
  const line = 'interface="em0"\nmac="02:00:00:00:00:01"\npolicy="pinned"\n';
  t.strictSame(problems(`[session.a]\n${line}stub="b"\n[session.b]\n${line}`), [
    '5 session.a.stub: b is in use by session b',
    '8 session.b.mac: session a has the same interface and mac',
  ]);
  t.strictSame(problems(`[session.bad_name_of_more_than_15]\n${line}`), [
    '1 session.bad_name_of_more_than_15.name: expected an interface name of at most 15 characters',
  ]);
});

t.test('policy › a file without a session, and one that is not TOML, say so', async (t) => {
  t.strictSame(problems('[helper]\n'), ['- session: missing; expected [session.NAME]']);
  t.strictSame(problems('# nothing\n'), ['- session: missing; expected [session.NAME]']);
  t.strictSame(problems('session = 3\n'), ['1 session: expected a table']);
  const [broken] = problems('[session.a]\npassword = "hunter2\n');
  t.match(broken, /^2 /);
  t.notMatch(broken, /hunter2/, 'an excerpt may hold a password');
});

t.test('policy › an error names the file and the line in the one form of all errors', async (t) => {
  t.throws(() => parsePolicy('[session.a]\n', '/etc/ppp_thing.conf', host), {
    name: 'ConfigError',
    message: /^read \/etc\/ppp_thing\.conf:1: EINVAL: session\.a\.carp_address: missing/m,
  });
});

t.test(
  'policy › root reads only what root alone may write',
  { skip: process.getuid?.() === 0 ? false : 'changing owners needs root' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-policy-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const path = join(folder, 'ppp_thing.conf');
    writeFileSync(path, WHOLE.replaceAll('/tmp/', `${folder}/own/`));
    const refused = (mode: number, uid: number): void => {
      chmodSync(path, mode);
      chownSync(path, uid, 0);
      t.throws(() => readPolicyFile(path, linux), {
        name: 'ConfigError',
        message: /a user other than root can write it/,
      });
      t.ok(readPolicyFile(path, { ...linux, uid: 1000 }), 'it is no concern of another user');
    };
    refused(0o660, 0);
    refused(0o642, 0);
    refused(0o640, 65534);
    chownSync(path, 0, 65534);
    chmodSync(path, 0o640);
    t.equal(readPolicyFile(path, linux).sessions.length, 1, 'root:group 0640 is right');
  },
);

t.test(
  'policy › root writes in no directory that others may write',
  { skip: process.getuid?.() === 0 ? false : 'the check is for root' },
  async (t) => {
    const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-policy-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    const shared = join(folder, 'shared');
    mkdirSync(shared);
    const session = '[session.a]\ninterface="em0"\nmac="02:00:00:00:00:01"\npolicy="pinned"\n';
    /** The three places that root writes in, each in turn at `path`. */
    const texts = (path: string): readonly (readonly [string, string])[] => [
      ['helper.socket', `[helper]\nsocket="${path}/helper.sock"\n${session}`],
      ['helper.state_directory', `[helper]\nstate_directory="${path}"\n${session}`],
      ['session.a.demotion_file', `${session}demotion_file="${path}/demote"\n`],
    ];
    const config = join(folder, 'ppp_thing.conf');
    const read = (text: string): unknown => {
      writeFileSync(config, text, { mode: 0o640 });
      return readPolicyFile(config, linux);
    };
    symlinkSync(shared, join(folder, 'link'));
    mkdirSync(join(shared, 'below'));
    const places = [shared, join(shared, 'missing'), join(shared, 'below'), join(folder, 'link')];
    for (const [mode, uid] of [
      [0o775, 0],
      [0o1777, 0],
      [0o755, 65534],
    ] as const) {
      chmodSync(shared, mode);
      chownSync(shared, uid, 0);
      for (const place of places) {
        // Below a sticky directory nobody can rename what root has made there.
        if (mode === 0o1777 && place.endsWith('below')) continue;
        for (const [key, text] of texts(place))
          t.throws(() => read(text), {
            name: 'ConfigError',
            message: new RegExp(
              `${key}: a user other than root can write to its directory: .*shared has owner ${uid}`,
            ),
          });
      }
    }
    chmodSync(shared, 0o755);
    chownSync(shared, 0, 0);
    for (const [, text] of texts(shared)) t.ok(read(text));
  },
);

t.test('policy › values that cannot all be true', async (t) => {
  const found = (from: string, to: string): string[] => problems(WHOLE.replace(from, to), linux);
  t.match(found('local_address = "192.168.7.2"', 'local_address = "192.168.7.1"'), [
    /local_address: 192.168.7.1 is carp_address as well$/,
  ]);
  t.match(found('"192.168.7.3"', '"192.168.7.2"'), [/192.168.7.2 is local_address as well$/]);
  t.match(found('"192.168.7.3"', '"127.0.0.1"'), [/127.0.0.1 is not the address of a host$/]);
  t.match(found('"192.168.7.3"', '"192.168.07.3"'), [/partner_address: expected an IPv4 address/]);
  t.equal(found('"192.168.7.3"', '"0.0.0"').length, 1, 'one mistake is one line');
  t.match(found('"pppoe0x"', '"igb0.35"'), [/session.pppoe0.interface: igb0.35 is the stub$/]);
});
