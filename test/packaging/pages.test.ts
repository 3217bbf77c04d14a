/** The manual pages, compared with what the programs know. The completions are compared in test/ctl. */
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
    read('man/pppthingctl.8').matchAll(/^\.It (?:Cm|Ic) (\S+)/gm),
    ([, command]) => command,
  );
  t.same(commands, [...Object.keys(COMMANDS), 'help']);
});

t.test('every flag of a command is in pppthingctl(8)', async (t) => {
  const flagged = Object.entries(COMMANDS).flatMap(([name, { takes }]) =>
    Array.from(takes.matchAll(/\[(--?[a-z]+)/g), ([, flag = '']) => ({ name, flag })),
  );
  t.ok(flagged.length > 0);
  for (const { name, flag } of flagged) {
    // A long flag is `Fl -long` or `Fl Fl long`.
    const written = flag.startsWith('--') ? `Fl (?:-|Fl )${flag.slice(2)}` : `Fl ${flag.slice(1)}`;
    const page = new RegExp(`^\\.It (?:Cm|Ic) ${name} .*${written}\\b`, 'm');
    t.match(read('man/pppthingctl.8'), page, `${name} ${flag}`);
  }
});
