/**
 * The whole lab once, through real processes: one session comes up, survives the death of each process and of a router,
 * and is handed over. CARP has its own seconds: with shorter ones a busy machine looks like a dead router.
 */
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import t from 'tap';
import type { Summary } from '@ppp-thing/lab/demo/summary';

const MAIN = 'packages/lab/dist/main.js';
const CARP_SECOND_MS = 1000;

t.test('one session, seven scenes, no redial', { timeout: 600_000 }, async (t) => {
  const args = [MAIN, '--json', '--carp-second', String(CARP_SECOND_MS)];
  const { stdout, stderr, exitCode } = await execa(process.execPath, args, { reject: false });
  if (exitCode !== 0) t.comment(stderr);
  t.equal(exitCode, 0);
  const summary = JSON.parse(stdout) as Summary;
  t.match(summary, {
    ok: true,
    redials: 0,
    padt: 0,
    lcpNegotiations: 1,
    violations: [],
    prefix: '2001:db8:100:1::/64',
    dhcp6: { atMoves: 0 },
    released: true,
    ipv6Only: '2001:db8:200:1::/64',
    sessionIdAfter: summary.sessionIdBefore,
  });
  t.same(
    summary.scenes.map(({ name, holder }) => [name, holder]),
    [
      ['dial', 'r1'],
      ['kill-supervisor', 'r1'],
      ['kill-helper', 'r1'],
      ['power-cut', 'r2'],
      ['return', 'r1'],
      ['handoff', 'r2'],
      ['renew', 'r2'],
    ],
  );
  const lost = new Map(summary.scenes.map(({ name, probesLost }) => [name, probesLost]));
  t.equal(lost.get('kill-supervisor'), 0);
  t.equal(lost.get('kill-helper'), 0);
  t.ok(summary.takeoverMs > CARP_SECOND_MS, 'it took the detection time of CARP');
});

t.test('a lab that is told to stop ends at once, leaves no process and no directory', async (t) => {
  const env = { TMPDIR: mkdtempSync(join(tmpdir(), 'ppp-')) };
  t.teardown(() => rmSync(env.TMPDIR, { recursive: true }));
  const args = [MAIN, '--carp-second', '10000'];
  const lab = execa(process.execPath, args, { reject: false, env });
  let shown = '';
  lab.stdout.on('data', (chunk: Uint8Array) => {
    if (shown.includes('r2 supervisor')) return;
    shown += Buffer.from(chunk).toString();
    if (shown.includes('r2 supervisor')) lab.kill('SIGINT');
  });
  const { exitCode, stderr, stdout } = await lab;
  t.equal(exitCode, 130);
  t.match(stderr, /stopped by SIGINT/);
  t.same(readdirSync(env.TMPDIR), []);
  const pids = Array.from(stdout.matchAll(/\bpid (\d+)/g), ([, pid]) => Number(pid));
  t.ok(pids.length > 0);
  for (const pid of pids) t.throws(() => process.kill(pid, 0), { code: 'ESRCH' }, `pid ${pid}`);
});

t.test('a lab whose sockets would not fit says so', async (t) => {
  const env = { TMPDIR: `/tmp/${'x'.repeat(80)}` };
  const { exitCode, stderr } = await execa(process.execPath, [MAIN], { reject: false, env });
  t.equal(exitCode, 1);
  t.match(stderr, /ENAMETOOLONG: sockets would not fit; set TMPDIR/);
});

t.test('arguments that are not ours are a usage error', async (t) => {
  for (const args of [
    ['--runtime', 'perl'],
    ['--backend', 'sim'],
    ['--carp-second', '1'],
    ['--nonsense'],
  ]) {
    const { exitCode, stderr } = await execa(process.execPath, [MAIN, ...args], { reject: false });
    t.equal(exitCode, 64, args.join(' '));
    t.match(stderr, /usage: make lab/);
  }
});
