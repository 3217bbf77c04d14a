import { spawnSync } from 'node:child_process';
import t from 'tap';

const HEAP = import.meta.resolve('@ppp-thing/supervisor/heap');

/** What V8 has set aside at most, and for new objects at the end, in a process that makes much and keeps each for a while. */
function measure(prepare: string): { readonly most: number; readonly young: number } {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8';
    ${prepare}
    const kept = [];
    let most = 0;
    for (let i = 0; i < 1e6; i++) {
      kept[i % 2e5] = { i, list: [i] };
      if (i % 1e4 === 0) most = Math.max(most, process.memoryUsage().heapTotal);
    }
    const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    process.stdout.write(JSON.stringify({ most, young: space.space_size }));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  return JSON.parse(run.stdout.toString());
}

t.test(
  'heap › it stays close to what is in use',
  { skip: process.versions['bun'] !== undefined && 'only V8 has these flags' },
  async (t) => {
    const small = measure(
      `import { keepHeapSmall } from ${JSON.stringify(HEAP)}; keepHeapSmall();`,
    );
    const own = measure('');
    t.ok(small.young <= 4 * 2 ** 20, `${small.young} octets for new objects`);
    t.ok(own.young > 2 * small.young, `${own.young} octets without it`);
    t.ok(small.most < 0.8 * own.most, `${small.most} octets at most, ${own.most} without it`);
  },
);
