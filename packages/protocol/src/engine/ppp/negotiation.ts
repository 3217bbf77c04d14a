/**
 * One automaton with its counters, its Restart timer, its identifiers and its Configure-* exchange (RFC 1661 §4, §5.1–5.6).
 * It knows no option of any protocol: `Options` says what to request and how to judge.
 *
 * Theory of operation. A packet becomes one event of the table; the table's actions become packets to send and one signal
 * to the layers above. Nothing a peer sends keeps the exchange going for ever: requests are counted (Max-Configure),
 * our Naks become Rejects (Max-Failure), and a peer whose Naks and Rejects never end in an Ack is no longer answered,
 * so that the Restart counter runs out.
 */
import { after, millis, type Instant } from '../../time.ts';
import type { ConfigurePacket, ControlPacket } from '../../wire/ppp.ts';
import {
  isTimed,
  step,
  type AutomatonAction,
  type AutomatonEvent,
  type AutomatonState,
} from './automaton.ts';
import type { Note } from '../events.ts';
import { logTo, type Log } from '../out.ts';
import { isSubset, sameOptions, type AnyOption, type Options } from './options.ts';
import { RESTART_PERIOD, type RestartTimer } from './restart-timer.ts';
import type { PppShared } from './shared.ts';
import { PPP_WAITS, type Layer, type PppTimers } from './waits.ts';
import { unreachable } from '../../unreachable.ts';

export type LayerSignal = 'tlu' | 'tld' | 'tls' | 'tlf';

/** RFC 1661 §4.6. */
export const MAX_CONFIGURE = 10;
export const MAX_TERMINATE = 2;
export const MAX_FAILURE = 5;
/** Requests that we refuse in one negotiation. After that we do not answer, and the peer's own counter runs out. */
const MAX_REFUSED = 20;
/** Codes without which no negotiation is possible: their rejection is an RXJ- (§4.3). */
const ESSENTIAL_CODES = { first: 1, last: 4 };
/** Octets of a Code-Reject before the rejected packet. */
const HEADER = 4;

export class Negotiation<Option extends AnyOption> {
  readonly #log: Log;
  readonly #send: (packet: ControlPacket<Option>) => void;
  readonly #options: Options<Option>;
  readonly #peerMru: () => number;
  readonly #restartTimer: RestartTimer;
  readonly #timers: PppTimers;
  readonly #restart: `${Layer}-restart`;
  readonly #answerHeld: `${Layer}-held`;
  #state: AutomatonState = 'Initial';
  /** Transmissions left before TO-. */
  #restartCounter = 0;
  /** Transmissions since the negotiation began, which set the span to the next. */
  #transmissions = 0;
  /** When the outstanding request was last sent, and how often. */
  #sentAt: Instant | undefined;
  #copies = 0;
  #identifier = 0;
  #request: ConfigurePacket<Option> | undefined;
  /** The last request was answered: ignore other answers to it, and do not use its Identifier again. */
  #answered = false;
  /** The peer's request that we acknowledged last, and when. */
  #acknowledged: { readonly packet: ConfigurePacket<Option>; readonly at: Instant } | undefined;
  /** A request of the peer's that waits for the answer to ours, which may be right behind it; and since when. */
  #held: { readonly packet: ConfigurePacket<Option>; readonly from: Instant } | undefined;
  /** Configure-Naks we sent, and Naks or Rejects we received, since the negotiation began. */
  #naksSent = 0;
  #naksReceived = 0;
  /** How many of the peer's requests we refused, and of the last one, what. */
  #refused = 0;
  #refusedOptions: readonly Option[] = [];
  /** What the peer asks for again and again although we refuse it, or wants us to ask for. */
  #insists: readonly Option[] = [];

