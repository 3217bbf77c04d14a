/** The fuzzer's corpus: every decoder takes or refuses each input that once led somewhere new. It looks for no others. */
import { readdirSync } from 'node:fs';
import { readCorpus } from '@ppp-thing/lab/fuzz/main';
import { TARGETS } from '@ppp-thing/lab/fuzz/targets';
import t from 'tap';

for (const { name, run, seeds } of TARGETS)
  void t.test(`fuzz › ${name} › takes or refuses all that is known`, async (t) => {
    const corpus = readCorpus(name);
    t.ok(corpus.length > 0);
    for (const input of [...seeds, ...corpus]) run(input);
  });

void t.test('fuzz › each corpus has a target', async (t) => {
  const names = readdirSync('test/fixtures/fuzz').map((file) => file.replace(/\.hex$/, ''));
  t.same(names.sort(), TARGETS.map(({ name }) => name).sort());
});
