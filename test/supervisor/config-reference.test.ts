/** docs/configuration.md is written from the schema; `UPDATE=1 node` this file writes it anew. */
import { readFileSync, writeFileSync } from 'node:fs';
import t from 'tap';
import {
  HELPER_KEYS,
  HOOK_KEYS,
  LAN_KEYS,
  PARTNER_KEYS,
  SESSION_KEYS,
  SUPERVISOR_KEYS,
} from '@ppp-thing/supervisor/config-schema';

const FILE = 'docs/configuration.md';

const INTRO = `# Configuration reference

\`/usr/local/etc/ppp_thing.conf\` (\`/etc/ppp_thing.conf\` on Linux), owned by root, group \`ppp_thing\`, mode 0640: TOML, or
the eight lines of the original ppp_thing. \`pppthingctl check-config\` says at once everything that is wrong with it by itself,
\`ppp_thing_helper --check\`, as root, what is wrong with it on this router.
\`etc/ppp_thing.conf.sample\` is an example with a comment for each line one is likely to edit.

This page is written from the schema.
`;

const HOOKS = `
Each is the path of a program. It runs as the supervisor's user, without arguments, in \`/\`, one at a time for each session;
what it prints is logged (20 lines), and so is how it ended. What changes while one runs is told next, and only its last
state. A supervisor that is started again tells anew what it finds, so a program must do no harm when it runs twice.

| in the environment | |
| --- | --- |
| \`PPP_THING_EVENT\` | \`session-up\`, \`session-down\`, \`master\`, \`backup\`, \`prefix-up\` or \`prefix-down\` |
| \`IFNAME\`, \`PPP_THING_LINE\` | the session's interface, and the Ethernet interface below it |
| \`PPP_THING_ROLE\`, \`PPP_THING_STATE\`, \`PPP_THING_EPOCH\` | as \`pppthingctl status\` shows them |
| \`IPLOCAL\`, \`IPREMOTE\`, \`DNS1\`, \`DNS2\`, \`MACREMOTE\` | of the session, if there is one: the names that pppd(8) gives its ip-up |
| \`PPP_THING_SESSION_ID\`, \`PPP_THING_AC_NAME\`, \`PPP_THING_MTU\` | of the session, likewise |
| \`PREFIXES\`, \`ADDRESSES\`, \`RDNSS\`, \`DOMAINS\`, \`AFTR\` | of the DHCPv6 lease, if there is one: the names and forms that odhcp6c(8) gives its script |
| \`PATH\` | the usual; there is nothing else |
`;

interface Key {
  readonly format: unknown;
  readonly default: unknown;
  readonly doc: string;
}

/** Keys whose check refuses their absence, and two that their table needs unless the partner is "none". */
function isRequired(key: Key): boolean {
  if (key === PARTNER_KEYS.local_address || key === PARTNER_KEYS.address) return true;
  try {
    if (typeof key.format === 'function') key.format(key.default);
    return false;
  } catch {
    return true;
  }
}

function table(title: string, keys: Readonly<Record<string, Key>>): string {
  const rows = Object.entries(keys).map(([name, key]) => {
    const { default: value, doc } = key;
    const isEmpty = value === null || value === '';
    const shown = isRequired(key) ? 'required' : isEmpty ? '' : `\`${JSON.stringify(value)}\``;
    return `| \`${name}\` | ${shown} | ${doc} |`;
  });
  return `\n## ${title}\n\n| key | default | means |\n| --- | --- | --- |\n${rows.join('\n')}\n`;
}

const page = [
  INTRO,
  table('[session.NAME]', SESSION_KEYS),
  table('[session.NAME.lan.IFNAME]', LAN_KEYS),
  table('[partner]', PARTNER_KEYS),
  table('[supervisor]', SUPERVISOR_KEYS),
  table('[helper]', HELPER_KEYS),
  table('[hooks]', HOOK_KEYS),
  HOOKS,
].join('');

t.test('docs/configuration.md › is what the schema says', async (t) => {
  if (process.env['UPDATE'] === '1') writeFileSync(FILE, page);
  t.equal(readFileSync(FILE, 'utf8'), page);
});
