import { execa } from 'execa';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t from 'tap';
import { Client, HELLO } from './client.ts';
import { configuration, run, simulated } from './main-bench.ts';
import { Machine } from './machine.ts';
import { ATTACH, key, session } from './serve-bench.ts';

t.test('main › the socket is ready when the helper says so, and SIGTERM ends it', async (t) => {
  const { router, start } = await simulated(t);
  const helper = start();
  t.comment(`ready after ${Math.round(await helper.printed('serve '))} ms`);
  const client = await Client.greet(router.policy.socketPath);
  t.match(client.replies[0], { done: { platform: 'freebsd', pid: helper.child.pid } });
  helper.child.kill('SIGTERM');
  t.equal(await helper.exit, 0);
  t.match(helper.output(), /^helper: serve \S+: backend freebsd, pid \d+\n$/);
  client.end();
});

t.test('main › SIGHUP is no reason to stop, and SIGUSR1 opens no debugger', async (t) => {
  const { router, start } = await simulated(t);
  const helper = start();
  await helper.printed('serve ');
  for (const signal of ['SIGHUP', 'SIGUSR1', 'SIGPIPE', 'SIGWINCH'] as const)
    helper.child.kill(signal);
  const client = await Client.greet(router.policy.socketPath);
  t.equal(await client.outcome({ verb: 'counters', session }), 'done');
  helper.child.kill('SIGTERM');
  t.equal(await helper.exit, 0);
  t.notMatch(helper.output(), /Debugger/);
  client.end();
});

t.test('main › SIGUSR1 is left to Bun, whose collector stops threads with it', async (t) => {
  const module = import.meta.resolve('@ppp-thing/protocol/ignored-signals');
  const program = `console.log((await import('${module}')).ignoredSignals(process.versions).join())`;
  const { stdout } = await execa('bun', ['-e', program], { preferLocal: true });
  t.equal(stdout, 'SIGHUP');
});

t.test('main › after kill -9 the next helper finds session, gate and demotion', async (t) => {
  const { router, start } = await simulated(t);
  const first = start();
  await first.printed('serve ');
  const client = await Client.greet(router.policy.socketPath);
  await client.ask(ATTACH);
  await client.ask({ verb: 'demote', session, on: true });
  router.setRole('MASTER');
  await client.until('the edge', () => client.notices[0]);
  first.child.kill('SIGKILL');
  t.equal(await first.exit, null);

  const second = start();
  const ready = await second.printed('serve ');
  t.comment(`back after ${Math.round(ready)} ms`);
  const next = await Client.greet(router.policy.socketPath);
  t.match(next.replies[0], {
    done: { sessions: [{ role: 'MASTER', attached: key, gateOpen: true, demoted: true }] },
  });
  t.equal(await next.outcome({ verb: 'demote', session, on: false }), 'done');
  t.match(await next.ask(HELLO), {
    done: { sessions: [{ demoted: false }] },
  });
  next.end();
});

t.test(
  'main › a second helper says once who is there, waits, and serves when it can',
  async (t) => {
    const { router, start } = await simulated(t);
    const first = start();
    await first.printed('serve ');
    const second = start();
    await second.printed('another helper is running');
    const client = await Client.greet(router.policy.socketPath);
    t.equal(await client.outcome({ verb: 'counters', session }), 'done');
    client.end();
    first.child.kill('SIGTERM');
    await second.printed('serve ');
    t.match(
      second.output(),
      /^helper: listen \S+: EADDRINUSE: another helper is running: trying again\nhelper: serve .*\n$/,
    );
  },
);

t.test('main › --remove takes down what a helper left', async (t) => {
  const { router, start } = await simulated(t);
  const first = start();
  await first.printed('serve ');
  const client = await Client.greet(router.policy.socketPath);
  await client.ask(ATTACH);
  await client.ask({ verb: 'demote', session, on: true });
  first.child.kill('SIGTERM');
  await first.exit;
  const removing = start({}, '--remove');
  t.equal(await removing.exit, 0, removing.output());
  const record = readFileSync(join(router.folder, 'demotion.json'), 'utf8');
  t.match(JSON.parse(record), { demoted: [] }, 'our demotion is given back, and forgotten');
  await start().printed('serve ');
  const next = await Client.greet(router.policy.socketPath);
  t.match(next.replies[0], { done: { sessions: [{ attached: null, demoted: false }] } });
  next.end();
});

t.test(
  'main › under daemon(8) a broken configuration is said once, until it is mended',
  async (t) => {
    const { router, start } = await simulated(t);
    const path = join(router.folder, 'ppp_thing.conf');
    const whole = readFileSync(path, 'utf8');
    writeFileSync(path, whole.replace('carp_vhid = 1', 'carp_vhid = 256'));
    const helper = start();
    await helper.printed('trying again');
    writeFileSync(path, whole);
    await helper.printed('serve ');
    t.match(
      helper.output(),
      /^helper: read \S+ EINVAL: [^\n]*carp_vhid[^\n]*: trying again\nhelper: serve /,
    );
  },
);

t.test('main › a broken configuration: every mistake, 78, and nothing touched', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-main-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const config = join(folder, 'ppp_thing.conf');
  const text = `[helper]\nsocket = "${folder}/helper.sock"\n[session.wan]\nmtu = 1\npassword = "hunter2"\n`;
  writeFileSync(config, text, { mode: 0o640 });
  for (const mode of [[], ['--check']]) {
    const helper = run('--config', config, ...mode);
    t.equal(await helper.exit, 78);
    const lines = helper.output().trim().split('\n');
    t.equal(lines.length, 4);
    for (const line of lines) t.match(line, /^helper: read \S+\.conf:\d: EINVAL: session\.wan\./);
    t.notMatch(helper.output(), /hunter2/);
  }
  const missing = run('--config', join(folder, 'none.conf'));
  t.equal(await missing.exit, 78);
  t.match(missing.output(), /^helper: open \S+none\.conf: ENOENT: no such file or directory\n$/);
  const directory = run('--config', folder);
  t.equal(await directory.exit, 78);
  t.match(directory.output(), /^helper: read \S+: EINVAL: it is a directory\n$/);
});

t.test(
  'main › --check of a right configuration says what it found and touches nothing',
  async (t) => {
    const router = await Machine.boot();
    t.teardown(() => router.close());
    const check = run('--config', configuration(router), '--check');
    t.equal(await check.exit, 0);
    t.match(check.output(), /^helper: check \S+: pppoe0\n$/);
    t.notMatch(check.output(), /hunter2/);
  },
);

t.test('main › --help, --version and what is neither', async (t) => {
  const help = run('--help');
  t.equal(await help.exit, 0);
  t.match(help.output(), /^usage: ppp_thing_helper/);
  const version = run('--version');
  t.equal(await version.exit, 0);
  t.match(version.output(), /^ppp_thing_helper \d+\.\d+\.\d+\n$/);
  for (const wrong of [['--bogus'], ['--backend', 'linux'], ['stray']]) {
    const command = run(...wrong);
    t.equal(await command.exit, 64, wrong.join(' '));
    t.match(command.output(), /usage: ppp_thing_helper/);
  }
});
