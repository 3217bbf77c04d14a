/**
 * The Access Concentrator: the Discovery Stage of RFC 2516 from the AC's side, its table of sessions, and its temper. It
 * speaks octets on one port of the line. It shares no decision with our engine, so that it can testify against it.
 *
 * Theory of operation. A PADI is offered a cookie, a PADR with that cookie gets a SESSION_ID, and from then on an
 * `AcSession` speaks PPP. A MAC address or a user with a live session is refused another one, as real ACs do for
 * minutes: that lockout is what ppp-thing exists to avoid. Everything a client does against the RFCs is a `violation`.
 */
import { DecodeError, sameOctets } from '@ppp-thing/protocol/bytes';
import type { Engine } from '@ppp-thing/protocol/engine/events';
import { randomMagic } from '@ppp-thing/protocol/engine/random';
import { concat, utf8 } from '@ppp-thing/protocol/printable';
import { after, earliest, type Instant, type Millis } from '@ppp-thing/protocol/time';
import {
  BROADCAST,
  decodeEthernet,
  encodeEthernet,
  ETHERTYPE,
  formatMac,
  type EthernetFrame,
} from '@ppp-thing/protocol/wire/ethernet';
import {
  decodeDiscovery,
  decodeSession,
  encodeDiscovery,
  encodeSession,
  findTag,
  TAG,
  type DiscoveryPacket,
  type Tag,
} from '@ppp-thing/protocol/wire/pppoe';
import { Authenticator } from './ac-auth.ts';
import type { AcConfig, Temper } from './ac-config.ts';
import { faultOf, maxPayloadTag, repeated } from './ac-discovery.ts';
import { AcSession, type AcSessionConfig, type SessionOutput } from './ac-session.ts';
import { SessionTable, type Entry } from './ac-table.ts';
import { IpcpTerms, Ipv6cpTerms, LcpTerms } from './ac-terms.ts';
import { unreachable } from '@ppp-thing/protocol/unreachable';

export type AcCommand =
  /** Lose every session without a word. */
  | 'forget'
  /** Lose the PPP state of every session, keep the sessions, and begin LCP anew. */
  | 'renegotiate'
  /** End every session with PADT. */
  | 'terminate'
  /** Challenge every client again. */
  | 'challenge';

export type AcEvent =
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  /** Send an echo request, as data, in every session that is up. */
  | { readonly kind: 'ping'; readonly sequence: number }
  /** A packet of either IP for the client: into every session that is up. */
  | { readonly kind: 'packet'; readonly packet: Uint8Array }
  | { readonly kind: 'command'; readonly command: AcCommand }
  | { readonly kind: 'temper'; readonly temper: Partial<Temper> }
  | { readonly kind: 'deadline' };

export type AcOutput =
  | { readonly kind: 'send'; readonly frame: Uint8Array }
  | { readonly kind: 'note'; readonly text: string }
  | { readonly kind: 'violation'; readonly text: string }
  /** A PADR was granted. */
  | { readonly kind: 'dial'; readonly sessionId: number }
  /** Data flows for the first time, `dialMs` after the PADI. */
  | { readonly kind: 'up'; readonly sessionId: number; readonly dialMs: number }
  | { readonly kind: 'padt'; readonly sessionId: number }
  | { readonly kind: 'closed'; readonly sessionId: number; readonly reason: string }
  | { readonly kind: 'pong'; readonly sessionId: number; readonly sequence: number }
  /** Of either IP, from a client: to be forwarded, as any but the answer to a ping of ours. */
  | { readonly kind: 'packet'; readonly packet: Uint8Array };

const NOTHING = new Uint8Array();
/** Whose echo requests an AC without an address forwards. */
const ELSEWHERE = Uint8Array.of(198, 51, 100, 1);

export class AccessConcentrator implements Engine<AcEvent, AcOutput> {
  readonly #config: AcConfig;
  readonly #table: SessionTable;
  /** What makes our AC-Cookies ours. */
  readonly #secret: Uint8Array;
  /** When each MAC's latest PADI came. */
  readonly #padis = new Map<string, Instant>();
  #temper: Temper;
  /** LCP negotiations of sessions that are gone. */
  #past = 0;
  #slow: { at: Instant; frame: Uint8Array }[] = [];

  constructor(config: AcConfig) {
    this.#config = config;
    this.#temper = config.temper;
    this.#table = new SessionTable(config.pool, config.random);
    this.#secret = config.random(16);
  }

