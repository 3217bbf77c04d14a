import t from 'tap';
import { atMostTwice, cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Instead, where it is not. */
  readonly found?: unknown;
}

t.test('linux › what this backend alone promises', { skip }, async (t) => {
  const checks = await atMostTwice(
    t,
    async () => (await resultOf('in-router', ['backend']))['checks'] as readonly Check[],
    (all) => all.filter(({ ok }) => !ok),
  );
  for (const { name, ok, found } of checks) t.ok(ok, name, { found });
  t.ok(checks.length > 50, 'and all of it was tried');
});
