/**
 * The network of the pair on one FreeBSD host: five vnet jails, epairs between them, a bridge for the LAN, CARP. It is made
 * and removed by name alone, so that a run that was killed leaves nothing that the next one does not find. It starts no
 * program. With pppoed(8) there is no `ppt_ac`: its end of the line stays in the host's own network stack (`AC_AT`).
 *
 * ```
 *   ppt_ac   ppt_acl ── ppt_sac ┐           a learning switch in user space (line.ts), over BPF: in one kernel a frame may
 *   ppt_r1   ppt_r1l ── ppt_sr1 ┼ ppt_sw    not go straight from a client's netgraph to a server's, but what was written
 *   ppt_r2   ppt_r2l ── ppt_sr2 ┘           through BPF arrives whole
 *   ppt_r1   ppt_r1n ── ppt_br1 ┐
 *   ppt_r2   ppt_r2n ── ppt_br2 ┼ bridge ppt_bridge in ppt_sw: the LAN, 192.168.7.0/24, CARP 192.168.7.1
 *   ppt_lan  ppt_lan0 ─ ppt_blan┘
 *   ppt_r1   ppt_r1s ── ppt_r2s   ppt_r2    the partner channel, 10.99.0.0/30
 * ```
 */
import type { Commands, Say } from './commands.ts';

export const PREFIX = 'ppt_';
export type Jail = 'ppt_sw' | 'ppt_ac' | 'ppt_r1' | 'ppt_r2' | 'ppt_lan';
export type RouterName = 'r1' | 'r2';
export const ROUTERS = ['r1', 'r2'] as const;
export const JAILS: readonly Jail[] = ['ppt_sw', 'ppt_ac', 'ppt_r1', 'ppt_r2', 'ppt_lan'];
export const BRIDGE = 'ppt_bridge';
export const VHID = 1;
export const VIRTUAL = '192.168.7.1';
export const LAN_NET = '192.168.7.0/24';
/** An address beyond the Access Concentrator. */
export const INTERNET = '198.51.100.1';

export const ADDRESSES: Readonly<
  Record<RouterName, { readonly lan: string; readonly sync: string; readonly advskew: number }>
> = {
  r1: { lan: '192.168.7.2', sync: '10.99.0.1', advskew: 0 },
  r2: { lan: '192.168.7.3', sync: '10.99.0.2', advskew: 100 },
};

export type AcKind = 'lab' | 'pppoed';
/** A jail, or the host's own network stack, which no run destroys. */
export type Where = Jail | 'host';
/** A vnet jail in which pppoed(8) has answered a PADI panics the kernel when it is destroyed: pppoed(8) gets none. */
export const AC_AT: Readonly<Record<AcKind, Where>> = { lab: 'ppt_ac', pppoed: 'host' };

export const jailOf = (router: RouterName): Jail => `ppt_${router}`;
export const otherThan = (router: RouterName): RouterName => (router === 'r1' ? 'r2' : 'r1');
/** The line, the LAN and the cable to the partner, as a router names them. */
export const portsOf = (router: RouterName) =>
  ({ line: `ppt_${router}l`, lan: `ppt_${router}n`, sync: `ppt_${router}s` }) as const;
export const AC_PORT = 'ppt_acl';
/** The switch's ends of the line. */
export const SWITCH_PORTS = { r1: 'ppt_sr1', r2: 'ppt_sr2', ac: 'ppt_sac' } as const;
const BRIDGE_PORTS = ['ppt_br1', 'ppt_br2', 'ppt_blan'] as const;

