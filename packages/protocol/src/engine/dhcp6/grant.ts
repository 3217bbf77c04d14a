/**
 * Judges a server's Advertise or Reply: a lease, or why there is none. It looks at one message; the client acts.
 */
import { sameOctets } from '../../bytes.ts';
import {
  samePrefix,
  secondsLeft,
  type FormerPrefix,
  type Lease,
  type LeasedAddress,
  type LeasedPrefix,
} from '../../lease.ts';
import { printable } from '../../printable.ts';
import {
  allOptions,
  DHCP6_STATUS,
  findOption,
  INFINITY,
  type Dhcp6Message,
  type Dhcp6Option,
  type Dhcp6Type,
  type DomainName,
  type OptionOf,
} from '../../wire/dhcpv6.ts';
import { isDomainName, LEAST_PREFIX, MOST } from '../../wire/lease.ts';
import { formatIpv6, networkOf, type Ipv6Address } from '../../wire/ipv6.ts';
import type { Dhcp6Config } from '../session-config.ts';

/** RFC 9096 §3.5: an old prefix stays valid for two hours at most. */
const FORMER_SECONDS = 7200;
/**
 * Shortest time to a renewal, or the client would do nothing else. A part that is valid for no longer than this would end
 * before it is renewed, so it counts as withdrawn.
 */
const LEAST_T1 = 5;

interface Lifetimes {
  readonly preferred: number;
  readonly valid: number;
}

export type Grant =
  | { readonly kind: 'lease'; readonly lease: Lease; readonly problems: readonly string[] }
  /** The server has no lease for us, in its own words or ours. */
  | { readonly kind: 'denied'; readonly reason: string }
  /** The server could not decide: ask it again. */
  | { readonly kind: 'unanswered'; readonly reason: string };

/** When, and on which session: seconds since 1970-01-01 UTC. */
type GrantedOn = Pick<Lease, 'grantedAt' | 'session'>;

/** @param asked the message that is answered */
export function grantOf(
  message: Dhcp6Message,
  config: Dhcp6Config,
  before: Lease | null,
  on: GrantedOn,
  asked: Dhcp6Type,
): Grant {
  const { options } = message;
  const status = statusOf(options);
  if (status !== undefined && isUnanswered(status.status))
    return { kind: 'unanswered', reason: wordsOf(status) };
  if (status !== undefined && !isPartial(status.status))
    return { kind: 'denied', reason: wordsOf(status) };
  const problems: string[] = [];
  const delegation = config.prefix ? ours(options, 'iaPd', config.iaid, problems) : [];
  const association = config.address ? ours(options, 'iaNa', config.iaid, problems) : [];
  const isExtended = asked === 'Renew' || asked === 'Rebind';
  const unbound = isExtended && unboundIn(options, config);
  if (unbound) return { kind: 'denied', reason: wordsOf(unbound) };
  const prefixes = prefixesIn(delegation, problems);
  const addresses = addressesIn(association, problems);
  if (prefixes.given.length + addresses.given.length === 0) {
    const nothing = status === undefined || status.status === DHCP6_STATUS.Success;
    const strange = strangeIaid(options, config);
    const empty = strange === undefined ? 'no prefix and no address in it' : strange;
    const reason = nothing ? empty : wordsOf(status);
    return { kind: 'denied', reason: problems[0] ?? reason };
  }
  const old = isExtended ? before : null;
  const kept = {
    prefixes: unsaid(old, old?.prefixes, prefixes, samePrefix, on.grantedAt),
    addresses: unsaid(old, old?.addresses, addresses, sameAddress, on.grantedAt),
  };
  const leased = {
    prefixes: [...prefixes.given, ...kept.prefixes].slice(0, MOST.prefixes),
    addresses: [...addresses.given, ...kept.addresses].slice(0, MOST.addresses),
  };
  const all = [...leased.prefixes, ...leased.addresses];
  const times = timesOf([...delegation, ...association], all);
  const { dns, search, aftr } = otherFacts(options);
  const lease: Lease = {
    duid: config.duid,
    serverDuid: findOption(options, 'serverId')?.duid ?? new Uint8Array(),
    iaid: config.iaid,
    ...on,
    ...times,
    ...leased,
    former: before === null ? [] : formerOf(before, leased.prefixes, on.grantedAt),
    dns,
    search,
    aftr,
  };
  return { kind: 'lease', lease, problems };
}

/** The contents of a server's IAs: what it grants, and what it withdraws. */
interface Said<T> {
  readonly given: T[];
  readonly withdrawn: T[];
}

/**
 * Parts of the old lease that the server neither extended nor withdrew, while it extended others: they stay as they were (RFC
 * 9915 §18.2.10.1). A server that grants other prefixes instead of ours has renumbered the line (RFC 9096).
 */
