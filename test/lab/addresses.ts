/** Names for the addresses that the lab's tests speak of. */
import { parseMac } from '@ppp-thing/protocol/wire/ethernet';
import { parseIpv4 } from '@ppp-thing/protocol/wire/ncp';

export function mac(text: string): Uint8Array {
  const octets = parseMac(text);
  if (octets === undefined) throw new Error(`${text}: not a MAC address`);
  return octets;
}

export function ipv4(text: string): Uint8Array {
  const octets = parseIpv4(text);
  if (octets === undefined) throw new Error(`${text}: not an IPv4 address`);
  return octets;
}

export const SESSION_MAC = mac('02:00:5e:10:53:01');
export const AC_MAC = mac('02:00:00:00:00:ac');
export const AC_ADDRESS = ipv4('100.64.0.1');
export const PUBLIC = ipv4('203.0.113.7');
