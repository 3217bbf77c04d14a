/** What is written for operators, compared with what the programs know: manual pages, completions, the samples. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { COMMANDS } from '@ppp-thing/ctl/commands';
import {
  HELPER_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
} from '@ppp-thing/supervisor/config-schema';
import { LOG_LEVELS } from '@ppp-thing/supervisor/log';
import { ROOT } from './make.ts';

const TABLES = {
  'session.NAME': SESSION_KEYS,
  partner: PARTNER_KEYS,
  supervisor: SUPERVISOR_KEYS,
  helper: HELPER_KEYS,
};
const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

/** The keys of one table in ppp_thing.conf(5), each with the default it shows. */
function documented(table: string): Record<string, string> {
  const section = read('man/ppp_thing.conf.5')
    .split('\n.Ss ')
    .find((each) => each.startsWith(`[${table}]\n`));
  const items = section?.matchAll(/^\.It Va (\S+)(?: No = Cm (.*))?$/gm) ?? [];
  return Object.fromEntries(
    Array.from(items, ([, key = '', value = '']) => [
      key,
      value.replace(/^"(.*)"$/, '$1').replaceAll(String.raw`\(dq`, '"'),
    ]),
  );
}

/** As TOML has it; nothing where there is no default. */
const shown = (value: unknown): string =>
  value === null ? '' : JSON.stringify(value).replaceAll(',', ', ');

for (const [table, keys] of Object.entries(TABLES)) {
  t.test(`ppp_thing.conf(5) has every key of [${table}] with its default`, async (t) => {
    t.same(
      documented(table),
      Object.fromEntries(
        Object.entries(keys).map(([key, { default: otherwise }]) => [key, shown(otherwise)]),
      ),
    );
  });
}

t.test('pppthingctl(8) has every command', async (t) => {
  const commands = Array.from(
    read('man/pppthingctl.8').matchAll(/^\.It Cm (\S+)/gm),
    ([, command]) => command,
  );
  t.same(commands, [...Object.keys(COMMANDS), 'help']);
});

t.test('the completions offer every command and every log level', async (t) => {
  const expected = [...Object.keys(COMMANDS), 'help'];
  const levels = LOG_LEVELS.join(' ');
  const options = ['--run', '--config'];

  const bash = read('packages/ctl/completions/pppthingctl.bash');
  t.same(/^\t''\) words='(.*)' ;;$/m.exec(bash)?.[1]?.split(' '), [...expected, ...options]);
  t.match(bash, `log) words='${levels}'`);

  const zsh = read('packages/ctl/completions/_pppthingctl');
  const described = /^ {4}'([a-z-]+):[^']*'$/gm;
  t.same(
    Array.from(zsh.matchAll(described), ([, name]) => name),
    expected,
  );
  t.match(zsh, `_values level ${levels}`);
  for (const option of options) t.match(zsh, `'${option}[`);

  const fish = read('packages/ctl/completions/pppthingctl.fish');
  const offered = /__fish_use_subcommand -a (\S+) -d '[^']*'$/gm;
  t.same(
    Array.from(fish.matchAll(offered), ([, name]) => name),
    expected,
  );
  t.match(fish, `-a '${levels}'`);
  for (const option of options) t.match(fish, `-l ${option.slice(2)} `);
});

t.test('every flag of a command is in the page and in the completions', async (t) => {
  const flagged = Object.entries(COMMANDS).flatMap(([name, { takes }]) =>
    Array.from(takes.matchAll(/\[(--?[a-z]+)/g), ([, flag = '']) => ({ name, flag })),
  );
  t.ok(flagged.length > 0);
  for (const { name, flag } of flagged) {
    const page = new RegExp(`^\\.It Cm ${name} .*Fl ${flag.slice(1)}\\b`, 'm');
    t.match(read('man/pppthingctl.8'), page, `${name} ${flag}`);
    for (const file of ['pppthingctl.bash', '_pppthingctl', 'pppthingctl.fish']) {
      const line = read(`packages/ctl/completions/${file}`)
        .split('\n')
        .find((each) => each.includes(name) && each.includes(flag));
      t.ok(line, `${file}: ${name} ${flag}`);
    }
  }
});
