/**
 * The phases of RFC 1661 §3.2 over one PPPoE session, from Establish to Terminate: LCP, authentication, the NCPs and the
 * keepalive, composed. It knows nothing of discovery, of dialling again, or of what becomes of the session at the end.
 *
 * Theory of operation. Layers tell each other up and down by the signals of their automata: LCP's This-Layer-Up starts
 * authentication, its success starts the NCPs, and LCP's This-Layer-Down takes everything above it down, which is also
 * how an AC that lost its state renegotiates a session that moved. Every phase but an opened Network has a deadline.
 */
import { after, earliest, seconds, type Instant, type Millis } from '../time.ts';
import { printable } from '../printable.ts';
import { formatIpv4, UNSPECIFIED_V4, type IpcpOption, type Ipv6cpOption } from '../wire/ncp.ts';
import { PROTOCOL, type PppPacket } from '../wire/ppp.ts';
import { Authentication, type AuthOutput } from './auth.ts';
import { PLAIN_PAYLOAD } from './discovery.ts';
import type { Action, Note } from './events.ts';
import type { Hashes, Random } from './hashes.ts';
import { Keepalive, type KeepaliveVerdict } from './keepalive.ts';
import { Lcp, type LcpOutput } from './lcp.ts';
import type { LinkConfig, Phase } from './link.ts';
import { IpcpOptions, Ipv6cpOptions } from './ncp.ts';
import { Negotiation, type NegotiationOutput } from './negotiation.ts';
import type { SessionFacts } from './session.ts';
import { Timers } from './timers.ts';

/** What the two ends agreed on inside PPP. */
export type Agreement = Omit<
  SessionFacts,
  'key' | 'acName' | 'serviceName' | 'hostUniq' | 'startedAt'
>;

/** Why PPP is over, and what that means for the session and the next dial. */
export interface End {
  readonly kind: 'ended';
  /** For the log and the operator, escaped. */
  readonly reason: string;
  /** The AC may not know yet: it is owed a PADT. */
  readonly padt: boolean;
  /** The AC understood us and said no. */
  readonly refused: boolean;
}

export type PhasesOutput =
  | Extract<Action, { kind: 'send-ppp' | 'note' }>
  /** IPCP is Opened; again when something agreed has changed. */
  | { readonly kind: 'opened'; readonly agreed: Agreement }
  | { readonly kind: 'proven'; readonly rtt: Millis }
  | { readonly kind: 'silent' }
  | End;

/** Longest time for LCP, for authentication, and for IPCP: each several times what its retransmissions take to succeed. */
const PHASE_LIMIT = seconds(30);
/** Full-size Echo-Requests that may be lost before the larger payload is given up (RFC 4638 §6). */
const SIZE_PROBES = 3;
const ECHO_LENGTH = 8;

export class Phases {
  readonly #config: LinkConfig;
  readonly #lcp: Lcp;
  readonly #auth: Authentication;
  readonly #ipcpOptions: IpcpOptions;
  readonly #ipcp: Negotiation<IpcpOption>;
  readonly #ipv6cpOptions: Ipv6cpOptions;
  readonly #ipv6cp: Negotiation<Ipv6cpOption>;
  readonly #keepalive: Keepalive;
  readonly #timers = new Timers<'phase' | 'size'>();
  #phase: Phase;
  #maxPayload: number;
  #size: { sent: number; readonly identifiers: Set<number>; readonly octets: number } | undefined;
  #end: End | undefined;
  #out: PhasesOutput[] = [];

  /**
   * @param from the phase before, for the log
   * @param maxPayload what the line carries, octets
   * @param previous of an earlier session: its addresses are asked for again
   */
  constructor(
    config: LinkConfig,
    from: Phase,
    maxPayload: number,
    previous: SessionFacts | null,
    hashes: Hashes,
    random: Random,
  ) {
    const { magicNumber, auth, mtu } = config;
    const peerMru = (): number => this.#lcp.agreement.theirMru;
    this.#config = config;
    this.#phase = from;
    this.#maxPayload = maxPayload;
    this.#lcp = new Lcp({ mru: Math.min(maxPayload, mtu), magicNumber, auth }, random);
    this.#auth = new Authentication(config, hashes, random);
    this.#ipcpOptions = new IpcpOptions(config.dns, previous?.ourAddress ?? UNSPECIFIED_V4);
    this.#ipcp = new Negotiation('ipcp', this.#ipcpOptions, peerMru);
    this.#ipv6cpOptions = new Ipv6cpOptions(random, previous?.interfaceIds?.ours);
    this.#ipv6cp = new Negotiation('ipv6cp', this.#ipv6cpOptions, peerMru);
    this.#keepalive = new Keepalive(config.echo);
  }

