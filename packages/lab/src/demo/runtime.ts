/** Which program runs the helpers and supervisors: this Node.js, or the Bun that npm installed. */
import { accessSync, constants } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const RUNTIMES = ['node', 'bun'] as const;

/** The path of the program. Throws Error with everything that was looked at if there is none. */
export function findRuntime(name: (typeof RUNTIMES)[number]): string {
  if (name === 'node') return process.versions['bun'] === undefined ? process.execPath : 'node';
  const looked: string[] = [];
  for (let at = dirname(fileURLToPath(import.meta.url)); ; at = dirname(at)) {
    // The platform's own package first: the other is a stub where install scripts do not run.
    for (const path of [`@oven/bun-${process.platform}-${process.arch}/bin/bun`, '.bin/bun']) {
      const candidate = join(at, 'node_modules', path);
      if (isProgram(candidate)) return candidate;
      looked.push(candidate);
    }
    if (at === dirname(at)) break;
  }
  throw new Error(`find bun: ENOENT: none of ${looked.join(', ')}`);
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
