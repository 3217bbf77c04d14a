/**
 * One router's pauses between dials, from the frames alone: after a refusal it is not back sooner than the AC can bear, and
 * after a failure not later than the failures so far explain. It counts for itself, and shares nothing with the engine's.
 */
import type { Action, Event } from '@ppp-thing/protocol/engine/events';
import { sameOctets } from '@ppp-thing/protocol/bytes';
import { findTag, TAG, type DiscoveryPacket } from '@ppp-thing/protocol/wire/pppoe';
import type { RouterView } from './stage.ts';
import { isOff, type Break } from './watch.ts';

const SECOND = 1000;
/** A second refusal in a row, and each further one, is waited out for twice as long as the one before. */
const REFUSED_MS = 15 * SECOND;
const LONGEST_MS = 300 * SECOND;
const LONGEST_REFUSED_MS = 1200 * SECOND;
/** The engine's jitter, clocks that drift, and a taker's wait for its partner's message. */
const SLACK = { less: 0.99, more: 1.3, ms: 2.5 * SECOND };
/** A session that lasted so long leaves no failures behind. */
const SERVED_MS = 60 * SECOND;

const ERRORS = [TAG['Service-Name-Error'], TAG['AC-System-Error'], TAG['Generic-Error']];

export class BackOff {
  readonly #us: string;
  /** Refusals with no session between them: at least these were counted. */
  #refusals = 0;
  /** Whatever may have been counted as a failure. */
  #failures = 0;
  /** When the last dial ended, while the next has not begun; and whether the AC refused it. */
  #endedAt: number | undefined;
  #openedAt: number | undefined;
  /** Host-Uniq of the last PADR, until it is answered. */
  #asked: Uint8Array | undefined;

  constructor(index: number) {
    this.#us = `router ${index}`;
  }

  /** A new supervisor has counted nothing. */
  restart(): void {
    this.#refusals = 0;
    this.#failures = 0;
    this.#endedAt = undefined;
    this.#openedAt = undefined;
  }

  answered(
    router: RouterView,
    event: Event,
    actions: readonly Action[],
    now: number,
    fail: Break,
  ): void {
    const status = router.status();
    if (status === undefined) return;
    // The operator's dial need not wait. The failures still count for the one after it.
    if (event.kind === 'admin' && (event.verb === 'disconnect' || event.verb === 'reconnect'))
      this.#endedAt = undefined;
    const isUp = status.snapshot.facts !== null;
    const serves = isUp && (status.state === 'Holding' || status.state === 'Yielding');
    // What the operator ends leaves the failures before it as they were.
    const hasServed = this.#openedAt !== undefined && now - this.#openedAt > SERVED_MS;
    if (!serves && hasServed && !isOff(status.state)) this.#failures = 0;
    this.#openedAt = serves ? (this.#openedAt ?? now) : undefined;
    if (status.state !== 'Holding') this.#asked = undefined;
    // An operator who connects does not wait: the pause is theirs.
    if (event.kind === 'admin') this.#endedAt = undefined;
    // Another AC that has offered is asked at once.
    if (event.kind === 'discovery' && this.#isRefused(event) && !actions.some(isRequest)) {
      this.#refusals++;
      this.#ended(now);
    }
    for (const action of actions) {
      // After a refusal there is no session to end: what is broken off here is a dial.
      if (action.kind === 'detach' && this.#refusals === 0) this.#ended(now);
      else if (action.kind === 'attach') {
        this.#refusals = 0;
        this.#endedAt = undefined;
      } else if (action.kind === 'send-discovery') {
        this.#asked = isRequest(action) ? uniqOf(action.packet) : undefined;
        if (action.packet.code === 'PADI') this.#begun(now, fail);
      }
    }
    const isWaiting = status.state === 'Holding' && status.helper && status.carrier && !isUp;
    if (!isWaiting || router.isDiskFull || router.isRefusing) this.#endedAt = undefined;
    else if (this.#endedAt !== undefined && now - this.#endedAt > this.#longest)
      fail('back-off', `${this.#us} has not dialled for ${Math.round(now - this.#endedAt)} ms`);
  }

  /** Of our last PADR, once: the other router's answers, and copies, reach us too. */
  #isRefused({ packet }: Extract<Event, { kind: 'discovery' }>): boolean {
    const uniq = uniqOf(packet);
    if (packet.code !== 'PADS' || this.#asked === undefined || uniq === undefined) return false;
    if (!sameOctets(uniq, this.#asked)) return false;
    this.#asked = undefined;
    return ERRORS.some((type) => findTag(packet, type) !== undefined);
  }

  #ended(now: number): void {
    this.#failures++;
    this.#endedAt = now;
  }

  #begun(now: number, fail: Break): void {
    if (this.#endedAt === undefined) return;
    const pause = now - this.#endedAt;
    this.#endedAt = undefined;
    if (pause < this.#shortest * SLACK.less)
      fail('back-off', `${this.#us} dials ${Math.round(pause)} ms after refusal ${this.#refusals}`);
  }

  get #shortest(): number {
    if (this.#refusals === 0) return 0;
    if (this.#refusals === 1) return SECOND;
    return Math.min(LONGEST_REFUSED_MS, REFUSED_MS * 2 ** (this.#refusals - 2));
  }

  get #longest(): number {
    const doubled = Math.min(LONGEST_MS, SECOND * 2 ** Math.max(0, this.#failures - 1));
    const refused = Math.min(LONGEST_REFUSED_MS, REFUSED_MS * 2 ** Math.max(0, this.#failures - 2));
    return (this.#refusals > 0 ? Math.max(doubled, refused) : doubled) * SLACK.more + SLACK.ms;
  }
}

const isRequest = (action: Action): boolean =>
  action.kind === 'send-discovery' && action.packet.code === 'PADR';

const uniqOf = (packet: DiscoveryPacket): Uint8Array | undefined =>
  findTag(packet, TAG['Host-Uniq'])?.value;
