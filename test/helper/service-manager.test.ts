/**
 * What a service manager hears of the helper and the supervisor, and what becomes of one that hangs: real processes, a
 * socket as systemd has it, and the guard that daemon(8) needs. The tests stand in for the manager.
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { guardArguments, guarded } from '@ppp-thing/protocol/guard';
import { loadLibc } from '@ppp-thing/helper/libc';
import { datagramsTo, POLLIN } from '@ppp-thing/helper/unix';
import t, { type Test } from 'tap';
import { bench } from '../supervisor/main-bench.ts';
import { friendly } from '../supervisor/script.ts';
import { Client } from './client.ts';
import { simulated } from './main-bench.ts';

const libc = await loadLibc();
/** Short, so that nobody waits; systemd says it in microseconds. */
const LIMIT_MS = 600;

interface Manager {
  readonly env: Readonly<Record<string, string>>;
  /** The next message; undefined if none comes within the limit. */
  heard(): Promise<string | undefined>;
}

/** A socket as systemd has it, in the abstract namespace or in a directory. */
function manager(t: Test, name: string): Manager {
  const AF_UNIX = 1;
  const SOCK_DGRAM = 2;
  const fd = libc.socket(AF_UNIX, SOCK_DGRAM, 0);
  t.teardown(() => libc.close(fd));
  const path = new TextEncoder().encode(name.replace('@', '\0'));
  libc.bind(fd, Uint8Array.of(AF_UNIX, 0, ...path, ...(name.startsWith('@') ? [] : [0])));
  const into = new Uint8Array(256);
  return {
    env: { NOTIFY_SOCKET: name, WATCHDOG_USEC: String(LIMIT_MS * 1000) },
    async heard() {
      for (;;) {
        const found = await libc.poll([{ fd, events: POLLIN, revents: 0 }], LIMIT_MS);
        if (found === 0) return undefined;
        const { length } = libc.recvfrom(fd, into, 0);
        const message = new TextDecoder().decode(into.subarray(0, length)).trim();
        // By which systemd-notify learns that it has been heard.
        if (message !== 'BARRIER=1') return message;
      }
    },
  };
}

const unlessLinux = process.platform !== 'linux' && 'systemd is of Linux';

/** The next message, however long it takes: the first one comes when a program has started. */
async function first({ heard }: Manager): Promise<string> {
  for (;;) {
    const message = await heard();
    if (message !== undefined) return message;
  }
}

for (const kind of ['abstract', 'in a directory'])
  t.test(`manager › the helper tells systemd, ${kind}`, { skip: unlessLinux }, async (t) => {
    const { router, start } = await simulated(t);
    const name = kind === 'abstract' ? `@ppp-thing-${process.pid}` : join(router.folder, 'notify');
    const systemd = manager(t, name);
    const helper = start(systemd.env);
    t.equal(await first(systemd), 'READY=1');
    const client = await Client.greet(router.policy.socketPath);
    // However long a busy machine takes.
    for (let i = 0; i < 3; i++) t.equal(await first(systemd), 'WATCHDOG=1');
    helper.child.kill('SIGSTOP');
    // What it said before.
    while ((await systemd.heard()) !== undefined);
    t.pass('a helper that is stopped is silent for the limit');
    helper.child.kill('SIGKILL');
    client.end();
    await helper.exit;
    const second = start(systemd.env);
    t.equal(await first(systemd), 'READY=1', 'and so is found');
    second.child.kill('SIGTERM');
    t.equal(await second.exit, 0);
  });

t.test('manager › a socket that is not there is a log line', { skip: unlessLinux }, async (t) => {
  const { router, start } = await simulated(t);
  const helper = start({ NOTIFY_SOCKET: join(router.folder, 'nobody') });
  await helper.printed('notify ');
  const client = await Client.greet(router.policy.socketPath);
  t.match(helper.output(), /notify \S+nobody: ENOENT: sendto/);
  client.end();
});

/** The manager of this process, and so of what it starts. */
function ownManager(t: Test, folder: string): Manager {
  const systemd = manager(t, join(folder, 'notify'));
  Object.assign(process.env, systemd.env);
  t.teardown(() => {
    for (const name of Object.keys(systemd.env)) delete process.env[name];
  });
  return systemd;
}

const withoutNotify =
  unlessLinux ||
  (spawnSync('systemd-notify', ['--version']).error !== undefined && 'no systemd-notify here');

t.test('manager › the supervisor tells systemd', { skip: withoutNotify }, async (t) => {
  const { start, folder, script } = await bench(t);
  script.answer = friendly;
  const systemd = ownManager(t, folder);
  const supervisor = start();
  t.equal(await first(systemd), 'READY=1');
  for (let i = 0; i < 3; i++) t.equal(await first(systemd), 'WATCHDOG=1');
  supervisor.child.kill('SIGSTOP');
  while ((await systemd.heard()) !== undefined);
  t.pass('a supervisor that is stopped is silent for the limit');
  t.notMatch(supervisor.output, /notify/);
});

t.test(
  'manager › a supervisor that waits for its disk lives',
  { skip: withoutNotify },
  async (t) => {
    const { start, folder } = await bench(t);
    rmSync(join(folder, 'state'), { recursive: true });
    writeFileSync(join(folder, 'state'), '');
    const systemd = ownManager(t, folder);
    const supervisor = start();
    t.equal(await first(systemd), 'READY=1');
    t.equal(await first(systemd), 'WATCHDOG=1');
    t.match(supervisor.output, /EEXIST: .*: trying again/);
  },
);

