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
import { describeRun } from './native/run.ts';

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

/** This file again, in a jail with a network stack of its own that ends with it. Undefined if all went well. */
function runInJail(): string | undefined {
  const run = (command: string, ...args: readonly string[]): string | undefined => {
    process.stdout.write(`# $ ${command} ${args.join(' ')}\n`);
    const { status, signal, error } = spawnSync(command, args, { stdio: 'inherit' });
    if (status === 0) return undefined;
    return `${command} ${args.join(' ')}: ${error?.message ?? signal ?? `exit ${status}`}`;
  };
  // A module that is loaded already is no failure; one that there is not shows in the tests, by its name.
  for (const module of MODULES) run('kldload', '-n', module);
  // Of a run that was killed.
  if (spawnSync('jls', ['-j', JAIL]).status === 0) run('jail', '-r', JAIL);
  const made = run('jail', '-c', `name=${JAIL}`, 'path=/', 'vnet', 'persist', 'allow.raw_sockets');
  if (made !== undefined) return made;
  try {
    const program = [process.execPath, ...process.execArgv, fileURLToPath(import.meta.url)];
    return run('jexec', JAIL, 'env', 'PPP_THING_TEST_JAILED=1', ...program);
  } finally {
    run('jail', '-r', JAIL);
  }
}

if (named !== undefined || jailed !== undefined) {
  const libc = named === undefined ? await loadLibc() : await givenLibc(named);
  for (const line of describeRun(libc)) process.stdout.write(`# ${line}\n`);
  backendContract('freebsd on a real kernel', () => nativeWorld(libc), SKIPS);
} else if (process.platform === 'freebsd' && isRoot) {
  const failure = runInJail();
  void t.test('freebsd on a real kernel, in a jail', async (t) => t.equal(failure, undefined));
} else {
  const reason =
    process.platform === 'freebsd' ? 'not root' : `this is ${process.platform}, not FreeBSD`;
  void t.test('backend freebsd on a real kernel', { skip: reason }, async () => {});
}
