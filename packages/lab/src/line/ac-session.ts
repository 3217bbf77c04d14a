/**
 * One PPP session at the Access Concentrator, from LCP to data: the peer that our engine talks to. It is strict, and
 * says so when the client does what no RFC allows. It knows PPP packets, and neither frames nor the Discovery Stage.
 */
import { DecodeError, sameOctets } from '@ppp-thing/protocol/bytes';
import { after, earliest, type Instant, type Millis } from '@ppp-thing/protocol/time';
import type { LcpOption } from '@ppp-thing/protocol/wire/lcp';
import { formatIpv4, type IpcpOption, type Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import {
  type ConfigurePacket,
  type IpcpPacket,
  type Ipv6cpPacket,
  type LcpPacket,
  type PppPacket,
  decodePpp,
  encodePpp,
  PROTOCOL,
} from '@ppp-thing/protocol/wire/ppp';
import type { Authenticator, AuthResult } from './ac-auth.ts';
import { Exchange } from './ac-exchange.ts';
import { Keepalive, type EchoConfig } from './ac-keepalive.ts';
import type { IpcpTerms, Ipv6cpTerms, LcpTerms } from './ac-terms.ts';
import { decodeEcho, decodeIpv4, encodeEcho } from './icmp.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

type AcPhase = 'Establish' | 'Authenticate' | 'Network' | 'Dead';

export type SessionOutput =
  | { readonly kind: 'ppp'; readonly protocol: number; readonly packet: Uint8Array }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'violation'; readonly text: string }
  /** A user has proven who it is. */
  | { readonly kind: 'authenticated'; readonly user: string }
  /** IPCP is open, or IPV6CP where there is no IPv4: data flows. */
  | { readonly kind: 'up' }
  /** An echo reply came to an echo request of ours. */
  | { readonly kind: 'pong'; readonly sequence: number }
  /** IP from the client, but for the answers to our pings. */
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'ended'; readonly reason: string };

export interface AcSessionConfig {
  readonly echo: EchoConfig;
  /** Whether it answers Echo-Requests now. */
  readonly answersEcho: () => boolean;
  readonly hasIpv4: () => boolean;
  readonly delay: Millis;
  readonly restart: Millis;
  readonly ourAddress: Uint8Array;
  /** What the client was given, once it was. */
  readonly theirAddress: () => Uint8Array | undefined;
  readonly lcp: LcpTerms;
  readonly ipcp: IpcpTerms;
  /** Undefined without IPv6. */
  readonly ipv6cp: Ipv6cpTerms | undefined;
  readonly authenticator: Authenticator;
  readonly auth: boolean;
}

const PING_IDENTIFIER = 0x7070;
const NOTHING = new Uint8Array();

export class AcSession {
  readonly #config: AcSessionConfig;
  readonly #lcp: Exchange<LcpOption>;
  readonly #ipcp: Exchange<IpcpOption>;
  readonly #ipv6cp: Exchange<Ipv6cpOption> | undefined;
  readonly #keepalive: Keepalive;
  readonly #violations: string[] = [];
  #phase: AcPhase = 'Establish';
  #isUp = false;
  /** The client has sent data: it knows that all is agreed. */
  #hasSentData = false;
  #negotiations = 0;
  #beginAt: Instant | undefined;
  #challengeAt: Instant | undefined;
  #identifier = 0;

  constructor(config: AcSessionConfig) {
    this.#config = config;
    this.#keepalive = new Keepalive(config.echo);
    this.#lcp = new Exchange(config.lcp, config.restart);
    this.#ipcp = new Exchange(config.ipcp, config.restart);
    this.#ipv6cp =
      config.ipv6cp === undefined ? undefined : new Exchange(config.ipv6cp, config.restart);
  }

  get phase(): AcPhase {
    return this.#phase;
  }

  /** Data flows. */
  get isUp(): boolean {
    return this.#isUp;
  }

  /** LCP negotiations begun: a session that moves has one, for ever. */
  get negotiations(): number {
    return this.#negotiations;
  }

  /** What the terms hold against the client, since this was last asked. */
  takeViolations(): string[] {
    return this.#violations.splice(0);
  }

  /** For the terms, which are made before this is. */
  accuse(text: string): void {
    this.#violations.push(text);
  }

