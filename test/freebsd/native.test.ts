/**
 * The backend contract on a real FreeBSD kernel: this host's, as root, in a vnet jail of its own; or the one that the module
 * in PPP_THING_TEST_LIBC speaks to. Elsewhere it is skipped, with the reason.
 */
import { spawnSync } from 'node:child_process';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import t from 'tap';
import { loadLibc, type Libc } from '@ppp-thing/helper/libc';
import { backendContract, type Skip } from '../backend-contract.ts';
import { nativeWorld } from './native-world.ts';

const JAIL = 'ppp_thing_test';
const MODULES = [
  ...['ether', 'socket', 'hub', 'bpf', 'etf', 'pppoe', 'ppp', 'iface'].map((each) => `ng_${each}`),
  'carp',
  'if_epair',
];
const SKIPS: readonly Skip[] = [
  {
    reason: 'an epair(4) always has a carrier',
    tests: ['carrier › its loss and return are told'],
  },
];

type Factory = (router: string) => Libc | Promise<Libc>;

const { PPP_THING_TEST_LIBC: named, PPP_THING_TEST_JAILED: jailed } = process.env;
const isRoot = process.getuid?.() === 0;

async function givenLibc(path: string): Promise<Libc> {
  const module = (await import(pathToFileURL(resolve(path)).href)) as { readonly default: Factory };
  return module.default('r1');
}

/** This file again, in a jail with a network stack of its own that ends with it. */
function runInJail(): number {
  const run = (command: string, ...args: readonly string[]): number =>
    spawnSync(command, args, { stdio: 'inherit' }).status ?? 1;
  // A module that is loaded already is no failure.
  for (const module of MODULES) run('kldload', '-n', module);
  if (run('jail', '-c', `name=${JAIL}`, 'path=/', 'vnet', 'persist', 'allow.raw_sockets') !== 0)
    return 1;
  try {
    const file = fileURLToPath(import.meta.url);
    const env = ['env', 'PPP_THING_TEST_JAILED=1', process.execPath, file];
    return run('jexec', JAIL, ...env);
  } finally {
    run('jail', '-r', JAIL);
  }
}

if (named !== undefined || jailed !== undefined) {
  const libc = named === undefined ? await loadLibc() : await givenLibc(named);
  backendContract('freebsd on a real kernel', () => nativeWorld(libc), SKIPS);
} else if (process.platform === 'freebsd' && isRoot) {
  const status = runInJail();
  void t.test('freebsd on a real kernel, in a jail', async (t) => t.equal(status, 0));
} else {
  const reason =
    process.platform === 'freebsd' ? 'not root' : `this is ${process.platform}, not FreeBSD`;
  void t.test('backend freebsd on a real kernel', { skip: reason }, async () => {});
}
