/** A package of Debian (deb(5)) out of what install.sh laid down below a stage. Its scripts and texts lie in debian/. */
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import { createHash } from 'node:crypto';

const ARCHITECTURES = { x64: 'amd64', arm64: 'arm64' };
const SCRIPTS = ['postinst', 'prerm', 'postrm'];
const CONFIG = 'etc/ppp_thing.conf';

const SUMMARY = 'PPPoE client for redundant routers';
const DESCRIPTION = ` Two routers share one line; whichever is MASTER by VRRP or CARP holds the
 one live PPPoE session. At a failover the session moves with the role: same
 SESSION_ID, same addresses, no redial, no renegotiation. With conntrackd
 carrying NAT state, open connections survive the death of a router.
`;

/** Whoever publishes a package puts a name here. */
const maintainer = () =>
  process.env.MAINTAINER ?? 'ppp-thing packagers <packages@ppp-thing.invalid>';

/** `Tue, 27 Oct 2026 10:00:00 +0000`, as a changelog of Debian's has it. */
const rfc5322 = (seconds) => new Date(seconds * 1000).toUTCString().replace('GMT', '+0000');

/** What a first user reads, beside the manuals. */
const GUIDES = [
  'linux.md',
  'failover.md',
  'ipv6.md',
  'migrating.md',
  'recipes.md',
  'troubleshooting.md',
];

