/**
 * Encodes the snapshot for the partner (docs/partner-protocol.md §5). It does not order or judge snapshots.
 *
 * It imports only the types of the engine's data: a second definition of the snapshot here would have to be kept in
 * step by hand.
 */
import { Reader, Writer } from '../bytes.ts';
import type { SessionFacts, Snapshot } from '../session.ts';
import { flawOf } from '../snapshot-limits.ts';
import { isMulticast, type MacAddress } from './ethernet.ts';
import { decodeLease, encodeLease } from './lease.ts';
import { decodeSections, encodeSections } from './sections.ts';

/** The schema that this file reads and writes. */
const SCHEMA = 2;
/** The lowest schema a reader must know: for a session with IPv4, and for one without, which has no section `ipv4`. */
const NEEDED = { ipv4: 1, ipv6Only: 2 } as const;

const SECTION = {
  order: 1,
  key: 2,
  link: 3,
  ipv4: 4,
  interfaceIds: 5,
  acName: 6,
  serviceName: 7,
  hostUniq: 8,
  lease: 9,
  halfMade: 10,
} as const;

const AUTH = { none: 0, PAP: 1, 'CHAP-MD5': 2, 'MS-CHAPv2': 3 } as const satisfies Record<
  SessionFacts['auth'],
  number
>;

const AUTH_NAMES: ReadonlyMap<number, SessionFacts['auth']> = new Map(
  Object.entries(AUTH).map(([name, number]) => [number, name as SessionFacts['auth']]),
);

/** Encodes `snapshot`. Throws RangeError for a value that does not fit its field. */
export function encodeSnapshot(snapshot: Snapshot): Uint8Array {
  const { epoch, generation, holder, facts, halfMade, lease } = snapshot;
  const isIpv6Only = facts !== null && facts.ourAddress === undefined;
  const needed = isIpv6Only ? NEEDED.ipv6Only : NEEDED.ipv4;
  const writer = new Writer().u8(needed).u8(needed);
  const order = new Writer().u32(epoch).u32(generation).u32(holder).finish();
  encodeSections(writer, [
    [SECTION.order, order],
    ...(facts === null ? [] : factSections(facts)),
    [SECTION.lease, lease === undefined ? undefined : encodeLease(lease)],
    [SECTION.halfMade, halfMade && joined(new Writer().u16(halfMade.sessionId), 6, halfMade.acMac)],
  ]);
  return writer.finish();
}

/**
 * Decodes a snapshot of this schema, or of a later one that only adds sections.
 *
 * @throws DecodeError for a schema that needs a newer reader; for a section that is missing, short or beyond the end;
 * and for values that no session can have: a group MAC address, more than two DNS servers, or a flaw found by `flawOf`
 */
export function decodeSnapshot(octets: Uint8Array): Snapshot {
  const reader = Reader.copy(octets);
  const written = reader.u8('schema');
  const needed = reader.u8('schema needed');
  if (needed > SCHEMA) {
    throw reader.error(
      `snapshot schema ${written} needs a reader of ${needed}, this is one of ${SCHEMA}`,
    );
  }
  const sections = decodeSections(reader);
  const order = section(sections, SECTION.order, reader);
  const lease = sections.get(SECTION.lease);
  const halfMade = sections.get(SECTION.halfMade);
  const snapshot = {
    epoch: order.u32('epoch'),
    generation: order.u32('generation'),
    holder: order.u32('holder'),
    facts: sections.has(SECTION.key) ? decodeFacts(sections, reader) : null,
    ...(halfMade && {
      halfMade: { sessionId: halfMade.u16('SESSION_ID'), acMac: mac(halfMade, 'AC MAC') },
    }),
    ...(lease && { lease: decodeLease(lease) }),
  };
  const flaw = flawOf(snapshot);
  if (flaw !== undefined) throw reader.error(`snapshot with ${flaw}`);
  return snapshot;
}

