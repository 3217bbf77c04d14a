/**
 * The channel to the other router: sends one authenticated datagram for each message of the engine, and turns verified
 * datagrams into events (docs/partner-protocol.md). The engine decides when to send, and what a message means.
 */
import type { PartnerMessage, RouterId } from '@ppp-thing/protocol/session';
import { DecodeError, sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import type { Random } from '@ppp-thing/protocol/engine/hashes';
import { movedLease } from '@ppp-thing/protocol/lease';
import { stepBetween, type Instant } from '@ppp-thing/protocol/time';
import {
  commonVersion,
  decodePartner,
  encodePartner,
  encodeSummary,
  NONCE_LENGTH,
  stillLength,
  SUMMARY,
  VERSIONS,
  type PartnerBody,
  type PartnerHeader,
  type Still,
  type Summary,
} from '@ppp-thing/protocol/wire/partner';
import {
  accept,
  echoOf,
  isExhausted,
  newGuard,
  renew,
  type GuardState,
} from '@ppp-thing/protocol/wire/partner-guard';
import { Claims } from './claims.ts';
import { wakeAt, wallClock } from './clock.ts';
import type { SessionSettings } from './config.ts';
import { configDigest, differences } from './config-digest.ts';
import { hmacSha256 } from './hashes.ts';
import { HelloPace } from './hello-pace.ts';
import type { Keys } from './keys.ts';
import type { Log } from './log.ts';
import type { PartnerChannel, PartnerCounters } from './partner-channel.ts';
import { saysTheSame } from './same-message.ts';
import { Tally } from './tally.ts';
import { openUdp, type Udp } from './udp.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

interface PartnerOptions {
  readonly localAddress: string;
  readonly address: string;
  readonly port: number;
  /** Port at the partner's end; the same by default. */
  readonly partnerPort?: number;
  readonly routerId: RouterId;
  readonly partnerId: RouterId;
  /** Undefined turns the channel off. */
  readonly keys: Keys | undefined;
  readonly sessions: readonly PartnerSession[];
  readonly log: Log;
  readonly random: Random;
  readonly now: () => Instant;
  /** Milliseconds since 1970-01-01 UTC; this machine's clock by default. */
  readonly wallClock?: () => number;
  /** Call `wake` at `at` or a little later; this machine's timer by default. */
  readonly wakeAt?: (at: Instant, wake: () => void) => () => void;
  /** The real socket by default. */
  readonly openUdp?: typeof openUdp;
  /** A verified message, in the order of arrival. */
  heard(session: string, message: PartnerMessage): void;
}

interface PartnerSession {
  readonly name: string;
  /** Milliseconds of silence after which the partner counts as gone. */
  readonly timeout: number;
  /** The settings to compare with the partner's. */
  readonly settings: SessionSettings;
}

/** The state of one session's conversation. */
interface Conversation {
  readonly name: string;
  readonly timeout: number;
  readonly settings: SessionSettings;
  readonly tally: Tally;
  guard: GuardState;
  counter: bigint;
  /** Our last message. Its snapshot is durable, so it may answer a hello. */
  told: PartnerMessage | undefined;
  freshAt: Instant | undefined;
  /** The last message sent in full, and its counter. */
  sent: { readonly message: PartnerMessage; readonly counter: bigint } | undefined;
  /** The partner's last accepted message, and its nonce and counter. */
  believed: (Pick<Still, 'nonce' | 'counter'> & { readonly message: PartnerMessage }) | undefined;
  /** The partner supports summaries. */
  summaries: boolean;
  readonly hellos: HelloPace;
  /** The digest of our configuration. */
  digest: { readonly key: Uint8Array; readonly octets: Uint8Array } | undefined;
  /** The partner's last digest, and the keys that differ from ours; undefined if unknown. */
  config:
    { readonly said: Uint8Array; readonly differs: readonly string[] | undefined } | undefined;
}

/** With this many sessions or more, unchanged ones are sent in summaries. */
export const SUMMARIES_FROM = 16;
/** How long an entry waits for others to share its summary. */
const GATHER_MS = 100;
/** Octets of the entries of one summary, so that it fits in an Ethernet frame. */
const MOST_SUMMED = 1200;

/** Interval between log lines about refused datagrams of one kind. */
const COMPLAIN_MS = 60_000;
/** Interval between summaries to a partner that has not answered one. */
const GREET_MS = 1000;

export class Partner implements PartnerChannel {
  readonly #options: PartnerOptions;
  readonly #conversations = new Map<string, Conversation>();
  readonly #strangers = new Tally();
  readonly #complained = new Map<string, number>();
  /** For summaries: one per pair, not per session. */
  readonly #pair: {
    guard: GuardState;
    counter: bigint;
    freshAt: Instant | undefined;
    readonly hellos: HelloPace;
  };
  #summary = { stills: [] as Still[], wants: [] as string[], octets: 0 };
  #stopGathering: (() => void) | undefined;
  #greetedAt = Number.NEGATIVE_INFINITY;
  #keys: Keys | undefined;
  #udp: Udp | undefined;
  readonly #claims: Claims;
  #offset: number | undefined;

  private constructor(options: PartnerOptions) {
    this.#options = options;
    this.#keys = options.keys;
    const guard = newGuard(options.routerId, options.partnerId, this.#nonce());
    this.#pair = { guard, counter: 0n, freshAt: undefined, hellos: new HelloPace() };
    const startedAt = this.#clock() - options.now();
    this.#claims = new Claims(options, () => startedAt + options.now());
    for (const { name, timeout, settings } of options.sessions) {
      const guard = newGuard(options.routerId, options.partnerId, this.#nonce());
      const tally = new Tally();
      const conversation = { name, timeout, settings, tally, guard, counter: 0n };
      const nothing = {
        told: undefined,
        freshAt: undefined,
        sent: undefined,
        believed: undefined,
        summaries: false,
        hellos: new HelloPace(),
        digest: undefined,
        config: undefined,
      };
      this.#conversations.set(name, { ...conversation, ...nothing });
    }
  }

  /** Returns with the socket bound, or with the bind being retried. */
  static async open(options: PartnerOptions): Promise<Partner> {
    const partner = new Partner(options);
    if (options.keys === undefined) {
      options.log.line(
        'error',
        'partner: channel off: no key_file; pppthingctl keygen makes a key',
      );
      return partner;
    }
    const { localAddress, address, port, partnerPort = port, log } = options;
    partner.#udp = await (options.openUdp ?? openUdp)({
      localAddress,
      address,
      port,
      partnerPort,
      log,
      receive: (octets) => partner.#receive(octets),
      stranger: () => partner.#strangers.refuse('stranger'),
    });
    return partner;
  }

  /** Use these keys from now on: a key rotation. A channel opened without keys stays off. */
  setKeys(keys: Keys): void {
    this.#keys = keys;
    // Digests depend on the key, so send the next message in full.
    for (const conversation of this.#conversations.values()) conversation.sent = undefined;
  }

  tell(session: string, message: PartnerMessage): void {
    const conversation = this.#conversations.get(session);
    if (conversation === undefined) throw new Error(`session ${session} has no conversation`);
    conversation.told = message;
    this.#renewAfterSilence(conversation);
    if (this.#isSummed(conversation, message)) return this.#sum(conversation);
    this.#send(conversation, message, echoOf(conversation.guard));
  }

  counters(session: string): PartnerCounters {
    return this.#conversations.get(session)?.tally.read() ?? new Tally().read();
  }

  proof(session: string, epoch: number): Uint8Array {
    return this.#claims.proof(session, epoch, this.#keys);
  }

  believes(session: string, epoch: number, proof: Uint8Array): boolean {
    return (
      this.#conversations.has(session) && this.#claims.believes(session, epoch, proof, this.#keys)
    );
  }

  refused(): Readonly<Record<string, number>> {
    return this.#strangers.read().datagramsRefused;
  }

  differs(session: string): readonly string[] | undefined {
    return this.#conversations.get(session)?.config?.differs;
  }

  clockOffset(): number | undefined {
    const now = this.#options.now();
    const isHeard = ({ freshAt, timeout }: Conversation): boolean =>
      freshAt !== undefined && now - freshAt <= timeout;
    return [...this.#conversations.values()].some(isHeard) ? this.#offset : undefined;
  }

  /** The wall clock, for people. The constructor reads it once for `Claims`, so a step leaves their counter alone. */
  #clock(): number {
    return (this.#options.wallClock ?? wallClock)();
  }

  /** What every datagram tells of the time. */
  #times(): { readonly announced: bigint; readonly clock: bigint } {
    return { announced: this.#claims.counter(), clock: BigInt(Math.floor(this.#clock())) };
  }

  trouble(): string | undefined {
    return this.#udp === undefined ? 'no key' : this.#udp.trouble();
  }

  close(): void {
    this.#stopGathering?.();
    this.#udp?.close();
  }

  #send(conversation: Conversation, message: PartnerMessage, echo: Uint8Array): void {
    const sealing = this.#sealing();
    if (sealing === undefined) return;
    const { udp, key } = sealing;
    const header = this.#header(conversation.name, conversation, echo, sealing.keyId);
    const { counter } = header;
    const summaries = this.#sums ? { summaries: true } : {};
    const body = {
      message,
      configDigest: this.#digest(conversation, key),
      ...this.#times(),
      ...summaries,
    };
    udp.send(encodePartner(header, body, key, hmacSha256));
    conversation.sent = { message, counter };
    conversation.tally.out += 1;
  }

  #sealing(): { readonly udp: Udp; readonly keyId: number; readonly key: Uint8Array } | undefined {
    if (this.#keys === undefined || this.#udp === undefined) return undefined;
    const { active, byId } = this.#keys;
    const key = byId.get(active);
    if (key === undefined) throw new Error(`active key ${active} is not among the keys`);
    return { udp: this.#udp, keyId: active, key };
  }

  /** The header of the next datagram under the nonce of `of`. */
  #header(
    session: string,
    of: { readonly guard: GuardState; counter: bigint },
    echo: Uint8Array,
    keyId: number,
  ): PartnerHeader {
    of.counter += 1n;
    return {
      version: VERSIONS.min,
      versions: VERSIONS,
      keyId,
      sender: this.#options.routerId,
      receiver: this.#options.partnerId,
      session,
      nonce: of.guard.nonce,
      counter: of.counter,
      echo,
    };
  }

  // --- summaries: sessions that have not changed ------------------------------------------------------------------

  get #sums(): boolean {
    return this.#conversations.size >= SUMMARIES_FROM;
  }

  /** The partner supports summaries, and our last full message of this session still holds. */
  #isSummed({ summaries, sent, timeout }: Conversation, message: PartnerMessage): boolean {
    if (!this.#sums || !summaries) return false;
    const { freshAt } = this.#pair;
    const now = this.#options.now();
    if (freshAt !== undefined && now - freshAt <= timeout)
      return sent !== undefined && saysTheSame(sent.message, message);
    // The routers must exchange nonces first.
    if (now - this.#greetedAt >= GREET_MS) {
      this.#greetedAt = now;
      // As in a conversation: no recorded datagram echoes the new nonce.
      if (freshAt !== undefined) this.#pair.guard = renew(this.#pair.guard, this.#nonce());
      this.#pair.freshAt = undefined;
      this.#sendSummary(echoOf(this.#pair.guard));
    }
    return false;
  }

  #sum({ name, guard, sent }: Conversation): void {
    if (sent === undefined) return;
    this.#gather(name, () =>
      this.#summary.stills.push({ session: name, nonce: guard.nonce, counter: sent.counter }),
    );
  }

  #gather(session: string, add: () => void): void {
    const length = stillLength({ session });
    if (this.#summary.octets + length > MOST_SUMMED) this.#sendSummary(echoOf(this.#pair.guard));
    add();
    this.#summary.octets += length;
    const { now } = this.#options;
    this.#stopGathering ??= (this.#options.wakeAt ?? wakeAt)((now() + GATHER_MS) as Instant, () => {
      this.#stopGathering = undefined;
      this.#sendSummary(echoOf(this.#pair.guard));
    });
  }

  /** Send the gathered entries. An empty summary is sent too, as a sign of life. */
  #sendSummary(echo: Uint8Array): void {
    const { stills, wants } = this.#summary;
    this.#summary = { stills: [], wants: [], octets: 0 };
    const sealing = this.#sealing();
    if (sealing === undefined) return;
    const header = this.#header(SUMMARY, this.#pair, echo, sealing.keyId);
    sealing.udp.send(
      encodeSummary(header, { stills, wants, ...this.#times() }, sealing.key, hmacSha256),
    );
  }

  #hearSummary(header: PartnerHeader, { stills, wants, announced, clock }: Summary): void {
    if (!this.#sums) return this.#refuse('unknown-session', 'summary, and there are few sessions');
    const { verdict, state } = accept(this.#pair.guard, header);
    this.#pair.guard = state;
    if (verdict === 'hello') {
      if (isExhausted(state)) this.#pair.guard = renew(state, this.#nonce());
      if (this.#pair.hellos.mayAnswer(header, this.#options.now())) this.#sendSummary(header.nonce);
      return;
    }
    if (verdict !== 'fresh') return this.#strangers.refuse(verdict);
    const now = this.#options.now();
    this.#pair.freshAt = now;
    this.#heardClock(clock);
    for (const still of stills) this.#hearStill(still, announced, now);
    for (const name of wants) {
      const conversation = this.#conversations.get(name);
      if (conversation?.told !== undefined)
        this.#send(conversation, conversation.told, echoOf(conversation.guard));
    }
  }

  /**
   * Treats a still as a repetition of the datagram it names. If that one was not accepted, requests the session in
   * full.
   */
  #hearStill(
    { session, nonce, counter }: Still,
    announced: bigint | undefined,
    now: Instant,
  ): void {
    const conversation = this.#conversations.get(session);
    if (conversation === undefined) return this.#strangers.refuse('unknown-session');
    const { believed } = conversation;
    if (believed?.counter !== counter || !sameOctets(believed.nonce, nonce))
      return this.#gather(session, () => this.#summary.wants.push(session));
    conversation.tally.in += 1;
    conversation.freshAt = now;
    if (announced !== undefined)
      this.#claims.outdate(session, { epoch: believed.message.snapshot.epoch, counter: announced });
    this.#options.heard(session, believed.message);
  }

  /** Cached as long as the key stays the same. */
  #digest(conversation: Conversation, key: Uint8Array): Uint8Array {
    const { digest, settings } = conversation;
    if (digest?.key === key) return digest.octets;
    const octets = configDigest(settings, key);
    conversation.digest = { key, octets };
    return octets;
  }

  /** The one place that decodes the partner's octets. */
  #receive(octets: Uint8Array): void {
    try {
      const received = decodePartner(octets, (id) => this.#keys?.byId.get(id), hmacSha256);
      switch (received.kind) {
        case 'authentic':
          return this.#judge(received.header, received.body);
        case 'summary':
          return this.#hearSummary(received.header, received.summary);
        case 'other-version':
          return this.#otherVersion(received.header);
        case 'unknown-key':
          return this.#refuse(received.kind, `key ${received.keyId} is not in the key_file`);
        case 'forged':
          return this.#refuse(received.kind, `its HMAC is not that of key ${received.keyId}`);
        default:
          return unreachable(received);
      }
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.#refuse('malformed', error.message);
      this.#options.log.line(
        'debug',
        `partner: datagram dropped: ${error.message} | ${toHex(octets)}`,
        'partner malformed',
      );
    }
  }

  /** @param body undefined for a datagram whose body this router cannot read */
  #judge(header: PartnerHeader, body: PartnerBody | undefined): void {
    const conversation = this.#conversations.get(header.session);
    if (conversation === undefined) {
      return this.#refuse('unknown-session', `session ${header.session} is not configured here`);
    }
    const { routerId, partnerId } = this.#options;
    if (body !== undefined && ![0, routerId, partnerId].includes(body.message.snapshot.holder)) {
      const { holder } = body.message.snapshot;
      return this.#refuse(
        'malformed',
        `router ${holder} holds the session, and it is not of this pair`,
      );
    }
    const { verdict, state } = accept(conversation.guard, header);
    conversation.guard = state;
    const { name } = conversation;
    if (verdict === 'fresh' && body !== undefined) {
      conversation.tally.in += 1;
      conversation.freshAt = this.#options.now();
      this.#heardClock(body.clock);
      // The datagram was written since we started, so its counter outranks that of any recorded frame.
      const { announced } = body;
      const message = this.#byOurClock(body);
      if (announced !== undefined)
        this.#claims.outdate(name, { epoch: message.snapshot.epoch, counter: announced });
      const { nonce, counter } = header;
      conversation.believed = { nonce, counter, message };
      conversation.summaries = body.summaries === true;
      this.#compare(conversation, body.configDigest, header.keyId);
      return this.#options.heard(name, message);
    }
    conversation.tally.refuse(body === undefined ? 'other-version' : verdict);
    if (verdict !== 'fresh' && verdict !== 'hello') {
      const line = `partner: datagram for ${name} dropped: ${verdict}`;
      return this.#options.log.line('debug', line, `partner ${verdict}`);
    }
    if (isExhausted(conversation.guard)) {
      conversation.guard = renew(conversation.guard, this.#nonce());
      conversation.sent = undefined;
    }
    // Answer at once with one datagram that echoes the hello's nonce: then two routers know each other after one round
    // trip.
    const { told, hellos } = conversation;
    if (told !== undefined && hellos.mayAnswer(header, this.#options.now()))
      this.#send(conversation, told, header.nonce);
  }

  /** The times of a lease are by the sender's clock, which may be years away from ours. */
  #byOurClock({ message, clock }: PartnerBody): PartnerMessage {
    const { lease } = message.snapshot;
    const ahead = clock === undefined ? 0 : stepBetween(this.#clock() - Number(clock));
    if (!lease || ahead === 0) return message;
    return { ...message, snapshot: { ...message.snapshot, lease: movedLease(lease, ahead) } };
  }

  /** The time that the datagram took counts as offset too. A partner of an earlier version sends no clock. */
  #heardClock(clock: bigint | undefined): void {
    this.#offset = clock === undefined ? undefined : Number(clock) - this.#clock();
  }

  /** A partner of an earlier version sends no digest. */
  #compare(conversation: Conversation, said: Uint8Array | undefined, keyId: number): void {
    const { config, settings, name } = conversation;
    const key = this.#keys?.byId.get(keyId);
    if (said === undefined || key === undefined) {
      conversation.config = undefined;
      return;
    }
    if (config !== undefined && sameOctets(config.said, said)) return;
    const differs = differences(settings, said, key);
    conversation.config = { said, differs };
    if (differs === undefined || differs.length === 0) return;
    const line = `${name}: the partner is configured otherwise: ${differs.join(', ')}`;
    this.#options.log.line('warn', line, `partner config ${name}`);
  }

  #otherVersion(header: PartnerHeader): void {
    const { min, max } = header.versions;
    if (commonVersion(VERSIONS, header.versions) !== undefined) {
      return this.#judge(header, undefined);
    }
    const ours = `${VERSIONS.min} to ${VERSIONS.max}`;
    this.#refuse('no-common-version', `it speaks ${min} to ${max}, this router ${ours}`);
  }

  /** Once each time the partner falls silent: no recorded datagram echoes the new nonce. */
  #renewAfterSilence(conversation: Conversation): void {
    const { freshAt, timeout } = conversation;
    if (freshAt === undefined || this.#options.now() - freshAt <= timeout) return;
    conversation.guard = renew(conversation.guard, this.#nonce());
    conversation.freshAt = undefined;
    conversation.believed = undefined;
    conversation.sent = undefined;
  }

  /** The sender is unknown, so log this only now and then. */
  #refuse(reason: string, what: string): void {
    this.#strangers.refuse(reason);
    const now = this.#options.now();
    const last = this.#complained.get(reason);
    if (last !== undefined && now - last < COMPLAIN_MS) return;
    this.#complained.set(reason, now);
    const count = this.#strangers.read().datagramsRefused[reason] ?? 0;
    const { address, log } = this.#options;
    log.line('warn', `partner: datagram from ${address} refused: ${what} (${count} so far)`);
  }

  #nonce(): Uint8Array {
    const nonce = this.#options.random(NONCE_LENGTH);
    return sameOctets(nonce, new Uint8Array(NONCE_LENGTH)) ? this.#nonce() : nonce;
  }
}
