/**
 * The native pair's scenes on a scripted host: that each passes where two routers do as they must, and fails, with the
 * reason, where they do not. What a kernel does is not shown here.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { readConfig } from '@ppp-thing/supervisor/config';
import { readKeys } from '@ppp-thing/supervisor/keys';
import type { AcKind } from './native/network.ts';
import { Pair, type PairOptions } from './native/pair.ts';
import { PLACE } from './native/place.ts';
import { difference, inventoryOf } from './native/router.ts';
import { dial, MOVES, play, SCENES } from './native/scenes.ts';
import { ScriptedHost } from './native/scripted-host.ts';
import { Steps } from './native/steps.ts';
import { rules, stopTranslating, translate } from './native/translation.ts';

type Own = 'ac' | 'commands' | 'clearing' | 'halt';

function pairOn(t: Test, host: ScriptedHost, own: Pick<PairOptions, Own>): Pair {
  const folder = mkdtempSync(join(tmpdir(), 'ppt-'));
  t.teardown(() => rmSync(folder, { recursive: true, force: true }));
  return new Pair({
    ...own,
    say: (line) => void host.said.push(line),
    ask: host.ask,
    runtime: 'runtime',
    place: join(folder, 'place'),
    pause: host.pause,
    now: () => host.now,
    chown: () => {},
  });
}

async function started(
  t: Test,
  ac: AcKind = 'pppoed',
): Promise<{ readonly host: ScriptedHost; readonly pair: Pair }> {
  const host = new ScriptedHost();
  const pair = pairOn(t, host, { ac, commands: host.commands });
  await pair.build();
  await pair.startAc();
  pair.startRouters();
  return { host, pair };
}

/** With a session and its traffic. */
async function begun(t: Test): Promise<{ readonly host: ScriptedHost; readonly pair: Pair }> {
  const both = await started(t);
  await dial(both.pair);
  await both.pair.startTraffic();
  return both;
}

const sceneOf = (part: string) => {
  const scene = SCENES.find(({ name }) => name.includes(part));
  if (scene === undefined) throw new Error(`no scene ${part}`);
  return scene;
};

t.test('scenes › all pass where the session moves as it must', async (t) => {
  const { host, pair } = await started(t);
  const { sessionId, text } = await dial(pair);
  t.equal(sessionId, 7);
  t.match(text, /^r1 holds session 7, \d+ ms after the start$/);
  await pair.startTraffic();
  for (const scene of SCENES) {
    const told = await play(scene, pair, sessionId);
    t.match(told.text, /^r[12] → r[12] in \d+ ms, session 7; /, scene.name);
  }
  for (const router of pair.routers) await router.stop();
  t.ok(host.ran.some((line) => line.endsWith('ppp_thing.conf --remove')));
  const left = await pair.leftovers([['demotion 0'], []]);
  t.match(
    left.join('\n'),
    /^r1: \+ demotion $[^]*^r1: - demotion 0$[^]*^r2: \+ interface ppt_r2l$/m,
  );
  t.strictSame(await pair.takeDown(false), []);
  t.strictSame([...host.commands.running], [], 'every program has ended');
});

t.test(
  'translation › rules and pfsync on both routers, then traffic that only NAT brings back',
  async (t) => {
    const { host, pair } = await started(t);
    await dial(pair);
    await pair.startTraffic();
    host.ran.length = 0;
    t.match(await translate(pair), /pf\.os/, 'what it lacks is said');
    for (const file of ['/sbin/pfctl', '/etc/pf.os']) host.model.files.add(file);
    t.equal(await translate(pair), undefined);
    const order = ['-f', '-e', 'syncdev', 'route delete'].map((word) =>
      host.ran.findIndex((line) => ` ${line} `.includes(` ${word} `)),
    );
    t.strictSame(
      order,
      [...order].sort((a, b) => a - b),
    );
    t.ok(order.every((place) => place >= 0));
    const line = 'jexec ppt_r2 ifconfig pfsync0 syncpeer 10.99.0.1 syncdev ppt_r2s up';
    t.ok(host.ran.includes(line));
    for (const scene of MOVES) await play(scene, pair, 7);
    host.before = (line) => {
      if (!line.endsWith('pfctl -d')) return;
      const probes = [...host.commands.running].filter(({ name }) => name === 'probe');
      t.strictSame(probes, [], 'nothing of the LAN is left to go out untranslated');
    };
    await stopTranslating(pair);
    t.ok(host.ran.includes('jexec ppt_r1 pfctl -d'));
  },
);

