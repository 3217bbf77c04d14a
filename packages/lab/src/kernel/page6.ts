/** What docs/ipv6.md tells the administrator of a Linux router to write, in its own words but for the interfaces' names. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Router } from './net.ts';

const fileOf = (path: string): string =>
  fileURLToPath(new URL(`../../../../${path}`, import.meta.url));

/** The sample that the page names. */
export const RADVD = fileOf('etc/linux/radvd.conf.sample');
/** Each router's link-local address on the LAN, and the end of its global one. */
export const OWN6 = {
  r1: { local: 'fe80::2', host: '::2' },
  r2: { local: 'fe80::3', host: '::3' },
} as const;

export interface Page6 {
  /** Of the session's table, and the tables below it. */
  readonly configuration: Readonly<Record<Router, string>>;
  /** The address that keepalived moves. */
  readonly gateway: string;
  /** Of the supervisor, as setpriv(1) names it. */
  readonly capability: string;
  /** A word for sysctl(8). */
  readonly forwarding: string;
}

/**
 * @param names  of the page's session, and of its LAN, in this network
 * @throws Error if the page no longer says it
 */
export async function readPage6(names: { session: string; lan: string }): Promise<Page6> {
  const page = await readFile(fileOf('docs/ipv6.md'), 'utf8');
  const said = (pattern: RegExp): string => {
    const [, text] = pattern.exec(page) ?? [];
    if (text === undefined) throw new Error(`docs/ipv6.md says nothing like ${pattern}`);
    return text;
  };
  const r1 = said(/^```toml\n\[session\.pppoe0\]\n([^]*?)^```$/m)
    .replaceAll('pppoe0', names.session)
    .replaceAll('igb1', names.lan);
  const r2 = r1
    .replaceAll(`"${OWN6.r1.host}"`, `"${OWN6.r2.host}"`)
    .replace(`${OWN6.r2.local}%`, `${OWN6.r1.local}%`);
  return {
    configuration: { r1, r2 },
    gateway: said(/virtual_ipaddress_excluded \{\s*(\S+)\/64\s*\}/),
    capability: said(/^AmbientCapabilities=CAP_(\w+)$/m).toLowerCase(),
    forwarding: said(/Linux: `(\S+=1)` in sysctl/),
  };
}
