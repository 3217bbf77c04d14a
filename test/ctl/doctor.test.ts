/** `pppthingctl doctor`: each finding occurs when its cause does, none on a healthy pair, and the command runs for real. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import * as linux from '@ppp-thing/ctl/doctor/checks-linux';
import * as pair from '@ppp-thing/ctl/doctor/checks-pair';
import * as system from '@ppp-thing/ctl/doctor/checks-system';
import { CHECKS, diagnose } from '@ppp-thing/ctl/doctor/doctor';
import { known, unknown, type Facts, type InterfaceFacts } from '@ppp-thing/ctl/doctor/facts';
import { parseKeepalived } from '@ppp-thing/ctl/doctor/keepalived';
import { linuxInterfaces } from '@ppp-thing/ctl/doctor/linux';
import {
  parseAcceptsRa,
  parseIfconfig,
  parseKldstat,
  parseOrphans,
  parsePs,
  parseSkipped,
} from '@ppp-thing/ctl/doctor/parse';
import { bench, holding } from '../supervisor/status-bench.ts';
import { ctl } from './bench.ts';

const STATUS_SOCKET = {
  path: '/run/ppp_thing/status.sock',
  owner: 'ppp_thing',
  group: undefined,
  mode: 0o666,
  found: known({ path: '', mode: 0o660, owner: 'ppp_thing', group: '' }),
};

/** The session's part of a status that a check looks at. */
async function statusOf(t: Parameters<typeof bench>[0]) {
  const { directory } = await holding(t, { partner: true });
  const { out } = await ctl(directory, 'status', '--json');
  return JSON.parse(out);
}

const card = (name: string, more: Partial<InterfaceFacts> = {}): InterfaceFacts => ({
  name,
  mac: undefined,
  isVirtual: false,
  mtu: 1500,
  isUp: true,
  carrier: true,
  addresses: [],
  carp: [],
  pfsyncVersion: undefined,
  ...more,
});

const SESSION = {
  name: 'pppoe0',
  interface: 'igb0',
  mac: '02:00:5e:10:53:01',
  mtu: 1492,
  pcp: 6 as number | undefined,
  stub: 'pppoe0x',
  policy: 'follow-carp',
  carpInterface: 'igb1',
  carpVhid: 1,
  carpAddress: '192.168.7.1',
  demotionFile: undefined as string | undefined,
  isFast: true,
  route: { fib: 0, metric: undefined },
  ipv6: { delegation: true, wan: 'slaac' as const, subnets: [1] },
};
const CONFIG = {
  file: '/f',
  sessions: [SESSION],
  partner: {
    protocol: 'ppp-thing',
    address: '10.99.0.3',
    localAddress: '10.99.0.2',
    keyFile: '/k',
  },
  shared: { 'session.pppoe0.user': '"u"', 'session.pppoe0.password': 'aa' },
};
const CARDS = [
  card('igb0', { mac: '00:11:22:33:44:55', pcp: 6 }),
  card('igb1', { carp: [{ vhid: 1, state: 'MASTER', advskew: 0 }] }),
  card('pppoe0', { mtu: 1492 }),
  card('pppoe0x', { addresses: ['203.0.113.7'] }),
  card('igb2', { addresses: ['10.99.0.2'] }),
];
const REPORT = {
  at: 1000,
  release: '14.1-RELEASE',
  shared: CONFIG.shared,
  carp: [{ vhid: 1, state: 'BACKUP', advskew: 100 }],
  pfsyncVersion: 1400,
};
const MODULES =
  'netgraph ng_socket ng_ether ng_etf ng_hub ng_bpf ng_pppoe ng_ppp ng_iface carp pf pfsync'.split(
    ' ',
  );
const PF = {
  enabled: true,
  nat: 'nat on pppoe0 inet from ! (pppoe0x) to any -> (pppoe0x:0)',
  skipped: ['lo0'],
};
const file = (mode: number | undefined, owner = 'root', group = 'ppp_thing') => [
  {
    path: '/f',
    owner: 'root',
    group: 'ppp_thing',
    mode: 0o640,
    found: known({ path: '/f', mode, owner, group }),
  },
];

