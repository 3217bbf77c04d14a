/**
 * A scripted client of the Access Concentrator, on octets: it dials step by step and does as it is told, right or
 * wrong. It has no engine in it, so that the AC is tested without the thing it is to test.
 */
import { HASHES } from '../engine/hashes.ts';
import { AccessConcentrator, type AcCommand, type AcOutput } from '@ppp-thing/lab/line/ac';
import { PATIENT, RESTART, type AcConfig, type Temper } from '@ppp-thing/lab/line/ac-config';
import { decodeEcho, encodeEcho } from '@ppp-thing/lab/line/icmp';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { millis, type Instant } from '@ppp-thing/protocol/time';
import type { ChapPacket } from '@ppp-thing/protocol/wire/auth';
import {
  BROADCAST,
  decodeEthernet,
  encodeEthernet,
  ETHERTYPE,
} from '@ppp-thing/protocol/wire/ethernet';
import type { LcpOption } from '@ppp-thing/protocol/wire/lcp';
import type { IpcpOption } from '@ppp-thing/protocol/wire/ncp';
import { decodePpp, encodePpp, PROTOCOL, type PppPacket } from '@ppp-thing/protocol/wire/ppp';
import {
  decodeDiscovery,
  decodeSession,
  encodeDiscovery,
  encodeSession,
  findTag,
  TAG,
  type DiscoveryPacket,
} from '@ppp-thing/protocol/wire/pppoe';
import { AC_ADDRESS, AC_MAC, ipv4, PUBLIC, SESSION_MAC } from './addresses.ts';

export const USER = 'line@example.net';
export const PASSWORD = 'correct horse';
export const MAGIC = 0x0badcafe;
const NOTHING = new Uint8Array();

/** Octets from a counter: predictable, and never the same. */
export function counting(): (length: number) => Uint8Array {
  let n = 0;
  return (length) => Uint8Array.from({ length }, () => (n = (n * 5 + 7) & 0xff));
}

export const config = (
  changes: Partial<AcConfig> = {},
  temper: Partial<Temper> = {},
): AcConfig => ({
  mac: AC_MAC,
  name: 'bras1',
  services: [''],
  auth: 'CHAP-MD5',
  passwords: new Map([[USER, PASSWORD]]),
  address: AC_ADDRESS,
  pool: [PUBLIC, ipv4('203.0.113.8'), ipv4('203.0.113.9')],
  dns: [ipv4('192.0.2.53')],
  ipv6: false,
  maxPayload: 1492,
  echo: { interval: millis(10_000), failures: 3, dataCheck: false },
  pppDelay: millis(0),
  restart: RESTART,
  hashes: HASHES,
  random: counting(),
  temper: { ...PATIENT, ...temper },
  ...changes,
});

export class Client {
  readonly ac: AccessConcentrator;
  readonly mac: Uint8Array;
  now = 0;
  sessionId = 0;
  address: Uint8Array = new Uint8Array(4);
  /** Everything the AC has said since this was last taken. */
  #heard: AcOutput[] = [];

  constructor(ac: AccessConcentrator, address = SESSION_MAC) {
    this.ac = ac;
    this.mac = address;
  }

  take(): AcOutput[] {
    const heard = this.#heard;
    this.#heard = [];
    return heard;
  }

  /** What the AC held against us since `take`. */
  violations(): string[] {
    return this.take().flatMap((output) => (output.kind === 'violation' ? [output.text] : []));
  }

  /** Let `ms` pass for the AC. */
  pass(ms: number): void {
    const end = this.now + ms;
    for (;;) {
      const next = this.ac.deadline();
      if (next === undefined || next > end) break;
      this.now = Math.max(this.now, next);
      this.#hear(this.ac.handle({ kind: 'deadline' }, this.now as Instant));
    }
    this.now = end;
  }

  command(command: AcCommand): void {
    this.#hear(this.ac.handle({ kind: 'command', command }, this.now as Instant));
  }

  temper(temper: Partial<Temper>): void {
    this.#hear(this.ac.handle({ kind: 'temper', temper }, this.now as Instant));
  }

  ping(sequence: number): void {
    this.#hear(this.ac.handle({ kind: 'ping', sequence }, this.now as Instant));
  }

  /** Something beyond the AC sends a packet to the client. */
  forward(packet: Uint8Array): void {
    this.#hear(this.ac.handle({ kind: 'packet', packet }, this.now as Instant));
  }

  frame(frame: Uint8Array): void {
    this.#hear(this.ac.handle({ kind: 'frame', frame }, this.now as Instant));
  }

  discovery(packet: DiscoveryPacket, destination = AC_MAC): void {
    const payload = encodeDiscovery(packet);
    const etherType = ETHERTYPE.PPPOE_DISCOVERY;
    this.frame(encodeEthernet({ destination, source: this.mac, etherType, payload }));
  }

  ppp(packet: PppPacket, sessionId = this.sessionId): void {
    const encoded = encodePpp(packet);
    this.data(encoded.protocol, encoded.packet, sessionId);
  }

  data(protocol: number, packet: Uint8Array, sessionId = this.sessionId): void {
    const payload = encodeSession({ sessionId, protocol, packet });
    const etherType = ETHERTYPE.PPPOE_SESSION;
    this.frame(encodeEthernet({ destination: AC_MAC, source: this.mac, etherType, payload }));
  }

  /** Discovery packets and PPP packets among `outputs`. */
  static packets(outputs: readonly AcOutput[]): { discovery: DiscoveryPacket[]; ppp: PppPacket[] } {
    const discovery: DiscoveryPacket[] = [];
    const ppp: PppPacket[] = [];
    for (const output of outputs) {
      if (output.kind !== 'send') continue;
      const { etherType, payload } = decodeEthernet(output.frame);
      if (etherType === ETHERTYPE.PPPOE_DISCOVERY) discovery.push(decodeDiscovery(payload));
      else {
        const { protocol, packet } = decodeSession(payload);
        ppp.push(decodePpp(protocol, packet));
      }
    }
    return { discovery, ppp };
  }

