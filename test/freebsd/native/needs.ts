/**
 * What the native pair needs of its host, looked at before anything is made: what is missing there shows up minutes later as
 * a wait that ends, or as a session that is over after 200 ms. It changes nothing but the modules that are loaded.
 */
import { ETC_PPP, PPP, PPPOED } from './ac.ts';
import type { Commands } from './commands.ts';
import { PF_MODULES, type AcKind } from './network.ts';

/** The original's, which a supervisor that starts for the first time reads. */
const LEGACY_STATE = '/var/db/ppp_thing.state';

interface Need {
  /** A command that exits with 0 where the need is met. */
  readonly check: readonly [string, ...string[]];
  readonly otherwise: string;
}

const program = (path: string): Need => ({
  check: ['test', '-x', path],
  otherwise: `there is no ${path}`,
});
const file = (path: string, why: string): Need => ({
  check: ['test', '-f', path],
  otherwise: `there is no ${path}: ${why}`,
});

const ALWAYS: readonly Need[] = [
  ...['ifconfig', 'kldload', 'route', 'sysctl'].map((name) => program(`/sbin/${name}`)),
  ...['jail', 'jls', 'jexec', 'ngctl'].map((name) => program(`/usr/sbin/${name}`)),
  program('/usr/bin/netstat'),
  {
    check: ['sysctl', '-n', 'kern.features.vimage'],
    otherwise: 'the kernel has no VIMAGE: no jail gets a network stack of its own',
  },
  {
    check: ['id', 'nobody'],
    otherwise: 'there is no user nobody, as whom the supervisors run',
  },
  {
    check: ['test', '!', '-e', LEGACY_STATE],
    otherwise: `there is ${LEGACY_STATE}, which the routers would resume: move it away`,
  },
];

/** Networks of the pair that with pppoed(8) are in the host's own routing table. */
const OUR_NETWORKS = '^(192[.]168[.]7[./]|100[.]64[.]0[.]1|198[.]51[.]100[.]1)';

const PPPOED_NEEDS: readonly Need[] = [
  program(PPPOED),
  program(PPP),
  file(
    '/etc/libalias.conf',
    'without it `ppp -direct` exits at once, and a client sees a PADS and 200 ms later a PADT',
  ),
  {
    check: ['test', '-d', ETC_PPP],
    otherwise: `there is no directory ${ETC_PPP}, over which the configuration of ppp(8) is laid`,
  },
  { check: ['kldload', '-n', 'nullfs'], otherwise: 'the module nullfs cannot be loaded' },
  {
    check: ['sh', '-c', `! netstat -rn -f inet | grep -E '${OUR_NETWORKS}'`],
    otherwise:
      "the host has a route to a network of the test's (192.168.7.0/24, 100.64.0.1, 198.51.100.1): pppoed(8) runs in the host's own network stack",
  },
];

const PF_NEEDS: readonly Need[] = [
  program('/sbin/pfctl'),
  file('/etc/pf.os', 'pfctl(8) loads no rules without it'),
  {
    check: ['grep', '-qw', '^carp', '/etc/protocols'],
    otherwise: '/etc/protocols does not have carp: `proto carp` is no rule without it',
  },
  ...PF_MODULES.map((name): Need => ({
    check: ['kldload', '-n', name],
    otherwise: `the module ${name} cannot be loaded`,
  })),
];

async function unmet(commands: Commands, needs: readonly Need[]): Promise<string[]> {
  const missing: string[] = [];
  for (const { check, otherwise } of needs)
    if ((await commands.attempt(...check)).code !== 0) missing.push(otherwise);
  return missing;
}

/** What is missing for a run with this Access Concentrator, a sentence each; empty if it can begin. */
export const missingFor = (commands: Commands, ac: AcKind): Promise<string[]> =>
  unmet(commands, [...ALWAYS, ...(ac === 'pppoed' ? PPPOED_NEEDS : [])]);

/** What is missing for NAT and pfsync, without which all else can be shown. */
export const missingForPf = (commands: Commands): Promise<string[]> => unmet(commands, PF_NEEDS);
