/**
 * Whether the AC still lives: when to send an Echo-Request, how many may go unanswered, and when the session is given
 * up. It sends nothing itself and knows no packet.
 *
 * Theory of operation. Whatever comes from the AC in this session shows that it lives: an answer, a packet of its own, or
 * data, which only the kernel sees. So the octets that the kernel has received are asked for when answers fail to come,
 * and twice before silence is spoken of: growth between the two is life. An AC that has no Echo at all is not asked.
 *
 * What comes in says nothing of the way out. So an AC that has answered once is held to it: when it stops, the session is
 * silent whatever else comes in, and the partner may try; but it is not given up while the AC goes on sending in it.
 */
import { after, millis, type Instant, type Millis } from '../../time.ts';
import type { LinkConfig } from '../session-config.ts';

/**
 * `echo`: send an Echo-Request. `count`: ask the kernel what it has received. `silent`: probing has begun. `dead`: the
 * probe failed, and the keepalive is off. `assumed`: nothing can be asked, so that the session counts as alive.
 */
export type KeepaliveVerdict = 'echo' | 'count' | 'silent' | 'dead' | 'assumed';

/** `unasked`: open, with an AC that has no Echo. */
type Mode = 'off' | 'live' | 'probing' | 'unasked';

export class Keepalive {
  readonly #config: LinkConfig['echo'];
  #mode: Mode = 'off';
  #isPaused = false;
  /** There was a pause since the last answer: who was told that the session is down must hear that it is not. */
  #wasPaused = false;
  #unanswered = 0;
  #lost = 0;
  #at: Instant | undefined;
  /** The count before the verdict of silence is still to come, that long before it. */
  #lead: Millis | undefined;
  /** What the kernel had received when it was last asked; undefined before, and after each sign of life. */
  #octetsIn: number | undefined;
  #hasNoEcho: boolean;
  /** It has answered in this session. */
  #hasAnswered = false;
  /** Something has come in since the probe was last at its end. */
  #hasSign = false;
  #rtt: Millis | undefined;

  constructor(config: LinkConfig['echo']) {
    this.#config = config;
    this.#hasNoEcho = config.interval === 0 || config.failures === 0;
  }

  /** The AC is not asked: the configuration says so, or it has rejected the code. */
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

  /** Of the last answer. */
  get rtt(): Millis | undefined {
    return this.#rtt;
  }

  deadline(): Instant | undefined {
    return this.#at;
  }

  /** The session has just opened: the AC is there. */
  watch(now: Instant): void {
    this.#alive();
    this.#mode = this.#hasNoEcho ? 'unasked' : 'live';
    this.#at = this.#isPaused || this.#hasNoEcho ? undefined : after(now, this.#config.interval);
  }

  /** The session is unproven: ask at once. */
  probe(now: Instant): KeepaliveVerdict[] {
    this.#unanswered = 0;
    this.#hasSign = false;
    this.#lead = undefined;
    this.#mode = this.#hasNoEcho ? 'unasked' : 'probing';
    if (this.#hasNoEcho) return this.#isPaused ? [] : ['assumed'];
    return this.#isPaused ? [] : this.#ask(now);
  }

  /** The AC has no Echo (RFC 1661 §5.6): it is asked no more. Whether that proves a session that was unproven. */
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
    this.#at = undefined;
  }

  /** Without carrier no answer can come: nothing is asked and nothing counted (the AC may well wait for us). */
  pause(): void {
    this.#isPaused = true;
    this.#wasPaused = true;
    this.#alive();
    this.#at = undefined;
  }

  /** Carrier is back: ask at once, and count from here. */
  unpause(now: Instant): KeepaliveVerdict[] {
    this.#isPaused = false;
    if (this.#mode === 'off') return [];
    if (this.#mode !== 'unasked') return this.#ask(now);
    this.#wasPaused = false;
    return ['assumed'];
  }

  /** A valid answer came. Whether it proves a session that was unproven. */
  answered(rtt: Millis, now: Instant): boolean {
    this.#rtt = rtt;
    this.#hasAnswered = true;
    return this.#lives(now);
  }

  /** Something else came from the AC. Whether it proves a session that was unproven. */
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

  /** @param octetsIn what the kernel has received in this session so far. Whether that proves an unproven session. */
  counted(octetsIn: number, now: Instant): boolean {
    const before = this.#octetsIn;
    this.#octetsIn = octetsIn;
    if (this.#unanswered === 0 || before === undefined || octetsIn <= before) return false;
    return this.heard(now);
  }

  expire(now: Instant): KeepaliveVerdict[] {
    if (this.#at === undefined || now < this.#at) return [];
    if (this.#lead !== undefined) {
      this.#at = after(now, this.#lead);
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
    const { interval, probeInterval, failures } = this.#config;
    if (this.#unanswered > 0) this.#lost += 1;
    this.#unanswered += 1;
    if (this.#mode === 'probing') {
      this.#at = after(now, probeInterval);
      return this.#unanswered === 1 ? ['echo'] : ['echo', 'count'];
    }
    this.#at = after(now, interval);
    if (this.#unanswered < failures || this.#hasAnswered) return ['echo'];
    // The last one before the silence counts: what comes meanwhile is seen just before that.
    this.#lead = millis(Math.min(probeInterval, interval / 2));
    this.#at = after(now, millis(interval - this.#lead));
    return ['echo', 'count'];
  }

  #alive(): void {
    if (this.#lead !== undefined && this.#at !== undefined) this.#at = after(this.#at, this.#lead);
    this.#unanswered = 0;
    this.#lead = undefined;
    this.#octetsIn = undefined;
  }
}
