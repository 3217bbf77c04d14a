/**
 * Measures a failover in which the session does not move, in the guest: two routers with stock pppd and Debian's dhcpcd. One
 * loses its power, and the other one dials. The lab spares this pair three waits: the other router dials at the moment of the
 * cut, the AC grants a second session while it still has the first, and the LAN host changes its address without waiting for
 * an advertisement.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { stockClient } from './ac.ts';
import { inside, plug, type Router } from './net.ts';
import { Station, until } from './station.ts';
import { GUEST_RESULT } from './uml.ts';

export interface Redial {
  /** The LAN's prefix before and after. */
  readonly before: string;
  readonly after: string;
  /** Without an answered probe. */
  readonly gapMs: number;
  /** Of these, how long after IPV6CP the lab's DHCPv6 server listened: an ISP's is there already. */
  readonly serverMs: number;
  /** Octets still come back on the TCP connection. */
  readonly tcp: boolean;
}

const LIMIT = 60_000;
const CONFIGURATION = `duid
ipv6only
noipv6rs
nohook resolv.conf, hostname
interface ppp0
  ia_pd 1 eth1/1
`;

/** Files of the router's own: the AC's pppd has its in /etc/ppp, and two machines have two DUIDs. */
const script = (gateway: string): string => `#!/bin/sh -e
mkdir -p /run/dhcpcd
for place in /etc/ppp /var/lib/dhcpcd /run/dhcpcd; do mount -t tmpfs own $place; done
: >/etc/ppp/options
cat >/etc/ppp/ipv6-up <<END
#!/bin/sh
ip -6 route replace default dev ppp0
exec dhcpcd -B -d -f /run/stock.conf ppp0 >>${GUEST_RESULT}/$1-dhcpcd.log 2>&1
END
chmod 755 /etc/ppp/ipv6-up
ip -6 addr replace ${gateway}/64 dev eth1 nodad
pppd ${stockClient('eth0').join(' ').replace('noipv6', '+ipv6')} >>${GUEST_RESULT}/$1-pppd.log 2>&1
exit 0
`;

/**
 * Dial; returns what ends all of it at once. The first process is a shell, because the signal of --kill-child does not reach
 * one that has dropped its privileges, as dhcpcd does.
 */
function start(name: Router): () => Promise<void> {
  const words = ['unshare', '--pid', '--fork', '--kill-child', 'sh', '/run/stock', name] as const;
  const running = execa('ip', inside(name, ...words), { stdin: 'ignore', reject: false });
  return async () => {
    running.kill('SIGKILL');
    await running;
  };
}

/** The /64 on the router's LAN; '' for none. */
async function prefixOf(name: Router): Promise<string> {
  const words = ['-n', name, '-6', '-o', 'addr', 'show', 'dev', 'eth1', 'scope', 'global'];
  const { stdout } = await execa('ip', [...words, '-tentative']);
  return /inet6 (\S*::)\S*\/64/.exec(stdout)?.[1] ?? '';
}

/** From the AC's ipv6-up, which notes when it begins, to the server's word that it has started. */
async function serverMs(): Promise<number> {
  const began = Number(await readFile('/run/ppp/ipv6-up-at', 'utf8'));
  const log = await readFile(`${GUEST_RESULT}/kea.log`, 'utf8');
  const [, day, time] = [...log.matchAll(/^(\S+) (\S+) .*DHCP6_STARTED/gm)].at(-1) ?? [];
  return Date.parse(`${day}T${time}`) - began;
}

/** Both routers are without a program, and the AC serves. `first` loses its power. */
export async function redial(internet: string, gateway: string): Promise<Redial> {
  await writeFile('/run/stock.conf', CONFIGURATION);
  await writeFile('/run/stock', script(gateway));
  const lan = (...words: readonly string[]): Promise<unknown> =>
    execa('ip', ['-n', 'lan', '-6', ...words], { reject: false });
  const dial = async (name: Router): Promise<{ prefix: string; end: () => Promise<void> }> => {
    const end = start(name);
    await until(`the prefix of ${name}`, LIMIT, async () => (await prefixOf(name)) !== '');
    const prefix = await prefixOf(name);
    await lan('addr', 'flush', 'dev', 'eth0', 'scope', 'global');
    await lan('neigh', 'flush', 'dev', 'eth0');
    await lan('addr', 'add', `${prefix}100/64`, 'dev', 'eth0', 'nodad');
    await lan('route', 'replace', 'default', 'via', gateway, 'dev', 'eth0');
    return { prefix, end };
  };
  const first = await dial('r1');
  const probe = new Station('lan', 'probe', internet);
  await probe.ready();
  await probe.begin();
  await Promise.all([plug('r1', ['eth0', 'eth1'], false), first.end()]);
  const second = await dial('r2');
  await until('steady traffic', LIMIT, async () => (await probe.report()).steadyMs > 1000);
  const { gapMs, tcpSteadyMs } = await probe.report();
  await second.end();
  await probe.stop();
  const [before, after] = [first.prefix, second.prefix];
  return { before, after, gapMs, serverMs: await serverMs(), tcp: tcpSteadyMs > 0 };
}
