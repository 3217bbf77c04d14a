/**
 * PPP packets: the Protocol field, and the control packets of RFC 1661 §5 that LCP and the NCPs share. A decoded option
 * keeps its raw octets, because a Configure-Ack returns them unchanged (§5.2). It decides nothing.
 */
import { Reader, Writer } from '../bytes.ts';
import {
  decodeChap,
  decodePap,
  encodeChap,
  encodePap,
  type ChapPacket,
  type PapPacket,
} from './auth.ts';
import {
  decodeControlHeader,
  decodeOptions,
  encodeControl,
  type ControlHeader,
} from './control.ts';
import { decodeLcpOption, encodeLcpOption, type LcpOption } from './lcp.ts';
import {
  decodeIpcpOption,
  decodeIpv6cpOption,
  encodeIpcpOption,
  encodeIpv6cpOption,
  type IpcpOption,
  type Ipv6cpOption,
} from './ncp.ts';

/** Values of the Protocol field (RFC 1661 §2 and the assigned numbers). */
export const PROTOCOL = {
  IPv4: 0x0021,
  IPv6: 0x0057,
  IPCP: 0x8021,
  IPV6CP: 0x8057,
  CCP: 0x80fd,
  LCP: 0xc021,
  PAP: 0xc023,
  CHAP: 0xc223,
} as const;

/** Code values of RFC 1661 §5 (LCP also has 8–11) and RFC 1570 §2 (12, 13). */
const CONTROL_CODE = {
  'Vendor-Specific': 0,
  'Configure-Request': 1,
  'Configure-Ack': 2,
  'Configure-Nak': 3,
  'Configure-Reject': 4,
  'Terminate-Request': 5,
  'Terminate-Ack': 6,
  'Code-Reject': 7,
  'Protocol-Reject': 8,
  'Echo-Request': 9,
  'Echo-Reply': 10,
  'Discard-Request': 11,
  Identification: 12,
  'Time-Remaining': 13,
} as const;

type ConfigureCode = 'Configure-Request' | 'Configure-Ack' | 'Configure-Nak' | 'Configure-Reject';

export interface ConfigurePacket<Option> {
  readonly code: ConfigureCode;
  readonly identifier: number;
  readonly options: readonly Option[];
}

/** Packets of LCP and of every NCP (RFC 1661 §5.1–5.6). */
export type ControlPacket<Option> =
  | ConfigurePacket<Option>
  | {
      readonly code: 'Terminate-Request' | 'Terminate-Ack';
      readonly identifier: number;
      readonly data: Uint8Array;
    }
  | { readonly code: 'Code-Reject'; readonly identifier: number; readonly rejected: Uint8Array }
  /** A Code that this protocol does not have. `raw` is the whole packet from Code on, for the Code-Reject. */
  | {
      readonly code: 'unknown';
      readonly number: number;
      readonly identifier: number;
      readonly raw: Uint8Array;
    };

/** Packets of LCP alone (RFC 1661 §5.7–5.9, RFC 1570 §2, RFC 2153 §2). */
export type LcpOnlyPacket =
  | {
      readonly code: 'Protocol-Reject';
      readonly identifier: number;
      readonly protocol: number;
      readonly rejected: Uint8Array;
    }
  | {
      readonly code: 'Echo-Request' | 'Echo-Reply' | 'Discard-Request';
      readonly identifier: number;
      /** The sender's Magic-Number; 0 if it negotiated none. */
      readonly magic: number;
      readonly data: Uint8Array;
    }
  | {
      readonly code: 'Identification';
      readonly identifier: number;
      readonly magic: number;
      readonly message: Uint8Array;
    }
  | {
      readonly code: 'Time-Remaining';
      readonly identifier: number;
      readonly magic: number;
      readonly seconds: number;
      readonly message: Uint8Array;
    }
  | {
      readonly code: 'Vendor-Specific';
      readonly identifier: number;
      readonly magic: number;
      readonly data: Uint8Array;
    };

