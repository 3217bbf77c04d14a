/**
 * Checks of the pair: CARP, pf, pfsync, the partner and its configuration, the supervisor. They read only the facts.
 */
import type { StatusJson } from '@ppp-thing/supervisor/api';
import type { CarpFacts, Facts } from './facts.ts';
import { error, judge, ok, warn, type Check, type Finding } from './finding.ts';

const isFollowing = ({ config }: Facts): boolean =>
  config.known && config.value.sessions.some(({ policy }) => policy === 'follow-carp');

export const preempt: Check = (facts) =>
  facts.platform === 'linux' || !isFollowing(facts)
    ? []
    : judge('carp', facts.preempt, 'preempt is on', (on) =>
        on
          ? []
          : [
              error(
                'carp',
                'net.inet.carp.preempt is 0: a demotion moves nothing, and a handoff is undone',
                'sysctl net.inet.carp.preempt=1, and in /etc/sysctl.conf, on both routers',
              ),
            ],
      );

export const vhids: Check = ({ config, interfaces, platform }) => {
  if (platform === 'linux' || !config.known) return [];
  return judge('carp', interfaces, 'the vhid of every session is there', (all) =>
    config.value.sessions
      .filter(({ policy, carpVhid }) => policy === 'follow-carp' && carpVhid !== undefined)
      .filter(
        ({ carpInterface, carpVhid }) =>
          !all.some(
            ({ name, carp }) =>
              (carpInterface === undefined || name === carpInterface) &&
              carp.some(({ vhid }) => vhid === carpVhid),
          ),
      )
      .map(({ name, carpVhid, carpInterface = 'any interface' }) =>
        error(
          name,
          `there is no vhid ${carpVhid} on ${carpInterface}`,
          'see carp(4): ifconfig … vhid … advskew … pass … alias …',
        ),
      ),
  );
};

/** If one cable carries both datagrams and frames, silence on it does not prove that the partner is dead. */
export const fastTakeover: Check = ({ config, interfaces }) => {
  if (!config.known) return [];
  const { sessions, partner } = config.value;
  const fast = sessions.filter(({ isFast }) => isFast === true);
  if (fast.length === 0) return [];
  return judge('carp', interfaces, 'fast_takeover_ms has two paths to judge by', (all) => {
    const own = all.find(({ addresses }) => addresses.includes(partner?.localAddress ?? ''));
    /** A VLAN shares the cable of its parent: `igb0.7`. */
    const cable = (name: string): string => name.replace(/\.\d+$/, '');
    return fast
      .filter((session) => own === undefined || cable(own.name) === cable(session.interface))
      .map((session) =>
        error(
          session.name,
          own === undefined
            ? `fast_takeover_ms: no interface has ${partner?.localAddress ?? 'local_address'}`
            : `fast_takeover_ms: the partner’s datagrams go by ${own.name}, the cable of the line`,
          'give the partner channel a cable of its own, or remove fast_takeover_ms',
        ),
      );
  });
};

/** carp(4) adds a demotion to advskew, which a vhid that speaks VRRPv3 does not have (FreeBSD 15). */
export const carpVersion: Check = ({ config, interfaces, platform }) => {
  if (platform === 'linux' || !config.known) return [];
  const following = config.value.sessions.filter(({ policy }) => policy === 'follow-carp');
  return judge('carp', interfaces, 'a demotion moves the vhid of every session', (all) =>
    all.flatMap(({ name, carp }) =>
      carp
        .filter(({ priority }) => priority !== undefined)
        .filter(({ vhid }) =>
          following.some(
            ({ carpInterface = name, carpVhid = vhid }) =>
              carpInterface === name && carpVhid === vhid,
          ),
        )
        .map(({ vhid }) =>
          error(
            'carp',
            `vhid ${vhid} on ${name} speaks VRRPv3, which no demotion moves: a handoff is undone, and a router that starts takes the role at once`,
            'recreate the vhid with carpver 2 on both routers; fast_takeover_ms finds a dead MASTER as quickly',
          ),
        ),
    ),
  );
};

