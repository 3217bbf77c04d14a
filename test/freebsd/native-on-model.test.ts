/**
 * The native pair's commands on a model of a host: what would be called on FreeBSD, in which order, what is said when one
 * fails, and that everything with our names goes, and nothing else. It starts none of our programs.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { ETC_PPP, PPP, PPPOED } from './native/ac.ts';
import { CommandError, endAll, hostCommands, typed } from './native/commands.ts';
import type { HostModel } from './native/host-model.ts';
import { missingFor, missingForPf } from './native/needs.ts';
import { JAILS, MODULES, type AcKind } from './native/network.ts';
import { Pair } from './native/pair.ts';
import { BusyError, occupy, vacate } from './native/place.ts';
import { ScriptedHost } from './native/scripted-host.ts';
import { InterruptedError } from './native/steps.ts';

interface Host {
  readonly model: HostModel;
  readonly scripted: ScriptedHost;
  readonly place: string;
  readonly pair: Pair;
  /** What was called since the last look, as `where: command`. */
  calls(): string[];
}

function host(t: Test, ac: AcKind = 'lab'): Host {
  const folder = mkdtempSync(join(tmpdir(), 'ppt-'));
  const place = join(folder, 'place');
  const scripted = new ScriptedHost();
  const { commands, model, pause, ask } = scripted;
  const pair = new Pair({
    ac,
    commands,
    say: (line) => void scripted.said.push(line),
    ask,
    runtime: 'runtime',
    place,
    pause,
    now: () => scripted.now,
    chown: () => {},
  });
  t.teardown(async () => {
    await pair.takeDown(false);
    rmSync(folder, { recursive: true, force: true });
  });
  return { model, scripted, place, pair, calls: () => model.calls.splice(0) };
}

/** Interfaces as `NAME WHERE`. */
const interfacesOf = ({ interfaces }: HostModel): string[] =>
  interfaces.map(({ name, where }) => `${name} ${where}`);

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
    t.strictSame(at.model.namesAt('host'), [], 'every interface has moved into a jail');
    for (const { name, where: jail } of at.model.interfaces) {
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
    at.model.nodes.push('ppt_r1 Name: pt_ppt0_e Type: etf', 'ppt_r1 Name: ngctl9 Type: socket');
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
    t.strictSame([at.model.jails, at.model.interfaces], [[], []]);

    t.strictSame(await at.pair.takeDown(false), [], 'and once more');
    t.notMatch(at.calls().join('\n'), / -r | destroy|umount/, 'there is nothing to do then');
  },
);

t.test(
  'native pair › what a killed run left goes at the next start; what is others stays',
  async (t) => {
    const at = host(t);
    at.model.jails = ['web', 'ppt_r1', 'ppt_custom'];
    for (const [name, cable, where] of [
      ['igb0', 'i', 'host'],
      ['epair7a', 'p70', 'web'],
      ['ppt_r1l', 'p71', 'ppt_r1'],
      ['ppt_sr1', 'p71', 'host'],
    ] as const)
      at.model.interfaces.push({ name, cable, where });
    const ours = `${at.place}/ppp /etc/ppp nullfs rw 0 0`;
    at.model.mounts = [ours, '/dev/ada0p2 / ufs rw 1 1'];
    at.model.routes = ['host: 192.168.7.0/24'];
    at.model.strays = new Map([
      [71, `${PPPOED} -F -l ppt ppt_acl`],
      [72, `${PPP} -direct ppt`],
      [73, `${PPP} -ddial papchap`],
      [74, `${PPPOED} -F -l isp igb1`],
    ]);
    await at.pair.build();
    await at.pair.takeDown(false);
    t.strictSame(at.model.jails, ['web', 'ppt_custom']);
    t.strictSame(interfacesOf(at.model), ['igb0 host', 'epair7a web']);
    t.strictSame(at.model.mounts, ['/dev/ada0p2 / ufs rw 1 1']);
    t.strictSame([[...at.model.strays.keys()], at.model.routes], [[73, 74], []]);
  },
);

t.test("native pair › others' directory over /etc/ppp is not taken away", async (t) => {
  const at = host(t);
  at.model.mounts = ['/home/me/ppp /etc/ppp nullfs rw 0 0'];
  at.model.strays.set(72, `${PPP} -direct ppt`);
  await at.pair.takeDown(false);
  t.notMatch(at.calls().join('\n'), /umount|kill/);
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
    at.model.refuse = new RegExp(pattern);
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
      [at.model.jails, interfacesOf(at.model).filter((l) => l.includes('ppt_'))],
      [[], []],
    );
  });

t.test('native pair › a jail that does not go is reported', async (t) => {
  const at = host(t);
  await at.pair.build();
  at.model.refuse = /jail -r ppt_lan/;
  t.strictSame(await at.pair.takeDown(true), ['jail ppt_lan']);
  t.match(at.scripted.said.join('\n'), 'jail -r ppt_lan: exit 1: jail: refused by the test');
  at.model.refuse = undefined;
});

