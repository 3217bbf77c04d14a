/**
 * The Host's side of the Discovery Stage (RFC 2516 §5, RFC 4638): PADI, PADO, PADR, PADS. It ends with a session or a
 * refusal; the session itself, and PADT, are the link's.
 *
 * Theory of operation. PADI is repeated for ever, at growing intervals, because an AC that is away may return. The first
 * acceptable PADO wins, and later ones are kept. If the chosen AC refuses or does not answer its PADR, the next one gets a
 * PADR at once. Without a next one the dial has failed, although a late PADS still counts. An AC that failed is avoided for
 * a while: its offer waits a moment for a better one. An answer that does not echo our Host-Uniq is ignored.
 */
import { after, millis, seconds, type Instant, type Millis } from '../../time.ts';
import { sameOctets } from '../../bytes.ts';
import { printable, utf8 } from '../../printable.ts';
import { BROADCAST, formatMac, isMulticast, type MacAddress } from '../../wire/ethernet.ts';
import {
  PLAIN_PAYLOAD,
  findTag,
  formatSessionId,
  hasTag,
  isSessionId,
  TAG,
  type DiscoveryPacket,
  type Tag,
} from '../../wire/pppoe.ts';
import type { Note } from '../events.ts';
import type { Random } from '../hashes.ts';
import { logTo, type Log, type Out } from '../out.ts';
import { randomSpan } from '../random.ts';
import { LINK_WAITS, type LinkTimers } from './waits.ts';

/** The session that the Discovery Stage found, and the request for it. */
export interface DiscoveredSession {
  readonly sessionId: number;
  readonly acMac: MacAddress;
  readonly acName: Uint8Array;
  readonly serviceName: Uint8Array;
  readonly hostUniq: Uint8Array;
  /** Agreed by PPP-Max-Payload, or PLAIN_PAYLOAD. */
  readonly maxPayload: number;
}

export type DiscoverySignal =
  /** `roundTrip`: from the first PADR to the PADS, where none was lost. */
  | {
      readonly kind: 'found';
      readonly session: DiscoveredSession;
      readonly roundTrip: Millis;
    }
  /** The AC refused, or no AC that offers confirms; `reason` quotes it, escaped. */
  | { readonly kind: 'refused' | 'unconfirmed'; readonly reason: string };

export interface DiscoverySettings {
  readonly serviceName: string;
  readonly acName?: string;
  readonly acMac?: MacAddress;
  readonly mtu: number;
  /** Host-Uniq, for ISPs that identify their customers by it; random octets for each dial unless given. */
  readonly hostUniq?: Uint8Array;
}

const MAX_PADR = 3;
/** On a slow line a PADR is repeated only after so many times what the PADO took, because a second session may be made. */
const PADR_MARGIN = 3;
/** A PADO that took longer than this answers a later PADI than the first, or a very slow line. */
const SLOWEST = seconds(2);
const HOST_UNIQ_LENGTH = 8;
/** How long an AC that failed is avoided. */
const AVOID_SPAN = seconds(300);
/** Offers kept of one dial, ACs remembered that failed, and flaws told at once. */
const MAX_OFFERS = 8;
const MAX_AVOIDED = 16;
const MAX_FLAWS = 4;

/** What an offer obliges us to say in the PADR (§5.3). */
interface Offer {
  readonly acMac: MacAddress;
  readonly acName: Uint8Array;
  /** AC-Cookie and Relay-Session-Id, unchanged. */
  readonly echoed: readonly Tag[];
  /** How long it took, from the first PADI. */
  readonly took: Millis;
}

type State =
  | { readonly kind: 'Idle' }
  | { readonly kind: 'Soliciting' }
  | {
      readonly kind: 'Requesting';
      readonly offer: Offer;
      readonly sent: number;
      /** When the first PADR left. */
      readonly since: Instant;
    };

const ERRORS = [
  ['Service-Name-Error', TAG['Service-Name-Error']],
  ['AC-System-Error', TAG['AC-System-Error']],
  ['Generic-Error', TAG['Generic-Error']],
] as const;

