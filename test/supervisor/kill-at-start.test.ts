/**
 * The supervisor is killed after each change that its start makes to the files, over and over in one directory; the next
 * one always starts. Nothing else outlives a process.
 */
import { chownSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { bench } from './main-bench.ts';

const KILL_AT = fileURLToPath(import.meta.resolve('../kill-at.js'));
/** Nobody whom a mode does not bind, as root is. */
const USER = process.getuid?.() === 0 ? 65_534 : (process.getuid?.() ?? 0);
const GROUP = process.getuid?.() === 0 ? 65_534 : (process.getgid?.() ?? 0);
/** More than a start has. */
const MOST = 400;

// Each step is a start of its own.
t.setTimeout(1_700_000);

t.test(
  'start › kill -9 at any step leaves nothing that keeps the next one from starting',
  async (t) => {
    t.setTimeout(1_700_000);
    const { folder, script, startKilled, start, write } = await bench(t);
    for (const each of ['run', 'state', 'helper.sock', 'key', 'ppp_thing.conf'])
      chownSync(join(folder, each), USER, GROUP);
    write(`user = "${USER}"\ngroup = "${GROUP}"`);
    const sockets = (): string[] =>
      readdirSync(join(folder, 'run')).filter((name) => name.includes('.sock'));
    let step = 1;
    for (; step < MOST; step++) {
      const stored = script.happened.count('ppp-send') + script.happened.count('discovery-send');
      const command = startKilled(KILL_AT, step);
      // It is over when it speaks on the line: everything before has been done.
      const spoke = async (): Promise<'spoke'> => {
        const said = () =>
          script.happened.count('ppp-send') + script.happened.count('discovery-send');
        while (said() === stored) await script.happened.next();
        return 'spoke';
      };
      const ended = await Promise.race([command.exit.then(() => 'ended' as const), spoke()]);
      if (ended === 'spoke') {
        command.child.kill('SIGKILL');
        await command.exit;
        break;
      }
      if (command.child.signalCode !== 'SIGKILL') t.equal(command.output, '', `step ${step}`);
      for (const name of sockets()) {
        const mode = lstatSync(join(folder, 'run', name)).mode & 0o777;
        const final = name.startsWith('control') ? 0o660 : 0o666;
        const allowed = name.endsWith('.sock') ? [final] : [0, final];
        t.ok(allowed.includes(mode), `${name} has mode ${mode.toString(8)} after step ${step}`);
      }
    }
    t.comment(`${step - 1} steps`);
    t.ok(step > 12 && step < MOST, `${step} steps`);
    const last = start();
    await last.printed('helper: connected');
  },
);
