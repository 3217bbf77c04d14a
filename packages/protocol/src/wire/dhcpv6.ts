/**
 * DHCPv6 messages between a client and a server, and their options (RFC 9915, RFC 6334, RFC 6603). It decides nothing,
 * and does not read relay messages.
 *
 * A decoded option keeps its octets, so encoding it again gives the same octets. Options nest to a fixed depth: leases
 * in an IA, and a lease's options in the lease. Deeper options stay octets.
 */
import { Reader, Writer } from '../bytes.ts';
import type { Ipv6Address } from './ipv6.ts';
import { unreachable } from '../unreachable.ts';

/** `msg-type` values (RFC 9915 §7.3). */
const DHCP6_TYPE = {
  Solicit: 1,
  Advertise: 2,
  Request: 3,
  Confirm: 4,
  Renew: 5,
  Rebind: 6,
  Reply: 7,
  Release: 8,
  Decline: 9,
  Reconfigure: 10,
  'Information-request': 11,
} as const;

export type Dhcp6Type = keyof typeof DHCP6_TYPE;

/** Option codes (RFC 9915 §21, RFC 3646, RFC 6334, RFC 6603). */
export const DHCP6_OPTION = {
  clientId: 1,
  serverId: 2,
  iaNa: 3,
  iaAddress: 5,
  oro: 6,
  preference: 7,
  elapsedTime: 8,
  statusCode: 13,
  rapidCommit: 14,
  dns: 23,
  domainSearch: 24,
  iaPd: 25,
  iaPrefix: 26,
  aftrName: 64,
  pdExclude: 67,
  solMaxRt: 82,
  infMaxRt: 83,
} as const;

/** Status codes (RFC 9915 §21.13). */
export const DHCP6_STATUS = {
  Success: 0,
  UnspecFail: 1,
  NoAddrsAvail: 2,
  NoBinding: 3,
  NotOnLink: 4,
  UseMulticast: 5,
  NoPrefixAvail: 6,
} as const;

/** A lifetime, or a T1 or T2, that never ends (RFC 9915 §7.7). */
export const INFINITY = 0xffff_ffff;

/** Octets after code and length, as received; absent from an option that we built. */
interface Raw {
  readonly raw?: Uint8Array;
}

export type Dhcp6Option =
  | ({ readonly kind: 'clientId' | 'serverId'; readonly duid: Uint8Array } & Raw)
  | ({
      readonly kind: 'iaNa' | 'iaPd';
      readonly iaid: number;
      /** Seconds; 0 leaves it to the client, and `INFINITY` means never. */
      readonly t1: number;
      readonly t2: number;
      readonly options: readonly Dhcp6Option[];
    } & Raw)
  | ({
      readonly kind: 'iaAddress';
      readonly address: Ipv6Address;
      /** Seconds; `INFINITY` means for ever. */
      readonly preferred: number;
      readonly valid: number;
      readonly options: readonly Dhcp6Option[];
    } & Raw)
  | ({
      readonly kind: 'iaPrefix';
      readonly preferred: number;
      readonly valid: number;
      /** 0 … 128 bits. Ignore bits of `prefix` beyond it. */
      readonly length: number;
      readonly prefix: Ipv6Address;
      readonly options: readonly Dhcp6Option[];
    } & Raw)
  | ({ readonly kind: 'oro'; readonly codes: readonly number[] } & Raw)
  | ({ readonly kind: 'preference'; readonly value: number } & Raw)
  /** Hundredths of a second, 0xffff for more. */
  | ({ readonly kind: 'elapsedTime'; readonly hundredths: number } & Raw)
  | ({ readonly kind: 'statusCode'; readonly status: number; readonly text: Uint8Array } & Raw)
  | ({ readonly kind: 'rapidCommit' } & Raw)
  | ({ readonly kind: 'dns'; readonly servers: readonly Ipv6Address[] } & Raw)
  | ({ readonly kind: 'domainSearch'; readonly names: readonly DomainName[] } & Raw)
  | ({ readonly kind: 'aftrName'; readonly name: DomainName } & Raw)
  /** `length` bits; `subnetId` holds those after the delegated prefix (RFC 6603 §4.2). */
  | ({ readonly kind: 'pdExclude'; readonly length: number; readonly subnetId: Uint8Array } & Raw)
  | ({ readonly kind: 'solMaxRt' | 'infMaxRt'; readonly seconds: number } & Raw)
  | { readonly kind: 'unknown'; readonly code: number; readonly raw: Uint8Array };

/** Labels of 1 … 63 octets each, in order, without the root (RFC 9915 §10). */
export type DomainName = readonly Uint8Array[];

