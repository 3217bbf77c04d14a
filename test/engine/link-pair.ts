/**
 * One Link and a scripted Access Concentrator under a virtual clock: values in, values out, no octets. The AC does what
 * a plain one does; a test changes its temperament or answers single packets itself.
 */
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { Link } from '@ppp-thing/protocol/engine/link-machine';
import { prove } from '@ppp-thing/protocol/engine/mschap';
import { Secret, type Random } from '@ppp-thing/protocol/engine/hashes';
import type { Action, Event, Note } from '@ppp-thing/protocol/engine/events';
import type { LinkConfig, LinkOutcome, LinkOutput } from '@ppp-thing/protocol/engine/link';
import type { SessionFacts } from '@ppp-thing/protocol/engine/session';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { millis, seconds, type Instant, type Millis } from '@ppp-thing/protocol/time';
import type { AuthMethod } from '@ppp-thing/protocol/wire/lcp';
import type { ChapPacket, PapPacket } from '@ppp-thing/protocol/wire/auth';
import type { MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import type { ConfigurePacket, LcpPacket, PppPacket } from '@ppp-thing/protocol/wire/ppp';
import type { IpcpOption, Ipv6cpOption } from '@ppp-thing/protocol/wire/ncp';
import { findTag, TAG, type DiscoveryPacket, type Tag } from '@ppp-thing/protocol/wire/pppoe';
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

export const CONFIG: LinkConfig = {
  ourMac: OUR_MAC,
  user: 'alice',
  password: new Secret('open sesame'),
  auth: ['MS-CHAPv2', 'CHAP-MD5', 'PAP'],
  serviceName: '',
  mtu: 1492,
  magicNumber: true,
  dns: true,
  ipv6: false,
  echo: { interval: seconds(5), failures: 3, probeInterval: millis(500), probeFailures: 4 },
};

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

/** Numbers that look random and are the same in every run. */
export function counterRandom(seed = 1): Random {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 16) & 0xff;
    });
}

type Sent = Extract<Action, { kind: 'send-discovery' | 'send-ppp' }>;

export interface Logged {
  readonly at: Instant;
  readonly output: LinkOutput;
}

export class LinkPair {
  readonly link: Link;
  readonly log: Logged[] = [];
  now: Instant = at(1000);
  /** Frames from the AC still on the line. */
  readonly line: { readonly at: Instant; readonly event: Event }[] = [];
  readonly latency = 5;
  /** Answer a packet instead of the AC; undefined leaves it to the AC. */
  intercept: (sent: Sent, ac: LinkPair) => readonly Event[] | undefined = () => undefined;
  temperament: Temperament;
  /** The AC's state. */
  acSession: number | undefined;
  #acLcp = { acked: false, isAcked: false, magic: 0 };
  #acIpcpBegun = false;
  #pppFrom: Instant = at(0);
  #challenge = { identifier: 7, value: Uint8Array.from({ length: 16 }, (_, i) => i + 1) };
  #acId = 100;

  constructor(config: Partial<LinkConfig> = {}, temperament: Partial<Temperament> = {}) {
    this.temperament = { ...PLAIN, ...temperament };
    this.link = new Link({ ...CONFIG, ...config }, HASHES, counterRandom(), WALL_CLOCK);
  }

  // --- driving -------------------------------------------------------------------------------------------------

  dial(previous: SessionFacts | null = null): this {
    return this.#take(this.link.dial(previous, this.now));
  }

  /** Take over a session that the AC knows. */
  resume(facts: SessionFacts): this {
    this.acSession = facts.key.sessionId;
    this.#acLcp = { acked: true, isAcked: true, magic: facts.theirMagic };
    this.#acIpcpBegun = true;
    return this.#take(this.link.resume(facts, this.now));
  }

  suspend(): this {
    return this.#take(this.link.suspend(this.now));
  }

  hangUp(): this {
    return this.#take(this.link.hangUp(this.now));
  }

  /** An event now. */
  feed(event: Event): this {
    return this.#take(this.link.handle(event, this.now));
  }

  /** A PPP packet of the AC, now. */
  hear(packet: PppPacket): this {
    return this.feed({ kind: 'ppp', packet });
  }

  lcp(packet: LcpPacket): this {
    return this.hear({ protocol: 'LCP', packet });
  }

  padt(sessionId = SESSION_ID, source: MacAddress = AC_MAC, tags: readonly Tag[] = []): this {
    return this.feed({ kind: 'discovery', source, packet: { code: 'PADT', sessionId, tags } });
  }

  /** Let time pass: frames arrive and deadlines expire in order, each at its instant. */
  run(span: number): this {
    const end = at(this.now + span);
    for (let steps = 0; steps < 100_000; steps++) {
      const frame = this.line.reduce((a, b) => Math.min(a, b.at), Infinity);
      const deadline = this.link.deadline() ?? Infinity;
      const next = Math.min(frame, deadline);
      if (next > end) {
        this.now = end;
        return this;
      }
      this.now = at(Math.max(this.now, next));
      if (frame <= deadline) {
        const [first] = this.line.splice(
          this.line.findIndex((f) => f.at === frame),
          1,
        );
        if (first !== undefined) this.feed(first.event);
      } else this.feed({ kind: 'deadline' });
    }
    throw new Error('time does not pass');
  }

