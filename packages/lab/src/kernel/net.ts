/**
 * The lab's network inside the guest, out of network namespaces: an Access Concentrator, two routers and a LAN host, and
 * between them a switch that can be unplugged port by port. It starts no program that stays.
 *
 * ```
 *   ac ──┐                       ac: eth0 line, inet0 198.51.100.1 (the Internet)
 *   r1 ──┼── bridge line         r1, r2: eth0 line, eth1 LAN (VRRP), eth2 partner link
 *   r2 ──┘
 *   r1, r2, lan ── bridge lan    192.168.7.0/24, virtual address .1, r1 .2, r2 .3, host .100
 *   r1, r2 ── bridge sync        10.99.0.1, 10.99.0.2
 *   stock ── bridge line         a stock pppd, to compare with
 * ```
 */
import { execa } from 'execa';

export type Host = 'sw' | 'ac' | 'r1' | 'r2' | 'lan' | 'stock';
export type Router = 'r1' | 'r2';

export const INTERNET = '198.51.100.1';
export const VIRTUAL = '192.168.7.1';
/** The MAC address on the line that both routers use for the session. */
export const SESSION_MAC = '02:00:5e:10:53:01';

export const ADDRESSES: Readonly<Record<Router, { readonly lan: string; readonly sync: string }>> =
  {
    r1: { lan: '192.168.7.2', sync: '10.99.0.1' },
    r2: { lan: '192.168.7.3', sync: '10.99.0.2' },
  };

export const otherThan = (router: Router): Router => (router === 'r1' ? 'r2' : 'r1');

const BRIDGES = ['line', 'lan', 'sync'] as const;
type Bridge = (typeof BRIDGES)[number];

const PLUGS: readonly (readonly [Host, string, Bridge])[] = [
  ['ac', 'eth0', 'line'],
  ['r1', 'eth0', 'line'],
  ['r2', 'eth0', 'line'],
  ['stock', 'eth0', 'line'],
  ['r1', 'eth1', 'lan'],
  ['r2', 'eth1', 'lan'],
  ['lan', 'eth0', 'lan'],
  ['r1', 'eth2', 'sync'],
  ['r2', 'eth2', 'sync'],
];

/** The interface of the switch that a host's interface is plugged into. */
export const port = (host: Host, name: string): string => `${host}-${name}`;

/** Run `ip` once for many commands: starting a process is the guest's slowest act. */
async function batch(host: Host | undefined, lines: readonly string[]): Promise<void> {
  const inside = host === undefined ? [] : ['-n', host];
  await execa('ip', [...inside, '-batch', '-'], { input: `${lines.join('\n')}\n` });
}

export async function buildNetwork(): Promise<void> {
  const hosts: readonly Host[] = ['sw', 'ac', 'r1', 'r2', 'lan', 'stock'];
  await batch(
    undefined,
    hosts.map((host) => `netns add ${host}`),
  );
  await batch('sw', [
    'link set lo up',
    // A real switch learns and forwards at once; no spanning tree, no snooping that loses VRRP's multicast.
    ...BRIDGES.map((name) => `link add ${name} up type bridge forward_delay 0 mcast_snooping 0`),
    ...PLUGS.flatMap(([host, name, bridge]) => [
      `link add ${port(host, name)} type veth peer name ${name} netns ${host}`,
      `link set ${port(host, name)} master ${bridge} up`,
    ]),
  ]);
  const routerLines = (router: Router): string[] => [
    'link set lo up',
    'link set eth0 up',
    'link set eth1 up',
    'link set eth2 up',
    `addr add ${ADDRESSES[router].lan}/24 dev eth1`,
    `addr add ${ADDRESSES[router].sync}/30 dev eth2`,
  ];
  await batch('r1', routerLines('r1'));
  await batch('r2', routerLines('r2'));
  await batch('ac', [
    'link set lo up',
    'link set eth0 up',
    'link add inet0 type dummy',
    `addr add ${INTERNET}/32 dev inet0`,
    'link set inet0 up',
  ]);
  await batch('lan', [
    'link set lo up',
    'link set eth0 up',
    'addr add 192.168.7.100/24 dev eth0',
    `route add default via ${VIRTUAL}`,
  ]);
  await batch('stock', ['link set lo up', 'link set eth0 up']);
}

/** Plug a host's interface into the switch, or unplug it: the host sees its carrier come and go. */
export async function plug(host: Host, names: readonly string[], inPlace: boolean): Promise<void> {
  const state = inPlace ? 'up' : 'down';
  await batch(
    'sw',
    names.map((name) => `link set ${port(host, name)} ${state}`),
  );
}

/** The words that run a program in a host's network namespace. */
export const inside = (host: Host, program: string, ...args: readonly string[]): string[] => [
  'netns',
  'exec',
  host,
  program,
  ...args,
];
