/**
 * What a server's Advertise or Reply amounts to: a lease, or why there is none. It judges one message; what follows is
 * the client's.
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
  type DomainName,
  type OptionOf,
} from '../../wire/dhcpv6.ts';
import { isDomainName, LEAST_PREFIX, MOST } from '../../wire/lease.ts';
import { formatIpv6, networkOf, type Ipv6Address } from '../../wire/ipv6.ts';
import type { Dhcp6Config } from '../session-config.ts';

/** RFC 9096 §3.5: an old prefix stays valid for two hours at most. */
const FORMER_SECONDS = 7200;
/** A server that wants to be asked more often than this would have us do nothing else. */
const LEAST_T1 = 5;

export type Grant =
  | { readonly kind: 'lease'; readonly lease: Lease; readonly problems: readonly string[] }
  /** The server has no lease for us, in its own words or ours. */
  | { readonly kind: 'denied'; readonly reason: string }
  /** The server could not say; it is asked again. */
  | { readonly kind: 'unanswered'; readonly reason: string };

/** When, and on which session: seconds since 1970-01-01 UTC. */
export type GrantedOn = Pick<Lease, 'grantedAt' | 'session'>;

export function grantOf(
  message: Dhcp6Message,
  config: Dhcp6Config,
  before: Lease | null,
  on: GrantedOn,
): Grant {
  const { options } = message;
  const status = statusOf(options);
  if (status !== undefined && isUnanswered(status.status))
    return { kind: 'unanswered', reason: wordsOf(status) };
  if (status !== undefined && status.status !== DHCP6_STATUS.Success)
    return { kind: 'denied', reason: wordsOf(status) };
  const problems: string[] = [];
  const delegation = config.prefix ? ours(options, 'iaPd', config.iaid, problems) : [];
  const association = config.address ? ours(options, 'iaNa', config.iaid, problems) : [];
  const given = prefixesIn(delegation, problems);
  const prefixes = [...given, ...unsaid(before, delegation, given, on.grantedAt)].slice(
    0,
    MOST.prefixes,
  );
  const addresses = addressesIn(association, problems).slice(0, MOST.addresses);
  if (prefixes.length + addresses.length === 0)
    return { kind: 'denied', reason: problems[0] ?? 'no prefix and no address in it' };
  const times = timesOf([...delegation, ...association], [...prefixes, ...addresses]);
  const { dns, search, aftr } = otherFacts(options);
  const lease: Lease = {
    duid: config.duid,
    serverDuid: findOption(options, 'serverId')?.duid ?? new Uint8Array(),
    iaid: config.iaid,
    ...on,
    ...times,
    prefixes,
    addresses,
    former: before === null ? [] : formerOf(before, prefixes, on.grantedAt),
    dns,
    search,
    aftr,
  };
  return { kind: 'lease', lease, problems };
}

/**
 * Prefixes that the server leaves out beside others that it confirms: they stay as they were (RFC 9915 §18.2.10.1). Of a
 * server that names none of ours, only what it gives counts: it has renumbered the line (RFC 9096).
 */
function unsaid(
  before: Lease | null,
  ias: readonly OptionOf<'iaPd'>[],
  given: readonly LeasedPrefix[],
  grantedAt: number,
): LeasedPrefix[] {
  if (
    before === null ||
    !before.prefixes.some((old) => given.some((each) => samePrefix(each, old)))
  )
    return [];
  const said = ias.flatMap((ia) => allOptions(ia.options, 'iaPrefix'));
  const left = (span: number): number => secondsLeft(before, span, grantedAt * 1000);
  return before.prefixes
    .filter((old) => !said.some((each) => samePrefix(each, old)))
    .map((old) => ({ ...old, preferred: left(old.preferred), valid: left(old.valid) }))
    .filter(({ valid }) => valid > 0);
}

/** A lease that the server withdrew or replaced: what was preferred is former now. */
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

type Ia = OptionOf<'iaNa' | 'iaPd'>;

const statusOf = (options: readonly Dhcp6Option[]): OptionOf<'statusCode'> | undefined =>
  findOption(options, 'statusCode');

const isUnanswered = (status: number): boolean =>
  status === DHCP6_STATUS.UnspecFail || status === DHCP6_STATUS.UseMulticast;

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

function prefixesIn(ias: readonly OptionOf<'iaPd'>[], problems: string[]): LeasedPrefix[] {
  const found: LeasedPrefix[] = [];
  for (const option of ias.flatMap((ia) => allOptions(ia.options, 'iaPrefix'))) {
    const { length, preferred, valid } = option;
    const prefix = networkOf(option.prefix, length);
    const name = `${formatIpv6(prefix)}/${length}`;
    const wrong = wrongPrefix(prefix, length) ?? wrongLifetimes(preferred, valid);
    if (wrong !== undefined) problems.push(`prefix ${name} ${wrong}: it is ignored`);
    // Withdrawn: nothing to complain of.
    if (wrong !== undefined || valid === 0) continue;
    if (found.some((each) => samePrefix(each, { prefix, length }))) continue;
    if (length > 64) problems.push(`prefix ${name} is longer than /64: no LAN can use it`);
    if (length < 48) problems.push(`prefix ${name} is shorter than /48`);
    const exclude = excludeOf(option, prefix, length);
    found.push({ prefix, length, preferred, valid, ...(exclude && { exclude }) });
  }
  return found;
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

function addressesIn(ias: readonly OptionOf<'iaNa'>[], problems: string[]): LeasedAddress[] {
  const found: LeasedAddress[] = [];
  for (const { address, preferred, valid } of ias.flatMap((ia) =>
    allOptions(ia.options, 'iaAddress'),
  )) {
    const wrong =
      (isUsable(address) ? undefined : 'is not for the Internet') ??
      wrongLifetimes(preferred, valid);
    if (wrong !== undefined)
      problems.push(`address ${formatIpv6(address)} ${wrong}: it is ignored`);
    const isKnown = found.some((each) => sameOctets(each.address, address));
    if (wrong === undefined && valid > 0 && !isKnown) found.push({ address, preferred, valid });
  }
  return found;
}

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

/** T1 and T2 in seconds; what the server leaves to us is half and four fifths of the shortest preferred lifetime. */
function timesOf(
  ias: readonly Ia[],
  leases: readonly { readonly preferred: number; readonly valid: number }[],
): { readonly t1: number; readonly t2: number } {
  const shortest = Math.min(...leases.map(({ preferred, valid }) => preferred || valid));
  const share = (part: number): number =>
    shortest === INFINITY ? INFINITY : Math.floor(shortest * part);
  const given = (times: readonly number[], otherwise: number): number =>
    Math.min(...times.map((time) => (time === 0 ? otherwise : time)));
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

/** Undefined for what is no name of hosts. */
function textOf(name: DomainName): string | undefined {
  const text = name.map((label) => String.fromCharCode(...label)).join('.');
  return isDomainName(text) ? text : undefined;
}
