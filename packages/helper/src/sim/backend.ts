/**
 * The sim backend: the verbs as calls to this router's simulated kernel in the lab (`line.ts`). It holds no state of a
 * session: like a real kernel, the lab's has all of it, and a new helper finds it there.
 */
import { Deframer, FramingError, encodeMessage } from '@ppp-thing/protocol/ipc/framing';
import { encodeAnnounce, decodeAnnounce, type Announced } from '../announce.ts';
import { BackendError } from '../errors.ts';
import type {
  Backend,
  BackendContext,
  BackendEvents,
  Counters,
  Found,
  Key,
  SessionSettings,
  Settings,
  Via,
} from '../backend.ts';
import type { Address6, Aggregate } from '../backend.ts';
import { SystemError, type Libc } from '../libc.ts';
import type { Loop } from '../loop.ts';
import type { SessionPolicy } from '../policy.ts';
import { POLLIN, connectTo, noSignal, setNonblocking, setReceiveTimeout } from '../unix.ts';
import {
  ANSWER_DONE,
  ANSWER_FAILED,
  LINE_VERSION,
  isAnswer,
  isEvent,
  type AnswerBody,
  type Call,
  type CallBody,
  type CallName,
  type Opening,
} from './line.ts';

const ETHERTYPE_DISCOVERY = 0x8863;
const HEADER = 14;

/** The lab answers at once; one that does not is gone. */
const ANSWER_TIMEOUT_SECONDS = 2;
/** A lab that went away is looked for this often. */
const RECONNECT_MS = 500;

export class SimBackend implements Backend {
  readonly platform = 'sim';
  readonly #libc: Libc;
  readonly #loop: Loop;
  readonly #path: string;
  readonly #events: BackendEvents;
  readonly #log: (line: string) => void;
  readonly #policies = new Map<string, SessionPolicy>();
  #calls: Channel | undefined;
  #heard: number | undefined;
  #stopLooking: (() => void) | undefined;

  constructor({ libc, loop, policy, events, log }: BackendContext) {
    if (policy.simSwitch === undefined)
      throw new BackendError('start', 'sim', 'EINVAL', 'the policy has no sim_switch');
    this.#libc = libc;
    this.#loop = loop;
    this.#path = policy.simSwitch;
    this.#events = events;
    this.#log = log;
  }

  start(policy: SessionPolicy): void {
    this.#listen();
    const { name: session, mac, carp, stub } = policy;
    const vhid = policy.policy === 'pinned' ? null : (carp?.vhid ?? 0);
    this.#call('start', { session, mac, vhid, stub: stub ?? null });
    this.#policies.set(session, policy);
  }

  inspect(session: string): Found {
    return this.#call('inspect', { session });
  }

