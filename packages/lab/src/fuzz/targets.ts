/**
 * Every reader of octets or text that is not ours, as a target of the fuzzer: it may refuse with its own error and with no
 * other, and what it takes must come back from the writer as something that it takes again, and is the same.
 */
import { createHash } from 'node:crypto';
import { isDeepStrictEqual } from 'node:util';
import { DecodeError } from '@ppp-thing/protocol/bytes';
import { ConfigError } from '@ppp-thing/protocol/config-text';
import {
  decodeHelperMessage,
  decodeRequest,
  Deframer,
  encodeMessage,
  FramingError,
} from '@ppp-thing/protocol/ipc/framing';
import { decodeDhcp6, encodeDhcp6 } from '@ppp-thing/protocol/wire/dhcpv6';
import {
  decodeAnnounce,
  decodeEthernet,
  encodeAnnounce,
  encodeEthernet,
} from '@ppp-thing/protocol/wire/ethernet';
import { decodeLegacy, encodeLegacy } from '@ppp-thing/protocol/wire/legacy';
import { decodePartner, encodePartner } from '@ppp-thing/protocol/wire/partner';
import { decodePpp, encodePpp } from '@ppp-thing/protocol/wire/ppp';
import { decodeDiscovery, decodeSession, encodeDiscovery } from '@ppp-thing/protocol/wire/pppoe';
import { decodeAnnounce as announceIn } from '@ppp-thing/helper/announce';
import { parsePolicy } from '@ppp-thing/helper/policy-file';
import { parseConfig } from '@ppp-thing/supervisor/config';
import { hmacSha256 } from '@ppp-thing/supervisor/hashes';
import { parseKeys } from '@ppp-thing/supervisor/keys';
import { parseLegacyState } from '@ppp-thing/supervisor/legacy-state';
import {
  CorruptSnapshot,
  decodeEpochText,
  decodeSnapshotText,
  encodeSnapshotText,
} from '@ppp-thing/supervisor/snapshot-text';
import { configText } from '../system/setting.ts';

export interface Target {
  readonly name: string;
  /** Throws for a fault of the product. */
  run(input: Uint8Array): void;
  /** What the first inputs are made from. */
  readonly seeds: readonly Uint8Array[];
}

const KEY = new Uint8Array(32).fill(7);
const MAC = Uint8Array.of(2, 0, 0x5e, 0x10, 0x53, 1);
const HMAC_LENGTH = 32;

const text = (octets: Uint8Array): string => new TextDecoder().decode(octets);
const octets = (words: string): Uint8Array => new TextEncoder().encode(words);

type Refusal = abstract new (...args: never[]) => Error;

/** The value, or undefined where it was refused as it may be. */
function read<T>(run: () => T, ...refusals: readonly Refusal[]): T | undefined {
  try {
    return run();
  } catch (error) {
    if (refusals.some((refusal) => error instanceof refusal)) return undefined;
    throw error;
  }
}

/** What was taken is written and taken again; and what was once written (padding gone, say) stays what it is. */
function mirrored<T>(decode: (input: Uint8Array) => T, encode: (value: T) => Uint8Array) {
  return (input: Uint8Array): void => {
    const value = read(() => decode(input), DecodeError);
    if (value === undefined) return;
    const once = decode(encode(value));
    const twice = decode(encode(once));
    if (!isDeepStrictEqual(once, twice))
      throw new Error(`mirror: ${JSON.stringify(once)} comes back as ${JSON.stringify(twice)}`);
  };
}

function runPartner(input: Uint8Array): void {
  const signed = new Uint8Array(input.length + HMAC_LENGTH);
  signed.set(input);
  signed.set(hmacSha256(KEY, input), input.length);
  const keyOf = (): Uint8Array => KEY;
  const received = read(() => decodePartner(signed, keyOf, hmacSha256), DecodeError);
  if (received?.kind !== 'authentic') return;
  const { header, body } = received;
  const again = decodePartner(encodePartner(header, body, KEY, hmacSha256), keyOf, hmacSha256);
  if (!isDeepStrictEqual(again, received))
    throw new Error('mirror: the datagram comes back otherwise');
}

function runIpc(input: Uint8Array): void {
  const deframer = new Deframer();
  const half = input.length >> 1;
  read(() => {
    for (const part of [input.subarray(0, half), input.subarray(half)])
      for (const value of deframer.push(part)) {
        const request = read(() => decodeRequest(value), FramingError);
        read(() => decodeHelperMessage(value), FramingError);
        if (request === undefined) continue;
        for (const again of new Deframer().push(encodeMessage(request))) decodeRequest(again);
      }
  }, FramingError);
}

/** With the checksum put right, or nothing but the checksum would be tried. */
function runSnapshot(input: Uint8Array): void {
  const written = text(input);
  read(() => decodeSnapshotText('pppoe0', written), CorruptSnapshot);
  read(() => decodeEpochText('pppoe0', written), CorruptSnapshot);
  const parsed = read((): unknown => JSON.parse(written), SyntaxError);
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) return;
  const { checksum: _, ...body } = parsed as Record<string, unknown>;
  const checksum = createHash('sha256').update(JSON.stringify(body)).digest('hex');
  const whole = JSON.stringify({ ...body, checksum });
  read(() => decodeEpochText('pppoe0', whole), CorruptSnapshot);
  const snapshot = read(() => decodeSnapshotText('pppoe0', whole), CorruptSnapshot);
  if (snapshot === undefined) return;
  const again = decodeSnapshotText('pppoe0', encodeSnapshotText('pppoe0', snapshot));
  if (!isDeepStrictEqual(again, snapshot))
    throw new Error('mirror: the snapshot comes back otherwise');
}