function unsaid<T extends Lifetimes>(
  before: Lease | null,
  old: readonly T[] | undefined,
  { given, withdrawn }: Said<T>,
  isSame: (a: T, b: T) => boolean,
  grantedAt: number,
): T[] {
  if (before === null || old === undefined) return [];
  const isIn = (list: readonly T[], each: T): boolean => list.some((one) => isSame(one, each));
  if (given.length > 0 && !old.some((each) => isIn(given, each))) return [];
  const left = (span: number): number => secondsLeft(before, span, grantedAt * 1000);
  return old
    .filter((each) => !isIn(given, each) && !isIn(withdrawn, each))
    .map((each) => ({ ...each, preferred: left(each.preferred), valid: left(each.valid) }))
    .filter(({ valid }) => valid > 0);
}

/** A lease that the server withdrew or replaced: its preferred prefixes become former ones. */
export function formerOf(
  before: Lease,
  prefixes: readonly LeasedPrefix[],
  grantedAt: number,
): FormerPrefix[] {
  const isReplaced = (old: FormerPrefix): boolean =>
    !prefixes.some((each) => samePrefix(each, old));
  return [...before.prefixes, ...before.former]
    .filter(isReplaced)
    .map(({ prefix, length, valid }) => {
      const left = secondsLeft(before, valid, grantedAt * 1000);
      return { prefix, length, valid: Math.min(FORMER_SECONDS, left) };
    })
    .filter(({ valid }) => valid > 0)
    .slice(0, MOST.former);
}

/** Whose lease it is, if it has IAs and none is ours. */
function strangeIaid(options: readonly Dhcp6Option[], { iaid }: Dhcp6Config): string | undefined {
  const ias = [...allOptions(options, 'iaPd'), ...allOptions(options, 'iaNa')];
  const [first] = ias;
  if (first === undefined || ias.some((each) => each.iaid === iaid)) return undefined;
  return `it is for IAID ${first.iaid}, and ours is ${iaid}`;
}

type Ia = OptionOf<'iaNa' | 'iaPd'>;

const statusOf = (options: readonly Dhcp6Option[]): OptionOf<'statusCode'> | undefined =>
  findOption(options, 'statusCode');

const isUnanswered = (status: number): boolean =>
  status === DHCP6_STATUS.UnspecFail || status === DHCP6_STATUS.UseMulticast;

/** A server without prefixes or addresses may say so for the whole message, as in RFC 3315, and yet grant the other. */
const isPartial = (status: number): boolean =>
  status === DHCP6_STATUS.Success ||
  status === DHCP6_STATUS.NoAddrsAvail ||
  status === DHCP6_STATUS.NoPrefixAvail;

/** The server's status that it has forgotten an IA of ours. We then request all of them (RFC 9915 §18.2.10.1). */
function unboundIn(
  options: readonly Dhcp6Option[],
  { iaid, prefix, address }: Dhcp6Config,
): OptionOf<'statusCode'> | undefined {
  const ias: Ia[] = [
    ...(prefix ? allOptions(options, 'iaPd') : []),
    ...(address ? allOptions(options, 'iaNa') : []),
  ];
  return ias
    .filter((ia) => ia.iaid === iaid)
    .map((ia) => statusOf(ia.options))
    .find((status) => status?.status === DHCP6_STATUS.NoBinding);
}

const STATUS_NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries(DHCP6_STATUS).map(([name, number]) => [number, name]),
);

function wordsOf({ status, text }: OptionOf<'statusCode'>): string {
  const name = STATUS_NAMES.get(status) ?? `status ${status}`;
  return text.length === 0 ? name : `${name}: ${printable(text)}`;
}

/** The IAs of our IAID that can be used (RFC 9915 §21.4, §21.21). */
function ours<Kind extends Ia['kind']>(
  options: readonly Dhcp6Option[],
  kind: Kind,
  iaid: number,
  problems: string[],
): OptionOf<Kind>[] {
  return allOptions(options, kind).filter((ia) => {
    if (ia.iaid !== iaid) return false;
    const status = statusOf(ia.options);
    if (status !== undefined && status.status !== DHCP6_STATUS.Success) {
      problems.push(wordsOf(status));
      return false;
    }
    const isOrdered = ia.t1 <= ia.t2 || ia.t1 === 0 || ia.t2 === 0;
    if (!isOrdered) problems.push(`T1 ${ia.t1} is later than T2 ${ia.t2}: the IA is ignored`);
    return isOrdered;
  });
}

function prefixesIn(ias: readonly OptionOf<'iaPd'>[], problems: string[]): Said<LeasedPrefix> {
  const given: LeasedPrefix[] = [];
  const withdrawn: LeasedPrefix[] = [];
  for (const option of ias.flatMap((ia) => allOptions(ia.options, 'iaPrefix'))) {
    const { length, preferred, valid } = option;
    const prefix = networkOf(option.prefix, length);
    const name = `${formatIpv6(prefix)}/${length}`;
    const wrong = wrongPrefix(prefix, length) ?? wrongLifetimes(preferred, valid);
    if (wrong !== undefined) problems.push(`prefix ${name} ${wrong}: it is ignored`);
    if (wrong !== undefined || given.some((each) => samePrefix(each, { prefix, length }))) continue;
    if (valid <= LEAST_T1) {
      withdrawn.push({ prefix, length, preferred, valid });
      continue;
    }
    if (length > 64) problems.push(`prefix ${name} is longer than /64: no LAN can use it`);
    if (length < 48) problems.push(`prefix ${name} is shorter than /48`);
    const exclude = excludeOf(option, prefix, length);
    given.push({ prefix, length, preferred, valid, ...(exclude && { exclude }) });
  }
  return { given, withdrawn };
}

