/**
 * The plugin for OPNsense, as far as it can be tried without one: php, xmllint and phpcs read its files, jinja2 renders its
 * templates, and the programs accept the configuration that comes of it, on either router.
 */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { gatherConfig } from '@ppp-thing/ctl/doctor/gather-config';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { ROOT } from './make.ts';

const PLUGIN = join(ROOT, 'packaging/opnsense/os-ppp-thing');
const TEMPLATES = join(PLUGIN, 'src/opnsense/service/templates/OPNsense/PppThing');
const FILES = readdirSync(PLUGIN, { recursive: true, encoding: 'utf8' })
  .map((name) => join(PLUGIN, name))
  .filter((path) => statSync(path).isFile());
const ending = (...ends: readonly string[]): readonly string[] =>
  FILES.filter((path) => ends.some((end) => path.endsWith(end)));

const run = (program: string, ...words: readonly string[]) =>
  spawnSync(program, words, { encoding: 'utf8' });
const lacks = (program: string, ...words: readonly string[]) =>
  run(program, ...words).status !== 0 && `there is no ${program} here`;

t.test('OPNsense › its PHP is PHP', { skip: lacks('php', '--version') }, async (t) => {
  for (const path of ending('.php', '.inc')) {
    const { status, stdout } = run('php', '-l', path);
    t.equal(status, 0, stdout);
  }
});

t.test('OPNsense › in the style of PSR-12', { skip: lacks('phpcs', '--version') }, async (t) => {
  const { status, stdout } = run('phpcs', '--standard=PSR12', '--extensions=php,inc', PLUGIN);
  t.equal(status, 0, stdout);
});

t.test('OPNsense › its XML is XML', { skip: lacks('xmllint', '--version') }, async (t) => {
  const files = ending('.xml');
  t.equal(files.length, 5);
  for (const path of files) t.equal(run('xmllint', '--noout', path).stderr, '', path);
});

