/**
 * IPv6 in the kernel lab's guest: the pair, a real Access Concentrator with IPV6CP, and behind it a real DHCPv6 server
 * (kea) that delegates a prefix. The routers are set up as docs/ipv6.md says: configuration, capability and gateway are
 * read from the page, radvd has the sample. A LAN host keeps a TCP connection over IPv6 through everything that happens to the
 * routers. What was said to the server is read from the capture, on the host.
 *
 * Usage: node guest6.js
 */
import { readFile, writeFile } from 'node:fs/promises';
import { execa } from 'execa';
import { prepareAc, startAc } from './ac.ts';
import { QUIET_MS, startCapture } from './capture.ts';
import { buildNetwork, inside, otherThan, plug, type Host } from './net.ts';
import { OWN6, RADVD, readPage6 } from './page6.ts';
import { Router, SESSION } from './router.ts';
import { holderOf, isArmed } from './scenes.ts';
import { pause, say, Station, until } from './station.ts';
import { redial, type Redial } from './stock6.ts';
import { GUEST_RESULT } from './uml.ts';

/** What happened, and when: milliseconds since 1970, to compare with the capture. */
export interface Guest6Report {
  readonly prefixes: Readonly<Record<string, string>>;
  readonly moves: readonly {
    readonly what: string;
    readonly from: number;
    readonly to: number;
    /** Without an answered probe, and without an octet of the TCP connection. */
    readonly gapMs: number;
    readonly tcpGapMs: number;
  }[];
  readonly tcpAlive: boolean;
  /** The prefix on both routers after each move. */
  readonly kept: boolean;
  /** The router that renewed, and the one that had got the lease. */
  readonly renewedBy: string;
  readonly grantedTo: string;
  readonly afterDisconnect: string;
  /** With an AC that refuses IPv4: the prefix, and whether the LAN host has TCP over IPv6. */
  readonly withoutIpv4: { readonly prefix: string; readonly tcp: boolean };
  /** The same without us; a text says why it is not known. */
  readonly stock: Redial | string;
}

/** The Internet's address in IPv6, and what the server delegates from. */
const INTERNET6 = '2001:db8:ffff::1';
const POOL = '2001:db8:a000::';
const PAGE = await readPage6({ session: SESSION, lan: 'eth1' });
/** The gateway that both routers share on the LAN (VRRP). */
const GATEWAY6 = PAGE.gateway;
const T1 = 45;

const ip = (host: Host, ...words: readonly string[]): Promise<{ stdout: string }> =>
  execa('ip', ['-n', host, ...words]);
const run = (host: Host, ...words: readonly string[]): Promise<{ stdout: string }> =>
  execa('ip', inside(host, words[0] ?? '', ...words.slice(1)));

/** Kea on the interface that pppd has just brought up; the prefix is routed there, as an ISP's router does. */
const IPV6_UP = `#!/bin/sh
exec >>${GUEST_RESULT}/ipv6-up.log 2>&1
date +%s%3N >/run/ppp/ipv6-up-at
cat >/run/ppp/kea.json <<END
{ "Dhcp6": {
  "data-directory": "/run/kea",
  "interfaces-config": { "interfaces": [ "$1" ] },
  "lease-database": { "type": "memfile", "persist": true, "name": "/run/ppp/leases6.csv" },
  "renew-timer": ${T1}, "rebind-timer": 600, "preferred-lifetime": 1200, "valid-lifetime": 2400,
  "option-data": [ { "name": "dns-servers", "data": "2001:db8:ffff::53" } ],
  "subnet6": [ { "subnet": "2001:db8:b000::/64", "interface": "$1",
    "pd-pools": [ { "prefix": "${POOL}", "prefix-len": 40, "delegated-len": 56 } ] } ],
  "loggers": [ { "name": "kea-dhcp6", "severity": "DEBUG", "debuglevel": 40,
    "output_options": [ { "output": "${GUEST_RESULT}/kea.log", "flush": true } ] } ]
} }
END
[ -f /run/ppp/kea.pid ] && kill $(cat /run/ppp/kea.pid)
# Kea takes the address of the other end for its own.
ip -6 addr del "$4/128" peer "$5/128" dev $1 2>/dev/null || ip -6 addr flush dev $1 scope link
ip -6 addr add "$4/64" dev $1 nodad
ip -6 route replace ${POOL}/40 dev $1
mkdir -p /run/kea
export KEA_PIDFILE_DIR=/run/kea KEA_LOCKFILE_DIR=none
kea-dhcp6 -c /run/ppp/kea.json &
echo $! >/run/ppp/kea.pid
`;

