/**
 * The native pair's commands on stubs: what would be called on FreeBSD, in which order, what is said when one fails, and
 * that everything with our names goes, and nothing else. It starts none of our programs.
 */
import { chmodSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { startAc } from './native/ac.ts';
import { CommandError, hostCommands, typed } from './native/commands.ts';
import { JAILS, MODULES } from './native/network.ts';
import { Pair } from './native/pair.ts';
import { BusyError, occupy, vacate } from './native/place.ts';

const STUB = fileURLToPath(new URL('../../freebsd/stub/command', import.meta.url));
const COMMANDS =
  'jail jls jexec ifconfig kldload sysctl route ngctl netstat mount umount test tcpdump runtime'.split(
    ' ',
  );

interface Host {
  readonly folder: string;
  readonly place: string;
  readonly pair: Pair;
  readonly said: string[];
  /** What was called since the last look, as `where: command`. */
  calls(): string[];
  write(file: string, ...lines: readonly string[]): void;
  read(file: string): string[];
}

function host(t: Test, pppoed = ''): Host {
  // Not tap's own directory: the stubs are called often, and its name is long.
  const folder = mkdtempSync(join(tmpdir(), 'ppt-'));
  const place = join(folder, 'place');
  const write = (file: string, ...lines: readonly string[]): void =>
    writeFileSync(join(folder, file), lines.map((line) => `${line}\n`).join(''));
  const read = (file: string): string[] =>
    readFileSync(join(folder, file), 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  for (const file of ['log', 'jails', 'interfaces', 'mounts', 'files', 'fail']) write(file);
  write('count', '0');
  for (const command of [...COMMANDS, ...(pppoed === '' ? [] : [pppoed])]) {
    copyFileSync(STUB, join(folder, command));
    chmodSync(join(folder, command), 0o755);
  }
  const said: string[] = [];
  const env = { PATH: `${folder}:/usr/bin:/bin`, STUB: folder };
  const commands = hostCommands((line) => said.push(line), env);
  const pair = new Pair({
    commands,
    say: (line) => void said.push(line),
    ask: () => Promise.resolve(undefined),
    runtime: 'runtime',
    place,
    pause: () => Promise.resolve(),
    now: () => performance.now(),
    chown: () => {},
  });
  t.teardown(async () => {
    await pair.takeDown(false);
    rmSync(folder, { recursive: true, force: true });
  });
  return {
    folder,
    place,
    pair,
    said,
    write,
    read,
    calls() {
      const lines = read('log');
      write('log');
      return lines;
    },
  };
}

t.test(
  'native pair › made: modules, jails, cables that are named before they move, CARP',
  async (t) => {
    const at = host(t);
    await at.pair.build();
    const calls = at.calls();
    const first = (part: string): number => calls.findIndex((line) => line.includes(part));
    for (const module of MODULES) t.ok(first(`kldload -n ${module}`) < first('jail -c'), module);
    for (const jail of JAILS) {
      t.match(calls[first(`jail -c name=${jail}`)], / vnet persist /);
      t.ok(calls.includes(`${jail}: ifconfig lo0 127.0.0.1/8 up`), jail);
    }
    const interfaces = at.read('interfaces');
    t.strictSame(
      interfaces.filter((line) => line.endsWith(' host')),
      [],
      'every interface has moved into a jail',
    );
    for (const line of interfaces) {
      const [name = '', , jail] = line.split(' ');
      t.match(name, /^ppt_/);
      t.ok(name.length <= 15, `${name} fits IFNAMSIZ`);
      if (name === 'ppt_bridge') continue;
      t.ok(
        first(` name ${name}`) < first(`ifconfig ${name} vnet ${jail}`),
        `${name} is named first`,
      );
      t.ok(calls.includes(`${jail}: ifconfig ${name} up`), `${name} is brought up`);
    }
    const carp = (router: string): string | undefined =>
      calls.find((line) => line.startsWith(`ppt_${router}: ifconfig`) && line.includes(' vhid '));
    t.equal(carp('r1'), 'ppt_r1: ifconfig ppt_r1n vhid 1 advskew 0 pass ppt alias 192.168.7.1/32');
    t.match(carp('r2'), / advskew 100 /);
    t.ok(calls.includes('ppt_r2: sysctl net.inet.carp.preempt=1'));
    t.ok(calls.includes('ppt_sw: ifconfig ppt_bridge addm ppt_br1 addm ppt_br2 addm ppt_blan up'));
  },
);

t.test(
  'native pair › taken apart: interfaces, then nodes, then jails, then the rest',
  async (t) => {
    const at = host(t);
    await at.pair.build();
    at.write('nodes', 'ppt_r1 Name: pt_ppt0_e Type: etf', 'ppt_r1 Name: ngctl9 Type: socket');
    at.calls();
    t.strictSame(await at.pair.takeDown(false), []);
    const calls = at.calls();
    const last = (part: string): number =>
      calls.map((line) => line.includes(part)).lastIndexOf(true);
    const first = (part: string): number => calls.findIndex((line) => line.includes(part));
    t.ok(last('-vnet ppt_r1') < first('ngctl shutdown pt_ppt0_e:'));
    t.ok(first('ngctl shutdown pt_ppt0_e:') < first('jail -r ppt_r1'));
    t.ok(last('jail -r') < first(' destroy') || calls[first(' destroy')]?.includes('ppt_bridge'));
    t.notMatch(calls.join('\n'), 'shutdown ngctl9');
    t.strictSame([at.read('jails'), at.read('interfaces')], [[], []]);

    t.strictSame(await at.pair.takeDown(false), [], 'and once more');
    t.notMatch(at.calls().join('\n'), / -r | destroy|umount/, 'there is nothing to do then');
  },
);

t.test(
  'native pair › what a killed run left goes at the next start; what is others stays',
  async (t) => {
    const at = host(t);
    at.write('jails', 'web', 'ppt_r1', 'ppt_custom');
    at.write(
      'interfaces',
      'igb0 i host',
      'epair7a p70 web',
      'ppt_r1l p71 ppt_r1',
      'ppt_sr1 p71 host',
    );
    at.write('mounts', `${at.place}/ppp /etc/ppp nullfs rw 0 0`, '/dev/ada0p2 / ufs rw 1 1');
    await at.pair.build();
    await at.pair.takeDown(false);
    t.strictSame(at.read('jails'), ['web', 'ppt_custom']);
    t.strictSame(at.read('interfaces'), ['igb0 i host', 'epair7a p70 web']);
    t.strictSame(at.read('mounts'), ['/dev/ada0p2 / ufs rw 1 1']);
  },
);

t.test("native pair › others' directory over /etc/ppp is not taken away", async (t) => {
  const at = host(t);
  at.write('mounts', '/home/me/ppp /etc/ppp nullfs rw 0 0');
  await at.pair.takeDown(false);
  t.notMatch(at.calls().join('\n'), 'umount');
});

const FAILURES = [
  ['kldload -n ng_pppoe', 'load ng_pppoe', 'kldload -n ng_pppoe'],
  ['jail -c name=ppt_ac', 'make jail ppt_ac', 'jail -c name=ppt_ac'],
  ['epair create', 'make an epair', 'ifconfig epair create'],
  ['ifconfig ppt_r2s vnet', 'move ppt_r2s to ppt_r2', 'ifconfig ppt_r2s vnet ppt_r2'],
  ['vhid 1 advskew 100', 'r2: CARP', 'jexec ppt_r2 ifconfig ppt_r2n vhid 1'],
] as const;
for (const [pattern, purpose, command] of FAILURES)
  t.test(`native pair › '${pattern}' fails: it is said, and nothing is left`, async (t) => {
    const at = host(t);
    at.write('fail', pattern);
    const error = await at.pair.build().then(
      () => undefined,
      (thrown: unknown) => thrown,
    );
    t.ok(error instanceof CommandError);
    const message = error instanceof Error ? error.message : '';
    t.match(message, `${purpose}: exit 1\n  $ ${command}`);
    t.match(message, /: refused by the test$/);
    t.strictSame(await at.pair.takeDown(true), []);
    t.strictSame(
      [at.read('jails'), at.read('interfaces').filter((l) => l.includes('ppt_'))],
      [[], []],
    );
  });

t.test('native pair › a jail that does not go is reported', async (t) => {
  const at = host(t);
  await at.pair.build();
  at.write('fail', 'jail -r ppt_lan');
  t.strictSame(await at.pair.takeDown(true), ['jail ppt_lan']);
  t.match(at.said.join('\n'), 'jail -r ppt_lan: exit 1: jail: refused by the test');
  at.write('fail');
});

t.test('Access Concentrator › which one, and why', async (t) => {
  const at = host(t);
  await at.pair.build();
  const lines: string[] = [];
  const say = (line: string): void => void lines.push(line);
  const { options } = at.pair;
  t.equal((await startAc(options, undefined, say)).kind, 'lab');
  t.match(lines.pop(), "the lab's, because there is no /usr/libexec/pppoed");
  await t.rejects(startAc(options, 'pppoed', say), /ENOTSUP: there is no/);

  at.write('files', '/usr/libexec/pppoed', '/usr/sbin/ppp');
  at.write('fail', 'mount -t nullfs');
  t.equal((await startAc(options, undefined, say)).kind, 'lab');
  t.match(lines.pop(), /because mount -t nullfs .*ppp \/etc\/ppp: mount: refused by the test/);

  at.write('fail');
  const patient = { ...options, pause: () => new Promise<void>(() => {}) };
  t.equal((await startAc(patient, undefined, say)).kind, 'lab', 'pppoed ends at once');
  t.match(lines.pop(), /because pppoed has ended: .*; see .*ac-pppoed\.log/);
  t.strictSame(at.read('mounts'), [], 'its directory is taken away again');

  const ac = await startAc(options, undefined, say);
  t.equal(ac.kind, 'pppoed', 'it stays longer than we look');
  t.match(at.said.join('\n'), /\$ jexec ppt_ac \/usr\/libexec\/pppoed -F -d .* -l ppt ppt_acl >>/);
  t.match(readFileSync(join(at.place, 'ppp/ppp.conf'), 'utf8'), /^ppt:\n allow mode direct$/m);
  t.match(at.read('mounts'), [`${at.place}/ppp /etc/ppp nullfs rw 0 0`]);
});

t.test('place › one run at a time, and nothing of the last one', async (t) => {
  const place = join(t.testdir({}), 'run');
  occupy(place);
  writeFileSync(join(place, 'old.log'), '');
  occupy(place);
  t.throws(() => readFileSync(join(place, 'old.log')));
  writeFileSync(join(place, 'pid'), `${process.ppid}\n`);
  t.throws(
    () => occupy(place),
    new BusyError(`occupy ${place}: EBUSY: process ${process.ppid} is running the same tests`),
  );
  vacate(true, place);
  occupy(place);
  vacate(false, place);
  t.throws(() => readFileSync(join(place, 'pid')));
});

t.test('commands › what cannot be run says so, and hangs nobody', async (t) => {
  const commands = hostCommands(() => {});
  t.match(await commands.attempt('no-such-command'), { code: null, output: /ENOENT/ });
  await t.rejects(commands.run('try', 'no-such-command', 'a b'), {
    message: /^try: not run\n {2}\$ no-such-command 'a b'\n/,
  });
  t.match(await commands.attempt('sh', '-c', 'kill -9 $$'), { output: /ended by SIGKILL/ });
  t.equal(typed('a', ['b c', 'd=1']), "a 'b c' d=1");
});
