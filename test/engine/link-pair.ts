/**
 * One Link and a scripted Access Concentrator under a virtual clock: values in, values out, no octets. The AC does what
 * a plain one does; a test changes its temperament or answers single packets itself.
 */
import { Link, type LinkOutcome } from '@ppp-thing/protocol/engine/link/link';
import { Secret, type Random } from '@ppp-thing/protocol/engine/hashes';
import type { Action, Event, Note } from '@ppp-thing/protocol/engine/events';
import type { LinkConfig } from '@ppp-thing/protocol/engine/session-config';
import type { SessionFacts } from '@ppp-thing/protocol/session';
import { millis, seconds, WallClock, type Instant } from '@ppp-thing/protocol/time';
import type { MacAddress } from '@ppp-thing/protocol/wire/ethernet';
import type { LcpPacket, PppPacket } from '@ppp-thing/protocol/wire/ppp';
import type { DiscoveryPacket, Tag } from '@ppp-thing/protocol/wire/pppoe';
import { HASHES } from './hashes.ts';
import { Recorder } from './recorder.ts';
import {
  AC_MAC,
  at,
  OUR_MAC,
  ScriptedAc,
  SESSION_ID,
  WALL_CLOCK,
  type Sent,
  type Temperament,
} from './scripted-ac.ts';

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

/** Numbers that look random and are the same in every run. */
export function counterRandom(seed = 1): Random {
  let state = seed;
  return (length) =>
    Uint8Array.from({ length }, () => {
      state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
      return (state >>> 16) & 0xff;
    });
}

export type LinkOutput = Action | { readonly kind: 'outcome'; readonly outcome: LinkOutcome };

export interface Logged {
  readonly at: Instant;
  readonly output: LinkOutput;
}

export class LinkPair {
  readonly link: Link;
  readonly ac: ScriptedAc;
  readonly log: Logged[] = [];
  readonly #recorder = new Recorder();
  now: Instant = at(1000);
  /** Frames from the AC still on the line, and frames to it that take their time. */
  readonly line: { readonly at: Instant; readonly event: Event }[] = [];
  readonly toAc: { readonly at: Instant; readonly sent: Sent }[] = [];
  /** Milliseconds a frame takes from the AC, and to it. */
  latency = 5;
  latencyToAc = 0;
  /** Called for each output as it comes. */
  onOutput: (output: LinkOutput) => void = () => undefined;
  #isDead = false;
  /** Answer a packet instead of the AC; undefined leaves it to the AC. */
  intercept: (sent: Sent, ac: ScriptedAc) => readonly Event[] | undefined = () => undefined;
  constructor(config: Partial<LinkConfig> = {}, temperament: Partial<Temperament> = {}) {
    this.ac = new ScriptedAc(temperament);
    this.link = new Link(
      { ...CONFIG, ...config },
      HASHES,
      counterRandom(),
      new WallClock(WALL_CLOCK),
      this.#recorder.out,
    );
  }

  // --- driving -------------------------------------------------------------------------------------------------

  dial(previous: SessionFacts | null = null): this {
    return this.#take(this.link.dial(previous, this.now));
  }

  /** Take over a session that the AC knows. */
  resume(facts: SessionFacts): this {
    this.ac.knows(facts);
    return this.#take(this.link.resume(facts, this.now));
  }

  /** Nothing passes any more, in either direction; and again. */
  deaf(): this {
    this.#isDead = true;
    this.intercept = () => [];
    return this;
  }

  hearing(): this {
    this.#isDead = false;
    this.intercept = () => undefined;
    return this;
  }

  suspend(): this {
    return this.#take(this.link.suspend(this.now));
  }

  hangUp(): this {
    return this.#take(this.link.hangUp('disconnected by the operator', this.now));
  }

  /** An event now. */
  feed(event: Event): this {
    return this.#take(this.link.handle(event, this.now));
  }

  /** A PPP packet of the AC, now. */
  hear(packet: PppPacket): this {
    return this.feed({ kind: 'ppp', packet });
  }

  /** The AC lost its state but kept the session: it negotiates anew. */
  renegotiate(): this {
    for (const packet of this.ac.forgets(this.now)) this.hear(packet);
    return this;
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
      const toAc = this.toAc.reduce((a, b) => Math.min(a, b.at), Infinity);
      const ac = this.ac.deadline() ?? Infinity;
      const deadline = this.link.deadline() ?? Infinity;
      const next = Math.min(frame, toAc, ac, deadline);
      if (next > end) {
        this.now = end;
        return this;
      }
      this.now = at(Math.max(this.now, next));
      if (frame === next) {
        const first = takeDue(this.line, next);
        if (first !== undefined) this.feed(first.event);
      } else if (toAc === next) {
        const first = takeDue(this.toAc, next);
        if (first !== undefined) this.#reach(first.sent);
      } else if (ac === next) {
        const events = this.ac.expire(this.now);
        if (!this.#isDead) this.#fromAc(events);
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
    return this.outputs.flatMap((output) =>
      output.kind === 'outcome' && output.outcome.kind !== 'given' ? [output.outcome] : [],
    );
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

  #take(outcomes: readonly LinkOutcome[]): this {
    const signals = outcomes.map((outcome) => ({ kind: 'outcome', outcome }) as const);
    for (const output of this.#recorder.take(signals)) {
      this.log.push({ at: this.now, output });
      this.onOutput(output);
      if (output.kind !== 'send-discovery' && output.kind !== 'send-ppp') continue;
      if (this.latencyToAc === 0) this.#reach(output);
      else this.toAc.push({ at: at(this.now + this.latencyToAc), sent: output });
    }
    return this;
  }

  #reach(sent: Sent): void {
    this.#fromAc(this.intercept(sent, this.ac) ?? this.ac.answer(sent, this.now));
  }

  #fromAc(events: readonly Event[]): void {
    for (const event of events) this.line.push({ at: at(this.now + this.latency), event });
  }
}

/** The first of those that are due at `at`. */
function takeDue<T extends { readonly at: Instant }>(all: T[], due: number): T | undefined {
  return all.splice(
    all.findIndex((each) => each.at === due),
    1,
  )[0];
}

/** The name of a packet sent, for dialogues. */
export function name(sent: Sent): string {
  if (sent.kind === 'send-discovery') return sent.packet.code;
  const { packet } = sent;
  return packet.protocol === 'unknown' ? 'unknown' : `${packet.protocol} ${packet.packet.code}`;
}
