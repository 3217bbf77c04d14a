/**
 * An Access Concentrator of values: a strict automaton of RFC 1661 on each protocol, which answers what a plain one
 * answers, with the temperament a test gives it. It knows no clock but the instants it is told.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { prove } from '@ppp-thing/protocol/engine/ppp/mschap';
import type { SessionFacts } from '@ppp-thing/protocol/session';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { earliest, millis, type Instant } from '@ppp-thing/protocol/time';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import type { AuthMethod, LcpOption } from '@ppp-thing/protocol/wire/lcp';
import type { IpcpOption, Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';
import type {
  ConfigurePacket,
  Ipv6cpPacket,
  LcpPacket,
  PppPacket,
} from '@ppp-thing/protocol/wire/ppp';
import { Exchange, type Terms } from '@ppp-thing/lab/line/ac-exchange';
import { HASHES } from './hashes.ts';

export const OUR_MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 1);
export const AC_MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 0xac);
export const OTHER_MAC = Uint8Array.of(0x02, 0, 0, 0, 0, 0xee);
export const SESSION_ID = 0x1234;
export const ADDRESS = Uint8Array.of(203, 0, 113, 7);
export const PEER = Uint8Array.of(203, 0, 113, 1);
export const DNS1 = Uint8Array.of(9, 9, 9, 9);
export const DNS2 = Uint8Array.of(149, 112, 112, 112);
export const AC_MAGIC = 0xacacacac;
export const AC_INTERFACE_ID = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0xac);
/** 2026-01-01 00:00:00 UTC. */
export const WALL_CLOCK = 1_767_225_600_000;
export const at = (ms: number): Instant => ms as Instant;

/** What an AC is like. */
export interface Temperament {
  readonly auth: AuthMethod | 'none';
  readonly password: string;
  readonly address: Uint8Array;
  /** Its own address; undefined: it names none. */
  readonly peer: Uint8Array | undefined;
  /** What its Echo-Replies say, and whether it sends any. */
  readonly echo: 'right' | 'none' | { readonly magic: number };
  readonly dns: readonly Uint8Array[] | 'reject';
  /** Whether it has the protocol: IPCP, IPV6CP. */
  readonly ipv4: boolean;
  readonly ipv6: boolean;
  /** Octets of the largest packet its line carries; PPP-Max-Payload is echoed when above 1492. */
  readonly maxPayload: number;
  /** Milliseconds from PADS until its PPP listens. */
  readonly pppDelay: number;
  readonly serviceNames: readonly string[];
  readonly name: string;
}

const PLAIN: Temperament = {
  auth: 'CHAP-MD5',
  password: 'open sesame',
  address: ADDRESS,
  peer: PEER,
  echo: 'right',
  dns: [DNS1, DNS2],
  ipv4: true,
  ipv6: true,
  maxPayload: 1492,
  pppDelay: 0,
  serviceNames: [''],
  name: 'bras',
};

/** What a link sends. */
export type Sent = Extract<Action, { kind: 'send-discovery' | 'send-ppp' }>;

/** RFC 1661 §4.6. */
const RESTART = millis(3000);

export class ScriptedAc {
  temperament: Temperament;
  /** The session it knows. */
  session: number | undefined;
  #lcp: Exchange<LcpOption>;
  #ipcp: Exchange<IpcpOption>;
  #ipv6cp: Exchange<Ipv6cpOption>;
  #magic = AC_MAGIC;
  /** When its PPP begins, while that is still to come. */
  #pppFrom: Instant | undefined;
  #now: Instant = at(0);
  #challenge = { identifier: 7, value: Uint8Array.from({ length: 16 }, (_, i) => i + 1) };
  #id = 100;

  constructor(temperament: Partial<Temperament>) {
    this.temperament = { ...PLAIN, ...temperament };
    this.#lcp = this.#newLcp();
    this.#ipcp = new Exchange(this.#ipcpTerms(), RESTART);
    this.#ipv6cp = new Exchange(this.#ipv6cpTerms(), RESTART);
  }

  /** It has had this session for a while. */
  knows(facts: SessionFacts): void {
    this.session = facts.key.sessionId;
    this.#magic = facts.theirMagic;
    this.#pppFrom = undefined;
    this.#lcp.resume();
    if (facts.ourAddress === undefined) this.#ipcp.end();
    else this.#ipcp.resume();
    if (facts.interfaceIds === undefined) this.#ipv6cp.end();
    else this.#ipv6cp.resume();
  }

