/**
 * PPP packets: the Protocol field, and the control packets of RFC 1661 §5 that LCP and the NCPs share. Options are
 * decoded to typed values that keep their raw octets, because a Configure-Ack returns them unchanged (§5.2).
 */
import type { LcpOption } from './lcp.ts';
import type { IpcpOption, Ipv6cpOption } from './ncp.ts';
import type { ChapPacket, PapPacket } from './auth.ts';

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

/** What every decoded option carries. An option built by the engine has no `raw`: its octets follow from its value. */
export interface OptionOctets {
  /** The whole option as received: Type, Length, Data. */
  readonly raw?: Uint8Array;
}

/** An option of a type we do not know, or of a known type with a Length its definition does not allow. */
export interface UnknownOption extends OptionOctets {
  readonly kind: 'unknown';
  readonly type: number;
  readonly raw: Uint8Array;
}

/** Code values of RFC 1661 §5 (LCP also has 8–11) and RFC 1570 §2 (12, 13). */
export const CONTROL_CODE = {
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

export type ConfigureCode =
  'Configure-Request' | 'Configure-Ack' | 'Configure-Nak' | 'Configure-Reject';

export interface ConfigurePacket<Option> {
  readonly code: ConfigureCode;
  readonly identifier: number;
  readonly options: readonly Option[];
}

/** Packets that LCP and every NCP understand (RFC 1661 §5.1–5.6). */
export type ControlPacket<Option> =
  | ConfigurePacket<Option>
  | {
      readonly code: 'Terminate-Request' | 'Terminate-Ack';
      readonly identifier: number;
      readonly data: Uint8Array;
    }
  | { readonly code: 'Code-Reject'; readonly identifier: number; readonly rejected: Uint8Array }
  /** A Code this protocol does not have. `raw` is the whole packet from Code on, for the Code-Reject. */
  | {
      readonly code: 'unknown';
      readonly number: number;
      readonly identifier: number;
      readonly raw: Uint8Array;
    };

/** Packets that only LCP has (RFC 1661 §5.7–5.9, RFC 1570 §2, RFC 2153 §2). */
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

/** A control packet of the session: everything but IPv4 and IPv6 data, which never leave the kernel. */
export type PppPacket =
  | { readonly protocol: 'LCP'; readonly packet: LcpPacket }
  | { readonly protocol: 'PAP'; readonly packet: PapPacket }
  | { readonly protocol: 'CHAP'; readonly packet: ChapPacket }
  | { readonly protocol: 'IPCP'; readonly packet: IpcpPacket }
  | { readonly protocol: 'IPV6CP'; readonly packet: Ipv6cpPacket }
  /** A protocol we do not speak; `information` is everything after the Protocol field, for the Protocol-Reject. */
  | { readonly protocol: 'unknown'; readonly number: number; readonly information: Uint8Array };
