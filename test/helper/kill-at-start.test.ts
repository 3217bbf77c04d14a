/**
 * The helper is killed after every seventh call of its start, over and over on one router: the next one starts, finds the
 * session, and takes the demotion back once. A real process with real files and sockets; the kernel is a fake of FreeBSD's.
 */
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Client, HELLO } from './client.ts';
import { simulated } from './main-bench.ts';
import { ATTACH, key, session } from './serve-bench.ts';

const KILL_AT = fileURLToPath(import.meta.resolve('../kill-at.js'));
/** More than a start has. */
const MOST = 1600;
/** Each step is a start of its own, and most calls of one are alike: netgraph's messages. */
const STRIDE = 7;

t.setTimeout(1_700_000);

t.test(
  'helper › kill -9 along the start leaves nothing that keeps the next one from starting',
  async (t) => {
    t.setTimeout(1_700_000);
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
    let step = 1.5;
    for (; step < MOST; step += STRIDE) {
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