/** Equal advskews leave the preferred router to chance. Only the partner's report has its advskew. */
export const advskew: Check = ({ interfaces, partnerReport, platform }) => {
  if (platform === 'linux') return [];
  if (partnerReport === undefined) return [needsReport('carp', 'the partner’s advskew')];
  return judge('carp', interfaces, 'advskew differs on the two routers', (all) =>
    all
      .flatMap(({ carp }) => carp)
      .filter((ours: CarpFacts) =>
        partnerReport.carp.some(
          ({ vhid, advskew: its }) =>
            its !== undefined && vhid === ours.vhid && its === ours.advskew,
        ),
      )
      .map(({ vhid, advskew: skew }) =>
        error(
          'carp',
          `vhid ${vhid} has advskew ${skew} on both routers`,
          'set 0 on the preferred router, 100 on the other',
        ),
      ),
  );
};

const needsReport = (subject: string, what: string): Finding => ({
  severity: 'unknown',
  subject,
  what: `not known: ${what}: run pppthingctl doctor --json on the partner, and give its output to this command as a file`,
  fix: '',
});

/** The pfsync version of each router. FreeBSD 13 does not report one and uses 1301; 14 and later report it. */
export const pfsync: Check = ({ interfaces, partnerReport, platform, release }) => {
  if (platform === 'linux') return [];
  if (partnerReport === undefined) return [needsReport('pfsync', 'the version the partner speaks')];
  return judge('pfsync', interfaces, 'both routers speak the same version', (all) => {
    const said = all.find(({ pfsyncVersion }) => pfsyncVersion !== undefined)?.pfsyncVersion;
    const ours = said ?? versionOf(release);
    const its = partnerReport.pfsyncVersion ?? versionOf(partnerReport.release);
    if (ours === its) return [];
    const fix = `on the newer one: ifconfig pfsync0 version ${Math.min(ours, its)}, also as pfsync_ifconfig in rc.conf`;
    return [
      error('pfsync', `version ${ours} here, ${its} there: states are not synchronised`, fix),
    ];
  });
};

const versionOf = (release: string): number => {
  const major = Number.parseInt(release, 10);
  return major >= 15 ? 1500 : major >= 14 ? 1400 : 1301;
};

/** Each session replaces the other's route when it comes up, so they would fight over it. */
export const defaultRoutes: Check = ({ config, platform }) =>
  judge('default route', config, 'no two sessions claim the same', ({ sessions }) => {
    const claims = new Map<string, string[]>();
    for (const { name, route } of sessions) {
      if (route === undefined) continue;
      const metric = platform === 'linux' ? ` with metric ${route.metric ?? 0}` : '';
      const place = `fib ${route.fib}${metric}`;
      claims.set(place, [...(claims.get(place) ?? []), name]);
    }
    const fix = `another fib${platform === 'linux' ? ' or metric' : ''} for one of them, or default_route = false`;
    return Array.from(claims)
      .filter(([, names]) => names.length > 1)
      .map(([place, names]) =>
        error(
          'default route',
          `${names.join(' and ')} both set the default route of ${place}`,
          fix,
        ),
      );
  });

export const nat: Check = ({ config, pf, interfaces, platform }) => {
  if (!config.known) return [];
  const filter = platform === 'freebsd' ? 'pf' : 'nftables';
  return judge(
    filter,
    pf,
    'translates for every session, and skips none',
    ({ enabled, nat: rules, skipped }) => {
      if (!enabled)
        return [
          error(
            filter,
            'is not enabled',
            platform === 'freebsd' ? 'service pf start' : 'nft -f /etc/nftables.conf',
          ),
        ];
      return config.value.sessions.flatMap(({ name, stub }) => {
        const findings: Finding[] = [];
        if (skipped.includes(name)) {
          findings.push(
            error(
              name,
              `${filter} skips ${name}, so nothing is translated`,
              `remove ${name} from set skip`,
            ),
          );
        }
        const addresses = interfaces.known
          ? (interfaces.value.find((each) => each.name === stub)?.addresses ?? [])
          : [];
        const isNamed = [stub, ...addresses].some(
          (each) =>
            each !== undefined &&
            new RegExp(`(?<![\\w.])${each.replaceAll('.', '\\.')}(?![\\w.])`).test(rules),
        );
        if (stub !== undefined && !isNamed) {
          const fix =
            platform === 'freebsd'
              ? `nat on ${name} inet from !(${stub}) to any -> (${stub}:0)`
              : `snat to the address of ${stub} on oifname ${name}`;
          findings.push(
            error(name, `no rule translates to ${stub}: every takeover ends all connections`, fix),
          );
        }
        return findings;
      });
    },
  );
};

export const configuration: Check = ({ config }) => [
  config.known
    ? ok('configuration', `${config.value.file} can be read`)
    : error(
        'configuration',
        config.why,
        'run pppthingctl check-config as root: it lists the errors',
      ),
];

