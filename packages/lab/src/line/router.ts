/**
 * One router's simulated kernel: the session's port on the line, the attached session, its gate, addresses, default
 * route and counters. Helpers come and go in front of it; only a power cut ends it. It decides nothing, as a kernel
 * does, and holds no CARP: the role comes in from the LAN.
 *
 * Theory of operation. Two doors: `call` is the helper's (the verbs of `@ppp-thing/helper/sim/line`), `frame` is the
 * line's. A frame of the session passes only if a session is attached, the gate is open, and source, destination and
 * SESSION_ID are the session's. PPP protocols from 0x8000 on go to the helper; IPv4 stays here, so that data flows
 * while no helper lives: an echo request to our address is answered on the spot, the rest is the LAN's.
 */
import type { Engine } from '@ppp-thing/protocol/engine/events';
import { DecodeError, sameOctets, toHex } from '@ppp-thing/protocol/bytes';
import type { Instant } from '@ppp-thing/protocol/time';
import {
  BROADCAST,
  decodeEthernet,
  encodeEthernet,
  ETHERTYPE,
  type EthernetFrame,
} from '@ppp-thing/protocol/wire/ethernet';
import { formatIpv6 } from '@ppp-thing/protocol/wire/ipv6';
import { PROTOCOL } from '@ppp-thing/protocol/wire/ppp';
import { decodeSession, encodeSession } from '@ppp-thing/protocol/wire/pppoe';
import type { Answer, AnswerBody, Call, CallBody, LineEvent } from '@ppp-thing/helper/sim/line';
import type { CarpRole } from './carp.ts';
import { decodeEcho, decodeIpv4, encodeEcho } from './icmp.ts';

export type KernelEvent =
  | { readonly kind: 'call'; readonly call: Call }
  | { readonly kind: 'frame'; readonly frame: Uint8Array }
  | { readonly kind: 'role'; readonly role: CarpRole }
  | { readonly kind: 'carrier'; readonly up: boolean }
  /** An IPv4 packet from the router's LAN that follows the default route. */
  | { readonly kind: 'lan'; readonly session: string; readonly packet: Uint8Array };

export type KernelOutput =
  | { readonly kind: 'answer'; readonly answer: Answer }
  | { readonly kind: 'transmit'; readonly frame: Uint8Array }
  /** For the helper, if one listens. */
  | { readonly kind: 'event'; readonly event: LineEvent }
  | { readonly kind: 'gate'; readonly session: string; readonly open: boolean }
  | { readonly kind: 'attached'; readonly session: string; readonly sessionId: number }
  /** The sum of what the sessions demote this router by. */
  | { readonly kind: 'demotion'; readonly amount: number }
  | { readonly kind: 'lan'; readonly session: string; readonly packet: Uint8Array }
  | { readonly kind: 'to-partner'; readonly session: string; readonly packet: Uint8Array };

type Settings = Omit<CallBody<'configure'>, 'session'>;
type Counters = { -readonly [K in keyof AnswerBody<'counters'>]: AnswerBody<'counters'>[K] };

interface Port {
  readonly mac: Uint8Array;
  /** Null: the role is always MASTER. */
  readonly vhid: number | null;
  readonly stub: string | null;
  attached: CallBody<'attach'>['key'] | null;
  gateOpen: boolean;
  settings: Settings | null;
  route: CallBody<'route'>['via'];
  demotion: number;
  counters: Counters;
}

/** What a call does, and what it answers; `failed` has changed nothing. */
type Result = {
  readonly answer: Answer;
  readonly outputs?: readonly KernelOutput[];
};

const done = (value: unknown = null): Answer => ({ done: value });
const failed = (code: string, reason: string): Result => ({ answer: { failed: { code, reason } } });
const none = (): Counters => ({ octetsIn: 0, octetsOut: 0, packetsIn: 0, packetsOut: 0 });

export class RouterKernel implements Engine<KernelEvent, KernelOutput> {
  readonly #ports = new Map<string, Port>();
  /** `igb1 2001:db8:ab00:1::1/64` and its lifetimes in seconds, as last set: this kernel counts none down. */
  readonly addresses6 = new Map<string, { readonly preferred: number; readonly valid: number }>();
  readonly unreachable6 = new Set<string>();
  #role: CarpRole = 'INIT';
  #carrier = true;

  /** It never wants to be called by time. */
  deadline(): Instant | undefined {
    return undefined;
  }

