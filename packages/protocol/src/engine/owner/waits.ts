/** The waits of ownership: for each, its name, the meaning of its end, and its span. There is no clock here. */
import { after, millis, seconds, type Instant, type Millis } from '../../time.ts';
import type { OwnershipConfig } from '../session-config.ts';
import { Timers, type Wait } from '../timers.ts';

/** Without an announce frame for this long, a partner that is not heard is not on the line either. */
export const SEEN_SPAN = seconds(15);
/** Between announce frames while the partner is not heard: they are then the only evidence of who holds the line. */
const ANNOUNCE_INTERVAL = seconds(5);
/** Interval between attempts at an action that the kernel or the disk refused. */
const RETRY_INTERVAL = seconds(1);
/** Two routers that took in the same epoch wait a random time within these bounds before one goes a step higher. */
const CONTEST = { low: 50, high: 500 };

export const WAITS = {
  /** At start the partner has had its time to be heard: go on without it. */
  'hold-down': ({ holdDown }) => holdDown,
  /** Send the next message to the partner, even if nothing has changed. */
  tell: ({ fastTakeover = seconds(5) }) => millis(Math.min(1000, fastTakeover / 5)),
  /** A partner that holds has given no sign on any path for as long as the configuration allows. */
  alarm: ({ fastTakeover = seconds(5) }) => fastTakeover,
  /** The partner has said nothing for so long that its last message counts no more. */
  partner: ({ partnerTimeout }) => partnerTimeout,
  /** The partner says that it cannot hold a session: a demotion in its favour has no purpose any more. */
  unhealthy: () => seconds(5),
  /** A partner that is not heard keeps the benefit of our demotion for this long: its supervisor may be restarting. */
  unheard: () => seconds(60),
  /** The partner was seen on the line, and has not been since: it is not there any more. */
  unseen: () => SEEN_SPAN,
  /** A partner that knows that it is not heard would have announced itself by now. */
  unannounced: () => millis(ANNOUNCE_INTERVAL + 1000),
  /** CARP has not carried out a planned handoff: it is undone. */
  handoff: () => seconds(5),
  /** The session has been down for as long as the configuration allows: it is the partner's to try. */
  down: ({ downDemotion }) => downDemotion,
  /** When `down` ended, a dial still advanced. It has had its time now, even if it still advances. */
  patience: () => seconds(60),
  /** The partner was dialling when we took: it has had its time to say how that ended. */
  release: () => seconds(1),
  /** The watchdog's demotion is removed, so that this line is tried again. */
  watchdog: () => seconds(300),
  /** The kernel or the disk is asked again for what it refused. */
  retry: () => RETRY_INTERVAL,
  /** The disk is asked again for a lease that it refused; the session goes on. */
  lease: () => RETRY_INTERVAL,
  /** The kernel has taken again what it had refused: two attempts went by without a refusal. */
  settled: () => millis(2 * RETRY_INTERVAL),
  /** A partner that is behind was answered on the line: it is not answered again so soon. */
  answered: () => seconds(1),
  /** The next announce frame is due to a partner that may not hear us. */
  announce: () => ANNOUNCE_INTERVAL,
  /** The kernel has refused the session once and has not refused it again: it may be announced. */
  reclaim: () => RETRY_INTERVAL,
  /** Configure the LANs again after a refusal: an interface may have appeared late. */
  delegate: () => seconds(30),
  /** Neither of two routers with the same epoch has gone a step higher. This is the longest span. */
  contest: () => millis(CONTEST.high),
} as const satisfies Record<string, (config: OwnershipConfig) => Millis>;

export type OwnerWait = keyof typeof WAITS;

export class Waits {
  readonly #config: OwnershipConfig;
  readonly #timers = new Timers<OwnerWait>();

  constructor(config: OwnershipConfig) {
    this.#config = config;
  }

  /** Start a wait, or restart it. */
  begin(name: OwnerWait, now: Instant): void {
    this.#timers.set(name, after(now, WAITS[name](this.#config)));
  }

  /** Begin it, unless it has begun. */
  ensure(name: OwnerWait, now: Instant): void {
    if (!this.#timers.isSet(name)) this.begin(name, now);
  }

  /** @param share 0 … 1, drawn at random */
  beginContest(share: number, now: Instant): void {
    const span = CONTEST.low + share * (CONTEST.high - CONTEST.low);
    this.#timers.set('contest', after(now, millis(span)));
  }

  cancel(...names: readonly OwnerWait[]): void {
    this.#timers.clear(...names);
  }

  isPending(name: OwnerWait): boolean {
    return this.#timers.isSet(name);
  }

  next(): Instant | undefined {
    return this.#timers.next();
  }

  all(): readonly Wait<OwnerWait>[] {
    return this.#timers.all();
  }

  /** Expired waits, earliest first; each once. */
  over(now: Instant): readonly OwnerWait[] {
    return this.#timers.expired(now);
  }
}
