/** What the documents say one sees is what the programs say. */
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { DHCP6 } from '@ppp-thing/protocol/engine/dhcp6/table';

const PACKAGES = ['ctl', 'helper', 'protocol', 'supervisor'];

const sources = PACKAGES.flatMap((name) => {
  const root = join('packages', name, 'src');
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith('.ts'))
    .map((file) => readFileSync(join(root, file), 'utf8'))
    // What only a comment says is seen by nobody.
    .map((text) => text.replaceAll(/\/\*[^]*?\*\/|(?<!:)\/\/.*$/gm, ''));
})
  // The scripts of FreeBSD log, too.
  .concat(readdirSync('rc.d').map((name) => readFileSync(join('rc.d', name), 'utf8')))
  .join('\n');

/** The engine logs a refused action as `ACTION failed`. */
const ofAction = (words: string): string => words.replace(/^([\w-]+) failed$/, "kind: '$1'");

/** Of each row of a table, what stands in its first cell as code. */
const seen = readFileSync('docs/troubleshooting.md', 'utf8')
  .split('\n')
  .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
  .flatMap((line) => Array.from(line.split(' | ')[0]?.matchAll(/`([^`]+)`/g) ?? [], ([, it]) => it));

t.test('docs/troubleshooting.md › every symptom is in the words of the programs', async (t) => {
  t.ok(seen.length > 25, `${seen.length} of them`);
  for (const words of seen) t.ok(sources.includes(ofAction(words ?? '')), words ?? '');
});

/** What the whole system logs when it is played: `test/system/stories.test.ts` compares each line. */
const stories = readdirSync('test/stories')
  .map((name) => readFileSync(join('test/stories', name), 'utf8'))
  .join('\n');

/** The stories leave the DHCPv6 client out. */
const isDhcp6 = (line: string): boolean => {
  const [, from = '', to, acts] = /dhcp6: (\w+) -> (\w+) on [\w ]+ \[(\S+)\]/.exec(line) ?? [];
  return Object.values(DHCP6).some((row) => Object.entries(row).some(([state, cell]) => state === from && cell === `${acts}/${to}`));
};

t.test('README.md, ppp_thing(8) › the lines of the log that they quote are logged', async (t) => {
  const quoted = ['README.md', 'man/ppp_thing.8'].flatMap((path) =>
    // Facts such as an epoch or a round trip are another's.
    Array.from(readFileSync(path, 'utf8').matchAll(/pppoe0 \w+: [A-Z].*?(?=(?: \w+=\S+)*$)/gm), ([line]) => line),
  );
  t.ok(quoted.length > 5, `${quoted.length} of them`);
  for (const line of quoted) t.ok(stories.includes(line) || isDhcp6(line), line);
});
