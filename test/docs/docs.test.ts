/** What the documents point at is there: files, commands of pppthingctl, targets of make. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import t from 'tap';
import { COMMANDS } from '@ppp-thing/ctl/commands';

const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  'CHANGELOG.md',
  ...readdirSync('docs')
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
];

/** Of inline code and of fenced blocks. */
const codeOf = (text: string): readonly string[] =>
  Array.from(text.matchAll(/^```[^\n]*\n([^]*?)^```|`([^`\n]+)`/gm), ([, block, inline]) =>
    String(block ?? inline),
  );

const found = (code: readonly string[], pattern: RegExp): readonly string[] =>
  code.flatMap((each) => Array.from(each.matchAll(pattern), ([, word]) => String(word)));

const targets = new Set(
  Array.from(readFileSync('Makefile', 'utf8').matchAll(/^([a-z-]+):/gm), ([, name]) => name),
);

for (const document of DOCUMENTS) {
  const text = readFileSync(document, 'utf8');
  const code = codeOf(text);

  t.test(`${document} › links lead somewhere`, async (t) => {
    const links = Array.from(text.matchAll(/\]\(([^)#\s]+)(?:#[^)]*)?\)/g), ([, to]) => String(to));
    for (const to of links.filter((each) => !/^[a-z]+:/.test(each)))
      t.ok(existsSync(join(dirname(document), to)), to);
  });

  t.test(`${document} › the project's files that it names are there`, async (t) => {
    const named = found(
      code,
      /(?<![\w./-])((?:packages|test|etc\/(?:freebsd|linux|systemd)|rc\.d|packaging|man|docs)\/[\w./-]*[\w-])/g,
    );
    for (const path of named) t.ok(existsSync(path), path);
  });

  t.test(`${document} › its commands and targets exist`, async (t) => {
    const words = found(code, /(?:^|[\s|])pppthingctl(?: --run \S+)? ([a-z][a-z-]*)/gm);
    for (const word of words) t.ok(word in COMMANDS || word === 'help', `pppthingctl ${word}`);
    for (const target of found(code, /^make ([a-z][a-z-]*)\b(?! …)/gm))
      t.ok(targets.has(target), `make ${target}`);
  });
}
