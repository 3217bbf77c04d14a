/** LCP Configuration Options (RFC 1661 §6, RFC 1570 §2.3): a typed view that keeps the raw octets. */
import type { OptionOctets, UnknownOption } from './ppp.ts';

/** Option Type values. */
export const LCP_OPTION = {
  mru: 1,
  accm: 2,
  authentication: 3,
  quality: 4,
  magic: 5,
  pfc: 7,
  acfc: 8,
  fcsAlternatives: 9,
  callback: 13,
} as const;

/** An authentication method a Configure-Request may ask for; `unknown` is one we do not have (RFC 1661 §6.2). */
export type AuthMethod = 'PAP' | 'CHAP-MD5' | 'MS-CHAPv2' | 'unknown';

export type LcpOption =
  /** Maximum-Receive-Unit, octets of the Information field (§6.1). */
  | ({ readonly kind: 'mru'; readonly mru: number } & OptionOctets)
  /** Authentication-Protocol (§6.2, RFC 1994 §3, RFC 2759 §3). */
  | ({ readonly kind: 'authentication'; readonly method: AuthMethod } & OptionOctets)
  /** Magic-Number, 1 … 0xffffffff (§6.4). */
  | ({ readonly kind: 'magic'; readonly magic: number } & OptionOctets)
  | UnknownOption;
