/**
 * Packs the compiled programs into dist/: tarballs, packages of Debian, packages of FreeBSD, on any system and with the same
 * octets each time. It publishes nothing. What is in each package beside the programs lies in debian/ and freebsd/.
 *
 * usage: node packaging/pack.mjs tar [OS [CPU]]    a tarball that needs a runtime
 *        node packaging/pack.mjs deb [CPU [FLAVOUR]]    two packages: one needs nodejs (plain), one brings Node.js (bundled)
 *        node packaging/pack.mjs pkg [CPU [FLAVOUR]]    two packages: one needs node24 (plain), one brings Bun (bundled)
 *        node packaging/pack.mjs release           all of these for every system and processor, and SHA256SUMS
 *
 * Prints the name of each file. SOURCE_DATE_EPOCH is the date in them; that of the last commit unless given.
 * MAINTAINER="Name <address>" is whoever publishes them.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import process from 'node:process';
import zlib from 'node:zlib';
import { ar, tar } from './archive.mjs';
import { deb } from './debian.mjs';
import { pkg } from './freebsd.mjs';
import { CPUS, makeTree, ROOT, target } from './tree.mjs';

const DIST = path.join(ROOT, 'dist');

function dateOf() {
  const given = process.env.SOURCE_DATE_EPOCH;
  if (given !== undefined) return Number(given);
  const { stdout } = spawnSync('git', ['log', '-1', '--format=%ct'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  return Number(stdout) || 0;
}

/** Everything below a directory, sorted, with names as `prefix` begins them; what its owner may run is for everybody. */
function entriesBelow(directory, prefix) {
  return fs
    .readdirSync(directory, { recursive: true, withFileTypes: true })
    .map((entry) => {
      const file = path.join(entry.parentPath, entry.name);
      const name = `${prefix}${path.relative(directory, file)}`;
      if (entry.isDirectory()) return { name: `${name}/`, mode: 0o755 };
      return { name, mode: fs.statSync(file).mode & 0o777, octets: fs.readFileSync(file) };
    })
    .sort((a, b) => (a.name < b.name ? -1 : 1));
}

const gzip = (octets) => zlib.gzipSync(octets, { level: 9 });
const zstd = (octets) =>
  zlib.zstdCompressSync(octets, { params: { [zlib.constants.ZSTD_c_compressionLevel]: 12 } });
// Level 6 takes seven times as long on a runtime, and makes it a fifth smaller.
const xz = (octets) =>
  execFileSync('xz', ['-1', '--threads=1'], { input: octets, maxBuffer: 1024 ** 3 });

/** Runs `work` with a directory of its own, which is then gone. */
function aside(work) {
  fs.mkdirSync(DIST, { recursive: true });
  const directory = fs.mkdtempSync(path.join(DIST, '.pack-'));
  try {
    return work(directory);
  } finally {
    fs.rmSync(directory, { recursive: true });
  }
}

function put(name, octets) {
  fs.mkdirSync(DIST, { recursive: true });
  const file = path.join(DIST, name);
  fs.writeFileSync(file, octets);
  process.stdout.write(`${path.relative(process.cwd(), file)}\n`);
}

function packTar(os, cpu) {
  const tree = makeTree(os, cpu);
  const name = path.basename(tree);
  const entries = [{ name: `${name}/`, mode: 0o755 }, ...entriesBelow(tree, `${name}/`)];
  put(`${name}.tar.gz`, gzip(tar(entries, dateOf())));
}

/** What `install.sh` of a tree lays down below a stage. */
function staged(os, cpu, prefix, bringsRuntime, use) {
  return aside((directory) => {
    const tree = makeTree(os, cpu, { into: directory, bringsRuntime });
    const stage = path.join(directory, 'stage');
    execFileSync(path.join(tree, 'install.sh'), {
      env: { PATH: process.env.PATH, DESTDIR: stage, PREFIX: prefix },
    });
    return use(stage, JSON.parse(fs.readFileSync(path.join(tree, 'package.json'), 'utf8')));
  });
}

const tools = { root: ROOT, ar, tar, gzip, xz, zstd, entriesBelow };

function packDeb(cpu, bringsRuntime) {
  staged('linux', cpu, '/usr', bringsRuntime, (stage, manifest) => {
    const made = deb({ ...tools, stage, manifest, cpu, bringsRuntime, seconds: dateOf() });
    put(made.name, made.octets);
  });
}

function packPkg(cpu, bringsRuntime) {
  staged('freebsd', cpu, '/usr/local', bringsRuntime, (stage, manifest) => {
    const made = pkg({ ...tools, stage, manifest, cpu, bringsRuntime, seconds: dateOf() });
    put(made.name, made.octets);
  });
}

function release() {
  for (const [os, cpus] of Object.entries(CPUS)) {
    for (const cpu of cpus) {
      packTar(os, cpu);
      for (const bringsRuntime of [false, true])
        (os === 'linux' ? packDeb : packPkg)(cpu, bringsRuntime);
    }
  }
  const made = fs
    .readdirSync(DIST)
    .filter((name) => /\.(tar\.gz|deb|pkg)$/.test(name) && !name.includes('-tests'))
    .sort();
  const sums = made.map((name) => {
    const sum = createHash('sha256')
      .update(fs.readFileSync(path.join(DIST, name)))
      .digest('hex');
    return `${sum}  ${name}\n`;
  });
  put('SHA256SUMS', sums.join(''));
}

const [kind, ...words] = process.argv.slice(2);
try {
  if (kind === 'tar') {
    const { os, cpu } = target(words);
    packTar(os, cpu);
  } else if (kind === 'deb' || kind === 'pkg') {
    const { cpu } = target([kind === 'deb' ? 'linux' : 'freebsd', words[0] || process.arch]);
    for (const flavour of words[1] ? [words[1]] : ['plain', 'bundled'])
      (kind === 'deb' ? packDeb : packPkg)(cpu, flavour === 'bundled');
  } else if (kind === 'release') release();
  else throw new Error(`pack ${kind}: no such kind; expected tar, deb, pkg or release`);
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
