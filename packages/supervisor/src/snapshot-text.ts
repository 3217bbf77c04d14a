/**
 * Converts a snapshot to and from JSON that people can read, with a schema version and a checksum. It knows no files.
 */
import { createHash } from 'node:crypto';
import { toHex } from '@ppp-thing/protocol/bytes';
import type { SessionFacts, SessionPlace, Snapshot } from '@ppp-thing/protocol/session';
import { flawOf, U32_MAX } from '@ppp-thing/protocol/snapshot-limits';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { formatMac, isMulticast, parseMac } from '@ppp-thing/protocol/wire/ethernet';
import { formatIpv4, parseIpv4 } from '@ppp-thing/protocol/wire/ncp';
import { CorruptSnapshot, fields, list, octets, whole, type Fields } from './json-fields.ts';
import { decodeLeaseFields, encodeLeaseFields } from './lease-text.ts';

export { CorruptSnapshot };

/**
 * The schema that this file reads. A later version that only adds fields keeps the number; readers ignore unknown
 * fields.
 */
export const SCHEMA = 2;
/**
 * The schema it writes: the lowest that can express the session. In 1 every session has IPv4; 2 allows sessions
 * without.
 */
const WRITTEN = { ipv4: 1, ipv6Only: 2 } as const;

const READ: ReadonlySet<unknown> = new Set(Object.values(WRITTEN));

/** A later release wrote it, in a schema that this one cannot read. The fields common to all schemas are readable. */
export class NewerSnapshot extends CorruptSnapshot {
  readonly epoch: number;

  constructor(schema: string, epoch: number) {
    super(`schema ${schema}, this program reads ${SCHEMA}`);
    this.epoch = epoch;
  }
}

/** Ends in a line feed. `checksum` is the SHA-256 of the JSON of all fields before it. */
export function encodeSnapshotText(session: string, snapshot: Snapshot): string {
  const { epoch, generation, holder, facts, halfMade, lease } = snapshot;
  const body = {
    schema: facts !== null && facts.ourAddress === undefined ? WRITTEN.ipv6Only : WRITTEN.ipv4,
    session,
    epoch,
    generation,
    holder,
    facts: facts === null ? null : encodeFacts(facts),
    ...(halfMade && { halfMade: encodePlace(halfMade) }),
    ...(lease === undefined ? {} : { lease: lease && encodeLeaseFields(lease) }),
  };
  return `${JSON.stringify({ ...body, checksum: checksum(body) }, null, 2)}\n`;
}

/** @throws CorruptSnapshot with the reason, which quotes none of the text */
export function decodeSnapshotText(session: string, text: string): Snapshot {
  const body = checked(session, text);
  if (!READ.has(body['schema'])) {
    throw new NewerSnapshot(String(body['schema']), whole(body, 'epoch', U32_MAX));
  }
  const { facts, halfMade, lease } = body;
  const snapshot = {
    epoch: whole(body, 'epoch', U32_MAX),
    generation: whole(body, 'generation', U32_MAX),
    holder: whole(body, 'holder', U32_MAX),
    facts: facts === null ? null : decodeFacts(fields(facts, 'facts')),
    ...(halfMade === undefined ? {} : { halfMade: decodePlace(fields(halfMade, 'halfMade')) }),
    ...(lease === undefined
      ? {}
      : { lease: lease === null ? null : decodeLeaseFields(fields(lease, 'lease')) }),
  };
  const flaw = flawOf(snapshot);
  if (flaw !== undefined) throw new CorruptSnapshot(flaw);
  return snapshot;
}

/** Encodes the epoch alone: it preserves the order of snapshots if the snapshot itself is lost. */
export function encodeEpochText(session: string, epoch: number): string {
  const body = { schema: WRITTEN.ipv4, session, epoch };
  return `${JSON.stringify({ ...body, checksum: checksum(body) })}\n`;
}

/** Accepts any schema. @throws CorruptSnapshot */
export const decodeEpochText = (session: string, text: string): number =>
  whole(checked(session, text), 'epoch', U32_MAX);

/** The fields of a file whose checksum is right. */
function checked(session: string, text: string): Fields {
  const { checksum: written, ...body } = parse(text);
  if (written !== checksum(body))
    throw new CorruptSnapshot('the checksum is not that of its content');
  if (body['session'] !== session) {
    throw new CorruptSnapshot(`it is of session ${String(body['session'])}`);
  }
  return body;
}

const checksum = (body: Fields): string =>
  createHash('sha256').update(JSON.stringify(body)).digest('hex');

function parse(text: string): Fields {
  try {
    return fields(JSON.parse(text), 'snapshot');
  } catch (cause) {
    if (cause instanceof SyntaxError) throw new CorruptSnapshot('it is not JSON', { cause });
    throw cause;
  }
}

