/** Checks of this machine: kernel, interfaces, files, clock, other programs. They read only the facts. */
import { isOurHub } from '@ppp-thing/protocol/node-names';
import { OLDEST_NODE, tooOld } from '@ppp-thing/protocol/version';
import type { Facts, FileRule, InterfaceFacts, SessionFacts } from './facts.ts';
import { error, judge, ok, warn, type Check, type Finding } from './finding.ts';

/** Octets of the PPPoE and PPP headers (RFC 2516 §7). */
const OVERHEAD = 8;
/** Largest MTU without PPP-Max-Payload (RFC 2516 §7). */
const PLAIN_MTU = 1492;

const NEEDED = {
  freebsd:
    'netgraph ng_socket ng_ether ng_etf ng_hub ng_bpf ng_pppoe ng_ppp ng_iface carp pf pfsync',
  linux: 'pppoe ppp_generic',
} as const;
/** A session works without these modules, but connections do not survive a takeover. */
const WANTED: readonly string[] = ['pf', 'pfsync'];

export const modules: Check = ({ modules: loaded, platform }) =>
  judge('kernel', loaded, 'every module that is needed is there', (names) => {
    const load = platform === 'freebsd' ? 'kldload' : 'modprobe';
    return NEEDED[platform]
      .split(' ')
      .filter((name) => !names.includes(name))
      .map((name) => {
        // Linux loads its modules at the first session, if it has them.
        const say = platform === 'linux' || WANTED.includes(name) ? warn : error;
        return say('kernel', `module ${name} is not loaded`, `${load} ${name}, and at every boot`);
      });
  });

/** Runs a check on each session's interface, once both the configuration and the interfaces are known. */
function eachLine(
  { config, interfaces }: Facts,
  look: (
    line: InterfaceFacts | undefined,
    session: SessionFacts,
    all: readonly InterfaceFacts[],
  ) => readonly Finding[],
): readonly Finding[] {
  if (!config.known) return judge('configuration', config, '', () => []);
  return judge('interfaces', interfaces, '', (all) =>
    config.value.sessions.flatMap((session) =>
      look(
        all.find(({ name }) => name === session.interface),
        session,
        all,
      ),
    ),
  );
}

export const lines: Check = (facts) =>
  eachLine(facts, (line, { name, interface: wanted }) => {
    if (line === undefined) {
      const fix = 'correct interface in the configuration, or create the interface at boot';
      return [error(name, `there is no interface ${wanted}`, fix)];
    }
    if (!line.isUp) {
      const command =
        facts.platform === 'linux' ? `ip link set ${wanted} up` : `ifconfig ${wanted} up`;
      return [error(name, `${wanted} is down`, `${command}, and at every boot`)];
    }
    if (line.carrier === false) {
      return [error(name, `${wanted} has no carrier`, 'look at the cable, the modem and the port')];
    }
    return [ok(name, `${wanted} is up`)];
  });

export const macs: Check = (facts) =>
  eachLine(facts, (_line, { name, mac }, all) => {
    const owner = all.find((each) => each.mac === mac && !each.isVirtual);
    const make =
      'choose one that begins with 02, the same on both routers, and restart both services';
    if (owner !== undefined) {
      return [error(name, `mac ${mac} is that of ${owner.name} itself`, make)];
    }
    // Second bit of the first octet: locally administered (IEEE 802).
    if ((Number.parseInt(mac.slice(0, 2), 16) & 2) === 0 && !mac.startsWith('00:00:5e:00:01:')) {
      return [
        warn(name, `mac ${mac} is not locally administered: another device may have it`, make),
      ];
    }
    return [ok(name, `no other interface has mac ${mac}`)];
  });

/** A payload above 1492 needs a parent MTU eight octets larger (RFC 4638 §2). */
export const mtus: Check = (facts) =>
  eachLine(facts, (line, { name, mtu, interface: parent }) => {
    const needed = mtu > PLAIN_MTU ? mtu + OVERHEAD : 1500;
    if (line === undefined || line.mtu >= needed) return [ok(name, `mtu ${mtu} fits`)];
    const fix = `set the mtu of ${parent} to ${needed} or more, at every boot, or the session's to ${line.mtu - OVERHEAD}`;
    return [error(name, `${parent} has mtu ${line.mtu}; a session of ${mtu} needs ${needed}`, fix)];
  });