export type LcpPacket = ControlPacket<LcpOption> | LcpOnlyPacket;
export type IpcpPacket = ControlPacket<IpcpOption>;
export type Ipv6cpPacket = ControlPacket<Ipv6cpOption>;

/** A control packet of the session. IPv4 and IPv6 data never leave the kernel. */
export type PppPacket =
  | { readonly protocol: 'LCP'; readonly packet: LcpPacket }
  | { readonly protocol: 'PAP'; readonly packet: PapPacket }
  | { readonly protocol: 'CHAP'; readonly packet: ChapPacket }
  /** `information` is present in a received packet: a router without that protocol returns it in a Protocol-Reject. */
  | { readonly protocol: 'IPCP'; readonly packet: IpcpPacket; readonly information?: Uint8Array }
  | {
      readonly protocol: 'IPV6CP';
      readonly packet: Ipv6cpPacket;
      readonly information?: Uint8Array;
    }
  /** A protocol we do not speak; `information` is everything after the Protocol field, for the Protocol-Reject. */
  | { readonly protocol: 'unknown'; readonly number: number; readonly information: Uint8Array };

/**
 * Decodes one PPP packet of the session.
 *
 * A Code that the protocol does not have is not an error: the packet is `unknown`, with the octets that a Code-Reject
 * must return. Octets after Length are padding.
 *
 * @param protocol the Protocol field
 * @param packet the octets after the Protocol field
 * @throws DecodeError for a Length, an option or a field that does not fit: RFC 1661 §5 discards such packets silently
 */
export function decodePpp(protocol: number, packet: Uint8Array): PppPacket {
  const reader = Reader.copy(packet);
  switch (protocol) {
    case PROTOCOL.LCP:
      return { protocol: 'LCP', packet: decodeLcp(decodeControlHeader(reader)) };
    case PROTOCOL.PAP:
      return { protocol: 'PAP', packet: decodePap(reader) };
    case PROTOCOL.CHAP:
      return { protocol: 'CHAP', packet: decodeChap(reader) };
    case PROTOCOL.IPCP:
      return {
        protocol: 'IPCP',
        packet: decodeControl(decodeControlHeader(reader), decodeIpcpOption),
        information: Uint8Array.from(packet),
      };
    case PROTOCOL.IPV6CP:
      return {
        protocol: 'IPV6CP',
        packet: decodeControl(decodeControlHeader(reader), decodeIpv6cpOption),
        information: Uint8Array.from(packet),
      };
    default:
      return { protocol: 'unknown', number: protocol, information: reader.rest() };
  }
}

/** Encodes the Protocol field and the packet. Throws RangeError for a value that does not fit its field. */
export function encodePpp(ppp: PppPacket): { protocol: number; packet: Uint8Array } {
  switch (ppp.protocol) {
    case 'LCP':
      return { protocol: PROTOCOL.LCP, packet: encodeLcp(ppp.packet) };
    case 'PAP':
      return { protocol: PROTOCOL.PAP, packet: encodePap(ppp.packet) };
    case 'CHAP':
      return { protocol: PROTOCOL.CHAP, packet: encodeChap(ppp.packet) };
    case 'IPCP':
      return { protocol: PROTOCOL.IPCP, packet: encodeNcp(ppp.packet, encodeIpcpOption) };
    case 'IPV6CP':
      return { protocol: PROTOCOL.IPV6CP, packet: encodeNcp(ppp.packet, encodeIpv6cpOption) };
    case 'unknown':
      return { protocol: ppp.number, packet: ppp.information };
  }
}

