/** The lists and numbers of the documents against what they are of: metrics, events, rooms, exit codes, lines, mutants. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MUTANTS } from '@ppp-thing/lab/campaign/mutants';
import { TEST_MUTANTS } from '@ppp-thing/lab/campaign/mutants-tests';
import { WAITS } from '@ppp-thing/protocol/engine/owner/waits';
import { holding } from '../supervisor/status-bench.ts';

const read = (path: string): string => readFileSync(path, 'utf8');

t.test('docs/api.md › every metric, with its labels and what it means', async (t) => {
  const { ask } = await holding(t);
  const { body } = await ask('status', 'GET', '/v1/metrics');
  const rows = Array.from(body.matchAll(/^# HELP (\S+) (.+)$/gm), ([, name = '', help = '']) => {
    const sample = new RegExp(`^${name}\\{(.*)\\}`, 'm').exec(body)?.[1] ?? '';
    const labels = Array.from(sample.matchAll(/(\w+)="/g), ([, label = '']) => label);
    const shown = labels.filter((label) => label !== 'session').map((label) => `\`${label}\``);
    return `| \`${name.replace('ppp_thing_', '')}\` | ${shown.join(', ')} | ${help} |`;
  });
  t.ok(rows.length > 25);
  const [, section = ''] = read('docs/api.md').split('\n## Metrics\n');
  const table = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  t.strictSame(table, rows);
});

t.test('docs/api.md › every machine of an event', async (t) => {
  const { components } = JSON.parse(read('docs/openapi.json')) as {
    components: { schemas: { Event: { properties: { machine: { enum: string[] } } } } };
  };
  const [, section = ''] = read('docs/api.md').split('\n## Events\n');
  const table = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  const machines = table.flatMap((row) =>
    Array.from(row.split(' | ')[0]?.matchAll(/`(\w+)`/g) ?? [], ([, name]) => name),
  );
  t.strictSame(machines.sort(), components.schemas.Event.properties.machine.enum.sort());
});

t.test('docs/api.md › every name of a wait', async (t) => {
  const names = Object.keys(WAITS);
  const [, section = ''] = read('docs/api.md').split('\n## What a session waits for\n');
  const rows = (section.split('\n## ')[0] ?? '').split('\n').filter((line) => line.startsWith('| `'));
  const told = rows.flatMap((row) =>
    Array.from(row.split(' | ')[0]?.matchAll(/`([\w-]+)`/g) ?? [], ([, name = '']) => name),
  );
  t.ok(names.length > 5);
  t.strictSame(told.sort(), names.sort());
});

/** Every directory that holds a file, itself included; what is built or installed is none. */
const roomsIn = (directory: string): readonly string[] => {
  const entries = readdirSync(directory, { withFileTypes: true });
  const below = entries
    .filter((entry) => entry.isDirectory() && !['dist', 'node_modules'].includes(entry.name))
    .flatMap(({ name }) => roomsIn(join(directory, name)));
  return entries.some((entry) => entry.isFile()) ? [directory, ...below] : below;
};

t.test('docs/architecture.md › every directory of the sources has its row', async (t) => {
  const [, map = ''] = read('docs/architecture.md').split('\n| room |');
  const rows = (map.split('\n\n')[0] ?? '')
    // `a/{b,c}` stands for a/b and a/c.
    .replaceAll(/(\S*)\{([^{}]+)\}/g, (_, before: string, names: string) =>
      names.split(',').map((name) => `${before}${name}\``).join(' '),
    );
  const rooms = ['packages', 'etc', 'rc.d', 'man', 'packaging'].flatMap(roomsIn);
  t.ok(rooms.length > 25);
  for (const room of rooms) {
    // A package itself holds only its manifest; what is below a room that is not of packages belongs to it.
    if (/^packages\/\w+$/.test(room)) continue;
    const [top = '', name = ''] = [room.split('/')[0], room.split('/').at(-1)];
    const isNamed =
      rows.includes(`${room}\``) ||
      (top === 'packages' ? new RegExp(`(?:\`|/)${name}/?\``).test(rows) : rows.includes(`\`${top}\``));
    t.ok(isNamed, room);
  }
});

/** Of TypeScript directly in a directory. */
const linesIn = (directory: string): number =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.ts'))
    .reduce((sum, name) => sum + read(join(directory, name)).split('\n').length - 1, 0);

t.test('docs/architecture.md › the lines of the helper, to the hundred', async (t) => {
  const text = read('docs/architecture.md').replaceAll('\n', ' ');
  const [, ...said] = /is ([\d,]+) lines; .*?, ([\d,]+) lines for FreeBSD and ([\d,]+) for Linux/.exec(text) ?? [];
  const root = 'packages/helper/src';
  const found = [root, `${root}/freebsd`, `${root}/linux`].map(
    (directory) => Math.round(linesIn(directory) / 100) * 100,
  );
  t.strictSame(said.map((number) => Number(number.replace(',', ''))), found);
});

t.test('docs/testing.md › the number of mutants, by judge', async (t) => {
  const text = read('docs/testing.md');
  const all = [...MUTANTS, ...TEST_MUTANTS];
  t.match(text, `puts ${all.length} faults`);
  const counts = new Map<string, number>();
  for (const { judge } of all) {
    const by = judge === undefined ? 'make sim' : judge === 'system' ? 'make sim-system' : judge;
    counts.set(by, (counts.get(by) ?? 0) + 1);
  }
  for (const [judge, count] of counts) {
    const name = judge.startsWith('make ') ? judge : `test/${judge}.test.ts`;
    t.ok(text.includes(`| \`${name}\` | ${count} |`), `${name}: ${count}`);
  }
});

for (const [name, source] of [
  ['ppp_thing.8', 'packages/supervisor/src/main.ts'],
  ['ppp_thing_helper.8', 'packages/helper/src/command.ts'],
] as const) {
  t.test(`man/${name} › every exit code`, async (t) => {
    const [, section = ''] = read(`man/${name}`).split('.Sh EXIT STATUS\n');
    const said = Array.from((section.split('.Sh ')[0] ?? '').matchAll(/^\.It (\d+)$/gm), ([, code]) => code);
    const own = Array.from(read(source).matchAll(/^const EX_\w+ = (\d+);/gm), ([, code]) => code);
    t.strictSame(said, ['0', '1', ...own]);
  });
}