  get phase(): Phase {
    return this.#phase;
  }

  get rtt(): Millis | undefined {
    return this.#keepalive.rtt;
  }

  get unanswered(): number {
    return this.#keepalive.unanswered;
  }

  /** Whether the end has been decided: what comes now is only the farewell. */
  get isEnding(): boolean {
    return this.#end !== undefined;
  }

  deadline(): Instant | undefined {
    if (this.#phase === 'Dead') return undefined;
    return earliest(
      this.#timers.next(),
      this.#lcp.deadline(),
      this.#auth.deadline(),
      this.#ipcp.deadline(),
      this.#ipv6cp.deadline(),
      this.#keepalive.deadline(),
    );
  }

  // --- what the link asks --------------------------------------------------------------------------------------

  /** A new session: our first Configure-Request goes out at once. */
  establish(now: Instant): PhasesOutput[] {
    this.#enter('Establish', 'PADS', now);
    this.#lcpDid(this.#lcp.fire('Open', now), now);
    this.#lcpDid(this.#lcp.fire('Up', now), now);
    return this.#flush();
  }

  /** A session that others negotiated: Opened as it was left, to be proven by an Echo-Reply. */
  resume(facts: SessionFacts, now: Instant): PhasesOutput[] {
    this.#enter('Network', 'resume', now);
    this.#timers.clear('phase');
    this.#lcpDid(this.#lcp.resume(facts, facts.identifiers.lcp), now);
    this.#auth.resume(facts.auth);
    this.#ipcpOptions.resume(facts);
    this.#ipcpDid(this.#ipcp.resume(facts.identifiers.ipcp), now);
    if (facts.interfaceIds !== undefined) {
      this.#ipv6cpOptions.resume(facts.interfaceIds);
      this.#ipv6cpDid(this.#ipv6cp.resume(facts.identifiers.ipv6cp));
    }
    this.#keepaliveDid(this.#keepalive.probe(now), now);
    return this.#flush();
  }

  /** Ask the AC at once whether it still knows the session. */
  probe(now: Instant): PhasesOutput[] {
    if (this.#isOpened() && !this.isEnding) this.#keepaliveDid(this.#keepalive.probe(now), now);
    return this.#flush();
  }

  /** Close LCP in good order (RFC 1661 §3.7); `ended` follows. */
  close(reason: string, now: Instant): PhasesOutput[] {
    this.#terminate({ kind: 'ended', reason, padt: true, refused: false }, now);
    return this.#flush();
  }

  carrier(up: boolean, now: Instant): PhasesOutput[] {
    if (up) this.#keepaliveDid(this.#keepalive.unpause(now), now);
    else this.#keepalive.pause();
    return this.#flush();
  }

  expire(now: Instant): PhasesOutput[] {
    if (this.#phase === 'Dead') return [];
    this.#lcpDid(this.#lcp.expire(now), now);
    this.#authDid(this.#auth.expire(now), now);
    this.#ipcpDid(this.#ipcp.expire(now), now);
    this.#ipv6cpDid(this.#ipv6cp.expire(now));
    this.#keepaliveDid(this.#keepalive.expire(now), now);
    for (const name of this.#timers.expired(now)) {
      if (name === 'size') this.#probeSize(now);
      else this.#fail(`no agreement with the AC in phase ${this.#phase} after 30 s`, false, now);
    }
    return this.#flush();
  }

  receive(packet: PppPacket, now: Instant): PhasesOutput[] {
    if (this.#phase === 'Dead') return [];
    if (packet.protocol === 'LCP') this.#receiveLcp(packet, now);
    else if (this.#lcp.state === 'Opened' && !this.isEnding) this.#receiveUpper(packet, now);
    return this.#flush();
  }

  // --- LCP -----------------------------------------------------------------------------------------------------

  #receiveLcp({ packet }: Extract<PppPacket, { protocol: 'LCP' }>, now: Instant): void {
    if (packet.code === 'Terminate-Request' && this.#lcp.state === 'Opened') {
      const words = packet.data.length === 0 ? '' : `: ${printable(packet.data)}`;
      this.#endWith({ reason: `the AC terminated the link${words}`, padt: false, refused: false });
    }
    this.#lcpDid(this.#lcp.receive(packet, now), now);
  }

  #lcpDid(outputs: readonly LcpOutput[], now: Instant): void {
    for (const output of outputs) {
      switch (output.kind) {
        case 'send':
          this.#send({ protocol: 'LCP', packet: output.packet });
          break;
        case 'note':
          this.#out.push(output);
          break;
        case 'layer':
          if (output.signal === 'tlu') this.#lcpUp(now);
          if (output.signal === 'tld') this.#lcpDown(now);
          if (output.signal === 'tlf') this.#finish();
          break;
        case 'alive':
          this.#answered(output, now);
          break;
        case 'protocol-rejected':
          this.#protocolRejected(output.protocol, now);
          break;
        case 'hopeless':
          this.#fail(output.reason, true, now);
          break;
        default: {
          const unreachable: never = output;
          return unreachable;
        }
      }
    }
  }

  #lcpUp(now: Instant): void {
    const { auth } = this.#lcp.agreement;
    if (auth === 'none') return this.#network('LCP Opened', now);
    this.#enter('Authenticate', 'LCP Opened', now);
    this.#authDid(this.#auth.start(auth, now), now);
  }

  /** Everything above goes down with it. */
  #lcpDown(now: Instant): void {
    this.#keepalive.stop();
    this.#lcp.forgetEchoes();
    this.#size = undefined;
    this.#timers.clear('size');
    this.#auth.stop();
    this.#ipv6cpDid(this.#ipv6cp.fire('Down', now));
    this.#ipcpDid(this.#ipcp.fire('Down', now), now);
    const isOver = this.#lcp.state === 'Closing' || this.#lcp.state === 'Stopping';
    this.#enter(isOver ? 'Terminate' : 'Establish', 'LCP down', now);
  }

  /** RFC 1661 §5.7: a protocol the AC does not have is not spoken to again; without IPCP or LCP there is no link. */
  #protocolRejected(protocol: number, now: Instant): void {
    switch (protocol) {
      case PROTOCOL.IPV6CP:
        return this.#ipv6cpDid(this.#ipv6cp.fire('RXJ-', now));
      case PROTOCOL.IPCP:
        return this.#ipcpDid(this.#ipcp.fire('RXJ-', now), now);
      case PROTOCOL.LCP:
        return this.#lcpDid(this.#lcp.fire('RXJ-', now), now);
      case PROTOCOL.PAP:
      case PROTOCOL.CHAP:
        if (this.#phase === 'Authenticate')
          this.#fail('the AC asked for an authentication that it then rejected', true, now);
    }
  }

  // --- above LCP -----------------------------------------------------------------------------------------------

  #receiveUpper(packet: Exclude<PppPacket, { protocol: 'LCP' }>, now: Instant): void {
    const isNetwork = this.#phase === 'Network';
    switch (packet.protocol) {
      case 'PAP':
        return this.#authDid(this.#auth.receivePap(packet.packet), now);
      case 'CHAP':
        return this.#authDid(this.#auth.receiveChap(packet.packet, now), now);
      case 'IPCP':
        // RFC 1661 §3.5: nothing of the Network phase counts before authentication is complete.
        return isNetwork ? this.#ipcpDid(this.#ipcp.receive(packet.packet, now), now) : undefined;
      case 'IPV6CP':
        if (!this.#config.ipv6)
          return this.#lcpDid(
            this.#lcp.rejectProtocol(PROTOCOL.IPV6CP, packet.information ?? new Uint8Array(0)),
            now,
          );
        return isNetwork ? this.#ipv6cpDid(this.#ipv6cp.receive(packet.packet, now)) : undefined;
      case 'unknown':
        return this.#lcpDid(this.#lcp.rejectProtocol(packet.number, packet.information), now);
      default: {
        const unreachable: never = packet;
        return unreachable;
      }
    }
  }

