/**
 * Decides whether the AC still lives: when to send an Echo-Request, how many may go unanswered, and when to give the
 * session up. It sends nothing itself and knows no packet.
 *
 * Theory of operation. Any packet from the AC in this session shows that it lives: an answer, a packet of its own, or data,
 * which only the kernel sees. So when answers are missing, the keepalive reads the kernel's count of received octets, twice
 * before it reports silence: growth between the two shows life. An AC without Echo gets no Echo-Requests.
 *
 * Packets that arrive say nothing about the way to the AC. So an AC that has answered once must go on answering: when it
 * stops, the session is silent whatever else arrives, and the partner may try. But we do not give the session up while the
 * AC goes on sending in it.
 */
import { after, millis, type Instant, type Millis } from '../../time.ts';
import type { LinkConfig } from '../session-config.ts';
import { PPP_WAITS, type PppTimers } from './waits.ts';

/**
 * `echo`: send an Echo-Request. `count`: read the kernel's count of received octets. `silent`: probing has begun. `dead`:
 * the probe failed, and the keepalive is off. `assumed`: the AC has no Echo, so the session counts as alive.
 */
export type KeepaliveVerdict = 'echo' | 'count' | 'silent' | 'dead' | 'assumed';

/** `unasked`: open, with an AC that has no Echo. */
type Mode = 'off' | 'live' | 'probing' | 'unasked';

export class Keepalive {
  readonly #config: LinkConfig['echo'];
  readonly #timers: PppTimers;
  #mode: Mode = 'off';
  #isPaused = false;
  /** Paused since the last reply, so the next reply must report `proven` again. */
  #wasPaused = false;
  #unanswered = 0;
  #lost = 0;
  /** The second count is still to come, this long before the verdict of silence. */
  #lead: Millis | undefined;
  /** The last count of received octets; undefined before the first, and after each sign of life. */
  #octetsIn: number | undefined;
  #hasNoEcho: boolean;
  /** The AC has answered an Echo-Request in this session. */
  #hasAnswered = false;
  /** Something has arrived since the probe last ended. */
  #hasSign = false;
  #rtt: Millis | undefined;

  constructor(config: LinkConfig['echo'], timers: PppTimers) {
    this.#config = config;
    this.#timers = timers;
    this.#hasNoEcho = config.interval === 0 || config.failures === 0;
  }

  /** No Echo-Requests: the configuration says so, or the AC has rejected the code. */
  get hasNoEcho(): boolean {
    return this.#hasNoEcho;
  }

  get unanswered(): number {
    return this.#unanswered;
  }

  /** Echo-Requests without a reply or another sign of life by the time of the next one. */
  get lost(): number {
    return this.#lost;
  }

  /** Round trip of the last answer. */
  get rtt(): Millis | undefined {
    return this.#rtt;
  }

  /** The session has just opened: the AC is there. */
  watch(now: Instant): void {
    this.#alive();
    this.#mode = this.#hasNoEcho ? 'unasked' : 'live';
    if (this.#isPaused || this.#hasNoEcho) this.#timers.clear('echo', 'probe');
    else this.#next(PPP_WAITS.echo(this.#config), now);
  }

  /** The session is unproven: send an Echo-Request at once. */
  probe(now: Instant): KeepaliveVerdict[] {
    this.#unanswered = 0;
    this.#hasSign = false;
    this.#lead = undefined;
    this.#mode = this.#hasNoEcho ? 'unasked' : 'probing';
    if (this.#hasNoEcho) return this.#isPaused ? [] : ['assumed'];
    return this.#isPaused ? [] : this.#ask(now);
  }

  /** The AC has no Echo (RFC 1661 §5.6): send no more. @returns whether that proves an unproven session */
  refused(now: Instant): boolean {
    this.#hasNoEcho = true;
    const isNews = this.#lives(now);
    if (this.#mode !== 'off') this.watch(now);
    return isNews;
  }

  stop(): void {
    this.#alive();
    this.#mode = 'off';
    this.#hasAnswered = false;
    this.#timers.clear('echo', 'probe');
  }

  /** Without carrier no answer can come: send nothing and count nothing. The AC may well keep the session. */
  pause(): void {
    this.#isPaused = true;
    this.#wasPaused = true;
    this.#alive();
    this.#timers.clear('echo', 'probe');
  }

  /** Carrier is back: send an Echo-Request at once, and count from here. */
  unpause(now: Instant): KeepaliveVerdict[] {
    this.#isPaused = false;
    if (this.#mode === 'off') return [];
    if (this.#mode !== 'unasked') return this.#ask(now);
    this.#wasPaused = false;
    return ['assumed'];
  }

  /** A valid answer came. @returns whether it proves an unproven session */
  answered(rtt: Millis, now: Instant): boolean {
    this.#rtt = rtt;
    this.#hasAnswered = true;
    return this.#lives(now);
  }

  /** Something else came from the AC. @returns whether it proves an unproven session */
  heard(now: Instant): boolean {
    this.#hasSign = true;
    return !this.#hasAnswered && this.#lives(now);
  }

  #lives(now: Instant): boolean {
    const isNews = this.#mode === 'probing' || (this.#mode !== 'off' && this.#wasPaused);
    if (isNews) {
      this.#wasPaused = false;
      this.watch(now);
    } else this.#alive();
    return isNews;
  }

  /** @param octetsIn received by the kernel in this session so far @returns whether that proves an unproven session */
  counted(octetsIn: number, now: Instant): boolean {
    const before = this.#octetsIn;
    this.#octetsIn = octetsIn;
    if (this.#unanswered === 0 || before === undefined || octetsIn <= before) return false;
    return this.heard(now);
  }

  expire(now: Instant): KeepaliveVerdict[] {
    if (!this.#timers.isDue('echo', now) && !this.#timers.isDue('probe', now)) return [];
    if (this.#lead !== undefined) {
      this.#next(this.#lead, now);
      this.#lead = undefined;
      return ['count'];
    }
    const isLive = this.#mode === 'live';
    const limit = isLive ? this.#config.failures : this.#config.probeFailures;
    if (this.#unanswered < limit) return this.#ask(now);
    this.#lost += 1;
    if (isLive) return ['silent', ...this.probe(now)];
    if (this.#hasSign) return this.probe(now);
    this.stop();
    return ['dead'];
  }

  #ask(now: Instant): KeepaliveVerdict[] {
    const interval = PPP_WAITS.echo(this.#config);
    const probeInterval = PPP_WAITS.probe(this.#config);
    if (this.#unanswered > 0) this.#lost += 1;
    this.#unanswered += 1;
    if (this.#mode === 'probing') {
      this.#next(probeInterval, now);
      return this.#unanswered === 1 ? ['echo'] : ['echo', 'count'];
    }
    this.#next(interval, now);
    if (this.#unanswered < this.#config.failures || this.#hasAnswered) return ['echo'];
    // The last one before the silence counts: what comes meanwhile is seen just before that.
    this.#lead = millis(Math.min(probeInterval, interval / 2));
    this.#next(millis(interval - this.#lead), now);
    return ['echo', 'count'];
  }

  #next(span: Millis, from: Instant): void {
    this.#timers.clear('echo', 'probe');
    this.#timers.set(this.#mode === 'probing' ? 'probe' : 'echo', after(from, span));
  }

  #alive(): void {
    const at = this.#timers.at('echo');
    if (this.#lead !== undefined && at !== undefined) this.#next(this.#lead, at);
    this.#unanswered = 0;
    this.#lead = undefined;
    this.#octetsIn = undefined;
  }
}
