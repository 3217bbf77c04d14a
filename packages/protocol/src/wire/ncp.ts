/** Options of IPCP (RFC 1332 §3, RFC 1877 §1) and IPV6CP (RFC 5072 §4). */
import { encodeOption, type OptionOctets, type UnknownOption } from './control.ts';

/** IPCP option Type values. We always reject IP-Addresses (1) and IP-Compression-Protocol (2), so they stay unknown. */
const IPCP_OPTION = { address: 3, dns1: 129, dns2: 131 } as const;
const IPV6CP_OPTION = { interfaceId: 1 } as const;

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

/** Parses four decimal numbers 0 … 255 between dots; undefined for anything else. */
export function parseIpv4(text: string): Ipv4Address | undefined {
  const parts = text.split('.');
  if (
    parts.length !== 4 ||
    !parts.every((part) => /^(0|[1-9][0-9]{0,2})$/.test(part) && Number(part) <= 255)
  )
    return undefined;
  return Uint8Array.from(parts, Number);
}

/** A typed view of one IPCP option; a known type with a Length other than 6 is `unknown`. */
export function decodeIpcpOption(type: number, raw: Uint8Array): IpcpOption {
  const kind = IPCP_KINDS.get(type);
  if (kind === undefined || raw.length !== 6) return { kind: 'unknown', type, raw };
  return { kind, address: raw.slice(2), raw };
}

/** The octets as received if the option has them (RFC 1661 §5.2), otherwise encoded from its value. */
export function encodeIpcpOption(option: IpcpOption): Uint8Array {
  if (option.kind === 'unknown') return option.raw;
  return option.raw ?? encodeOption(IPCP_OPTION[option.kind], exactly(4, option.address));
}

/** A typed view of one IPV6CP option; an Interface-Identifier with a Length other than 10 is `unknown`. */
export function decodeIpv6cpOption(type: number, raw: Uint8Array): Ipv6cpOption {
  return type === IPV6CP_OPTION.interfaceId && raw.length === 10
    ? { kind: 'interfaceId', interfaceId: raw.slice(2), raw }
    : { kind: 'unknown', type, raw };
}

/** Like encodeIpcpOption. */
export function encodeIpv6cpOption(option: Ipv6cpOption): Uint8Array {
  if (option.kind === 'unknown') return option.raw;
  return option.raw ?? encodeOption(IPV6CP_OPTION.interfaceId, exactly(8, option.interfaceId));
}

const IPCP_KINDS: ReadonlyMap<number, keyof typeof IPCP_OPTION> = new Map(
  Object.entries(IPCP_OPTION).map(([kind, type]) => [type, kind as keyof typeof IPCP_OPTION]),
);

function exactly(length: number, octets: Uint8Array): Uint8Array {
  if (octets.length !== length) throw new RangeError(`${octets.length} octets are not ${length}`);
  return octets;
}