t.test("Access Concentrator › the lab's, in a jail, unless pppoed(8) is asked for", async (t) => {
  const at = host(t);
  await at.pair.build();
  await at.pair.startAc();
  const tun = at.model.namesAt('ppt_ac').find((name) => name.startsWith('tun'));
  t.ok(at.calls().includes(`ppt_ac: ifconfig ${tun} inet 100.64.0.1 100.64.0.11 mtu 1492 up`));
  t.notMatch(at.scripted.ran.join('\n'), /pppoed|mount -t/);
});

t.test(
  'Access Concentrator › pppoed(8) gets no vnet jail, which would panic the host',
  async (t) => {
    const at = host(t, 'pppoed');
    await at.pair.build();
    t.notOk(at.model.jails.includes('ppt_ac'));
    t.strictSame(at.model.namesAt('host'), ['ppt_acl'], "its end of the line is the host's");
    await at.pair.startAc();
    await at.pair.startTraffic();
    t.match(readFileSync(join(at.place, 'ppp/ppp.conf'), 'utf8'), /^ppt:\n allow mode direct$/m);
    t.strictSame(at.model.mounts, [`${at.place}/ppp ${ETC_PPP} nullfs rw 0 0`]);
    t.strictSame(at.model.routes.includes('host: 192.168.7.0/24'), true);
    at.model.strays.set(72, `${PPP} -direct ppt`);
    t.strictSame(await at.pair.takeDown(false), []);
    const { interfaces, jails, mounts, routes, strays } = at.model;
    t.strictSame([interfaces, jails, mounts, routes, [...strays]], [[], [], [], [], []]);
  },
);

t.test('Access Concentrator › pppoed(8) that ends at once is said, with its log', async (t) => {
  const at = host(t, 'pppoed');
  await at.pair.build();
  const { commands } = at.pair.options;
  const start: typeof commands.start = (...words) => {
    const program = at.scripted.commands.start(...words);
    program.signal('SIGSEGV');
    return program;
  };
  const pair = new Pair({ ...at.pair.options, commands: { ...commands, start } });
  await t.rejects(pair.startAc(), /start pppoed: ECHILD: it has ended: SIGSEGV; see .*pppoed\.log/);
});

const EVERYTHING =
  '/sbin/ifconfig /sbin/kldload /sbin/route /sbin/sysctl /usr/sbin/jail /usr/sbin/jls /usr/sbin/jexec /usr/sbin/ngctl /usr/bin/netstat'.split(
    ' ',
  );

t.test('needs › what is missing is said before anything is made, in words', async (t) => {
  const { model, scripted } = host(t);
  const { commands } = scripted;
  t.match(await missingFor(commands, 'lab'), [/^there is no \/sbin\/ifconfig$/]);
  model.files = new Set(EVERYTHING);
  t.strictSame(await missingFor(commands, 'lab'), [], 'the lab needs no ppp(8)');
  t.match(await missingFor(commands, 'pppoed'), [
    /^there is no \/usr\/libexec\/pppoed$/,
    /^there is no \/usr\/sbin\/ppp$/,
    /^there is no \/etc\/libalias\.conf: .*PADS and 200 ms later a PADT$/,
    /^there is no directory \/etc\/ppp,/,
  ]);
  model.files = new Set([...EVERYTHING, PPPOED, PPP, '/etc/libalias.conf', ETC_PPP]);
  t.strictSame(await missingFor(commands, 'pppoed'), []);
  model.files.add('/var/db/ppp_thing.state');
  model.refuse = /vimage|^id nobody|nullfs|^sh -c ! netstat/;
  t.match(await missingFor(commands, 'pppoed'), [
    /VIMAGE/,
    /no user nobody/,
    /ppp_thing\.state, which the routers would resume: move it away/,
    /nullfs cannot be loaded/,
    /a route to a network of the test's .*192\.168\.7\.0/,
  ]);
  t.match(await missingForPf(commands), [/no \/sbin\/pfctl/, /no \/etc\/pf\.os: /]);
  model.refuse = /carp|kldload -n pfsync/;
  model.files = new Set(['/sbin/pfctl', '/etc/pf.os']);
  t.match(await missingForPf(commands), [/protocols does not have carp/, /pfsync cannot be/]);
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

t.test('commands › halted, what runs is killed and waited for, and nothing begins', async (t) => {
  const halt = new AbortController();
  const commands = hostCommands(() => {}, process.env, halt.signal);
  const folder = t.testdir({});
  const program = commands.start('cat', join(folder, 'log'), 'cat');
  const file = join(folder, 'pid');
  const long = commands.run('wait', 'sh', '-c', `echo $$ >${file}; exec sleep 60`);
  await t.rejects(
    Promise.all([
      long,
      (async () => {
        while (!existsSync(file) || readFileSync(file, 'utf8') === '')
          await new Promise(setImmediate);
        halt.abort(new InterruptedError('SIGINT'));
      })(),
    ]),
    new InterruptedError('SIGINT'),
  );
  t.throws(() => process.kill(Number(readFileSync(file, 'utf8')), 0), 'it is gone by then');
  await t.rejects(commands.attempt('true'), new InterruptedError('SIGINT'));
  t.throws(() => commands.start('cat', join(folder, 'log'), 'cat'), new InterruptedError('SIGINT'));
  t.equal(program.ended(), undefined, 'a program goes on until it is ended');
  await endAll([program]);
  t.strictSame([...commands.running], []);
});