  /** LCP negotiations begun, in sessions that live and in those that are gone: a session that moves has one. */
  get negotiations(): number {
    const living = this.#table.all().map(({ session }) => session.negotiations);
    return living.reduce((sum, count) => sum + count, this.#past);
  }

  /** SESSION_IDs that exist, and whether data flows in each. */
  get sessions(): ReadonlyMap<number, boolean> {
    return new Map(this.#table.all().map(({ id, session }) => [id, session.isUp]));
  }

  /** The SESSION_ID of the client at `mac` in whose session data flows. */
  liveSession(mac: Uint8Array): number | undefined {
    return this.#table.ofMac(mac).find(({ session }) => session.isUp)?.id;
  }

  deadline(): Instant | undefined {
    const slow = this.#slow.map(({ at }) => at);
    const sessions = this.#table.all().map(({ session }) => session.deadline());
    return earliest(...slow, ...sessions);
  }

  handle(event: AcEvent, now: Instant): AcOutput[] {
    return this.#delay(this.#spoil(this.#decide(event, now)), now);
  }

  #decide(event: AcEvent, now: Instant): AcOutput[] {
    switch (event.kind) {
      case 'frame':
        return this.#receive(event.frame, now);
      case 'ping':
        return this.#each((entry) => entry.session.ping(event.sequence), now);
      case 'packet':
        return this.#each((entry) => entry.session.forward(event.packet), now);
      case 'command':
        return this.#obey(event.command, now);
      case 'temper':
        this.#temper = { ...this.#temper, ...event.temper };
        return [];
      case 'deadline':
        return this.#each((entry) => entry.session.expire(now), now);
      default:
        return unreachable(event);
    }
  }

  /** What a slow AC sends waits; what is due goes first. */
  #delay(outputs: AcOutput[], now: Instant): AcOutput[] {
    const due = this.#slow.filter(({ at }) => at <= now);
    this.#slow = this.#slow.filter(({ at }) => at > now);
    const ready = due.map(({ frame }): AcOutput => ({ kind: 'send', frame }));
    const { slowMs } = this.#temper;
    if (slowMs === 0 && this.#slow.length === 0) return [...ready, ...outputs];
    for (const output of outputs) {
      if (output.kind === 'send')
        this.#slow.push({ at: after(now, slowMs as Millis), frame: output.frame });
      else ready.push(output);
    }
    return ready;
  }

  /** What becomes of its frames on a bad line. */
  #spoil(outputs: readonly AcOutput[]): AcOutput[] {
    const { loss, doubled } = this.#temper;
    return outputs.flatMap((output): AcOutput[] => {
      if (output.kind !== 'send') return [output];
      const [draw = 0] = loss > 0 ? this.#config.random(1) : [];
      if (draw < loss * 256) return [];
      return doubled ? [output, output] : [output];
    });
  }

  #receive(octets: Uint8Array, now: Instant): AcOutput[] {
    try {
      const frame = decodeEthernet(octets);
      const isOurs = sameOctets(frame.destination, this.#config.mac);
      const isBroadcast = sameOctets(frame.destination, BROADCAST);
      if (frame.etherType === ETHERTYPE.PPPOE_SESSION && isOurs) return this.#inSession(frame, now);
      if (frame.etherType === ETHERTYPE.PPPOE_DISCOVERY && (isOurs || isBroadcast))
        return this.#discovery(frame, isBroadcast, now);
      return [];
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return [violation(`malformed frame: ${error.message}`)];
    }
  }

