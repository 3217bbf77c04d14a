/** LCP Configuration Options (RFC 1661 §6, RFC 1570 §2.3): a typed view that keeps the raw octets. */
import { Reader, toHex, Writer } from '../bytes.ts';
import { encodeOption, type OptionOctets, type UnknownOption } from './control.ts';

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

/** An authentication method in a Configure-Request; `unknown` is one we do not have (RFC 1661 §6.2). */
export type AuthMethod = 'PAP' | 'CHAP-MD5' | 'MS-CHAPv2' | 'unknown';

export type LcpOption =
  /** Maximum-Receive-Unit, octets of the Information field (§6.1). */
  | ({ readonly kind: 'mru'; readonly mru: number } & OptionOctets)
  /** Authentication-Protocol (§6.2, RFC 1994 §3, RFC 2759 §3). */
  | ({ readonly kind: 'authentication'; readonly method: AuthMethod } & OptionOctets)
  /** Magic-Number (§6.4). 0 is illegal, and yet some ACs have it. */
  | ({ readonly kind: 'magic'; readonly magic: number } & OptionOctets)
  | UnknownOption;

/** Authentication-Protocol Data: the protocol, and for CHAP its Algorithm (RFC 1994 §3, RFC 2759 §3). */
const AUTH_DATA = {
  PAP: [0xc0, 0x23],
  'CHAP-MD5': [0xc2, 0x23, 0x05],
  'MS-CHAPv2': [0xc2, 0x23, 0x81],
} as const satisfies Record<Exclude<AuthMethod, 'unknown'>, readonly number[]>;

/**
 * A typed view of one LCP option.
 *
 * - A known type with a Length that its definition does not allow is `unknown`, so the engine rejects it (RFC 1661
 * §5.4).
 * - An Authentication-Protocol of a good Length is always `authentication`, because the answer to a method we lack is a
 * Nak with one we have (§6.2), not a Reject. Its Data must match a method exactly. Octets after CHAP's Algorithm would
 * belong to an algorithm that we lack, so the method is `unknown`.
 *
 * @param raw Type, Length and Data; the caller has checked that Length is `raw.length`
 */
export function decodeLcpOption(type: number, raw: Uint8Array): LcpOption {
  const data = new Reader(raw.subarray(2));
  if (type === LCP_OPTION.mru && data.remaining === 2) {
    return { kind: 'mru', mru: data.u16('Maximum-Receive-Unit'), raw };
  }
  if (type === LCP_OPTION.magic && data.remaining === 4) {
    return { kind: 'magic', magic: data.u32('Magic-Number'), raw };
  }
  if (type === LCP_OPTION.authentication && data.remaining >= 2) {
    return { kind: 'authentication', method: methodOf(data.rest()), raw };
  }
  return { kind: 'unknown', type, raw };
}

/** The octets as received if the option has them (RFC 1661 §5.2), otherwise encoded from its value. */
export function encodeLcpOption(option: LcpOption): Uint8Array {
  if (option.kind === 'unknown') return option.raw;
  if (option.raw !== undefined) return option.raw;
  switch (option.kind) {
    case 'mru':
      return encodeOption(LCP_OPTION.mru, new Writer().u16(option.mru).finish());
    case 'magic':
      return encodeOption(LCP_OPTION.magic, new Writer().u32(option.magic).finish());
    case 'authentication':
      if (option.method === 'unknown') throw new RangeError('an unknown method has no octets');
      return encodeOption(LCP_OPTION.authentication, Uint8Array.from(AUTH_DATA[option.method]));
  }
}

/** Options that no PPPoE session has, and methods that we lack, for people. */
const FOREIGN_OPTIONS: Readonly<Record<number, string>> = {
  [LCP_OPTION.accm]: 'character map',
  [LCP_OPTION.quality]: 'link quality',
  [LCP_OPTION.pfc]: 'protocol field compression',
  [LCP_OPTION.acfc]: 'address and control field compression',
  [LCP_OPTION.fcsAlternatives]: 'FCS alternatives',
  [LCP_OPTION.callback]: 'callback',
  17: 'multilink',
  18: 'multilink sequence numbers',
  19: 'endpoint discriminator',
};
const FOREIGN_METHODS: Readonly<Record<string, string>> = {
  c027: 'SPAP',
  c227: 'EAP',
  c22380: 'MS-CHAP',
};

/** For people: the option's kind, or its number and meaning. */
export function lcpOptionName(option: LcpOption): string {
  if (option.kind !== 'unknown') return option.kind;
  const meaning = FOREIGN_OPTIONS[option.type];
  return `option ${option.type}${meaning === undefined ? '' : ` (${meaning})`}`;
}

/** For people: the method, or its protocol and algorithm in hexadecimal. */
export function methodName({ method, raw }: Extract<LcpOption, { method: AuthMethod }>): string {
  if (method !== 'unknown') return method;
  const data = toHex(raw?.subarray(2) ?? new Uint8Array(0));
  return FOREIGN_METHODS[data] ?? data;
}

function methodOf(data: Uint8Array): AuthMethod {
  if (matches(data, AUTH_DATA.PAP)) return 'PAP';
  if (matches(data, AUTH_DATA['CHAP-MD5'])) return 'CHAP-MD5';
  if (matches(data, AUTH_DATA['MS-CHAPv2'])) return 'MS-CHAPv2';
  return 'unknown';
}

const matches = (data: Uint8Array, expected: readonly number[]): boolean =>
  data.length === expected.length && expected.every((octet, i) => octet === data[i]);
