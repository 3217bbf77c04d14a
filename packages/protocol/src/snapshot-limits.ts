/**
 * The values that a snapshot may hold. One definition for every reader (the partner's datagram, the file on disk), and
 * for the helper's messages and the negotiation with the AC, which must stay within it. It reads no octets.
 */
import type { SessionFacts, SessionPlace, Snapshot } from './session.ts';
import { isMulticast, type MacAddress } from './wire/ethernet.ts';

/** Octets of a PPP Information field: a smaller value means a broken peer, a larger one exceeds any Ethernet. */
export const INFORMATION = { min: 128, max: 9000 } as const;

/** Octets of AC-Name, Service-Name and Host-Uniq together: one discovery packet holds no more (RFC 2516 §4). */
export const MAX_TAGS = 1482;

/** Octets that prove an announce frame to the partner (`wire/announce-proof.ts`). */
export const PROOF_LENGTH = 17;

/** A counter of 32 bits; a router's identifier is one too. */
export const U32_MAX = 0xffff_ffff;

/** Seconds since 1970: the end of the year 9999. Not every clock can represent a later time. */
export const LATEST = 253_402_300_799;

/** Why a snapshot cannot be used, stored or sent, as text for a log; undefined if it can. */
export function flawOf({
  epoch,
  generation,
  holder,
  facts,
  halfMade,
  lease,
}: Snapshot): string | undefined {
  if (![epoch, generation, holder].every((value) => isWhole(value, 0, U32_MAX))) {
    return 'a counter beyond 32 bits';
  }
  if (lease && !isWhole(lease.grantedAt, 0, LATEST)) return `a lease of second ${lease.grantedAt}`;
  if (facts !== null) return halfMade ? 'two sessions' : flawOfFacts(facts);
  return halfMade && flawOfPlace(halfMade);
}

function flawOfFacts(facts: SessionFacts): string | undefined {
  const { key, acName, serviceName, hostUniq, ourMru, theirMru, maxPayload } = facts;
  const tags = acName.length + serviceName.length + hostUniq.length;
  if (tags > MAX_TAGS) return `${tags} octets of names, at most ${MAX_TAGS}`;
  const flaw = flawOfPlace(key);
  if (flaw !== undefined) return flaw;
  if (!isStation(key.ourMac)) return NO_STATION;
  if (facts.dns.length > 2) return `${facts.dns.length} DNS servers`;
  if (facts.ourAddress === undefined && facts.interfaceIds === undefined)
    return 'neither IPv4 nor IPv6';
  const ends = facts.ourAddress === undefined ? [] : [facts.ourAddress, facts.theirAddress];
  const addresses = [...ends, ...facts.dns];
  if (!addresses.every(({ length }) => length === 4)) return 'an address that is not of 4 octets';
  for (const [what, octets] of [
    ['our MRU', ourMru],
    ['their MRU', theirMru],
    ['max payload', maxPayload],
  ] as const) {
    const { min, max } = INFORMATION;
    if (!isWhole(octets, min, max)) return `${what} ${octets}, expected ${min} to ${max}`;
  }
  if (!isWhole(facts.startedAt, 0, LATEST)) return `started in second ${facts.startedAt}`;
  return undefined;
}

const NO_STATION = 'a MAC address that is no station’s';

function flawOfPlace({ sessionId, acMac }: SessionPlace): string | undefined {
  if (!isWhole(sessionId, 1, 0xfffe)) return `SESSION_ID ${sessionId}`;
  return isStation(acMac) ? undefined : NO_STATION;
}

const isStation = (mac: MacAddress): boolean => mac.length === 6 && !isMulticast(mac);

const isWhole = (value: number, min: number, max: number): boolean =>
  Number.isInteger(value) && value >= min && value <= max;
