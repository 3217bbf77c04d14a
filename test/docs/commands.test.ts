/**
 * Every command of the documents is run, or is listed with the reason why not. Here run those of pppthingctl, against a
 * real supervisor that holds a session; whether what they name exists is docs.test.ts's.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { holding } from '../supervisor/status-bench.ts';

const SHIM = fileURLToPath(new URL('../../../packages/ctl/bin/pppthingctl', import.meta.url));
const hasJq = spawnSync('jq', ['--version']).error === undefined;
const DOCUMENTS = [
  'README.md',
  'CONTRIBUTING.md',
  ...['docs', 'man'].flatMap((directory) =>
    readdirSync(directory)
      .filter((name) => /\.(?:md|[58])$/.test(name))
      .map((name) => join(directory, name)),
  ),
];

interface Said {
  readonly document: string;
  /** What follows the fence that opens its block; `inline` for code in a sentence, `indented` for a block without a fence. */
  readonly block: string;
  readonly command: string;
}

/** What is a picture, a log or a table in a block without a language, and no command. */
const isPicture = (text: string): boolean => /[─│┌═]|\+--|^\s*\d+\.\d{3}\s/m.test(text);

/** Of a block's lines: continued ones joined, prompts, remarks and the columns of explanation cut off. */
const linesOf = (text: string): readonly string[] =>
  text
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .map((line) =>
      line
        .trim()
        .replace(/^(?:\w*#|\$) /, '')
        .replace(/\s+#\s.*$|\s{3,}.*$|\s&$/, ''),
    )
    .filter((line) => line !== '');

/** Code in a sentence is a command if it begins with one of these and goes on. */
const FIRST =
  'bash|chmod|chown|curl|grep|ifconfig|journalctl|kldload|kldstat|make|netstat|ngctl|node|npx|pfctl|' +
  'ppp_thing|ppp_thing_helper|pppthingctl|service|sh|ssh|sysctl|sysrc|systemctl|tcpdump|[A-Z_]+=[^\\s`]+(?=\\s[a-z])';

const PATTERN = new RegExp(
  [
    /^```([^\n]*)\n([^]*?)^```/.source,
    `\`((?:${FIRST})\\s[^\`]+)\``,
    /(?<=\n\n)((?: {4}.+\n)+)/.source,
  ].join('|'),
  'gm',
);

const commandsOf = (document: string): readonly Said[] =>
  (document.endsWith('.md') ? markdownOf : manualOf)(document, readFileSync(document, 'utf8'));

function markdownOf(document: string, text: string): readonly Said[] {
  return Array.from(text.matchAll(PATTERN)).flatMap(([, block = '', body, inline, indented]) => {
    if (indented !== undefined) return saidIn(document, 'indented', indented);
    // What has a gap in it is talked about, not said.
    if (inline !== undefined && inline.includes('…')) return [];
    if (inline !== undefined) return saidIn(document, 'inline', inline.replaceAll(/\s+/g, ' '));
    const isOther =
      /^(?:toml|ini|js|hex|see)\b/.test(block) || (block === '' && isPicture(body ?? ''));
    return isOther ? [] : saidIn(document, block, body ?? '');
  });
}

/** mdoc(7): a displayed line, or a line of a display, that begins with a prompt. */
const manualOf = (document: string, text: string): readonly Said[] =>
  Array.from(text.matchAll(/^(?:\.Dl )?[#$] (.+)$/gm)).flatMap(([, line = '']) =>
    saidIn(document, 'display', line.replace(/^\(umask 077; (.+)\)$/, '$1')),
  );

const saidIn = (document: string, block: string, text: string): readonly Said[] =>
  linesOf(text)
    .flatMap((line) => line.split(' && '))
    .map((command) => ({ document, block, command }));

/** Why a command is not run here. The first that fits counts; one that fits nothing is out of date. */
const LISTED: readonly {
  readonly why: string;
  readonly document?: string;
  readonly block?: RegExp;
  readonly command?: RegExp;
}[] = [
  {
    why: 'changes what is installed, or another machine, or needs what user-mode Linux lacks (nft)',
    document: 'docs/linux.md',
    block: / skip$/,
  },
  {
    why: 'make lab-kernel ARGS=--guide runs it, in the kernel lab',
    document: 'docs/linux.md',
    block: /^sh (?:both|r1|r2)$/,
  },
  { why: 'test/docs/recipes.test.ts runs it', document: 'docs/recipes.md' },
  {
    why: 'test/supervisor/status-docs.test.ts runs it',
    document: 'docs/api.md',
    command: /^curl /,
  },
  {
    why: '.ci/run runs it, and it runs this test',
    command:
      /^(?:bash \.ci\/run|make (?:test|check|sim|sim-system|fuzz(?: SECONDS=30)?|lab(?: RUNTIME=bun)?|lab-kernel(?: ARGS=--dial)?))$/,
  },
  {
    why: 'takes long, and is run when the engine or a backend has changed',
    command: /^make (?:bench|sim-mutants|sim RUNS=20000|sim-system RUNS=2000|sim(?:-system)? RUNS=N SEED=N|fuzz SECONDS=N|lab-kernel ARGS=(?:--(?:all|guide|ipv6)|'--dial --bars (?:5|10)'|'--kills 5'|'--handoffs 20'|'--throughput 5'))$/,
  },
  { why: 'stays until somebody ends it', command: /^make lab ARGS=--stay$/ },
  { why: 'is itself a test, or writes what one compares', command: /^(?:UPDATE=1 )?node test\// },
  { why: 'make does it before each test', command: /^npx tsc -b/ },
  {
    why: 'changes the machine; test/packaging installs below DESTDIR, packs, and compares the list',
    command: /^(?:make (?:install|dist OS=.*|deb|pkg|release|test-freebsd-kit)|sh (?:install|\S+plist)\.sh.*)$/,
  },
  {
    why: 'needs a FreeBSD host; test/freebsd does the same on a fake kernel',
    command: /^PPP_THING_REMOTE=|\bmake test-freebsd\b|packaging\/freebsd\/test\.sh$|\bremote-serve\.js |^ssh -N /,
  },
  {
    why: 'the lab starts it so, with files of its own',
    command: /^node (?:helper\.js|packages\/supervisor\/dist\/main\.js) /,
  },
  { why: 'is no step of anything', document: 'docs/security.md', command: /^node --jitless$/ },
  {
    why: 'an administrator of FreeBSD runs it, as root',
    command:
      /^(?:pkg|sysrc|service|sysctl|ifconfig|pfctl|chown|chmod|cp|echo|grep|kldload|kldstat|netstat|ngctl|tcpdump|\/usr\/local\/etc\/rc\.d\/\w+) /,
  },
  {
    why: "the machine's services and their log; the guide starts and stops the same",
    command: /^(?:systemctl|journalctl) /,
  },
  {
    why: 'takes down what is in the kernel; test/freebsd and test/kernel do it in theirs',
    command: /^ppp_thing_helper --remove$/,
  },
  { why: 'test/helper/main.test.ts runs it', command: /^ppp_thing_helper --check$/ },
  {
    why: 'listens on a fixed port, which may be taken; test/ctl/web.test.ts runs it on a free one',
    command: /^(?:ssh -L \S+ router )?pppthingctl web$/,
  },
  ...(hasJq ? [] : [{ why: 'there is no jq here', command: /\| jq / }]),
];

const reasonFor = ({ document, block, command }: Said): (typeof LISTED)[number] | undefined =>
  LISTED.find(
    (each) =>
      (each.document ?? document) === document &&
      (each.block?.test(block) ?? true) &&
      (each.command?.test(command) ?? true),
  );

/** What may be run here: pppthingctl, alone or into itself or jq, and into a file of /etc, which is the test's; nothing else, as this may be root. */
const isOurs = (command: string): boolean =>
  /^(?:ssh \S+ )?pppthingctl [\w -]+(?:\| pppthingctl [\w -]+|\| jq -r '[^']+')?(?:> ?(?:\/usr\/local)?\/etc\/[\w.-]+)?$/.test(
    command,
  );

const all = DOCUMENTS.flatMap(commandsOf);
const runs = [
  ...new Set(all.filter((said) => reasonFor(said) === undefined).map(({ command }) => command)),
];

/** Follows until it is ended. */
const isEndless = (command: string): boolean => / (?:-f|watch)$/.test(command);

/** What the shell makes of it, with our pppthingctl; an endless one is ended once it has said something. */
function shell(
  command: string,
  directory: string,
): Promise<{ readonly code: number | null; readonly out: string; readonly err: string }> {
  const env = {
    ...process.env,
    PATH: `${directory}:${process.env['PATH'] ?? ''}`,
    PPP_THING_RUN: directory,
  };
  const child = spawn('sh', ['-c', command], { env, detached: true });
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk) => (err += String(chunk)));
  child.stdout.on('data', (chunk) => {
    const isFirst = out === '';
    out += String(chunk);
    if (isFirst && isEndless(command) && child.pid !== undefined) process.kill(-child.pid);
  });
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out, err })));
}