  /** Until the session is open. */
  up(): this {
    return this.dial().run(1000);
  }

  // --- what happened -------------------------------------------------------------------------------------------

  get outputs(): LinkOutput[] {
    return this.log.map(({ output }) => output);
  }

  get outcomes(): LinkOutcome[] {
    return this.outputs.flatMap((output) => (output.kind === 'outcome' ? [output.outcome] : []));
  }

  get sent(): Sent[] {
    return this.outputs.flatMap((o) =>
      o.kind === 'send-discovery' || o.kind === 'send-ppp' ? [o] : [],
    );
  }

  get notes(): Note[] {
    return this.outputs.flatMap((output) => (output.kind === 'note' ? [output.note] : []));
  }

  get lcpSent(): LcpPacket[] {
    return this.sent.flatMap((o) =>
      o.kind === 'send-ppp' && o.packet.protocol === 'LCP' ? [o.packet.packet] : [],
    );
  }

  discoverySent(code: DiscoveryPacket['code']): { at: Instant; packet: DiscoveryPacket }[] {
    return this.log.flatMap(({ at, output }) =>
      output.kind === 'send-discovery' && output.packet.code === code
        ? [{ at, packet: output.packet }]
        : [],
    );
  }

  /** The facts of the last `opened`. */
  get facts(): SessionFacts {
    const opened = this.outcomes.filter((outcome) => outcome.kind === 'opened').at(-1);
    if (opened === undefined) throw new Error('the link never opened');
    return opened.facts;
  }

  get closed(): string[] {
    return this.outcomes.flatMap((o) => (o.kind === 'closed' ? [o.reason] : []));
  }

  /** Every line of the log as one text, for what must not be in it. */
  get text(): string {
    return JSON.stringify(this.notes);
  }

  forget(): this {
    this.log.length = 0;
    return this;
  }

  #take(outputs: readonly LinkOutput[]): this {
    for (const output of outputs) {
      this.log.push({ at: this.now, output });
      if (output.kind !== 'send-discovery' && output.kind !== 'send-ppp') continue;
      const answers = this.intercept(output, this) ?? this.#answer(output);
      for (const event of answers) this.line.push({ at: at(this.now + this.latency), event });
    }
    return this;
  }

  // --- the Access Concentrator ---------------------------------------------------------------------------------

  #answer(sent: Sent): Event[] {
    if (sent.kind === 'send-discovery') return this.#answerDiscovery(sent.packet);
    if (this.acSession === undefined || this.now < this.#pppFrom) return [];
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

  #answerDiscovery(packet: DiscoveryPacket): Event[] {
    const maxPayload = findTag(packet, TAG['PPP-Max-Payload']);
    const echoed =
      maxPayload !== undefined && this.temperament.maxPayload > 1492 ? [maxPayload] : [];
    if (packet.code === 'PADI') return [this.offer(packet, echoed)];
    if (packet.code === 'PADT') this.acSession = undefined;
    if (packet.code !== 'PADR') return [];
    this.acSession = SESSION_ID;
    this.#pppFrom = at(this.now + this.temperament.pppDelay);
    this.#acLcp = { acked: false, isAcked: false, magic: AC_MAGIC };
    this.#acIpcpBegun = false;
    const pads = this.confirm(packet, SESSION_ID, echoed);
    if (this.temperament.pppDelay > 0) return [pads];
    return [pads, { kind: 'ppp', packet: this.acLcpRequest() }];
  }

  acLcpRequest(): PppPacket {
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
    this.#acId = (this.#acId + 1) & 0xff;
    return this.#acId;
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
        const isNew = this.#acLcp.acked || this.temperament.pppDelay > 0;
        this.#acLcp.acked = true;
        if (isNew && !this.#acLcp.isAcked) answers.push(this.acLcpRequest());
        return [...answers, ...(this.#acLcp.isAcked ? this.#lcpUp() : [])];
      }
      case 'Configure-Ack':
        this.#acLcp.isAcked = true;
        return this.#acLcp.acked ? this.#lcpUp() : [];
      case 'Echo-Request': {
        const magic = this.#acLcp.magic;
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
  renegotiate(): this {
    this.#acLcp = { acked: false, isAcked: false, magic: AC_MAGIC };
    this.#acIpcpBegun = false;
    return this.hear(this.acLcpRequest());
  }

  #lcpUp(): PppPacket[] {
    const { auth } = this.temperament;
    if (auth === 'none') return this.#acIpcp();
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
      ...(isRight ? this.#acIpcp() : []),
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
    return [{ protocol: 'CHAP', packet: reply }, ...(message === undefined ? [] : this.#acIpcp())];
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

  #acIpcp(): PppPacket[] {
    if (this.#acIpcpBegun) return [];
    this.#acIpcpBegun = true;
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

/** The name of a packet sent, for dialogues. */
export function name(sent: Sent): string {
  if (sent.kind === 'send-discovery') return sent.packet.code;
  const { packet } = sent;
  return packet.protocol === 'unknown' ? 'unknown' : `${packet.protocol} ${packet.packet.code}`;
}

export const ms = (n: number): Millis => millis(n);
