/** What a run of the native tests ran on, so that what it found can be compared with what another found. */
import { readFileSync } from 'node:fs';
import type { Libc } from '@ppp-thing/helper/libc';

/** More than a kernel has to say of itself. */
const ROOM = 1024;

/** Where a kernel does not say, as a fake one. */
const ask = (libc: Libc, name: string): string => {
  try {
    const octets = libc.sysctl(name, ROOM);
    return new TextDecoder().decode(octets).replace(/[\0\n][^]*$/, '');
  } catch {
    return 'it does not say';
  }
};

/** Versions of ours, of the runtime and of the kernel behind `libc`, a line each. */
export function describeRun(libc: Libc | undefined): string[] {
  const manifest = readFileSync(new URL('../../../../package.json', import.meta.url), 'utf8');
  const { version } = JSON.parse(manifest) as { readonly version: string };
  const { bun, node } = process.versions;
  const runtime = bun === undefined ? `Node.js ${node}` : `Bun ${bun}`;
  return [
    `ppp-thing ${version}`,
    `runtime ${runtime}, ${process.platform} ${process.arch}`,
    ...(libc === undefined ? [] : [`kernel ${ask(libc, 'kern.version')}`]),
  ];
}