t.test('doctor', async (t) => {
  const status = await statusOf(t);
  const [session] = status.sessions;
  const healthy: Facts = {
    platform: 'freebsd',
    release: '14.1-RELEASE',
    node: '22.1.0',
    now: 1000,
    modules: known(MODULES),
    interfaces: known(CARDS),
    preempt: known(true),
    forwards6: known(true),
    acceptsRa: known(['pppoe0']),
    processes: known([{ pid: 1, name: 'init', arguments: 'init' }]),
    orphans: known({ igb0: 'pthr_igb0' }),
    pf: known(PF),
    vrrp: unknown('there is none on FreeBSD'),
    checksWindows: unknown('there is none on FreeBSD'),
    clockSynchronised: known(true),
    files: file(0o640),
    config: known(CONFIG),
    status: known({
      ...status,
      helper: { connected: true, platform: 'freebsd' },
      partner: { ...status.partner, trouble: null, refused: {} },
      sessions: [
        {
          ...session,
          partner: { ...session.partner, role: 'BACKUP', hearing: true, differs: [] },
        },
      ],
    }),
    partnerReport: REPORT,
  };

  t.test('of a healthy pair everything is ok, and every check says so', async (t) => {
    const findings = diagnose(healthy);
    t.strictSame(
      findings.filter(({ severity }) => severity !== 'ok'),
      [],
    );
    const linuxOnly: readonly unknown[] = Object.values(linux);
    for (const check of CHECKS)
      t.equal(check(healthy).length > 0, !linuxOnly.includes(check), check.name);
    const all = new Set([
      ...Object.values(pair),
      ...Object.values(system),
      ...Object.values(linux),
    ]);
    t.strictSame(new Set(CHECKS), all, 'none is left out');
  });

  const withCard = (more: Partial<InterfaceFacts>, name = 'igb0'): Partial<Facts> => ({
    interfaces: known(CARDS.map((each) => (each.name === name ? { ...each, ...more } : each))),
  });
  const withSession = (more: Partial<typeof SESSION>): Partial<Facts> => ({
    config: known({ ...CONFIG, sessions: [{ ...SESSION, ...more }] }),
  });
  const withStatus = (more: object): Partial<Facts> => ({
    status: known({
      ...(healthy.status.known ? healthy.status.value : {}),
      ...more,
    }) as Facts['status'],
  });
  const withProcess = (args: string): Partial<Facts> => ({
    processes: known([{ pid: 9, name: 'mpd5', arguments: args }]),
  });
  const scraper = (name: string): Partial<Facts> => ({
    processes: known([{ pid: 9, name, arguments: name }]),
  });
  const offset = (clockOffsetMs: number | null): Partial<Facts> =>
    withStatus({ partner: { ...status.partner, trouble: null, refused: {}, clockOffsetMs } });
  const channel = (trouble: string | null, refused = {}): Partial<Facts> =>
    withStatus({ partner: { ...status.partner, trouble, refused } });
  const one = (more: object): Partial<Facts> =>
    withStatus({
      sessions: [
        { ...session, partner: { ...session.partner, role: 'BACKUP', hearing: true }, ...more },
      ],
    });

  const CASES: readonly [severity: string, what: RegExp, facts: Partial<Facts>][] = [
    [
      'error',
      /module ng_ether is not loaded/,
      { modules: known(MODULES.filter((each) => each !== 'ng_ether')) },
    ],
    [
      'warn',
      /module pfsync is not loaded/,
      { modules: known(MODULES.filter((each) => each !== 'pfsync')) },
    ],
    ['error', /there is no interface em9/, withSession({ interface: 'em9' })],
    ['error', /igb0 is down/, withCard({ isUp: false })],
    ['error', /igb0 has no carrier/, withCard({ carrier: false })],
    ['error', /is that of igb0 itself/, withCard({ mac: SESSION.mac })],
    ['warn', /not locally administered/, withSession({ mac: '00:22:33:44:55:66' })],
    ['error', /a session of 1500 needs 1508/, withSession({ mtu: 1500 })],
    ['error', /igb0 sends with priority 0, not 6/, withCard({ pcp: 0 })],
    ['error', /igb0 is no VLAN, so its frames have no priority 6/, withCard({ pcp: undefined })],
    ['warn', /mpd5 is running/, withProcess('mpd5 -b')],
    ['error', /mpd5 uses igb0/, withProcess('mpd5 igb0')],
    ['error', /taken by the node mpd1/, { orphans: known({ igb0: 'mpd1' }) }],
    ['warn', /not synchronised/, { clockSynchronised: known(false) }],
    ['warn', /60 s off/, { partnerReport: { ...REPORT, at: 61_000 }, ...offset(null) }],
    ['warn', /clock is -3 s off/, offset(-3000)],
    ['warn', /is not there/, { files: file(undefined) }],
    ['error', /has mode 0644, more than 0640/, { files: file(0o644) }],
    ['error', /belongs to nobody/, { files: file(0o640, 'nobody') }],
    ['warn', /of the group wheel/, { files: file(0o640, 'root', 'wheel') }],
    ['error', /too old/, { node: '18.20.0' }],
    ['error', /preempt is 0/, { preempt: known(false) }],
    ['error', /there is no vhid 7 on igb1/, withSession({ carpVhid: 7 })],
    [
      'error',
      /vhid 1 on igb1 speaks VRRPv3/,
      withCard({ carp: [{ vhid: 1, state: 'MASTER', priority: 100 }] }, 'igb1'),
    ],
    [
      'error',
      /advskew 0 on both/,
      { partnerReport: { ...REPORT, carp: [{ vhid: 1, state: 'BACKUP', advskew: 0 }] } },
    ],
    [
      'error',
      /version 1400 here, 1301 there/,
      { partnerReport: { ...REPORT, release: '13.2-RELEASE', pfsyncVersion: null } },
    ],
    [
      'error',
      /no interface has 10.99.0.9/,
      {
        config: known({
          ...CONFIG,
          partner: { ...CONFIG.partner, localAddress: '10.99.0.9' },
        }),
      },
    ],
    ['error', /datagrams go by igb2, the cable of the line/, withSession({ interface: 'igb2.7' })],
    ['error', /is not enabled/, { pf: known({ ...PF, enabled: false }) }],
    ['error', /pf skips pppoe0/, { pf: known({ ...PF, skipped: ['pppoe0'] }) }],
    [
      'error',
      /no rule translates to pppoe0x/,
      { pf: known({ ...PF, nat: 'nat on pppoe0x1 -> 203.0.113.70' }) },
    ],
    [
      'error',
      /does not answer the supervisor/,
      withStatus({ helper: { connected: false, platform: null } }),
    ],
    [
      'warn',
      /could not always be stored/,
      one({ counters: { ...session.counters, storeFailures: 1 } }),
    ],
    ['error', /fenced/, one({ state: 'Fenced' })],
    ['warn', /none is configured/, { config: known({ ...CONFIG, partner: null }) }],
    ['error', /the channel is off: no key/, channel('no key')],
    ['error', /keys of the two routers differ \(3/, channel(null, { forged: 3 })],
    ['error', /uses a key that this router does not have/, channel(null, { 'unknown-key': 1 })],
    ['error', /speaks another version/, channel(null, { 'no-common-version': 1 })],
    ['error', /a session that is not configured here/, channel(null, { 'unknown-session': 1 })],
    ['error', /the partner is not heard/, one({ partner: { ...session.partner, role: null } })],
    [
      'error',
      /does not hear us/,
      one({ partner: { ...session.partner, role: 'BACKUP', hearing: false } }),
    ],
    [
      'error',
      /session.pppoe0.password differs/,
      {
        ...one({ partner: { ...session.partner, differs: null } }),
        partnerReport: { ...REPORT, shared: { ...CONFIG.shared, 'session.pppoe0.password': 'bb' } },
      },
    ],
    [
      'error',
      /session.pppoe0.mtu differs/,
      one({ partner: { ...session.partner, role: 'BACKUP', hearing: true, differs: ['mtu'] } }),
    ],
    [
      'error',
      /^pppoe0 and pppoe1 both set the default route of fib 0$/,
      {
        config: known({
          ...CONFIG,
          sessions: [
            SESSION,
            { ...SESSION, name: 'pppoe1' },
            { ...SESSION, name: 'pppoe2', route: { fib: 1, metric: undefined } },
          ],
        }),
      },
    ],
    ['warn', /prometheus runs here, cannot read a Unix socket/, scraper('prometheus')],
    [
      'warn',
      /vmagent may not read \S+status.sock, which has mode 660/,
      { ...scraper('vmagent'), files: [STATUS_SOCKET] },
    ],
    ['warn', /no LAN gets/, withSession({ ipv6: { ...SESSION.ipv6, subnets: [] } })],
    ['error', /does not forward IPv6/, { forwards6: known(false) }],
    ['error', /it ignores router adv/, { acceptsRa: known([]) }],
    [
      'error',
      /^2001:db8::\/63 has no subnet 2$/,
      {
        ...withSession({ ipv6: { ...SESSION.ipv6, subnets: [2] } }),
        ...one({ dhcp6: { lease: { prefixes: [{ prefix: '2001:db8::/63', validUntil: null }] } } }),
      },
    ],
    [
      'error',
      /session.pppoe0.lan differs/,
      {
        ...one({ partner: { ...session.partner, differs: null } }),
        partnerReport: { ...REPORT, shared: { ...CONFIG.shared, 'session.pppoe0.lan': '[1]' } },
      },
    ],
    ['error', /^no file$/, { config: unknown('no file') }],
    ['error', /^no socket$/, { status: unknown('no socket') }],
    ['unknown', /not known: run as root/, { pf: unknown('run as root') }],
    [
      'unknown',
      /whether it is the partner/,
      { ...one({ partner: { ...session.partner, differs: null } }), partnerReport: undefined },
    ],
  ];
  t.test('what to do is what this system has', async (t) => {
    const broken: Partial<Facts> = {
      ...withCard({ isUp: false }),
      ...withStatus({ helper: { connected: false, platform: null } }),
    };
    const fixes = (platform: Facts['platform']): string =>
      diagnose({ ...healthy, ...broken, platform })
        .map(({ fix }) => fix)
        .join('\n');
    t.match(fixes('freebsd'), /^ifconfig igb0 up, .*^service ppp_thing_helper status; /ms);
    t.match(fixes('linux'), /^ip link set igb0 up, .*^systemctl status ppp_thing_helper; /ms);
  });

  t.test('where a Linux router takes its role from', async (t) => {
    const keepalived = readFileSync('etc/linux/keepalived.conf.sample', 'utf8');
    const demotionFile = '/run/ppp_thing_helper/demote';
    const on = (name: string, text: string, more: Partial<Facts> = {}): Facts => ({
      ...healthy,
      ...withSession({ carpInterface: 'eth1', demotionFile }),
      platform: 'linux',
      vrrp: parseKeepalived(text),
      ...scraper(name),
      ...more,
    });
    const found = (facts: Facts, isWrong = true): string =>
      Object.values(linux)
        .flatMap((check) => check(facts))
        .filter(({ severity }) => (severity !== 'ok') === isWrong)
        .map(({ severity, subject, what, fix }) => `${severity} ${subject}: ${what}: ${fix}`)
        .join('\n');
    const its = parseKeepalived(keepalived);
    const report = { ...REPORT, vrrp: its.known ? its.value.instances : [] };
    const right = on('keepalived', keepalived, { partnerReport: report });
    t.equal(found(right), '', 'the sample is right');
    t.equal(found(right, false).split('\n').length, 3);

    t.match(
      found(on('init', keepalived)),
      /^error role: no VRRP daemon runs .*enable --now keepalived$/,
    );
    t.equal(found(on('ucarp', '')), '', 'keepalived is not asked for what another daemon does');
    const vmac = keepalived.replace('interface eth1', 'interface eth1\n    use_vmac');
    t.match(
      found(on('keepalived', vmac)),
      /^error pppoe0: keepalived puts 192.168.7.1 on vrrp.51, and .* on eth1: remove use_vmac from vrrp_instance line/,
    );
    const named = keepalived.replace('interface eth1', 'interface eth1\n    use_vmac lan0');
    t.equal(
      found({
        ...on('keepalived', named),
        ...withSession({ carpInterface: 'lan0', demotionFile }),
      }),
      '',
    );
    t.match(
      found(
        on('keepalived', keepalived.replace('192.168.7.1/24', '192.168.7.1/24 label x dev eth2')),
      ),
      /keepalived puts 192.168.7.1 on eth2, .*: carp_interface = "eth2"/,
    );
    t.match(
      found(on('keepalived', keepalived.replace('192.168.7.1/24', '192.168.7.9/24'))),
      /no vrrp_instance .* has 192.168.7.1:/,
    );
    t.match(
      found(on('keepalived', keepalived.replace('{ # ', '').replace(/^track_file[^}]*}/m, ''))),
      /does not track \/run/,
    );
    t.match(
      found({ ...right, ...withSession({ carpInterface: 'eth1' }) }),
      /^warn pppoe0: has no demotion_file/,
    );
    t.match(
      found({
        ...right,
        vrrp: parseKeepalived(keepalived.replace('virtual_router_id 51', 'virtual_router_id 52')),
      }),
      /^error pppoe0: 192.168.7.1 has virtual_router_id 52 here, 51 there: both routers become MASTER/,
    );
    t.match(
      found(on('keepalived', 'include conf.d/*.conf')),
      /unknown pppoe0: not known: keepalived.conf includes/,
    );
    const oneLine =
      'vrrp_instance a { # x\n virtual_router_id 7\n interface eth1\n virtual_ipaddress { 192.168.7.1/24 }\n}';
    t.match(parseKeepalived(oneLine), {
      value: {
        instances: [
          {
            name: 'a',
            virtualRouterId: 7,
            addresses: [{ address: '192.168.7.1', interface: 'eth1' }],
          },
        ],
      },
    });
    for (const odd of ['', '}', '{', '} } {', 'vrrp_instance {', 'a { b { c'])
      t.match(parseKeepalived(odd), { known: true });
  });

  t.test('a session that is not attached ignores no router advertisement', async (t) => {
    const facts = {
      ...healthy,
      acceptsRa: known([]),
      interfaces: known(CARDS.filter(({ name }) => name !== 'pppoe0')),
    };
    t.notOk(diagnose(facts).some(({ what }) => what.includes('ignores router adv')));
  });

  t.test('conntrackd needs a kernel that does not check TCP windows', async (t) => {
    const on = (name: string, checksWindows: Facts['checksWindows']) =>
      linux.tcpWindows({
        ...healthy,
        platform: 'linux',
        processes: known([{ pid: 9, name, arguments: name }]),
        checksWindows,
      });
    t.match(on('conntrackd', known(true)), [
      { severity: 'warn', subject: 'conntrackd', fix: /nf_conntrack_tcp_be_liberal=1/ },
    ]);
    t.match(on('conntrackd', known(false)), [{ severity: 'ok' }]);
    t.match(on('conntrackd', unknown('modprobe nf_conntrack')), [{ severity: 'unknown' }]);
    t.same(on('init', known(true)), [], 'nothing copies a connection');
    t.same(linux.tcpWindows(healthy), [], 'pf has a check of its own');
  });

  t.test('metrics that are served on TCP are no trouble', async (t) => {
    const served = [
      { pid: 9, name: 'prometheus', arguments: '/usr/bin/prometheus' },
      {
        pid: 10,
        name: 'node',
        arguments: '/usr/bin/node /usr/lib/ppp-thing/packages/ctl/dist/main.js web',
      },
    ];
    t.match(system.scraping({ ...healthy, processes: known(served) }), [{ severity: 'ok' }]);
  });

  t.test('on Linux a metric keeps two sessions apart', async (t) => {
    const sessions = [SESSION, { ...SESSION, name: 'pppoe1', route: { fib: 0, metric: 20 } }];
    const facts: Facts = { ...healthy, platform: 'linux', config: known({ ...CONFIG, sessions }) };
    t.match(pair.defaultRoutes(facts), [{ severity: 'ok' }]);
  });

  for (const [severity, what, facts] of CASES) {
    t.test(`finds ${what.source}`, async (t) => {
      const found = diagnose({ ...healthy, ...facts }).filter((each) => what.test(each.what));
      t.ok(found.length > 0);
      for (const each of found) {
        t.equal(each.severity, severity);
        t.equal(each.fix === '', severity === 'unknown', each.fix);
      }
    });
  }
});

