import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();

interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Instead, where it is not. */
  readonly found?: unknown;
}

t.test('linux › what this backend alone promises', { skip }, async (t) => {
  const { checks } = await resultOf('in-router', ['backend']);
  for (const { name, ok, found } of checks as readonly Check[]) t.ok(ok, name, { found });
  t.ok((checks as unknown[]).length > 50, 'and all of it was tried');
});
