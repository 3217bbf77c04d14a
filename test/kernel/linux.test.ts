import t from 'tap';
import { cannotRun, printedBy, resultOf } from './guest.ts';

const skip = await cannotRun();

t.test('linux › the contract of all backends holds on a real kernel', { skip }, async (t) => {
  const lines = await printedBy('in-router', 90_000, ['contract']);
  const results = lines.filter((line) => /^(not )?ok \d+ - backend linux › /.test(line));
  for (const line of results) {
    const [, name = '', reason] =
      /- backend linux › (.*?)(?: # (?:time=\S+|SKIP (.*)))?$/.exec(line) ?? [];
    if (reason === undefined) t.ok(line.startsWith('ok'), name);
    else t.pass(`${name} [not on Linux: ${reason}]`);
  }
  t.ok(results.length > 20, 'and all of it was tried');
  t.notMatch(lines.join('\n'), /^ *not ok/m, 'nothing failed');
});

t.test('linux › what this backend alone promises', { skip }, async (t) => {
  const { checks } = await resultOf('in-router', 60_000, ['backend']);
  for (const { name, ok } of checks as readonly { name: string; ok: boolean }[]) t.ok(ok, name);
  t.ok((checks as unknown[]).length > 50, 'and all of it was tried');
});