t.test('doctor › reads what the base tools of FreeBSD print', async (t) => {
  const text = `igb1: flags=8943<UP,BROADCAST,RUNNING> metric 0 mtu 1500
\tether 52:54:00:00:61:03
\tinet 192.0.2.1 netmask 0xffffffff broadcast 192.0.2.1 vhid 1
\tcarp: MASTER vhid 1 advbase 1 advskew 10
\t      peer 224.0.0.18 peer6 ff02::12
\tvrrp: BACKUP vrid 2 prio 100 interval 10
\tstatus: no carrier
igb0.35: flags=8843<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500
\tgroups: vlan
\tvlan: 35 vlanproto: 802.1q vlanpcp: 6 parent interface: igb0
pfsync0: flags=41<UP,RUNNING> metric 0 mtu 1500
\tpfsync: syncdev: igb2 syncpeer: 10.99.0.3 maxupd: 128 defer: off version: 1400
`;
  t.match(parseIfconfig(text), [
    {
      name: 'igb1',
      mac: '52:54:00:00:61:03',
      isUp: true,
      carrier: false,
      mtu: 1500,
      addresses: ['192.0.2.1'],
      carp: [
        { vhid: 1, state: 'MASTER', advskew: 10 },
        { vhid: 2, state: 'BACKUP', priority: 100 },
      ],
    },
    { name: 'igb0.35', isVirtual: true, pcp: 6 },
    { name: 'pfsync0', pcp: undefined, pfsyncVersion: 1400 },
  ]);
  const kernel =
    ' 1   38 0xffffffff80200000  2448f20 kernel (/boot/kernel/kernel)\n\tContains modules:\n\t\t Id Name\n\t\t471 ng_ether\n 2    1 0xffffffff82a18000     3218 pf.ko (/boot/kernel/pf.ko)\n';
  t.strictSame(
    ['ng_ether', 'pf'].filter((name) => parseKldstat(kernel).includes(name)),
    ['ng_ether', 'pf'],
  );
  t.strictSame(parsePs('  60 ppp  /usr/sbin/ppp -ddial isp\n'), [
    { pid: 60, name: 'ppp', arguments: '/usr/sbin/ppp -ddial isp' },
  ]);
  const nd6 = '\tnd6 options=23<PERFORMNUD,ACCEPT_RTADV>\n';
  t.strictSame(parseAcceptsRa(`${text}pppoe0: flags=1 mtu 1\n${nd6}`), ['pppoe0']);
  t.strictSame(parseSkipped('all\nlo0 (skip)\n\tCleared: now\n'), ['lo0']);
  t.equal(
    parseOrphans('  Local hook      Peer name\n  orphans         mpd1   pppoe  0005  x\n'),
    'mpd1',
  );
});