/** The helper sets the priority on Linux; on FreeBSD it is the VLAN's own, and ifconfig(8) sets it. */
export const priorities: Check = (facts) =>
  facts.platform !== 'freebsd'
    ? []
    : eachLine(facts, (line, { name, pcp: wanted, interface: vlan }) => {
        if (line === undefined || wanted === undefined) return [];
        if (line.pcp === undefined) {
          const fix = 'make a VLAN the interface, or leave pcp out';
          return [error(name, `${vlan} is no VLAN, so its frames have no priority ${wanted}`, fix)];
        }
        if (line.pcp === wanted) return [ok(name, `${vlan} sends with priority ${wanted}`)];
        const fix = `ifconfig ${vlan} vlanpcp ${wanted}, and at every boot`;
        return [error(name, `${vlan} sends with priority ${line.pcp}, not ${wanted}`, fix)];
      });

const CLIENTS: readonly string[] = ['mpd5', 'ppp', 'pppd', 'pppoe', 'pppoe-connect', 'ppp_thing'];

export const otherClients: Check = ({ processes, config }) =>
  judge('other PPPoE clients', processes, 'none runs', (all) =>
    all
      .filter(({ name }) => CLIENTS.includes(name))
      .map(({ name, pid, arguments: words }) => {
        const used = config.known
          ? config.value.sessions.find((session) => words.split(/\s+/).includes(session.interface))
          : undefined;
        const fix = `stop ${name}, and disable it at boot, if its line is ours`;
        return used === undefined
          ? warn(`process ${pid}`, `${name} is running, which also speaks PPPoE`, fix)
          : error(
              `process ${pid}`,
              `${name} uses ${used.interface}, the line of ${used.name}`,
              fix,
            );
      }),
  );

/** If another program's node occupies the line's `orphans` hook, the helper cannot connect its hub. */
export const orphans: Check = ({ orphans: hooks, platform }) =>
  platform === 'linux'
    ? []
    : judge('netgraph', hooks, 'no other program has the hook of a line', (peers) =>
        Object.entries(peers)
          .filter(([, peer]) => peer !== '' && !isOurHub(peer))
          .map(([line, peer]) => {
            const fix = `stop the program that made ${peer}, or ngctl rmhook ${line}: orphans`;
            return error(line, `its hook orphans is taken by the node ${peer}`, fix);
          }),
      );

export const clock: Check = ({ clockSynchronised, platform, partnerReport, status, now }) => {
  const start =
    platform === 'freebsd'
      ? 'sysrc ntpd_enable=YES; service ntpd start'
      : 'timedatectl set-ntp true';
  const live = status.known ? status.value.partner.clockOffsetMs : null;
  const reported = partnerReport === undefined ? 0 : partnerReport.at - now;
  const apart = Math.round((live ?? reported) / 1000);
  const skew =
    Math.abs(apart) <= (live === null ? SKEW_SECONDS : APART_SECONDS)
      ? []
      : [
          warn(
            'clock',
            `the partner's clock is ${apart} s off: the times of the two logs cannot be compared`,
            start,
          ),
        ];
  return [
    ...judge('clock', clockSynchronised, 'synchronised', (isRight) =>
      isRight
        ? []
        : [warn('clock', 'not synchronised: the times of the two logs cannot be compared', start)],
    ),
    ...skew,
  ];
};

/** Programs that collect metrics. Only vmagent and telegraf can read a Unix socket. */
const SCRAPERS: readonly string[] = ['prometheus', 'vmagent', 'alloy', 'grafana-agent', 'telegraf'];
const OVER_TCP: readonly string[] = ['prometheus', 'alloy', 'grafana-agent'];

export const scraping: Check = ({ processes, files: rules }) =>
  judge('metrics', processes, 'no program here is kept from reading them', (all) => {
    const socket = rules.find(({ path }) => path.endsWith('/status.sock'));
    const mode = socket?.found.known === true ? socket.found.value.mode : undefined;
    const served = all.some(({ arguments: words }) =>
      /(?:pppthingctl|packages\/ctl\/\S+) (?:.* )?web\b/.test(words),
    );
    return all
      .filter(({ name }) => SCRAPERS.includes(name))
      .flatMap(({ name, pid }) => {
        if (OVER_TCP.includes(name) && !served)
          return warn(
            `process ${pid}`,
            `${name} runs here, cannot read a Unix socket, and pppthingctl web does not run`,
            'pppthingctl web, or the textfile collector: docs/api.md',
          );
        if (!OVER_TCP.includes(name) && mode !== undefined && (mode & 0o006) !== 0o006)
          return warn(
            `process ${pid}`,
            `${name} may not read ${socket?.path}, which has mode ${mode.toString(8)}`,
            `chmod 666 ${socket?.path}, and let others enter its directory`,
          );
        return [];
      });
  });

