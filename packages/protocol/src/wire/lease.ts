/**
 * Encodes a DHCPv6 lease as one section of the snapshot for the partner (docs/partner-protocol.md §5). It judges no
 * lease.
 *
 * It imports only the types of the engine's data, as `partner-snapshot.ts` does.
 */
import { Reader, Writer } from '../bytes.ts';
import type { FormerPrefix, Lease, LeasedAddress, LeasedPrefix } from '../lease.ts';
import { networkOf } from './ipv6.ts';

/** The most of each that a lease keeps; the rest of the server's offer is ignored. */
export const MOST = { prefixes: 4, addresses: 2, former: 4, dns: 4, search: 6 } as const;

/** Octets of a DUID (RFC 9915 §11.1), characters of a domain name, bits of the shortest prefix. */
export const DUID_OCTETS = { low: 3, high: 130 } as const;
const NAME_CHARACTERS = 255;
export const LEAST_PREFIX = 32;

/** Letters, digits, hyphens and underscores, in labels between dots. No other name may reach a file or a program. */
export const isDomainName = (text: string): boolean =>
  text.length <= NAME_CHARACTERS && /^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(text);

/** Null (no lease) gives no octets. Throws RangeError for a value that does not fit its field. */
export function encodeLease(lease: Lease | null): Uint8Array {
  const into = new Writer();
  if (lease === null) return into.finish();
  counted(into, lease.duid);
  counted(into, lease.serverDuid);
  into.u32(lease.iaid).u64(BigInt(lease.grantedAt)).u64(BigInt(lease.session));
  into.u32(lease.t1).u32(lease.t2);
  list(into, 'prefixes', lease.prefixes, ({ prefix, length, preferred, valid, exclude }) => {
    into.u32(preferred).u32(valid).u8(length).octets(sixteen(prefix));
    into.u8(exclude?.length ?? 0);
    if (exclude !== undefined) into.octets(sixteen(exclude.prefix));
  });
  list(into, 'addresses', lease.addresses, ({ address, preferred, valid }) =>
    into.u32(preferred).u32(valid).octets(sixteen(address)),
  );
  list(into, 'former', lease.former, ({ prefix, length, valid }) =>
    into.u32(valid).u8(length).octets(sixteen(prefix)),
  );
  list(into, 'dns', lease.dns, (server) => into.octets(sixteen(server)));
  list(into, 'search', lease.search, (name) => counted(into, ascii(name)));
  counted(into, ascii(lease.aftr));
  return into.finish();
}

/** @throws DecodeError for octets that are not a lease; ignores fields that a later version adds at the end */
export function decodeLease(reader: Reader): Lease | null {
  if (reader.remaining === 0) return null;
  const duid = duidOf(reader);
  const serverDuid = duidOf(reader);
  const iaid = reader.u32('IAID');
  const grantedAt = timeOf(reader, 'time of the grant');
  const session = timeOf(reader, 'start of the session');
  return {
    duid,
    serverDuid,
    iaid,
    grantedAt,
    session,
    t1: reader.u32('T1'),
    t2: reader.u32('T2'),
    prefixes: items(reader, 'prefixes', () => prefixOf(reader)),
    addresses: items(reader, 'addresses', () => addressOf(reader)),
    former: items(reader, 'former', () => formerOf(reader)),
    dns: items(reader, 'dns', () => reader.take(16, 'DNS server')),
    search: items(reader, 'search', () => nameOf(reader)),
    aftr: aftrOf(reader),
  };
}

function timeOf(reader: Reader, what: string): number {
  const time = reader.u64(what);
  if (time > BigInt(Number.MAX_SAFE_INTEGER)) throw reader.error(what);
  return Number(time);
}

function prefixOf(reader: Reader): LeasedPrefix {
  const lifetimes = lifetimesOf(reader);
  const network = networkIn(reader);
  const exclude = reader.u8('length of the excluded prefix');
  if (exclude === 0) return { ...network, ...lifetimes };
  if (exclude <= network.length || exclude > 128) throw reader.error('excluded prefix');
  const prefix = networkOf(reader.take(16, 'excluded prefix'), exclude);
  return { ...network, ...lifetimes, exclude: { prefix, length: exclude } };
}

function addressOf(reader: Reader): LeasedAddress {
  const lifetimes = lifetimesOf(reader);
  return { address: reader.take(16, 'address'), ...lifetimes };
}

function formerOf(reader: Reader): FormerPrefix {
  const valid = reader.u32('valid lifetime');
  return { ...networkIn(reader), valid };
}

function lifetimesOf(reader: Reader): { readonly preferred: number; readonly valid: number } {
  const preferred = reader.u32('preferred lifetime');
  const valid = reader.u32('valid lifetime');
  if (preferred > valid) throw reader.error('preferred longer than valid');
  return { preferred, valid };
}

function networkIn(reader: Reader): { readonly prefix: Uint8Array; readonly length: number } {
  const length = reader.u8('prefix length');
  if (length < LEAST_PREFIX || length > 128) throw reader.error(`a prefix of ${length} bits`);
  return { prefix: networkOf(reader.take(16, 'prefix'), length), length };
}

function duidOf(reader: Reader): Uint8Array {
  const length = reader.u8('length of a DUID');
  if (length < DUID_OCTETS.low || length > DUID_OCTETS.high)
    throw reader.error(`a DUID of ${length} octets`);
  return reader.take(length, 'DUID');
}

function nameOf(reader: Reader): string {
  const name = String.fromCharCode(...reader.take(reader.u8('length of a name'), 'name'));
  if (!isDomainName(name)) throw reader.error('a name that is none');
  return name;
}

const aftrOf = (reader: Reader): string => {
  if (reader.fork().u8('length of a name') > 0) return nameOf(reader);
  reader.u8('length of a name');
  return '';
};

type List = keyof typeof MOST;

function list<T>(
  into: Writer,
  name: List,
  values: readonly T[],
  write: (value: T) => unknown,
): void {
  if (values.length > MOST[name]) throw new RangeError(`${values.length} ${name}`);
  into.u8(values.length);
  for (const value of values) write(value);
}

function items<T>(reader: Reader, name: List, read: () => T): T[] {
  const count = reader.u8(`number of ${name}`);
  if (count > MOST[name]) throw reader.error(`${count} ${name}`);
  return Array.from({ length: count }, read);
}

const counted = (into: Writer, octets: Uint8Array): Writer => into.u8(octets.length).octets(octets);

const ascii = (text: string): Uint8Array =>
  Uint8Array.from(text, (character) => character.charCodeAt(0));

function sixteen(octets: Uint8Array): Uint8Array {
  if (octets.length !== 16) throw new RangeError(`${octets.length} octets are not 16`);
  return octets;
}
