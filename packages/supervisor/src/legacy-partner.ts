/**
 * The channel to a router that still runs the original ppp_thing: its query and its record, on UDP port 75. Like the
 * original it authenticates nothing: it believes any sender with the partner's address and port.
 *
 * Theory of operation. The original has neither epoch nor holder: the MASTER owns the session and sends a record at
 * every Echo-Reply. So a record received while we are not MASTER means that the partner has taken the session, in an
 * epoch above ours, unless it says what we already know. A record received while we are MASTER is ignored, as in the
 * original. A BACKUP running the original sends nothing, so it counts as silent, and a planned handoff to it is
 * refused.
 */
import {
  changed,
  taken,
  type Ipv4Facts,
  type PartnerMessage,
  type RouterId,
  type SessionFacts,
  type Snapshot,
} from '@ppp-thing/protocol/session';
import { NO_PROOF } from '@ppp-thing/protocol/wire/announce-proof';
import { DecodeError, sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import type { MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import { decodeLegacy, encodeLegacy, type LegacyMessage } from '@ppp-thing/protocol/wire/legacy';
import type { Log } from './log.ts';
import type { PartnerChannel, PartnerCounters } from './partner-channel.ts';
import { Tally } from './tally.ts';
import { openUdp, type Udp } from './udp.ts';

interface LegacyOptions {
  readonly localAddress: string;
  readonly address: string;
  /** 75, except in tests. */
  readonly port: number;
  readonly partnerId: RouterId;
  /** The only session: a record has no name. */
  readonly session: { readonly name: string; readonly ourMac: MacAddress };
  readonly log: Log;
  /** Milliseconds since 1970-01-01 UTC. */
  readonly wallClock: () => number;
  heard(session: string, message: PartnerMessage): void;
}

type LegacyRecord = Extract<LegacyMessage, { kind: 'record' }>;

const NO_MAC = new Uint8Array(6);
const NO_ADDRESS = new Uint8Array(4);

export class LegacyPartner implements PartnerChannel {
  readonly #options: LegacyOptions;
  readonly #tally = new Tally();
  readonly #strangers = new Tally();
  #udp: Udp | undefined;
  /** The last message from our engine; its snapshot is durable. */
  #told: PartnerMessage | undefined;

  private constructor(options: LegacyOptions) {
    this.#options = options;
  }

  /** Returns with the socket bound, or with the bind being retried. */
  static async open(options: LegacyOptions): Promise<LegacyPartner> {
    const partner = new LegacyPartner(options);
    const { localAddress, address, port, log } = options;
    log.line('warn', 'partner: protocol ppp_thing: datagrams are not authenticated');
    partner.#udp = await openUdp({
      localAddress,
      address,
      port,
      log,
      receive: (octets, from) => {
        if (from === port) partner.#receive(octets);
        else partner.#strangers.refuse('stranger');
      },
      stranger: () => partner.#strangers.refuse('stranger'),
    });
    return partner;
  }

  tell(session: string, message: PartnerMessage): void {
    if (session !== this.#options.session.name) throw new Error(`session ${session} is another`);
    const before = this.#told;
    this.#told = message;
    const { facts } = message.snapshot;
    if (message.open && facts?.ourAddress !== undefined) return this.#send(record(facts));
    // The original sends this once, when it closes the session while MASTER.
    if (message.open && before?.open === true && before.snapshot.facts?.ourAddress !== undefined) {
      return this.#send(NO_SESSION);
    }
    if (message.role === 'BACKUP' && facts === null) this.#send({ kind: 'query' });
  }

  counters(): PartnerCounters {
    return this.#tally.read();
  }

  /** The original sends no announce frames, and ignores ours. */
  proof(): Uint8Array {
    return NO_PROOF;
  }

  believes(): boolean {
    return false;
  }

  /** The protocol has no clock. */
  clockOffset(): undefined {
    return undefined;
  }

  /** The protocol has no digests. */
  differs(): undefined {
    return undefined;
  }

  refused(): ReturnType<PartnerChannel['refused']> {
    return this.#strangers.read().datagramsRefused;
  }

  trouble(): string | undefined {
    return this.#udp?.trouble();
  }

  close(): void {
    this.#udp?.close();
  }

  #send(message: LegacyMessage): void {
    this.#udp?.send(encodeLegacy(message));
    this.#tally.out += 1;
  }

  /** The one place that decodes the partner's octets. */
  #receive(octets: Uint8Array): void {
    try {
      const message = decodeLegacy(octets);
      if (message.kind === 'query') return this.#answer();
      this.#hear(message);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#tally.refuse('malformed');
      const line = `partner: datagram dropped: ${error.message} | ${toHex(octets)}`;
      this.#options.log.line('debug', line, 'partner malformed');
    }
  }

  #answer(): void {
    this.#tally.in += 1;
    const facts = this.#told?.snapshot.facts ?? null;
    if (facts?.ourAddress !== undefined) this.#send(record(facts));
  }

  #hear(heard: LegacyRecord): void {
    const { session, partnerId } = this.#options;
    const told = this.#told;
    // Until the engine has told us its role, we may be MASTER.
    if (told === undefined || told.role === 'MASTER') return this.#tally.refuse('we-are-master');
    this.#tally.in += 1;
    const holds = heard.sessionId !== 0;
    this.#options.heard(session.name, {
      sender: partnerId,
      role: holds ? 'MASTER' : 'INIT',
      healthy: holds,
      armed: false,
      open: holds,
      proven: holds,
      yielding: false,
      // The protocol has no such flag.
      hearing: true,
      snapshot: this.#snapshotOf(heard, told.snapshot),
    });
  }

  /** Our own snapshot if the record matches it; otherwise the partner's, one epoch later. */
  #snapshotOf(heard: LegacyRecord, ours: Snapshot): Snapshot {
    const { partnerId } = this.#options;
    const facts = heard.sessionId === 0 ? null : this.#factsOf(heard, ours.facts);
    // "No session" is a stronger statement than "unknown"; the generation tells them apart.
    if (ours.holder !== partnerId) {
      const next = taken(ours, partnerId);
      return facts === null ? changed(next, { facts }) : { ...next, facts };
    }
    return facts === ours.facts ? ours : changed(ours, { facts });
  }

  #factsOf(heard: LegacyRecord, known: SessionFacts | null): SessionFacts {
    if (
      known !== null &&
      known.key.sessionId === heard.sessionId &&
      sameOctets(known.key.acMac, heard.acMac) &&
      known.ourAddress !== undefined &&
      sameOctets(known.ourAddress, heard.ourAddress) &&
      sameOctets(known.theirAddress, heard.theirAddress)
    ) {
      return known;
    }
    const { ourMac } = this.#options.session;
    return legacyFacts({ ...heard, ourMac, startedAt: this.#options.wallClock() / 1000 });
  }
}

