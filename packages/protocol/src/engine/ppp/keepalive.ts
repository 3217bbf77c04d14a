/**
 * Whether the AC still answers: when to send an Echo-Request, how many may go unanswered, and when the session is given
 * up. It sends nothing itself and knows no packet; data that arrives is the kernel's and proves nothing here.
 */
import { after, type Instant, type Millis } from '../../time.ts';
import type { LinkConfig } from '../session-config.ts';

/** `echo`: send an Echo-Request. `silent`: probing has begun. `dead`: the probe failed, and the keepalive is off. */
export type KeepaliveVerdict = 'echo' | 'silent' | 'dead';

type Mode = 'off' | 'live' | 'probing';

export class Keepalive {
  readonly #config: LinkConfig['echo'];
  #mode: Mode = 'off';
  #isPaused = false;
  /** There was a pause since the last answer: who was told that the session is down must hear that it is not. */
  #wasPaused = false;
  #unanswered = 0;
  #at: Instant | undefined;
  #rtt: Millis | undefined;

  constructor(config: LinkConfig['echo']) {
    this.#config = config;
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  /** Of the last answer. */
  get rtt(): Millis | undefined {
    return this.#rtt;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  /** The session has just opened: the AC is there. */
  watch(now: Instant): void {
    this.#mode = 'live';
    this.#unanswered = 0;
    this.#at = this.#isPaused ? undefined : after(now, this.#config.interval);
  }

  /** The session is unproven: ask at once. */
  probe(now: Instant): KeepaliveVerdict[] {
    this.#mode = 'probing';
    this.#unanswered = 0;
    return this.#isPaused ? [] : this.#ask(now);
  }

  stop(): void {
    this.#mode = 'off';
    this.#unanswered = 0;
    this.#at = undefined;
  }

  /** Without carrier no answer can come: nothing is asked and nothing counted (the AC may well wait for us). */
  pause(): void {
    this.#isPaused = true;
    this.#wasPaused = true;
    this.#at = undefined;
    this.#unanswered = 0;
  }

  /** Carrier is back: ask at once, and count from here. */
  unpause(now: Instant): KeepaliveVerdict[] {
    this.#isPaused = false;
    return this.#mode === 'off' ? [] : this.#ask(now);
  }

  /** A valid answer came. Whether it proves a session that was unproven. */
  answered(rtt: Millis, now: Instant): boolean {
    this.#rtt = rtt;
    this.#unanswered = 0;
    if (this.#mode === 'off' || (this.#mode === 'live' && !this.#wasPaused)) return false;
    this.#wasPaused = false;
    this.watch(now);
    return true;
  }

  expire(now: Instant): KeepaliveVerdict[] {
    if (this.#at === undefined || now < this.#at) return [];
    const isLive = this.#mode === 'live';
    const limit = isLive ? this.#config.failures : this.#config.probeFailures;
    if (this.#unanswered < limit) return this.#ask(now);
    if (isLive) return ['silent', ...this.probe(now)];
    this.stop();
    return ['dead'];
  }

  #ask(now: Instant): KeepaliveVerdict[] {
    const { interval, probeInterval } = this.#config;
    this.#unanswered += 1;
    this.#at = after(now, this.#mode === 'live' ? interval : probeInterval);
    return ['echo'];
  }
}