function decodeControl<Option>(
  { number, identifier, body, raw }: ControlHeader,
  view: (type: number, raw: Uint8Array) => Option,
): ControlPacket<Option> {
  switch (number) {
    case CONTROL_CODE['Configure-Request']:
      return { code: 'Configure-Request', identifier, options: decodeOptions(body, view) };
    case CONTROL_CODE['Configure-Ack']:
      return { code: 'Configure-Ack', identifier, options: decodeOptions(body, view) };
    case CONTROL_CODE['Configure-Nak']:
      return { code: 'Configure-Nak', identifier, options: decodeOptions(body, view) };
    case CONTROL_CODE['Configure-Reject']:
      return { code: 'Configure-Reject', identifier, options: decodeOptions(body, view) };
    case CONTROL_CODE['Terminate-Request']:
      return { code: 'Terminate-Request', identifier, data: body.rest() };
    case CONTROL_CODE['Terminate-Ack']:
      return { code: 'Terminate-Ack', identifier, data: body.rest() };
    case CONTROL_CODE['Code-Reject']:
      return { code: 'Code-Reject', identifier, rejected: body.rest() };
    default:
      return { code: 'unknown', number, identifier, raw };
  }
}

function decodeLcp(header: ControlHeader): LcpPacket {
  const { number, identifier, body } = header;
  const magic = (): number => body.u32('Magic-Number');
  switch (number) {
    case CONTROL_CODE['Protocol-Reject']: {
      const protocol = body.u16('Rejected-Protocol');
      return { code: 'Protocol-Reject', identifier, protocol, rejected: body.rest() };
    }
    case CONTROL_CODE['Echo-Request']:
      return { code: 'Echo-Request', identifier, magic: magic(), data: body.rest() };
    case CONTROL_CODE['Echo-Reply']:
      return { code: 'Echo-Reply', identifier, magic: magic(), data: body.rest() };
    case CONTROL_CODE['Discard-Request']:
      return { code: 'Discard-Request', identifier, magic: magic(), data: body.rest() };
    case CONTROL_CODE['Vendor-Specific']:
      return { code: 'Vendor-Specific', identifier, magic: magic(), data: body.rest() };
    case CONTROL_CODE.Identification:
      return { code: 'Identification', identifier, magic: magic(), message: body.rest() };
    case CONTROL_CODE['Time-Remaining']:
      return {
        code: 'Time-Remaining',
        identifier,
        magic: magic(),
        seconds: body.u32('Seconds-Remaining'),
        message: body.rest(),
      };
    default:
      return decodeControl(header, decodeLcpOption);
  }
}

function encodeLcp(packet: LcpPacket): Uint8Array {
  const encode = (code: keyof typeof CONTROL_CODE, body: (into: Writer) => void): Uint8Array =>
    encodeControl(CONTROL_CODE[code], packet.identifier, body);
  switch (packet.code) {
    case 'Protocol-Reject':
      return encode(packet.code, (into) => into.u16(packet.protocol).octets(packet.rejected));
    case 'Echo-Request':
    case 'Echo-Reply':
    case 'Discard-Request':
    case 'Vendor-Specific':
      return encode(packet.code, (into) => into.u32(packet.magic).octets(packet.data));
    case 'Identification':
      return encode(packet.code, (into) => into.u32(packet.magic).octets(packet.message));
    case 'Time-Remaining':
      return encode(packet.code, (into) =>
        into.u32(packet.magic).u32(packet.seconds).octets(packet.message),
      );
    default:
      return encodeNcp(packet, encodeLcpOption);
  }
}

/** Encodes a packet of the kinds that LCP shares with the NCPs. */
function encodeNcp<Option>(
  packet: ControlPacket<Option>,
  encodeOption: (option: Option) => Uint8Array,
): Uint8Array {
  const encode = (code: keyof typeof CONTROL_CODE, body: (into: Writer) => void): Uint8Array =>
    encodeControl(CONTROL_CODE[code], packet.identifier, body);
  switch (packet.code) {
    case 'Terminate-Request':
    case 'Terminate-Ack':
      return encode(packet.code, (into) => into.octets(packet.data));
    case 'Code-Reject':
      return encode(packet.code, (into) => into.octets(packet.rejected));
    case 'unknown':
      return packet.raw;
    default:
      return encode(packet.code, (into) => {
        for (const option of packet.options) into.octets(encodeOption(option));
      });
  }
}