  sendDiscovery(session: string, destination: Uint8Array, payload: Uint8Array): void {
    const frame = new Uint8Array(HEADER + payload.length);
    frame.set(destination);
    frame.set(this.#policy(session).mac, 6);
    new DataView(frame.buffer).setUint16(12, ETHERTYPE_DISCOVERY);
    frame.set(payload, HEADER);
    this.#call('transmit', { session, frame });
  }

  attach(session: string, { sessionId, acMac }: Key, maxPayload: number): void {
    this.#call('attach', { session, key: { sessionId, acMac }, maxPayload });
  }

  gate(session: string, open: boolean): void {
    this.#call('gate', { session, open });
  }

  sendPpp(session: string, protocol: number, packet: Uint8Array): void {
    this.#call('ppp-send', { session, protocol, packet });
  }

  configure(session: string, settings: Settings): void {
    const { mtu, up, ourAddress, theirAddress, interfaceIds } = settings;
    this.#call('configure', { session, mtu, up, ourAddress, theirAddress, interfaceIds });
  }

  raise(session: string, settings: SessionSettings): void {
    this.configure(session, { ...settings, up: true });
  }

  deconfigure(session: string): void {
    this.#call('deconfigure', { session });
  }

  route(session: string, via: Via): void {
    this.#call('route', { session, via });
  }

  announce(session: string, announced: Announced): void {
    const frame = encodeAnnounce(this.#policy(session).mac, announced);
    this.#call('transmit', { session, frame });
  }

  detach(session: string): void {
    this.#call('detach', { session });
  }

  demote(session: string, on: boolean): void {
    this.#call('demote', { session, on, amount: this.#policy(session).demotion });
  }

  setAddress6({ interface: name, address, bits, preferred, valid }: Address6): void {
    this.#call('address6', { interface: name, address, bits, preferred, valid });
  }

  removeAddress6(name: string, address: Uint8Array, bits: number): void {
    this.#call('address6', { interface: name, address, bits, preferred: 0, valid: 0 });
  }

  setUnreachable6({ prefix, length }: Aggregate, _fib: number, on: boolean): void {
    this.#call('unreachable6', { prefix, length, on });
  }

  counters(session: string): Counters {
    return this.#call('counters', { session });
  }

  leave(): void {
    this.#stopLooking?.();
    this.#deafen();
    this.#calls?.close();
    this.#calls = undefined;
  }

  remove(): void {
    for (const session of this.#policies.keys()) this.#call('remove', { session });
    this.leave();
  }

  #policy(session: string): SessionPolicy {
    const policy = this.#policies.get(session);
    if (policy === undefined) throw new BackendError('find', session, 'ENXIO', 'not started');
    return policy;
  }

  /** One call, answered before this returns. A channel that broke is opened anew by the next call. */
  #call<C extends CallName>(call: C, body: CallBody<C>): AnswerBody<C> {
    const subject = 'session' in body ? body.session : 'IPv6';
    try {
      this.#calls ??= new Channel(this.#libc, this.#path, 'calls');
      // The spread of a generic body is not seen to be a member of the union that it is.
      const answer = this.#calls.ask({ call, ...body } as unknown as Call);
      if (ANSWER_DONE.is(answer) && isAnswer(call, answer.done)) return answer.done;
      if (ANSWER_FAILED.is(answer)) {
        const { code, reason } = answer.failed;
        throw new BackendError(call, subject, code, reason);
      }
      throw new FramingError(`not an answer to ${call}`);
    } catch (cause) {
      if (!(cause instanceof SystemError || cause instanceof FramingError)) throw cause;
      this.#calls?.close();
      this.#calls = undefined;
      const code = cause instanceof SystemError ? cause.code : 'EPROTO';
      throw new BackendError(call, subject, code, `lab at ${this.#path}`, { cause });
    }
  }

  /** Hear the kernel's events from now on. */
  #listen(): void {
    if (this.#heard !== undefined) return;
    const channel = new Channel(this.#libc, this.#path, 'events');
    const { fd, deframer } = channel;
    setNonblocking(this.#libc, fd);
    const room = new Uint8Array(64 * 1024);
    this.#heard = fd;
    this.#loop.watch(fd, POLLIN, () => {
      try {
        const length = this.#libc.read(fd, room);
        if (length === 0) throw new FramingError('the lab closed it');
        if (length === -1) return;
        for (const message of deframer.push(room.subarray(0, length))) this.#tell(message);
      } catch (error) {
        if (!(error instanceof SystemError || error instanceof FramingError)) throw error;
        this.#log(`hear ${this.#path}: EPROTO: ${error.message}`);
        this.#deafen();
        this.#lookForLab();
      }
    });
  }

  #deafen(): void {
    if (this.#heard === undefined) return;
    this.#loop.unwatch(this.#heard);
    this.#libc.close(this.#heard);
    this.#heard = undefined;
  }

  #lookForLab(): void {
    this.#stopLooking = this.#loop.every(RECONNECT_MS, () => {
      this.#listen();
      this.#stopLooking?.();
      for (const [session, policy] of this.#policies) {
        this.start(policy);
        const { role, carrier } = this.inspect(session);
        this.#events.roles([{ session, role }]);
        this.#events.carrier(session, carrier);
      }
    });
  }

  #tell(message: unknown): void {
    if (!isEvent(message)) throw new FramingError('not an event');
    if (!this.#policies.has(message.session)) return;
    switch (message.event) {
      case 'frame':
        return this.#frame(message.session, message.frame);
      case 'ppp':
        return this.#events.pppFrame(message.session, message.protocol, message.packet);
      case 'role':
        return this.#events.roles([{ session: message.session, role: message.role }]);
      case 'carrier':
        return this.#events.carrier(message.session, message.up);
      case 'closed':
        return this.#events.sessionClosed(message.session);
      case 'dropped':
        return this.#events.dropped(message.session, message.frames);
      default: {
        const unreachable: never = message;
        return unreachable;
      }
    }
  }

  /** What another station sent. With our own MAC as its source it is the partner's, and never an AC's. */
  #frame(session: string, frame: Uint8Array): void {
    const { mac } = this.#policy(session);
    const source = frame.slice(6, 12);
    const etherType = ((frame[12] ?? 0) << 8) | (frame[13] ?? 0);
    const announced = decodeAnnounce(frame, mac);
    if (announced !== undefined) this.#events.ownMacHeard(session, announced);
    else if (etherType === ETHERTYPE_DISCOVERY && source.some((octet, i) => octet !== mac[i]))
      this.#events.discoveryFrame(session, source, frame.slice(HEADER));
  }
}

/** A connection to the lab, opened and greeted; blocking, with a limit to the wait. */
class Channel {
  readonly fd: number;
  readonly deframer = new Deframer();
  readonly #libc: Libc;
  readonly #room = new Uint8Array(64 * 1024);

  constructor(libc: Libc, path: string, channel: Opening['channel']) {
    this.#libc = libc;
    this.fd = connectTo(libc, path);
    try {
      setReceiveTimeout(libc, this.fd, ANSWER_TIMEOUT_SECONDS);
      const opening: Opening = { channel, version: LINE_VERSION };
      if (!ANSWER_DONE.is(this.ask(opening))) throw new FramingError('the lab refused the channel');
    } catch (error) {
      this.close();
      throw error;
    }
  }

  close(): void {
    this.#libc.close(this.fd);
  }

  /** Send, and wait for the one message that answers. A lab that is silent or gone is a SystemError. */
  ask(message: Opening | Call): unknown {
    let octets = encodeMessage(message);
    while (octets.length > 0) {
      const sent = this.#libc.sendto(this.fd, octets, noSignal(this.#libc));
      if (sent === -1) throw new SystemError('sendto', 'ETIMEDOUT', 0);
      octets = octets.subarray(sent);
    }
    for (;;) {
      const length = this.#libc.read(this.fd, this.#room);
      if (length === -1) throw new SystemError('read', 'ETIMEDOUT', 0);
      if (length === 0) throw new SystemError('read', 'ECONNRESET', 0);
      for (const answer of this.deframer.push(this.#room.subarray(0, length))) return answer;
    }
  }
}