  deadline(): Instant | undefined {
    if (this.#phase === 'Dead') return undefined;
    return earliest(
      this.#beginAt,
      this.#keepalive.deadline(),
      this.#challengeAt,
      this.#lcp.deadline(),
      this.#ipcp.deadline(),
      this.#ipv6cp?.deadline(),
    );
  }

  /** The session exists: begin LCP in a while. */
  open(now: Instant): SessionOutput[] {
    if (this.#config.delay === 0) return this.negotiate(now);
    this.#beginAt = after(now, this.#config.delay);
    return [];
  }

  /** Begin LCP: at first, or anew as a peer that has lost its PPP state does. */
  negotiate(now: Instant): SessionOutput[] {
    this.#beginAt = undefined;
    this.#establish();
    return this.#lcp.begin(now).map((packet) => ppp({ protocol: 'LCP', packet }));
  }

  /** LCP is negotiated, so that nothing above it lives (RFC 1661 §3.4). */
  #establish(): void {
    this.#negotiations += 1;
    this.#phase = 'Establish';
    this.#isUp = false;
    this.#keepalive.stop();
    this.#challengeAt = undefined;
    this.#ipcp.end();
    this.#ipv6cp?.end();
  }

  /** CHAP may ask again at any time (RFC 1994 §2). */
  challenge(now: Instant): SessionOutput[] {
    this.#challengeAt = after(now, this.#config.restart);
    return this.#config.authenticator.challenge().map(ppp);
  }

  /** An echo request to the client's address, as data. */
  ping(sequence: number): SessionOutput[] {
    const destination = this.#config.theirAddress();
    if (!this.#isUp || destination === undefined) return [];
    const source = this.#config.ourAddress;
    const echo = { kind: 'request', source, destination, sequence } as const;
    const packet = encodeEcho({ ...echo, identifier: PING_IDENTIFIER });
    return [{ kind: 'ppp', protocol: PROTOCOL.IPv4, packet }];
  }

  /** A packet for the client, as data. */
  forward(packet: Uint8Array): SessionOutput[] {
    const protocol = (packet[0] ?? 0) >> 4 === 6 ? PROTOCOL.IPv6 : PROTOCOL.IPv4;
    return this.#isUp ? [{ kind: 'ppp', protocol, packet }] : [];
  }

  /** Say goodbye with LCP; the session is Dead at once. */
  terminate(): SessionOutput[] {
    const packet = { code: 'Terminate-Request', identifier: 0, data: NOTHING } as const;
    return [ppp({ protocol: 'LCP', packet }), ...this.#end('terminated by the operator')];
  }

  receive(protocol: number, octets: Uint8Array, now: Instant): SessionOutput[] {
    if (this.#phase === 'Dead') return [];
    if (this.#beginAt !== undefined)
      return [...this.negotiate(now), ...this.receive(protocol, octets, now)];
    this.#keepalive.traffic();
    try {
      if (protocol === PROTOCOL.IPv4) return this.#data(octets);
      if (protocol === PROTOCOL.IPv6) return this.#data6(octets);
      return this.#control(decodePpp(protocol, octets), octets, now);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return [violation(`malformed packet of protocol ${hexWord(protocol)}: ${error.message}`)];
    }
  }

  expire(now: Instant): SessionOutput[] {
    if (this.#phase === 'Dead') return [];
    if (this.#beginAt !== undefined) return now < this.#beginAt ? [] : this.negotiate(now);
    const lcp = this.#lcp.expire(now).map((packet) => ppp({ protocol: 'LCP', packet }));
    const ipcp = this.#ipcp.expire(now).map((packet) => ppp({ protocol: 'IPCP', packet }));
    const ipv6cp = this.#ipv6cp?.expire(now) ?? [];
    const dead = this.#lcp.isDead || this.#ipcp.isDead;
    return [
      ...lcp,
      ...ipcp,
      ...ipv6cp.map((packet) => ppp({ protocol: 'IPV6CP', packet })),
      ...this.#challengeAgain(now),
      ...this.#echo(now),
      ...(dead ? this.#end('no answer to our Configure-Requests') : []),
    ];
  }

  #challengeAgain(now: Instant): SessionOutput[] {
    if (this.#challengeAt === undefined || now < this.#challengeAt) return [];
    this.#challengeAt = after(now, this.#config.restart);
    return this.#config.authenticator.repeat().map(ppp);
  }

  #echo(now: Instant): SessionOutput[] {
    const due = this.#keepalive.due(now);
    if (due === undefined) return [];
    if (due === 'give up')
      return this.#end(`${this.#config.echo.failures} Echo-Requests were not answered`);
    const identifier = this.#nextIdentifier();
    this.#keepalive.asked(identifier, now);
    const magic = this.#config.lcp.ourMagic;
    const packet = { code: 'Echo-Request', identifier, magic, data: NOTHING } as const;
    return [ppp({ protocol: 'LCP', packet })];
  }

  #control(decoded: PppPacket, octets: Uint8Array, now: Instant): SessionOutput[] {
    switch (decoded.protocol) {
      case 'LCP':
        return this.#receiveLcp(decoded.packet, now);
      case 'PAP':
        return this.#inPhase('PAP', 'Authenticate', () =>
          this.#judged(this.#config.authenticator.pap(decoded.packet), now),
        );
      case 'CHAP':
        return this.#inPhase('CHAP', 'Authenticate', () =>
          this.#judged(this.#config.authenticator.chap(decoded.packet), now),
        );
      case 'IPCP':
        return this.#inPhase('IPCP', 'Network', () =>
          this.#receiveIpcp(decoded.packet, octets, now),
        );
      case 'IPV6CP':
        return this.#inPhase('IPV6CP', 'Network', () =>
          this.#receiveIpv6cp(decoded.packet, octets, now),
        );
      case 'unknown':
        return this.#phase === 'Establish' ? [] : [this.#protocolReject(decoded.number, octets)];
      default:
        return unreachable(decoded);
    }
  }

  /** Phases only go up: what belongs to a later one must not come before it (RFC 1661 §3.5, §3.6). */
  #inPhase(what: string, first: AcPhase, run: () => SessionOutput[]): SessionOutput[] {
    const order: readonly AcPhase[] = ['Establish', 'Authenticate', 'Network'];
    if (order.indexOf(this.#phase) >= order.indexOf(first)) return run();
    return this.#early(what);
  }

  #receiveLcp(packet: LcpPacket, now: Instant): SessionOutput[] {
    switch (packet.code) {
      case 'Configure-Request':
      case 'Configure-Ack':
      case 'Configure-Nak':
      case 'Configure-Reject':
        return this.#configureLcp(packet, now);
      case 'Terminate-Request':
        return [
          ppp({ protocol: 'LCP', packet: { ...packet, code: 'Terminate-Ack' } }),
          ...this.#end('the client sent Terminate-Request'),
        ];
      case 'Echo-Request':
        return this.#answerEcho(packet.identifier, packet.magic, packet.data);
      case 'Echo-Reply':
        return this.#hearReply(packet.identifier, packet.magic);
      case 'Protocol-Reject':
        if (packet.protocol === PROTOCOL.IPV6CP) this.#ipv6cp?.end();
        return [note(`the client rejects protocol ${hexWord(packet.protocol)}`)];
      case 'unknown': {
        const identifier = this.#nextIdentifier();
        const reject = { code: 'Code-Reject', identifier, rejected: packet.raw } as const;
        return [ppp({ protocol: 'LCP', packet: reject })];
      }
      case 'Terminate-Ack':
      case 'Code-Reject':
      case 'Discard-Request':
      case 'Identification':
      case 'Time-Remaining':
      case 'Vendor-Specific':
        return [];
      default:
        return unreachable(packet);
    }
  }

  #configureLcp(packet: ConfigurePacket<LcpOption>, now: Instant): SessionOutput[] {
    const outputs: SessionOutput[] = [];
    const wasOpen = this.#lcp.isOpen;
    const isLate = !this.#hasSentData && this.#lcp.isRepeated(packet);
    const answers = this.#lcp.receive(packet, now);
    if (wasOpen && !this.#lcp.isOpen) {
      outputs.push(isLate ? note(LATE) : violation('a second LCP negotiation'));
      this.#establish();
    }
    for (const answer of answers) outputs.push(ppp({ protocol: 'LCP', packet: answer }));
    if (this.#phase === 'Establish' && this.#lcp.isOpen) outputs.push(...this.#established(now));
    return outputs;
  }

  #established(now: Instant): SessionOutput[] {
    this.#phase = 'Authenticate';
    this.#keepalive.start(now);
    return this.#config.auth ? this.challenge(now) : this.#network(now);
  }

  #judged({ send, verdict }: AuthResult, now: Instant): SessionOutput[] {
    const outputs = send.map(ppp);
    if (verdict === undefined) return outputs;
    this.#challengeAt = undefined;
    if (!verdict.accepted)
      return [...outputs, ...this.#end(`authentication of ${verdict.user} failed`)];
    outputs.push({ kind: 'authenticated', user: verdict.user });
    return this.#phase === 'Authenticate' ? [...outputs, ...this.#network(now)] : outputs;
  }

  #network(now: Instant): SessionOutput[] {
    this.#phase = 'Network';
    const asked = this.#config.hasIpv4() ? this.#ipcp.begin(now) : [];
    const ipcp = asked.map((packet) => ppp({ protocol: 'IPCP', packet }));
    const ipv6cp = this.#ipv6cp?.begin(now) ?? [];
    return [...ipcp, ...ipv6cp.map((packet) => ppp({ protocol: 'IPV6CP', packet }))];
  }