  /** @param peerMru the largest packet the peer takes, octets; a Code-Reject is cut to it (§5.6) */
  constructor(
    machine: Layer,
    options: Options<Option>,
    peerMru: () => number,
    { restartTimer, timers, out }: Pick<PppShared, 'restartTimer' | 'timers' | 'out'>,
    send: (packet: ControlPacket<Option>) => void,
  ) {
    this.#log = logTo(out, machine, () => this.#state);
    this.#send = send;
    this.#options = options;
    this.#peerMru = peerMru;
    this.#restartTimer = restartTimer;
    this.#timers = timers;
    this.#restart = `${machine}-restart`;
    this.#answerHeld = `${machine}-held`;
  }

  get state(): AutomatonState {
    return this.#state;
  }

  /** The Identifier used last. */
  get identifier(): number {
    return this.#identifier;
  }

  /** What we refused of the peer's last request. */
  get refused(): readonly Option[] {
    return this.#refusedOptions;
  }

  /** The options without which the peer does not agree. */
  get insists(): readonly Option[] {
    return this.#insists;
  }

  /** An Identifier for the next packet we originate. */
  nextIdentifier(): number {
    this.#identifier = (this.#identifier + 1) & 0xff;
    return this.#identifier;
  }

  /** Go to Opened as the previous holder left it; expect no Configure-Ack. */
  resume(identifier: number): void {
    const from = this.#state;
    this.#state = 'Opened';
    this.#letGo();
    this.#identifier = identifier & 0xff;
    this.#request = undefined;
    this.#timers.clear(this.#restart);
    this.#restartCounter = MAX_CONFIGURE;
    this.#transmissions = 0;
    this.#log('debug', 'resume', {}, { from, to: this.#state });
  }

  /** A lower-layer or administrative event. */
  fire(
    event: 'Up' | 'Down' | 'Open' | 'Close' | 'RXJ+' | 'RXJ-',
    now: Instant,
  ): LayerSignal | undefined {
    this.#letGo();
    return this.#fire(event, now);
  }

