/** The alerts and the dashboard: every metric they name is one that the supervisor has, and promtool tries the alerts. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { holding } from '../supervisor/status-bench.ts';
import { ROOT } from './make.ts';

const FOLDER = join(ROOT, 'etc/prometheus');
const FILES = ['ppp_thing.rules.yml', 'ppp_thing.test.yml', 'ppp_thing.dashboard.json'];
const unavailable =
  spawnSync('promtool', ['--version']).error !== undefined &&
  'promtool is not installed (apt-get install prometheus)';

t.test('prometheus › every metric that the alerts and the dashboard name exists', async (t) => {
  const { ask } = await holding(t);
  const { body } = await ask('status', 'GET', '/v1/metrics');
  const known = new Set(Array.from(body.matchAll(/^(ppp_thing_\w+)/gm), ([, name]) => name));
  // Samples that a pair without trouble has none of are known by their help.
  for (const [, name] of body.matchAll(/^# HELP (\w+)/gm)) known.add(name);
  for (const file of FILES) {
    const text = readFileSync(join(FOLDER, file), 'utf8').replaceAll(
      /ppp_thing\.(rules|test)\.yml/g,
      '',
    );
    for (const [name] of text.matchAll(/\bppp_thing_\w+/g))
      t.ok(known.has(name), `${file}: ${name}`);
  }
});

t.test(
  'prometheus › promtool takes the rules and their tests',
  { skip: unavailable },
  async (t) => {
    for (const words of [
      ['check', 'rules', 'ppp_thing.rules.yml'],
      ['test', 'rules', 'ppp_thing.test.yml'],
    ]) {
      const { status, stdout, stderr } = spawnSync('promtool', words, {
        cwd: FOLDER,
        encoding: 'utf8',
      });
      t.equal(status, 0, stdout + stderr);
    }
  },
);

t.test('prometheus › promtool takes the metrics', { skip: unavailable }, async (t) => {
  const { ask } = await holding(t);
  const { body } = await ask('status', 'GET', '/v1/metrics');
  const { stdout, stderr } = spawnSync('promtool', ['check', 'metrics'], {
    input: body,
    encoding: 'utf8',
  });
  // Its other words are about names and help texts.
  t.notMatch(stdout + stderr, /error|parsing|expected|invalid/i);
});
