/** The lists and numbers of the documents against what they are of: metrics, events, rooms, exit codes, lines, mutants. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { MUTANTS } from '@ppp-thing/lab/campaign/mutants';
import { TEST_MUTANTS } from '@ppp-thing/lab/campaign/mutants-tests';
import { LINK_WAITS } from '@ppp-thing/protocol/engine/link/waits';
import { WAITS } from '@ppp-thing/protocol/engine/owner/waits';
import { PPP_WAITS } from '@ppp-thing/protocol/engine/ppp/waits';
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
  const dhcp6 = ['dhcp6-resend', 'dhcp6-t1', 'dhcp6-t2', 'dhcp6-end', 'lease-end'];
  const tables = [WAITS, LINK_WAITS, PPP_WAITS].flatMap((table) => Object.keys(table));
  const names = [...tables, ...dhcp6];
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
  const [, map = ''] = read('docs/architecture.md').split('\n| where |');
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

/** The modules directly in a directory. */
const modulesIn = (directory: string): readonly string[] =>
  readdirSync(directory)
    .filter((name) => name.endsWith('.ts'))
    .map((name) => join(directory, name));

/** Adds to `found` the module at `path` and what it imports of the protocol package, and each npm package by name. */
const follow = (path: string, found: Set<string>): void => {
  if (found.has(path)) return;
  found.add(path);
  for (const [, name = ''] of read(path).matchAll(/(?:^(?:import|export)(?! type)[^;]*? from |import\()'([^']+)'/gm)) {
    const own = /^@ppp-thing\/(\w+)\/(.+)$/.exec(name);
    if (own) follow(`packages/${own[1]}/src/${own[2]}.ts`, found);
    else if (name.startsWith('.')) follow(join(path, '..', name), found);
    else if (!name.startsWith('node:')) found.add(name.split('/')[0] ?? '');
  }
};

t.test('docs/architecture.md › what an auditor of the root program reads', async (t) => {
  const [root, freebsd, linux] = ['', '/freebsd', '/linux'].map((below) => modulesIn(`packages/helper/src${below}`));
  const found = new Set<string>();
  for (const path of [root, freebsd, linux].flatMap((paths) => paths ?? [])) follow(path, found);
  const protocol = [...found].filter((path) => path.startsWith('packages/protocol/'));
  const text = read('docs/architecture.md');
  const rows = Array.from(text.matchAll(/^\| `packages\/.* \| (?:both|FreeBSD|Linux) +\| (\d+) +\| ([\d,]+) +\|$/gm));
  t.strictSame(
    rows.map(([, files, lines = '']) => [Number(files), Number(lines.replace(',', ''))]),
    [root, freebsd, linux, protocol].map((paths = []) => {
      const lines = paths.reduce((sum, path) => sum + read(path).split('\n').length - 1, 0);
      return [paths.length, Math.round(lines / 100) * 100];
    }),
  );

  const pinned = ['helper', 'protocol'].flatMap((name) => {
    const manifest = JSON.parse(read(`packages/${name}/package.json`)) as { dependencies?: Record<string, string> };
    return Object.entries(manifest.dependencies ?? {});
  });
  const npm = pinned.filter(([name]) => found.has(name)).map(([name, version]) => `\`${name}\` ${version}`);
  const [, said = ''] = /^\| npm: (.+?) +\| both/m.exec(text) ?? [];
  t.strictSame(said.split(', '), npm.sort());
  t.equal([...found].filter((path) => !path.includes('/')).length, npm.length, 'no npm package beside these');
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