  /** Every packet among `outputs`, as `PADS` or `LCP Configure-Request`. */
  static codes(outputs: readonly AcOutput[]): string[] {
    const { discovery, ppp } = Client.packets(outputs);
    return [
      ...discovery.map(({ code }) => code),
      ...ppp.map((it) =>
        it.protocol === 'unknown' ? 'unknown' : `${it.protocol} ${it.packet.code}`,
      ),
    ];
  }

  /** The PADO that a PADI gets, if one comes. */
  padi(): DiscoveryPacket | undefined {
    const tags = [
      { type: TAG['Service-Name'], value: NOTHING },
      { type: TAG['Host-Uniq'], value: Uint8Array.of(1, 2, 3, 4) },
    ];
    this.discovery({ code: 'PADI', sessionId: 0, tags }, BROADCAST);
    return Client.packets(this.#heard).discovery.find(({ code }) => code === 'PADO');
  }

  /** The PADS that a PADR for `pado` gets, if one comes; its SESSION_ID is ours from now on. */
  padr(pado: DiscoveryPacket | undefined): DiscoveryPacket | undefined {
    const cookie = pado === undefined ? undefined : findTag(pado, TAG['AC-Cookie']);
    const tags = [
      { type: TAG['Service-Name'], value: NOTHING },
      { type: TAG['Host-Uniq'], value: Uint8Array.of(1, 2, 3, 4) },
      ...(cookie === undefined ? [] : [cookie]),
    ];
    this.discovery({ code: 'PADR', sessionId: 0, tags });
    const pads = Client.packets(this.#heard).discovery.find(({ code }) => code === 'PADS');
    if (pads !== undefined) this.sessionId = pads.sessionId;
    return pads;
  }

  /** LCP until both ends have acknowledged. */
  establish(
    options: readonly LcpOption[] = [{ kind: 'magic', magic: MAGIC }],
    identifier = 1,
  ): void {
    for (const { packet } of this.#of('LCP')) {
      if (packet.code === 'Configure-Request')
        this.ppp({ protocol: 'LCP', packet: { ...packet, code: 'Configure-Ack' } });
    }
    const request = { code: 'Configure-Request', identifier, options } as const;
    this.ppp({ protocol: 'LCP', packet: request });
  }

  /** Answer the last Challenge with CHAP-MD5. */
  chap(password = PASSWORD, user = USER): void {
    const challenge = this.#of('CHAP')
      .map(({ packet }) => packet)
      .filter(({ code }) => code === 'Challenge')
      .at(-1);
    if (challenge === undefined || !('value' in challenge)) throw new Error('no Challenge came');
    const { identifier, value } = challenge;
    const digest = HASHES.md5(concat(Uint8Array.of(identifier), utf8(password), value));
    const packet: ChapPacket = { code: 'Response', identifier, value: digest, name: utf8(user) };
    this.ppp({ protocol: 'CHAP', packet });
  }

  /** IPCP: ask for `asked`, take what is offered, acknowledge theirs. */
  network(asked: Uint8Array = new Uint8Array(4)): void {
    for (const { packet } of this.#of('IPCP')) {
      if (packet.code === 'Configure-Request')
        this.ppp({ protocol: 'IPCP', packet: { ...packet, code: 'Configure-Ack' } });
    }
    const request = (identifier: number, address: Uint8Array): void => {
      const options: IpcpOption[] = [{ kind: 'address', address }];
      this.ppp({ protocol: 'IPCP', packet: { code: 'Configure-Request', identifier, options } });
    };
    this.address = asked;
    request(1, asked);
    for (const { packet } of this.#of('IPCP')) {
      const [option] = packet.code === 'Configure-Nak' ? packet.options : [];
      if (option?.kind === 'address') this.address = option.address;
    }
    if (this.address !== asked) request(2, this.address);
  }

  /** A whole dial. */
  dial(): void {
    this.padr(this.padi());
    this.establish();
    this.chap();
    this.network();
  }

  /** The Configure-Request that the AC acknowledged, as a client sends it again that has not had the answer. */
  repeat(protocol: 'LCP' | 'IPCP'): void {
    if (protocol === 'LCP') return this.establish();
    const options: IpcpOption[] = [{ kind: 'address', address: this.address }];
    this.ppp({ protocol, packet: { code: 'Configure-Request', identifier: 2, options } });
  }

  /** Answer the echo requests among `outputs`. */
  answerPings(outputs: readonly AcOutput[], source = this.address): void {
    for (const output of outputs) {
      if (output.kind !== 'send') continue;
      const { etherType, payload } = decodeEthernet(output.frame);
      if (etherType !== ETHERTYPE.PPPOE_SESSION) continue;
      const { protocol, packet } = decodeSession(payload);
      const echo = protocol === PROTOCOL.IPv4 ? decodeEcho(packet) : undefined;
      if (echo === undefined) continue;
      const destination = echo.source;
      this.data(PROTOCOL.IPv4, encodeEcho({ ...echo, kind: 'reply', source, destination }));
    }
  }

  #hear(outputs: readonly AcOutput[]): void {
    this.#heard.push(...outputs);
  }

  #of<P extends PppPacket['protocol']>(protocol: P): Extract<PppPacket, { protocol: P }>[] {
    return Client.packets(this.#heard).ppp.filter(
      (packet): packet is Extract<PppPacket, { protocol: P }> => packet.protocol === protocol,
    );
  }
}
