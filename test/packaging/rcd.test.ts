/**
 * The rc.d scripts as service(8) and rc(8) run them, on a stub of rc.subr and of the commands they call. It starts no
 * process of ours: what the scripts would start is written down.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const STUBS = join(ROOT, 'test/packaging/stub');
const COMMANDS = 'daemon install kldstat kldload logger mount pkill su sysctl runtime'.split(' ');
const MODULES = 'netgraph ng_socket ng_ether ng_hub ng_bpf ng_etf ng_pppoe ng_ppp ng_iface'.split(
  ' ',
);

interface Router {
  /** Where the program is: packages, and rc.d beside them. */
  readonly tree: string;
  readonly folder: string;
  /** The helper's run directory. */
  readonly run: string;
  readonly config: string;
  service(script: string, argument: string): { code: number | null; output: string };
  /** What was called since the last look, a line each. */
  calls(): readonly string[];
  configure(...lines: string[]): void;
  readonly modules: { write(lines: readonly string[]): void };
}

/** A machine with the scripts beside the program, as in an unpacked tarball. */
function router(test: Test): Router {
  const folder = test.testdir({
    bin: {},
    log: '',
    modules: '',
    'rc.conf': '',
    'ppp_thing.conf': '',
  });
  const tree = join(folder, 'ppp-thing-0.1.0-freebsd-x64');
  const config = join(folder, 'ppp_thing.conf');
  const run = join(folder, 'run');
  const runtime = join(folder, 'bin/runtime');
  for (const command of COMMANDS) {
    copyFileSync(join(STUBS, 'command'), join(folder, 'bin', command));
    chmodSync(join(folder, 'bin', command), 0o755);
  }
  for (const name of ['helper', 'supervisor']) {
    mkdirSync(join(tree, 'packages', name, 'dist'), { recursive: true });
    writeFileSync(join(tree, 'packages', name, 'dist/main.js'), '');
  }
  installScripts(join(tree, 'rc.d'));
  const configure = (...lines: string[]): void =>
    writeFileSync(
      join(folder, 'rc.conf'),
      [`ppp_thing_config=${config}`, `ppp_thing_helper_run=${run}`, ...lines, ''].join('\n'),
    );
  configure(`ppp_thing_runtime="no-such-runtime ${runtime}"`);
  return {
    tree,
    run,
    folder,
    config,
    configure,
    service(script, argument) {
      const { status, stdout, stderr } = spawnSync(script, [argument], {
        env: { PATH: `${join(folder, 'bin')}:/usr/bin:/bin`, STUB: folder },
        encoding: 'utf8',
        // As from a shell that has files open.
        stdio: ['ignore', 'pipe', 'pipe', ...Array<number>(7).fill(2)],
      });
      return { code: status, output: String(stdout) + String(stderr) };
    },
    calls() {
      const log = readFileSync(join(folder, 'log'), 'utf8');
      writeFileSync(join(folder, 'log'), '');
      return log.split('\n').filter((line) => line !== '');
    },
    modules: {
      write: (lines) => writeFileSync(join(folder, 'modules'), `${lines.join('\n')}\n`),
    },
  };
}

/** The scripts as they are, but for the line that reads rc.subr. */
function installScripts(to: string): void {
  mkdirSync(to, { recursive: true });
  for (const name of ['ppp_thing', 'ppp_thing_early', 'ppp_thing_helper']) {
    const text = readFileSync(join(ROOT, 'rc.d', name), 'utf8');
    const changed = text.replace('\n. /etc/rc.subr\n', `\n. ${join(STUBS, 'rc.subr')}\n`);
    if (changed === text) throw new Error(`${name} does not read rc.subr`);
    writeFileSync(join(to, name), changed, { mode: 0o755 });
  }
}

/** How the configuration is tried before a start. */
const checkLine = ({ tree, config }: Router, program: string): string =>
  `runtime ${tree}/packages/${program}/dist/main.js --config ${config} --check`;

const mountLine = ({ run }: Router): string =>
  `mount -t tmpfs -o size=1m,mode=0755,noexec,nosuid tmpfs ${run}`;

const daemonLine = ({ folder, tree, config }: Router, name: string, program: string): string =>
  `daemon -P /var/run/${name}.pid -r -R 1 -S -T ${name} -f ${folder}/bin/runtime ` +
  `${tree}/packages/${program}/dist/main.js --config ${config}`;