export class Discovery {
  readonly #settings: DiscoverySettings;
  readonly #random: Random;
  readonly #timers: LinkTimers;
  readonly #out: Out;
  readonly #log: Log;
  #state: State = { kind: 'Idle' };
  #hostUniq: Uint8Array = new Uint8Array(0);
  #padis = 0;
  #startedAt: Instant | undefined;
  /** When the first PADI of this round left. */
  #solicitedAt: Instant | undefined;
  /** Of this round, by MAC address, in the order they came. */
  readonly #offers = new Map<string, Offer>();
  /** ACs that were sent a PADR in this dial, or in earlier ones that no AC confirmed. */
  readonly #asked = new Map<string, Offer>();
  /**
   * Whether a PADS is taken that comes after the dial has ended. After a refusal only another AC with the same MAC address
   * could send it, and soon; after silence it may come in the next dial, too.
   */
  #lateness: 'no' | 'until the next dial' | 'yes' = 'no';
  /** When an AC failed, by MAC address, the latest last. */
  readonly #failedAt = new Map<string, Instant>();
  /** Why PADOs of this dial were not acceptable. */
  readonly #flaws = new Set<string>();
  /** Why the last PADS of the AC now being asked was not taken. */
  #padsFlaw: string | undefined;
  #trouble: string | undefined;

  constructor(settings: DiscoverySettings, random: Random, timers: LinkTimers, out: Out) {
    this.#settings = settings;
    this.#random = random;
    this.#timers = timers;
    this.#out = out;
    this.#log = logTo(out, 'discovery', () => this.#state.kind);
  }

  get hostUniq(): Uint8Array {
    return this.#hostUniq;
  }

  /** Why there is no session yet, for people. */
  get trouble(): string | undefined {
    return this.#trouble;
  }

