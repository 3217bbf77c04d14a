/**
 * The tests of the FreeBSD backend would notice: each mutant is the compiled backend with one constant, offset or order
 * changed, in a copy, and the contract or the backend's own tests on the fake kernel fail on it.
 */
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';

interface Mutant {
  readonly file: string;
  readonly from: string | RegExp;
  readonly to: string;
  /** Which tests notice; the contract unless given. */
  readonly suite?: 'backend' | 'departure' | 'life';
}

const abi = (from: string, to: string, suite?: Mutant['suite']): Mutant => ({
  file: 'abi',
  from,
  to,
  ...(suite && { suite }),
});

/** By what is wrong with them. */
const MUTANTS: Readonly<Record<string, Mutant>> = {
  'the command MKPEER': abi('NGM_MKPEER: 2,', 'NGM_MKPEER: 3,'),
  'the command RMHOOK': abi('NGM_RMHOOK: 5,', 'NGM_RMHOOK: 6,'),
  'the cookie of etf': abi('NGM_ETF_COOKIE: 983084516', 'NGM_ETF_COOKIE: 983084517'),
  'the version of messages': abi('NG_VERSION: 8', 'NG_VERSION: 7'),
  'the peer hook of CONNECT': abi('ourhook: 512, peerhook: 544', 'ourhook: 512, peerhook: 542'),
  'the EtherType of a filter': abi('matchhook: 0, ethertype: 32', 'matchhook: 0, ethertype: 30'),
  'the node in a list of hooks': abi('peerhook: 32, nodeinfo: 64', 'peerhook: 32, nodeinfo: 60'),
  "the length of pppoe's data": abi('data_len: 32', 'data_len: 30'),
  "the link's switch in ppp": abi('enableLink: 0', 'enableLink: 1'),
  "ppp's counters": abi('recvFrames: 16', 'recvFrames: 32'),
  'the write filter': abi('BIOCSETWF: 0x8010427b', 'BIOCSETWF: 0x8010427c'),
  'the captured length of BPF': abi('bh_caplen: 16', 'bh_caplen: 12'),
  'the other end of an address': abi(
    'ifra_broadaddr: 32, ifra_mask: 48',
    'ifra_broadaddr: 48, ifra_mask: 32',
    'life',
  ),
  'the promiscuous flag': abi('IFF_PPROMISC: 0x20000', 'IFF_PPROMISC: 0x100'),
  'the type of a routing message': abi('RTM_CHANGE: 3', 'RTM_CHANGE: 2', 'life'),
  'the state of a vhid': abi('carpr_state: 8', 'carpr_state: 12'),
  'the direction of BPF': abi('BPF_D_IN: 0', 'BPF_D_IN: 1', 'backend'),
  'the hook that a program passes to': abi('ifMatch: 32', 'ifMatch: 64'),
  'the filter set before the hook is joined': {
    file: 'gate',
    from: /this\.#netgraph\.tell\(bpf, SET_PROGRAM, hookProgram\(hook, LINE, everything\(\)\)\);/,
    to: '',
  },
  'a gate joined under its old name': {
    file: 'gate',
    from: '`u${this.#next++}`',
    to: "(this.#next = 2, 'u1')",
    suite: 'backend',
  },
  'a gate that is not joined after it closed': {
    file: 'session',
    from: /(this\.#gateOpen = false;\s+)this\.#joinGate\(\);/,
    to: '$1',
    suite: 'backend',
  },
  'CONNECT before SETENADDR': {
    file: 'arming',
    from: /(this\.#netgraph\.tell\([^;]*SETENADDR, this\.#mac\);)\s+(this\.#connect\(hook, HOST_UNIQ\);)/,
    to: '$2 $1',
  },
  'PADS before PADO': {
    file: 'arming',
    from: 'this.#answer(PADO, acMac, 0)',
    to: 'this.#answer(PADS, acMac, sessionId)',
  },
  'flags before addresses': {
    file: 'addressing',
    from: /(setAddress\(interfaces, name, own, theirAddress\);)([\s\S]*?)(setUp\(interfaces, name, up\);)/,
    to: '$3 $1 $2',
    suite: 'life',
  },
  'a demotion that is not taken back': {
    file: 'backend',
    from: ': -amount',
    to: ': 0',
    suite: 'life',
  },
  'the line read before the session': {
    file: 'session',
    from: /this\.#readData\(\);\s+const take/,
    to: 'const take',
    suite: 'backend',
  },
  'a hub that stayed is not found again': {
    file: 'parent',
    from: /const stray = [^;]*;/,
    to: 'const stray = undefined;',
    suite: 'departure',
  },
  'a hub that is never removed': {
    file: 'parent',
    from: "unless(['ENOENT'], () => netgraph.shutdown(`${hub}:`));",
    to: '',
    suite: 'life',
  },
};

const root = process.cwd();
const copy = mkdtempSync(join(tmpdir(), 'ppp-thing-mutants-'));
t.teardown(() => rmSync(copy, { recursive: true, force: true }));

/** The compiled packages and tests in a folder of their own, where `@ppp-thing` is the copy. */
function copyAll(): void {
  const names = ['protocol', 'helper', 'lab'];
  mkdirSync(join(copy, 'node_modules/@ppp-thing'), { recursive: true });
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@ppp-thing')
      symlinkSync(join(root, 'node_modules', name), join(copy, 'node_modules', name));
  for (const name of names) {
    const from = join(root, 'packages', name);
    const to = join(copy, 'packages', name);
    cpSync(join(from, 'dist'), join(to, 'dist'), { recursive: true });
    cpSync(join(from, 'package.json'), join(to, 'package.json'));
    const modules = join(from, 'node_modules');
    if (existsSync(modules)) symlinkSync(modules, join(to, 'node_modules'));
    symlinkSync(to, join(copy, 'node_modules/@ppp-thing', name));
  }
  cpSync(join(root, 'package.json'), join(copy, 'package.json'));
  for (const path of ['freebsd', 'helper/client.js', 'backend-contract.js'])
    cpSync(join(root, 'test/dist', path), join(copy, 'test/dist', path), { recursive: true });
  symlinkSync(join(root, 'test/fixtures'), join(copy, 'test/fixtures'));
}

/** Whether a suite passes on the copy as it is. */
function passes(suite: string): boolean {
  const file = join(copy, `test/dist/freebsd/${suite}.test.js`);
  const env = { ...process.env, TAP_BAIL: '1' };
  return spawnSync(process.execPath, [file], { cwd: copy, env, timeout: 30_000 }).status === 0;
}

copyAll();

t.test('mutants › the backend as it is passes', async (t) => {
  for (const suite of ['contract', 'backend', 'departure', 'life']) t.ok(passes(suite), suite);
});

for (const [wrong, { file, from, to, suite }] of Object.entries(MUTANTS)) {
  t.test(`mutants › ${wrong}: a test fails`, async (t) => {
    const path = join(copy, `packages/helper/dist/freebsd/${file}.js`);
    const text = readFileSync(path, 'utf8');
    const mutated = text.replace(from, to);
    t.not(mutated, text, 'there is something to change');
    writeFileSync(path, mutated);
    t.notOk(passes(suite ?? 'contract'));
    writeFileSync(path, text);
  });
}