await buildNetwork();
await prepareAc('chap', 8);
await writeFile('/run/ppp/server', `${await readFile('/run/ppp/server', 'utf8')}+ipv6\n`);
await writeFile('/run/ppp/ipv6-up', IPV6_UP, { mode: 0o755 });
await ip('ac', 'addr', 'add', `${INTERNET6}/128`, 'dev', 'inet0', 'nodad');
await run('ac', 'sysctl', '-qw', 'net.ipv6.conf.all.forwarding=1');
const stopCapture = await startCapture('line6.pcap', 'ether proto 0x8863 or ether proto 0x8864');
const ac = startAc();

const r1 = new Router('r1');
const r2 = new Router('r2');
const key = Buffer.from(crypto.getRandomValues(new Uint8Array(32))).toString('hex');
for (const router of [r1, r2]) {
  const { name } = router;
  await router.prepare('chap', key, {
    session: PAGE.configuration[name],
    virtual: [`${GATEWAY6}/64`],
    capabilities: `+${PAGE.capability}`,
  });
  await ip(name, 'link', 'add', 'eth1.20', 'up', 'type', 'dummy');
  await ip(name, 'addr', 'add', `${OWN6[name].local}/64`, 'dev', 'eth1', 'nodad');
  await run(name, 'sysctl', '-qw', PAGE.forwarding);
  // The standby's has nothing to send from.
  const log = { file: `${GUEST_RESULT}/${name}-radvd.log` };
  void execa(
    'ip',
    inside(name, 'radvd', '-n', '-m', 'stderr', '-C', RADVD, '-p', `/run/${name}/radvd.pid`),
    {
      stdin: 'ignore',
      stdout: log,
      stderr: log,
      reject: false,
    },
  );
}
for (const router of [r1, r2]) await router.startAll();
await until('a session', 40_000, async () => (await holderOf({ r1, r2 })) !== undefined);
await until('an armed partner', 40_000, () => isArmed({ r1, r2 }));

/** The delegated prefix as the router's file says it; '' for none. */
async function prefixOf(name: 'r1' | 'r2'): Promise<string> {
  const text = await readFile(`/run/${name}/wan.prefix.json`, 'utf8').catch(() => '{}');
  const { prefixes = [] } = JSON.parse(text) as { prefixes?: { prefix: string }[] };
  return prefixes[0]?.prefix ?? '';
}
/** The address on the router's LAN out of the prefix; '' for none. */
async function lanAddress(name: 'r1' | 'r2'): Promise<string> {
  const { stdout } = await ip(name, '-6', '-o', 'addr', 'show', 'dev', 'eth1', 'scope', 'global');
  return /inet6 (\S+)/.exec(stdout)?.[1] ?? '';
}
await until('a prefix on both', 20_000, async () => {
  return (await lanAddress('r1')) !== '' && (await lanAddress('r2')) !== '';
});
const prefix = await prefixOf('r1');
const grantedTo = (await holderOf({ r1, r2 }))?.name ?? '';
say(`${grantedTo} has got ${prefix}; LAN ${await lanAddress('r1')} and ${await lanAddress('r2')}`);

const server = new Station('ac', 'serve', INTERNET6);
await server.ready();
/** The LAN host comes up, asks for an advertisement, and takes an address and a gateway from the one that it gets. */
async function joinLan(): Promise<void> {
  await ip('lan', 'link', 'set', 'eth0', 'down');
  await ip('lan', 'link', 'set', 'eth0', 'up');
  const words = ['-6', '-o', 'addr', 'show', 'dev', 'eth0', 'scope', 'global', '-tentative'];
  const hasAddress = async (): Promise<boolean> => (await ip('lan', ...words)).stdout !== '';
  await until('an advertised prefix', 30_000, hasAddress);
  const { stdout: routes } = await ip('lan', '-6', 'route', 'show', 'default');
  if (!routes.startsWith(`default via ${GATEWAY6} `) || routes.includes('\n'))
    throw new Error(`the LAN host's gateways are not ${GATEWAY6} alone: ${routes}`);
}
await joinLan();
const probe = new Station('lan', 'probe', INTERNET6);
await probe.ready();
say('the LAN host has a TCP connection over IPv6');