  #discovery(frame: EthernetFrame, isBroadcast: boolean, now: Instant): AcOutput[] {
    const packet = decodeDiscovery(frame.payload);
    const { code } = packet;
    const fault = faultOf(packet, isBroadcast, frame.payload.length);
    if (fault !== undefined) return [violation(fault)];
    switch (code) {
      case 'PADI':
        return this.#offer(frame.source, packet, now);
      case 'PADR':
        return this.#confirm(frame.source, packet, now);
      case 'PADT':
        return this.#hearPadt(frame.source, packet.sessionId, now);
      case 'PADO':
      case 'PADS':
        return [];
      default:
        return unreachable(code);
    }
  }

  #offer(mac: Uint8Array, packet: DiscoveryPacket, now: Instant): AcOutput[] {
    const isKnown = this.#padis.has(formatMac(mac));
    this.#padis.set(formatMac(mac), now);
    const heard = note(`PADI from ${formatMac(mac)}${isKnown ? ' again' : ''}`);
    if (!this.#temper.offers) return [heard];
    if (this.#table.isLockedOut(mac, now))
      return [heard, note(`${formatMac(mac)} is locked out: silent`)];
    const service = findTag(packet, TAG['Service-Name'])?.value ?? NOTHING;
    if (service.length > 0 && !this.#config.services.some((name) => isText(service, name)))
      return [heard];
    const tags: Tag[] = [
      ...this.#config.services.map((name) => ({ type: TAG['Service-Name'], value: utf8(name) })),
      { type: TAG['AC-Name'], value: utf8(this.#config.name) },
      { type: TAG['AC-Cookie'], value: this.#cookie(mac) },
      ...repeated(packet),
      ...maxPayloadTag(packet, this.#config.maxPayload),
    ];
    return [heard, this.#sendDiscovery(mac, { code: 'PADO', sessionId: 0, tags })];
  }

  #confirm(mac: Uint8Array, packet: DiscoveryPacket, now: Instant): AcOutput[] {
    const cookie = findTag(packet, TAG['AC-Cookie'])?.value ?? NOTHING;
    if (!sameOctets(cookie, this.#cookie(mac)))
      return [violation('PADR without the AC-Cookie of the PADO')];
    if (this.#table.isLockedOut(mac, now)) return [note(`${formatMac(mac)} is locked out: silent`)];
    const service = findTag(packet, TAG['Service-Name']);
    const tags: Tag[] = [...(service === undefined ? [] : [service]), ...repeated(packet)];
    const living = this.#table.ofMac(mac);
    if (living.length > 0 && this.#temper.second === 'deny')
      return this.#deny(mac, tags, 'this MAC address has a session');
    const replaced =
      this.#temper.second === 'replace' ? living.flatMap((entry) => this.#evict(entry, now)) : [];
    const max = maxPayloadTag(packet, this.#config.maxPayload);
    return [...replaced, ...this.#grant(mac, [...tags, ...max], max.length > 0, now)];
  }

  #deny(mac: Uint8Array, tags: readonly Tag[], reason: string): AcOutput[] {
    const error = { type: TAG['Generic-Error'], value: utf8(`session limit exceeded: ${reason}`) };
    return [
      note(`refuses ${formatMac(mac)}: ${reason}`),
      this.#sendDiscovery(mac, { code: 'PADS', sessionId: 0, tags: [...tags, error] }),
    ];
  }

  #grant(mac: Uint8Array, tags: readonly Tag[], isLarge: boolean, now: Instant): AcOutput[] {
    const id = this.#table.freeId();
    if (id === undefined) return this.#deny(mac, tags, 'no SESSION_ID is free');
    const entry: Entry = {
      id,
      mac,
      session: new AcSession(
        this.#sessionConfig(() => entry, isLarge ? this.#config.maxPayload : 1492),
      ),
      born: now,
      dialled: this.#padis.get(formatMac(mac)) ?? now,
      address: undefined,
      user: undefined,
      wasUp: false,
    };
    this.#table.add(entry);
    return [
      { kind: 'dial', sessionId: id },
      this.#sendDiscovery(mac, { code: 'PADS', sessionId: id, tags }),
      ...this.#translate(entry, entry.session.open(now), now),
    ];
  }

  #sessionConfig(entry: () => Entry, maxPayload: number): AcSessionConfig {
    const { random, dns, address, auth, hashes, passwords, name, ipv6, echo } = this.#config;
    const accuse = (text: string): void => entry().session.accuse(text);
    const theirs = (asked: Uint8Array): Uint8Array => this.#table.assign(entry(), asked);
    const admits = (user: string): boolean =>
      this.#temper.second !== 'deny' || !this.#table.isUserElsewhere(entry(), user);
    return {
      echo,
      answersEcho: () => this.#temper.answersEcho,
      hasIpv4: () => this.#temper.ipv4,
      delay: this.#config.pppDelay,
      restart: this.#config.restart,
      ourAddress: address ?? ELSEWHERE,
      theirAddress: () => entry().address,
      lcp: new LcpTerms(auth, maxPayload, randomMagic(random), accuse),
      ipcp: new IpcpTerms({ ours: address, theirs, dns }, accuse),
      ipv6cp: ipv6 ? new Ipv6cpTerms(random(8), accuse) : undefined,
      authenticator: new Authenticator({ method: auth, name, passwords, hashes, random, admits }),
      auth: auth !== 'none',
    };
  }

  #inSession(frame: EthernetFrame, now: Instant): AcOutput[] {
    const { sessionId, protocol, packet } = decodeSession(frame.payload);
    const entry = this.#table.find(sessionId, frame.source);
    if (entry === undefined) {
      const stray = note(`frame of session ${sessionId}, which does not exist`);
      if (this.#temper.unknown === 'ignore') return [stray];
      return [stray, this.#sendDiscovery(frame.source, { code: 'PADT', sessionId, tags: [] })];
    }
    return this.#translate(entry, entry.session.receive(protocol, packet, now), now);
  }

  #hearPadt(mac: Uint8Array, sessionId: number, now: Instant): AcOutput[] {
    const entry = this.#table.find(sessionId, mac);
    if (entry === undefined) return [note(`PADT for session ${sessionId}, which does not exist`)];
    return [{ kind: 'padt', sessionId }, ...this.#drop(entry, 'PADT from the client', now)];
  }

  #obey(command: AcCommand, now: Instant): AcOutput[] {
    switch (command) {
      case 'forget': {
        const entries = this.#table.all();
        this.#past = this.negotiations;
        this.#table.clear();
        return entries.map(({ id }) => ({ kind: 'closed', sessionId: id, reason: 'forgotten' }));
      }
      case 'renegotiate':
        return this.#each((entry) => entry.session.negotiate(now), now);
      case 'terminate':
        return this.#table.all().flatMap((entry) => this.#evict(entry, now));
      case 'challenge':
        return this.#each((entry) => entry.session.challenge(now), now);
      default:
        return unreachable(command);
    }
  }

  #each(run: (entry: Entry) => SessionOutput[], now: Instant): AcOutput[] {
    return this.#table.all().flatMap((entry) => this.#translate(entry, run(entry), now));
  }

  #translate(entry: Entry, outputs: readonly SessionOutput[], now: Instant): AcOutput[] {
    const accusations = entry.session.takeViolations().map(violation);
    const translated = outputs.flatMap((output): AcOutput[] => {
      switch (output.kind) {
        case 'ppp':
          return [this.#sendSession(entry, output.protocol, output.packet)];
        case 'note':
        case 'violation':
          return [{ kind: output.kind, text: `session ${entry.id}: ${output.text}` }];
        case 'authenticated':
          entry.user = output.user;
          return [];
        case 'up':
          return this.#up(entry, now);
        case 'pong':
          return [{ kind: 'pong', sessionId: entry.id, sequence: output.sequence }];
        case 'packet':
          return [output];
        case 'ended':
          return this.#end(entry, output.reason, now);
        default:
          return unreachable(output);
      }
    });
    return [...accusations, ...translated];
  }

  #up(entry: Entry, now: Instant): AcOutput[] {
    if (entry.wasUp) return [note(`session ${entry.id}: data flows again`)];
    entry.wasUp = true;
    return [{ kind: 'up', sessionId: entry.id, dialMs: now - entry.dialled }];
  }

  /** Ended by PPP: the PPPoE session goes too, and the client hears so (RFC 2516 §5.5). */
  #end(entry: Entry, reason: string, now: Instant): AcOutput[] {
    const padt = this.#sendDiscovery(entry.mac, { code: 'PADT', sessionId: entry.id, tags: [] });
    return [padt, ...this.#drop(entry, reason, now)];
  }

  #evict(entry: Entry, now: Instant): AcOutput[] {
    return this.#end(entry, 'ended by the AC', now);
  }

  #drop(entry: Entry, reason: string, now: Instant): AcOutput[] {
    this.#past += entry.session.negotiations;
    this.#table.remove(entry, this.#temper.lockoutMs, now);
    return [{ kind: 'closed', sessionId: entry.id, reason }];
  }

  #cookie(mac: Uint8Array): Uint8Array {
    return this.#config.hashes.md5(concat(this.#secret, mac));
  }

  #sendDiscovery(mac: Uint8Array, packet: DiscoveryPacket): AcOutput {
    return this.#send(mac, ETHERTYPE.PPPOE_DISCOVERY, encodeDiscovery(packet));
  }

  #sendSession({ id: sessionId, mac }: Entry, protocol: number, packet: Uint8Array): AcOutput {
    return this.#send(mac, ETHERTYPE.PPPOE_SESSION, encodeSession({ sessionId, protocol, packet }));
  }

  #send(destination: Uint8Array, etherType: number, payload: Uint8Array): AcOutput {
    const source = this.#config.mac;
    return { kind: 'send', frame: encodeEthernet({ destination, source, etherType, payload }) };
  }
}

const note = (text: string): AcOutput => ({ kind: 'note', text });
const violation = (text: string): AcOutput => ({ kind: 'violation', text });
const isText = (octets: Uint8Array, text: string): boolean => sameOctets(octets, utf8(text));
