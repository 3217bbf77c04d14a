/**
 * The import rule, read from the sources: who may import what. It knows nothing of what the modules do.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import t from 'tap';

const root = process.cwd();
const FFI = 'koffi';

/** Every TypeScript source below `folder` (or the one source it names), as paths from the root. */
function sources(folder: string): string[] {
  if (folder.endsWith('.ts')) return [folder];
  return readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.includes('node_modules'))
    .map((name) => join(folder, name));
}

interface Import {
  readonly target: string;
  readonly typesOnly: boolean;
}

/** The modules a source imports: relative ones as paths from the root, `@ppp-thing/x/y` as packages/x/src/y.ts. */
function imports(path: string): Import[] {
  const text = readFileSync(join(root, path), 'utf8');
  const found = text.matchAll(
    /^(?:import|export)\s+(type\s)?(?:[^'";]*?\sfrom\s+)?'([^']+)'|\bimport\('([^']+)'\)/gm,
  );
  return Array.from(found, ([, isType, statically, dynamically]) => {
    const name = statically ?? dynamically ?? '';
    const own = /^@ppp-thing\/([^/]+)\/(.+)$/.exec(name);
    if (own !== null) {
      return { target: `packages/${own[1]}/src/${own[2]}.ts`, typesOnly: isType !== undefined };
    }
    const target = name.startsWith('.')
      ? normalize(relative(root, join(root, dirname(path), name)))
      : name;
    return { target, typesOnly: isType !== undefined };
  });
}

const protocol = (layer: string): string => `packages/protocol/src/${layer}`;
const ground = ['time.ts', 'bytes.ts', 'printable.ts', 'addresses.ts', 'unreachable.ts'].map(
  protocol,
);
const session = protocol('session.ts');
const lease = protocol('lease.ts');
const limits = protocol('snapshot-limits.ts');
const engineRoot = ['events', 'out', 'session-config', 'timers', 'random', 'hashes'].map((name) =>
  protocol(`engine/${name}.ts`),
);

/** What each wing of the engine stands on: itself, the wings below it, and what the engine's root lends to all. */
const wing =
  (...wings: readonly string[]) =>
  ({ target }: Import): boolean =>
    ground.includes(target) ||
    target === session ||
    target === lease ||
    target === limits ||
    engineRoot.includes(target) ||
    target.startsWith(protocol('wire/')) ||
    wings.some((name) => target.startsWith(protocol(`engine/${name}/`)));

/** What the sources under a folder may import. `node:` and packages are named as they are written. */
const RULES: readonly {
  readonly under: string;
  readonly may: (imported: Import, from: string) => boolean;
}[] = [
  {
    under: protocol('wire'),
    may: ({ target, typesOnly }, from) =>
      ground.includes(target) ||
      target === limits ||
      target.startsWith(protocol('wire/')) ||
      // The order of epochs is the session's.
      (target === session && (typesOnly || from === protocol('wire/announce-proof.ts'))) ||
      (typesOnly && target === lease),
  },
  {
    under: protocol('session.ts'),
    may: ({ target, typesOnly }) =>
      typesOnly && (target === lease || target.startsWith(protocol('wire/'))),
  },
  {
    under: protocol('lease.ts'),
    may: ({ target }) => ground.includes(target) || target.startsWith(protocol('wire/')),
  },
  {
    under: protocol('engine'),
    may: ({ target }) =>
      ground.includes(target) ||
      target === session ||
      target === lease ||
      target === limits ||
      target.startsWith(protocol('engine/')) ||
      target.startsWith(protocol('wire/')),
  },
  { under: protocol('engine/ppp'), may: wing('ppp') },
  { under: protocol('engine/dhcp6'), may: wing('dhcp6') },
  { under: protocol('engine/link'), may: wing('link', 'ppp') },
  { under: protocol('engine/owner'), may: wing('owner', 'link', 'ppp', 'dhcp6') },
  {
    under: protocol('ipc'),
    may: ({ target }) =>
      ground.includes(target) || target === limits || target.startsWith(protocol('ipc/')),
  },
  {
    under: 'packages/helper/src',
    may: ({ target }, from) =>
      target.startsWith('packages/helper/src/') ||
      target === protocol('addresses.ts') ||
      target === protocol('bytes.ts') ||
      target === protocol('config-text.ts') ||
      target === protocol('guard.ts') ||
      target === protocol('ignored-signals.ts') ||
      target === protocol('line-output.ts') ||
      target === protocol('node-names.ts') ||
      target === protocol('version.ts') ||
      target === limits ||
      // Addresses as text: no octets of a stranger's.
      target === protocol('wire/ipv6.ts') ||
      target.startsWith(protocol('ipc/')) ||
      target.startsWith('node:') ||
      target === 'smol-toml' ||
      (target === FFI && from === 'packages/helper/src/libc.ts'),
  },
  {
    under: 'packages/supervisor/src',
    may: ({ target }) =>
      target !== FFI &&
      !target.startsWith('packages/helper/') &&
      !target.startsWith('packages/lab/') &&
      !target.startsWith('packages/ctl/'),
  },
  {
    under: 'packages/ctl/src',
    may: ({ target, typesOnly }) =>
      !target.startsWith('packages/') ||
      target.startsWith('packages/ctl/') ||
      target === 'packages/supervisor/src/api.ts' ||
      target === 'packages/supervisor/src/places.ts' ||
      target === 'packages/supervisor/src/keys.ts' ||
      // What reading them throws.
      target === 'packages/supervisor/src/errors.ts' ||
      target === protocol('config-text.ts') ||
      target === protocol('node-names.ts') ||
      target === protocol('printable.ts') ||
      target === protocol('version.ts') ||
      target.startsWith('packages/supervisor/src/config') ||
      typesOnly,
  },
];

for (const { under, may } of RULES) {
  t.test(`architecture › ${under} imports only what its layer may`, async (t) => {
    for (const path of sources(under)) {
      for (const imported of imports(path)) {
        t.ok(may(imported, path), `${path} imports ${imported.target}`);
      }
    }
  });
}

t.test('architecture › engine takes types and constants from wire, no codecs', async (t) => {
  for (const path of sources(protocol('engine'))) {
    const text = readFileSync(join(root, path), 'utf8');
    t.notMatch(text, /\b(?:encode|decode)[A-Z]\w*\s*[(,}]/, path);
  }
});

t.test(
  'architecture › protocol cannot name a clock, a timer, randomness or a runtime',
  async (t) => {
    for (const path of sources('packages/protocol/src')) {
      const text = readFileSync(join(root, path), 'utf8');
      t.notMatch(text, /Date|setTimeout|Math\.random|process\.|Buffer|node:/, path);
    }
  },
);

t.test('architecture › there is no cycle between modules, types included', async (t) => {
  const graph = new Map<string, string[]>();
  for (const path of sources('packages').filter((name) => name.includes('/src/'))) {
    const targets = imports(path).map(({ target }) => target);
    graph.set(
      path,
      targets.filter((target) => target.startsWith('packages/')),
    );
  }
  const done = new Set<string>();
  const visit = (path: string, trail: readonly string[]): void => {
    t.notOk(trail.includes(path), [...trail, path].join(' -> '));
    if (trail.includes(path) || done.has(path)) return;
    done.add(path);
    for (const target of graph.get(path) ?? []) visit(target, [...trail, path]);
  };
  for (const path of graph.keys()) visit(path, []);
  t.ok(done.size > 20, 'the sources were found');
});
