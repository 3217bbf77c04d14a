/**
 * A package of FreeBSD (pkg-create(8)) out of what install.sh laid down below a stage. It is made of the same texts as the
 * port in freebsd/, and of the scripts that the ports framework would have written.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';

const PREFIX = '/usr/local';
/** For every release; the interfaces to the kernel are the same in 13, 14 and 15. */
const ABIS = {
  x64: { abi: 'FreeBSD:*:amd64', arch: 'freebsd:*:x86:64' },
  arm64: { abi: 'FreeBSD:*:aarch64', arch: 'freebsd:*:aarch64:64' },
};
const NODE = { node24: { origin: 'www/node24', version: '24.0.0' } };
const SAMPLE = `${PREFIX}/etc/ppp_thing.conf.sample`;
const OWN_DIRECTORIES = [
  { name: '/var/db/ppp_thing/', mode: 0o700, owner: 'ppp_thing', group: 'ppp_thing' },
  { name: '/var/db/ppp_thing_helper/', mode: 0o700, owner: 'root', group: 'wheel' },
];

const script = (root, name) => fs.readFileSync(path.join(root, 'packaging/freebsd', name), 'utf8');

/** pkg-message is a list in UCL with here-documents; a manifest is JSON. */
export function messages(text) {
  const found = text.matchAll(/\{ type: (\w+)\n {2}message: <<EOM\n([^]*?)\nEOM\n\}/g);
  return Array.from(found, ([, type, message]) => ({ type, message }));
}

export function pkg({
  root,
  tar,
  zstd,
  entriesBelow,
  stage,
  manifest,
  cpu,
  bringsRuntime,
  seconds,
}) {
  const name = bringsRuntime ? 'ppp-thing-bundled' : 'ppp-thing';
  const { version } = manifest;
  const laid = entriesBelow(stage, '/').filter(({ octets }) => octets !== undefined);
  const files = laid.map((entry) => ({
    ...entry,
    owner: 'root',
    group: entry.name === SAMPLE ? 'ppp_thing' : 'wheel',
  }));
  // No `conflicts`: pkg(8) finds by itself that the two packages have the same files, and refuses a name that it does not know.
  const compact = {
    name,
    origin: 'net/ppp-thing',
    version,
    comment: `PPPoE client for redundant routers${bringsRuntime ? ', with its runtime' : ''}`,
    maintainer: process.env.MAINTAINER ?? 'packages@ppp-thing.invalid',
    www: 'UNKNOWN',
    ...ABIS[cpu],
    prefix: PREFIX,
    flatsize: files.reduce((total, { octets }) => total + octets.length, 0),
    licenselogic: 'single',
    licenses: ['BSD3CLAUSE'],
    desc: script(root, 'pkg-descr').trimEnd(),
    ...(bringsRuntime ? {} : { deps: NODE }),
    categories: ['net'],
    users: ['ppp_thing'],
    groups: ['ppp_thing'],
    messages: messages(script(root, 'pkg-message')),
  };
  const perm = (mode) => `0${mode.toString(8)}`;
  const whole = {
    ...compact,
    files: Object.fromEntries(
      files.map(({ name: file, octets, owner, group, mode }) => [
        file,
        {
          sum: `1$${createHash('sha256').update(octets).digest('hex')}`,
          uname: owner,
          gname: group,
          perm: perm(mode),
        },
      ]),
    ),
    directories: Object.fromEntries(
      OWN_DIRECTORIES.map(({ name: directory, mode, owner, group }) => [
        directory,
        { uname: owner, gname: group, perm: perm(mode) },
      ]),
    ),
    scripts: {
      'pre-install': script(root, 'pre-install.sh'),
      'post-install': script(root, 'post-install.sh'),
      'pre-deinstall': script(root, 'pre-deinstall.sh'),
    },
  };
  const json = (value) => Buffer.from(JSON.stringify(value));
  // pkg reads the first two without unpacking the rest.
  const entries = [
    { name: '+COMPACT_MANIFEST', mode: 0o644, octets: json(compact), group: 'wheel' },
    { name: '+MANIFEST', mode: 0o644, octets: json(whole), group: 'wheel' },
    ...files,
    ...OWN_DIRECTORIES,
  ];
  const processor = cpu === 'x64' ? 'amd64' : 'aarch64';
  return { name: `${name}-${version}-${processor}.pkg`, octets: zstd(tar(entries, seconds)) };
}