export interface Dhcp6Message {
  readonly type: Dhcp6Type;
  /** 24 bits. */
  readonly transactionId: number;
  readonly options: readonly Dhcp6Option[];
}

/** An option of one kind. */
export type OptionOf<Kind extends Dhcp6Option['kind']> = Dhcp6Option & { readonly kind: Kind };

/**
 * @throws DecodeError for a message of another type, an option that does not fit, or a value that its option does not
 * allow
 */
export function decodeDhcp6(octets: Uint8Array): Dhcp6Message {
  const reader = Reader.copy(octets);
  const number = reader.u8('msg-type');
  const type = TYPES.get(number);
  if (type === undefined) throw reader.error(`msg-type ${number}`);
  const transactionId = reader.u8('transaction-id') * 0x1_0000 + reader.u16('transaction-id');
  return { type, transactionId, options: decodeOptions(reader, 'message') };
}

/** Throws RangeError for a value that does not fit its field. */
export function encodeDhcp6({ type, transactionId, options }: Dhcp6Message): Uint8Array {
  if (transactionId > 0xff_ffff) throw new RangeError(`transaction-id ${transactionId}`);
  const into = new Writer();
  into.u32(DHCP6_TYPE[type] * 0x100_0000 + transactionId);
  encodeOptions(into, options);
  return into.finish();
}

/** The first option of a kind; a second one is ignored. */
export function findOption<Kind extends Dhcp6Option['kind']>(
  options: readonly Dhcp6Option[],
  kind: Kind,
): OptionOf<Kind> | undefined {
  return allOptions(options, kind)[0];
}

export function allOptions<Kind extends Dhcp6Option['kind']>(
  options: readonly Dhcp6Option[],
  kind: Kind,
): OptionOf<Kind>[] {
  return options.filter((option): option is OptionOf<Kind> => option.kind === kind);
}

const TYPES: ReadonlyMap<number, Dhcp6Type> = new Map(
  Object.entries(DHCP6_TYPE).map(([name, number]) => [number, name as Dhcp6Type]),
);

/** The options allowed depend on the place. */
type OptionScope = 'message' | 'ia' | 'lease';
type KnownKind = keyof typeof DHCP6_OPTION;

const KNOWN: Readonly<Record<OptionScope, ReadonlySet<KnownKind>>> = {
  message: new Set([
    'clientId',
    'serverId',
    'iaNa',
    'iaPd',
    'oro',
    'preference',
    'elapsedTime',
    'statusCode',
    'rapidCommit',
    'dns',
    'domainSearch',
    'aftrName',
    'solMaxRt',
    'infMaxRt',
  ]),
  ia: new Set(['iaAddress', 'iaPrefix', 'statusCode']),
  lease: new Set(['statusCode', 'pdExclude']),
};

const KINDS: ReadonlyMap<number, KnownKind> = new Map(
  Object.entries(DHCP6_OPTION).map(([kind, code]) => [code, kind as KnownKind]),
);

function decodeOptions(reader: Reader, place: OptionScope): Dhcp6Option[] {
  const options: Dhcp6Option[] = [];
  while (reader.remaining > 0) {
    const code = reader.u16('option-code');
    const body = reader.sub(reader.u16('option-len'), `option ${code}`);
    const raw = body.fork().rest();
    const kind = KINDS.get(code);
    if (kind === undefined || !KNOWN[place].has(kind)) {
      options.push({ kind: 'unknown', code, raw });
      continue;
    }
    const option = decodeOption(kind, body);
    if (body.remaining > 0) throw body.error(`${body.remaining} octets more than option ${kind}`);
    options.push({ ...option, raw });
  }
  return options;
}

function decodeOption(kind: KnownKind, body: Reader): Exclude<Dhcp6Option, { kind: 'unknown' }> {
  switch (kind) {
    case 'clientId':
    case 'serverId':
      return { kind, duid: duid(body) };
    case 'iaNa':
    case 'iaPd':
      return {
        kind,
        iaid: body.u32('IAID'),
        t1: body.u32('T1'),
        t2: body.u32('T2'),
        options: decodeOptions(body, 'ia'),
      };
    case 'iaAddress':
      return {
        kind,
        address: body.take(16, 'address'),
        preferred: body.u32('preferred-lifetime'),
        valid: body.u32('valid-lifetime'),
        options: decodeOptions(body, 'lease'),
      };
    case 'iaPrefix':
      return {
        kind,
        preferred: body.u32('preferred-lifetime'),
        valid: body.u32('valid-lifetime'),
        length: prefixLength(body),
        prefix: body.take(16, 'prefix'),
        options: decodeOptions(body, 'lease'),
      };
    case 'oro':
      return { kind, codes: list(body, () => body.u16('requested-option-code')) };
    case 'preference':
      return { kind, value: body.u8('pref-value') };
    case 'elapsedTime':
      return { kind, hundredths: body.u16('elapsed-time') };
    case 'statusCode':
      return { kind, status: body.u16('status-code'), text: body.rest() };
    case 'rapidCommit':
      return { kind };
    case 'dns':
      return { kind, servers: list(body, () => body.take(16, 'DNS server')) };
    case 'domainSearch':
      return { kind, names: list(body, () => domainName(body)) };
    case 'aftrName':
      return { kind, name: domainName(body) };
    case 'pdExclude':
      return { kind, length: prefixLength(body), subnetId: subnetId(body) };
    case 'solMaxRt':
    case 'infMaxRt':
      return { kind, seconds: body.u32(kind) };
    default:
      return unreachable(kind);
  }
}

