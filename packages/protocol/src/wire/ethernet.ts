/** MAC addresses, EtherTypes and the Ethernet II header. Not VLAN tags: those are the kernel's. */
import { toHex, fromHex } from '../bytes.ts';

/** Six octets. */
export type MacAddress = Uint8Array;

export const ETHERTYPE = { RARP: 0x8035, PPPOE_DISCOVERY: 0x8863, PPPOE_SESSION: 0x8864 } as const;

export const BROADCAST: MacAddress = new Uint8Array(6).fill(0xff);

/** `02:00:5e:10:53:01`, lower case, as logs and configuration show it. */
export const formatMac = (mac: MacAddress): string => (toHex(mac).match(/../g) ?? []).join(':');

/** Six octets from six pairs of hexadecimal digits between colons; undefined for anything else. */
export function parseMac(text: string): MacAddress | undefined {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text)
    ? fromHex(text.replaceAll(':', ''))
    : undefined;
}

/** Group addresses (IEEE 802: the first octet's lowest bit); broadcast is one. */
export const isMulticast = (mac: MacAddress): boolean => ((mac[0] ?? 0) & 1) === 1;
