/**
 * An Access Concentrator of values: it answers what a plain one answers, with the temperament a test gives it. It knows
 * no clock but the instants it is told.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { prove } from '@ppp-thing/protocol/engine/ppp/mschap';
import type { SessionFacts } from '@ppp-thing/protocol/session';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import type { Instant } from '@ppp-thing/protocol/time';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import type { AuthMethod } from '@ppp-thing/protocol/wire/lcp';
import type { IpcpOption, Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';
import type { ConfigurePacket, LcpPacket, PppPacket } from '@ppp-thing/protocol/wire/ppp';
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
  readonly dns: readonly Uint8Array[] | 'reject';
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
  dns: [DNS1, DNS2],
  ipv6: true,
  maxPayload: 1492,
  pppDelay: 0,
  serviceNames: [''],
  name: 'bras',
};

/** What a link sends. */
export type Sent = Extract<Action, { kind: 'send-discovery' | 'send-ppp' }>;

export class ScriptedAc {
  temperament: Temperament;
  /** The session it knows. */
  session: number | undefined;
  #lcp = { acked: false, isAcked: false, magic: 0 };
  #ipcpBegun = false;
  #pppFrom: Instant = at(0);
  #challenge = { identifier: 7, value: Uint8Array.from({ length: 16 }, (_, i) => i + 1) };
  #id = 100;

  constructor(temperament: Partial<Temperament>) {
    this.temperament = { ...PLAIN, ...temperament };
  }

  /** It has had this session for a while. */
  knows(facts: SessionFacts): void {
    this.session = facts.key.sessionId;
    this.#lcp = { acked: true, isAcked: true, magic: facts.theirMagic };
    this.#ipcpBegun = true;
  }

  /** What it answers to a packet that reaches it at `now`. */
  answer(sent: Sent, now: Instant): Event[] {
    if (sent.kind === 'send-discovery') return this.#answerDiscovery(sent.packet, now);
    if (this.session === undefined || now < this.#pppFrom) return [];
    return this.#answerPpp(sent.packet).map((packet) => ({ kind: 'ppp', packet }));
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
    this.#pppFrom = at(now + this.temperament.pppDelay);
    this.#lcp = { acked: false, isAcked: false, magic: AC_MAGIC };
    this.#ipcpBegun = false;
    const pads = this.confirm(packet, SESSION_ID, echoed);
    if (this.temperament.pppDelay > 0) return [pads];
    return [pads, { kind: 'ppp', packet: this.lcpRequest() }];
  }

  lcpRequest(): PppPacket {
    const { auth } = this.temperament;
    return {
      protocol: 'LCP',
      packet: {
        code: 'Configure-Request',
        identifier: this.#nextId(),
        options: [
          { kind: 'mru', mru: this.temperament.maxPayload },
          ...(auth === 'none' ? [] : [{ kind: 'authentication', method: auth } as const]),
          { kind: 'magic', magic: AC_MAGIC },
        ],
      },
    };
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
        return packet.packet.code === 'Configure-Request' ? this.#answerIpcp(packet.packet) : [];
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
      case 'Configure-Request': {
        const answers = [say({ ...packet, code: 'Configure-Ack' })];
        const isNew = this.#lcp.acked || this.temperament.pppDelay > 0;
        this.#lcp.acked = true;
        if (isNew && !this.#lcp.isAcked) answers.push(this.lcpRequest());
        return [...answers, ...(this.#lcp.isAcked ? this.#lcpUp() : [])];
      }
      case 'Configure-Ack':
        this.#lcp.isAcked = true;
        return this.#lcp.acked ? this.#lcpUp() : [];
      case 'Echo-Request': {
        const magic = this.#lcp.magic;
        if (packet.data.length + 8 > this.temperament.maxPayload) return [];
        return [say({ code: 'Echo-Reply', identifier, magic, data: packet.data })];
      }
      case 'Terminate-Request':
        return [say({ code: 'Terminate-Ack', identifier, data: new Uint8Array(0) })];
      default:
        return [];
    }
  }

  /** The AC lost its state but kept the session: it negotiates anew. */
  forgets(): PppPacket {
    this.#lcp = { acked: false, isAcked: false, magic: AC_MAGIC };
    this.#ipcpBegun = false;
    return this.lcpRequest();
  }

  #lcpUp(): PppPacket[] {
    const { auth } = this.temperament;
    if (auth === 'none') return this.#ipcp();
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
      ...(isRight ? this.#ipcp() : []),
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
    return [{ protocol: 'CHAP', packet: reply }, ...(message === undefined ? [] : this.#ipcp())];
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

  #ipcp(): PppPacket[] {
    if (this.#ipcpBegun) return [];
    this.#ipcpBegun = true;
    const options: IpcpOption[] = [{ kind: 'address', address: PEER }];
    const packet = { code: 'Configure-Request', identifier: this.#nextId(), options } as const;
    return [{ protocol: 'IPCP', packet }];
  }

  #answerIpcp(packet: ConfigurePacket<IpcpOption>): PppPacket[] {
    const { identifier, options } = packet;
    const { address, dns } = this.temperament;
    const say = (reply: ConfigurePacket<IpcpOption>): PppPacket[] => [
      { protocol: 'IPCP', packet: reply },
    ];
    const isDns = (option: IpcpOption): boolean => option.kind === 'dns1' || option.kind === 'dns2';
    if (dns === 'reject' && options.some(isDns))
      return say({ code: 'Configure-Reject', identifier, options: options.filter(isDns) });
    const right = { address, dns1: dns[0], dns2: dns[1], unknown: undefined };
    const naks = options.flatMap((option): IpcpOption[] => {
      const wanted = right[option.kind];
      if (option.kind === 'unknown' || !(wanted instanceof Uint8Array)) return [];
      return sameOctets(option.address, wanted) ? [] : [{ kind: option.kind, address: wanted }];
    });
    return naks.length > 0
      ? say({ code: 'Configure-Nak', identifier, options: naks })
      : say({ code: 'Configure-Ack', identifier, options });
  }

  #answerIpv6cp(packet: Extract<PppPacket, { protocol: 'IPV6CP' }>['packet']): PppPacket[] {
    if (packet.code !== 'Configure-Request') return [];
    if (!this.temperament.ipv6) {
      const rejected = new Uint8Array(4);
      return [
        {
          protocol: 'LCP',
          packet: {
            code: 'Protocol-Reject',
            identifier: this.#nextId(),
            protocol: 0x8057,
            rejected,
          },
        },
      ];
    }
    const options: Ipv6cpOption[] = [{ kind: 'interfaceId', interfaceId: AC_INTERFACE_ID }];
    return [
      { protocol: 'IPV6CP', packet: { ...packet, code: 'Configure-Ack' } },
      {
        protocol: 'IPV6CP',
        packet: { code: 'Configure-Request', identifier: this.#nextId(), options },
      },
    ];
  }
}