function factSections(facts: SessionFacts): [number, Uint8Array | undefined][] {
  const { key, identifiers, interfaceIds } = facts;
  const link = new Writer()
    .u32(facts.ourMagic)
    .u32(facts.theirMagic)
    .u16(facts.ourMru)
    .u16(facts.theirMru)
    .u16(facts.maxPayload)
    .u8(AUTH[facts.auth])
    .u8(identifiers.lcp)
    .u8(identifiers.ipcp)
    .u8(identifiers.ipv6cp)
    .u64(BigInt(facts.startedAt));
  if (facts.dns.length > 2) throw new RangeError(`${facts.dns.length} DNS servers are not 0 … 2`);
  return [
    [SECTION.key, joined(new Writer().u16(key.sessionId), 6, key.acMac, key.ourMac)],
    [SECTION.link, link.finish()],
    [
      SECTION.ipv4,
      facts.ourAddress &&
        joined(new Writer(), 4, facts.ourAddress, facts.theirAddress, ...facts.dns),
    ],
    [
      SECTION.interfaceIds,
      interfaceIds && joined(new Writer(), 8, interfaceIds.ours, interfaceIds.theirs),
    ],
    [SECTION.acName, facts.acName],
    [SECTION.serviceName, facts.serviceName],
    [SECTION.hostUniq, facts.hostUniq],
  ];
}

function decodeFacts(sections: ReadonlyMap<number, Reader>, whole: Reader): SessionFacts {
  const key = section(sections, SECTION.key, whole);
  const link = section(sections, SECTION.link, whole);
  const ipv4 = sections.get(SECTION.ipv4);
  const interfaceIds = sections.get(SECTION.interfaceIds);
  return {
    key: {
      sessionId: key.u16('SESSION_ID'),
      acMac: mac(key, 'AC MAC'),
      ourMac: mac(key, 'our MAC'),
    },
    ourMagic: link.u32('our Magic-Number'),
    theirMagic: link.u32('their Magic-Number'),
    ourMru: link.u16('our MRU'),
    theirMru: link.u16('their MRU'),
    maxPayload: link.u16('max payload'),
    auth: auth(link),
    identifiers: {
      lcp: link.u8('LCP Identifier'),
      ipcp: link.u8('IPCP Identifier'),
      ipv6cp: link.u8('IPV6CP Identifier'),
    },
    startedAt: startedAt(link),
    dns: [],
    ...(ipv4 && {
      ourAddress: ipv4.take(4, 'our address'),
      theirAddress: ipv4.take(4, 'their address'),
      dns: dns(ipv4),
    }),
    ...(interfaceIds && {
      interfaceIds: {
        ours: interfaceIds.take(8, 'our interface identifier'),
        theirs: interfaceIds.take(8, 'their interface identifier'),
      },
    }),
    acName: section(sections, SECTION.acName, whole).rest(),
    serviceName: section(sections, SECTION.serviceName, whole).rest(),
    hostUniq: section(sections, SECTION.hostUniq, whole).rest(),
  };
}

function section(sections: ReadonlyMap<number, Reader>, type: number, whole: Reader): Reader {
  const found = sections.get(type);
  if (found === undefined) throw whole.error(`snapshot without section ${type}`);
  return found;
}

function mac(reader: Reader, what: string): MacAddress {
  const address = reader.take(6, what);
  if (isMulticast(address)) throw reader.error(`${what} is a group address`);
  return address;
}

function auth(reader: Reader): SessionFacts['auth'] {
  const number = reader.u8('authentication');
  const name = AUTH_NAMES.get(number);
  if (name === undefined) throw reader.error(`authentication ${number}`);
  return name;
}

function startedAt(reader: Reader): number {
  const at = reader.u64('start');
  if (at > BigInt(Number.MAX_SAFE_INTEGER)) throw reader.error(`start of ${at} seconds`);
  return Number(at);
}

function dns(reader: Reader): Uint8Array[] {
  const servers: Uint8Array[] = [];
  while (reader.remaining > 0) servers.push(reader.take(4, 'DNS server'));
  if (servers.length > 2) throw reader.error(`${servers.length} DNS servers`);
  return servers;
}

/** Appends `parts`, each of `width` octets, to `into`. */
function joined(into: Writer, width: number, ...parts: readonly Uint8Array[]): Uint8Array {
  for (const part of parts) {
    if (part.length !== width) throw new RangeError(`${part.length} octets are not ${width}`);
    into.octets(part);
  }
  return into.finish();
}