const hex = (digits: string): Uint8Array =>
  Uint8Array.from(digits.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const host = { platform: 'freebsd', uid: 0 } as const;
const setting = { sessions: 2, ipv6: true, echoSeconds: 5 };
const eightLines = [
  'igb0',
  '02:00:5e:10:53:01',
  'alice',
  'secret',
  '1492',
  '192.168.7.1',
  '192.168.7.2',
  '192.168.7.3',
].join('\n');

export const TARGETS: readonly Target[] = [
  {
    name: 'ethernet',
    run: mirrored(decodeEthernet, encodeEthernet),
    seeds: [hex('ffffffffffff02005e1053018863110900000000')],
  },
  {
    name: 'announce',
    run: (input) => {
      mirrored(decodeAnnounce, encodeAnnounce)(input);
      announceIn(input, MAC);
    },
    seeds: [encodeAnnounce({ mac: MAC, epoch: 7 })],
  },
  {
    name: 'discovery',
    run: mirrored(decodeDiscovery, encodeDiscovery),
    seeds: [
      hex('11090000000c0101000001030004deadbeef'),
      hex('110700000008010100000102000461626364'),
    ],
  },
  {
    name: 'session',
    run: (input) => void read(() => decodeSession(input), DecodeError),
    seeds: [hex('11001234000ac0210901000800000000')],
  },
  {
    name: 'ppp',
    run: mirrored(
      (input) => decodePpp(((input[0] ?? 0) << 8) | (input[1] ?? 0), input.subarray(2)),
      (packet) => {
        const { protocol, packet: rest } = encodePpp(packet);
        return Uint8Array.of(protocol >> 8, protocol & 0xff, ...rest);
      },
    ),
    seeds: [
      'c0210101000e010405d405067b2f1e4a',
      'c021010200090305c22305',
      'c0210901000800000000',
      'c02108010008c0570000',
      '80210101000a0306c6336407',
      '80570101000e010a0200000000000001',
      'c0230101001205616c69636506736563726574',
      'c2230101001510000102030405060708090a0b0c0d0e0f',
    ].map(hex),
  },
  {
    name: 'dhcpv6',
    run: mirrored(decodeDhcp6, encodeDhcp6),
    seeds: [hex('01123456000100040001000a')],
  },
  {
    name: 'legacy-datagram',
    run: mirrored(decodeLegacy, encodeLegacy),
    seeds: [hex('3f'), hex('210200000000ac1234cb00710764400001')],
  },
  { name: 'partner', run: runPartner, seeds: [partnerSeed()] },
  {
    name: 'ipc',
    run: runIpc,
    seeds: [
      { id: 1, verb: 'hello', version: 1 },
      { id: 2, verb: 'gate', session: 'pppoe0', open: true },
      { id: 3, verb: 'ppp-send', session: 'pppoe0', protocol: 0xc021, packet: new Uint8Array(8) },
      { notice: 'role', session: 'pppoe0', role: 'MASTER', gateOpen: true },
    ].map((message) => encodeMessage(message)),
  },
  {
    name: 'snapshot',
    run: runSnapshot,
    seeds: [
      octets(encodeSnapshotText('pppoe0', { epoch: 3, generation: 1, holder: 1, facts: null })),
    ],
  },
  {
    name: 'config',
    run: (input) => {
      const written = text(input);
      read(() => parseConfig(written, 'file', () => ''), ConfigError);
      read(() => parsePolicy(written, 'file', host), ConfigError);
    },
    seeds: [octets(configText(0, setting)), octets(eightLines)],
  },
  {
    name: 'keys',
    run: (input) => void read(() => parseKeys(text(input), 'keys', undefined), ConfigError),
    seeds: [octets(`# keys\n1 ${'ab'.repeat(32)}\n`)],
  },
  {
    name: 'legacy-state',
    run: (input) => void parseLegacyState(text(input), MAC, 1.7e9),
    seeds: [octets('02:00:00:00:00:ac\n4660\n203.0.113.7\n100.64.0.1\n9\n1\n0\n')],
  },
];

function partnerSeed(): Uint8Array {
  const nonce = new Uint8Array(8).fill(1);
  const datagram = encodePartner(
    {
      version: 1,
      versions: { min: 1, max: 1 },
      keyId: 1,
      sender: 1,
      receiver: 2,
      session: 'pppoe0',
      nonce,
      counter: 1n,
      echo: nonce,
    },
    {
      message: {
        sender: 1,
        role: 'MASTER',
        healthy: true,
        armed: false,
        open: true,
        proven: true,
        yielding: false,
        hearing: true,
        snapshot: { epoch: 3, generation: 1, holder: 1, facts: null },
      },
    },
    KEY,
    hmacSha256,
  );
  return datagram.subarray(0, -HMAC_LENGTH);
}