/** The protocol knows only sessions with IPv4, so others are not sent. */
const record = ({ key, ourAddress, theirAddress }: Ipv4Facts): LegacyRecord => ({
  kind: 'record',
  acMac: key.acMac,
  sessionId: key.sessionId,
  ourAddress,
  theirAddress,
});

const NO_SESSION: LegacyRecord = {
  kind: 'record',
  acMac: NO_MAC,
  sessionId: 0,
  ourAddress: NO_ADDRESS,
  theirAddress: NO_ADDRESS,
};

/**
 * The facts of an original's session, as far as they are known. It negotiates an MRU of 1492, CHAP with MD5, no
 * Magic-Number and no DNS, and all its requests have the Identifier 1.
 *
 * @param startedAt seconds since 1970-01-01 UTC
 */
export function legacyFacts(known: {
  readonly sessionId: number;
  readonly acMac: MacAddress;
  readonly ourMac: MacAddress;
  readonly ourAddress: Uint8Array;
  readonly theirAddress: Uint8Array;
  readonly startedAt: number;
}): SessionFacts {
  const { sessionId, acMac, ourMac, ourAddress, theirAddress, startedAt } = known;
  return {
    key: { sessionId, acMac, ourMac },
    acName: new Uint8Array(),
    serviceName: new Uint8Array(),
    hostUniq: new Uint8Array(),
    ourMagic: 0,
    theirMagic: 0,
    ourMru: 1492,
    theirMru: 1492,
    maxPayload: 1492,
    auth: 'CHAP-MD5',
    ourAddress,
    theirAddress,
    dns: [],
    identifiers: { lcp: 1, ipcp: 1, ipv6cp: 1 },
    startedAt: Math.floor(startedAt),
  };
}