  #receiveIpcp(packet: IpcpPacket, octets: Uint8Array, now: Instant): SessionOutput[] {
    if (!this.#config.hasIpv4()) return [this.#protocolReject(PROTOCOL.IPCP, octets)];
    if (!isConfigure(packet)) return [];
    const isLate = !this.#hasSentData && this.#ipcp.isRepeated(packet);
    const outputs = this.#ipcp
      .receive(packet, now)
      .map((answer) => ppp({ protocol: 'IPCP', packet: answer }));
    if (this.#isUp && !this.#ipcp.isOpen) {
      if (isLate) outputs.push(note(LATE));
      else this.accuse('a second IPCP negotiation');
      this.#isUp = false;
    }
    if (this.#isUp || !this.#ipcp.isOpen) return outputs;
    this.#isUp = true;
    return [...outputs, { kind: 'up' }];
  }

  #receiveIpv6cp(packet: Ipv6cpPacket, octets: Uint8Array, now: Instant): SessionOutput[] {
    if (this.#ipv6cp === undefined) return [this.#protocolReject(PROTOCOL.IPV6CP, octets)];
    if (!isConfigure(packet)) return [];
    const answers = this.#ipv6cp.receive(packet, now);
    const outputs = answers.map((answer) => ppp({ protocol: 'IPV6CP', packet: answer }));
    if (this.#config.hasIpv4() || this.#isUp || !this.#ipv6cp.isOpen) return outputs;
    this.#isUp = true;
    return [...outputs, { kind: 'up' }];
  }

  #answerEcho(identifier: number, magic: number, data: Uint8Array): SessionOutput[] {
    if (this.#phase === 'Establish') return this.#early('Echo-Request');
    if (!this.#config.answersEcho()) return [];
    const wrong = this.#wrongMagic('Echo-Request', magic);
    if (wrong.length > 0) return wrong;
    const ours = this.#config.lcp.ourMagic;
    const packet = { code: 'Echo-Reply', identifier, magic: ours, data } as const;
    return [ppp({ protocol: 'LCP', packet })];
  }

  #hearReply(identifier: number, magic: number): SessionOutput[] {
    const wrong = this.#wrongMagic('Echo-Reply', magic);
    if (wrong.length === 0) this.#keepalive.answered(identifier);
    return wrong;
  }

  #wrongMagic(what: string, magic: number): SessionOutput[] {
    const { theirMagic } = this.#config.lcp;
    return magic === theirMagic ? [] : [violation(`${what} with a Magic-Number not negotiated`)];
  }

  #data(octets: Uint8Array): SessionOutput[] {
    if (!this.#isUp) return this.#early('IPv4 data');
    const { source } = decodeIpv4(octets);
    const given = this.#config.theirAddress();
    if (given === undefined || !sameOctets(source, given))
      return [violation(`IPv4 data from ${formatIpv4(source)}, not the address it was given`)];
    this.#hasSentData = true;
    const echo = decodeEcho(octets);
    if (echo?.kind !== 'reply' || echo.identifier !== PING_IDENTIFIER)
      return [{ kind: 'packet', packet: octets }];
    return [{ kind: 'pong', sequence: echo.sequence }];
  }

  #data6(packet: Uint8Array): SessionOutput[] {
    if (!this.#isUp) return this.#early('IPv6 data');
    return this.#ipv6cp?.isOpen === true ? [{ kind: 'packet', packet }] : [];
  }

  #protocolReject(protocol: number, rejected: Uint8Array): SessionOutput {
    const identifier = this.#nextIdentifier();
    const packet = { code: 'Protocol-Reject', identifier, protocol, rejected } as const;
    return ppp({ protocol: 'LCP', packet });
  }

  #nextIdentifier(): number {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return this.#identifier;
  }

  /** Too early is wrong, but not after we began anew without a word: then it was on its way. */
  #early(what: string): SessionOutput[] {
    return this.#negotiations > 1 ? [] : [violation(`${what} in phase ${this.#phase}`)];
  }

  #end(reason: string): SessionOutput[] {
    this.#phase = 'Dead';
    this.#isUp = false;
    return [{ kind: 'ended', reason }];
  }
}

type Configure<P> = Extract<P, { readonly options: unknown }>;
const isConfigure = <P extends object>(packet: P): packet is Configure<P> => 'options' in packet;

/** The client's Restart timer ran out before our answer came: RFC 1661 begins anew, and nobody is at fault. */
const LATE = 'a Configure-Request again: our answer was late';
const ppp = (packet: PppPacket): SessionOutput => ({ kind: 'ppp', ...encodePpp(packet) });
const note = (text: string): SessionOutput => ({ kind: 'note', text });
const violation = (text: string): SessionOutput => ({ kind: 'violation', text });
const hexWord = (n: number): string => `0x${n.toString(16).padStart(4, '0')}`;
