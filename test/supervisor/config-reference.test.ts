/** docs/configuration.md is written from the schema; `UPDATE=1 node` this file writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import {
  HELPER_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
} from '@ppp-thing/supervisor/config-schema';

const FILE = 'docs/configuration.md';

const INTRO = `# Configuration reference

\`/usr/local/etc/ppp_thing.conf\` (\`/etc/ppp_thing.conf\` on Linux), owned by root, group \`ppp_thing\`, mode 0640: TOML, or
the eight lines of the original ppp_thing. \`pppthingctl check-config\` says everything that is wrong with it at once.
\`etc/ppp_thing.conf.sample\` is an example with a comment for each line one is likely to edit.

This page is written from the schema.
`;

interface Key {
  readonly default: unknown;
  readonly doc: string;
}

function table(title: string, keys: Readonly<Record<string, Key>>): string {
  const rows = Object.entries(keys).map(([name, { default: value, doc }]) => {
    const shown = value === null || value === '' ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${name}\` | ${shown} | ${doc} |`;
  });
  return `\n## ${title}\n\n| key | default | means |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

const page = [
  INTRO,
  table('[session.NAME]', SESSION_KEYS),
  table('[partner]', PARTNER_KEYS),
  table('[supervisor]', SUPERVISOR_KEYS),
  table('[helper]', HELPER_KEYS),
].join('');

t.test('docs/configuration.md › is what the schema says', async (t) => {
  if (process.env['UPDATE'] === '1') writeFileSync(FILE, page);
  t.equal(readFileSync(FILE, 'utf8'), page);
});
