/** Runs the Makefile's targets for the packaging tests. It judges nothing but whether npm's registry was there. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../../../', import.meta.url));

export interface Made {
  readonly code: number | null;
  readonly output: string;
  /** Why nothing could be fetched, as npm says it; undefined if something could, or nothing was wanted. */
  readonly unreachable: string | undefined;
}

/** Without the make that runs the tests, and without npm's waits for a registry that is not there. */
function environment(): NodeJS.ProcessEnv {
  const kept = Object.entries(process.env).filter(([name]) => !/^(MAKE|MFLAGS|\.MAKE)/.test(name));
  return { ...Object.fromEntries(kept), npm_config_fetch_retries: '0' };
}

/** `make` in the checkout. Packages of the checkout are left alone: NPM is only asked for what is packed. */
export function make(command: string, ...words: readonly string[]): Made {
  // tap gives every child its own loader, under which commands without an extension, tsc among them, do not load.
  const bare = ['-u', 'NODE_OPTIONS', command, ...words, 'NPM=true'];
  const { status, stdout, stderr } = spawnSync('env', bare, {
    cwd: ROOT,
    encoding: 'utf8',
    env: environment(),
  });
  const output = `${stdout ?? ''}${stderr ?? ''}`;
  const [unreachable] =
    /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH)\b/.exec(output) ?? [];
  return { code: status, output, unreachable: status === 0 ? undefined : unreachable };
}

/** The makes of this host: its own, and BSD's where that is another. */
export function makes(): readonly string[] {
  return ['make', 'bmake'].filter(
    (command) => spawnSync(command, ['-n', '-f', '/dev/null']).error === undefined,
  );
}

/** FreeBSD's own make is BSD make; elsewhere it is called bmake. */
export const BSD_MAKE = process.platform === 'freebsd' ? 'make' : 'bmake';
/** Why a test of it is skipped; false where there is one. */
export const noBsdMake = makes().includes(BSD_MAKE)
  ? false
  : 'BSD make is not installed (apt-get install bmake)';

export const PORT = join(ROOT, 'packaging/freebsd');

/** The port's Makefile as the ports framework reads it, on a stub of bsd.port.mk. */
export const port = (...words: readonly string[]) =>
  spawnSync(
    BSD_MAKE,
    ['-r', '-m', join(ROOT, 'test/packaging/stub'), '-f', join(PORT, 'Makefile'), ...words],
    { cwd: PORT, encoding: 'utf8' },
  );

/** Every file below `folder`, by its name in it; anything that is neither file nor directory is an error. */
export function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => !entry.isDirectory())
    .map((entry) => {
      const path = join(entry.parentPath, entry.name);
      if (!entry.isFile()) throw new Error(`${path} is neither a file nor a directory`);
      return relative(folder, path);
    })
    .sort();
}

export const modeOf = (path: string): string => (statSync(path).mode & 0o7777).toString(8);

export interface Binary {
  readonly name: string;
  readonly os: string;
  readonly cpu: string;
}

/** The ELF files below `folder`, and for whom they are (the header's e_ident[EI_OSABI] and e_machine). */
export function binariesBelow(folder: string): readonly Binary[] {
  return filesBelow(folder).flatMap((name) => {
    const octets = readFileSync(join(folder, name));
    if (octets.toString('latin1', 0, 4) !== '\u007fELF') return [];
    const machine = octets.readUInt16LE(18);
    const os = octets[7] === 9 ? 'freebsd' : 'linux';
    const cpu = machine === 62 ? 'x64' : machine === 183 ? 'arm64' : String(machine);
    return [{ name, os, cpu }];
  });
}
