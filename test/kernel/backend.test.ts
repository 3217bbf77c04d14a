import t from 'tap';
import { cannotRun, resultOf } from './guest.ts';

const skip = await cannotRun();

t.test('linux › what this backend alone promises', { skip }, async (t) => {
  const { checks } = await resultOf('in-router', ['backend']);
  for (const { name, ok } of checks as readonly { name: string; ok: boolean }[]) t.ok(ok, name);
  t.ok((checks as unknown[]).length > 50, 'and all of it was tried');
});