t.test('doctor › reads what ip(8) prints, and knows when it is another ip', async (t) => {
  const lan = {
    ifname: 'eth0',
    flags: ['UP', 'NO-CARRIER'],
    mtu: 1500,
    address: '02:00:00:00:00:01',
    linkinfo: { info_kind: 'macvlan' },
    addr_info: [
      { family: 'inet6', local: 'fe80::1' },
      { family: 'inet', local: '192.0.2.1' },
    ],
  };
  t.match(linuxInterfaces(JSON.stringify([lan])), {
    known: true,
    value: [
      { name: 'eth0', isVirtual: true, isUp: true, carrier: false, addresses: ['192.0.2.1'] },
    ],
  });
  const whole = JSON.stringify([lan]);
  const strange = ['', 'BusyBox v1.36', '{}', '[null]', '[{}]', whole.slice(0, -9)];
  const wrong = [
    { ...lan, addr_info: 1 },
    { ...lan, ifname: 1 },
    { ...lan, flags: 'UP' },
  ];
  for (const text of [...strange, ...wrong.map((each) => JSON.stringify([each]))])
    t.match(linuxInterfaces(text), { known: false, why: /ip -j/ }, text);
});

t.test('doctor › runs here, with and without a supervisor', async (t) => {
  const { directory } = await holding(t);
  const { code, out, err } = await ctl(directory, 'doctor', '--json');
  t.equal(err, '');
  const { findings } = JSON.parse(out);
  t.equal(
    code,
    findings.some(({ severity }: { severity: string }) => severity === 'error') ? 1 : 0,
  );
  t.ok(findings.some(({ subject }: { subject: string }) => subject === 'runtime'));
  t.match(await ctl('/nonexistent', 'doctor'), {
    code: 1,
    out: /ERROR supervisor: connect/,
    err: '',
  });
  t.match(await ctl(directory, 'doctor', '/nonexistent'), { code: 64, err: 'ENOENT' });
  for (const router of [
    null,
    1,
    { ...REPORT, carp: [null] },
    { ...REPORT, shared: 1 },
    { ...REPORT, vrrp: [{}] },
  ]) {
    const report = join(directory, 'report');
    writeFileSync(report, JSON.stringify({ router }));
    t.match(await ctl(directory, 'doctor', report), { code: 64, err: /not what doctor --json/ });
  }
});
