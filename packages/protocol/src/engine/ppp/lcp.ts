/**
 * LCP on an established session: the negotiation plus what only LCP has (RFC 1661 §5.7–5.9, RFC 1570): Echo,
 * Protocol-Reject and the packets that are only noted. When to ask for an Echo-Reply is `keepalive.ts`'s to say.
 */
import { millis, type Instant, type Millis } from '../../time.ts';
import { printable } from '../../printable.ts';
import type { LcpOption } from '../../wire/lcp.ts';
import type { ControlPacket, LcpOnlyPacket, LcpPacket } from '../../wire/ppp.ts';
import type { Note } from '../events.ts';
import type { Random } from '../hashes.ts';
import { LcpOptions, type LcpAgreement, type LcpSettings } from './lcp-options.ts';
import { Negotiation, type NegotiationOutput } from './negotiation.ts';
import type { Pace } from './pace.ts';

export type LcpOutput =
  | { readonly kind: 'send'; readonly packet: LcpPacket }
  | Exclude<NegotiationOutput<LcpOption>, { kind: 'send' }>
  /** An answer to an Echo-Request of ours. */
  | { readonly kind: 'alive'; readonly identifier: number; readonly rtt: Millis }
  /** The peer has sent something of its own accord; or it has no Echo (§5.6). */
  | { readonly kind: 'heard' | 'no-echo' }
  /** The peer does not speak `protocol` (§5.7). */
  | { readonly kind: 'protocol-rejected'; readonly protocol: number }
  /** No agreement can come of this; `reason` is a sentence. */
  | { readonly kind: 'hopeless'; readonly reason: string };

type EchoPacket = Extract<
  LcpOnlyPacket,
  { code: 'Echo-Request' | 'Echo-Reply' | 'Discard-Request' }
>;

/** Octets of an Echo packet before its data; of a Protocol-Reject before the rejected information. */
const ECHO_HEADER = 8;
const REJECT_HEADER = 6;
/** Echo-Requests whose answer would still count. More are never outstanding: the keepalive gives up before. */
const MAX_OUTSTANDING = 64;
const ECHO_REQUEST = 9;

export class Lcp {
  readonly #options: LcpOptions;
  readonly #negotiation: Negotiation<LcpOption>;
  /** When each unanswered Echo-Request was sent, by Identifier, oldest first. */
  readonly #echoes = new Map<number, Instant>();
  /** It was said that the peer's Magic-Number is not the one it negotiated. */
  #isOddSaid = false;

