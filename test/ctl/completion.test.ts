/** The completions: each shell that is here completes, and each file knows every command and option. */
import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { COMMANDS } from '@ppp-thing/ctl/commands';
import { bench } from '../supervisor/status-bench.ts';

const FILES = {
  bash: 'packages/ctl/completions/pppthingctl.bash',
  zsh: 'packages/ctl/completions/_pppthingctl',
  fish: 'packages/ctl/completions/pppthingctl.fish',
} as const;
type Shell = keyof typeof FILES;

function isHere(shell: string): boolean {
  try {
    execFileSync(shell, ['-c', 'true'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
const skipWithout = (shell: Shell) => ({ skip: !isHere(shell) && `there is no ${shell} here` });

for (const [shell, file] of Object.entries(FILES)) {
  t.test(`completion › ${file} knows every command and option`, async (t) => {
    const text = readFileSync(file, 'utf8');
    for (const [name, command] of Object.entries(COMMANDS)) {
      t.match(text, new RegExp(`[ '|]${name}\\b`), name);
      for (const flag of [...Object.keys(command.flags ?? {}), ...(command.options ?? [])]) {
        t.ok(text.includes(shell === 'fish' ? `-l ${flag} ` : `--${flag}`), `${name} --${flag}`);
      }
    }
  });
}

/** A shell that has our command first in its path, and our sockets to ask. */
async function complete(directory: string, shell: Shell, script: string): Promise<string> {
  // tap gives every child its own loader, under which a command without an extension does not load.
  const child = spawn('env', ['-u', 'NODE_OPTIONS', shell, '-c', script], {
    env: { PATH: `${directory}/bin:${process.env['PATH'] ?? ''}`, PPP_THING_RUN: directory },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  await new Promise((resolve) => child.on('close', resolve));
  return out.trim();
}

async function withCommand(t: Parameters<typeof bench>[0]): Promise<string> {
  const { directory } = await bench(t, { helper: false });
  mkdirSync(join(directory, 'bin'));
  const shim = join(process.cwd(), 'packages/ctl/bin/pppthingctl');
  symlinkSync(shim, join(directory, 'bin', 'pppthingctl'));
  return directory;
}

t.test(
  'completion › bash completes commands, options and sessions',
  skipWithout('bash'),
  async (t) => {
    const directory = await withCommand(t);
    const tried = (...words: readonly string[]): Promise<string> => {
      const line = ['pppthingctl', ...words].map((word) => `'${word}'`).join(' ');
      const set = `COMP_WORDS=(${line}); COMP_CWORD=${words.length}`;
      return complete(
        directory,
        'bash',
        `. ${FILES.bash}; ${set}; _pppthingctl; echo "\${COMPREPLY[@]}"`,
      );
    };
    t.equal(await tried('ha'), 'handoff');
    t.equal(await tried('handoff', ''), '--wait pppoe0');
    t.equal(await tried('--run', directory, 'connect', 'pp'), 'pppoe0');
    t.equal(await tried('log', 'd'), 'debug');
    t.equal(await tried('check-config', 'packages/ctl/pack'), 'packages/ctl/package.json');
  },
);

t.test('completion › zsh reads its file', skipWithout('zsh'), async (t) => {
  t.equal(execFileSync('zsh', ['-n', FILES.zsh]).toString(), '');
});

t.test('completion › fish completes commands and sessions', skipWithout('fish'), async (t) => {
  const directory = await withCommand(t);
  const tried = (line: string): Promise<string> =>
    complete(directory, 'fish', `source ${FILES.fish}; complete -C '${line}'`);
  t.match(await tried('pppthingctl ha'), /^handoff\b/);
  t.match(await tried('pppthingctl connect pp'), /^pppoe0\b/);
});