t.test('OPNsense › every setting has a field, and the template knows no other', async (t) => {
  const model = readFileSync(ending('PppThing/PppThing.xml')[0] ?? '', 'utf8');
  const form = readFileSync(ending('forms/settings.xml')[0] ?? '', 'utf8');
  const known = Array.from(model.matchAll(/<(\w+) type="/g), ([, name]) => name);
  const shown = Array.from(form.matchAll(/<id>pppthing\.general\.(\w+)</g), ([, name]) => name);
  t.strictSame(shown, known);
  for (const name of readdirSync(TEMPLATES).filter((each) => each !== '+TARGETS'))
    for (const [, used] of readFileSync(join(TEMPLATES, name), 'utf8').matchAll(
      /\b(?:cfg|general)\.(\w+)/g,
    ))
      t.ok(known.includes(used), `${name}: ${used}`);
});

t.test('OPNsense › each target has its template, each action its command', async (t) => {
  const targets = readFileSync(join(TEMPLATES, '+TARGETS'), 'utf8').trim().split('\n');
  t.strictSame(
    targets.map((line) => line.split(':')[0]).sort(),
    readdirSync(TEMPLATES)
      .filter((each) => each !== '+TARGETS')
      .sort(),
  );
  const actions = readFileSync(ending('actions_pppthing.conf')[0] ?? '', 'utf8');
  for (const name of ['start', 'stop', 'restart', 'status', 'show'])
    t.match(actions, `[${name}]\ncommand:`);
});

/** configd renders with jinja2; `helpers` and the macro are what its templates may use. */
const RENDER = `
import json, sys, jinja2
class Node(dict):
    __getattr__ = dict.get
given = json.load(sys.stdin)
class Helpers:
    def exists(self, path): return True
    def getNodeByTag(self, path): return Node(given['interfaces'][path.split('.')[1]])
macro = "{% macro physical_interface(name) %}{{ {'wan': 'igb0', 'lan': 'igb1'}[name] }}\\n{% endmacro %}"
loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(sys.argv[1]), jinja2.DictLoader({'OPNsense/Macros/interface.macro': macro})])
env = jinja2.Environment(loader=loader, trim_blocks=True, extensions=['jinja2.ext.do'])
general = Node(given['general'])
print(env.get_template(sys.argv[2]).render(helpers=Helpers(), OPNsense=Node(PppThing=Node(general=general))))
`;
const SETTINGS = {
  enabled: '1',
  interface: 'wan',
  mac: '02:00:5e:10:53:01',
  user: 'alice@isp.example',
  password: `it's "so" \\ secret <&> §`,
  pap: '0',
  mtu: '1492',
  ipv6: '1',
  service_name: '',
  carp_interface: 'lan',
  carp_vhid: '3',
  lan_first: '192.168.7.2',
  lan_second: '192.168.7.3',
  sync_first: '10.99.0.2',
  sync_second: '10.99.0.3',
  key: 'ab'.repeat(32),
};
const render = (template: string, ipaddr: string, general = SETTINGS) => {
  const input = JSON.stringify({ general, interfaces: { lan: { ipaddr } } });
  return spawnSync('python3', ['-c', RENDER, TEMPLATES, template], { input, encoding: 'utf8' });
};
const withoutJinja = lacks('python3', '-c', 'import jinja2');

t.test(
  'OPNsense › one set of settings is right on both routers',
  { skip: withoutJinja },
  async (t) => {
    const folder = t.testdir({});
    for (const [own, other, ip, peer] of [
      ['192.168.7.2', '192.168.7.3', '10.99.0.2', '10.99.0.3'],
      ['192.168.7.3', '192.168.7.2', '10.99.0.3', '10.99.0.2'],
    ] as const) {
      const { stdout, stderr } = render('ppp_thing.conf', own);
      t.equal(stderr, '');
      const keys = join(folder, 'keys');
      writeFileSync(keys, render('ppp_thing.keys', own).stdout);
      // Linux, where this may run, reads the role from the address.
      const text = stdout
        .replace('/usr/local/etc/ppp_thing.keys', keys)
        .replace(/^carp_vhid .*/m, '$&\ncarp_address = "192.168.7.1"');
      const file = join(folder, 'ppp_thing.conf');
      writeFileSync(file, text, { mode: 0o640 });
      const { config, facts } = gatherConfig(file);
      t.ok(facts.known, JSON.stringify(facts));
      t.equal(
        config?.sessions[0]?.engine.link.password.reveal(),
        SETTINGS.password,
        'whatever is in it',
      );
      t.match(config?.partner, { address: peer, localAddress: ip });
      const session = parsePolicy(text, file, { platform: 'freebsd', uid: 1 }).sessions[0];
      t.match(session, {
        interface: 'igb0',
        stub: 'pppoe0x',
        carp: { interface: 'igb1', vhid: 3 },
      });
      t.equal(session?.localAddress?.join('.'), own);
      t.equal(session?.partnerAddress?.join('.'), other);
    }
    t.match(render('rc.conf.d', '192.168.7.2').stdout, 'ppp_thing_enable="YES"');
    t.match(
      render('rc.conf.d.helper', '', { ...SETTINGS, enabled: '0' }).stdout,
      'helper_enable="NO"',
    );
  },
);

t.test(
  'OPNsense › the CARP check fails at the third failure in a row',
  { skip: lacks('curl', '--version') },
  async (t) => {
    // The name of a socket is short.
    const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-carp-'));
    t.teardown(() => rmSync(folder, { recursive: true }));
    writeFileSync(join(folder, 'enabled'), 'ppp_thing_enable=YES\n');
    const socket = join(folder, 'status.sock');
    const script = readFileSync(ending('rc.carp_service_status.d/pppthing')[0] ?? '', 'utf8')
      .replaceAll('/etc/rc.conf.d/ppp_thing', join(folder, 'enabled'))
      .replaceAll('/var/run/ppp_thing.carp_failures', join(folder, 'failures'))
      .replaceAll('/var/run/ppp_thing/status.sock', socket)
      .replaceAll('/usr/local/bin/curl', 'curl');
    const path = join(folder, 'check');
    writeFileSync(path, script);
    chmodSync(path, 0o755);
    const check = (): Promise<number | null> =>
      new Promise((resolve) => spawn('sh', [path]).on('exit', resolve));
    let code = 200;
    const server = createServer((_, response) => {
      response.statusCode = code;
      response.end();
    });
    await new Promise<void>((resolve) => server.listen(socket, resolve));
    t.equal(await check(), 0);
    code = 503;
    t.strictSame([await check(), await check(), await check()], [0, 0, 1]);
    code = 200;
    t.equal(await check(), 0, 'and is well again at once');
    server.close();
    t.strictSame([await check(), await check(), await check()], [0, 0, 1], 'nobody answers');
    writeFileSync(join(folder, 'enabled'), 'ppp_thing_enable=NO\n');
    t.equal(await check(), 0, 'what is switched off fails nothing');
  },
);
