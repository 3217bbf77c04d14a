/** Options of IPCP (RFC 1332 §3, RFC 1877 §1) and IPV6CP (RFC 5072 §4). */
import type { OptionOctets, UnknownOption } from './ppp.ts';

/** IPCP option Type values. IP-Addresses (1) and IP-Compression-Protocol (2) are always rejected, so stay unknown. */
export const IPCP_OPTION = { address: 3, dns1: 129, dns2: 131 } as const;
export const IPV6CP_OPTION = { interfaceId: 1 } as const;

/** Four octets. */
export type Ipv4Address = Uint8Array;
/** Eight octets (RFC 5072 §4.1). */
export type InterfaceId = Uint8Array;

export type IpcpOption =
  | ({ readonly kind: 'address' | 'dns1' | 'dns2'; readonly address: Ipv4Address } & OptionOctets)
  | UnknownOption;

export type Ipv6cpOption =
  | ({ readonly kind: 'interfaceId'; readonly interfaceId: InterfaceId } & OptionOctets)
  | UnknownOption;

export const UNSPECIFIED_V4: Ipv4Address = new Uint8Array(4);

/** `192.0.2.7` */
export const formatIpv4 = (address: Ipv4Address): string => Array.from(address).join('.');

/** Four octets from four decimal numbers 0 … 255 between dots; undefined for anything else. */
export function parseIpv4(text: string): Ipv4Address | undefined {
  const parts = text.split('.');
  if (
    parts.length !== 4 ||
    !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
  )
    return undefined;
  return Uint8Array.from(parts, Number);
}
