/** Every curl of docs/api.md, run against a real supervisor's sockets. */
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import t from 'tap';
import { bench, holding } from './status-bench.ts';

const text = readFileSync('docs/api.md', 'utf8');
const commands = Array.from(text.matchAll(/^curl .*$/gm), ([line]) => line);

const hasCurl = ((): boolean => {
  try {
    execFileSync('curl', ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
})();
const skip = !hasCurl && 'there is no curl here';

/** What the shell makes of a command of the document. */
function shell(command: string, directory: string): Promise<{ code: number | null; out: string }> {
  const child = spawn('sh', ['-c', command.replaceAll('/run/ppp_thing', directory)]);
  let out = '';
  child.stdout.on('data', (chunk) => (out += String(chunk)));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, out })));
}

t.test('docs/api.md › every curl in it works', { skip }, async (t) => {
  const { directory } = await holding(t);
  t.ok(commands.length >= 8);
  for (const command of commands) {
    const { code, out } = await shell(command, directory);
    // 28: --max-time has passed, as for a stream it must.
    t.equal(code, command.includes('--max-time') ? 28 : 0, command);
    if (command.includes('/dev/null')) t.equal(out, '');
    else if (command.endsWith('/handoff')) t.match(out, /refused: no partner is configured/);
    else t.match(out, /pppoe0|"level":"debug"/, command);
  }
});

t.test('docs/api.md › the track script fails while the helper is away', { skip }, async (t) => {
  const { directory } = await bench(t, { helper: false });
  const command = commands.find((each) => each.includes('/v1/health')) ?? '';
  t.equal((await shell(command, directory)).code, 22, 'curl -f: 503');
});

t.test('docs/api.md › it names every path of openapi.json', async (t) => {
  const { paths } = JSON.parse(readFileSync('docs/openapi.json', 'utf8')) as { paths: object };
  for (const path of Object.keys(paths)) {
    t.ok(text.includes(`${path.replace('{name}', 'NAME')}\``), path);
  }
});
