/** docs/security.md: every line of its tables that says what cannot be done names a test, and each of these tests is there. */
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const text = readFileSync(`${ROOT}docs/security.md`, 'utf8');

interface Claim {
  readonly claim: string;
  readonly by: string;
}

/** The rows of every table whose last column says what tries it. */
function claims(): Claim[] {
  const found: Claim[] = [];
  let isTable = false;
  for (const line of text.split('\n')) {
    const cells = line.split('|').slice(1, -1);
    const [claim = '', by = ''] = cells.map((cell) => cell.trim());
    if (cells.length === 0) isTable = false;
    else if (by === 'tried by') isTable = true;
    else if (isTable && !/^-+$/.test(by)) found.push({ claim, by });
  }
  return found;
}

t.test('docs/security.md › every claim names a test that is there', async (t) => {
  const all = claims();
  t.ok(all.length >= 40, `${all.length} claims`);
  for (const { claim, by } of all) {
    const [, file = '', name = ''] = /^`(test\/[\w./-]+\.test\.ts)` › (.+)$/.exec(by) ?? [];
    t.ok(name.length > 0, `${claim}: names a test`);
    const path = `${ROOT}${file}`;
    if (!t.ok(existsSync(path), `${claim}: ${file}`)) continue;
    // A name stands in quotes, and may be told in two lines by the formatter.
    const names = Array.from(
      readFileSync(path, 'utf8').matchAll(/\bt\.test\(\s*(['"`])(.+?)\1,/gs),
      ([, , each]) => each ?? '',
    );
    t.ok(
      names.some((each) => each.includes(name)),
      `${claim}: ${file} › ${name}`,
    );
  }
});