  constructor(settings: LcpSettings, random: Random, pace: Pace) {
    this.#options = new LcpOptions(settings, random);
    this.#negotiation = new Negotiation('lcp', this.#options, () => this.agreement.theirMru, pace);
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

  deadline(): Instant | undefined {
    return this.#negotiation.deadline();
  }

  expire(now: Instant): LcpOutput[] {
    return this.#negotiation.expire(now);
  }

  fire(event: 'Up' | 'Down' | 'Open' | 'Close' | 'RXJ-', now: Instant): LcpOutput[] {
    return this.#negotiation.fire(event, now);
  }

  resume(agreement: LcpAgreement, identifier: number): LcpOutput[] {
    this.#options.resume(agreement);
    return this.#negotiation.resume(identifier);
  }

  /** @param length octets of the whole LCP packet; 8 is the least */
  echo(length: number, now: Instant): EchoPacket {
    const identifier = this.#negotiation.nextIdentifier();
    // Set anew, so that the map stays in the order of sending.
    this.#echoes.delete(identifier);
    this.#echoes.set(identifier, now);
    const [oldest] = this.#echoes.keys();
    if (this.#echoes.size > MAX_OUTSTANDING && oldest !== undefined) this.#echoes.delete(oldest);
    const data = new Uint8Array(Math.max(0, length - ECHO_HEADER));
    const magic = this.agreement.ourMagic;
    return { code: 'Echo-Request', identifier, magic, data };
  }

  /** Answers to earlier Echo-Requests count no more. */
  forgetEchoes(): void {
    this.#echoes.clear();
  }

  /** Tell the peer that we do not speak `protocol`: in Opened only (§5.7). */
  rejectProtocol(protocol: number, information: Uint8Array): LcpOutput[] {
    if (this.state !== 'Opened') return [];
    const rejected = information.slice(0, this.agreement.theirMru - REJECT_HEADER);
    const identifier = this.#negotiation.nextIdentifier();
    return [
      this.#note('warn', 'unknown protocol', ['Protocol-Reject'], { protocol: hex(protocol) }),
      { kind: 'send', packet: { code: 'Protocol-Reject', identifier, protocol, rejected } },
    ];
  }

  receive(packet: LcpPacket, now: Instant): LcpOutput[] {
    const outputs = isExtension(packet) ? this.#extension(packet, now) : this.#control(packet, now);
    const reason = this.#options.failure;
    return reason === undefined ? outputs : [...outputs, { kind: 'hopeless', reason }];
  }

  #control(packet: ControlPacket<LcpOption>, now: Instant): LcpOutput[] {
    const outputs = this.#negotiation.receive(packet, now);
    const isEcho = packet.code === 'Code-Reject' && packet.rejected[0] === ECHO_REQUEST;
    if (!isEcho || this.state !== 'Opened') return outputs;
    return [...outputs, this.#note('warn', 'the AC has no Echo', [], {}), { kind: 'no-echo' }];
  }

  #extension(packet: LcpOnlyPacket, now: Instant): LcpOutput[] {
    const outputs = this.#acted(packet, now);
    const isEcho = packet.code === 'Echo-Reply' || packet.code === 'Echo-Request';
    if (this.state !== 'Opened' || isEcho) return outputs;
    return [...outputs, { kind: 'heard' }];
  }

  #acted(packet: LcpOnlyPacket, now: Instant): LcpOutput[] {
    switch (packet.code) {
      case 'Protocol-Reject':
        // §5.7: in any state but Opened it is discarded.
        if (this.state !== 'Opened') return [];
        return [
          this.#note('warn', packet.code, [], { protocol: hex(packet.protocol) }),
          { kind: 'protocol-rejected', protocol: packet.protocol },
        ];
      case 'Echo-Request':
        return this.#negotiation.receiveExtension(now) ? this.#echoRequest(packet) : [];
      case 'Echo-Reply':
        return this.#negotiation.receiveExtension(now) ? this.#echoReply(packet, now) : [];
      case 'Discard-Request':
        return [];
      case 'Identification':
        return [this.#note('debug', packet.code, [], { message: printable(packet.message) })];
      case 'Time-Remaining':
        return [
          this.#note('info', packet.code, [], {
            seconds: packet.seconds,
            message: printable(packet.message),
          }),
        ];
      case 'Vendor-Specific':
        return [this.#note('debug', packet.code, [], { octets: packet.data.length })];
      default: {
        const unreachable: never = packet;
        return unreachable;
      }
    }
  }

  #echoRequest(packet: EchoPacket): LcpOutput[] {
    const { ourMagic, theirMru } = this.agreement;
    if (ourMagic !== 0 && packet.magic === ourMagic) return this.#looped(packet);
    // Our reply fits what the peer said it can receive (§5.8).
    const data = packet.data.slice(0, theirMru - ECHO_HEADER);
    const { identifier } = packet;
    return [
      { kind: 'send', packet: { code: 'Echo-Reply', identifier, magic: ourMagic, data } },
      { kind: 'heard' },
    ];
  }

  /**
   * An answer that was asked for, in our session and from our AC, says that the peer lives, whatever Magic-Number it
   * carries: some ACs send 0, or ours back. A looped line shows by our own Echo-*Request*. What was never learned, as of a
   * session that ppp_thing negotiated, is not compared.
   */
  #echoReply(packet: EchoPacket, now: Instant): LcpOutput[] {
    const { identifier, magic } = packet;
    const { theirMagic } = this.agreement;
    const sentAt = this.#echoes.get(identifier);
    if (sentAt === undefined)
      return [this.#note('debug', 'ignored stale Echo-Reply', [], { id: identifier })];
    this.#echoes.delete(identifier);
    const alive = { kind: 'alive', identifier, rtt: millis(now - sentAt) } as const;
    if (magic === theirMagic || theirMagic === 0 || this.#isOddSaid) return [alive];
    this.#isOddSaid = true;
    const facts = { found: hexLong(magic), expected: hexLong(theirMagic) };
    return [
      this.#note('warn', 'Echo-Reply with another Magic-Number than negotiated', [], facts),
      alive,
    ];
  }

  #looped(packet: EchoPacket): LcpOutput[] {
    this.#options.countLoop();
    return [this.#note('warn', 'our own Magic-Number', [], { code: packet.code })];
  }

  #note(
    level: Note['level'],
    on: string,
    actions: readonly string[],
    facts: NonNullable<Note['facts']>,
  ): LcpOutput {
    return { kind: 'note', note: { level, machine: 'lcp', from: this.state, on, actions, facts } };
  }
}

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
