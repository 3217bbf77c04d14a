/**
 * LCP on an established session: the negotiation, and the packets that only LCP has (RFC 1661 §5.7–5.9, RFC 1570): Echo,
 * Protocol-Reject, and others that are only logged. `keepalive.ts` says when to send an Echo-Request.
 */
import { millis, type Instant, type Millis } from '../../time.ts';
import { printable } from '../../printable.ts';
import { lcpOptionName, type LcpOption } from '../../wire/lcp.ts';
import {
  PROTOCOL,
  type ControlPacket,
  type LcpOnlyPacket,
  type LcpPacket,
} from '../../wire/ppp.ts';
import { logTo, type Log } from '../out.ts';
import { LcpOptions, type LcpAgreement, type LcpSettings } from './lcp-options.ts';
import { Negotiation, type LayerSignal } from './negotiation.ts';
import { namesOf } from './options.ts';
import type { PppShared } from './shared.ts';
import { unreachable } from '../../unreachable.ts';

export type LcpSignal =
  | { readonly kind: 'layer'; readonly signal: LayerSignal }
  /** An answer to an Echo-Request of ours. */
  | { readonly kind: 'alive'; readonly identifier: number; readonly rtt: Millis }
  /** The peer has sent a packet that is no answer; or it has no Echo (§5.6). */
  | { readonly kind: 'heard' | 'no-echo' }
  /** An answer to one of our Echo-Requests that does not say to which; `octets`: of the whole LCP packet. */
  | { readonly kind: 'strange-reply'; readonly octets: number }
  /** The peer does not speak `protocol` (§5.7). */
  | { readonly kind: 'protocol-rejected'; readonly protocol: number }
  /** LCP cannot reach an agreement; `reason` is a sentence. */
  | { readonly kind: 'hopeless'; readonly reason: string };

type EchoPacket = Extract<
  LcpOnlyPacket,
  { code: 'Echo-Request' | 'Echo-Reply' | 'Discard-Request' }
>;

/** Octets of an Echo packet before its data; of a Protocol-Reject before the rejected information. */
const ECHO_HEADER = 8;
const REJECT_HEADER = 6;
/** Most Echo-Requests whose answer still counts. More are never outstanding: the keepalive gives up before. */
const MAX_OUTSTANDING = 64;
/** After so many unanswered Echo-Requests we accept an Echo-Reply with another Identifier. */
const ENOUGH_UNANSWERED = 2;
const ECHO_REQUEST = 9;
const MAX_PROTOCOLS_SAID = 16;
const NOTHING: Uint8Array = new Uint8Array(0);

export class Lcp {
  readonly #log: Log;
  readonly #send: (packet: LcpPacket) => void;
  readonly #options: LcpOptions;
  readonly #negotiation: Negotiation<LcpOption>;
  /** When each unanswered Echo-Request was sent, by Identifier, oldest first. */
  readonly #echoes = new Map<number, Instant>();
  /** The log has a line about the peer's Magic-Number, which is not the one that it negotiated. */
  #isOddSaid = false;
  /** The same, about Echo-Replies with other Identifiers than our Echo-Requests. */
  #isStrangeSaid = false;
  #isNoEchoSaid = false;
  /** Of the last Time-Remaining with a line in the log. */
  #secondsSaid = Infinity;
  readonly #protocolsSaid = new Set<string>();
  readonly #protocolsRejected = new Set<number>();

  constructor(settings: LcpSettings, shared: PppShared) {
    const { random, out } = shared;
    const theirMru = (): number => this.agreement.theirMru;
    this.#log = logTo(out, 'lcp', () => this.state);
    this.#send = (packet) => out({ kind: 'send-ppp', packet: { protocol: 'LCP', packet } });
    this.#options = new LcpOptions(settings, random);
    this.#negotiation = new Negotiation('lcp', this.#options, theirMru, shared, this.#send);
  }

  get state(): Negotiation<LcpOption>['state'] {
    return this.#negotiation.state;
  }

  get identifier(): number {
    return this.#negotiation.identifier;
  }

  get agreement(): LcpAgreement {
    return this.#options.agreement;
  }

