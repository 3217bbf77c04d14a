/**
 * The Access Concentrator of the simulator: a PPPoE server on decoded values, with a temper. It is written from the
 * AC's side of the RFCs and shares no code with our engine. It checks no credentials; the lab's does.
 */
import { findTag, TAG, type DiscoveryPacket } from '@ppp-thing/protocol/wire/pppoe';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import type { MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import type { LcpOption } from '@ppp-thing/protocol/wire/lcp';
import type { Dhcp6Message } from '@ppp-thing/protocol/wire/dhcpv6';
import type { IpcpOption, Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import type {
  ConfigurePacket,
  IpcpPacket,
  Ipv6cpPacket,
  LcpPacket,
  PppPacket,
} from '@ppp-thing/protocol/wire/ppp';
import type { ChapPacket } from '@ppp-thing/protocol/wire/auth';
import { Exchange, type Terms } from '../line/ac-exchange.ts';
import type { Delegator } from '../line/delegator.ts';
import type { Chance } from './random.ts';
import type { Schedule } from './schedule.ts';

export interface Temper {
  /** What a second session of the same MAC gets while the first lives. */
  readonly second: 'deny' | 'replace' | 'allow';
  /** Refuse dials for this long after a session that lived less than a minute, doubling; 0 for never. */
  readonly lockoutMs: number;
  /** Added to every answer. */
  readonly slowMs: number;
  /** Between its Echo-Requests; a session is dropped after `echoLimit` unanswered. */
  readonly echoMs: number;
  readonly echoLimit: number;
  /** Traffic from us counts as an answer. */
  readonly dataCheck: boolean;
  /** It names no address of its own, or ours as its own; absent in most plans. */
  readonly unnumbered?: boolean | 'ours';
}

interface SimSession {
  readonly id: number;
  readonly magic: number;
  readonly born: number;
  readonly lcp: Exchange<LcpOption>;
  readonly ipcp: Exchange<IpcpOption>;
  readonly ipv6cp: Exchange<Ipv6cpOption>;
  phase: 'LCP' | 'CHAP' | 'IPCP' | 'up';
  unanswered: number;
  identifier: number;
  /** Of the last Challenge: a Response to it may come again, and is answered again (RFC 1994 §4.2). */
  challenged: number;
  /** LCP negotiations begun: a session that moves has one for ever. */
  negotiations: number;
}

/** What it sends towards our MAC. */
export type AcFrame =
  | {
      readonly kind: 'discovery';
      readonly packet: DiscoveryPacket;
      /** Of another AC than the one that serves. */
      readonly source?: MacAddress;
    }
  | { readonly kind: 'ppp'; readonly sessionId: number; readonly packet: PppPacket }
  | { readonly kind: 'dhcp6'; readonly sessionId: number; readonly message: Dhcp6Message };

const OUR_ADDRESS = Uint8Array.of(100, 64, 0, 11);
const ITS_ADDRESS = Uint8Array.of(100, 64, 0, 1);
const NOTHING = new Uint8Array();
/** RFC 1661 §4.6. */
const RESTART = millis(3000);
const MAX_CHALLENGES = 10;

/** Whatever the client asks of LCP will do. */
const lcpTerms = (magic: number): Terms<LcpOption> => ({
  request: () => [
    { kind: 'mru', mru: 1492 },
    { kind: 'authentication', method: 'CHAP-MD5' },
    { kind: 'magic', magic },
  ],
  judge: (options) => ({ code: 'Configure-Ack', options }),
  refused: () => undefined,
});

/** The one address there is, and nothing else. */
const ipcpTerms = (temper: Temper): Terms<IpcpOption> => ({
  request: () => {
    const address = temper.unnumbered === 'ours' ? OUR_ADDRESS : ITS_ADDRESS;
    return temper.unnumbered === true ? [] : [{ kind: 'address', address }];
  },
  judge: (options) => {
    const asked = options.find((option) => option.kind === 'address');
    return asked?.kind === 'address' && sameOctets(asked.address, OUR_ADDRESS)
      ? { code: 'Configure-Ack', options }
      : { code: 'Configure-Nak', options: [{ kind: 'address', address: OUR_ADDRESS }] };
  },
  refused: () => undefined,
});

const ITS_INTERFACE_ID = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xac);

const ipv6cpTerms: Terms<Ipv6cpOption> = {
  request: () => [{ kind: 'interfaceId', interfaceId: ITS_INTERFACE_ID }],
  judge: (options) => ({ code: 'Configure-Ack', options }),
  refused: () => undefined,
};

export class AccessConcentrator {
  readonly sessions = new Map<number, SimSession>();
  /** PADRs granted since the world began. */
  dials = 0;
  /** PADTs that named a live session. */
  padts = 0;
  #lockedUntil = 0;
  #shortSessions = 0;
  readonly #schedule: Schedule;
  readonly #chance: Chance;
  readonly #temper: Temper;
  readonly #send: (frame: AcFrame) => void;

  readonly #delegator: Delegator | undefined;

  /** @param delegator its DHCPv6 server; without one it has no IPV6CP */
  constructor(
    schedule: Schedule,
    chance: Chance,
    temper: Temper,
    send: (frame: AcFrame) => void,
    delegator?: Delegator,
  ) {
    this.#delegator = delegator;
    this.#schedule = schedule;
    this.#chance = chance;
    this.#temper = temper;
    this.#send = send;
  }

  /** The session that carries traffic, if one does. */
  live(): number | undefined {
    for (const session of this.sessions.values()) if (session.phase === 'up') return session.id;
    return undefined;
  }

  /** Lose all state, as a rebooted one does: unknown sessions then get a PADT. */
  forget(): void {
    this.sessions.clear();
  }

  /** Begin LCP anew on every session, as one that lost its PPP state but not the session does. */
  renegotiate(): void {
    for (const session of this.sessions.values()) this.#begin(session);
  }

  /** End a session from its side. */
  terminate(): void {
    for (const session of this.sessions.values()) {
      this.#send({ kind: 'discovery', packet: { code: 'PADT', sessionId: session.id, tags: [] } });
      this.#drop(session);
    }
  }

  discovery(packet: DiscoveryPacket): void {
    const answer = (reply: () => void): void => this.#schedule.in(this.#temper.slowMs, reply);
    const hostUniq = findTag(packet, TAG['Host-Uniq']);
    const echoed = hostUniq === undefined ? [] : [hostUniq];
    const service = { type: TAG['Service-Name'], value: NOTHING };
    switch (packet.code) {
      case 'PADI':
        if (this.#schedule.now < this.#lockedUntil) return;
        return answer(() => {
          const tags = [service, { type: TAG['AC-Name'], value: Uint8Array.of(97, 99) }, ...echoed];
          this.#send({ kind: 'discovery', packet: { code: 'PADO', sessionId: 0, tags } });
        });
      case 'PADR':
        return answer(() => this.#grant([service, ...echoed]));
      case 'PADT': {
        const session = this.sessions.get(packet.sessionId);
        if (session === undefined) return;
        this.padts++;
        return this.#drop(session);
      }
      default:
        return;
    }
  }

  #grant(tags: DiscoveryPacket['tags']): void {
    if (this.#schedule.now < this.#lockedUntil) return;
    if (this.sessions.size > 0 && this.#temper.second === 'deny') {
      const error = { type: TAG['Generic-Error'], value: Uint8Array.of(98, 117, 115, 121) };
      this.#send({
        kind: 'discovery',
        packet: { code: 'PADS', sessionId: 0, tags: [...tags, error] },
      });
      return;
    }
    if (this.#temper.second === 'replace') this.terminate();
    const id = 1 + (this.#chance.next() % 0xfffe);
    const magic = this.#chance.next() || 1;
    const session: SimSession = {
      id,
      magic,
      born: this.#schedule.now,
      lcp: new Exchange(lcpTerms(magic), RESTART),
      ipcp: new Exchange(ipcpTerms(this.#temper), RESTART),
      ipv6cp: new Exchange(ipv6cpTerms, RESTART),
      phase: 'LCP',
      unanswered: 0,
      identifier: 0,
      challenged: -1,
      negotiations: 0,
    };
    this.sessions.set(id, session);
    this.dials++;
    this.#send({ kind: 'discovery', packet: { code: 'PADS', sessionId: id, tags } });
    this.#begin(session);
    this.#echo(session);
  }

  #drop(session: SimSession): void {
    this.sessions.delete(session.id);
    if (this.#temper.lockoutMs === 0 || this.#schedule.now - session.born > 60_000) {
      this.#shortSessions = 0;
      return;
    }
    const span = Math.min(this.#temper.lockoutMs * 2 ** this.#shortSessions, 300_000);
    this.#shortSessions++;
    this.#lockedUntil = this.#schedule.now + span;
  }

  #isHere(session: SimSession): boolean {
    return this.sessions.get(session.id) === session;
  }

  get #now(): Instant {
    return this.#schedule.now as Instant;
  }

  #begin(session: SimSession): void {
    this.#establish(session);
    this.#sayLcp(session, session.lcp.begin(this.#now));
  }

  /** Nothing above LCP lives while that is negotiated. */
  #establish(session: SimSession): void {
    session.phase = 'LCP';
    session.ipcp.end();
    session.ipv6cp.end();
    session.negotiations++;
  }

  #sayLcp(session: SimSession, packets: readonly ConfigurePacket<LcpOption>[]): void {
    for (const packet of packets) this.#lcp(session, packet);
    this.#later(session, session.lcp, () => this.#sayLcp(session, session.lcp.expire(this.#now)));
  }

  #sayIpcp(session: SimSession, packets: readonly ConfigurePacket<IpcpOption>[]): void {
    for (const packet of packets) this.#ipcp(session, packet);
    this.#later(session, session.ipcp, () =>
      this.#sayIpcp(session, session.ipcp.expire(this.#now)),
    );
  }

  #sayIpv6cp(session: SimSession, packets: readonly ConfigurePacket<Ipv6cpOption>[]): void {
    for (const packet of packets)
      this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'IPV6CP', packet } });
    const at = session.ipv6cp.deadline();
    if (at === undefined) return;
    this.#schedule.at(at, () => {
      if (this.#isHere(session) && session.ipv6cp.deadline() === at)
        this.#sayIpv6cp(session, session.ipv6cp.expire(this.#now));
    });
  }

  /** Come back when the exchange's timer runs out, unless it has been set anew by then; give up when it does. */
  #later(
    session: SimSession,
    exchange: SimSession['lcp'] | SimSession['ipcp'],
    expire: () => void,
  ): void {
    if (exchange.isDead) return this.#drop(session);
    const at = exchange.deadline();
    if (at === undefined) return;
    this.#schedule.at(at, () => {
      if (this.#isHere(session) && exchange.deadline() === at) expire();
    });
  }

  #challengeFor(session: SimSession, attempt: number): void {
    if (!this.#isHere(session) || session.phase !== 'CHAP') return;
    if (attempt >= MAX_CHALLENGES) return this.#drop(session);
    this.#challenge(session);
    const { negotiations } = session;
    this.#schedule.in(RESTART, () => {
      if (session.negotiations === negotiations) this.#challengeFor(session, attempt + 1);
    });
  }

  #challenge(session: SimSession): void {
    session.identifier = (session.identifier + 1) & 0xff;
    session.challenged = session.identifier;
    const packet: ChapPacket = {
      code: 'Challenge',
      identifier: session.identifier,
      value: this.#chance.octets(16),
      name: NOTHING,
    };
    this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'CHAP', packet } });
  }

  #echo(session: SimSession): void {
    this.#schedule.in(this.#temper.echoMs, () => {
      if (!this.#isHere(session)) return;
      if (session.phase === 'up') {
        if (session.unanswered >= this.#temper.echoLimit) return this.#drop(session);
        session.unanswered++;
        session.identifier = (session.identifier + 1) & 0xff;
        const { magic, identifier } = session;
        this.#lcp(session, { code: 'Echo-Request', identifier, magic, data: NOTHING });
      }
      this.#echo(session);
    });
  }

  /** A data packet of ours arrived. */
  data(sessionId: number): void {
    const session = this.sessions.get(sessionId);
    if (session !== undefined && this.#temper.dataCheck) session.unanswered = 0;
  }

  ppp(sessionId: number, packet: PppPacket): void {
    const session = this.sessions.get(sessionId);
    if (session === undefined) {
      this.#send({ kind: 'discovery', packet: { code: 'PADT', sessionId, tags: [] } });
      return;
    }
    if (packet.protocol === 'LCP') this.#handleLcp(session, packet.packet);
    else if (packet.protocol === 'IPCP') this.#handleIpcp(session, packet.packet);
    else if (packet.protocol === 'IPV6CP') this.#handleIpv6cp(session, packet.packet);
    else if (packet.protocol === 'CHAP') this.#handleChap(session, packet.packet);
  }

  #handleLcp(session: SimSession, packet: LcpPacket): void {
    switch (packet.code) {
      case 'Configure-Request':
      case 'Configure-Ack':
      case 'Configure-Nak':
      case 'Configure-Reject':
        return this.#configureLcp(session, packet);
      case 'Echo-Request':
        if (session.lcp.isOpen)
          this.#lcp(session, { ...packet, code: 'Echo-Reply', magic: session.magic });
        return;
      case 'Echo-Reply':
        session.unanswered = 0;
        return;
      case 'Terminate-Request':
        this.#lcp(session, { ...packet, code: 'Terminate-Ack' });
        return this.#drop(session);
      default:
        return;
    }
  }

  #configureLcp(session: SimSession, packet: ConfigurePacket<LcpOption>): void {
    const wasOpen = session.lcp.isOpen;
    const answers = session.lcp.receive(packet, this.#now);
    if (wasOpen && !session.lcp.isOpen) this.#establish(session);
    this.#sayLcp(session, answers);
    if (wasOpen || !session.lcp.isOpen) return;
    session.phase = 'CHAP';
    this.#challengeFor(session, 0);
  }

  #handleChap(session: SimSession, packet: ChapPacket): void {
    if (packet.code !== 'Response' || packet.identifier !== session.challenged) return;
    const { identifier } = packet;
    const success: ChapPacket = { code: 'Success', identifier, message: NOTHING };
    this.#send({
      kind: 'ppp',
      sessionId: session.id,
      packet: { protocol: 'CHAP', packet: success },
    });
    if (session.phase !== 'CHAP') return;
    session.phase = 'IPCP';
    this.#sayIpcp(session, session.ipcp.begin(this.#now));
  }

  #handleIpcp(session: SimSession, packet: IpcpPacket): void {
    if (session.phase === 'LCP' || session.phase === 'CHAP' || !('options' in packet)) return;
    this.#sayIpcp(session, session.ipcp.receive(packet, this.#now));
    session.phase = session.ipcp.isOpen ? 'up' : 'IPCP';
  }

  #handleIpv6cp(session: SimSession, packet: Ipv6cpPacket): void {
    const isNetwork = session.phase === 'IPCP' || session.phase === 'up';
    if (this.#delegator === undefined || !isNetwork || !('options' in packet)) return;
    const begun = session.ipv6cp.state === 'Closed' ? session.ipv6cp.begin(this.#now) : [];
    this.#sayIpv6cp(session, [...begun, ...session.ipv6cp.receive(packet, this.#now)]);
  }

  /** A DHCPv6 message of ours arrived in a session. */
  dhcp6(sessionId: number, message: Dhcp6Message): void {
    const session = this.sessions.get(sessionId);
    if (session?.phase !== 'up' || !session.ipv6cp.isOpen) return;
    const answer = this.#delegator?.answer(message, this.#schedule.now);
    if (answer === undefined) return;
    this.#schedule.in(this.#temper.slowMs, () =>
      this.#send({ kind: 'dhcp6', sessionId, message: answer }),
    );
  }

  #lcp(session: SimSession, packet: LcpPacket): void {
    this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'LCP', packet } });
  }

  #ipcp(session: SimSession, packet: IpcpPacket): void {
    this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'IPCP', packet } });
  }
}
