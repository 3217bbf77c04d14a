import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import type { OwnerStatus } from '@ppp-thing/protocol/engine/engine';
import { NO_SNAPSHOT } from '@ppp-thing/protocol/session';
import { millis, seconds, type Instant } from '@ppp-thing/protocol/time';
import { Hooks, type HookName } from '@ppp-thing/supervisor/hooks';
import { Log } from '@ppp-thing/supervisor/log';
import { FACTS } from '../fixtures/partner.ts';

const STANDBY: OwnerStatus = {
  state: 'Standby',
  role: 'BACKUP',
  helper: true,
  carrier: true,
  proven: false,
  refused: undefined,
  armed: true,
  snapshot: { epoch: 7, generation: 1, holder: 2, facts: FACTS },
  demoted: [],
  partner: { heardAt: 0 as Instant, message: undefined },
  lastTakeover: undefined,
};
const TAKEN: OwnerStatus = {
  ...STANDBY,
  state: 'Holding',
  role: 'MASTER',
  snapshot: { ...STANDBY.snapshot, epoch: 8, holder: 1 },
};
const UP: OwnerStatus = { ...TAKEN, proven: true };

interface Bench {
  readonly hooks: Hooks;
  readonly folder: string;
  readonly lines: string[];
  /** Settles when `count` lines have matched. */
  logged(what: RegExp, count?: number): Promise<void>;
  read(file: string): string;
}

/** @param programs the body of a shell script for each hook, or a path that is run as it is */
function bench(t: Test, programs: Partial<Record<HookName, string>>, limit = seconds(20)): Bench {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-hooks-'));
  const lines: string[] = [];
  const waiting: { what: RegExp; count: number; resolve: () => void }[] = [];
  const count = (what: RegExp): number => lines.filter((line) => what.test(line)).length;
  const log = new Log(
    'info',
    (line) => {
      lines.push(line);
      for (const each of waiting) if (count(each.what) >= each.count) each.resolve();
    },
    () => 0,
  );
  const paths = Object.entries(programs).map(([name, body]) => {
    if (body.startsWith('/')) return [name, body];
    const path = join(folder, name);
    writeFileSync(path, `#!/bin/sh\ncd ${folder} || exit 9\n${body}\n`);
    chmodSync(path, 0o755);
    return [name, path];
  });
  const settings = { programs: Object.fromEntries(paths), limit };
  const hooks = new Hooks(settings, { session: 'pppoe0', line: 'em0' }, log);
  t.teardown(() => {
    hooks.stop();
    rmSync(folder, { recursive: true });
  });
  return {
    hooks,
    folder,
    lines,
    logged: (what, wanted = 1) =>
      new Promise((resolve) => {
        if (count(what) >= wanted) return resolve();
        waiting.push({ what, count: wanted, resolve });
      }),
    read: (file) => readFileSync(join(folder, file), 'utf8'),
  };
}

/** Rejects once there is no such process. */
async function gone(pid: number): Promise<void> {
  for (;;) {
    process.kill(pid, 0);
    await new Promise<void>((resolve) => setImmediate(resolve));
  }
}

t.test('hooks › the facts are in the environment, and nothing else of ours', async (t) => {
  process.env['PPP_THING_TEST_SECRET'] = 'hunter2';
  const { hooks, logged, read } = bench(t, { 'session-up': 'env -0 > up' });
  hooks.observe(STANDBY);
  hooks.observe(TAKEN);
  hooks.observe(UP);
  await logged(/hook session-up: .*exit status 0 after/);
  const variables = read('up')
    .split('\0')
    // The shell's own, and what tap gives to every child.
    .filter((each) => !/^(|(PWD|OLDPWD|_|SHLVL|NODE_OPTIONS|_?TAP\w*)=.*)$/s.test(each));
  t.strictSame(variables.sort(), [
    'DNS1=192.0.2.53',
    'DNS2=198.51.100.53',
    'IFNAME=pppoe0',
    'IPLOCAL=203.0.113.7',
    'IPREMOTE=192.0.2.1',
    'LLLOCAL=fe80::200:5eff:fe10:5301',
    'LLREMOTE=fe80::1',
    'MACREMOTE=02:00:00:00:00:ac',
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    'PPP_THING_AC_NAME=bras',
    'PPP_THING_EPOCH=8',
    'PPP_THING_EVENT=session-up',
    'PPP_THING_LINE=em0',
    'PPP_THING_MTU=1492',
    'PPP_THING_ROLE=MASTER',
    'PPP_THING_SESSION_ID=4660',
    'PPP_THING_STATE=Holding',
  ]);
});