  /** The AC now being asked. */
  get ac(): { readonly name: Uint8Array; readonly mac: MacAddress } | undefined {
    if (this.#state.kind !== 'Requesting') return undefined;
    const { acName, acMac } = this.#state.offer;
    return { name: acName, mac: acMac };
  }

  /** An AC that has not failed of late has offered, and still has the time to confirm that its offer took. */
  isPromising(now: Instant): boolean {
    const state = this.#state;
    return (
      state.kind === 'Requesting' && state.sent === 1 && !this.#isAvoided(state.offer.acMac, now)
    );
  }

  start(now: Instant): void {
    // An AC that was asked may still confirm, with the Host-Uniq that it was asked with.
    if (this.#lateness !== 'yes') {
      this.#lateness = 'no';
      this.#hostUniq = this.#settings.hostUniq ?? this.#random(HOST_UNIQ_LENGTH);
      this.#asked.clear();
    }
    this.#offers.clear();
    this.#flaws.clear();
    this.#timers.clear('PADR', 'offers');
    this.#padis = 0;
    this.#startedAt = now;
    this.#solicitedAt = now;
    this.#trouble = undefined;
    this.#solicit('start', now);
  }

  stop(): void {
    this.#state = { kind: 'Idle' };
    this.#timers.clear('PADI', 'PADR', 'offers');
    this.#trouble = undefined;
  }

  /** As `stop`, and a late PADS gets no PADT: a router that does not hold the session sends nothing. */
  forget(): void {
    this.stop();
    this.#lateness = 'no';
    this.#asked.clear();
  }

  /** A dial to this AC failed: prefer any other AC for a while. */
  avoid(acMac: MacAddress, now: Instant): void {
    const mac = formatMac(acMac);
    this.#failedAt.delete(mac);
    this.#failedAt.set(mac, now);
    const [oldest] = this.#failedAt.keys();
    if (this.#failedAt.size > MAX_AVOIDED && oldest !== undefined) this.#failedAt.delete(oldest);
  }

  /** The session lasted. */
  trust(acMac: MacAddress): void {
    this.#failedAt.delete(formatMac(acMac));
  }

  expire(now: Instant): DiscoverySignal | undefined {
    const state = this.#state;
    if (this.#timers.isDue('offers', now)) {
      const best = this.#best(now);
      if (state.kind === 'Soliciting' && best !== undefined)
        return void this.#request(best, 0, now, 'PADO', now);
    }
    if (!this.#timers.isDue(state.kind === 'Requesting' ? 'PADR' : 'PADI', now)) return undefined;
    if (state.kind === 'Requesting' && state.sent < MAX_PADR)
      return void this.#request(state.offer, state.sent, state.since, 'timeout', now);
    if (state.kind === 'Requesting') return this.#unconfirmed(state, now);
    const waited = Math.round((now - (this.#startedAt ?? now)) / 1000);
    const [flaw] = [...this.#flaws].slice(-1);
    this.#trouble =
      flaw === undefined
        ? `no PADO from any Access Concentrator after ${this.#padis} PADI in ${waited} s`
        : `no acceptable PADO after ${this.#padis} PADI in ${waited} s: ${flaw}`;
    this.#solicit('no PADO', now);
    return undefined;
  }

  #unconfirmed(
    { offer, sent }: Extract<State, { kind: 'Requesting' }>,
    now: Instant,
  ): DiscoverySignal | undefined {
    const { acName, acMac } = offer;
    const ac = `${printable(acName)} (${formatMac(acMac)})`;
    const flaw = this.#padsFlaw;
    const reason =
      flaw === undefined
        ? `no PADS from ${ac} after ${sent} PADR`
        : `no acceptable PADS from ${ac} after ${sent} PADR: ${flaw}`;
    this.avoid(acMac, now);
    this.#trouble = reason;
    if (this.#askAnother('no PADS', now)) return undefined;
    this.#log('warn', 'no PADS', { ac, padr: sent }, { to: 'Idle' });
    this.stop();
    this.#lateness = 'yes';
    return { kind: 'unconfirmed', reason };
  }

  /** Ask the next AC that offered and has not failed. @returns whether there is one */
  #askAnother(on: string, now: Instant): boolean {
    const next = [...this.#offers.values()].find(({ acMac }) => !this.#isAvoided(acMac, now));
    if (next !== undefined) this.#request(next, 0, now, on, now);
    return next !== undefined;
  }

  #isAvoided(acMac: MacAddress, now: Instant): boolean {
    const failedAt = this.#failedAt.get(formatMac(acMac));
    return failedAt !== undefined && now < after(failedAt, AVOID_SPAN);
  }

  /** One that has not failed, else the one that failed longest ago. */
  #best(now: Instant): Offer | undefined {
    const offers = [...this.#offers.values()];
    const at = ({ acMac }: Offer): number =>
      this.#isAvoided(acMac, now) ? (this.#failedAt.get(formatMac(acMac)) ?? 0) : -Infinity;
    return offers.sort((a, b) => at(a) - at(b))[0];
  }

  /** @param source the frame's source MAC */
  receive(packet: DiscoveryPacket, source: MacAddress, now: Instant): DiscoverySignal | undefined {
    if (packet.code === 'PADO') this.#receivePado(packet, source, now);
    return packet.code === 'PADS' ? this.#receivePads(packet, source, now) : undefined;
  }

  #receivePado(packet: DiscoveryPacket, source: MacAddress, now: Instant): void {
    if (this.#state.kind === 'Idle') return;
    const flaw = this.#flaw(packet, source);
    if (flaw !== undefined) return this.#refuseOffer(source, flaw);
    const offer: Offer = {
      acMac: source,
      acName: findTag(packet, TAG['AC-Name'])?.value ?? new Uint8Array(0),
      echoed: packet.tags.filter(
        (tag) => tag.type === TAG['AC-Cookie'] || tag.type === TAG['Relay-Session-Id'],
      ),
      took: millis(Math.min(now - (this.#solicitedAt ?? now), SLOWEST)),
    };
    if (this.#offers.size < MAX_OFFERS) this.#offers.set(formatMac(source), offer);
    if (this.#state.kind !== 'Soliciting') return;
    if (!this.#isAvoided(source, now)) return this.#request(offer, 0, now, 'PADO', now);
    if (!this.#timers.isSet('offers')) this.#timers.set('offers', after(now, LINK_WAITS.offers));
    this.#drop('PADO', source, 'it failed recently: waiting for another AC');
  }

  /** Logs each reason once in a dial, up to a limit. The status shows the last one. */
  #refuseOffer(source: MacAddress, flaw: string): void {
    const words = `from ${formatMac(source)}: ${flaw}`;
    const isNew = !this.#flaws.has(words) && this.#flaws.size < MAX_FLAWS;
    if (isNew) this.#flaws.add(words);
    this.#drop('PADO', source, flaw, isNew ? 'warn' : 'debug');
  }

  /** Why an offer is not for us or not what the configuration asks; undefined if it is acceptable. */
  #flaw(packet: DiscoveryPacket, source: MacAddress): string | undefined {
    const { acMac, acName, serviceName } = this.#settings;
    const strange = this.#notForUs(packet);
    if (strange !== undefined) return strange;
    if (packet.sessionId !== 0) return 'SESSION_ID not 0';
    if (isMulticast(source)) return 'group address';
    const error = errorText(packet);
    if (error !== undefined) return error;
    const name = findTag(packet, TAG['AC-Name']);
    if (name === undefined) return 'no AC-Name';
    if (acMac !== undefined && !sameOctets(source, acMac)) return 'another AC MAC is configured';
    if (acName !== undefined && !sameOctets(name.value, utf8(acName)))
      return `AC-Name ${printable(name.value)} is not the configured one`;
    const wanted = utf8(serviceName);
    const isOffered = hasTag(packet, TAG['Service-Name'], wanted);
    return wanted.length > 0 && !isOffered ? 'the configured service is not offered' : undefined;
  }

  /** Why a packet is no answer to ours; undefined if it is one. */
  #notForUs(packet: DiscoveryPacket): string | undefined {
    if (hasTag(packet, TAG['Host-Uniq'], this.#hostUniq)) return undefined;
    return findTag(packet, TAG['Host-Uniq']) === undefined
      ? 'no Host-Uniq, which RFC 2516 asks it to repeat'
      : 'not our Host-Uniq';
  }

  #receivePads(
    packet: DiscoveryPacket,
    source: MacAddress,
    now: Instant,
  ): DiscoverySignal | undefined {
    const strange = this.#notForUs(packet);
    if (this.#state.kind !== 'Requesting' || !sameOctets(source, this.#state.offer.acMac))
      return this.#receiveLate(packet, source, strange === undefined, now);
    const { offer, since } = this.#state;
    if (strange !== undefined) {
      this.#padsFlaw = strange;
      return this.#drop('PADS', source, strange);
    }
    const { sessionId } = packet;
    // §5.4: SESSION_ID 0 is a refusal, with the reason or without.
    const none = `SESSION_ID ${formatSessionId(sessionId)}, and no reason`;
    const error = errorText(packet) ?? (isSessionId(sessionId) ? undefined : none);
    if (error !== undefined) {
      this.#log('warn', 'PADS', { ac: printable(offer.acName), error }, { to: 'Idle' });
      this.avoid(source, now);
      if (this.#askAnother('PADS', now)) return undefined;
      this.stop();
      this.#lateness = 'until the next dial';
      return { kind: 'refused', reason: `${printable(offer.acName)} refused: ${error}` };
    }
    // A PADS that takes longer than the first PADR waited: one of the two was lost, and that wait is no round trip.
    return this.#found(packet, offer, millis(Math.min(now - since, firstWait(offer))));
  }

  /** A PADS from an AC that we no longer wait for. */
  #receiveLate(
    packet: DiscoveryPacket,
    source: MacAddress,
    isOurs: boolean,
    now: Instant,
  ): DiscoverySignal | undefined {
    const { sessionId } = packet;
    const offer = this.#asked.get(formatMac(source));
    if (offer === undefined || !isOurs || !isSessionId(sessionId)) {
      if (this.#state.kind !== 'Idle') this.#drop('PADS', source, 'not the AC we asked');
      return undefined;
    }
    // No other session has come, so take the one we asked for.
    const isWanted =
      this.#state.kind === 'Idle' ? this.#lateness !== 'no' : this.#state.kind === 'Soliciting';
    if (isWanted)
      return this.#found(packet, offer, millis(Math.min(now - (this.#startedAt ?? now), SLOWEST)));
    this.#drop('PADS', source, 'too late: the session is given back', 'warn');
    this.#send(source, 'PADT', [], sessionId);
    return undefined;
  }

  #found(packet: DiscoveryPacket, offer: Offer, roundTrip: Millis): DiscoverySignal {
    const { sessionId } = packet;
    const maxPayload = this.#agreedPayload(packet);
    const ac = { ac: printable(offer.acName), mac: formatMac(offer.acMac) };
    const facts = { ...ac, session: formatSessionId(sessionId), maxPayload };
    this.#log('info', 'PADS', facts, { to: 'Idle' });
    const { acMac, acName } = offer;
    const serviceName = utf8(this.#settings.serviceName);
    const session = { sessionId, acMac, acName, serviceName, hostUniq: this.#hostUniq, maxPayload };
    this.forget();
    return { kind: 'found', session, roundTrip };
  }

  /** RFC 4638 §4: only the very value that we asked for, echoed, allows more than 1492. */
  #agreedPayload(packet: DiscoveryPacket): number {
    const [high, low, ...rest] = findTag(packet, TAG['PPP-Max-Payload'])?.value ?? [];
    if (high === undefined || low === undefined || rest.length > 0) return PLAIN_PAYLOAD;
    const { mtu } = this.#settings;
    return mtu > PLAIN_PAYLOAD && (high << 8) + low === mtu ? mtu : PLAIN_PAYLOAD;
  }

  #solicit(on: string, now: Instant): void {
    const { first, longest } = LINK_WAITS.PADI;
    const span = millis(Math.min(longest, first * 2 ** Math.min(this.#padis, 6)));
    this.#padis += 1;
    // Log the silence once; after that the status shows it.
    const level = this.#padis === 2 ? 'warn' : 'debug';
    const trouble = this.#trouble === undefined ? {} : { trouble: this.#trouble };
    const moved = { to: 'Soliciting', actions: ['send PADI'] };
    this.#log(level, on, { padi: this.#padis, ...trouble }, moved);
    this.#state = { kind: 'Soliciting' };
    this.#timers.set('PADI', after(now, this.#jittered(span)));
    this.#send(BROADCAST, 'PADI', this.#tags());
  }

  #request(offer: Offer, sent: number, since: Instant, on: string, now: Instant): void {
    const facts = { ac: printable(offer.acName), mac: formatMac(offer.acMac) };
    this.#log('debug', on, facts, { to: 'Requesting', actions: ['send PADR'] });
    this.#state = { kind: 'Requesting', offer, sent: sent + 1, since };
    if (sent === 0) this.#padsFlaw = undefined;
    this.#timers.clear('PADI', 'offers');
    this.#asked.set(formatMac(offer.acMac), offer);
    const [oldest] = this.#asked.keys();
    if (this.#asked.size > MAX_OFFERS && oldest !== undefined) this.#asked.delete(oldest);
    const span = millis(firstWait(offer) * 2 ** sent);
    this.#timers.set('PADR', after(now, this.#jittered(span)));
    this.#send(offer.acMac, 'PADR', [...this.#tags(), ...offer.echoed]);
  }

  /** Exactly one Service-Name (§5.1, §5.3); PPP-Max-Payload only where it says something (RFC 4638 §4). */
  #tags(): Tag[] {
    const { serviceName, mtu } = this.#settings;
    const tags: Tag[] = [
      { type: TAG['Service-Name'], value: utf8(serviceName) },
      { type: TAG['Host-Uniq'], value: this.#hostUniq },
    ];
    if (mtu > PLAIN_PAYLOAD)
      tags.push({ type: TAG['PPP-Max-Payload'], value: Uint8Array.of(mtu >> 8, mtu & 0xff) });
    return tags;
  }

  #send(
    destination: MacAddress,
    code: 'PADI' | 'PADR' | 'PADT',
    tags: readonly Tag[],
    sessionId = 0,
  ): void {
    this.#out({ kind: 'send-discovery', destination, packet: { code, sessionId, tags } });
  }

  /** Up to a quarter longer, so that Hosts that lost the same AC do not send in step. */
  #jittered(span: Millis): Millis {
    return randomSpan(this.#random, span, millis(span * 1.25));
  }

  #drop(code: string, from: MacAddress, flaw: string, level: Note['level'] = 'debug'): undefined {
    this.#log(level, `ignored ${code}`, { from: formatMac(from), flaw });
  }
}

/** How long the first PADR waits for its PADS. */
const firstWait = ({ took }: Offer): Millis =>
  millis(Math.max(LINK_WAITS.PADR.first, took * PADR_MARGIN));

/** The first error tag and its text, escaped (§5.2, §5.4, appendix A). */
export function errorText(packet: DiscoveryPacket): string | undefined {
  for (const [name, type] of ERRORS) {
    const tag = findTag(packet, type);
    if (tag !== undefined)
      return tag.value.length === 0 ? name : `${name}: ${printable(tag.value)}`;
  }
  return undefined;
}
