/** The manual pages: mandoc finds nothing wrong, and what they document is what there is. */
import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';
import t from 'tap';
import { EXIT } from '@ppp-thing/ctl/client';
import { COMMANDS } from '@ppp-thing/ctl/commands';
import {
  HELPER_KEYS,
  HOOK_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
} from '@ppp-thing/supervisor/config-schema';

const pages = readdirSync('man').map((name) => `man/${name}`);
const page = (name: string): string => readFileSync(`man/${name}`, 'utf8');

const hasMandoc = spawnSync('mandoc', ['-T', 'lint', '/dev/null']).error === undefined;
t.test('man › mandoc -T lint is silent', { skip: !hasMandoc && 'no mandoc here' }, async (t) => {
  t.equal(pages.length, 4);
  const lint = spawnSync('mandoc', ['-T', 'lint', '-W', 'style', ...pages], { encoding: 'utf8' });
  // Whether the other manuals are installed here says nothing of ours.
  const lines = lint.stdout
    .split('\n')
    .filter((line) => !/referenced manual not found|^$/.test(line));
  t.strictSame(lines, []);
});

/** The text of each `.It Ic key` of a section, by key. */
function items(text: string): Map<string, string> {
  const parts = text.split(/^\.It Ic /m).slice(1);
  return new Map(parts.map((part) => [part.split(/\s/, 1)[0] ?? '', part]));
}

const written = (value: unknown): string =>
  Array.isArray(value)
    ? `.Ql [${value.map((each) => `\\(dq${each}\\(dq`).join(', ')}]`
    : `.Ql ${value}`;

for (const [title, keys] of [
  ['Sessions', SESSION_KEYS],
  ['The partner', PARTNER_KEYS],
  ['The supervisor', SUPERVISOR_KEYS],
  ['Hooks', HOOK_KEYS],
  ['The helper', HELPER_KEYS],
] as const) {
  t.test(`ppp_thing.conf(5) › ${title}: every key, with its default`, async (t) => {
    const [, section = ''] = page('ppp_thing.conf.5').split(`.Ss ${title}\n`);
    const documented = items(section.split(/^\.S[sh] /m)[0] ?? '');
    t.strictSame([...documented.keys()].sort(), Object.keys(keys).sort());
    for (const [key, { default: otherwise }] of Object.entries(keys)) {
      if (otherwise === null || otherwise === '') continue;
      const text = documented.get(key) ?? '';
      t.ok(text.includes(`Default:\n${written(otherwise)} .`), `${key}: ${written(otherwise)}`);
    }
  });
}

t.test('pppthingctl(8) › every command, option and exit code', async (t) => {
  const text = page('pppthingctl.8');
  const [, status = ''] = text.split('.Sh EXIT STATUS\n');
  const codes = Array.from((status.split('.Sh ')[0] ?? '').matchAll(/^\.It (\d+)$/gm), ([, code]) =>
    Number(code),
  );
  t.strictSame(codes, Object.values(EXIT));
  const documented = items(text);
  t.strictSame([...documented.keys()].sort(), [...Object.keys(COMMANDS), 'help'].sort());
  for (const [name, { flags = {}, options = [] }] of Object.entries(COMMANDS)) {
    for (const flag of [...Object.keys(flags), ...options]) {
      t.ok(documented.get(name)?.includes(`Fl Fl ${flag}`), `${name} --${flag}`);
    }
  }
});

for (const [name, path] of [
  ['ppp_thing.8', 'packages/supervisor/bin/ppp_thing'],
  ['ppp_thing_helper.8', 'packages/helper/bin/ppp_thing_helper'],
  ['pppthingctl.8', 'packages/ctl/bin/pppthingctl'],
] as const) {
  t.test(`man/${name} › every option that --help prints`, async (t) => {
    // tap gives every child its own loader, under which a command without an extension does not load.
    const command = ['-u', 'NODE_OPTIONS', process.execPath, path, '--help'];
    const help = execFileSync('env', command, { encoding: 'utf8' });
    const options = new Set(Array.from(help.matchAll(/--([a-z]+)/g), ([, option]) => option));
    t.ok(options.size > 1);
    for (const option of options) t.ok(page(name).includes(`Fl Fl ${option}`), `--${option}`);
  });
}

t.test('pppthingctl --help › no usage runs into the words about it', async (t) => {
  const path = 'packages/ctl/bin/pppthingctl';
  const help = execFileSync('env', ['-u', 'NODE_OPTIONS', process.execPath, path, '--help'], {
    encoding: 'utf8',
  });
  for (const { does } of Object.values(COMMANDS)) t.match(help, `  ${does}\n`);
});