/** RFC 9915 §11.1: a type of two octets and at least one more, at most 130 in all. */
function duid(body: Reader): Uint8Array {
  const octets = body.rest();
  if (octets.length < 3 || octets.length > 130)
    throw body.error(`a DUID of ${octets.length} octets`);
  return octets;
}

function prefixLength(body: Reader): number {
  const length = body.u8('prefix-length');
  if (length > 128) throw body.error(`a prefix of ${length} bits`);
  return length;
}

function subnetId(body: Reader): Uint8Array {
  const octets = body.rest();
  if (octets.length < 1 || octets.length > 16)
    throw body.error(`an IPv6 subnet ID of ${octets.length} octets`);
  return octets;
}

/** RFC 9915 §10: labels, no compression, at most 255 octets with the root. */
function domainName(body: Reader): DomainName {
  const labels: Uint8Array[] = [];
  let total = 1;
  for (;;) {
    const length = body.u8('label length');
    if (length === 0) return labels;
    if (length > 63) throw body.error(`a label of ${length} octets`);
    total += length + 1;
    if (total > 255) throw body.error('a domain name of more than 255 octets');
    labels.push(body.take(length, 'label'));
  }
}

function list<T>(body: Reader, item: () => T): T[] {
  const items: T[] = [];
  while (body.remaining > 0) items.push(item());
  return items;
}

function encodeOptions(into: Writer, options: readonly Dhcp6Option[]): void {
  for (const option of options) {
    const { raw } = option;
    into.u16(option.kind === 'unknown' ? option.code : DHCP6_OPTION[option.kind]);
    into.counted16((body) => {
      if (raw !== undefined) body.octets(raw);
      else if (option.kind !== 'unknown') encodeBody(body, option);
    });
  }
}

function encodeBody(into: Writer, option: Exclude<Dhcp6Option, { kind: 'unknown' }>): void {
  switch (option.kind) {
    case 'clientId':
    case 'serverId':
      return void into.octets(option.duid);
    case 'iaNa':
    case 'iaPd':
      into.u32(option.iaid).u32(option.t1).u32(option.t2);
      return encodeOptions(into, option.options);
    case 'iaAddress':
      into.octets(sixteen(option.address)).u32(option.preferred).u32(option.valid);
      return encodeOptions(into, option.options);
    case 'iaPrefix':
      into.u32(option.preferred).u32(option.valid).u8(option.length);
      into.octets(sixteen(option.prefix));
      return encodeOptions(into, option.options);
    case 'oro':
      for (const code of option.codes) into.u16(code);
      return;
    case 'preference':
      return void into.u8(option.value);
    case 'elapsedTime':
      return void into.u16(option.hundredths);
    case 'statusCode':
      return void into.u16(option.status).octets(option.text);
    case 'rapidCommit':
      return;
    case 'dns':
      for (const server of option.servers) into.octets(sixteen(server));
      return;
    case 'domainSearch':
      for (const name of option.names) encodeName(into, name);
      return;
    case 'aftrName':
      return encodeName(into, option.name);
    case 'pdExclude':
      return void into.u8(option.length).octets(option.subnetId);
    case 'solMaxRt':
    case 'infMaxRt':
      return void into.u32(option.seconds);
    default:
      return unreachable(option);
  }
}

function encodeName(into: Writer, name: DomainName): void {
  for (const label of name) {
    if (label.length < 1 || label.length > 63)
      throw new RangeError(`a label of ${label.length} octets`);
    into.u8(label.length).octets(label);
  }
  into.u8(0);
}

function sixteen(address: Uint8Array): Uint8Array {
  if (address.length !== 16) throw new RangeError(`${address.length} octets are not 16`);
  return address;
}
