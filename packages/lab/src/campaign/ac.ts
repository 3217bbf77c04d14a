/**
 * The Access Concentrator of the simulator: a PPPoE server on decoded values, with a temper. It is written from the
 * AC's side of the RFCs and shares no code with our engine. It checks no credentials; the lab's does.
 */
import { findTag, TAG, type DiscoveryPacket } from '@ppp-thing/protocol/wire/pppoe';
import type { IpcpOption } from '@ppp-thing/protocol/wire/ncp';
import type { IpcpPacket, LcpPacket, PppPacket } from '@ppp-thing/protocol/wire/ppp';
import type { ChapPacket } from '@ppp-thing/protocol/wire/auth';
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
}

interface Session {
  readonly id: number;
  readonly magic: number;
  readonly born: number;
  phase: 'LCP' | 'CHAP' | 'IPCP' | 'up';
  lcpAckedByUs: boolean;
  lcpAckedByThem: boolean;
  ipcpAckedByUs: boolean;
  ipcpAckedByThem: boolean;
  unanswered: number;
  identifier: number;
  /** Of the last Challenge: a Response to it may come again, and is answered again (RFC 1994 §4.2). */
  challenged: number;
  /** LCP negotiations begun: a session that moves has one for ever. */
  negotiations: number;
}

/** What it sends towards our MAC. */
export type AcFrame =
  | { readonly kind: 'discovery'; readonly packet: DiscoveryPacket }
  | { readonly kind: 'ppp'; readonly sessionId: number; readonly packet: PppPacket };

const OUR_ADDRESS = Uint8Array.of(100, 64, 0, 11);
const ITS_ADDRESS = Uint8Array.of(100, 64, 0, 1);
const NOTHING = new Uint8Array();

export class AccessConcentrator {
  readonly sessions = new Map<number, Session>();
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

  constructor(schedule: Schedule, chance: Chance, temper: Temper, send: (frame: AcFrame) => void) {
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
    for (const session of this.sessions.values()) {
      session.phase = 'LCP';
      session.lcpAckedByThem = false;
      session.lcpAckedByUs = false;
      session.ipcpAckedByThem = false;
      session.ipcpAckedByUs = false;
      session.negotiations++;
      this.#negotiate(session, 0);
    }
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
    const session: Session = {
      id,
      magic: this.#chance.next() || 1,
      born: this.#schedule.now,
      phase: 'LCP',
      lcpAckedByUs: false,
      lcpAckedByThem: false,
      ipcpAckedByUs: false,
      ipcpAckedByThem: false,
      unanswered: 0,
      identifier: 0,
      challenged: -1,
      negotiations: 1,
    };
    this.sessions.set(id, session);
    this.dials++;
    this.#send({ kind: 'discovery', packet: { code: 'PADS', sessionId: id, tags } });
    this.#negotiate(session, 0);
    this.#echo(session);
  }

  #drop(session: Session): void {
    this.sessions.delete(session.id);
    if (this.#temper.lockoutMs === 0 || this.#schedule.now - session.born > 60_000) {
      this.#shortSessions = 0;
      return;
    }
    const span = Math.min(this.#temper.lockoutMs * 2 ** this.#shortSessions, 300_000);
    this.#shortSessions++;
    this.#lockedUntil = this.#schedule.now + span;
  }

