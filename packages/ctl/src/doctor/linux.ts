/** Facts of a Linux router from /proc, /sys and ip(8). It judges nothing. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import {
  known,
  unknown,
  type Facts,
  type InterfaceFacts,
  type Known,
  type ProcessFacts,
} from './facts.ts';

/** Modules built in or loaded, recognised by the files they provide. */
export const linuxModules = (): Known<readonly string[]> =>
  known([
    ...(existsSync('/proc/net/pppoe') ? ['pppoe'] : []),
    ...(existsSync('/dev/ppp') ? ['ppp_generic'] : []),
  ]);

/** The fields of ip(8)'s JSON used here. */
interface IpLink {
  readonly ifname: string;
  readonly address?: string;
  readonly mtu: number;
  readonly flags: readonly string[];
  readonly linkinfo?: { readonly info_kind?: string };
  readonly addr_info?: readonly { readonly family: string; readonly local: string }[];
}

const isLink = (value: unknown): value is IpLink =>
  typeof value === 'object' &&
  value !== null &&
  'ifname' in value &&
  typeof value.ifname === 'string' &&
  'mtu' in value &&
  typeof value.mtu === 'number' &&
  'flags' in value &&
  Array.isArray(value.flags) &&
  (!('addr_info' in value) || Array.isArray(value.addr_info));

const VIRTUAL: readonly (string | undefined)[] = ['macvlan', 'macvtap', 'vlan', 'bridge', 'bond'];

/** Parses `ip -j -d address`; unknown if this ip(8) cannot print JSON. */
export function linuxInterfaces(text: string): Known<readonly InterfaceFacts[]> {
  const links = linksOf(text);
  if (links === undefined) return unknown('ip -j -d address does not print what iproute2 does');
  const facts = links.map((link) => ({
    name: link.ifname,
    mac: link.address,
    isVirtual: VIRTUAL.includes(link.linkinfo?.info_kind),
    mtu: link.mtu,
    isUp: link.flags.includes('UP'),
    carrier: link.flags.includes('UP') ? !link.flags.includes('NO-CARRIER') : undefined,
    addresses: (link.addr_info ?? [])
      .filter(({ family }) => family === 'inet')
      .map(({ local }) => local),
    carp: [],
    pfsyncVersion: undefined,
  }));
  return known(facts);
}

function linksOf(text: string): readonly IpLink[] | undefined {
  try {
    const links: unknown = JSON.parse(text);
    return Array.isArray(links) && links.every(isLink) ? links : undefined;
  } catch {
    return undefined;
  }
}

/** What the kernel does with IPv6: /proc/sys/net/ipv6/conf. A router obeys advertisements with accept_ra=2 only. */
export function linuxIpv6(): Pick<Facts, 'forwards6' | 'acceptsRa'> {
  const root = '/proc/sys/net/ipv6/conf';
  try {
    const read = (path: string): string => readFileSync(`${root}/${path}`, 'utf8').trim();
    return {
      forwards6: known(read('all/forwarding') === '1'),
      acceptsRa: known(readdirSync(root).filter((name) => read(`${name}/accept_ra`) === '2')),
    };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error)) throw error;
    const none = unknown(`read ${root}: ${String(error.code)}`);
    return { forwards6: none, acceptsRa: none };
  }
}

/** The processes visible to this user; skips one that exits meanwhile. */
export const linuxProcesses = (): readonly ProcessFacts[] =>
  readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .flatMap((pid) => {
      try {
        const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim();
        return [{ pid: Number(pid), name, arguments: words }];
      } catch (error) {
        if (!(error instanceof Error && 'code' in error)) throw error;
        return [];
      }
    });