t.test('hooks › up, down, master and backup are told once for each change', async (t) => {
  const tell = 'echo "$PPP_THING_EVENT $PPP_THING_SESSION_ID" >> told';
  const { hooks, logged, read } = bench(t, {
    'session-up': tell,
    'session-down': tell,
    master: tell,
    backup: tell,
  });
  hooks.observe({ ...STANDBY, helper: false, role: 'INIT' });
  hooks.observe(STANDBY);
  hooks.observe(STANDBY);
  await logged(/exit status 0/, 1);
  hooks.observe(TAKEN);
  await logged(/exit status 0/, 2);
  hooks.observe(UP);
  await logged(/exit status 0/, 3);
  // A moment's silence is no end; an end is, and a new session after it is another one.
  hooks.observe(TAKEN);
  hooks.observe(UP);
  hooks.observe({ ...TAKEN, snapshot: { ...NO_SNAPSHOT, epoch: 8 } });
  await logged(/exit status 0/, 4);
  const key = { ...FACTS.key, sessionId: 99 };
  hooks.observe({ ...UP, snapshot: { ...UP.snapshot, facts: { ...FACTS, key } } });
  await logged(/exit status 0/, 5);
  hooks.observe(STANDBY);
  await logged(/exit status 0/, 7);
  t.strictSame(read('told').trim().split('\n'), [
    'backup 4660',
    'master 4660',
    'session-up 4660',
    'session-down 4660',
    'session-up 99',
    'session-down 99',
    'backup 4660',
  ]);
});

t.test('hooks › what changes while a program runs is told by its last state only', async (t) => {
  const tell = 'echo "$PPP_THING_EVENT" >> told';
  const { hooks, logged, read, folder } = bench(t, {
    backup: `${tell}; read answer < go`,
    master: tell,
    'session-up': tell,
    'session-down': tell,
  });
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [join(folder, 'go')]);
  hooks.observe(STANDBY);
  for (let i = 0; i < 50; i++) {
    hooks.observe(UP);
    hooks.observe(STANDBY);
  }
  hooks.observe(UP);
  writeFileSync(join(folder, 'go'), 'on\n');
  await logged(/exit status 0/, 3);
  t.strictSame(read('told').trim().split('\n').sort(), ['backup', 'master', 'session-up']);
});

t.test('hooks › a program that hangs is ended, with all that it started', async (t) => {
  const { hooks, logged, lines, read } = bench(
    t,
    { backup: 'sh -c "trap \'\' TERM; echo $$ > child; exec sleep 3600" & wait' },
    millis(300),
  );
  hooks.observe(STANDBY);
  await logged(/hook backup: .*killed by SIGTERM after/);
  t.equal(lines.filter((line) => line.startsWith('warn: ')).length, 1);
  const child = Number(read('child'));
  t.ok(child > 1);
  await t.rejects(gone(child), { code: 'ESRCH' });
});

t.test('hooks › a program that will not end is killed', async (t) => {
  const { hooks, logged } = bench(
    t,
    { backup: "trap '' TERM; while :; do sleep 1; done" },
    millis(200),
  );
  hooks.observe(STANDBY);
  await logged(/warn: pppoe0: hook backup: .*killed by SIGKILL after/);
});