/** RFC 6603 §4.2: the subnet ID begins at the first bit after the delegated prefix. */
function excludeOf(
  option: OptionOf<'iaPrefix'>,
  prefix: Ipv6Address,
  length: number,
): LeasedPrefix['exclude'] {
  const found = findOption(option.options, 'pdExclude');
  if (found === undefined || found.length <= length) return undefined;
  const whole = prefix.slice();
  for (let bit = length; bit < found.length; bit++) {
    const at = bit - length;
    const isSet = ((found.subnetId[at >> 3] ?? 0) >> (7 - (at & 7))) & 1;
    whole[bit >> 3] = (whole[bit >> 3] ?? 0) | (isSet << (7 - (bit & 7)));
  }
  return { prefix: whole, length: found.length };
}

function addressesIn(ias: readonly OptionOf<'iaNa'>[], problems: string[]): Said<LeasedAddress> {
  const given: LeasedAddress[] = [];
  const withdrawn: LeasedAddress[] = [];
  for (const { address, preferred, valid } of ias.flatMap((ia) =>
    allOptions(ia.options, 'iaAddress'),
  )) {
    const wrong =
      (isUsable(address) ? undefined : 'is not for the Internet') ??
      wrongLifetimes(preferred, valid);
    if (wrong !== undefined)
      problems.push(`address ${formatIpv6(address)} ${wrong}: it is ignored`);
    const found = { address, preferred, valid };
    if (wrong !== undefined || given.some((each) => sameAddress(each, found))) continue;
    (valid <= LEAST_T1 ? withdrawn : given).push(found);
  }
  return { given, withdrawn };
}

const sameAddress = (a: LeasedAddress, b: LeasedAddress): boolean =>
  sameOctets(a.address, b.address);

function wrongPrefix(prefix: Ipv6Address, length: number): string | undefined {
  if (!isUsable(prefix)) return 'is not for the Internet';
  return length < LEAST_PREFIX ? `is shorter than /${LEAST_PREFIX}` : undefined;
}

/** RFC 9915 §21.6, §21.22. */
const wrongLifetimes = (preferred: number, valid: number): string | undefined =>
  preferred > valid ? `is preferred for ${preferred} s and valid for ${valid} s` : undefined;

/** Global unicast (RFC 4291 §2.4) or a unique local address (RFC 4193). */
const isUsable = ([first = 0]: Ipv6Address): boolean =>
  (first & 0xe0) === 0x20 || (first & 0xfe) === 0xfc;

/**
 * T1 and T2 in seconds; what the server leaves to us is half and four fifths of the shortest preferred lifetime. So is a
 * time at which nothing would be left to renew: the LANs would lose a prefix that the server gives again at once.
 */
function timesOf(
  ias: readonly Ia[],
  leases: readonly Lifetimes[],
): { readonly t1: number; readonly t2: number } {
  const end = Math.min(...leases.map(({ valid }) => valid));
  const shortest = Math.min(...leases.map(({ preferred, valid }) => preferred || valid));
  const share = (part: number): number =>
    shortest === INFINITY ? INFINITY : Math.floor(shortest * part);
  const given = (times: readonly number[], otherwise: number): number =>
    Math.min(...times.map((time) => (time === 0 || time >= end ? otherwise : time)));
  const t2 = given(ias.map((ia) => ia.t2), share(0.8)); // prettier-ignore
  const t1 = given(ias.map((ia) => ia.t1), share(0.5)); // prettier-ignore
  const bounded = Math.max(LEAST_T1, Math.min(t1, t2));
  return { t1: bounded, t2: Math.max(bounded, t2) };
}

function otherFacts(options: readonly Dhcp6Option[]): Pick<Lease, 'dns' | 'search' | 'aftr'> {
  const aftr = findOption(options, 'aftrName');
  return {
    dns: (findOption(options, 'dns')?.servers ?? []).slice(0, MOST.dns),
    search: (findOption(options, 'domainSearch')?.names ?? [])
      .map(textOf)
      .filter((name) => name !== undefined)
      .slice(0, MOST.search),
    aftr: (aftr && textOf(aftr.name)) ?? '',
  };
}

/** Undefined if it is no host name. */
function textOf(name: DomainName): string | undefined {
  const text = name.map((label) => String.fromCharCode(...label)).join('.');
  return isDomainName(text) ? text : undefined;
}