  handle(event: KernelEvent): KernelOutput[] {
    switch (event.kind) {
      case 'call': {
        const { answer, outputs = [] } = this.#call(event.call);
        return [...outputs, { kind: 'answer', answer }];
      }
      case 'frame':
        return this.#carrier ? this.#receive(event.frame) : [];
      case 'role':
        this.#role = event.role;
        return this.#tellAll((session, port) =>
          port.vhid === null ? undefined : { event: 'role', session, role: event.role },
        );
      case 'carrier':
        this.#carrier = event.up;
        return this.#tellAll((session) => ({ event: 'carrier', session, up: event.up }));
      case 'lan':
        return this.#fromLan(event.session, event.packet);
      default: {
        const unreachable: never = event;
        return unreachable;
      }
    }
  }

  /** Whether a session of this router can carry traffic on the line now. */
  gateOpen(session: string): boolean {
    return this.#ports.get(session)?.gateOpen ?? false;
  }

  /** What the operator of this router would see of a session; undefined if none was started. */
  shown(session: string): Readonly<Port> | undefined {
    return this.#ports.get(session);
  }

  #call(call: Call): Result {
    if (call.call === 'start') return this.#start(call);
    if (call.call === 'address6') {
      const name = `${call.interface} ${formatIpv6(call.address)}/${call.bits}`;
      if (call.valid === 0) this.addresses6.delete(name);
      else this.addresses6.set(name, { preferred: call.preferred, valid: call.valid });
      return { answer: done() };
    }
    if (call.call === 'unreachable6') {
      const name = `${formatIpv6(call.prefix)}/${call.length}`;
      if (call.on) this.unreachable6.add(name);
      else this.unreachable6.delete(name);
      return { answer: done() };
    }
    const port = this.#ports.get(call.session);
    if (port === undefined) return failed('ENXIO', `no session ${call.session} was started`);
    switch (call.call) {
      case 'inspect':
        return { answer: done(this.#inspect(port)) };
      case 'transmit':
        return { answer: done(), outputs: this.#transmit(call.frame) };
      case 'attach':
        return { answer: done(), outputs: this.#attach(call.session, port, call.key) };
      case 'gate':
        if (call.open && port.attached === null) return failed('ENOTCONN', 'nothing is attached');
        return { answer: done(), outputs: setGate(call.session, port, call.open) };
      case 'ppp-send':
        return this.#sendPpp(port, call.protocol, call.packet);
      case 'configure':
        port.settings = call;
        return { answer: done() };
      case 'deconfigure':
        port.settings = null;
        return { answer: done() };
      case 'route':
        port.route = call.via;
        return { answer: done() };
      case 'detach':
        return { answer: done(), outputs: this.#detach(call.session, port) };
      case 'demote':
        port.demotion = call.on ? call.amount : 0;
        return { answer: done(), outputs: [this.#demotion()] };
      case 'counters':
        return { answer: done({ ...port.counters }) };
      case 'remove':
        this.#ports.delete(call.session);
        return {
          answer: done(),
          outputs: [...setGate(call.session, port, false), this.#demotion()],
        };
      default: {
        const unreachable: never = call;
        return unreachable;
      }
    }
  }

  #start({ session, mac, vhid, stub }: CallBody<'start'>): Result {
    const port = this.#ports.get(session);
    if (port !== undefined && sameOctets(port.mac, mac)) {
      this.#ports.set(session, { ...port, vhid, stub });
      return { answer: done() };
    }
    const empty = { attached: null, gateOpen: false, settings: null, demotion: 0 } as const;
    const fresh: Port = { mac, vhid, stub, ...empty, route: 'none', counters: none() };
    this.#ports.set(session, fresh);
    return { answer: done() };
  }

  #inspect(port: Port): AnswerBody<'inspect'> {
    return {
      role: port.vhid === null ? 'MASTER' : this.#role,
      carrier: this.#carrier,
      attached: port.attached,
      gateOpen: port.gateOpen,
      demoted: port.demotion > 0,
    };
  }

  #attach(session: string, port: Port, key: CallBody<'attach'>['key']): KernelOutput[] {
    if (port.attached !== null && keyText(port.attached) === keyText(key)) return [];
    const outputs = this.#detach(session, port);
    port.attached = key;
    port.counters = none();
    return [...outputs, { kind: 'attached', session, sessionId: key.sessionId }];
  }

  #detach(session: string, port: Port): KernelOutput[] {
    port.attached = null;
    return setGate(session, port, false);
  }

  #demotion(): KernelOutput {
    let amount = 0;
    for (const port of this.#ports.values()) amount += port.demotion;
    return { kind: 'demotion', amount };
  }

  #sendPpp(port: Port, protocol: number, packet: Uint8Array): Result {
    if (!port.gateOpen || port.attached === null)
      return failed('ENETDOWN', 'the gate is closed or nothing is attached');
    return { answer: done(), outputs: this.#send(port, protocol, packet) };
  }

  /** A packet of the session, with the headers that a kernel writes. Only through an open gate. */
  #send(port: Port, protocol: number, packet: Uint8Array): KernelOutput[] {
    if (port.attached === null || !port.gateOpen) return [];
    port.counters.packetsOut += 1;
    port.counters.octetsOut += packet.length;
    const { sessionId, acMac } = port.attached;
    const payload = encodeSession({ sessionId, protocol, packet });
    const etherType = ETHERTYPE.PPPOE_SESSION;
    return this.#transmit(
      encodeEthernet({ destination: acMac, source: port.mac, etherType, payload }),
    );
  }

  #transmit(frame: Uint8Array): KernelOutput[] {
    return this.#carrier ? [{ kind: 'transmit', frame }] : [];
  }

  #receive(octets: Uint8Array): KernelOutput[] {
    try {
      const frame = decodeEthernet(octets);
      return [...this.#ports].flatMap(([session, port]) =>
        this.#arrive(session, port, frame, octets),
      );
    } catch (error) {
      if (error instanceof DecodeError) return [];
      throw error;
    }
  }

  #arrive(session: string, port: Port, frame: EthernetFrame, octets: Uint8Array): KernelOutput[] {
    const isOurs = sameOctets(frame.destination, port.mac);
    if (!isOurs && !sameOctets(frame.destination, BROADCAST)) return [];
    switch (frame.etherType) {
      case ETHERTYPE.PPPOE_DISCOVERY:
      case ETHERTYPE.RARP:
        return [{ kind: 'event', event: { event: 'frame', session, frame: octets } }];
      case ETHERTYPE.PPPOE_SESSION:
        return isOurs ? this.#arriveInSession(session, port, frame) : [];
      default:
        return [];
    }
  }

  #arriveInSession(session: string, port: Port, frame: EthernetFrame): KernelOutput[] {
    const { attached } = port;
    if (attached === null || !port.gateOpen || !sameOctets(frame.source, attached.acMac)) return [];
    const { sessionId, protocol, packet } = decodeSession(frame.payload);
    if (sessionId !== attached.sessionId) return [];
    port.counters.packetsIn += 1;
    port.counters.octetsIn += packet.length;
    if (protocol >= 0x8000)
      return [{ kind: 'event', event: { event: 'ppp', session, protocol, packet } }];
    return protocol === PROTOCOL.IPv4 ? this.#fromLine(session, port, packet) : [];
  }

  #fromLine(session: string, port: Port, packet: Uint8Array): KernelOutput[] {
    const { settings } = port;
    if (settings === null || !settings.up) return [];
    const { destination } = decodeIpv4(packet);
    const { ourAddress } = settings;
    if (ourAddress === null) return [];
    if (!sameOctets(destination, ourAddress)) return [{ kind: 'lan', session, packet }];
    const echo = decodeEcho(packet);
    if (echo?.kind !== 'request') return [{ kind: 'lan', session, packet }];
    const answer = encodeEcho({
      ...echo,
      kind: 'reply',
      source: echo.destination,
      destination: echo.source,
    });
    return this.#send(port, PROTOCOL.IPv4, answer);
  }

  #fromLan(session: string, packet: Uint8Array): KernelOutput[] {
    const port = this.#ports.get(session);
    if (port === undefined || port.route === 'none') return [];
    if (port.route === 'partner') return [{ kind: 'to-partner', session, packet }];
    const { settings } = port;
    const fits =
      settings?.up === true && settings.ourAddress !== null && packet.length <= settings.mtu;
    return fits ? this.#send(port, PROTOCOL.IPv4, packet) : [];
  }

  #tellAll(about: (session: string, port: Port) => LineEvent | undefined): KernelOutput[] {
    return [...this.#ports].flatMap(([session, port]) => {
      const event = about(session, port);
      return event === undefined ? [] : [{ kind: 'event', event } as const];
    });
  }
}

const keyText = ({ sessionId, acMac }: CallBody<'attach'>['key']): string =>
  `${sessionId}/${toHex(acMac)}`;

function setGate(session: string, port: Port, open: boolean): KernelOutput[] {
  if (port.gateOpen === open) return [];
  port.gateOpen = open;
  return [{ kind: 'gate', session, open }];
}