t.test('translation › names nothing in NAT that one router has alone', async (t) => {
  const { pair } = await started(t);
  const [one = '', two = ''] = pair.routers.map((router) => rules(router));
  t.match(one, /^nat on ppt0 inet from !\(ppt0x\) to any -> \(ppt0x:0\)$/m);
  t.equal(one.replaceAll('ppt_r1', 'ppt_r2'), two);
});

t.test('router › its configuration is one that both programs take', async (t) => {
  const { pair } = await started(t);
  const policies = pair.routers.map(({ config, directory }) => {
    const { sessions, partner } = readConfig(config);
    t.match(sessions, [{ engine: { name: 'ppt0' } }]);
    if (partner?.protocol === 'ppp-thing')
      t.equal(readKeys(partner.keyFile ?? '', undefined).byId.size, 1, 'with a key');
    const host = { platform: 'freebsd', uid: 1 } as const;
    const policy = parsePolicy(readFileSync(config, 'utf8'), config, host);
    t.match(policy, { socketPath: join(directory, 'helper/helper.sock'), user: 'nobody' });
    return policy.sessions[0];
  });
  const [one, two] = policies;
  t.match(one, { interface: 'ppt_r1l', carp: { interface: 'ppt_r1n', vhid: 1 }, stub: 'ppt0x' });
  t.strictSame(one?.mac, two?.mac);
  t.strictSame(one?.localAddress, two?.partnerAddress);
  t.ok(join(PLACE, 'r1/control.sock').length < 104, 'a path that a Unix socket has room for');
});

t.test(
  'scenes › what the Access Concentrator holds against the routers fails the scene',
  async (t) => {
    const { host, pair } = await started(t, 'lab');
    await dial(pair);
    host.violations.push('session 7: a second IPCP negotiation');
    await t.rejects(play(sceneOf('handoff'), pair, 7), {
      message: 'the Access Concentrator holds against us: session 7: a second IPCP negotiation',
    });
  },
);

/** The steps of a run, in their order, that differ in what an interrupt finds under way. */
const STEPS: readonly (readonly [string, (pair: Pair) => Promise<unknown>])[] = [
  ['network', (pair) => pair.build()],
  ['Access Concentrator', (pair) => pair.startAc()],
  ['dial', (pair) => (pair.startRouters(), dial(pair))],
  ['traffic', (pair) => pair.startTraffic()],
  ...[/of both/, /handoff/, /goes down/, /comes back/, /power cut/, /returns/].map(
    (part) =>
      [
        `${part}`,
        (pair: Pair) => play(SCENES.find(({ name }) => part.test(name)) ?? sceneOf(''), pair, 7),
      ] as const,
  ),
  ['translation', translate],
  [
    'stop and remove',
    async ({ routers }) => {
      for (const router of routers) await router.stop();
      for (const router of routers) await router.remove();
    },
  ],
];

for (const [i, [name]] of STEPS.entries())
  t.test(`interrupt › during ${name}: the step is stopped, and nothing is left`, async (t) => {
    const host = new ScriptedHost();
    for (const file of ['/sbin/pfctl', '/etc/pf.os']) host.model.files.add(file);
    const halt = new AbortController();
    const pair = pairOn(t, host, {
      ac: i < 3 ? 'lab' : 'pppoed',
      commands: host.under(halt.signal),
      clearing: host.commands,
      halt: halt.signal,
    });
    const steps = new Steps(pair, halt);
    for (const [, step] of STEPS.slice(0, i)) await steps.run(async () => void (await step(pair)));
    let ended: Promise<readonly string[]> | undefined;
    const interrupt = (): void => {
      if (ended === undefined) host.ran.length = 0;
      ended ??= steps.interrupt('SIGINT', false);
    };
    // In its midst: at one of its commands, or where it waits.
    const at = new Map([
      ['network', 40],
      ['traffic', 1],
    ]).get(name);
    let count = 0;
    host.before = () => void (++count === (at ?? 2) && interrupt());
    host.paused = interrupt;
    const [, step] = STEPS[i] ?? ['', () => Promise.resolve()];
    await t.rejects(
      steps.run(async () => void (await step(pair))),
      { message: 'SIGINT' },
    );
    t.strictSame(await ended, []);
    t.strictSame(await steps.end(false), [], 'a second end is the first');
    const { interfaces, jails, mounts, routes } = host.model;
    t.strictSame([interfaces, jails, mounts, routes], [[], [], [], []]);
    t.strictSame(
      [...host.commands.running].map((program) => program.name),
      [],
    );
    const own = host.ran
      .slice(1)
      .filter(
        (line) =>
          !/^(jls|jail -r|ifconfig|mount -p|umount|pgrep|kill|route delete|jexec \S+ (ifconfig|ngctl) )/.test(
            line,
          ),
      );
    t.strictSame(own, [], 'nothing of the step is run any more');
    await t.rejects(
      steps.run(() => Promise.resolve()),
      { message: 'SIGINT' },
      'no step begins',
    );
  });