  #isHere(session: Session): boolean {
    return this.sessions.get(session.id) === session;
  }

  /** Send our Configure-Request of the layer in hand, again every 3 s, ten times, and then give up. */
  #negotiate(session: Session, attempt: number): void {
    if (!this.#isHere(session) || session.phase === 'up') return;
    if (attempt >= 10) return this.#drop(session);
    if (session.phase === 'LCP' && !session.lcpAckedByThem) this.#requestLcp(session);
    if (session.phase === 'CHAP') this.#challenge(session);
    if (session.phase === 'IPCP' && !session.ipcpAckedByThem) this.#requestIpcp(session);
    const { phase, negotiations } = session;
    this.#schedule.in(3000, () => {
      const isSame = session.phase === phase && session.negotiations === negotiations;
      if (isSame) this.#negotiate(session, attempt + 1);
    });
  }

  #requestLcp(session: Session): void {
    session.identifier = (session.identifier + 1) & 0xff;
    this.#lcp(session, {
      code: 'Configure-Request',
      identifier: session.identifier,
      options: [
        { kind: 'mru', mru: 1492 },
        { kind: 'authentication', method: 'CHAP-MD5' },
        { kind: 'magic', magic: session.magic },
      ],
    });
  }

  #challenge(session: Session): void {
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

  #requestIpcp(session: Session): void {
    session.identifier = (session.identifier + 1) & 0xff;
    const options: IpcpOption[] = [{ kind: 'address', address: ITS_ADDRESS }];
    this.#ipcp(session, { code: 'Configure-Request', identifier: session.identifier, options });
  }

  #advance(session: Session, phase: Session['phase']): void {
    session.phase = phase;
    this.#negotiate(session, 0);
  }

  #echo(session: Session): void {
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
    else if (packet.protocol === 'CHAP') this.#handleChap(session, packet.packet);
  }

  #handleLcp(session: Session, packet: LcpPacket): void {
    switch (packet.code) {
      case 'Configure-Request':
        if (session.phase !== 'LCP') this.#restart(session);
        session.lcpAckedByUs = true;
        this.#lcp(session, { ...packet, code: 'Configure-Ack' });
        break;
      case 'Configure-Ack':
        if (packet.identifier === session.identifier) session.lcpAckedByThem = true;
        break;
      case 'Echo-Request':
        if (session.phase === 'LCP') return;
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
    if (session.phase === 'LCP' && session.lcpAckedByUs && session.lcpAckedByThem) {
      this.#advance(session, 'CHAP');
    }
  }

  /** Our Configure-Request in an open session: begin again (RFC 1661 §4.3 RCR+). */
  #restart(session: Session): void {
    session.phase = 'LCP';
    session.lcpAckedByThem = false;
    session.ipcpAckedByThem = false;
    session.ipcpAckedByUs = false;
    session.negotiations++;
    this.#negotiate(session, 0);
  }

  #handleChap(session: Session, packet: ChapPacket): void {
    if (packet.code !== 'Response' || packet.identifier !== session.challenged) return;
    const { identifier } = packet;
    const success: ChapPacket = { code: 'Success', identifier, message: NOTHING };
    this.#send({
      kind: 'ppp',
      sessionId: session.id,
      packet: { protocol: 'CHAP', packet: success },
    });
    if (session.phase === 'CHAP') this.#advance(session, 'IPCP');
  }

  #handleIpcp(session: Session, packet: IpcpPacket): void {
    if (session.phase === 'LCP' || session.phase === 'CHAP') return;
    if (packet.code === 'Configure-Request') {
      const asked = packet.options.find((option) => option.kind === 'address');
      const isRight =
        asked?.kind === 'address' && asked.address.every((o, i) => o === OUR_ADDRESS[i]);
      const options: IpcpOption[] = [{ kind: 'address', address: OUR_ADDRESS }];
      session.ipcpAckedByUs = isRight;
      if (isRight) this.#ipcp(session, { ...packet, code: 'Configure-Ack' });
      else this.#ipcp(session, { code: 'Configure-Nak', identifier: packet.identifier, options });
    } else if (packet.code === 'Configure-Ack' && packet.identifier === session.identifier) {
      session.ipcpAckedByThem = true;
    }
    if (session.ipcpAckedByUs && session.ipcpAckedByThem) session.phase = 'up';
  }

  #lcp(session: Session, packet: LcpPacket): void {
    this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'LCP', packet } });
  }

  #ipcp(session: Session, packet: IpcpPacket): void {
    this.#send({ kind: 'ppp', sessionId: session.id, packet: { protocol: 'IPCP', packet } });
  }
}