t.test('ppp_thing_helper', async (t) => {
  t.test(
    'onestart tries the configuration, makes the directories, loads the modules and starts daemon(8)',
    async (t) => {
      const at = router(t);
      const helper = join(at.tree, 'rc.d/ppp_thing_helper');
      t.match(at.service(helper, 'onestart'), { code: 0, output: /Starting ppp_thing_helper\./ });
      t.same(at.calls(), [
        checkLine(at, 'helper'),
        mountLine(at),
        `install -d -o root -g ppp_thing -m 0755 ${at.run}`,
        'install -d -o ppp_thing -g ppp_thing -m 0755 /var/run/ppp_thing',
        'install -d -o ppp_thing -g ppp_thing -m 0700 /var/db/ppp_thing',
        'install -d -o root -g wheel -m 0700 /var/db/ppp_thing_helper',
        ...MODULES.map((module) => `kldload ${module}`),
        daemonLine(at, 'ppp_thing_helper', 'helper'),
      ]);
      t.match(at.service(helper, 'onestart'), { code: 1, output: /already running/ });
      t.same(at.calls(), [], 'a second start does nothing');
    },
  );

  t.test('the run directory is in memory, with what was on the disk', async (t) => {
    const at = router(t);
    const helper = join(at.tree, 'rc.d/ppp_thing_helper');
    const record = join(at.run, 'demotion.json');
    mkdirSync(at.run);
    writeFileSync(record, RECORD);
    t.equal(at.service(helper, 'onestart').code, 0);
    t.equal(readFileSync(record, 'utf8'), RECORD);
    t.ok(at.calls().includes(mountLine(at)));
    t.notOk(existsSync(`${at.run}.disk`));
    // A start that was killed behind the mount.
    mkdirSync(`${at.run}.disk`);
    renameSync(record, join(`${at.run}.disk`, 'demotion.json'));
    at.service(helper, 'onestop');
    at.calls();
    t.equal(at.service(helper, 'onestart').code, 0);
    t.equal(readFileSync(record, 'utf8'), RECORD);
    t.notOk(at.calls().includes(mountLine(at)), 'mounted once');
    t.notOk(existsSync(`${at.run}.disk`));
  });

  t.test('where nothing can be mounted the run directory stays on the disk', async (t) => {
    const at = router(t);
    const record = join(at.run, 'demotion.json');
    mkdirSync(at.run);
    writeFileSync(record, RECORD);
    writeFileSync(join(at.folder, 'jail'), '');
    t.equal(at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart').code, 0);
    t.equal(readFileSync(record, 'utf8'), RECORD);
    t.notOk(existsSync(`${at.run}.disk`));
  });

  t.test('modules that are there are not loaded again', async (t) => {
    const at = router(t);
    at.modules.write(MODULES.slice(1));
    t.equal(at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart').code, 0);
    t.same(
      at.calls().filter((line) => line.startsWith('kldload')),
      ['kldload netgraph'],
    );
  });

  t.test('a module that cannot be loaded is named, and nothing is started', async (t) => {
    const at = router(t);
    at.modules.write(['not ng_etf']);
    const { code, output } = at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart');
    t.equal(code, 1);
    t.match(output, 'Unable to load kernel module ng_etf');
    t.notMatch(at.calls().join('\n'), /daemon/);
  });

  t.test('a missing runtime is said with what to do, before anything is made', async (t) => {
    const at = router(t);
    at.configure('ppp_thing_runtime=no-such-runtime');
    const { code, output } = at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart');
    t.equal(code, 1);
    t.match(output, 'no runtime found: looked for no-such-runtime; pkg install node24');
    t.same(at.calls(), []);
  });

  t.test('a missing configuration is named', async (t) => {
    const at = router(t);
    rmSync(at.config);
    const { code, output } = at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart');
    t.equal(code, 1);
    t.match(output, `${at.config} is not readable`);
    t.same(at.calls(), []);
  });

  t.test('without its variable in rc.conf, start starts nothing; with it, it does', async (t) => {
    const at = router(t);
    const helper = join(at.tree, 'rc.d/ppp_thing_helper');
    t.match(at.service(helper, 'start').output, 'Set ppp_thing_helper_enable to YES');
    t.same(at.calls(), []);
    const runtime = join(at.folder, 'bin/runtime');
    at.configure(`ppp_thing_runtime=${runtime}`, 'ppp_thing_helper_enable=YES');
    t.match(at.service(helper, 'start').output, 'Starting');
  });

  t.test('a mistake in the configuration is shown, and a running helper stays', async (t) => {
    const at = router(t);
    const helper = join(at.tree, 'rc.d/ppp_thing_helper');
    t.equal(at.service(helper, 'onestart').code, 0);
    at.calls();
    const mistake = 'helper: ppp_thing.conf:3: session.pppoe0.mac: missing';
    writeFileSync(join(at.folder, 'mistakes'), `${mistake}\n`);
    for (const verb of ['onerestart', 'onereload', 'oneconfigtest']) {
      t.match(at.service(helper, verb), { code: 1, output: mistake }, verb);
      t.same(at.calls(), [checkLine(at, 'helper')], `${verb} stops nothing`);
    }
    rmSync(join(at.folder, 'mistakes'));
    t.match(at.service(helper, 'oneconfigtest'), { code: 0, output: '' });
  });

  t.test('a mistake in the configuration keeps daemon(8) from trying for ever', async (t) => {
    const at = router(t);
    writeFileSync(join(at.folder, 'mistakes'), 'ppp_thing.conf:3: mac: missing\n');
    for (const script of ['ppp_thing_helper', 'ppp_thing']) {
      const { code, output } = at.service(join(at.tree, 'rc.d', script), 'onestart');
      t.equal(code, 1);
      t.match(output, 'mac: missing');
    }
    t.notMatch(at.calls().join('\n'), /^(daemon|install|kldload) /m);
  });

  t.test('rcorder(8) and rc.subr find what they look for in both scripts', async (t) => {
    for (const name of ['ppp_thing', 'ppp_thing_helper']) {
      const text = readFileSync(join(ROOT, 'rc.d', name), 'utf8');
      t.match(text, new RegExp(`^# PROVIDE: ${name}$`, 'm'));
      t.match(text, /^# REQUIRE: NETWORKING syslogd/m, 'NETWORKING, as the original meant');
      t.match(text, new RegExp(`^rcvar=${name}_enable$`, 'm'));
      t.match(text, `"\${${name}_svcj:=NO}"`, 'not in a service jail');
      for (const [, verbs = ''] of text.matchAll(/^extra_commands="(.*)"$/gm))
        for (const verb of verbs.split(' ')) t.match(text, `\n${verb}_cmd=`);
    }
    const supervisor = readFileSync(join(ROOT, 'rc.d/ppp_thing'), 'utf8');
    t.match(supervisor, /^# REQUIRE: .*\bppp_thing_helper$/m);
  });

  t.test('flags go to the program, not to daemon(8); user and group to install(1)', async (t) => {
    const at = router(t);
    at.configure(
      `ppp_thing_runtime=${join(at.folder, 'bin/runtime')}`,
      'ppp_thing_helper_flags="--config /other.conf"',
      'ppp_thing_user=pppd ppp_thing_group=network',
    );
    at.service(join(at.tree, 'rc.d/ppp_thing_helper'), 'onestart');
    const calls = at.calls();
    const line = daemonLine(at, 'ppp_thing_helper', 'helper');
    t.equal(calls.at(-1), `${line} --config /other.conf`);
    t.ok(calls.includes('install -d -o pppd -g network -m 0700 /var/db/ppp_thing'));
  });

  t.test('status tells; reload is a restart, of one that runs only', async (t) => {
    const at = router(t);
    const helper = join(at.tree, 'rc.d/ppp_thing_helper');
    t.match(at.service(helper, 'onestatus'), { code: 1, output: /is not running/ });
    t.match(at.service(helper, 'onereload'), { code: 1, output: /not running\?/ });
    t.same(at.calls(), []);
    at.service(helper, 'onestart');
    t.match(at.service(helper, 'onestatus'), { code: 0, output: /running as pid 4242/ });
    at.calls();
    t.equal(at.service(helper, 'onereload').code, 0);
    const calls = at.calls();
    t.same(calls.slice(0, 2), [checkLine(at, 'helper'), 'stop ppp_thing_helper']);
    t.equal(calls.at(-1), daemonLine(at, 'ppp_thing_helper', 'helper'));
  });

  t.test('purge stops a running helper, then removes what it made', async (t) => {
    const at = router(t);
    const helper = join(at.tree, 'rc.d/ppp_thing_helper');
    const remove = `runtime ${at.tree}/packages/helper/dist/main.js --config ${at.config} --remove`;
    t.equal(at.service(helper, 'onepurge').code, 0);
    t.same(at.calls(), [remove], 'where none runs there is none to stop');
    at.service(helper, 'onestart');
    at.calls();
    t.equal(at.service(helper, 'onepurge').code, 0);
    t.same(at.calls(), ['stop ppp_thing_helper', remove]);
  });
});

t.test('ppp_thing', async (t) => {
  t.test('onestart starts the helper first, and not a second time', async (t) => {
    const at = router(t);
    const supervisor = join(at.tree, 'rc.d/ppp_thing');
    t.equal(at.service(supervisor, 'onestart').code, 0);
    t.same(
      at.calls().filter((line) => line.startsWith('daemon')),
      [daemonLine(at, 'ppp_thing_helper', 'helper'), daemonLine(at, 'ppp_thing', 'supervisor')],
    );
    t.equal(at.service(supervisor, 'onerestart').code, 0);
    const check = checkLine(at, 'supervisor');
    const started = daemonLine(at, 'ppp_thing', 'supervisor');
    t.same(at.calls(), [check, 'stop ppp_thing', check, started]);
  });

  t.test('it is not started where the helper could not be', async (t) => {
    const at = router(t);
    at.modules.write(['not ng_pppoe']);
    t.equal(at.service(join(at.tree, 'rc.d/ppp_thing'), 'onestart').code, 1);
    t.notMatch(at.calls().join('\n'), /daemon/);
  });

  t.test('ppp_thing_user does not make rc.subr start it as that user', async (t) => {
    const at = router(t);
    const runtime = join(at.folder, 'bin/runtime');
    at.configure(`ppp_thing_runtime=${runtime}`, 'ppp_thing_user=pppd', 'ppp_thing_flags=--check');
    at.service(join(at.tree, 'rc.d/ppp_thing'), 'onestart');
    const calls = at.calls();
    t.equal(calls[0], `${checkLine(at, 'supervisor')} --check`, 'flags are tried, too');
    t.equal(calls.at(-1), `${daemonLine(at, 'ppp_thing', 'supervisor')} --check`);
  });

  t.test('reload sends SIGHUP to the program below daemon(8)', async (t) => {
    const at = router(t);
    const supervisor = join(at.tree, 'rc.d/ppp_thing');
    t.match(at.service(supervisor, 'onereload'), { code: 1, output: /not running\?/ });
    at.service(supervisor, 'onestart');
    at.calls();
    t.match(at.service(supervisor, 'onereload'), { code: 0, output: /Reloaded ppp_thing\./ });
    t.same(at.calls(), ['pkill -HUP -P 4242']);
    writeFileSync(join(at.folder, 'childless'), '');
    t.match(at.service(supervisor, 'onereload'), { code: 1, output: /is being restarted/ });
  });

  t.test('at boot rc(8) reads the script into itself, under its own name', async (t) => {
    const at = router(t);
    const supervisor = join(at.tree, 'rc.d/ppp_thing');
    const rc = join(at.folder, 'rc');
    const boot = `#!/bin/sh\nrc_service=$1\nset onestart\n. "$rc_service"\n`;
    writeFileSync(rc, boot, { mode: 0o755 });
    t.match(at.service(rc, supervisor), { code: 0, output: /Starting ppp_thing\./ });
    t.equal(at.calls().at(-1), daemonLine(at, 'ppp_thing', 'supervisor'));
  });
});

/** A router that boots: nothing of ours is in its run directory. */
function booting(t: Test, ...lines: string[]) {
  const at = router(t);
  const { run } = at;
  at.configure('ppp_thing_helper_enable=YES', ...lines);
  mkdirSync(run);
  const script = join(at.tree, 'rc.d/ppp_thing_early');
  return {
    ...at,
    script,
    run,
    record: join(run, 'demotion.json'),
    early: (verb: string) => at.service(script, verb),
  };
}

const RECORD = '{"uptime":0,"demoted":["*"],"amounts":[240]}\n';

t.test('ppp_thing_early', async (t) => {
  t.test('runs before netif, once the run directory is clean', async (t) => {
    const text = readFileSync(join(ROOT, 'rc.d/ppp_thing_early'), 'utf8');
    t.match(text, /^# PROVIDE: ppp_thing_early$/m);
    t.match(text, /^# REQUIRE: .*\bcleanvar$/m);
    t.match(text, /^# BEFORE: netif$/m);
    t.match(text, '"${ppp_thing_early_svcj:=NO}"');
  });

  t.test('start demotes, records it for the helper, and ends it after a time', async (t) => {
    const at = booting(t, 'ppp_thing_early_seconds=60');
    t.match(at.early('start'), { code: 0, output: /Demoted by 240/ });
    t.equal(readFileSync(at.record, 'utf8'), RECORD);
    t.same(at.calls(), [
      'kldload carp',
      `install -d -o root -g wheel -m 0755 ${at.run}`,
      'sysctl net.inet.carp.demotion=240',
      `daemon -f /bin/sh -c sleep 60; exec ${at.script} onestop`,
    ]);
    t.match(at.early('status'), { code: 0 });
    t.equal(at.early('start').code, 0);
    t.same(at.calls(), [], 'a second start adds nothing');
  });

  t.test('stop removes it once, and says so', async (t) => {
    const at = booting(t, 'ppp_thing_early_demotion=100');
    at.early('start');
    at.calls();
    // An amount that was changed since counts for the next boot.
    at.configure(`ppp_thing_helper_run=${at.run}`);
    t.equal(at.early('onestop').code, 0);
    const [sysctl, logger = ''] = at.calls();
    t.equal(sysctl, 'sysctl net.inet.carp.demotion=-100');
    t.match(logger, /^logger .* ppp_thing_helper has not started: removed .* 100/);
    t.notOk(existsSync(at.record));
    t.equal(at.early('onestop').code, 0);
    t.same(at.calls(), []);
    t.match(at.early('onestatus'), { code: 1 });
  });

  t.test("what the helper has taken over is the helper's", async (t) => {
    const at = booting(t);
    at.early('start');
    at.calls();
    writeFileSync(at.record, '{"uptime":20,"demoted":["pppoe0"],"amounts":[240]}\n');
    for (const verb of ['stop', 'start']) t.equal(at.early(verb).code, 0, verb);
    t.same(at.calls(), []);
    t.ok(existsSync(at.record));
  });

  t.test('a demotion that the kernel refuses is not on record', async (t) => {
    const at = booting(t);
    writeFileSync(join(at.folder, 'unwilling'), '');
    t.equal(at.early('start').code, 1);
    t.notOk(existsSync(at.record));
    t.notMatch(at.calls().join('\n'), /daemon/);
  });

  t.test('does nothing where the helper is not enabled', async (t) => {
    const at = booting(t, 'ppp_thing_helper_enable=NO');
    t.match(at.early('start').output, 'Set ppp_thing_early_enable to YES');
    t.same(at.calls(), []);
  });
});

t.test('installed scripts look for the program in PREFIX', async (t) => {
  const at = router(t);
  const scripts = join(at.folder, 'usr/local/etc/rc.d');
  cpSync(join(at.tree, 'rc.d'), scripts, { recursive: true });
  const { code, output } = at.service(join(scripts, 'ppp_thing_helper'), 'onestart');
  t.equal(code, 1);
  t.match(output, '/usr/local/libexec/ppp-thing/packages/helper/dist/main.js is not readable');
});

t.test(
  'both scripts › leave no core, take no options from a shell, and have their place in line',
  async (t) => {
    for (const name of ['ppp_thing', 'ppp_thing_helper']) {
      const text = readFileSync(join(ROOT, 'rc.d', name), 'utf8');
      t.match(text, `: "\${${name}_limits:=-c 0}"\n`, name);
      t.match(text, /^unset NODE_OPTIONS /m, name);
      // rc.subr runs the command with it. At an edge of the role the helper goes first.
      const nice = new RegExp(`^: "\\$\\{${name}_nice:=-10\\}"$`, 'm').test(text);
      t.equal(nice, name === 'ppp_thing_helper', name);
    }
  },
);

t.test('both scripts › give daemon(8) no descriptor of the shell that runs them', async (t) => {
  const at = router(t);
  // All that sh can name are open; the stub would say what daemon(8) has of them.
  at.service(join(at.tree, 'rc.d/ppp_thing'), 'onestart');
  const calls = at.calls();
  t.equal(calls.filter((line) => line.startsWith('daemon -P')).length, 2);
  t.notOk(calls.some((line) => line.startsWith('daemon inherits')));
});