interface End {
  readonly jail: Where;
  readonly name: string;
}
/** Cables. Every name has at most 15 characters. */
const cables = (ac: AcKind): readonly (readonly [End, End])[] => [
  [
    { jail: AC_AT[ac], name: AC_PORT },
    { jail: 'ppt_sw', name: SWITCH_PORTS.ac },
  ],
  [
    { jail: 'ppt_r1', name: 'ppt_r1l' },
    { jail: 'ppt_sw', name: SWITCH_PORTS.r1 },
  ],
  [
    { jail: 'ppt_r2', name: 'ppt_r2l' },
    { jail: 'ppt_sw', name: SWITCH_PORTS.r2 },
  ],
  [
    { jail: 'ppt_r1', name: 'ppt_r1n' },
    { jail: 'ppt_sw', name: 'ppt_br1' },
  ],
  [
    { jail: 'ppt_r2', name: 'ppt_r2n' },
    { jail: 'ppt_sw', name: 'ppt_br2' },
  ],
  [
    { jail: 'ppt_lan', name: 'ppt_lan0' },
    { jail: 'ppt_sw', name: 'ppt_blan' },
  ],
  [
    { jail: 'ppt_r1', name: 'ppt_r1s' },
    { jail: 'ppt_r2', name: 'ppt_r2s' },
  ],
];

/** In a jail none can be loaded, so all are loaded before. */
export const MODULES =
  'netgraph ng_socket ng_ether ng_hub ng_bpf ng_etf ng_pppoe ng_ppp ng_iface carp if_epair if_bridge'.split(
    ' ',
  );

export const PF_MODULES = ['pf', 'pfsync'] as const;

/** A command in a jail; the jail shares the host's files and devices. */
export function inside(where: Where, ...words: readonly string[]): readonly [string, ...string[]] {
  const [command = '', ...rest] = words;
  return where === 'host' ? [command, ...rest] : ['jexec', where, ...words];
}

export async function buildNetwork(commands: Commands, ac: AcKind): Promise<void> {
  // -n: one that is loaded already is no failure.
  for (const module of MODULES) await commands.run(`load ${module}`, 'kldload', '-n', module);
  // Where these are missing there is no NAT to be shown, and all else is.
  for (const module of PF_MODULES) await commands.attempt('kldload', '-n', module);
  for (const jail of JAILS) {
    if (jail === 'ppt_ac' && AC_AT[ac] === 'host') continue;
    const words = [`name=${jail}`, `host.hostname=${jail}`, 'path=/', 'vnet', 'persist'];
    await commands.run(`make jail ${jail}`, 'jail', '-c', ...words, 'allow.raw_sockets');
    await commands.run('bring up lo0', ...inside(jail, 'ifconfig', 'lo0', '127.0.0.1/8', 'up'));
  }
  for (const cable of cables(ac)) await lay(commands, cable);
  await bridge(commands);
  for (const router of ROUTERS) await address(commands, router);
  const lan = 'give lan its address';
  await commands.run(lan, ...inside('ppt_lan', 'ifconfig', 'ppt_lan0', '192.168.7.100/24', 'up'));
  await commands.run('route from lan', ...inside('ppt_lan', 'route', 'add', 'default', VIRTUAL));
  // On an interface of ours, with which it goes.
  const alias = inside(AC_AT[ac], 'ifconfig', AC_PORT, 'alias', `${INTERNET}/32`);
  await commands.run('give ac an address of the Internet', ...alias);
}

async function lay(commands: Commands, [a, b]: readonly [End, End]): Promise<void> {
  const made = (await commands.run('make an epair', 'ifconfig', 'epair', 'create')).trim();
  const ends = [
    { ...a, made },
    { ...b, made: `${made.slice(0, -1)}b` },
  ];
  // Named before they move: ng_ether gives a node the name that its interface has when it comes into a vnet.
  for (const { made: old, name } of ends)
    await commands.run(`name ${old}`, 'ifconfig', old, 'name', name);
  for (const { name, jail } of ends) {
    if (jail !== 'host')
      await commands.run(`move ${name} to ${jail}`, 'ifconfig', name, 'vnet', jail);
    // What BPF reads must be whole: where an epair leaves checksums to its other end, it shall not.
    const plain = ['-txcsum', '-txcsum6', '-rxcsum', '-rxcsum6'];
    await commands.attempt(...inside(jail, 'ifconfig', name, ...plain));
    await commands.run(`bring up ${name}`, ...inside(jail, 'ifconfig', name, 'up'));
  }
}

