import t from 'tap';
import { atMostTwice, cannotRun, printedBy } from './guest.ts';

const skip = await cannotRun();

t.test('linux › the contract of all backends holds on a real kernel', { skip }, async (t) => {
  const lines = await atMostTwice(
    t,
    async () => printedBy('in-router', ['contract']),
    (printed) => printed.filter((line) => /^ *not ok/.test(line)),
  );
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
