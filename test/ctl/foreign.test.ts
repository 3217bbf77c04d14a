/** `check-config` of a file that another program reads says whose it is, and where to read on. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { foreign } from '@ppp-thing/ctl/foreign';
import { ctl } from './bench.ts';

const FILES = {
  'mpd.conf': [
    'mpd5',
    'startup:\n\tset user admin x\ndefault:\n\tcreate bundle static B1\n\tset iface route default\n',
  ],
  'ppp.conf': [
    'ppp(8)',
    'default:\n set log Phase\npapchap:\n set device PPPoE:igb0\n set authname me\n',
  ],
  'peers/isp': ['pppd', 'plugin pppoe.so\nnic-eth0\nuser "me@isp"\nnoauth\ndefaultroute\n'],
  'pppoe.conf': ['rp-pppoe', "ETH=eth0\nUSER='me'\nDEMAND=no\n"],
  network: ['OpenWrt', "config interface 'wan'\n\toption device 'eth0'\n\toption proto 'pppoe'\n"],
  'config.boot': [
    'VyOS or EdgeOS',
    'interfaces {\n    pppoe pppoe0 {\n        source-interface eth0\n    }\n}\n',
  ],
  commands: ['VyOS or EdgeOS', "set interfaces pppoe pppoe0 source-interface 'eth0'\n"],
  'uci show': ['OpenWrt', "network.wan=interface\nnetwork.wan.proto='pppoe'\n"],
  'show configuration commands': [
    'VyOS or EdgeOS',
    'set interfaces ethernet eth0 address dhcp\nset interfaces ethernet eth1 vif 7 pppoe 0 mtu 1492\n',
  ],
  'edgeos commands': ['VyOS or EdgeOS', 'set interfaces ethernet eth0 pppoe 0 user-id me\n'],
  interfaces: ['pppd', 'auto dsl\niface dsl inet ppp\n  provider dsl-provider\n'],
  'peers/dsl': ['pppd', 'pty "pppoe -I eth0 -T 80 -m 1452"\n'],
  'part of config.xml': ['OPNsense or pfSense', '<ppps>\n  <ppp>\n    <type>pppoe</type>\n'],
  'config.xml': [
    'OPNsense or pfSense',
    '<?xml version="1.0"?>\n<opnsense>\n  <ppps/>\n</opnsense>\n',
  ],
} as const;

t.test('check-config › names the program, and a heading that docs/migrating.md has', async (t) => {
  const folder = t.testdir({});
  const headings = Array.from(
    readFileSync('docs/migrating.md', 'utf8').matchAll(/^#+ (.*)$/gm),
    ([, title = '']) =>
      title
        .toLowerCase()
        .replaceAll(/[^\w -]/g, '')
        .replaceAll(' ', '-'),
  );
  for (const [name, [program, text]] of Object.entries(FILES)) {
    t.equal(foreign(text)?.program, program, name);
    t.ok(headings.includes(foreign(text)?.heading ?? ''), `${name}: ${foreign(text)?.heading}`);
    const path = join(folder, name.replace('/', '-'));
    writeFileSync(path, text, { mode: 0o640 });
    const { code, err } = await ctl(folder, 'check-config', path);
    t.equal(code, 78);
    t.match(
      err,
      `pppthingctl: ${path}: a configuration file of ${program}: see docs/migrating.md#`,
    );
    t.equal(err.trim().split('\n').length, 1, 'in one line');
  }
});

t.test(
  'check-config › a mistake in a file of ours stays a mistake in a file of ours',
  async (t) => {
    const path = join(t.testdir({}), 'ppp_thing.conf');
    writeFileSync(path, '[session.pppoe0]\ninterface = 1\n', { mode: 0o640 });
    const { code, err } = await ctl('/', 'check-config', path);
    t.equal(code, 78);
    t.match(err, 'session.pppoe0.interface');
  },
);

t.test('check-config › the sample as it is names keygen, which makes what it lacks', async (t) => {
  const path = join(t.testdir({}), 'ppp_thing.conf');
  const sample = readFileSync('etc/ppp_thing.conf.sample', 'utf8');
  const keys = join(t.testdirName, 'no-such.keys');
  writeFileSync(path, sample.replace(/^key_file = .*$/m, `key_file = "${keys}"`), { mode: 0o640 });
  const { code, err } = await ctl('/', 'check-config', path);
  t.equal(code, 78);
  t.match(
    err,
    `read ${keys}: ENOENT: there is no such file; make a key on one router: pppthingctl keygen > ${keys}`,
  );
});