/** The sample with nothing in force, and the names, paths and keys of Linux. `doc` is where the guides are. */
function configuration(sample, doc) {
  const [head, ...rest] = sample.split('\n\n');
  const lines = rest
    .join('\n\n')
    .replaceAll(/; on FreeBSD .*$/gm, '')
    .replaceAll(/^# FreeBSD: .*\n(?:# .*\n)*?# ?\w+ = .*\n/gm, '')
    .split('\n')
    .filter((line) => !/^\w+ = .*# FreeBSD$/.test(line))
    .map((line) => (line === '' || line.startsWith('#') ? line : `#${line}`));
  const text = `${head.replace('FreeBSD /usr/local/etc/ppp_thing.conf, Linux ', '')}
#
# Nothing is in force yet, and nothing is started: take the # from what you need, from "[session.pppoe0]" to "stub",
# "demotion_file", and "[partner]" to "key_file" at least. Then: pppthingctl check-config, systemctl start ppp_thing.
# /${doc}/linux.md leads through all of it.

${lines.join('\n')}`;
  const places = [
    ['/usr/local/etc/', '/etc/'],
    ['/usr/local/libexec/', '/usr/local/sbin/'],
    ['/var/db/', '/var/lib/'],
    ['/var/run/', '/run/'],
    ['igb0', 'eth0'],
    ['igb1', 'eth1'],
  ];
  return places.reduce((done, [freebsd, linux]) => done.replaceAll(freebsd, linux), text);
}

/** DEP-5. The texts of the licences of others lie beside their code. */
function copyright(root, manifest, home) {
  const own = fs.readFileSync(path.join(root, 'LICENSE'), 'utf8').trimEnd().split('\n\n').slice(1);
  const [holder = '', ...terms] = own;
  const indented = terms
    .join('\n\n')
    .split('\n')
    .map((line) => ` ${line === '' ? '.' : line}`);
  const lock = JSON.parse(fs.readFileSync(path.join(root, 'package-lock.json'), 'utf8'));
  const others = Object.keys(manifest.dependencies)
    .sort()
    .map((name) => {
      const { license } = lock.packages[`node_modules/${name}`];
      return `Files: ${home}/node_modules/${name}/*
Copyright: its authors
License: ${license}-${name}
 ${license}: the text is in /${home}/node_modules/${name}${
   license === 'Apache-2.0' ? ',\n and in /usr/share/common-licenses/Apache-2.0' : ''
 }.`;
    });
  return `Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: ppp-thing

Files: *
Copyright: ${holder.replace(/^Copyright \(c\) /, '')}
License: BSD-3-Clause
${indented.join('\n')}

${others.join('\n\n')}
`;
}

export function deb({
  root,
  ar,
  tar,
  gzip,
  xz,
  entriesBelow,
  stage,
  manifest,
  cpu,
  bringsRuntime,
  seconds,
}) {
  const name = bringsRuntime ? 'ppp-thing-bundled' : 'ppp-thing';
  const { version } = manifest;
  const home = 'usr/lib/ppp-thing';
  const own = (file) => fs.readFileSync(path.join(root, 'packaging/debian', file), 'utf8');
  const put = (file, octets, mode = 0o644) => {
    const place = path.join(stage, file);
    fs.mkdirSync(path.dirname(place), { recursive: true });
    fs.writeFileSync(place, octets);
    fs.chmodSync(place, mode);
  };
  const doc = `usr/share/doc/${name}`;
  put(
    CONFIG,
    configuration(fs.readFileSync(path.join(root, 'etc/ppp_thing.conf.sample'), 'utf8'), doc),
    0o640,
  );
  put('usr/lib/sysusers.d/ppp-thing.conf', own('ppp-thing.sysusers'));
  put('usr/lib/tmpfiles.d/ppp-thing.conf', own('ppp-thing.tmpfiles'));
  const changelog = `${name} (${version}) unstable; urgency=medium

  * Version ${version}. What changed is in /usr/share/doc/${name}/NEWS.gz.

 -- ${maintainer()}  ${rfc5322(seconds)}
`;
  // The documents lie in a directory of the package's own name.
  if (name !== 'ppp-thing')
    fs.renameSync(path.join(stage, 'usr/share/doc/ppp-thing'), path.join(stage, doc));
  put(`${doc}/changelog.gz`, gzip(Buffer.from(changelog)));
  put(`${doc}/NEWS.gz`, gzip(fs.readFileSync(path.join(root, 'CHANGELOG.md'))));
  for (const each of GUIDES) put(`${doc}/${each}`, fs.readFileSync(path.join(root, 'docs', each)));
  put(`${doc}/copyright`, copyright(root, manifest, home));
  const overrides = own('lintian-overrides')
    .split('\n')
    .filter((line) => bringsRuntime || !/runtime/.test(line))
    .join('\n')
    .replaceAll('@PACKAGE@', name);
  put(`usr/share/lintian/overrides/${name}`, overrides);

  const entries = entriesBelow(stage, './');
  const files = entries.filter(({ octets }) => octets !== undefined);
  const size = files.reduce((total, { octets }) => total + Math.ceil(octets.length / 1024), 0);
  const depends = [
    'libc6 (>= 2.28)',
    ...(bringsRuntime ? ['libgcc-s1', 'libstdc++6 (>= 9)'] : ['nodejs (>= 22)']),
    'systemd | systemd-sysusers',
    'systemd | systemd-tmpfiles',
    'init-system-helpers (>= 1.52)',
  ];
  const other = bringsRuntime ? 'ppp-thing' : 'ppp-thing-bundled';
  const control = `Package: ${name}
Version: ${version}
Architecture: ${ARCHITECTURES[cpu]}
Maintainer: ${maintainer()}
Installed-Size: ${size}
Depends: ${depends.join(', ')}
Recommends: keepalived, conntrackd
Suggests: nftables, prometheus
Conflicts: ${other}
Replaces: ${other}
${bringsRuntime ? 'Provides: ppp-thing\n' : ''}Section: net
Priority: optional
Description: ${SUMMARY}${bringsRuntime ? ', with its runtime' : ''}
${DESCRIPTION}${bringsRuntime ? ' .\n This package brings Node.js, for systems whose nodejs is older than 22.\n' : ''}`;
  const sums = files
    .filter((entry) => entry.name !== `./${CONFIG}`)
    .map(
      (entry) =>
        `${createHash('md5').update(entry.octets).digest('hex')}  ${entry.name.slice(2)}\n`,
    );
  const script = (each) => ({ name: `./${each}`, mode: 0o755, octets: Buffer.from(own(each)) });
  const controls = [
    { name: './', mode: 0o755 },
    { name: './conffiles', mode: 0o644, octets: Buffer.from(`/${CONFIG}\n`) },
    { name: './control', mode: 0o644, octets: Buffer.from(control) },
    { name: './md5sums', mode: 0o644, octets: Buffer.from(sums.join('')) },
    ...SCRIPTS.map(script),
  ];
  return {
    name: `${name}_${version}_${ARCHITECTURES[cpu]}.deb`,
    octets: ar(
      [
        ['debian-binary', Buffer.from('2.0\n')],
        ['control.tar.xz', xz(tar(controls, seconds))],
        ['data.tar.xz', xz(tar([{ name: './', mode: 0o755 }, ...entries], seconds))],
      ],
      seconds,
    ),
  };
}