const moves: Guest6Report['moves'][number][] = [];
let kept = true;
async function move(
  what: string,
  ends: 'r1' | 'r2' | undefined,
  act: () => Promise<unknown>,
): Promise<void> {
  await probe.begin();
  const from = Date.now();
  await act();
  await until(`${what}: the session`, 30_000, async () => {
    const holder = await holderOf({ r1, r2 });
    return holder !== undefined && (ends ?? holder.name) === holder.name;
  });
  await until(
    `${what}: steady traffic`,
    30_000,
    async () => (await probe.report()).tcpSteadyMs > 1000,
  );
  const { gapMs, tcpGapMs } = await probe.report();
  moves.push({ what, from, to: Date.now(), gapMs, tcpGapMs });
  const after = await Promise.all([prefixOf('r1'), prefixOf('r2')]);
  kept &&= after.every((each) => each === prefix);
  const holder = (await holderOf({ r1, r2 }))?.name ?? 'nobody';
  say(`${what}: ${holder} holds, TCP gap ${tcpGapMs} ms, prefixes ${after.join(' ')}`);
}

const first = grantedTo === 'r2' ? r2 : r1;
const second = first === r1 ? r2 : r1;
await move('power cut', second.name, () => first.powerCut());
// The other router renews what the dead one had got.
const renews = async (): Promise<number> =>
  (
    (await readFile(`${GUEST_RESULT}/kea.log`, 'utf8').catch(() => '')).match(
      /DHCP6_PD_LEASE_RENEW/g,
    ) ?? []
  ).length;
await until('a Renew', (T1 + 20) * 1000, async () => (await renews()) > 0);
const renewedBy = (await holderOf({ r1, r2 }))?.name ?? '';
say(`${renewedBy} has renewed`);
await pause(500);
await move('power on', undefined, () => first.powerOn());
await until('an armed partner', 30_000, () => isArmed({ r1, r2 }));
await pause(4000);
const holder = (await holderOf({ r1, r2 })) ?? r1;
await move('handoff', otherThan(holder.name), async () => {
  const { ok, text } = await holder.ctl('handoff', '--wait');
  if (!ok) throw new Error(text);
});
await until('an armed partner', 30_000, () => isArmed({ r1, r2 }));
const tcpAlive = (await probe.report()).tcpAlive;
const last = (await holderOf({ r1, r2 })) ?? r1;
// Its Release is no message of the handoff, however quick that was.
await pause(QUIET_MS);
const { text } = await last.ctl('disconnect');
say(`disconnect: ${text.trim()}`);
await until('no prefix', 10_000, async () => (await prefixOf(last.name)) === '');
await pause(2000);
const afterDisconnect = `${await lanAddress('r1')} ${await lanAddress('r2')}`.trim();
await stopCapture();
await probe.stop();

const options = await readFile('/run/ppp/server', 'utf8');
await writeFile('/run/ppp/server', `${options}noip\n`);
await last.operate('connect');
await until('a prefix without IPv4', 60_000, async () => {
  return (await lanAddress('r1')) !== '' && (await lanAddress('r2')) !== '';
});
await joinLan();
const other = new Station('lan', 'probe', INTERNET6);
await other.ready();
const withoutIpv4 = {
  prefix: await prefixOf('r1'),
  tcp: (await last.publicAddress()) === undefined && (await other.report()).tcpAlive,
};
await other.stop();
say(`an AC without IPv4: ${withoutIpv4.prefix}, TCP ${withoutIpv4.tcp}`);
await last.operate('disconnect');
await writeFile('/run/ppp/server', options);

await Promise.all([r1.powerCut(), r2.powerCut()]);
await Promise.all([r1, r2].map(({ name }) => plug(name, ['eth0', 'eth1'], true)));
const stock = await redial(INTERNET6, GATEWAY6).catch((error: unknown) => String(error));
say(`stock pppd with dhcpcd: ${JSON.stringify(stock)}`);
const report: Guest6Report = {
  prefixes: { r1: prefix, r2: prefix },
  moves,
  tcpAlive,
  kept,
  renewedBy,
  grantedTo,
  afterDisconnect,
  withoutIpv4,
  stock,
};
await writeFile(`${GUEST_RESULT}/guest6.json`, JSON.stringify(report));
ac.kill('SIGKILL');
process.exit(0);
