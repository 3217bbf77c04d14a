/**
 * Finds a session: the back-off, then the Discovery Stage, repeated until an AC confirms one. The link negotiates that
 * session and ends it.
 */
import type { Instant, Millis } from '../../time.ts';
import type { MacAddress } from '../../wire/ethernet.ts';
import type { DiscoveryPacket } from '../../wire/pppoe.ts';
import { Discovery, type DiscoverySettings, type DiscoverySignal } from './discovery.ts';
import type { Random } from '../hashes.ts';
import { logTo, type Log, type Out } from '../out.ts';
import type { Phase } from '../session-config.ts';
import { Redial, type Ending } from './redial.ts';
import { ALWAYS, type Turn } from './turn.ts';
import type { LinkTimers } from './waits.ts';

/** `Queue`: the back-off is over, but as many other lines are dialling as may at a time. */
type State = 'Idle' | 'Wait' | 'Queue' | 'Discovery';

export class Dialler {
  readonly #discovery: Discovery;
  readonly #redial: Redial;
  readonly #turn: Turn;
  readonly #timers: LinkTimers;
  readonly #log: Log;
  #state: State = 'Idle';
  #attempts = 0;

  constructor(
    settings: DiscoverySettings & { longestRedial?: Millis },
    random: Random,
    timers: LinkTimers,
    out: Out,
    turn: Turn = ALWAYS,
  ) {
    this.#turn = turn;
    this.#timers = timers;
    this.#log = logTo(out, 'link', () => this.phase ?? 'Dead');
    this.#discovery = new Discovery(settings, random, timers, out);
    this.#redial = new Redial(random, settings.longestRedial);
  }

  get phase(): 'Wait' | 'Discovery' | undefined {
    if (this.#state === 'Queue') return 'Wait';
    return this.#state === 'Idle' ? undefined : this.#state;
  }

  /** Dials since the last success. */
  get attempts(): number {
    return this.#attempts;
  }

  get nextDial(): Instant | undefined {
    return this.#timers.at('back-off');
  }

  /** Why the current dial has not succeeded yet, for people. */
  get trouble(): string | undefined {
    if (this.#state === 'Queue') return `waits for its turn: ${this.#turn.ahead()} lines first`;
    return this.#discovery.trouble;
  }

  /** The AC that the last PADR went to. */
  get ac(): Discovery['ac'] {
    return this.#discovery.ac;
  }

  /** An AC has offered, and is expected to confirm. */
  isPromising(now: Instant): boolean {
    return this.#discovery.isPromising(now);
  }

  /** Facts of the current dial, or of the last one. */
  get hostUniq(): Uint8Array {
    return this.#discovery.hostUniq;
  }

  /** Dial, now or when the back-off allows. @param from the phase before, for the log */
  dial(from: Phase, on: string, now: Instant): void {
    const until = this.#redial.next(now);
    this.#turn.leave();
    if (until <= now) return this.#discover(from, on, now);
    this.#discovery.stop();
    this.#state = 'Wait';
    this.#timers.set('back-off', until);
    const seconds = Math.round((until - now) / 1000);
    this.#log('info', on, { failures: this.#redial.failures, seconds }, { from, to: 'Wait' });
  }

  stop(): void {
    this.#state = 'Idle';
    this.#timers.clear('back-off');
    this.#turn.leave();
    this.#discovery.forget();
  }

  /** A session with this AC opened. */
  succeeded(acMac: MacAddress): void {
    this.#attempts = 0;
    this.#turn.leave();
    this.#discovery.trust(acMac);
  }

  /**
   * A dial or a session ended, which decides when the next dial may begin, and with whom.
   *
   * @param acMac of the AC, if it came to a session
   */
  ended(ending: Ending, acMac: MacAddress | undefined, now: Instant): void {
    const isFailure = this.#redial.ended(ending, now);
    if (isFailure && acMac !== undefined) this.#discovery.avoid(acMac, now);
  }

  /** The operator is about to dial, who has a reason to think that it will succeed: do not wait. */
  forgive(): void {
    this.#redial.forgive();
  }

  /** Send a PADI at once: the next one may be a minute away, and the AC has received none of the last ones. */
  carrierIsBack(now: Instant): void {
    if (this.#state === 'Discovery') this.#discovery.start(now);
  }

  receive(packet: DiscoveryPacket, source: MacAddress, now: Instant): DiscoverySignal | undefined {
    const signal = this.#discovery.receive(packet, source, now);
    if (signal !== undefined) {
      this.#state = 'Idle';
      this.#timers.clear('back-off');
    }
    return signal;
  }

  expire(now: Instant): DiscoverySignal | undefined {
    if (this.#timers.isDue('back-off', now)) this.#discover('Wait', 'back-off over', now);
    else if (this.#state === 'Queue') this.#discover('Wait', 'its turn', now);
    else return this.#discovery.expire(now);
    return undefined;
  }

  #discover(from: Phase, on: string, now: Instant): void {
    this.#timers.clear('back-off');
    if (!this.#turn.take()) {
      this.#discovery.stop();
      const isNews = this.#state !== 'Queue';
      this.#state = 'Queue';
      if (!isNews) return;
      const facts = { first: this.#turn.ahead() };
      return this.#log('debug', 'not its turn to dial', facts, { from, to: 'Wait' });
    }
    this.#state = 'Discovery';
    this.#attempts += 1;
    this.#log('info', on, { attempt: this.#attempts }, { from, to: 'Discovery' });
    this.#discovery.start(now);
  }
}
