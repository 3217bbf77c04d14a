/** The samples of what stands around the product, given to the programs that read them. The kernel lab runs the others. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import t from 'tap';

const SAMPLES = fileURLToPath(new URL('../../../etc/', import.meta.url));

/** In a network of its own; undefined where there is no nft, or none may be made. */
const inOwnNetwork = (script: string, input: string) =>
  spawnSync('unshare', ['--map-root-user', '--net', 'sh', '-euc', script], {
    input,
    encoding: 'utf8',
    env: { PATH: '/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin' },
  });

t.test('linux/nftables.conf.sample is what a kernel takes, and lists again', async (t) => {
  const { status, stderr } = inOwnNetwork('nft list ruleset', '');
  if (status !== 0) {
    t.pass('not loaded', { skip: `no nftables here: ${stderr.trim() || 'no unshare'}` });
    return;
  }
  const sample = readFileSync(`${SAMPLES}linux/nftables.conf.sample`, 'utf8');
  const { stdout } = inOwnNetwork(
    'nft -f - && nft list ruleset',
    sample.replace('203.0.113.7', '198.51.100.9'),
  );
  t.match(stdout, 'oifname "pppoe0" snat to 198.51.100.9');
  t.match(stdout, 'oifname "pppoe0" tcp flags syn tcp option maxseg size set rt mtu');
  for (const rule of [
    'iifname "pppoe0" ip6 saddr fe80::/10 udp sport 547 udp dport 546 accept',
    'iifname "pppoe0" ip6 saddr fe80::/10 icmpv6 type nd-router-advert accept',
    'iifname "pppoe0" icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept',
    'iifname "pppoe0" icmpv6 type packet-too-big accept',
  ])
    t.match(stdout, rule);
  t.match(stdout, 'type filter hook forward priority filter; policy drop;');
});

for (const system of ['linux', 'freebsd'])
  t.test(
    `${system}/radvd.conf.sample lets hosts soon forget a prefix (RFC 9096 §3.4)`,
    async (t) => {
      const sample = readFileSync(`${SAMPLES}${system}/radvd.conf.sample`, 'utf8');
      const seconds = (name: string): number =>
        Number(new RegExp(`^ +Adv${name}Lifetime (\\d+);$`, 'm').exec(sample)?.[1]);
      // radvd's own are four hours and a day, and neither FreeBSD's nor 2.19 reads the kernel's.
      t.ok(seconds('Preferred') <= 2700, 'preferred');
      t.ok(seconds('Valid') <= 5400, 'valid');
    },
  );
