/** Converts a DHCPv6 lease to and from a JSON object that people can read. It knows no files. */
import { toHex } from '@ppp-thing/protocol/bytes';
import type { Lease, LeasedPrefix } from '@ppp-thing/protocol/lease';
import { DUID_OCTETS, isDomainName, LEAST_PREFIX, MOST } from '@ppp-thing/protocol/wire/lease';
import { formatIpv6, networkOf, parseIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { CorruptSnapshot, fields, list, octets, whole, type Fields } from './json-fields.ts';

const U32 = 0xffff_ffff;

export const formatPrefix = (each: {
  readonly prefix: Uint8Array;
  readonly length: number;
}): string => `${formatIpv6(each.prefix)}/${each.length}`;

export function encodeLeaseFields(lease: Lease): Fields {
  return {
    duid: toHex(lease.duid),
    serverDuid: toHex(lease.serverDuid),
    iaid: lease.iaid,
    grantedAt: lease.grantedAt,
    session: lease.session,
    t1: lease.t1,
    t2: lease.t2,
    prefixes: lease.prefixes.map(({ preferred, valid, exclude, ...prefix }) => ({
      prefix: formatPrefix(prefix),
      preferred,
      valid,
      ...(exclude && { exclude: formatPrefix(exclude) }),
    })),
    addresses: lease.addresses.map(({ address, preferred, valid }) => ({
      address: formatIpv6(address),
      preferred,
      valid,
    })),
    former: lease.former.map(({ valid, ...prefix }) => ({ prefix: formatPrefix(prefix), valid })),
    dns: lease.dns.map(formatIpv6),
    search: lease.search,
    aftr: lease.aftr,
  };
}

/** @throws CorruptSnapshot */
export function decodeLeaseFields(from: Fields): Lease {
  return {
    duid: duid(from, 'duid'),
    serverDuid: duid(from, 'serverDuid'),
    iaid: whole(from, 'iaid', U32),
    grantedAt: whole(from, 'grantedAt', Number.MAX_SAFE_INTEGER),
    session: whole(from, 'session', Number.MAX_SAFE_INTEGER),
    t1: whole(from, 't1', U32),
    t2: whole(from, 't2', U32),
    prefixes: tables(from, 'prefixes', MOST.prefixes).map(leasedPrefix),
    addresses: tables(from, 'addresses', MOST.addresses).map((each) => ({
      address: ipv6(each['address']),
      ...lifetimes(each),
    })),
    former: tables(from, 'former', MOST.former).map((each) => ({
      ...prefix(each['prefix']),
      valid: whole(each, 'valid', U32),
    })),
    dns: list(from, 'dns', MOST.dns).map(ipv6),
    search: list(from, 'search', MOST.search).map(name),
    aftr: from['aftr'] === '' ? '' : name(from['aftr']),
  };
}

function leasedPrefix(from: Fields): LeasedPrefix {
  const exclude = from['exclude'] === undefined ? undefined : prefix(from['exclude']);
  return { ...prefix(from['prefix']), ...lifetimes(from), ...(exclude && { exclude }) };
}

const tables = (from: Fields, key: string, most: number): Fields[] =>
  list(from, key, most).map((each) => fields(each, key));

function lifetimes(from: Fields): { readonly preferred: number; readonly valid: number } {
  const preferred = whole(from, 'preferred', U32);
  const valid = whole(from, 'valid', U32);
  if (preferred > valid) throw new CorruptSnapshot('preferred is longer than valid');
  return { preferred, valid };
}

function duid(from: Fields, key: string): Uint8Array {
  const found = octets(from, key);
  if (found.length < DUID_OCTETS.low || found.length > DUID_OCTETS.high)
    throw new CorruptSnapshot(`${key} is not a DUID`);
  return found;
}

function ipv6(value: unknown): Uint8Array {
  const found = typeof value === 'string' ? parseIpv6(value) : undefined;
  if (found === undefined) throw new CorruptSnapshot('not an IPv6 address');
  return found;
}

function prefix(value: unknown): { readonly prefix: Uint8Array; readonly length: number } {
  const [text, bits = ''] = typeof value === 'string' ? value.split('/') : [];
  const address = ipv6(text);
  const length = /^\d{1,3}$/.test(bits) ? Number(bits) : 0;
  if (length < LEAST_PREFIX || length > 128) throw new CorruptSnapshot('not an IPv6 prefix');
  return { prefix: networkOf(address, length), length };
}

function name(value: unknown): string {
  if (typeof value !== 'string' || !isDomainName(value))
    throw new CorruptSnapshot('not a domain name');
  return value;
}
