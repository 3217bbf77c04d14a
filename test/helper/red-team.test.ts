/**
 * A supervisor that has been taken over attacks a real helper through its socket: whatever it says, nothing outside the
 * policy is touched, the helper serves on, and holds no more memory than before.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t, { type Test } from 'tap';
import { Client, type Wish } from './client.ts';
import { Enemy, attack, type Tally } from './red-team.ts';
import type { Measured, Seen } from './red-team-target.ts';

const SEED = Number(process.env['PPP_THING_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const WARM_UP = 20_000;
const REQUESTS = 100_000;
/** Octets a request. A leak of a hundred is found by what is held; what is resident finds one outside the runtime. */
const MOST_HELD = 60;
const MOST_RESIDENT = 150;
const session = 'pppoe0';

interface Target {
  readonly path: string;
  ask<T>(question: string): Promise<T>;
}

async function target(t: Test): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'ppp-red-'));
  const child: ChildProcess = fork(
    fileURLToPath(new URL('red-team-target.js', import.meta.url)),
    [folder],
    // Without tap's loader; a small nursery, so that what is resident says what is held.
    {
      execArgv: ['--expose-gc', '--max-semi-space-size=1'],
      env: { ...process.env, NODE_OPTIONS: '' },
    },
  );
  t.teardown(async () => {
    const gone = once(child, 'exit');
    if (child.connected) child.disconnect();
    await gone;
    rmSync(folder, { recursive: true });
  });
  const [{ path }] = await once(child, 'message');
  return {
    path,
    async ask(question) {
      const told = once(child, 'message');
      child.send(question);
      const [answer] = await told;
      return answer;
    },
  };
}

/** Take back what a session may change. */
async function tidy(path: string): Promise<void> {
  const client = await Client.greet(path);
  const wishes: readonly Wish[] = [
    { verb: 'route', session, via: 'none' },
    { verb: 'deconfigure', session },
    { verb: 'detach', session },
    { verb: 'demote', session, on: false },
  ];
  for (const wish of wishes) await client.ask(wish);
  client.end();
  await client.untilClosed();
}

/** By their names: what an attack may lead the helper to. */
const ALLOWED =
  /^(interface (igb0|igb1|pppoe0|pppoe0x|ng\d+)|sysctl net\.inet\.carp\.demotion|open \/dev\/bpf\d*)?$/;

t.test('red team › freebsd › hostile requests reach nothing but the session', async (t) => {
  t.comment(`PPP_THING_SEED=${SEED}`);
  const { path, ask } = await target(t);
  const enemy = new Enemy(SEED);
  await tidy(path);
  // The record of demotions is written, the nodes of the session have been made once, and the code is hot.
  await attack(path, enemy, WARM_UP / 2);
  await ask('MASTER');
  await attack(path, enemy, WARM_UP / 2);
  await tidy(path);
  const before = await ask<Seen>('look');
  const started = await ask<Measured>('measure');
  const tallies: Tally[] = [];
  for (const role of ['BACKUP', 'MASTER', 'BACKUP', 'MASTER'] as const) {
    await ask(role);
    await tidy(path);
    if (role === 'BACKUP') await ask('quiet');
    const began = performance.now();
    tallies.push(await attack(path, enemy, REQUESTS / 4));
    t.comment(`${role}: ${Math.round(performance.now() - began)} ms`);
    const { world, wrongFrames, touched } = await ask<Seen>('look');
    t.strictSame(world, before.world, `${role}: the world beside the session is as it was`);
    t.strictSame(wrongFrames, [], `${role}: no frame that the policy does not allow`);
    t.strictSame(
      touched.filter((call) => !ALLOWED.test(call)),
      [],
      `${role}: nothing else was named to the system`,
    );
  }
  await tidy(path);
  const after = await ask<Seen>('look');
  const ended = await ask<Measured>('measure');
  t.strictSame(after.session, before.session, 'and what was changed could be taken back');
  // One connection may not be over yet, at either look.
  t.ok(after.descriptors <= before.descriptors + 1, `${after.descriptors} descriptors`);
  t.ok(after.frames > before.frames, `${after.frames} frames were judged`);
  const total = (count: keyof Tally): number =>
    tallies.reduce((sum, tally) => sum + tally[count], 0);
  t.ok(total('requests') >= REQUESTS, 'every request came to an end');
  for (const count of ['done', 'refused', 'broken'] as const)
    t.ok(total(count) > 500, `${total(count)} ${count} of ${total('requests')}`);
  const held = (ended.held - started.held) / REQUESTS;
  const resident = (ended.resident - started.resident) / REQUESTS;
  t.ok(held < MOST_HELD, `holds ${held.toFixed(1)} octets a request more than before`);
  t.ok(resident < MOST_RESIDENT, `${resident.toFixed(1)} octets a request more are resident`);
  const client = await Client.greet(path);
  t.equal(await client.outcome({ verb: 'counters', session }), 'done', 'the helper serves on');
  client.end();
});
