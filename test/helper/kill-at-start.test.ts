/**
 * The helper is killed after each call of its start, over and over on one router: the next one starts, finds the
 * session, and takes the demotion back once. A real process with real files and sockets; the kernel is a fake of FreeBSD's.
 */
import { lstatSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Client, HELLO, type Wish } from './client.ts';
import { simulated } from './main-bench.ts';

const KILL_AT = fileURLToPath(import.meta.resolve('../kill-at.js'));
const session = 'pppoe0';
const key = { sessionId: 0x1234, acMac: Uint8Array.of(2, 0, 0, 0, 0, 0xac) };
const ATTACH: Wish = {
  verb: 'attach',
  session,
  key,
  maxPayload: 1492,
  autoOpen: true,
  settings: null,
};
/** More than a start has. */
const MOST = 800;

// Each step is a start of its own.
t.setTimeout(600_000);

t.test(
  'helper › kill -9 at any call of the start leaves nothing that keeps the next one from starting',
  async (t) => {
    t.setTimeout(600_000);
    const { router, start } = await simulated(t);
    const { socketPath } = router.policy;
    const first = start();
    await first.printed('serve ');
    const client = await Client.greet(socketPath);
    await client.ask(ATTACH);
    await client.ask({ verb: 'demote', session, on: true });
    router.setRole('MASTER');
    await client.until('the edge', () => client.notices[0]);
    first.child.kill('SIGKILL');
    await first.exit;

    // After a call is before the next one.
    let step = 0.5;
    for (; step < MOST; step += 1) {
      const command = start({
        NODE_OPTIONS: `--import=${KILL_AT}`,
        KILL_AT: String(step),
        KILL_LIBC: '1',
      });
      // It is over when it says that it serves: everything before has been done.
      await new Promise<void>((resolve) => {
        command.child.stdout?.on('data', () => command.output().includes('serve ') && resolve());
        void command.exit.then(() => resolve());
      });
      const isServing = command.output().includes('serve ');
      for (const name of readdirSync(dirname(socketPath)).filter((each) =>
        each.startsWith('helper.sock'),
      )) {
        const mode = lstatSync(`${dirname(socketPath)}/${name}`).mode & 0o777;
        t.equal(mode & ~0o660, 0, `${name} has mode ${mode.toString(8)} after call ${step}`);
      }
      if (isServing) {
        command.child.kill('SIGKILL');
        await command.exit;
        break;
      }
      t.equal(command.child.signalCode, 'SIGKILL', `call ${step}: ${command.output()}`);
    }
    t.comment(`${step} calls`);
    t.ok(step > 10 && step < MOST, `${step} calls`);

    const last = start();
    await last.printed('serve ');
    const next = await Client.greet(socketPath);
    t.match(next.replies[0], {
      done: { sessions: [{ role: 'MASTER', attached: key, gateOpen: true, demoted: true }] },
    });
    t.equal(await next.outcome({ verb: 'demote', session, on: false }), 'done');
    t.match(await next.ask(HELLO), { done: { sessions: [{ demoted: false }] } });
    next.end();
  },
);
