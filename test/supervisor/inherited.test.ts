/** What a hook finds open, when whoever started the supervisor had descriptors of its own: a real process, a real hook. */
import { chmodSync, closeSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
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