  /** How often LCP and IPCP have been Opened since the PADS: once is right. */
  get openings(): { readonly lcp: number; readonly ipcp: number } {
    return { lcp: this.#lcp.openings, ipcp: this.#ipcp.openings };
  }

  deadline(): Instant | undefined {
    if (this.session === undefined) return undefined;
    const timers = [this.#lcp, this.#ipcp, this.#ipv6cp].map((each) => each.deadline());
    return earliest(this.#pppFrom, ...timers);
  }

  /** What it sends of its own accord at `now`. */
  expire(now: Instant): Event[] {
    this.#now = now;
    if (this.session === undefined) return [];
    if (this.#pppFrom !== undefined) {
      if (this.#pppFrom > now) return [];
      this.#pppFrom = undefined;
      return asEvents(this.#begin());
    }
    return asEvents([
      ...this.#lcp.expire(now).map((packet): PppPacket => ({ protocol: 'LCP', packet })),
      ...this.#ipcp.expire(now).map((packet): PppPacket => ({ protocol: 'IPCP', packet })),
      ...this.#ipv6cp.expire(now).map((packet): PppPacket => ({ protocol: 'IPV6CP', packet })),
    ]);
  }

  /** What it answers to a packet that reaches it at `now`. */
  answer(sent: Sent, now: Instant): Event[] {
    if (sent.kind === 'send-discovery') return this.#answerDiscovery(sent.packet, now);
    this.#now = now;
    if (this.session === undefined || this.#pppFrom !== undefined) return [];
    return asEvents(this.#answerPpp(sent.packet));
  }

  offer(packet: DiscoveryPacket, tags: readonly Tag[] = []): Event {
    const { serviceNames, name } = this.temperament;
    const uniq = findTag(packet, TAG['Host-Uniq']);
    const all = [
      { type: TAG['AC-Name'], value: utf8(name) },
      ...serviceNames.map((service) => ({ type: TAG['Service-Name'], value: utf8(service) })),
      { type: TAG['AC-Cookie'], value: Uint8Array.of(0xc0, 0xff, 0xee) },
      ...(uniq === undefined ? [] : [uniq]),
      ...tags,
    ];
    return { kind: 'discovery', source: AC_MAC, packet: { code: 'PADO', sessionId: 0, tags: all } };
  }

  confirm(packet: DiscoveryPacket, sessionId = SESSION_ID, tags: readonly Tag[] = []): Event {
    const echoed = packet.tags.filter(
      (tag) => tag.type === TAG['Host-Uniq'] || tag.type === TAG['Service-Name'],
    );
    const all = [...echoed, ...tags];
    return { kind: 'discovery', source: AC_MAC, packet: { code: 'PADS', sessionId, tags: all } };
  }

  #answerDiscovery(packet: DiscoveryPacket, now: Instant): Event[] {
    const maxPayload = findTag(packet, TAG['PPP-Max-Payload']);
    const echoed =
      maxPayload !== undefined && this.temperament.maxPayload > 1492 ? [maxPayload] : [];
    if (packet.code === 'PADI') return [this.offer(packet, echoed)];
    if (packet.code === 'PADT') this.session = undefined;
    if (packet.code !== 'PADR') return [];
    this.session = SESSION_ID;
    this.#now = now;
    this.#magic = AC_MAGIC;
    this.#lcp = this.#newLcp();
    this.#ipcp = new Exchange(this.#ipcpTerms(), RESTART);
    this.#ipv6cp = new Exchange(this.#ipv6cpTerms(), RESTART);
    const pads = this.confirm(packet, SESSION_ID, echoed);
    const { pppDelay } = this.temperament;
    this.#pppFrom = pppDelay > 0 ? at(now + pppDelay) : undefined;
    return pppDelay > 0 ? [pads] : [pads, ...asEvents(this.#begin())];
  }

  /** LCP begins, at first or anew; nothing above it lives meanwhile. */
  #begin(): PppPacket[] {
    this.#ipcp.end();
    this.#ipv6cp.end();
    return this.#lcp.begin(this.#now).map((packet) => ({ protocol: 'LCP', packet }));
  }

  #newLcp(): Exchange<LcpOption> {
    return new Exchange(
      {
        request: () => {
          const { auth, maxPayload } = this.temperament;
          return [
            { kind: 'mru', mru: maxPayload },
            ...(auth === 'none' ? [] : [{ kind: 'authentication', method: auth } as const]),
            { kind: 'magic', magic: AC_MAGIC },
          ];
        },
        judge: (options) => ({ code: 'Configure-Ack', options }),
        refused: () => undefined,
      },
      RESTART,
    );
  }

  /** A Configure-Request as it sends them, outside of the exchange. */
  lcpRequest(): PppPacket {
    const { auth, maxPayload } = this.temperament;
    const options: LcpOption[] = [
      { kind: 'mru', mru: maxPayload },
      ...(auth === 'none' ? [] : [{ kind: 'authentication', method: auth } as const]),
      { kind: 'magic', magic: AC_MAGIC },
    ];
    const identifier = this.#nextId();
    return { protocol: 'LCP', packet: { code: 'Configure-Request', identifier, options } };
  }

  #nextId(): number {
    this.#id = (this.#id + 1) & 0xff;
    return this.#id;
  }

  #answerPpp(packet: PppPacket): PppPacket[] {
    switch (packet.protocol) {
      case 'LCP':
        return this.#answerLcp(packet.packet);
      case 'PAP':
        return this.#answerPap(packet.packet);
      case 'CHAP':
        return this.#answerChap(packet.packet);
      case 'IPCP':
        if (!this.temperament.ipv4) return [this.#protocolReject(0x8021)];
        if (!('options' in packet.packet)) return [];
        return this.#ipcp
          .receive(packet.packet, this.#now)
          .map((reply) => ({ protocol: 'IPCP', packet: reply }));
      case 'IPV6CP':
        return this.#answerIpv6cp(packet.packet);
      case 'unknown':
        return [];
    }
  }

  #answerLcp(packet: LcpPacket): PppPacket[] {
    const { identifier } = packet;
    const say = (reply: LcpPacket): PppPacket => ({ protocol: 'LCP', packet: reply });
    switch (packet.code) {
      case 'Configure-Request':
      case 'Configure-Ack':
      case 'Configure-Nak':
      case 'Configure-Reject':
        return this.#configureLcp(packet);
      case 'Echo-Request': {
        const { echo, maxPayload } = this.temperament;
        if (!this.#lcp.isOpen || echo === 'none') return [];
        if (packet.data.length + 8 > maxPayload) return [];
        const magic = echo === 'right' ? this.#magic : echo.magic;
        return [say({ code: 'Echo-Reply', identifier, magic, data: packet.data })];
      }
      case 'Terminate-Request':
        return [say({ code: 'Terminate-Ack', identifier, data: new Uint8Array(0) })];
      default:
        return [];
    }
  }

  #configureLcp(packet: ConfigurePacket<LcpOption>): PppPacket[] {
    const wasOpen = this.#lcp.isOpen;
    const answers = this.#lcp
      .receive(packet, this.#now)
      .map((reply): PppPacket => ({ protocol: 'LCP', packet: reply }));
    if (wasOpen && !this.#lcp.isOpen) {
      this.#ipcp.end();
      this.#ipv6cp.end();
    }
    return !wasOpen && this.#lcp.isOpen ? [...answers, ...this.#lcpUp()] : answers;
  }

  /** The AC lost its state but kept the session: it negotiates anew. */
  forgets(now: Instant): PppPacket[] {
    this.#now = now;
    this.#magic = AC_MAGIC;
    return this.#begin();
  }

  #lcpUp(): PppPacket[] {
    const { auth } = this.temperament;
    if (auth === 'none') return this.#beginIpcp();
    return auth === 'PAP' ? [] : [this.challenge()];
  }

  challenge(identifier = 7): PppPacket {
    this.#challenge = { ...this.#challenge, identifier };
    const { value } = this.#challenge;
    return {
      protocol: 'CHAP',
      packet: { code: 'Challenge', identifier, value, name: utf8('bras') },
    };
  }

  #answerPap(packet: PapPacket): PppPacket[] {
    if (packet.code !== 'Authenticate-Request') return [];
    const { identifier } = packet;
    const isRight = sameOctets(packet.password, utf8(this.temperament.password));
    const code = isRight ? 'Authenticate-Ack' : 'Authenticate-Nak';
    const message = utf8(isRight ? 'welcome' : 'go away');
    return [
      { protocol: 'PAP', packet: { code, identifier, message } },
      ...(isRight ? this.#beginIpcp() : []),
    ];
  }

  #answerChap(packet: ChapPacket): PppPacket[] {
    if (packet.code !== 'Response') return [];
    const { identifier } = packet;
    const message = this.#verify(packet);
    const reply: ChapPacket =
      message === undefined
        ? { code: 'Failure', identifier, message: utf8('E=691 R=0 C=00 V=3 M=go away') }
        : { code: 'Success', identifier, message };
    return [
      { protocol: 'CHAP', packet: reply },
      ...(message === undefined ? [] : this.#beginIpcp()),
    ];
  }

  /** The Success message, or undefined if the Response is wrong. */
  #verify({
    identifier,
    value,
    name,
  }: ChapPacket & { code: 'Challenge' | 'Response' }): Uint8Array | undefined {
    const { auth, password } = this.temperament;
    if (auth === 'CHAP-MD5') {
      const wanted = HASHES.md5(
        concat(Uint8Array.of(identifier), utf8(password), this.#challenge.value),
      );
      return sameOctets(value, wanted) ? utf8('welcome') : undefined;
    }
    const inputs = {
      authenticatorChallenge: this.#challenge.value,
      peerChallenge: value.subarray(0, 16),
      user: String.fromCharCode(...name),
      password,
    };
    const proof = prove(inputs, HASHES);
    if (!sameOctets(proof.value, value)) return undefined;
    const hex = Array.from(proof.expected, (o) => o.toString(16).padStart(2, '0')).join('');
    return utf8(`S=${hex.toUpperCase()} M=welcome`);
  }

  #beginIpcp(): PppPacket[] {
    if (this.#ipcp.state !== 'Closed' || !this.temperament.ipv4) return [];
    return this.#ipcp.begin(this.#now).map((packet) => ({ protocol: 'IPCP', packet }));
  }

  #protocolReject(protocol: number): PppPacket {
    const identifier = this.#nextId();
    const rejected = new Uint8Array(4);
    return { protocol: 'LCP', packet: { code: 'Protocol-Reject', identifier, protocol, rejected } };
  }

  /** It has got IPv4 now, and begins IPCP of its own accord. */
  opensIpcp(now: Instant): PppPacket[] {
    this.#now = now;
    this.temperament = { ...this.temperament, ipv4: true };
    return this.#beginIpcp();
  }

  #ipcpTerms(): Terms<IpcpOption> {
    const isDns = (option: IpcpOption): boolean => option.kind === 'dns1' || option.kind === 'dns2';
    return {
      request: () => {
        const { peer } = this.temperament;
        return peer === undefined ? [] : [{ kind: 'address', address: peer }];
      },
      judge: (options) => {
        const { address, dns } = this.temperament;
        if (dns === 'reject' && options.some(isDns))
          return { code: 'Configure-Reject', options: options.filter(isDns) };
        const right = { address, dns1: dns[0], dns2: dns[1], unknown: undefined };
        const naks = options.flatMap((option): IpcpOption[] => {
          const wanted = right[option.kind];
          if (option.kind === 'unknown' || !(wanted instanceof Uint8Array)) return [];
          return sameOctets(option.address, wanted) ? [] : [{ kind: option.kind, address: wanted }];
        });
        return naks.length > 0
          ? { code: 'Configure-Nak', options: naks }
          : { code: 'Configure-Ack', options };
      },
      refused: () => undefined,
    };
  }

  #ipv6cpTerms(): Terms<Ipv6cpOption> {
    return {
      request: () => [{ kind: 'interfaceId', interfaceId: AC_INTERFACE_ID }],
      judge: (options) => ({ code: 'Configure-Ack', options }),
      refused: () => undefined,
    };
  }

  #answerIpv6cp(packet: Ipv6cpPacket): PppPacket[] {
    if (!('options' in packet)) return [];
    if (!this.temperament.ipv6) return [this.#protocolReject(0x8057)];
    const begun = this.#ipv6cp.state === 'Closed' ? this.#ipv6cp.begin(this.#now) : [];
    const answers = this.#ipv6cp.receive(packet, this.#now);
    return [...begun, ...answers].map((reply) => ({ protocol: 'IPV6CP', packet: reply }));
  }
}

const asEvents = (packets: readonly PppPacket[]): Event[] =>
  packets.map((packet) => ({ kind: 'ppp', packet }));