  #authDid(outputs: readonly AuthOutput[], now: Instant): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.#send(output.packet);
      else if (output.kind === 'note') this.#out.push(output);
      else if (output.kind === 'passed') this.#network(output.on, now);
      else this.#fail(output.reason, true, now);
    }
  }

  #network(on: string, now: Instant): void {
    this.#enter('Network', on, now);
    this.#ipcpDid(this.#ipcp.fire('Open', now), now);
    this.#ipcpDid(this.#ipcp.fire('Up', now), now);
    if (this.#config.ipv6) this.#openIpv6(now);
  }

  #openIpv6(now: Instant): void {
    this.#ipv6cpDid(this.#ipv6cp.fire('Open', now));
    this.#ipv6cpDid(this.#ipv6cp.fire('Up', now));
  }

  #ipcpDid(outputs: readonly NegotiationOutput<IpcpOption>[], now: Instant): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.#send({ protocol: 'IPCP', packet: output.packet });
      else if (output.kind === 'note') this.#out.push(output);
      else if (output.signal === 'tlu') this.#ipcpUp(now);
      else if (output.signal === 'tld') this.#timers.set('phase', after(now, PHASE_LIMIT));
      else if (output.signal === 'tlf') this.#fail('the AC does not agree to IPCP', false, now);
    }
  }

  #ipcpUp(now: Instant): void {
    if (this.#ipcpOptions.agreement.ourAddress.every((octet) => octet === 0))
      return this.#fail('the AC gave us no address', true, now);
    this.#timers.clear('phase');
    this.#keepalive.watch(now);
    this.#opened();
    if (this.#maxPayload > PLAIN_PAYLOAD) {
      const { ourMru, theirMru } = this.#lcp.agreement;
      const octets = Math.min(ourMru, theirMru);
      this.#size = { sent: 0, identifiers: new Set(), octets };
      this.#probeSize(now);
    }
  }

  #ipv6cpDid(outputs: readonly NegotiationOutput<Ipv6cpOption>[]): void {
    for (const output of outputs) {
      if (output.kind === 'send') this.#send({ protocol: 'IPV6CP', packet: output.packet });
      else if (output.kind === 'note') this.#out.push(output);
      // The facts changed; but while IPCP is not Opened, nobody has been told any.
      else if (output.signal !== 'tls' && this.#isOpened()) this.#opened();
    }
  }

  #isOpened(): boolean {
    return this.#lcp.state === 'Opened' && this.#ipcp.state === 'Opened';
  }

  #opened(): void {
    const agreed = this.#agreement();
    this.#note('info', 'opened', {
      address: formatIpv4(agreed.ourAddress),
      peer: formatIpv4(agreed.theirAddress),
      dns: agreed.dns.map(formatIpv4).join(',') || 'none',
      ipv6: agreed.interfaceIds !== undefined,
      maxPayload: agreed.maxPayload,
    });
    this.#out.push({ kind: 'opened', agreed });
  }

  #agreement(): Agreement {
    const interfaceIds =
      this.#ipv6cp.state === 'Opened' ? this.#ipv6cpOptions.agreement : undefined;
    const agreement = this.#lcp.agreement;
    return {
      ...agreement,
      theirMru: Math.min(agreement.theirMru, this.#maxPayload),
      ...this.#ipcpOptions.agreement,
      ...(interfaceIds === undefined ? {} : { interfaceIds }),
      maxPayload: this.#maxPayload,
      identifiers: {
        lcp: this.#lcp.identifier,
        ipcp: this.#ipcp.identifier,
        ipv6cp: this.#ipv6cp.identifier,
      },
    };
  }

  // --- is the AC there, and does the line carry what it promised -------------------------------------------------

  #keepaliveDid(verdicts: readonly KeepaliveVerdict[], now: Instant): void {
    for (const verdict of verdicts) {
      if (verdict === 'echo')
        this.#send({ protocol: 'LCP', packet: this.#lcp.echo(ECHO_LENGTH, now) });
      if (verdict === 'silent') {
        this.#note('warn', 'Echo-Requests unanswered', { failures: this.#config.echo.failures });
        this.#out.push({ kind: 'silent' });
      }
      if (verdict === 'dead') {
        this.#endWith({ reason: 'the AC answers no Echo-Request', padt: true, refused: false });
        this.#finish();
      }
    }
  }

  #answered(answer: Extract<LcpOutput, { kind: 'alive' }>, now: Instant): void {
    const size = this.#size;
    if (
      size?.identifiers.has(answer.identifier) === true &&
      answer.length === size.octets - ECHO_LENGTH
    ) {
      this.#size = undefined;
      this.#timers.clear('size');
      this.#note('debug', 'full-size Echo-Reply', { octets: size.octets });
    }
    if (!this.#keepalive.answered(answer.rtt, now)) return;
    this.#note('info', 'Echo-Reply', { proven: true, rttMs: answer.rtt });
    this.#out.push({ kind: 'proven', rtt: answer.rtt });
    // The former holder may have gone before IPV6CP was Opened; an AC without it says so again.
    if (this.#config.ipv6 && this.#ipv6cp.state === 'Initial') this.#openIpv6(now);
  }

  /** Some line between us and the AC may carry less than both ends promised (RFC 4638 §6). */
  #probeSize(now: Instant): void {
    const size = this.#size;
    if (size === undefined) return;
    if (size.sent >= SIZE_PROBES) {
      this.#size = undefined;
      this.#maxPayload = PLAIN_PAYLOAD;
      this.#note('warn', 'full-size Echo-Requests lost', { maxPayload: PLAIN_PAYLOAD });
      return this.#opened();
    }
    const packet = this.#lcp.echo(size.octets, now);
    size.sent += 1;
    size.identifiers.add(packet.identifier);
    this.#send({ protocol: 'LCP', packet });
    this.#timers.set('size', after(now, this.#config.echo.probeInterval));
  }

  // --- the end -------------------------------------------------------------------------------------------------

  #fail(reason: string, refused: boolean, now: Instant): void {
    this.#terminate({ kind: 'ended', reason, padt: true, refused }, now);
  }

  #terminate(end: End, now: Instant): void {
    if (this.isEnding || this.#phase === 'Dead') return;
    this.#end = end;
    this.#timers.clearAll();
    this.#enter('Terminate', end.reason, now);
    this.#lcpDid(this.#lcp.fire('Close', now), now);
    if (this.#lcp.state !== 'Closing') this.#finish();
  }

  #endWith(end: Omit<End, 'kind'>): void {
    this.#end ??= { kind: 'ended', ...end };
  }

  #finish(): void {
    if (this.#phase === 'Dead') return;
    this.#endWith({ reason: 'no LCP agreement with the AC', padt: true, refused: false });
    this.#phase = 'Dead';
    this.#timers.clearAll();
    this.#keepalive.stop();
    if (this.#end !== undefined) this.#out.push(this.#end);
  }

  #enter(phase: Phase, on: string, now: Instant): void {
    if (this.#phase !== phase) {
      const note = { level: 'info', machine: 'link', from: this.#phase, to: phase, on } as const;
      this.#out.push({ kind: 'note', note });
      this.#phase = phase;
    }
    // In Terminate the automaton's own counter ends the wait.
    if (phase === 'Terminate') this.#timers.clearAll();
    else this.#timers.set('phase', after(now, PHASE_LIMIT));
  }

  #send(packet: PppPacket): void {
    this.#out.push({ kind: 'send-ppp', packet });
  }

  #note(level: Note['level'], on: string, facts: NonNullable<Note['facts']>): void {
    this.#out.push({
      kind: 'note',
      note: { level, machine: 'link', from: this.#phase, on, facts },
    });
  }

  #flush(): PhasesOutput[] {
    const outputs = this.#out;
    this.#out = [];
    // Nothing is said after the end, whatever the layers above were about to do.
    const end = outputs.findIndex((output) => output.kind === 'ended');
    return end === -1 ? outputs : outputs.slice(0, end + 1);
  }
}
