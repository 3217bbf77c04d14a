/** Default paths on each platform. It reads nothing. */

/** Paths unless the configuration sets others. */
export const PLACES = {
  linux: {
    config: '/etc/ppp_thing.conf',
    run: '/run/ppp_thing',
    helperSocket: '/run/ppp_thing_helper/helper.sock',
    state: '/var/lib/ppp_thing',
    legacyState: '/var/db/ppp_thing.state',
  },
  freebsd: {
    config: '/usr/local/etc/ppp_thing.conf',
    run: '/var/run/ppp_thing',
    helperSocket: '/var/run/ppp_thing_helper/helper.sock',
    state: '/var/db/ppp_thing',
    legacyState: '/var/db/ppp_thing.state',
  },
} as const;

export const places = (): (typeof PLACES)['linux' | 'freebsd'] =>
  process.platform === 'freebsd' ? PLACES.freebsd : PLACES.linux;
