/** The session of both simulated routers: what differs is who they are. It reads nothing. */
import { millis, seconds } from '@ppp-thing/protocol/time';
import { Secret } from '@ppp-thing/protocol/engine/hashes';
import type { SessionConfig } from '@ppp-thing/protocol/engine/session-config';
import type { RouterIndex } from './faults.ts';

const OUR_MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1);

/** @param kind with `fast_takeover_ms`; with IPV6CP and a prefix by DHCPv6 */
export function sessionConfig(
  index: RouterIndex,
  kind: { readonly isFast?: boolean; readonly withPrefix?: boolean } = {},
): SessionConfig {
  const { isFast = false, withPrefix = false } = kind;
  return {
    name: 'pppoe0',
    link: {
      ourMac: OUR_MAC,
      user: 'alice',
      password: new Secret('secret'),
      auth: ['CHAP-MD5'],
      serviceName: '',
      mtu: 1492,
      magicNumber: true,
      dns: false,
      ipv6: withPrefix,
      echo: { interval: seconds(5), failures: 2, probeInterval: millis(500), probeFailures: 20 },
    },
    owner: {
      policy: 'follow-carp',
      routerId: index + 1,
      hasPartner: true,
      holdDown: seconds(5),
      partnerTimeout: seconds(3),
      downDemotion: seconds(10),
      ...(isFast ? { fastTakeover: millis(300) } : {}),
    },
    ...(withPrefix && {
      dhcp6: {
        duid: Uint8Array.of(0, 3, 0, 1, ...OUR_MAC),
        iaid: 0x5e105301,
        prefix: true,
        address: false,
      },
    }),
  };
}
