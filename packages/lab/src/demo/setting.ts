/** The addresses and names of the lab's world, from the ranges kept for documentation (RFC 5737, RFC 6598). */
import { parseMac } from '@ppp-thing/protocol/wire/ethernet';
import { parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';

export const USER = 'line@example.net';
export const PASSWORD = 'not a secret';

const mac = (text: string): Uint8Array => parseMac(text) ?? new Uint8Array(6);
const ipv4 = (text: string): Uint8Array => parseIpv4(text) ?? new Uint8Array(4);
const ipv6 = (text: string): Uint8Array => parseIpv6(text) ?? new Uint8Array(16);

export const ADDRESSES = {
  /** The session's name, and its interface's. */
  session: 'pppoe0',
  sessionMac: '02:00:5e:10:53:01',
  acMac: mac('02:00:00:00:00:ac'),
  ac: ipv4('100.64.0.1'),
  public: ipv4('203.0.113.7'),
  /** What a second session would get, which there must not be. */
  other: ipv4('203.0.113.8'),
  dns: ipv4('192.0.2.53'),
  carp: '192.168.7.1',
  lan: { r1: '192.168.7.2', r2: '192.168.7.3' },
  /** All_DHCP_Relay_Agents_and_Servers, and the server of the AC. */
  servers6: ipv6('ff02::1:2'),
  server6: ipv6('fe80::ac'),
} as const;

/** Of the delegated prefix, seconds. T1, half of the first, comes after the last move, unless the machine is slow. */
export const LEASE = { preferredSeconds: 30, validSeconds: 7200 } as const;

/** The ISP's prefixes, and what each router's address on the LAN ends in. */
export const DELEGATED = { within: '2001:db8::/32', host: { r1: '::2', r2: '::3' } } as const;
export const DHCP6_PORT = { client: 546, server: 547 } as const;

/** The routers' interfaces, and the CARP group they share. */
export const INTERFACES = { line: 'line0', lan: 'lan0', vhid: 1 } as const;
