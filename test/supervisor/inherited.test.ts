/** What a hook finds open, when whoever started the supervisor had descriptors of its own: a real process, a real hook. */
import { spawnSync } from 'node:child_process';
import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { bench, Command, me } from './main-bench.ts';

/** Node.js closes these by itself, and those after them up to the first that is not open. */
const LOW = Array.from({ length: 18 }, (_, i) => i + 3);
const BEHIND_A_GAP = [40, 41, 255];

t.test(
  'start › a hook inherits no descriptor that the starter left open',
  { skip: process.platform !== 'linux' && 'the system does not list descriptors' },
  async (t) => {
    const { folder, config, write } = await bench(t);
    const secret = join(folder, 'secret-of-the-starter');
    writeFileSync(secret, '');
    const hook = join(folder, 'hook');
    writeFileSync(hook, '#!/bin/sh\nexec ls -l /proc/self/fd\n');
    chmodSync(hook, 0o755);
    write(`user = "${me}"\ngroup = "${process.getgid?.() ?? 0}"\n[hooks]\nmaster = "${hook}"`);
    const fd = openSync(secret, 'r');
    t.teardown(() => closeSync(fd));
    const open = new Set([...LOW, ...BEHIND_A_GAP]);
    const inherited = Array.from({ length: 253 }, (_, i) => (open.has(i + 3) ? fd : 'ignore'));
    const command = new Command(['--config', config], undefined, inherited);
    t.teardown(async () => {
      command.child.kill('SIGKILL');
      await command.exit;
    });
    await command.printed('exit status 0 after');
    const found = command.output.split('\n').filter((line) => line.includes('hook master:'));
    t.match(found.join('\n'), / 2 -> /, 'the hook listed its descriptors');
    t.notMatch(found.join('\n'), /secret-of-the-starter/);
  },
);

t.test(
  'start › the certificates that the runtime reads meanwhile stay open',
  { skip: process.platform !== 'linux' && 'the system does not list descriptors' },
  async (t) => {
    const folder = t.testdir({ certificates: '', other: '' });
    const certificates = join(folder, 'certificates');
    const fds = [certificates, join(folder, 'other')].map((path) => openSync(path, 'r'));
    t.teardown(() => fds.forEach((fd) => closeSync(fd)));
    const module = fileURLToPath(import.meta.resolve('@ppp-thing/supervisor/inherited'));
    const script = `
      import { fstatSync } from 'node:fs';
      import { closeInherited } from '${module}';
      closeInherited();
      for (const fd of [40, 41]) try { fstatSync(fd); console.log('open'); } catch { console.log('closed'); }
    `;
    const [first, second] = fds;
    const between = Array.from({ length: 38 }, () => 'ignore' as const);
    const { stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'ignore', ...between.slice(1), first ?? 0, second ?? 0],
      env: { NODE_EXTRA_CA_CERTS: certificates },
      encoding: 'utf8',
    });
    t.equal(stdout, 'open\nclosed\n');
  },
);