function encodeFacts(facts: SessionFacts): Fields {
  const { key, interfaceIds, identifiers } = facts;
  return {
    ...encodePlace(key),
    ourMac: formatMac(key.ourMac),
    acName: escaped(facts.acName),
    serviceName: escaped(facts.serviceName),
    hostUniq: toHex(facts.hostUniq),
    ourMagic: facts.ourMagic,
    theirMagic: facts.theirMagic,
    ourMru: facts.ourMru,
    theirMru: facts.theirMru,
    maxPayload: facts.maxPayload,
    auth: facts.auth,
    ...(facts.ourAddress && {
      ourAddress: formatIpv4(facts.ourAddress),
      theirAddress: formatIpv4(facts.theirAddress),
    }),
    dns: facts.dns.map(formatIpv4),
    interfaceIds:
      interfaceIds === undefined
        ? null
        : { ours: toHex(interfaceIds.ours), theirs: toHex(interfaceIds.theirs) },
    identifiers,
    startedAt: facts.startedAt,
  };
}

function decodeFacts(from: Fields): SessionFacts {
  const identifiers = fields(from['identifiers'], 'identifiers');
  const ids = from['interfaceIds'];
  const interfaceIds = ids === null ? undefined : fields(ids, 'interfaceIds');
  return {
    key: { ...decodePlace(from), ourMac: mac(from, 'ourMac') },
    acName: text(from, 'acName'),
    serviceName: text(from, 'serviceName'),
    hostUniq: octets(from, 'hostUniq'),
    ourMagic: whole(from, 'ourMagic', U32_MAX),
    theirMagic: whole(from, 'theirMagic', U32_MAX),
    ourMru: whole(from, 'ourMru', 0xffff),
    theirMru: whole(from, 'theirMru', 0xffff),
    maxPayload: whole(from, 'maxPayload', 0xffff),
    auth: auth(from),
    ...(from['ourAddress'] !== undefined && {
      ourAddress: ipv4(from['ourAddress'], 'ourAddress'),
      theirAddress: ipv4(from['theirAddress'], 'theirAddress'),
    }),
    dns: list(from, 'dns', 2).map((each) => ipv4(each, 'dns')),
    ...(interfaceIds && {
      interfaceIds: {
        ours: octets(interfaceIds, 'ours', 8),
        theirs: octets(interfaceIds, 'theirs', 8),
      },
    }),
    identifiers: {
      lcp: whole(identifiers, 'lcp', 0xff),
      ipcp: whole(identifiers, 'ipcp', 0xff),
      ipv6cp: whole(identifiers, 'ipv6cp', 0xff),
    },
    startedAt: whole(from, 'startedAt', Number.MAX_SAFE_INTEGER),
  };
}

const encodePlace = ({ sessionId, acMac }: SessionPlace): Fields => ({
  sessionId,
  acMac: formatMac(acMac),
});

const decodePlace = (from: Fields): SessionPlace => ({
  sessionId: whole(from, 'sessionId', 0xffff),
  acMac: mac(from, 'acMac'),
});

/** Visible ASCII stays, a backslash is doubled, every other octet becomes `\xNN`. */
const escaped = (octets: Uint8Array): string =>
  Array.from(octets, (octet) => {
    if (octet === BACKSLASH) return '\\\\';
    const isVisible = octet >= 0x20 && octet < 0x7f;
    return isVisible ? String.fromCharCode(octet) : `\\x${toHex(Uint8Array.of(octet))}`;
  }).join('');

const BACKSLASH = 0x5c;

/** Reverses `escaped`. An earlier release left visible characters as they were, in UTF-8. */
function text(from: Fields, name: string): Uint8Array {
  const value = from[name];
  if (typeof value !== 'string' || !/^(?:[^\\]|\\\\|\\x[0-9a-f]{2})*$/.test(value))
    throw new CorruptSnapshot(`${name} is not printable text`);
  const parts = Array.from(value.matchAll(/\\(?:\\|x(..))|[^\\]+/g), ([part, hex]) => {
    if (hex !== undefined) return Uint8Array.of(Number.parseInt(hex, 16));
    return part === '\\\\' ? Uint8Array.of(BACKSLASH) : utf8(part);
  });
  return concat(...parts);
}

function mac(from: Fields, name: string): Uint8Array {
  const value = from[name];
  const found = typeof value === 'string' ? parseMac(value) : undefined;
  if (found === undefined || isMulticast(found)) {
    throw new CorruptSnapshot(`${name} is not a unicast MAC address`);
  }
  return found;
}

function ipv4(value: unknown, name: string): Uint8Array {
  const found = typeof value === 'string' ? parseIpv4(value) : undefined;
  if (found === undefined) throw new CorruptSnapshot(`${name} is not an IPv4 address`);
  return found;
}

const METHODS = ['none', 'PAP', 'CHAP-MD5', 'MS-CHAPv2'] as const satisfies SessionFacts['auth'][];

function auth(from: Fields): SessionFacts['auth'] {
  const found = METHODS.find((method) => method === from['auth']);
  if (found === undefined) throw new CorruptSnapshot('auth is not a method');
  return found;
}