async function bridge(commands: Commands): Promise<void> {
  const create = inside('ppt_sw', 'ifconfig', 'bridge', 'create');
  const made = (await commands.run('make a bridge', ...create)).trim();
  const words = BRIDGE_PORTS.flatMap((port) => ['addm', port]);
  await commands.run('name it', ...inside('ppt_sw', 'ifconfig', made, 'name', BRIDGE));
  const plug = inside('ppt_sw', 'ifconfig', BRIDGE, ...words, 'up');
  await commands.run('plug the LAN together', ...plug);
}

async function address(commands: Commands, router: RouterName): Promise<void> {
  const jail = jailOf(router);
  const { lan, sync, advskew } = ADDRESSES[router];
  const ports = portsOf(router);
  const set = (what: string, ...words: readonly string[]): Promise<string> =>
    commands.run(`${router}: ${what}`, ...inside(jail, ...words));
  await set('forward', 'sysctl', 'net.inet.ip.forwarding=1');
  await set('preempt', 'sysctl', 'net.inet.carp.preempt=1');
  await set('its own address', 'ifconfig', ports.lan, `${lan}/24`);
  await set('the partner channel', 'ifconfig', ports.sync, `${sync}/30`);
  const carp = ['vhid', `${VHID}`, 'advskew', `${advskew}`, 'pass', 'ppt', 'alias'];
  await set('CARP', 'ifconfig', ports.lan, ...carp, `${VIRTUAL}/32`);
}

const words = (text: string): string[] => text.split(/\s+/).filter((each) => each !== '');

/** Our jails that there are. */
export async function jailsThere(commands: Commands): Promise<Jail[]> {
  const names = words((await commands.attempt('jls', 'name')).output);
  return JAILS.filter((jail) => names.includes(jail));
}

/** The interfaces of the host, or of a jail, that have our names. */
async function interfacesThere(commands: Commands, jail?: Jail): Promise<string[]> {
  const list = ['ifconfig', '-l'] as const;
  const { output } = await (jail === undefined
    ? commands.attempt(...list)
    : commands.attempt(...inside(jail, ...list)));
  return words(output).filter((name) => name.startsWith(PREFIX));
}

/** An interface whose jail has gone comes back a moment later. */
const LOOKS = 20;

/**
 * Remove everything that has our names, whoever made it, in an order that gives the kernel the least to do: interfaces out
 * of their jails, netgraph nodes, jails, interfaces. Each step is tried, whatever became of the one before.
 *
 * @param pause  between two looks for an interface that is on its way
 * @returns what remained, a line each; empty if all is gone
 */
export async function removeNetwork(
  commands: Commands,
  say: Say,
  pause: () => Promise<void>,
): Promise<string[]> {
  for (const jail of await jailsThere(commands)) {
    for (const name of await interfacesThere(commands, jail))
      if (name !== BRIDGE) await commands.attempt('ifconfig', name, '-vnet', jail);
    for (const node of await nodesThere(commands, jail))
      await commands.attempt(...inside(jail, 'ngctl', 'shutdown', `${node}:`));
    if (jail === 'ppt_sw') await commands.attempt(...inside(jail, 'ifconfig', BRIDGE, 'destroy'));
    const { code, line, output } = await commands.attempt('jail', '-r', jail);
    if (code !== 0) say(`${line}: exit ${code}: ${output.trim()}`);
  }
  // The other end goes with it, so the list is read anew each time.
  for (let looks = 0; looks < LOOKS; looks++) {
    const [first] = await interfacesThere(commands);
    if (first === undefined) break;
    const { code } = await commands.attempt('ifconfig', first, 'destroy');
    if (code !== 0) await pause();
  }
  return [
    ...(await jailsThere(commands)).map((jail) => `jail ${jail}`),
    ...(await interfacesThere(commands)).map((name) => `interface ${name}`),
  ];
}

/** The helper's nodes in a jail. No interface is left there, so none of them has a wire to say anything on. */
async function nodesThere(commands: Commands, jail: Jail): Promise<string[]> {
  const { output } = await commands.attempt(...inside(jail, 'ngctl', 'list'));
  return [...output.matchAll(/Name: (pt[hkr]*_\S+)/g)].map(([, name = '']) => name);
}