export const answers: Check = ({ status, platform }) => [
  status.known
    ? ok('supervisor', 'answers')
    : error(
        'supervisor',
        status.why,
        platform === 'linux'
          ? 'systemctl start ppp_thing_helper ppp_thing'
          : 'service ppp_thing_helper start; service ppp_thing start',
      ),
];

export const supervisor: Check = ({ status, platform }) =>
  judge('supervisor', status, 'runs, and its helper answers', ({ helper, sessions }) => [
    ...(helper.connected
      ? []
      : [
          error(
            'helper',
            'does not answer the supervisor',
            `${platform === 'linux' ? 'systemctl status ppp_thing_helper' : 'service ppp_thing_helper status'}; look at its log`,
          ),
        ]),
    ...sessions
      .filter(({ counters }) => counters.storeFailures > 0)
      .map(({ name }) =>
        warn(name, 'its snapshot could not always be stored', 'df and the log: is the disk full?'),
      ),
    ...sessions
      .filter(({ state }) => state === 'Fenced')
      .map(({ name }) =>
        error(
          name,
          'fenced: both routers are MASTER',
          'find out why they do not receive each other’s CARP advertisements: LAN, vhid, password, packet filter',
        ),
      ),
  ]);

/** Refused datagrams that explain why the partner is silent. */
const REFUSALS: Readonly<Record<string, readonly [what: string, fix: string]>> = {
  forged: [
    'the keys of the two routers differ',
    'copy the key_file from one to the other; then SIGHUP',
  ],
  'unknown-key': [
    'the partner uses a key that this router does not have',
    'copy the key_file; then SIGHUP',
  ],
  'no-common-version': ['the partner speaks another version', 'upgrade the older router'],
  'unknown-session': [
    'the partner has a session that is not configured here',
    'give the sessions the same names on both',
  ],
};

export const partner: Check = ({ status, config }) => {
  if (config.known && config.value.partner === null) {
    return [warn('partner', 'none is configured', 'add [partner], unless this router is alone')];
  }
  return judge(
    'partner',
    status,
    'is heard, and hears us',
    ({ partner: channel, sessions }: StatusJson) => {
      const trouble =
        channel.trouble === null
          ? []
          : [
              error(
                'partner',
                `the channel is off: ${channel.trouble}`,
                'partner.key_file, local_address and port in the configuration; pppthingctl keygen makes a key',
              ),
            ];
      const refused = Object.entries(channel.refused)
        .filter(([reason, count]) => count > 0 && reason in REFUSALS)
        .map(([reason, count]) => {
          const [what, fix] = REFUSALS[reason] ?? ['', ''];
          return error('partner', `${what} (${count} datagrams refused)`, fix);
        });
      const silent = sessions
        .filter((session) => session.partner.role === null)
        .map(({ name }) =>
          error(
            name,
            'the partner is not heard',
            'does ppp_thing run there? do the addresses and ports match? does the packet filter pass UDP between them?',
          ),
        );
      const deaf = sessions
        .filter((session) => session.partner.role !== null && !session.partner.hearing)
        .map(({ name }) =>
          error(
            name,
            'the partner does not hear us',
            'the packet filter there; its [partner] address',
          ),
        );
      return [...trouble, ...refused, ...silent, ...deaf];
    },
  );
};

const differs = (key: string): Finding =>
  error(
    'configuration',
    `${key} differs on the two routers`,
    `make ${key} the same on both, and restart ppp_thing`,
  );

/** The supervisors compare their configurations; the partner's report is used only if they have not. */
export const sameConfig: Check = ({ config, partnerReport, status }) => {
  const told = status.known ? status.value.sessions : [];
  if (told.length > 0 && told.every(({ partner: { differs: keys } }) => keys !== null)) {
    const found = told.flatMap(({ name, partner: { differs: keys } }) =>
      (keys ?? []).map((key) => differs(`session.${name}.${key}`)),
    );
    return found.length > 0 ? found : [ok('configuration', 'is the same on both routers')];
  }
  if (partnerReport === undefined || partnerReport.shared === null) {
    return [needsReport('configuration', 'whether it is the partner’s')];
  }
  const theirs = partnerReport.shared;
  return judge('configuration', config, 'is the same on both routers', ({ shared }) =>
    [...new Set([...Object.keys(shared), ...Object.keys(theirs)])]
      .filter((key) => shared[key] !== theirs[key])
      .map(differs),
  );
};
