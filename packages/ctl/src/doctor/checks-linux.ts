/** Checks of the source of a Linux router's role. They read only the facts. */
import type { Facts, SessionFacts, VrrpFacts, VrrpInstance } from './facts.ts';
import { error, judge, warn, type Check, type Finding } from './finding.ts';

/** Programs that move an address between routers. */
const DAEMONS: readonly string[] = [
  'keepalived',
  'ucarp',
  'pacemakerd',
  'corosync',
  'vrrpd',
  'uvrrpd',
];

/** Sessions whose role follows an address. */
const following = ({ config, platform }: Facts): readonly SessionFacts[] =>
  config.known && platform === 'linux'
    ? config.value.sessions.filter(({ policy }) => policy === 'follow-carp')
    : [];

export const roleSource: Check = (facts) =>
  following(facts).length === 0
    ? []
    : judge('role', facts.processes, 'a VRRP daemon runs', (all) =>
        all.some(({ name }) => DAEMONS.includes(name))
          ? []
          : [
              error(
                'role',
                `no VRRP daemon runs (${DAEMONS.join(', ')}): nothing gives this router the virtual address`,
                'systemctl enable --now keepalived',
              ),
            ],
      );

/**
 * The virtual address must be on the interface that the helper watches, and keepalived must apply the helper's
 * demotion.
 */
export const virtualAddress: Check = (facts) =>
  following(facts).flatMap((session) => {
    if (!runs(facts, 'keepalived')) return [];
    return judge(
      session.name,
      facts.vrrp,
      'keepalived puts its address where the helper looks for it',
      (vrrp) => [...placeOf(session, vrrp), ...trackOf(session, vrrp)],
    );
  });

const runs = ({ processes }: Facts, program: string): boolean =>
  processes.known && processes.value.some(({ name }) => name === program);

const withAddress = ({ instances }: VrrpFacts, address: string | undefined) =>
  instances.flatMap((instance) =>
    instance.addresses
      .filter((each) => each.address === address)
      .map((each) => ({ instance, interface: each.interface })),
  );

function placeOf(
  { name, carpAddress, carpInterface }: SessionFacts,
  vrrp: VrrpFacts,
): readonly Finding[] {
  const places = withAddress(vrrp, carpAddress);
  if (places.length === 0)
    return [
      error(
        name,
        `no vrrp_instance of keepalived has ${carpAddress}`,
        'add it to virtual_ipaddress, or correct carp_address',
      ),
    ];
  if (carpInterface === undefined || places.some((place) => place.interface === carpInterface))
    return [];
  return places.map(({ instance, interface: found }) =>
    error(
      name,
      `keepalived puts ${carpAddress} on ${found}, and the helper looks for it on ${carpInterface}`,
      instance.usesVmac
        ? `remove use_vmac from vrrp_instance ${instance.name}, or set carp_interface = "${found}"`
        : `carp_interface = "${found}", or another dev in virtual_ipaddress`,
    ),
  );
}

function trackOf({ name, demotionFile }: SessionFacts, { tracked }: VrrpFacts): readonly Finding[] {
  if (demotionFile === undefined)
    return [
      warn(
        name,
        'has no demotion_file: this router cannot hand its role over, so it refuses a handoff',
        'demotion_file, and the track_file of etc/linux/keepalived.conf.sample',
      ),
    ];
  return tracked.includes(demotionFile)
    ? []
    : [
        error(
          name,
          `keepalived does not track ${demotionFile}: a demotion moves nothing`,
          'the track_file of etc/linux/keepalived.conf.sample',
        ),
      ];
}

/**
 * Routers with different identifiers ignore each other, so both become MASTER. Only the partner's report has its
 * identifier.
 */
export const virtualRouterIds: Check = (facts) => {
  const { partnerReport, vrrp } = facts;
  const theirs = partnerReport?.vrrp;
  if (following(facts).length === 0 || !vrrp.known || theirs === undefined) return [];
  const identifierOf = (instances: readonly VrrpInstance[], address: string | undefined) =>
    instances.find(({ addresses }) => addresses.some((each) => each.address === address))
      ?.virtualRouterId;
  return judge('role', vrrp, 'virtual_router_id is the same on both routers', ({ instances }) =>
    following(facts).flatMap(({ name, carpAddress }) => {
      const ours = identifierOf(instances, carpAddress);
      const its = identifierOf(theirs, carpAddress);
      if (ours === undefined || its === undefined || ours === its) return [];
      return [
        error(
          name,
          `${carpAddress} has virtual_router_id ${ours} here, ${its} there: both routers become MASTER`,
          'the same virtual_router_id on both',
        ),
      ];
    }),
  );
};

/**
 * conntrackd copies a TCP connection when its state changes, without its window. A router that gets the session back
 * still has the window of the time when it gave the session away.
 */
export const tcpWindows: Check = (facts) =>
  facts.platform !== 'linux' || !runs(facts, 'conntrackd')
    ? []
    : judge('conntrackd', facts.checksWindows, 'the kernel does not check TCP windows', (checks) =>
        checks
          ? [
              warn(
                'conntrackd',
                'the kernel checks TCP windows, which conntrackd does not copy: connections die when the session comes back',
                'net.netfilter.nf_conntrack_tcp_be_liberal=1 in sysctl.d, and nf_conntrack in modules-load.d: docs/linux.md',
              ),
            ]
          : [],
      );