// They wait for the guard, and not for the processor.
t.jobs = 4;

/** A sh whose read takes a limit: that of FreeBSD, and bash without the files of whoever runs this. */
const [SH, ...QUIET] = process.platform === 'freebsd' ? ['/bin/sh'] : ['/bin/bash', '--norc'];
const unguarded = spawnSync(SH ?? '', ['-c', ':']).error !== undefined && `no ${SH} here`;

/** A process with a guard that waits for a second. */
function guardedProcess(t: Test, source: string) {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-thing-guard-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'main.mjs');
  const guard = JSON.stringify([...QUIET, ...guardArguments('program', 1, 1)]);
  writeFileSync(
    path,
    `import { spawn } from 'node:child_process';
import { guarded } from ${JSON.stringify(import.meta.resolve('@ppp-thing/protocol/guard'))};
const stdio = ['pipe', 'ignore', 'inherit'];
let guard;
const start = () => (guard = spawn(${JSON.stringify(SH)}, ${guard}, { env: {}, stdio }));
const beat = guarded(start, (line) => console.error(line));
beat();
${source}`,
  );
  const child = spawn('env', ['-u', 'NODE_OPTIONS', process.execPath, path]);
  t.teardown(() => child.kill('SIGKILL'));
  let output = '';
  let look = (): void => undefined;
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
    look();
  });
  const exit = new Promise<unknown>((resolve) =>
    child.on('close', (code, signal) => resolve(signal ?? code)),
  );
  const printed = (text: string): Promise<void> =>
    new Promise((resolve) => {
      look = () => output.includes(text) && resolve();
      look();
    });
  return { child, exit, printed, output: () => output };
}

t.test(
  'guard › it kills a process that is stopped, and then ends',
  { skip: unguarded },
  async (t) => {
    const program = guardedProcess(t, `setInterval(beat, 100); console.error('runs');`);
    await program.printed('runs');
    program.child.kill('SIGSTOP');
    // `close` comes when nobody has its output any more: the guard has ended too.
    t.equal(await program.exit, 'SIGKILL');
    t.match(program.output(), /^program: pid \d+ has been silent for 1 s: killed$/m);
  },
);

t.test('guard › a system that has no memory for one is asked again at the next beat', async (t) => {
  const lines: string[] = [];
  let isShort = true;
  const written: string[] = [];
  const sh = {
    stdin: { write: (text: string) => written.push(text), on: () => undefined },
    once: () => undefined,
  };
  const beat = guarded(
    () => {
      if (isShort) throw new Error('spawn ENOMEM');
      return sh;
    },
    (line) => lines.push(line),
  );
  beat();
  t.strictSame(lines, ['guard: spawn ENOMEM']);
  isShort = false;
  beat();
  t.strictSame(written, ['\n']);
});

t.test('guard › it kills a process that is busy for ever', { skip: unguarded }, async (t) => {
  const program = guardedProcess(t, `for (;;);`);
  t.equal(await program.exit, 'SIGKILL');
});

t.test('guard › it leaves alone what beats, and ends with it', { skip: unguarded }, async (t) => {
  const program = guardedProcess(
    t,
    // Four times as long as the guard waits.
    `let beats = 0; setInterval(() => (beat(), ++beats === 40 && process.exit(7)), 100);`,
  );
  t.equal(await program.exit, 7, program.output());
  t.equal(program.output(), '');
});

t.test('guard › a program that is only starting has longer', { skip: unguarded }, (t) => {
  const [option, script, ...rest] = guardArguments('program', 20, 120);
  // Answers of read, in order: 142 is what it gives after its limit. It says what it was asked, and so does kill.
  const acted = (answers: string): string[] => {
    const fake = `answers='${answers}'
read() { echo "$@"; set -- $answers; answer=$1; shift; answers=$*; return $answer; }
kill() { echo "kill $1"; }
${script ?? ''}`;
    const { stdout } = spawnSync(SH ?? '', [...QUIET, option ?? '', fake, ...rest]);
    return stdout.toString().trim().split('\n');
  };
  const [first, second, later] = ['-r beat', '-r -t 120 beat', '-r -t 20 beat'];
  const once = '-r -t 2 beat';
  t.same(acted('0 0 0 1'), [first, second, later, later]);
  t.same(acted('0 142 142'), [first, second, once, 'kill -KILL']);
  t.same(acted('0 142 0 142 142'), [first, second, once, later, once, 'kill -KILL']);
  t.end();
});

t.test('guard › another one is started when it has gone', { skip: unguarded }, async (t) => {
  const program = guardedProcess(
    t,
    `setInterval(beat, 100);
let first = guard;
first.kill('SIGKILL');
const wait = setInterval(() => guard !== first && (clearInterval(wait), console.error('again')), 50);`,
  );
  await program.printed('again');
  t.match(program.output(), /^guard: ECHILD: it has ended; another one is started$/m);
  program.child.kill('SIGSTOP');
  t.equal(await program.exit, 'SIGKILL', 'and it watches too');
});

t.test('guard › a name that is too long for a socket is refused at once', async (t) => {
  t.throws(() => datagramsTo(libc, `/${'x'.repeat(200)}`), { code: 'ENAMETOOLONG' });
});