  /** The deadline has come. Early or repeated calls do nothing. */
  expire(now: Instant): LayerSignal | undefined {
    if (this.#timers.isDue(this.#answerHeld, now)) return this.#release(now);
    if (!this.#timers.isDue(this.#restart, now)) return undefined;
    return this.#fire(this.#restartCounter > 0 ? 'TO+' : 'TO-', now);
  }

  /** A packet that only this protocol has. @returns whether the table answers it: in Opened only (RXR) */
  receiveExtension(now: Instant): boolean {
    const answered = step(this.#state, 'RXR')?.actions.includes('ser') ?? false;
    this.#fire('RXR', now);
    return answered;
  }

  receive(packet: ControlPacket<Option>, now: Instant): LayerSignal | undefined {
    if (this.#held === undefined) return this.#receive(packet, now);
    if (!isAnswerCode(packet.code)) return this.#release(now) ?? this.#receive(packet, now);
    const request = this.#request;
    const signal = this.#receive(packet, now);
    // Not if it was an answer to nothing.
    const isAnswered = this.#answered || this.#request !== request;
    return isAnswered ? (this.#release(now) ?? signal) : signal;
  }

  #receive(packet: ControlPacket<Option>, now: Instant): LayerSignal | undefined {
    const { code, identifier } = packet;
    switch (packet.code) {
      case 'Configure-Request':
        if (this.#wasMissed(now)) {
          this.#held = { packet, from: now };
          this.#timers.set(this.#answerHeld, after(now, PPP_WAITS[this.#answerHeld]));
          return undefined;
        }
        return this.#receiveRequest(packet, now);
      case 'Configure-Ack':
        if (!this.#isAnswer(packet) || !sameOptions(packet.options, this.#request?.options ?? []))
          return this.#drop(code, identifier);
        this.#wasAnswered(now);
        return this.#fire('RCA', now, { id: identifier });
      case 'Configure-Nak':
      case 'Configure-Reject':
        return this.#receiveRefusal(packet, now);
      case 'Terminate-Request':
        return this.#fire('RTR', now, { id: identifier }, packet);
      case 'Terminate-Ack':
        return this.#fire('RTA', now, { id: identifier });
      case 'Code-Reject': {
        const [rejected = 0] = packet.rejected;
        return this.#fire(isEssential(packet.rejected) ? 'RXJ-' : 'RXJ+', now, { rejected });
      }
      case 'unknown':
        return this.#fire('RUC', now, { code: packet.number }, packet);
      default:
        return unreachable(packet);
    }
  }

  /** Answer the peer's request that waited; before it repeat ours, unless that was answered or repeated meanwhile. */
  #release(now: Instant): LayerSignal | undefined {
    const held = this.#held;
    this.#letGo();
    if (held === undefined) return undefined;
    const isMissed = this.#state === 'Req-Sent' && !this.#answered && this.#restartCounter > 0;
    if (isMissed && this.#sentAt !== undefined && this.#sentAt < held.from) this.#sendRequest(now);
    return this.#receiveRequest(held.packet, now);
  }

  #letGo(): void {
    this.#held = undefined;
    this.#timers.clear(this.#answerHeld);
  }

  #receiveRequest(packet: ConfigurePacket<Option>, now: Instant): LayerSignal | undefined {
    const answer = this.#answer(packet);
    if (this.#state === 'Opened' && this.#isCopy(packet, now)) {
      this.#log('debug', 'acknowledged again', { id: packet.identifier });
      this.#send(answer);
      return undefined;
    }
    const event = answer.code === 'Configure-Ack' ? 'RCR+' : 'RCR-';
    this.#refusedOptions = event === 'RCR-' ? answer.options : [];
    if (event === 'RCR-' && !isSettled(this.#state)) {
      this.#refused += 1;
      if (this.#refused > MAX_REFUSED) {
        this.#insists = answer.options;
        return this.#drop('endless Configure-Request', packet.identifier);
      }
    }
    return this.#fire(event, now, { id: packet.identifier }, answer);
  }

  /**
   * Whether the peer sent this before it had the Ack that we sent for it. By the table (§4.3) such a request ends what both
   * have just opened, and where the round trip is longer than the peer's Restart timer, every time anew. A peer that has
   * begun anew has another Magic-Number or Identifier, or asks again when the copies must have ended.
   */
  #isCopy({ identifier, options }: ConfigurePacket<Option>, now: Instant): boolean {
    const acknowledged = this.#acknowledged;
    if (acknowledged === undefined || acknowledged.packet.identifier !== identifier) return false;
    const until = after(acknowledged.at, this.#restartTimer.span(false, 0));
    return now <= until && sameOptions(acknowledged.packet.options, options);
  }

  /**
   * Whether the peer has asked and not answered, though it had the time: it has only just begun to listen, or its answer
   * follows. If none does, our request goes out again before our Ack, and so before the peer can open.
   */
  #wasMissed(now: Instant): boolean {
    if (this.#state !== 'Req-Sent' || this.#answered || this.#restartCounter === 0) return false;
    return this.#sentAt !== undefined && this.#restartTimer.isOverdue(now - this.#sentAt);
  }

  /** RFC 1661 §5.2–5.4: Ack with the same octets; else Reject what is unknown; else Nak with our values. */
  #answer(packet: ConfigurePacket<Option>): ConfigurePacket<Option> {
    const { identifier, options } = packet;
    // No option may be listed twice (§5, §6): of two authentications the peer would mean the one, and we do the other.
    const kinds = options.map(({ kind }) => kind);
    const verdicts = options.map((option, i) => ({
      option,
      verdict: kinds.indexOf(option.kind) < i ? 'reject' : this.#options.judge(option),
    }));
    const rejected = verdicts.filter(({ verdict }) => verdict === 'reject');
    if (rejected.length > 0)
      return { code: 'Configure-Reject', identifier, options: rejected.map((v) => v.option) };
    const refused = verdicts.flatMap(({ option, verdict }) =>
      typeof verdict === 'object' ? [{ option, nak: verdict.nak }] : [],
    );
    // §4.6: after Max-Failure Naks, what we would still Nak is rejected, and nothing is appended.
    const isPatient = this.#naksSent < MAX_FAILURE;
    const naks = refused.map((r) => r.nak);
    if (isPatient) naks.push(...this.#options.missing(options));
    if (naks.length === 0) return { code: 'Configure-Ack', identifier, options };
    if (isPatient) return { code: 'Configure-Nak', identifier, options: naks };
    return { code: 'Configure-Reject', identifier, options: refused.map((r) => r.option) };
  }

  #receiveRefusal(packet: ConfigurePacket<Option>, now: Instant): LayerSignal | undefined {
    const { code, identifier, options } = packet;
    const request = this.#request?.options ?? [];
    // A Reject lists options of our request; a Nak may name others as hints (§5.3, §5.4).
    const isSensible = code === 'Configure-Nak' || isSubset(options, request);
    if (!this.#isAnswer(packet) || !isSensible || options.length === 0)
      return this.#drop(code, identifier);
    this.#naksReceived += 1;
    if (this.#naksReceived > MAX_CONFIGURE) {
      this.#insists = options.filter(({ kind }) => !request.some((each) => each.kind === kind));
      return this.#drop(`endless ${code}`, identifier);
    }
    this.#wasAnswered(now);
    if (code === 'Configure-Reject') this.#options.rejected(options);
    // What we wish for may not keep the link down for ever: a peer that never has enough is not asked for it again.
    else if (this.#naksReceived >= MAX_FAILURE) this.#options.giveUp(options);
    else this.#options.naked(options);
    return this.#fire('RCN', now, { id: identifier, code });
  }

  /** A round trip is known only if one request led to one answer. */
  #wasAnswered(now: Instant): void {
    this.#answered = true;
    if (this.#copies === 1 && this.#sentAt !== undefined)
      this.#restartTimer.measured(millis(now - this.#sentAt));
  }

  /** To the request now outstanding, and the first answer to it. */
  #isAnswer(packet: ConfigurePacket<Option>): boolean {
    return this.#request?.identifier === packet.identifier && !this.#answered;
  }

  #fire(
    event: AutomatonEvent,
    now: Instant,
    facts: NonNullable<Note['facts']> = {},
    cause?: ControlPacket<Option>,
  ): LayerSignal | undefined {
    const transition = step(this.#state, event);
    if (transition === undefined) return undefined;
    const { actions, next: to } = transition;
    const from = this.#state;
    this.#state = to;
    if (isSettled(from) && !isSettled(to)) this.#begin();
    // An Echo-Request that changes nothing is not a transition worth a line.
    if (event !== 'RXR') this.#log('debug', event, facts, { from, to, actions });
    for (const action of actions) this.#act(action, actions, now, cause);
    if (!isTimed(this.#state)) this.#timers.clear(this.#restart);
    // One end has acknowledged: from here on a copy of ours must not come too early.
    else if (from !== this.#state && (this.#state === 'Ack-Sent' || this.#state === 'Ack-Rcvd'))
      this.#restartIn(false, 0, now);
    return actions.find(isSignal);
  }

  #begin(): void {
    this.#options.restart();
    this.#naksSent = 0;
    this.#naksReceived = 0;
    this.#refused = 0;
    this.#refusedOptions = [];
    this.#insists = [];
    this.#request = undefined;
    this.#transmissions = 0;
  }

  #act(
    action: AutomatonAction,
    all: readonly AutomatonAction[],
    now: Instant,
    cause: ControlPacket<Option> | undefined,
  ): void {
    switch (action) {
      case 'tlu':
      case 'tld':
      case 'tls':
      case 'tlf':
        return; // The layers above and below are told when all is sent.
      case 'irc':
        this.#restartCounter = all.includes('str') ? MAX_TERMINATE : MAX_CONFIGURE;
        if (all.includes('str')) this.#transmissions = 0;
        return;
      case 'zrc':
        this.#restartCounter = 0;
        this.#timers.set(this.#restart, after(now, RESTART_PERIOD));
        return;
      case 'scr':
        return this.#sendRequest(now);
      case 'str':
        this.#transmitted(now);
        return this.#terminate('Terminate-Request', this.nextIdentifier());
      case 'sca':
      case 'scn':
        return this.#sendAnswer(cause, now);
      case 'sta':
        return this.#terminate('Terminate-Ack', cause?.identifier ?? this.nextIdentifier());
      case 'scj':
        return this.#sendCodeReject(cause);
      case 'ser':
        return; // Only LCP has Echo-Requests, and it knows what to answer.
      default:
        return unreachable(action);
    }
  }

  /** The Identifier changes with the content, and once the last request was answered (RFC 1661 §5.1). */
  #sendRequest(now: Instant): void {
    const options = this.#options.request();
    const previous = this.#request;
    const isRepetition =
      previous !== undefined && !this.#answered && sameOptions(previous.options, options);
    const identifier = isRepetition ? previous.identifier : this.nextIdentifier();
    this.#request = { code: 'Configure-Request', identifier, options };
    this.#answered = false;
    this.#copies = isRepetition ? this.#copies + 1 : 1;
    this.#sentAt = now;
    this.#transmitted(now);
    this.#send(this.#request);
  }

  #sendAnswer(cause: ControlPacket<Option> | undefined, now: Instant): void {
    if (cause === undefined || !('options' in cause)) return;
    if (cause.code === 'Configure-Ack') {
      this.#options.accept(cause.options);
      this.#naksSent = 0;
      this.#acknowledged = { packet: cause, at: now };
    }
    if (cause.code === 'Configure-Nak') this.#naksSent += 1;
    this.#send(cause);
  }

  #sendCodeReject(cause: ControlPacket<Option> | undefined): void {
    if (cause?.code !== 'unknown') return;
    const rejected = cause.raw.slice(0, Math.max(0, this.#peerMru() - HEADER));
    this.#send({ code: 'Code-Reject', identifier: this.nextIdentifier(), rejected });
  }

  #terminate(code: 'Terminate-Request' | 'Terminate-Ack', identifier: number): void {
    this.#send({ code, identifier, data: new Uint8Array(0) });
  }

  #transmitted(now: Instant): void {
    this.#restartCounter = Math.max(0, this.#restartCounter - 1);
    this.#restartIn(this.#state !== 'Ack-Sent', this.#transmissions, now);
    this.#transmissions += 1;
  }

  /** @param isEarly the peer cannot be Opened @param sent transmissions before */
  #restartIn(isEarly: boolean, sent: number, now: Instant): void {
    const span = PPP_WAITS[this.#restart](this.#restartTimer, isEarly, sent);
    this.#timers.set(this.#restart, after(now, span));
  }

  #drop(what: string, identifier: number): undefined {
    this.#log('debug', `ignored ${what}`, { id: identifier });
  }
}

/** @param rejected the packet that came back in a Code-Reject */
export const isEssential = ([code = 0]: Uint8Array): boolean =>
  code >= ESSENTIAL_CODES.first && code <= ESSENTIAL_CODES.last;

/** States in which no exchange is under way: leaving them begins a new one. */
export function isSettled(state: AutomatonState): boolean {
  return !['Req-Sent', 'Ack-Rcvd', 'Ack-Sent'].includes(state);
}

const isAnswerCode = (code: string): boolean =>
  ['Configure-Ack', 'Configure-Nak', 'Configure-Reject'].includes(code);

const isSignal = (action: AutomatonAction): action is LayerSignal =>
  action === 'tlu' || action === 'tld' || action === 'tls' || action === 'tlf';