t.test('scenes › a PADT on the line fails the scene', async (t) => {
  const { host, pair } = await begun(t);
  host.line = { padt: 1 };
  await t.rejects(play(sceneOf('of the supervisor'), pair, 7), { message: '1 PADT on the line' });
});

t.test('scenes › a redial fails the scene', async (t) => {
  const { host, pair } = await begun(t);
  host.line = { granted: [7, 7, 8] };
  const message = 'sessions granted: 7, 8; expected 7 alone';
  await t.rejects(play(sceneOf('of both'), pair, 7), { message });
  host.sessionId = 8;
  await t.rejects(play(sceneOf('of both'), pair, 7), { message: 'session 8; it was 7' });
});

t.test('scenes › a role that does not move is a wait that ends', async (t) => {
  const { host, pair } = await begun(t);
  host.stuck = true;
  const message = 'wait for r2 to hold the session: ETIMEDOUT: not within 120 s';
  await t.rejects(play(sceneOf('goes down'), pair, 7), { message });
});

t.test('scenes › a program that dies by itself is named, with its log', async (t) => {
  const { host, pair } = await begun(t);
  host.stuck = true;
  host.before = (line) => void (line.includes(' handoff ') && host.die('r2 helper'));
  await t.rejects(play(sceneOf('handoff'), pair, 7), {
    message: /ECHILD: r2 helper has ended: SIGSEGV; see .*r2-helper\.log$/,
  });
});

t.test('scenes › nobody dials: the wait says so', async (t) => {
  const { host, pair } = await started(t);
  for (const { running } of Object.values(host.machines)) running.clear();
  await t.rejects(dial(pair), { message: 'wait for a session: ETIMEDOUT: not within 120 s' });
});

t.test(
  'inventory › what a helper could leave shows, what changes by itself does not',
  async (t) => {
    const before = inventoryOf({
      nodes:
        '  Name: ppt_r1l  Type: ether  ID: 2  Num hooks: 0\n  Name: ngctl65 Type: socket ID: f\n',
      interfaces: 'lo0 ppt_r1l ppt_r1n\n',
      routes: [
        'Destination        Gateway            Flags     Netif Expire',
        '127.0.0.1          link#1             UH          lo0',
        '192.168.7.0/24     link#5             U       ppt_r1n',
        '192.168.7.1        link#5             UH          lo0',
      ].join('\n'),
      demotion: '0\n',
      line: 'ppt_r1l: flags=8863<UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST> metric 0 mtu 1500',
    });
    t.strictSame(before, [
      'demotion 0',
      'flags of the line UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST',
      'interface lo0',
      'interface ppt_r1l',
      'interface ppt_r1n',
      'node ppt_r1l (ether)',
      'route 127.0.0.1 link UH',
      'route 192.168.7.0/24 link U',
    ]);
    const after = inventoryOf({
      nodes:
        '  Name: ppt_r1l  Type: ether  ID: 2  Num hooks: 1\n  Name: pthr_ppt_r1l Type: hub ID: 9\n',
      interfaces: 'lo0 ppt_r1l ppt_r1n ng0\n',
      routes:
        'default  100.64.0.1  UGS  ppt0\n127.0.0.1 link#2 UH lo0\n192.168.7.0/24 link#7 U ppt_r1n\n',
      demotion: '240\n',
      line: 'ppt_r1l: flags=28963<UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST,PPROMISC>',
    });
    t.strictSame(difference(before, after), [
      '+ demotion 240',
      '+ flags of the line UP,BROADCAST,RUNNING,PROMISC,SIMPLEX,MULTICAST,PPROMISC',
      '+ interface ng0',
      '+ node pthr_ppt_r1l (hub)',
      '+ route default 100.64.0.1 UGS',
      '- demotion 0',
      '- flags of the line UP,BROADCAST,RUNNING,SIMPLEX,MULTICAST',
    ]);
  },
);
