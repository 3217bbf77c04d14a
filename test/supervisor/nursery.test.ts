import { spawnSync } from 'node:child_process';
import t from 'tap';

const NURSERY = import.meta.resolve('@ppp-thing/supervisor/nursery');

/** Octets that V8 has set aside for new objects, in a process that has made many, and kept each for a while. */
function spaceAfter(prepare: string): number {
  const program = `
    import { getHeapSpaceStatistics } from 'node:v8';
    ${prepare}
    const kept = [];
    for (let i = 0; i < 2e6; i++) kept[i % 2e5] = { i };
    const space = getHeapSpaceStatistics().find(({ space_name }) => space_name === 'new_space');
    process.stdout.write(String(space.space_size));`;
  const run = spawnSync(process.execPath, ['--input-type=module', '-e', program]);
  return Number(run.stdout);
}

t.test(
  'nursery › the space for new objects stays as it is at the start',
  { skip: process.versions['bun'] !== undefined && 'only V8 has one' },
  async (t) => {
    const small = spaceAfter(
      `import { keepNurserySmall } from ${JSON.stringify(NURSERY)}; keepNurserySmall();`,
    );
    const grown = spaceAfter('');
    t.ok(small > 0 && small <= 4 * 2 ** 20, `${small} octets`);
    t.ok(grown > 2 * small, `${grown} octets without it`);
  },
);