t.test(
  'hooks › what cannot be run, fails or talks too much is said, and the next one runs',
  async (t) => {
    const { hooks, logged, lines } = bench(t, {
      'session-up': '/nonexistent/up',
      'session-down': '/',
      backup:
        'printf "a\\033[31m\\n"; i=0; while [ $i -lt 500 ]; do echo line $i; i=$((i+1)); done; exit 3',
      master: 'echo master is here >&2',
    });
    hooks.observe(STANDBY);
    await logged(/hook backup: .*exit status 3/);
    t.ok(lines.includes('pppoe0: hook backup: a\\x1b[31m'));
    t.ok(lines.some((line) => line.endsWith('hook backup: 481 more lines')));
    t.ok(lines.length < 30, `${lines.length} lines`);
    hooks.observe(UP);
    await logged(/warn: pppoe0: hook session-up: \/nonexistent\/up: cannot be run: ENOENT/);
    await logged(/hook master: master is here/);
    hooks.observe(STANDBY);
    await logged(/warn: pppoe0: hook session-down: \/: cannot be run: EACCES/);
  },
);

t.test('hooks › one that never stops talking is read slowly', async (t) => {
  const { hooks, lines, logged } = bench(t, { backup: 'exec yes' }, millis(300));
  hooks.observe(STANDBY);
  await logged(/hook backup: .*killed by SIGTERM/);
  const [, more] = /(\d+) more lines/.exec(lines.join('\n')) ?? [];
  // A pipe's worth every 20 ms, of two octets a line; as fast as it can be read there are many millions.
  t.ok(Number(more) > 1000 && Number(more) < 1_000_000, `${more} lines`);
});

/** What any program started before now has said by the time that one started now has ended. */
async function afterAnother(t: Test): Promise<void> {
  const { hooks, logged } = bench(t, { backup: ':' });
  hooks.observe(STANDBY);
  await logged(/hook backup: .*exit status 0/);
}

t.test('hooks › nothing runs where nothing is configured, or after the end', async (t) => {
  const programs = { backup: 'sleep 3600', master: 'echo never', 'session-down': 'echo never' };
  const { hooks, lines, logged } = bench(t, programs);
  hooks.observe(STANDBY);
  hooks.observe(UP);
  hooks.stop();
  await logged(/hook backup: .*killed by SIGTERM/);
  hooks.observe(STANDBY);
  await afterAnother(t);
  t.equal(lines.length, 1, lines.join('\n'));
});

t.test('hooks › a role that nobody could read is told to nobody', async (t) => {
  const { hooks, lines } = bench(t, { backup: 'echo never' });
  hooks.observe({ ...STANDBY, helper: false });
  await afterAnother(t);
  t.strictSame(lines, []);
});

t.test('hooks › the MTU is what both the AC and the line take', async (t) => {
  for (const sizes of [
    { theirMru: 1400, maxPayload: 1492 },
    { theirMru: 1492, maxPayload: 1400 },
  ]) {
    const { hooks, logged, read } = bench(t, { 'session-up': 'echo $PPP_THING_MTU > mtu' });
    const snapshot = { ...UP.snapshot, facts: { ...FACTS, ...sizes } };
    hooks.observe({ ...UP, snapshot });
    await logged(/hook session-up: .*exit status 0/);
    t.equal(read('mtu'), '1400\n');
  }
});

t.test('hooks › a path that the system refuses at once ends nothing but that hook', async (t) => {
  // Node throws these, where it tells of a missing file by an event.
  const { hooks, logged } = bench(t, {
    backup: '/etc/passwd/backup',
    master: `/${'long'.repeat(100)}`,
    'session-up': 'echo told',
  });
  hooks.observe(STANDBY);
  await logged(/warn: pppoe0: hook backup: .*cannot be run: ENOTDIR/);
  hooks.observe(UP);
  await logged(/warn: pppoe0: hook master: .*cannot be run: ENAMETOOLONG/);
  await logged(/hook session-up: told/);
});

t.test('hooks › one that was taken away while it waited keeps no other from running', async (t) => {
  const { hooks, logged, folder } = bench(t, {
    backup: 'read answer < go',
    master: 'echo never',
    'session-up': 'echo told',
  });
  const { execFileSync } = await import('node:child_process');
  execFileSync('mkfifo', [join(folder, 'go')]);
  hooks.observe(STANDBY);
  hooks.observe(TAKEN);
  hooks.observe(UP);
  const { master: _, ...programs } = hooks.settings.programs;
  hooks.settings = { ...hooks.settings, programs };
  writeFileSync(join(folder, 'go'), 'on\n');
  await logged(/hook session-up: told/);
});
