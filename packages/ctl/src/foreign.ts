/**
 * Recognises another program's configuration file, so that the error can name the page on migrating. It converts
 * nothing.
 */

/** The program, and its heading in docs/migrating.md. */
export interface Foreign {
  readonly program: string;
  readonly heading: string;
}

/** Patterns found only in files of that kind; the first match wins. */
const KINDS: readonly (readonly [RegExp, string, string])[] = [
  [/<(?:opnsense|pfsense|ppps|ptpid)[\s>]/, 'OPNsense or pfSense', 'opnsense-and-pfsense'],
  [/^\s*(?:create (?:bundle|link) |set (?:bundle|link|auth|pppoe|iface|ipcp) )/m, 'mpd5', 'mpd5'],
  [/^\s+(?:set (?:device|authname|authkey|dial|redial)|add default HISADDR)\b/im, 'ppp(8)', 'ppp8'],
  [/^(?:ETH|DEMAND|DNSTYPE|PPPOE_TIMEOUT|CLAMPMSS)=/m, 'rp-pppoe', 'pppd'],
  [/^\s*option\s+proto\s+['"]?pppoe|^network\.\w+\.proto=['"]?pppoe/m, 'OpenWrt', 'openwrt'],
  [
    /^\s*set interfaces (?:\S+ \S+ (?:vif \d+ )?)?pppoe |^\s*pppoe (?:pppoe)?\d+ \{/m,
    'VyOS or EdgeOS',
    'vyos-and-edgeos',
  ],
  [
    /^\s*iface\s+\S+\s+inet\s+ppp$|^(?:pty\s+"?pppoe|plugin\s+\S*pppoe\.so|nic-\S+|noauth|usepeerdns|defaultroute|persist|hide-password|noipdefault)\b/m,
    'pppd',
    'pppd',
  ],
];

export function foreign(text: string): Foreign | undefined {
  const found = KINDS.find(([pattern]) => pattern.test(text));
  return found && { program: found[1], heading: found[2] };
}
