/** A supervisor that has been taken over attacks a helper on a real kernel; `test/helper/red-team.test.ts` says more. */
import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();
const SEED = Number(process.env['PPP_THING_SEED'] ?? Math.floor(Math.random() * 2 ** 32));
const REQUESTS = 5000;

interface World {
  readonly descriptors: number;
}

t.test('red team › linux › hostile requests reach nothing but the session', { skip }, async (t) => {
  t.comment(`PPP_THING_SEED=${SEED}`);
  const args = ['red-team', String(SEED), String(REQUESTS)];
  const result = await resultOf('in-router', args);
  const { descriptors: before, ...world } = result['before'] as World;
  const { descriptors: after, ...left } = result['after'] as World;
  t.strictSame(left, world, 'links, addresses, routes and files are as before');
  // One connection may not be over yet, at either look.
  t.ok(after <= before + 1, `${after} descriptors, ${before} before`);
  t.strictSame(result['asBackup'], [], 'a BACKUP sent no frame of the session');
  t.strictSame(result['wrong'], [], 'and no frame was another than the policy allows');
  t.ok(Number(result['frames']) > 100, `${result['frames']} frames were judged`);
  t.ok(Number(result['requests']) >= REQUESTS, `${result['done']} requests were done`);
  t.ok(Number(result['done']) > REQUESTS / 4, 'and not all were refused');
  t.equal(result['outcome'], 'done', 'the helper serves on');
  t.equal(result['exitCode'], 0);
});
