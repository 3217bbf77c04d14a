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

The file is \`/usr/local/etc/ppp_thing.conf\`, on Linux \`/etc/ppp_thing.conf\`. It belongs to root and to the group
\`ppp_thing\`, and its mode is 0640. It is TOML, or the eight lines of the original ppp_thing. \`pppthingctl check-config\`
lists all errors that the file shows by itself. \`ppp_thing_helper --check\`, as root, lists those that depend on this router.
\`etc/ppp_thing.conf.sample\` is an example with a comment at each key.

This page is generated from the schema that the supervisor checks the file with.
`;

const HOOKS = `
Each event key is the path of a program. The supervisor runs it as its own user, without arguments, in the directory \`/\`, and
runs one program at a time for each session. The log gets the first 20 lines that the program prints, and its exit status. If
the state changes while a program runs, the program for the newest state runs next; states between are left out. A supervisor
that starts runs the hooks for the state that it finds, so a program must do no harm when it runs twice.

| in the environment | |
| --- | --- |
| \`PPP_THING_EVENT\` | \`session-up\`, \`session-down\`, \`master\`, \`backup\`, \`prefix-up\` or \`prefix-down\` |
| \`IFNAME\`, \`PPP_THING_LINE\` | the session's interface, and the Ethernet interface below it |
| \`PPP_THING_ROLE\`, \`PPP_THING_STATE\`, \`PPP_THING_EPOCH\` | as \`pppthingctl status\` shows them |
| \`IPLOCAL\`, \`IPREMOTE\`, \`DNS1\`, \`DNS2\`, \`MACREMOTE\` | of the session, if there is one, with the names that pppd(8) uses for ip-up |
| \`LLLOCAL\`, \`LLREMOTE\` | the link-local addresses of both ends, if the session has IPv6; the same names |
| \`PPP_THING_SESSION_ID\`, \`PPP_THING_AC_NAME\`, \`PPP_THING_MTU\` | of the session, likewise |
| \`PREFIXES\`, \`ADDRESSES\`, \`RDNSS\`, \`DOMAINS\`, \`AFTR\` | of the DHCPv6 lease, if there is one, with the names and forms that odhcp6c(8) uses for its script |
| \`PATH\` | the directories \`sbin\` and \`bin\` of \`/usr/local\`, \`/usr\` and \`/\`; the environment has nothing else |
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