/** Oldest age of a report that the operator fetched for this run. */
const SKEW_SECONDS = 30;
/** Most that the clocks may be apart, as the partner's datagrams tell it. */
const APART_SECONDS = 2;

export const files: Check = ({ files: rules }) =>
  rules.flatMap((rule) =>
    judge(rule.path, rule.found, 'owner and mode are right', (found) => wrongs(rule, found)),
  );

function wrongs(
  { path, owner, group, mode }: FileRule,
  found: { mode: number | undefined; owner: string; group: string },
): readonly Finding[] {
  const octal = (bits: number): string => bits.toString(8).padStart(4, '0');
  if (found.mode === undefined)
    return [warn(path, 'is not there', 'is the service running, and was it installed?')];
  const findings: Finding[] = [];
  if (found.owner !== owner) {
    findings.push(error(path, `belongs to ${found.owner}`, `chown ${owner} ${path}`));
  }
  if (group !== undefined && found.group !== group) {
    findings.push(warn(path, `is of the group ${found.group}`, `chgrp ${group} ${path}`));
  }
  if ((found.mode & ~mode) !== 0) {
    const what = `has mode ${octal(found.mode)}, more than ${octal(mode)}`;
    findings.push(error(path, what, `chmod ${octal(mode)} ${path}`));
  }
  return findings;
}

export const runtime: Check = ({ node }) =>
  tooOld(node) === undefined
    ? [ok('runtime', `version ${node}`)]
    : [error('runtime', `version ${node} is too old`, `install Node.js ${OLDEST_NODE} or newer`)];

/** Sessions that ask for a prefix. */
const delegated = ({ config }: Facts): readonly SessionFacts[] =>
  config.known ? config.value.sessions.filter(({ ipv6 }) => ipv6?.delegation === true) : [];

export const lanTables: Check = (facts) =>
  delegated(facts).map(({ name, ipv6 }) =>
    ipv6?.subnets.length === 0
      ? warn(
          name,
          'prefix_delegation is on, and no LAN gets a part of the prefix',
          `add a table [session.${name}.lan.IFNAME]`,
        )
      : ok(name, 'a LAN gets a part of the prefix'),
  );

export const forwarding6: Check = (facts) =>
  delegated(facts).length === 0
    ? []
    : judge('ipv6', facts.forwards6, 'the kernel forwards it', (isOn) => {
        const fix =
          facts.platform === 'freebsd'
            ? 'sysrc ipv6_gateway_enable=YES; sysctl net.inet6.ip6.forwarding=1'
            : 'sysctl -w net.ipv6.conf.all.forwarding=1, and in /etc/sysctl.conf';
        return isOn ? [] : [error('ipv6', 'the kernel does not forward IPv6', fix)];
      });

export const advertisements: Check = (facts) => {
  const { acceptsRa, config, interfaces, platform } = facts;
  // Of an interface that is not there yet the kernel says nothing.
  const isThere = (name: string): boolean =>
    !interfaces.known || interfaces.value.some((each) => each.name === name);
  const sessions = config.known
    ? config.value.sessions.filter(({ name, ipv6 }) => ipv6?.wan === 'slaac' && isThere(name))
    : [];
  if (sessions.length === 0) return [];
  return judge('ipv6', acceptsRa, 'the sessions obey router advertisements', (names) =>
    sessions
      .filter(({ name }) => !names.includes(name))
      .map(({ name }) => {
        const fix =
          platform === 'freebsd'
            ? `ifconfig ${name} inet6 accept_rtadv; sysctl net.inet6.ip6.rfc6204w3=1`
            : `sysctl -w net.ipv6.conf.${name}.accept_ra=2`;
        return error(name, 'wan_address is slaac, and it ignores router advertisements', fix);
      }),
  );
};

/** The prefix has a /64 for every subnet. */
export const prefixSize: Check = (facts) =>
  delegated(facts).length === 0
    ? []
    : judge('ipv6', facts.status, 'the prefix has room for every subnet', ({ sessions }) =>
        delegated(facts).flatMap(({ name, ipv6 }) => {
          const { prefixes = [] } = sessions.find((each) => each.name === name)?.dhcp6?.lease ?? {};
          const largest = Math.max(-1, ...(ipv6?.subnets ?? []));
          return prefixes
            .filter(({ prefix }) => largest >= 2 ** (64 - Number(prefix.split('/')[1])))
            .map(({ prefix }) =>
              error(
                name,
                `${prefix} has no subnet ${largest}`,
                'smaller values of subnet, or ask the ISP for a shorter prefix: prefix_hint',
              ),
            );
        }),
      );