t.test('docs › every command is run, or listed with its reason', async (t) => {
  t.ok(all.length > 60, `${all.length} commands`);
  t.ok(runs.length > 8, `${runs.length} run here`);
  for (const command of runs) t.ok(isOurs(command), `run or listed: ${command}`);
  for (const entry of LISTED) {
    t.ok(
      all.some((said) => reasonFor(said) === entry),
      `in use: ${entry.why}`,
    );
  }
});

t.test('docs › .ci/run runs what is left to it', async (t) => {
  const ci = readFileSync('.ci/run', 'utf8');
  for (const each of [
    'make test',
    'make lab ',
    'RUNTIME=bun',
    'make sim RUNS=',
    'make sim-system RUNS=',
    'make fuzz SECONDS=',
    'make lab-kernel ARGS=--json',
    'make check',
  ])
    t.ok(ci.includes(each), each);
});

for (const said of runs.filter(isOurs)) {
  t.test(`docs › ${said}`, async (t) => {
    const { directory, config, supervisor, until } = await holding(t, { partner: true });
    await until(() => supervisor.session('pppoe0')?.status.partner.message?.armed === true);
    writeFileSync(
      join(directory, 'pppthingctl'),
      // tap gives every child its own loader, under which a command without an extension does not load.
      `#!/bin/sh\nexec env -u NODE_OPTIONS '${process.execPath}' '${SHIM}' --config '${config}' "$@"\n`,
      { mode: 0o755 },
    );
    // The other router is this one, and its files are the test's.
    const command = said
      .replace(/^ssh \S+ /, '')
      .replaceAll(/(?:\/usr\/local)?\/etc\//g, `${directory}/`);
    const written = Array.from(command.matchAll(/>\s*(\S+)/g), ([, path = '']) => path);
    const { code, out, err } = await shell(command, directory);
    if (isEndless(command)) t.equal(code, null, `goes on until it is ended: ${err}`);
    // What a doctor finds in the machine of the test is that machine's: 1 is an illness, and no fault of the command.
    else if (/ doctor\b/.test(command)) t.ok(code === 0 || code === 1, err);
    else t.equal(code, 0, err);
    if (/ (?:status|doctor|events|--wait)/.test(command)) t.match(out, /pppoe0/);
    for (const path of written) t.ok(readFileSync(path, 'utf8').length > 0, path);
  });
}