  /** The options without which the AC does not agree, for people; '' if it said none. */
  get insists(): string {
    return namesOf(this.#negotiation.insists, lcpOptionName);
  }

  /** What the AC has asked for and we have refused, for people: a reason for it to end the link. */
  get objection(): string | undefined {
    const refused = namesOf(this.#negotiation.refused, lcpOptionName);
    return this.#options.objection ?? (refused === '' ? undefined : refused);
  }

  /** The protocols that we have rejected, for people; '' for none. */
  get protocolsRejected(): string {
    return [...this.#protocolsRejected].map(protocolName).join(', ');
  }

  expire(now: Instant): LcpSignal[] {
    return layer(this.#negotiation.expire(now));
  }

  fire(event: 'Up' | 'Down' | 'Open' | 'Close' | 'RXJ-', now: Instant): LcpSignal[] {
    return layer(this.#negotiation.fire(event, now));
  }

  resume(agreement: LcpAgreement, identifier: number): void {
    this.#options.resume(agreement);
    this.#negotiation.resume(identifier);
  }

  /** Send an Echo-Request. @param length octets of the whole LCP packet; 8 is the least @returns its Identifier */
  echo(length: number, now: Instant): number {
    const identifier = this.#negotiation.nextIdentifier();
    // Set anew, so that the map stays in the order of sending.
    this.#echoes.delete(identifier);
    this.#echoes.set(identifier, now);
    const [oldest] = this.#echoes.keys();
    if (this.#echoes.size > MAX_OUTSTANDING && oldest !== undefined) this.#echoes.delete(oldest);
    const data = new Uint8Array(Math.max(0, length - ECHO_HEADER));
    const magic = this.agreement.ourMagic;
    this.#send({ code: 'Echo-Request', identifier, magic, data });
    return identifier;
  }

  /** Ignore answers to earlier Echo-Requests. */
  forgetEchoes(): void {
    this.#echoes.clear();
  }

  /** Tell the peer that we do not speak `protocol`: in Opened only (§5.7). */
  rejectProtocol(protocol: number, information = NOTHING): void {
    if (this.state !== 'Opened') return;
    const rejected = information.slice(0, this.agreement.theirMru - REJECT_HEADER);
    const identifier = this.#negotiation.nextIdentifier();
    this.#sayProtocol('unknown protocol', protocol, REJECTED);
    if (this.#protocolsRejected.size < MAX_PROTOCOLS_SAID) this.#protocolsRejected.add(protocol);
    this.#send({ code: 'Protocol-Reject', identifier, protocol, rejected });
  }

  receive(packet: LcpPacket, now: Instant): LcpSignal[] {
    const signals = isExtension(packet) ? this.#extension(packet, now) : this.#control(packet, now);
    const reason = this.#options.failure;
    return reason === undefined ? signals : [...signals, { kind: 'hopeless', reason }];
  }

  #control(packet: ControlPacket<LcpOption>, now: Instant): LcpSignal[] {
    const signals = layer(this.#negotiation.receive(packet, now));
    const isEcho = packet.code === 'Code-Reject' && packet.rejected[0] === ECHO_REQUEST;
    if (!isEcho || this.state !== 'Opened') return signals;
    this.#log(this.#isNoEchoSaid ? 'debug' : 'warn', 'the AC has no Echo');
    this.#isNoEchoSaid = true;
    return [...signals, { kind: 'no-echo' }];
  }

  #extension(packet: LcpOnlyPacket, now: Instant): LcpSignal[] {
    const signals = this.#acted(packet, now);
    const isEcho = packet.code === 'Echo-Reply' || packet.code === 'Echo-Request';
    if (this.state !== 'Opened' || isEcho) return signals;
    return [...signals, { kind: 'heard' }];
  }

  #acted(packet: LcpOnlyPacket, now: Instant): LcpSignal[] {
    switch (packet.code) {
      case 'Protocol-Reject':
        // §5.7: in any state but Opened it is discarded.
        if (this.state !== 'Opened') return [];
        this.#sayProtocol(packet.code, packet.protocol);
        return [{ kind: 'protocol-rejected', protocol: packet.protocol }];
      case 'Echo-Request':
        return this.#negotiation.receiveExtension(now) ? this.#echoRequest(packet) : [];
      case 'Echo-Reply':
        return this.#negotiation.receiveExtension(now) ? this.#echoReply(packet, now) : [];
      case 'Discard-Request':
        return [];
      case 'Identification':
        this.#log('debug', packet.code, { message: printable(packet.message) });
        return [];
      case 'Time-Remaining': {
        const { seconds, message } = packet;
        // An AC may count down: a line each time that half of the time is over.
        const isNews = seconds * 2 <= this.#secondsSaid;
        if (isNews) this.#secondsSaid = seconds;
        const facts = { seconds, message: printable(message) };
        this.#log(isNews ? 'info' : 'debug', packet.code, facts);
        return [];
      }
      case 'Vendor-Specific':
        this.#log('debug', packet.code, { octets: packet.data.length });
        return [];
      default:
        return unreachable(packet);
    }
  }

  #echoRequest(packet: EchoPacket): LcpSignal[] {
    const { ourMagic, theirMru } = this.agreement;
    // An AC may copy our number into requests of its own; a looped one has an Identifier of ours.
    const isOurs = ourMagic !== 0 && packet.magic === ourMagic;
    if (isOurs && this.#echoes.has(packet.identifier)) return this.#looped(packet);
    // Our reply fits what the peer said it can receive (§5.8).
    const data = packet.data.slice(0, theirMru - ECHO_HEADER);
    this.#send({ code: 'Echo-Reply', identifier: packet.identifier, magic: ourMagic, data });
    return [{ kind: 'heard' }];
  }

  /**
   * An answer to our Echo-Request, in our session and from our AC, shows that the peer lives, whatever its Magic-Number: some
   * ACs send 0, or ours. A looped line shows itself by our own Echo-*Request*. A Magic-Number that we never learned (of a
   * session that ppp_thing negotiated) is not compared.
   */
  #echoReply(packet: EchoPacket, now: Instant): LcpSignal[] {
    const { identifier, magic } = packet;
    const { theirMagic } = this.agreement;
    const sentAt = this.#echoes.get(identifier);
    if (sentAt === undefined) return this.#strangeReply(packet);
    this.#echoes.delete(identifier);
    if (magic !== theirMagic && theirMagic !== 0 && !this.#isOddSaid) {
      this.#isOddSaid = true;
      const facts = { found: hexLong(magic), expected: hexLong(theirMagic) };
      this.#log('warn', 'Echo-Reply with another Magic-Number than negotiated', facts);
    }
    return [{ kind: 'alive', identifier, rtt: millis(now - sentAt) }];
  }

  /**
   * Some ACs number their Echo-Replies themselves. But just after a takeover, an Echo-Reply to the previous holder may still be
   * under way, and it says nothing about our way to the AC. So two requests of this router must have gone unanswered first. A
   * reply with our own Magic-Number may be ours, on a line that loops.
   */
  #strangeReply({ identifier, magic, data }: EchoPacket): LcpSignal[] {
    const { ourMagic } = this.agreement;
    const isOurs = ourMagic !== 0 && magic === ourMagic;
    if (isOurs || this.#echoes.size < ENOUGH_UNANSWERED) {
      this.#log('debug', 'ignored stale Echo-Reply', { id: identifier });
      return [];
    }
    const level = this.#isStrangeSaid ? 'debug' : 'warn';
    this.#isStrangeSaid = true;
    this.#log(level, 'Echo-Reply with another Identifier than asked', { id: identifier });
    return [{ kind: 'strange-reply', octets: ECHO_HEADER + data.length }];
  }

  #looped(packet: EchoPacket): LcpSignal[] {
    this.#options.countLoop();
    this.#log('warn', 'our own Magic-Number', { code: packet.code });
    return [];
  }

  /** Some peers repeat a request or a reject without end: log one warning for each protocol, and for so many protocols. */
  #sayProtocol(on: string, protocol: number, moved?: typeof REJECTED): void {
    const words = `${on} ${protocol}`;
    const isNew = !this.#protocolsSaid.has(words) && this.#protocolsSaid.size < MAX_PROTOCOLS_SAID;
    if (isNew) this.#protocolsSaid.add(words);
    this.#log(isNew ? 'warn' : 'debug', on, { protocol: hex(protocol) }, moved);
  }
}

/** Protocols without which some ACs want no session. */
const NAMES: Readonly<Record<number, string>> = {
  [PROTOCOL.CCP]: 'CCP (compression or encryption)',
  [PROTOCOL.IPCP]: 'IPCP',
  [PROTOCOL.IPV6CP]: 'IPV6CP',
};
const protocolName = (protocol: number): string => NAMES[protocol] ?? hex(protocol);

const REJECTED = { actions: ['Protocol-Reject'] };

const layer = (signal: LayerSignal | undefined): LcpSignal[] =>
  signal === undefined ? [] : [{ kind: 'layer', signal }];

function isExtension(packet: LcpPacket): packet is LcpOnlyPacket {
  return !isControl(packet);
}

const CONTROL: readonly string[] = [
  'Configure-Request',
  'Configure-Ack',
  'Configure-Nak',
  'Configure-Reject',
  'Terminate-Request',
  'Terminate-Ack',
  'Code-Reject',
  'unknown',
] satisfies ControlPacket<LcpOption>['code'][];

function isControl(packet: LcpPacket): packet is ControlPacket<LcpOption> {
  return CONTROL.includes(packet.code);
}

const hexLong = (number: number): string => `0x${number.toString(16).padStart(8, '0')}`;
export const hex = (number: number): string => `0x${number.toString(16).padStart(4, '0')}`;
