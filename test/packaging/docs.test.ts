/**
 * The operator's guide for FreeBSD and the samples it leads to: what can be run or read here is, and each command that
 * cannot says why. It runs nothing on a FreeBSD kernel.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { ROOT } from './make.ts';

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');
const guide = read('docs/freebsd.md');
const CTL = fileURLToPath(new URL('main.js', import.meta.resolve('@ppp-thing/ctl/main')));

const fenced = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^ *\`\`\`${language}\\n([^]*?)^ *\`\`\``, 'gm'))].map(
    ([, body = '']) => body,
  );

/** What the operator types: the fenced blocks, and the commands of the tables and lists. */
const commands = [
  ...fenced(guide, 'sh').flatMap((block) => block.trim().split('\n')),
  ...[...guide.matchAll(/`((?:service|pppthingctl|make) [^`]+)`/g)].map(([, line = '']) => line),
];

const ctl = (...words: readonly string[]) =>
  spawnSync(process.execPath, [CTL, ...words], { encoding: 'utf8' });
const verbs = ctl('--help').stdout;
const script = (name: string): string => read(`rc.d/${name}`);
const RC_VERBS = ['start', 'stop', 'restart', 'status'];

type Check = (t: Test, command: string, words: readonly string[]) => void;
const notHere =
  (reason: string): Check =>
  (t, command) =>
    t.pass(`not run: ${command}: ${reason}`);

const service: Check = (t, command, [, name = '', verb = '']) => {
  if (!existsSync(join(ROOT, 'rc.d', name)))
    return notHere("a service of the system's")(t, command, []);
  const [, extra = ''] = /^extra_commands="(.*)"$/m.exec(script(name)) ?? [];
  const known = [...RC_VERBS, ...extra.split(' ')];
  t.ok(known.includes(verb.replace(/^one/, '')), `${command}: rc.d/${name} has ${verb}`);
};

const pppthingctl: Check = (t, command, [, verb = '', ...rest]) => {
  t.match(verbs, new RegExp(`^ +${verb}\\b`, 'm'), `${command}: pppthingctl has ${verb}`);
  if (verb === 'keygen') t.match(ctl('keygen').stdout, /^1 [\da-f]{64}\n$/, 'keygen makes a key');
  for (const flag of rest.filter((word) => word.startsWith('-')))
    t.notMatch(
      ctl(verb, flag, '--no-such-flag').stderr,
      `'${flag}'`,
      `${command}: ${flag} is known`,
    );
};

const ours = (variable: string): boolean =>
  ['ppp_thing', 'ppp_thing_helper'].some((name) => script(name).includes(`"\${${variable}:=`));
const sysrc: Check = (t, command) => {
  for (const [, variable = ''] of command.matchAll(/\b(ppp_thing\w+)=/g))
    t.ok(ours(variable), `${command}: rc.d has ${variable}`);
  t.pass(`not run: ${command}: it writes rc.conf`);
};

const make: Check = (t, command, [, target = '']) =>
  t.match(
    read('Makefile'),
    new RegExp(`^${target}:`, 'm'),
    `${command}: the Makefile has ${target}`,
  );

const CHECKS: readonly (readonly [RegExp, Check])[] = [
  [/^pkg install /, notHere('packages of FreeBSD')],
  [/^make /, make],
  [/^service /, service],
  [/^pppthingctl /, pppthingctl],
  [/^sysrc /, sysrc],
  [/^cp -p \/usr\/local\/etc\/ppp_thing\.conf\.sample /, notHere('install.test.ts has the sample')],
  [/^(chown|chmod) /, notHere('it needs the user ppp_thing; policy-file checks owner and mode')],
  [
    /^(ifconfig|sysctl|pfctl) /,
    notHere('it needs a FreeBSD kernel; native-pair.test.ts does as much'),
  ],
];

t.test('docs/freebsd.md › every command is run, looked up, or says why not', async (t) => {
  t.ok(commands.length > 30, 'there are commands');
  for (const command of new Set(commands)) {
    const [, check] = CHECKS.find(([pattern]) => pattern.test(command)) ?? [];
    if (check === undefined) t.fail(`nobody knows how to check: ${command}`);
    else check(t, command, command.split(' '));
  }
});

/** The second router's file: the value of a line is that of its mark. */
const second = (text: string): string =>
  text.replaceAll(/^(\S+ = )"[^"]*"( *# \(2\) )(\S+)$/gm, '$1"$3"$2$3');

t.test('docs/freebsd.md › its configuration is right, on either router', async (t) => {
  const [toml = '', ...more] = fenced(guide, 'toml');
  t.equal(more.length, 0, 'one configuration');
  const folder = t.testdir({ keys: '', password: 'x\n' });
  writeFileSync(join(folder, 'keys'), ctl('keygen').stdout);
  const files = [toml, second(toml)].map((text, i) => {
    const file = join(folder, `r${i + 1}.conf`);
    const local = text
      .replace('/usr/local/etc/ppp_thing.keys', join(folder, 'keys'))
      .replace('/usr/local/etc/ppp_thing.password', join(folder, 'password'))
      // Linux, where this may run, reads the role from the address.
      .replace(/^carp_vhid .*/m, '$&\ncarp_address = "192.168.7.1"');
    writeFileSync(file, local, { mode: 0o600 });
    const checked = ctl('check-config', file);
    t.match(checked, { status: 0, stdout: `${file}: ok: pppoe0\n` }, checked.stderr);
    return { file, text };
  });
  const host = { platform: 'freebsd', uid: 1 } as const;
  const [one, two] = files.map(({ file, text }) => parsePolicy(text, file, host).sessions[0]);
  t.same(one?.localAddress, two?.partnerAddress, 'each is the partner of the other');
  t.same(two?.localAddress, one?.partnerAddress);
  t.same(one?.mac, two?.mac, 'the MAC address is the same on both');
  t.notSame(one?.localAddress, two?.localAddress);
});

t.test('samples › rc.conf sets what rc.d reads, and fits the guide', async (t) => {
  const sample = join(ROOT, 'etc/freebsd/rc.conf.sample');
  const shell = `. ${sample}; set | grep -E '^(ifconfig|pfsync|ppp_thing|kld|gateway|pf)_?'`;
  const set = execFileSync('sh', ['-c', shell], { encoding: 'utf8' });
  const value = (name: string): string =>
    new RegExp(`^${name}='?(.*?)'?$`, 'm').exec(set)?.[1] ?? '';
  for (const name of ['ppp_thing_enable', 'ppp_thing_helper_enable', 'pf_enable', 'pfsync_enable'])
    t.equal(value(name), 'YES', name);
  t.match(
    value('ifconfig_igb1_alias0'),
    /^inet vhid 1 advskew 0 pass \S+ alias 192\.168\.7\.1\/32$/,
  );
  const [toml = ''] = fenced(guide, 'toml');
  t.match(toml, `partner_address = "192.168.7.3"`);
  t.match(value('ifconfig_igb1'), '192.168.7.2/24');
  t.match(
    toml,
    `address = "${value('pfsync_syncpeer')}"`,
    'pfsync and the partner channel share a cable',
  );
  t.match(value('kld_list'), /\bcarp\b.*\bng_ether\b/);
});

t.test('samples › the others are of the form that their readers want', async (t) => {
  for (const line of read('etc/freebsd/sysctl.conf.sample').split('\n'))
    t.match(line, /^(#.*|[a-z\d_.]+=-?\d+|)$/, `sysctl.conf: ${line}`);
  t.notMatch(read('etc/freebsd/sysctl.conf.sample'), /^net\.inet\.carp\.demotion=/m, 'which adds');

  const entries = read('etc/freebsd/newsyslog.conf.sample')
    .split('\n')
    .filter((line) => /^[^#\s]/.test(line));
  t.equal(entries.length, 1);
  // newsyslog.conf(5): logfile, [owner], mode, count, size, when, flags.
  t.match(entries[0], /^\/\S+\s+\d{3}\s+\d+\s+(\d+|\*)\s+(\S+)\s+[A-Z]+$/);

  const devd = read('etc/freebsd/devd.conf.sample').replaceAll(/^#.*$/gm, '');
  t.match(devd, /^\s*notify \d+ \{\n(\s+(match "\w+"\s+"[^"]+"|action "[^"]+");\n)+\};\s*$/);

  const pf = read('etc/freebsd/pf.conf.sample');
  const [, line = ''] = /^line = "(.*)"$/m.exec(pf) ?? [];
  const [toml = ''] = fenced(guide, 'toml');
  t.match(toml, `[session.${line}]`);
  t.match(toml, `stub = "${/^stub = "(.*)"$/m.exec(pf)?.[1] ?? ''}"`);
  for (const [, macro = ''] of pf.replaceAll(/^#.*$/gm, '').matchAll(/\$(\w+)/g))
    t.match(pf, new RegExp(`^${macro} += "`, 'm'), `pf.conf: $${macro} is defined`);
  const order = ['^set ', '^scrub ', '^nat ', '^(block|pass) '];
  const places = order.map((each) => pf.search(new RegExp(each, 'm')));
  t.same(
    places,
    [...places].sort((a, b) => a - b),
    'options, normalization, translation, filtering',
  );
});

const PAGES = ['freebsd', 'freebsd-native-tests', 'migrating', 'opnsense-pfsense'];

t.test('docs › links lead somewhere', async (t) => {
  for (const page of PAGES) {
    const file = `docs/${page}.md`;
    for (const [, to = ''] of read(file).matchAll(/\]\((?!https?:)([^)#]+)/g))
      t.ok(existsSync(join(ROOT, dirname(file), to)), `${file}: ${to}`);
  }
});

t.test('docs/migrating.md › what is named as a setting is one', async (t) => {
  const reference = read('docs/configuration.md');
  const rows = read('docs/migrating.md')
    .split('\n')
    .filter((line) => /^\| [^-]/.test(line) && !line.includes('| ppp_thing.conf |'));
  t.ok(rows.length > 30);
  for (const row of rows) {
    const [, , column = ''] = row.split(' | ').length > 2 ? row.split('|') : [];
    for (const [, name = ''] of column.matchAll(/`([a-z_\d]+)`/g))
      t.match(reference, `\`${name}\``, `${name} is a setting`);
  }
});

t.test(
  'docs/opnsense-pfsense.md › every claim names a source that is listed, or says it has none',
  async (t) => {
    const [body = '', sources = ''] = read('docs/opnsense-pfsense.md').split('## Sources');
    const listed = [...sources.matchAll(/^\| \[([\w-]+)\] \|/gm)].map(([, name = '']) => name);
    const cited = new Set([...body.matchAll(/\[([\w-]+)\](?!\()/g)].map(([, name = '']) => name));
    t.same([...cited].sort(), listed.sort());
    t.match(body, '*unverified*');
  },
);
